"""Logistic regressions and small grids: everything that stands in ``matcher.json``."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from magpie.engine.grounding.coefficients import VERSION
from magpie.engine.grounding.features import TYPES, Scene, describe, read_caption
from magpie.engine.grounding.geometry import Corners, area, intersection_over_union
from magpie.engine.grounding.people import (
    FACE_FEATURES,
    Detection,
    FaceFinder,
    PersonFinder,
    body_of_face,
)
from magpie.training.grounding.data import Case, Person, cases, coco_pictures, published_captions
from magpie.vision import LoadedImage

__all__ = ["fit", "fit_logistic", "usual_places"]

Array = npt.NDArray[np.float64]

#: Strength of the pull to 0 on each weight; rare fine types need it.
RIDGE = 3.0
FACE_RIDGE = 1.0

#: How often a box of lettering that spells a mention is the right one, given that the entity
#: shows: in running text (a screenshot, a scoreboard) and as a title or logo. Assumed, not fitted:
#: the few tweets here in which it happens are no basis. A person's name in lettering is seldom
#: what annotators box, but where nobody was found it is what shows.
LETTERING_RIGHT = {"PER": 0.1, "ORG": 0.5, "LOC": 0.2, "OTHER": 0.5}
TITLE_RIGHT = {"PER": 0.5, "ORG": 0.75, "LOC": 0.75, "OTHER": 0.75}

#: Assumed likewise, as log odds: large lettering that says just "NASA" or "LISBON" shows it more
#: surely than a generated caption that contains the word. Places start from the lowest odds.
TITLE_BONUS = {"PER": 1.5, "ORG": 1.5, "LOC": 3.0, "OTHER": 1.5}


def fit_logistic(X: Array, y: Array, weight: Array, ridge: float) -> Array:
    """Ridge logistic regression by Newton's method.

    Args:
        X: (N, F) features.
        y: (N,) targets, 0 or 1.
        weight: (N,) weight of each row.
        ridge: of the squared norm, halved.

    Returns:
        (F,) coefficients at which the gradient vanishes (to 1e-8).
    """
    beta = np.zeros(X.shape[1])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(X @ beta)))  # N
        gradient = X.T @ (weight * (y - p)) - ridge * beta  # F
        hessian = (X * (weight * p * (1.0 - p))[:, None]).T @ X + ridge * np.eye(X.shape[1])
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return beta


def mean_scene(found: Sequence[Case]) -> Scene:
    """The average scene that captions describe: what is assumed where nobody looked."""
    scenes = [read_caption(case.captions) for case in found]
    return Scene(
        person=round(float(np.mean([scene.person for scene in scenes])), 4),
        people=round(float(np.mean([scene.people for scene in scenes])), 4),
        lettering=round(float(np.mean([scene.lettering for scene in scenes])), 4),
    )


def usual_places(found: Sequence[Case]) -> dict[str, Corners]:
    """Per type the box, in fractions, that most gold boxes agree with (IoU above 0.5)."""
    lows, highs = np.arange(0.0, 0.35, 0.05), np.arange(0.7, 1.01, 0.05)
    grid = np.array(list(itertools.product(lows, lows, highs, highs)))  # G 4
    places: dict[str, Corners] = {}
    for kind in TYPES:
        hits = np.zeros(len(grid))
        for case in found:
            if case.mention.type == kind and case.boxes and case.size:
                gold = np.array(case.boxes) / np.array([*case.size, *case.size])  # K 4
                hits += (_overlaps(grid, gold) > 0.5).any(axis=1)
        x1, y1, x2, y2 = (round(float(value), 2) for value in grid[int(hits.argmax())])
        places[kind] = (x1, y1, x2, y2)
    return places


def _overlaps(a: Array, b: Array) -> Array:
    """(G, K) intersection over union of (G, 4) and (K, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    size_a, size_b = (a[:, 2:] - a[:, :2]).prod(axis=1), (b[:, 2:] - b[:, :2]).prod(axis=1)
    result: Array = shared / (size_a[:, None] + size_b[None, :] - shared)
    return result


def holds(place: Corners, case: Case) -> bool:
    """Whether a type's usual place covers a gold box of the entity with an IoU above 0.5."""
    if not case.boxes or case.size is None:
        return False
    width, height = case.size
    box = (place[0] * width, place[1] * height, place[2] * width, place[3] * height)
    return max(intersection_over_union(box, gold) for gold in case.boxes) > 0.5


def fit_entities(found: Sequence[Case], prior: Scene, places: Mapping[str, Corners]) -> Any:
    """The weights of "it shows" and of "the usual place holds it".

    Each entity counts four times, with and without its caption and its fine type, because any of
    the two may be unknown in use.
    """
    rows: list[dict[str, float]] = []
    for with_caption, with_fine in itertools.product((True, False), repeat=2):
        for case in found:
            mention = case.mention
            if not with_fine:
                mention = dataclasses.replace(mention, fine_type=None)
            scene = read_caption(case.captions, mention.text) if with_caption else prior
            rows.append(describe(mention, scene))
    names = sorted({name for row in rows for name in row})
    column = {name: index for index, name in enumerate(names)}
    X = np.zeros((len(rows), len(names)))
    for index, row in enumerate(rows):
        for name, value in row.items():
            X[index, column[name]] = value
    shows = np.tile(np.array([bool(case.boxes) for case in found], dtype=float), 4)
    held = np.tile(
        np.array([holds(places[case.mention.type], case) for case in found], dtype=float), 4
    )
    weight = np.full(len(rows), 0.25)
    seen = shows > 0
    visible = fit_logistic(X, shows, weight, RIDGE)
    usual = fit_logistic(X[seen], held[seen], weight[seen], RIDGE)
    return _named(names, visible), _named(names, usual)


def _named(names: Sequence[str], values: Array) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph with its people and what the detectors propose; the pixels are not kept."""

    width: int
    height: int
    people: list[Person]
    proposals: list[tuple[Corners, dict[str, float]]]
    whole: list[Detection]


def look_at(photos: Iterable[tuple[LoadedImage, list[Person]]]) -> list[Photo]:
    """Runs the detectors once on each photograph."""
    faces, persons = FaceFinder(dict.fromkeys(FACE_FEATURES, 0.0)), PersonFinder()
    return [
        Photo(image.width, image.height, people, faces.propose(image), persons.find(image))
        for image, people in photos
    ]


def is_face(box: Corners, people: Sequence[Person]) -> bool:
    """Whether a proposed face holds a visible nose, eye or ear of somebody."""
    return any(
        box[0] <= x <= box[2] and box[1] <= y <= box[3]
        for person in people
        for x, y in person.points
    )


def fit_faces(photos: Sequence[Photo]) -> dict[str, float]:
    """The weights of a face's score, from what the cascades propose in photographs."""
    rows = [
        ([features[name] for name in FACE_FEATURES], float(is_face(box, photo.people)))
        for photo in photos
        for box, features in photo.proposals
    ]
    X, y = np.array([row for row, _ in rows]), np.array([target for _, target in rows])
    return _named(FACE_FEATURES, fit_logistic(X, y, np.ones(len(y)), FACE_RIDGE))


def fit_body(photos: Sequence[Photo]) -> tuple[dict[str, float], float]:
    """How far people extend around their faces, and how often that box is right (same people)."""
    known = [
        (person.face, person.box, photo)
        for photo in photos
        for person in photo.people
        if person.face is not None
    ]
    best: tuple[float, dict[str, float]] = (-1.0, {})
    sides, ups, downs = (1.25, 1.5, 1.75, 2.0, 2.25, 2.5), (0.3, 0.5, 0.7), (2, 3, 4, 5, 6, 7)
    for side, up, down in itertools.product(sides, ups, downs):
        shape = {"up": up, "side": side, "down": float(down)}
        right = 0
        for face, box, photo in known:
            body = body_of_face(face, [], shape, width=photo.width, height=photo.height)
            right += intersection_over_union(body, box) > 0.5
        best = max(best, (right / len(known), shape), key=lambda item: item[0])
    return best[1], round(best[0], 4)


def missed_person(photos: Sequence[Photo], face: Mapping[str, float], base: float) -> float:
    """Probability that somebody shows although no detector found anybody.

    Args:
        photos: photographs with their people.
        face: weights of the face's score.
        base: share of posts whose picture shows somebody.
    """
    finder = FaceFinder(face)
    found = shown = 0
    for photo in photos:
        # People that fill less than a tenth of a photograph are not what a post is about.
        if any(area(person.box) >= 0.1 * photo.width * photo.height for person in photo.people):
            shown += 1
            found += bool(finder.choose(photo.proposals) or photo.whole)
    missed = 1.0 - found / shown
    return round(base * missed / (base * missed + 1.0 - base), 4)


def whole_right(photos: Sequence[Photo]) -> float:
    """Share of the people found as a whole whose box is right; one of each is added as a prior."""
    found = [(item.box, photo.people) for photo in photos for item in photo.whole]
    right = sum(
        any(intersection_over_union(box, person.box) > 0.5 for person in people)
        for box, people in found
    )
    return round((right + 1) / (len(found) + 2), 4)


def fit(data: Path) -> dict[str, Any]:
    """Everything, as it stands in ``matcher.json``."""
    captions = published_captions(data)
    found = cases(data, "train", captions)
    prior = mean_scene(found)
    places = usual_places(found)
    visible, usual = fit_entities(found, prior, places)
    photos = look_at(coco_pictures(data))
    face = fit_faces(photos)
    body, right = fit_body(photos)
    return {
        "version": VERSION,
        "made_by": "python -m magpie.training.grounding fit",
        "fitted_on": {
            "visible, usual, usual_place, prior": f"fmnerg@1.0 train: {len(found)} entities, "
            "GMNER 2.0 boxes, BLIP-2 captions",
            "face, body, person_right, whole_right, missed_person": "tiny_coco: 100 photographs",
        },
        "visible": visible,
        "usual": usual,
        "usual_place": {kind: list(place) for kind, place in places.items()},
        "face": face,
        "body": body,
        "measured": {
            "person_right": right,
            "whole_right": whole_right(photos),
            "prior": {
                "person": prior.person,
                "people": prior.people,
                "lettering": prior.lettering,
            },
            "missed_person": missed_person(photos, face, prior.person),
        },
        "assumed": {
            "lettering_right": LETTERING_RIGHT,
            "title_right": TITLE_RIGHT,
            "title_bonus": TITLE_BONUS,
        },
    }
