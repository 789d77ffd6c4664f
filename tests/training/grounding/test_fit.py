"""The fits and the measurements on cases small enough to work by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from magpie.engine.grounding.coefficients import load_coefficients
from magpie.engine.grounding.features import Mention, Scene
from magpie.engine.grounding.geometry import Corners
from magpie.engine.grounding.people import FACE_FEATURES, Detection
from magpie.training.grounding.__main__ import main
from magpie.training.grounding.data import Case, Person, _person, published_captions
from magpie.training.grounding.evaluate import blind, correct, whole
from magpie.training.grounding.fit import (
    Photo,
    fit_body,
    fit_entities,
    fit_faces,
    fit_logistic,
    holds,
    mean_scene,
    missed_person,
    usual_places,
    whole_right,
)
from magpie.training.grounding.share import share


def case(
    kind: str, *boxes: Corners, caption: str = "a sign", size: tuple[int, int] | None = (100, 100)
) -> Case:
    return Case("d", Mention("Ann", kind, None, 0, 1, 1, ""), (caption,), size, boxes)


def test_logistic_regression_finds_the_log_odds() -> None:
    X = np.ones((10, 1))
    y = np.array([1.0] * 8 + [0.0] * 2)
    assert fit_logistic(X, y, np.ones(10), 1e-9)[0] == pytest.approx(math.log(4), abs=1e-6)


def test_logistic_regression_gradient_vanishes_with_a_ridge() -> None:
    source = np.random.default_rng(0)
    X = source.normal(size=(200, 3))
    y = (source.random(200) < 0.4).astype(float)
    weight = source.random(200)
    beta = fit_logistic(X, y, weight, 2.0)
    p = 1 / (1 + np.exp(-(X @ beta)))
    assert np.allclose(X.T @ (weight * (y - p)), 2.0 * beta, atol=1e-7)


def test_usual_place_is_the_box_most_gold_boxes_agree_with() -> None:
    left = (0.0, 0.0, 70.0, 100.0)
    found = [case("PER", left)] * 3 + [case("PER", (30.0, 0.0, 100.0, 40.0)), case("PER")]
    places = usual_places(found)
    assert holds(places["PER"], case("PER", left))
    assert not holds(places["PER"], case("PER"))
    assert not holds(places["PER"], case("PER", (0.0, 0.0, 5.0, 5.0)))


def test_mean_scene_counts_captions() -> None:
    found = [case("PER", caption="a man"), case("PER", caption="two men"), case("PER"), case("PER")]
    assert mean_scene(found) == Scene(person=0.5, people=0.25, lettering=0.5)


def test_people_in_captions_raise_the_chance_of_a_person() -> None:
    box = (0.0, 0.0, 80.0, 100.0)
    found = [case("PER", box, caption="a man")] * 30 + [case("PER", caption="a tree")] * 30
    prior = mean_scene(found)
    visible, usual = fit_entities(found, prior, usual_places(found))
    assert visible["PER:person"] > 1.0
    assert visible["type=PER"] < 0
    assert usual["type=PER"] > 0


FACE = (40.0, 10.0, 60.0, 30.0)


def photo(
    people: list[Person], proposals: dict[Corners, float], whole_people: list[Corners]
) -> Photo:
    features = {
        box: {**dict.fromkeys(FACE_FEATURES, value), "bias": 1.0}
        for box, value in proposals.items()
    }
    return Photo(
        100, 100, people, list(features.items()), [Detection(b, 0.9) for b in whole_people]
    )


SOMEBODY = Person((10.0, 0.0, 90.0, 100.0), ((50.0, 20.0),), FACE)


def test_faces_that_convince_several_cascades_score_higher() -> None:
    photos = [photo([SOMEBODY], {FACE: 1.0, (70.0, 70.0, 90.0, 90.0): 0.1}, [])] * 10
    weights = fit_faces(photos)
    assert all(weights[name] > 0 for name in FACE_FEATURES if name != "bias")
    assert weights["bias"] < 0


def test_body_covers_the_person_around_the_face() -> None:
    shape, right = fit_body([photo([SOMEBODY], {}, [])])
    assert right == 1.0
    assert shape["down"] >= 2


def test_missed_people_follow_bayes() -> None:
    weights = dict.fromkeys(FACE_FEATURES, 1.0)
    photos = [photo([SOMEBODY], {FACE: 1.0}, []), photo([SOMEBODY], {}, []), photo([], {}, [])]
    # Half of those who show are missed: 0.6 * 0.5 / (0.6 * 0.5 + 0.4).
    assert missed_person(photos, weights, 0.6) == pytest.approx(0.3 / 0.7, abs=1e-4)


def test_whole_people_are_smoothed() -> None:
    photos = [photo([SOMEBODY], {}, [SOMEBODY.box, (0.0, 90.0, 10.0, 100.0)])]
    assert whole_right(photos) == 0.5
    assert whole_right([]) == 0.5


def test_a_face_from_the_eyes() -> None:
    points = [50, 55, 2, 40, 50, 2, 60, 50, 2, 0, 0, 0, 0, 0, 0] + [0] * 36
    person = _person({"bbox": [10, 20, 80, 60], "keypoints": points})
    assert person.box == (10, 20, 90, 80)
    assert person.face == pytest.approx((25, 31, 75, 81))
    assert person.points == ((50, 55), (40, 50), (60, 50))
    points[2] = 1  # the nose is hidden
    assert _person({"bbox": [10, 20, 80, 60], "keypoints": points}).face is None


def test_regions_count_as_the_evaluators_count_them() -> None:
    gold = [(0.0, 0.0, 100.0, 100.0), (200.0, 0.0, 300.0, 100.0)]
    assert correct(None, [])
    assert not correct(None, gold)
    assert not correct((0.0, 0.0, 10.0, 10.0), [])
    assert correct((205.0, 0.0, 300.0, 100.0), gold)
    assert not correct((0.0, 0.0, 100.0, 50.0), gold)  # exactly 0.5


def test_shares_have_wilson_intervals() -> None:
    row = share(8, 10)
    assert (row["percent"], row["low"], row["high"]) == (80.0, 49.0, 94.3)
    assert share(0, 0)["total"] == 0


def test_baselines_do_not_look_at_gold() -> None:
    # A picture's size is known only where boxes are; a baseline must not profit from that.
    assert whole(case("PER", size=None)) is not None
    assert whole(case("ORG")) is None
    predict = blind(load_coefficients(), caption=True, fine=False)
    with_boxes = case("PER", (0.0, 0.0, 50.0, 50.0), caption="a man")
    assert (predict(with_boxes) is None) == (
        predict(case("PER", caption="a man", size=None)) is None
    )


def test_captions_are_read_by_picture(tmp_path: Path) -> None:
    folder = tmp_path / "captions" / "twitter_blip2"
    folder.mkdir(parents=True)
    (folder / "BLIP2_15.txt").write_text("1.jpg :a man\n2.jpg :two men : a pair\nbroken\n")
    (folder / "BLIP2_17.txt").write_text("1.jpg :a dog\n")
    assert published_captions(tmp_path) == {"1": ("a man", "a dog"), "2": ("two men : a pair",)}


def test_the_command_reports_missing_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "captions" / "twitter_blip2").mkdir(parents=True)
    for year in ("15", "17"):
        (tmp_path / "captions" / "twitter_blip2" / f"BLIP2_{year}.txt").write_text("1.jpg :a man\n")
    assert main(["fit", "--data", str(tmp_path), "--output", str(tmp_path / "m.json")]) == 2
    assert "not-found" in capsys.readouterr().err
    assert not (tmp_path / "m.json").exists()
