"""Linking with made-up coefficients, so that each expected probability can be worked by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from magpie.engine.grounding.coefficients import Coefficients, load_coefficients
from magpie.engine.grounding.features import (
    TYPES,
    Mention,
    Scene,
    coarse,
    describe,
    mentions_of,
    read_caption,
)
from magpie.engine.grounding.matcher import Link, PictureEvidence, link_mentions, scene_of
from magpie.engine.grounding.ocr import TextLine
from magpie.engine.grounding.people import FACE_FEATURES, Detection, body_of_face
from magpie.errors import ModelError
from magpie.schema import Annotations, Block, Document, Entity

SHAPE = {"up": 0.5, "side": 1.0, "down": 2.0}


def logit(p: float) -> float:
    return math.log(p / (1 - p))


#: A person shows with probability 0.8, anything else with 0.3 and with 0.6 once it is read.
SIMPLE = Coefficients(
    visible={
        "type=PER": logit(0.8),
        **{f"type={kind}": logit(0.3) for kind in TYPES[1:]},
        **{f"{kind}:named": logit(0.6) - logit(0.3) for kind in TYPES[1:]},
    },
    usual={"type=PER": logit(0.5), **{f"type={kind}": logit(0.01) for kind in TYPES[1:]}},
    usual_place={
        "PER": (0.1, 0.0, 0.9, 1.0),
        "ORG": (0.0, 0.0, 1.0, 1.0),
        "LOC": (0.0, 0.0, 1.0, 1.0),
        "OTHER": (0.0, 0.0, 1.0, 1.0),
    },
    face=dict.fromkeys(FACE_FEATURES, 1.0),
    body=SHAPE,
    person_right=0.7,
    whole_right=0.6,
    lettering_right={"PER": 0.1, "ORG": 0.9, "LOC": 0.2, "OTHER": 0.9},
    title_right={"PER": 0.1, "ORG": 0.9, "LOC": 0.2, "OTHER": 0.9},
    title_bonus=dict.fromkeys(TYPES, 0.0),
    prior=Scene(person=0.5, people=0.2, lettering=0.1),
    missed_person=0.3,
)


def mention(text: str, kind: str, rank: int = 0, same: int = 1, total: int = 1) -> Mention:
    return Mention(text, kind, None, rank, same, total, "")


def line(text: str, x: float, y: float, height: float = 20) -> TextLine:
    width = height * len(text) / 2
    return TextLine(text, 0.9, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)))


def picture(media: str = "m0", **found: object) -> PictureEvidence:
    given = {"faces": [], "persons": [], "lines": [], **found}
    return PictureEvidence(media=media, width=400, height=300, **given)  # type: ignore[arg-type]


def one(links: list[Link | None]) -> Link:
    assert len(links) == 1
    assert links[0] is not None
    return links[0]


FACE = Detection((180.0, 50.0, 220.0, 90.0), 0.9)
BODY = (160.0, 30.0, 240.0, 170.0)  # 40 wide: 20 up, 40 to each side, 80 down


def test_a_person_is_the_body_around_the_face() -> None:
    link = one(link_mentions([mention("Ann", "PER")], [picture(faces=[FACE])], SIMPLE))
    assert link.box == BODY
    assert link.label == "person"
    assert link.score == pytest.approx(0.8 * 0.7)
    assert link.evidence == ("face 0.90",)


def test_a_caption_that_names_it_opens_the_usual_place() -> None:
    sure = replace(
        SIMPLE,
        visible={"type=LOC": logit(0.3), "LOC:named": logit(0.8) - logit(0.3)},
        usual={"type=LOC": logit(0.6)},
    )
    places = [mention("Lake Bled", "LOC")]
    link = one(link_mentions(places, [picture(captions=["lake bled in the morning"])], sure))
    assert (link.label, link.box) == ("usual place", (0.0, 0.0, 400.0, 300.0))
    assert link.score == pytest.approx(0.8 * 0.6, abs=1e-3)
    assert link.evidence[0].startswith("named by the caption")
    assert link_mentions(places, [picture(captions=["a lake in the morning"])], sure) == [None]
    assert link_mentions(places, [picture()], sure) == [None]


def test_without_anybody_the_usual_place_must_beat_absence() -> None:
    people = [mention("Ann", "PER")]
    link = one(link_mentions(people, [picture()], SIMPLE, guess=True))
    assert (link.label, link.box) == ("usual place", (40.0, 0.0, 360.0, 300.0))
    assert link.score == pytest.approx(0.8 * 0.5)
    assert link_mentions(people, [picture()], SIMPLE) == [None]
    doubtful = replace(SIMPLE, visible={"type=PER": logit(0.6)})
    assert link_mentions(people, [picture()], doubtful, guess=True) == [None]  # 0.3 against 0.4


def test_nothing_in_the_picture_is_absent() -> None:
    for kind in TYPES[1:]:
        assert link_mentions([mention("Xyz", kind)], [picture()], SIMPLE) == [None]
    assert link_mentions([mention("Ann", "PER")], [], SIMPLE) == [None]


def test_lettering_is_linked_to_the_mention_it_spells() -> None:
    lines = [line("NASA", 10, 10), line("BOEING", 200, 200)]
    mentions = [
        mention("Boeing", "ORG", 0, 2, 2),
        mention("NASA", "ORG", 1, 2, 2),
    ]
    boeing, nasa = link_mentions(mentions, [picture(lines=lines)], SIMPLE)
    assert nasa is not None
    assert boeing is not None
    assert nasa.box == pytest.approx((10, 10, 50, 30))
    assert boeing.box == pytest.approx((200, 200, 260, 220))
    assert nasa.score == pytest.approx(0.6 * 0.9)
    assert nasa.evidence == ("read: NASA",)


def test_lettering_that_spells_something_else_links_nothing() -> None:
    found = picture(lines=[line("BOEING", 10, 10)])
    assert link_mentions([mention("NASA", "ORG")], [found], SIMPLE) == [None]
    half = picture(lines=[line("COLLINS", 10, 10)])
    assert link_mentions([mention("Rockwell Collins", "ORG")], [half], SIMPLE) == [None]


def test_a_title_counts_more_than_a_name_in_running_text() -> None:
    bonus = replace(SIMPLE, title_bonus={"PER": 0.0, "ORG": 2.0, "LOC": 0.0, "OTHER": 2.0})
    organisation = [mention("NASA", "ORG")]
    title = one(link_mentions(organisation, [picture(lines=[line("NASA", 10, 10)])], bonus))
    expected = 1 / (1 + math.exp(-(logit(0.6) + 2.0)))
    assert title.score == pytest.approx(0.9 * expected, abs=1e-4)
    # A third as high as a title must be, and one of four words.
    small = line("NASA", 10, 10, height=5)
    running = line("NASA said that yes", 10, 10)
    for lettering in (small, running):
        weaker = one(link_mentions(organisation, [picture(lines=[lettering])], bonus))
        assert weaker.score < title.score


def test_a_places_name_in_lettering_is_not_the_place() -> None:
    found = picture(lines=[line("PARIS", 10, 10)])
    assert link_mentions([mention("Paris", "LOC")], [found], SIMPLE) == [None]


def test_one_person_is_never_shown_twice() -> None:
    pair = [mention("Ann", "PER", 0, 2, 2), mention("Bob", "PER", 1, 2, 2)]
    first, second = link_mentions(pair, [picture(faces=[FACE])], SIMPLE)
    assert first is not None
    assert first.box == BODY
    assert second is None


def test_the_larger_person_is_preferred() -> None:
    small = Detection((20.0, 50.0, 30.0, 60.0), 0.9)
    link = one(link_mentions([mention("Ann", "PER")], [picture(faces=[small, FACE])], SIMPLE))
    assert link.box[0] == 160.0
    assert link.score < 0.8 * 0.7  # the other one could be meant


def test_a_name_beside_somebody_points_at_them() -> None:
    left = Detection((40.0, 50.0, 80.0, 90.0), 0.9)
    right = Detection((300.0, 50.0, 340.0, 90.0), 0.9)
    name = line("ANN LEE", 285, 175)
    link = one(
        link_mentions(
            [mention("Ann Lee", "PER")], [picture(faces=[left, right], lines=[name])], SIMPLE
        )
    )
    assert link.box[0] == 280.0
    assert link.evidence == ("face 0.90", "name read: ANN LEE")


def test_whole_people_count_where_no_face_was_found() -> None:
    walker = Detection((100.0, 100.0, 140.0, 200.0), 0.8)
    link = one(link_mentions([mention("Ann", "PER")], [picture(persons=[walker])], SIMPLE))
    assert link.box == walker.box
    assert link.score == pytest.approx(0.8 * 0.6)
    same = Detection(BODY, 0.99)
    link = one(
        link_mentions([mention("Ann", "PER")], [picture(faces=[FACE], persons=[same])], SIMPLE)
    )
    assert link.score == pytest.approx(0.8 * 0.7)  # one person, not two


def test_min_score_drops_weak_links() -> None:
    found = [picture(faces=[FACE])]
    people = [mention("Ann", "PER")]
    assert link_mentions(people, found, SIMPLE, min_score=0.56) != [None]
    assert link_mentions(people, found, SIMPLE, min_score=0.57) == [None]


def test_several_pictures_each_name_themselves() -> None:
    found = [
        picture("a", lines=[line("NASA", 10, 10)]),
        picture("b", faces=[FACE]),
        picture("c"),
    ]
    mentions = [mention("Ann", "PER", total=2), mention("NASA", "ORG", total=2)]
    person, organisation = link_mentions(mentions, found, SIMPLE)
    assert person is not None
    assert organisation is not None
    assert (person.media, organisation.media) == ("b", "a")


def test_order_of_everything_changes_nothing() -> None:
    faces = [FACE, Detection((40.0, 60.0, 80.0, 100.0), 0.8)]
    lines = [line("NASA", 10, 10), line("NASA", 10, 200), line("ANN", 250, 250)]
    mentions = [
        mention("Ann", "PER", 0, 2, 3),
        mention("Bob", "PER", 1, 2, 3),
        mention("NASA", "ORG", 0, 1, 3),
    ]
    coefficients = load_coefficients()
    expected = link_mentions(mentions, [picture(faces=faces, lines=lines)], coefficients)
    for order in itertools.permutations(range(3)):
        links = link_mentions(
            [mentions[i] for i in order],
            [picture(faces=faces[::-1], lines=[lines[i] for i in order])],
            coefficients,
        )
        assert links == [expected[i] for i in order]


# scenes and features


def test_scene_from_detectors_and_captions() -> None:
    assert scene_of(picture(), SIMPLE) == Scene(person=0.3, people=0.2, lettering=0.0)
    blind = picture(faces=None, lines=None)
    assert scene_of(blind, SIMPLE) == Scene(person=0.5, people=0.2, lettering=0.1)
    two = picture(faces=[FACE, Detection((300.0, 50.0, 330.0, 80.0), 0.6)])
    assert scene_of(two, SIMPLE) == Scene(person=0.9, people=0.6, lettering=0.0)
    said = picture(captions=["two men under a sign"])
    assert scene_of(said, SIMPLE) == Scene(person=1.0, people=1.0, lettering=1.0)
    written = picture(lines=[line("NASA", 10, 10)])
    assert scene_of(written, SIMPLE).lettering == 1.0


def test_captions() -> None:
    scene = read_caption(["A woman reads."], "NASA")
    assert (scene.person, scene.people, scene.lettering, scene.named) == (1.0, 0.0, 0.0, 0.0)
    assert read_caption(["the nasa logo"], "NASA").named == 1.0
    assert read_caption([]).person == 0.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [("PER", "PER"), ("person", "PER"), ("building", "LOC"), ("MISC", "OTHER"), ("art", "OTHER")],
)
def test_types_of_other_corpora(given: str, expected: str) -> None:
    assert coarse(given) == expected


def test_mentions_know_their_neighbours() -> None:
    block = Block(text="#NASA thanks Ann and @bob")
    document = Document(
        id="d",
        blocks=(block,),
        annotations=Annotations(
            entities=(
                Entity(id="e0", span=block.span(22, 25), type="PER"),
                Entity(id="e1", span=block.span(13, 16), type="PER", fine_type="actor"),
                Entity(id="e2", span=block.span(1, 5), type="ORG"),
            )
        ),
    )
    assert mentions_of(document) == [
        Mention("bob", "PER", None, 1, 2, 3, "@"),
        Mention("Ann", "PER", "actor", 0, 2, 3, ""),
        Mention("NASA", "ORG", None, 0, 1, 3, "#"),
    ]


def test_features_by_name() -> None:
    scene = Scene(person=0.5, people=0.25, lettering=1.0, named=0.5)
    features = describe(Mention("Ann Lee", "PER", "Actor", 1, 2, 2, "@"), scene)
    assert features["type=PER"] == 1.0
    assert features["fine=actor"] == 1.0
    assert features["PER:later"] == 1.0
    assert features["PER:handle"] == 1.0
    assert features["PER:long"] == 1.0
    assert features["PER:person"] == 0.5
    assert features["PER:named"] == 0.25
    assert features["PER:alone"] == 0.0


# bodies and coefficients


def test_bodies_end_half_way_to_a_neighbour() -> None:
    neighbour = (240.0, 50.0, 280.0, 90.0)
    body = body_of_face(FACE.box, [neighbour], SHAPE, width=400, height=300)
    assert body == (160.0, 30.0, 230.0, 170.0)
    above = (240.0, 250.0, 280.0, 290.0)
    assert body_of_face(FACE.box, [above], SHAPE, width=400, height=300) == BODY


def test_bodies_stay_in_the_picture() -> None:
    assert body_of_face((0, 0, 100, 100), [], SHAPE, width=120, height=150) == (0, 0, 120, 150)


def test_shipped_coefficients_are_sane() -> None:
    shipped = load_coefficients()
    assert shipped.visible["PER:person"] > 0 > shipped.visible["LOC:person"]
    assert all(shipped.visible[f"{kind}:named"] > 0 for kind in TYPES)
    assert 0 < shipped.missed_person < shipped.prior.person
    assert 0.3 < shipped.person_right < 1
    for x1, y1, x2, y2 in shipped.usual_place.values():
        assert 0 <= x1 < x2 <= 1
        assert 0 <= y1 < y2 <= 1
    assert len(shipped.digest) == 12


@pytest.mark.parametrize("value", [{}, {"version": 99}, {"version": 1}, {"version": 1, "face": 3}])
def test_damaged_coefficients_say_so(value: dict[str, object]) -> None:
    with pytest.raises(ModelError) as caught:
        Coefficients.from_dict(value)
    assert caught.value.code == "model-damaged"
