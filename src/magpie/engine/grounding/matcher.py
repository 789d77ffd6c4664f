"""Links entities to what was found in the pictures, or says that they are not there.

Per entity and picture two probabilities are estimated: that it shows at all, and, for each
candidate region, that the region is the right one. The best region wins if it is more probable
than "not in the picture"; that rule is the one which maximises the expected number of correct
entity-region pairs. Candidates are

- for a person: the people found, each as the body grown from a face or as found whole, shared
  among the mentions (a larger person, and one beside lettering with the name, is more probable);
- for anything: lettering that spells the mention;
- for an entity that a caption names, and for any on request (``guess``): the place where entities
  of the type usually are, for most types nearly the whole picture.

The link says that the text names somebody and the picture shows somebody. Whether they are the
same person is not examined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from magpie.engine.grounding.coefficients import Coefficients
from magpie.engine.grounding.features import Mention, Scene, describe, read_caption
from magpie.engine.grounding.geometry import Corners, area, gap, intersection_over_union
from magpie.engine.grounding.ocr import TextLine
from magpie.engine.grounding.people import Detection, body_of_face
from magpie.engine.grounding.similarity import Lettering, read_mention

__all__ = ["Link", "Person", "PictureEvidence", "link_mentions", "people_of", "scene_of"]

#: Lettering below this similarity is no sign of the mention.
_MIN_SIMILARITY = 0.6

#: From this similarity on, a caption names the mention.
_CAPTION_NAMES = 0.9

#: Share of the picture that lettering must cover to count as "the picture shows lettering".
_LETTERING_SHARE = 0.005


#: Share of the picture's height from which lettering counts as a title.
_TITLE_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureEvidence:
    """What was found in one picture; a detector that did not run leaves None.

    Args:
        media: id of the picture.
        width, height: in pixels; all boxes refer to these.
        faces, persons, lines: as found, in any order.
        captions: what others say about the picture.
    """

    media: str
    width: int
    height: int
    faces: Sequence[Detection] | None = None
    persons: Sequence[Detection] | None = None
    lines: Sequence[TextLine] | None = None
    captions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """Where a mention shows: the picture's id, the box, what it is, its probability, and why."""

    media: str
    box: Corners
    label: str
    score: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the picture; ``right`` is how probably the box is that of the whole person."""

    box: Corners
    score: float
    right: float
    why: str


def people_of(picture: PictureEvidence, coefficients: Coefficients) -> list[Person]:
    """The people in a picture: bodies grown from faces, and whole people without a face."""
    faces = sorted(picture.faces or (), key=lambda face: (-face.score, face.box))
    people = []
    for face in faces:
        others = [other.box for other in faces if other is not face]
        body = body_of_face(
            face.box,
            others,
            coefficients.body,
            width=picture.width,
            height=picture.height,
        )
        if area(body) > 0:
            people.append(
                Person(body, face.score, coefficients.person_right, f"face {face.score:.2f}")
            )
    for person in sorted(picture.persons or (), key=lambda item: (-item.score, item.box)):
        if all(intersection_over_union(person.box, known.box) < 0.3 for known in people):
            why = f"person {person.score:.2f}"
            people.append(Person(person.box, person.score, coefficients.whole_right, why))
    return people


def scene_of(picture: PictureEvidence, coefficients: Coefficients, mention: str = "") -> Scene:
    """What the picture shows, from its captions and from what was found in it."""
    prior = coefficients.prior
    said = read_caption(picture.captions, mention) if picture.captions else None
    scores = sorted((found.score for found in people_of(picture, coefficients)), reverse=True)
    looked = picture.faces is not None
    person = said.person if said else (coefficients.missed_person if looked else prior.person)
    people = said.people if said else prior.people
    lettering = said.lettering if said else prior.lettering
    if scores:
        person = max(person, scores[0])
    if len(scores) > 1:
        people = max(people, scores[1])
    if picture.lines is not None:
        covered = sum(area(line.box) for line in picture.lines)
        shows = covered >= _LETTERING_SHARE * picture.width * picture.height
        lettering = max(float(shows), said.lettering if said else 0.0)
    named = said.named if said else 0.0
    return Scene(person=person, people=people, lettering=lettering, named=named)


@dataclass(frozen=True, slots=True)
class _View:
    """One mention in one picture: how probably it shows, and where and how its name is read."""

    visible: float
    usual: float
    read: Lettering | None
    title: float
    captioned: bool


def _view(mention: Mention, picture: PictureEvidence, coefficients: Coefficients) -> _View:
    scene = scene_of(picture, coefficients, mention.text)
    read = read_mention(mention.text, picture.lines or ())
    if read is not None and read.similarity < _MIN_SIMILARITY:
        read = None
    if read is not None:
        scene = replace(scene, named=max(scene.named, read.similarity))
    features = describe(mention, scene)
    title = _title(read, picture) if read is not None else 0.0
    bonus = coefficients.title_bonus[mention.type] * title
    return _View(
        coefficients.probability(coefficients.visible, features, extra=bonus),
        coefficients.probability(coefficients.usual, features),
        read,
        title,
        bool(picture.captions)
        and read_caption(picture.captions, mention.text).named >= _CAPTION_NAMES,
    )


def _title(read: Lettering, picture: PictureEvidence) -> float:
    """How far lettering is a title or logo rather than a word in running text, in [0, 1]."""
    prominence = min(1.0, read.height / (_TITLE_SHARE * picture.height))
    return read.similarity * read.similarity * read.purity * prominence


def link_mentions(
    mentions: Sequence[Mention],
    pictures: Sequence[PictureEvidence],
    coefficients: Coefficients,
    *,
    min_score: float = 0.0,
    guess: bool = False,
) -> list[Link | None]:
    """The link of each mention, or None when it is more probably not in any picture.

    Args:
        mentions: of one document, in any order.
        pictures: all pictures of the document that could be looked at.
        coefficients: of the matcher.
        min_score: links below this probability are dropped, too.
        guess: allow a type's usual place where nothing was found. Without it every link rests on
            something seen or on a caption that names the mention.
    """
    views = [
        [_view(mention, picture, coefficients) for picture in pictures] for mention in mentions
    ]
    options: list[list[Link]] = [[] for _ in mentions]
    for index, picture in enumerate(pictures):
        column = [row[index] for row in views]
        people = people_of(picture, coefficients)
        _offer_people(options, mentions, column, picture, people)
        for i, mention in enumerate(mentions):
            options[i] += _offer_lettering(mention, column[i], picture, coefficients)
        open_to = [i for i, view in enumerate(column) if guess or view.captioned]
        _offer_usual(options, mentions, open_to, column, picture, coefficients, bool(people))
    links: list[Link | None] = []
    for row, offered in zip(views, options, strict=True):
        best = max(offered, key=_preference, default=None)
        absent = 1.0 - max((view.visible for view in row), default=0.0)
        good = best is not None and best.score > absent and best.score >= min_score
        links.append(best if good else None)
    return links


def _preference(link: Link) -> tuple[float, str, Corners]:
    return (link.score, link.media, link.box)


def _offer_people(
    options: list[list[Link]],
    mentions: Sequence[Mention],
    views: Sequence[_View],
    picture: PictureEvidence,
    people: Sequence[Person],
) -> None:
    """Gives each person in the picture to at most one mention, the most visible mention first."""
    free = list(people)
    named = [i for i, mention in enumerate(mentions) if mention.type == "PER"]
    for i in sorted(named, key=lambda i: (-views[i].visible, mentions[i].rank, i)):
        if not free:
            return
        read = views[i].read
        # Shares are taken over all people: one who is taken could still have been the right one.
        weights = {person: _weight(person, read) for person in people}
        chosen = max(free, key=lambda person: (weights[person], _leftmost(person)))
        free.remove(chosen)
        share = weights[chosen] / sum(weights.values())
        score = views[i].visible * share * chosen.right
        why = (chosen.why, f"name read: {read.text}") if read else (chosen.why,)
        options[i].append(Link(picture.media, chosen.box, "person", round(score, 4), why))


def _leftmost(person: Person) -> tuple[float, ...]:
    return tuple(-value for value in person.box)


def _weight(person: Person, read: Lettering | None) -> float:
    """How much a person stands out; lettering with the name beside or on them counts most."""
    weight = person.score * area(person.box)
    if read is None:
        return weight
    width = person.box[2] - person.box[0]
    return weight * (
        1.0 + 4.0 * read.similarity * math.exp(-3.0 * gap(person.box, read.box) / width)
    )


def _offer_lettering(
    mention: Mention, view: _View, picture: PictureEvidence, coefficients: Coefficients
) -> list[Link]:
    if view.read is None or area(view.read.box) <= 0:
        return []
    low, high = coefficients.lettering_right[mention.type], coefficients.title_right[mention.type]
    right = (low + (high - low) * view.title) * view.read.similarity
    return [
        Link(
            picture.media,
            view.read.box,
            "lettering",
            round(view.visible * right, 4),
            (f"read: {view.read.text}",),
        )
    ]


def _offer_usual(
    options: list[list[Link]],
    mentions: Sequence[Mention],
    open_to: Sequence[int],
    views: Sequence[_View],
    picture: PictureEvidence,
    coefficients: Coefficients,
    somebody: bool,
) -> None:
    """The usual place of each type, for the most visible of the mentions it is open to."""
    size = (picture.width, picture.height, picture.width, picture.height)
    for kind, place in coefficients.usual_place.items():
        if kind == "PER" and somebody:
            continue
        same = [i for i in open_to if mentions[i].type == kind]
        if not same:
            continue
        i = min(same, key=lambda i: (-views[i].visible, mentions[i].rank, i))
        x1, y1, x2, y2 = (share * side for share, side in zip(place, size, strict=True))
        score = round(views[i].visible * views[i].usual, 4)
        reason = "named by the caption" if views[i].captioned else "nothing found"
        why = (f"{reason}; where such entities usually are",)
        options[i].append(Link(picture.media, (x1, y1, x2, y2), "usual place", score, why))
