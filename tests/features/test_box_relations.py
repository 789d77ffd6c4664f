"""Relations of boxes, by rules, and the graph that holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, FormatError
from magpie.features.box_relations import Corners, box_relation, scene_from_boxes
from magpie.features.needs import Asset
from magpie.features.scene_graph import (
    PictureScene,
    SceneGraph,
    SceneObject,
    SceneRelation,
    scene_of,
)

BIG = (0.2, 0.2, 0.8, 0.8)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0.3, 0.3, 0.4, 0.4), BIG, ("inside", True)),
        (BIG, (0.3, 0.3, 0.4, 0.4), ("inside", False)),
        # 0.092 of 0.1 across lies inside: 92%; then 50%: overlaps; then 5%: beside it
        ((0.708, 0.3, 0.808, 0.4), BIG, ("inside", True)),
        ((0.75, 0.3, 0.85, 0.4), BIG, ("overlaps", True)),
        ((0.795, 0.3, 0.895, 0.4), BIG, ("left of", False)),
        ((0.0, 0.0, 0.1, 0.1), (0.2, 0.05, 0.3, 0.15), ("left of", True)),
        ((0.0, 0.3, 0.1, 0.4), (0.05, 0.0, 0.15, 0.1), ("above", False)),
        # gaps of 0.3 across; of 0.18 and 0.18, which is 0.2546 apart; just near enough
        ((0.0, 0.0, 0.1, 0.1), (0.4, 0.0, 0.5, 0.1), None),
        ((0.0, 0.0, 0.1, 0.1), (0.28, 0.28, 0.4, 0.4), None),
        ((0.0, 0.0, 0.1, 0.1), (0.27, 0.27, 0.4, 0.4), ("left of", True)),
    ],
)
def test_the_first_rule_that_holds(
    a: Corners, b: Corners, expected: tuple[str, bool] | None
) -> None:
    assert box_relation(a, b) == expected


def test_reach_is_how_far_apart_two_may_be() -> None:
    a, b = (0.0, 0.0, 0.1, 0.1), (0.8, 0.0, 0.9, 0.1)
    assert box_relation(a, b) is None
    assert box_relation(a, b, reach=0.75) == ("left of", True)


_side = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
_boxes = st.tuples(_side, _side).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1]))


@given(_boxes, _boxes)
def test_turning_a_pair_round_turns_its_subject(a: Corners, b: Corners) -> None:
    one, other = box_relation(a, b), box_relation(b, a)
    if one is None or other is None:
        assert one == other
        return
    assert one[0] == other[0]
    centres = [(box[0] + box[2], box[1] + box[3]) for box in (a, b)]
    if one[0] in ("left of", "above") and centres[0] != centres[1]:
        assert one[1] != other[1]


def test_a_graph_of_named_boxes() -> None:
    boxes = [(0.0, 0.0, 1.0, 1.0), (0.1, 0.1, 0.2, 0.3), (0.3, 0.1, 0.4, 0.3)]
    scene = scene_from_boxes(boxes, ("", "dog", "cat"), source="mine")
    assert scene.objects[1] == SceneObject(name="dog", box=boxes[1])
    assert scene.relations == (
        SceneRelation(1, 0, "inside"),
        SceneRelation(2, 0, "inside"),
        SceneRelation(1, 2, "left of"),
    )
    assert scene.edges.tolist() == [[1, 0], [2, 0], [1, 2]]
    assert scene_from_boxes([]).edges.shape == (0, 2)


def test_a_graph_comes_back_from_its_arrays() -> None:
    scene = SceneGraph(
        (SceneObject("Röm", ("old", "big"), words=(1, 3)), SceneObject(box=(0.1, 0.2, 0.3, 0.4))),
        (SceneRelation(1, 0, "on"), SceneRelation(0, 1)),
        "by hand",
    )
    assert SceneGraph.from_arrays(scene.to_arrays()) == scene
    assert scene_of(Asset(scene.to_arrays())) == scene
    assert scene_of(Asset.absent("no words")) == SceneGraph()


def test_what_is_refused() -> None:
    with pytest.raises(FormatError, match="things 0 and 1, but the graph has 1"):
        SceneGraph((SceneObject(),), (SceneRelation(0, 1),))
    with pytest.raises(FormatError, match="expected the array 'graph', came none"):
        SceneGraph.from_arrays({})
    for wrong in ({"count": 0}, {"reach": -1.0}, {"reach": float("nan")}):
        with pytest.raises(ConfigError, match="count >= 1 and reach >= 0"):
            PictureScene(**wrong)
