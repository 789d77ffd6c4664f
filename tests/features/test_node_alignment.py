"""Alignment of words and objects by their places in two graphs, against hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, FormatError
from magpie.features.node_alignment import (
    align,
    landmark_vectors,
    node_identities,
    similarities,
    structural_alignment,
)

#: words 0-1-2 in a row, objects 3-4
EDGES = [(0, 1), (1, 2), (3, 4)]


def test_identities_and_similarities_of_five_nodes() -> None:
    f = node_identities(EDGES, 5)
    assert f.tolist() == [
        pytest.approx([1.0001, 0.01]),
        pytest.approx([0.02, 1.0]),
        pytest.approx([1.0001, 0.01]),
        pytest.approx([1.01, 0.0]),
        pytest.approx([1.01, 0.0]),
    ]
    c = similarities(f, f)
    assert c[0, 2] == pytest.approx(1.0)
    assert c[0, 3] == pytest.approx(0.986027, abs=5e-7)
    assert c[0, 1] == pytest.approx(0.248307, abs=5e-7)


def test_all_nodes_as_landmarks_give_the_similarities_back() -> None:
    f = node_identities(EDGES, 5)
    y = landmark_vectors(f, range(5))
    assert np.abs(y @ y.T - similarities(f, f)).max() < 1e-12
    every, kept = align(y, 3)
    expected = np.array([[0.846055] * 2, [0.292599] * 2, [0.846055] * 2])
    assert np.abs(every - expected).max() < 5e-7
    assert np.array_equal(every, kept)  # two objects, and five may stay
    assert np.array_equal(structural_alignment(EDGES, 3, 2), kept)


def test_more_hops_and_alpha_are_heard() -> None:
    assert node_identities(EDGES, 5, hops=0)[0].tolist() == [1.0, 0.0]
    assert node_identities(EDGES, 5, hops=1)[0].tolist() == pytest.approx([1.0, 0.01])
    assert node_identities(EDGES, 5, alpha=0.5)[0].tolist() == pytest.approx([1.25, 0.5])


def test_degrees_fall_into_bins_by_powers_of_two() -> None:
    star = [(0, i) for i in range(1, 6)]  # the centre has degree 5: bin 2
    f = node_identities([*star, (1, 2)], 6, hops=0)
    assert f.shape == (6, 3)
    assert f.argmax(1).tolist() == [2, 1, 1, 0, 0, 0]


def test_doubles_and_loops_count_once_or_not() -> None:
    noisy = [*EDGES, (1, 0), (0, 1), (2, 2)]
    assert np.array_equal(node_identities(noisy, 5), node_identities(EDGES, 5))


def test_lonely_nodes_are_alike_and_the_lower_objects_stay() -> None:
    assert node_identities([], 3).tolist() == [[0.0]] * 3
    found = structural_alignment([(0, 1)], 2, 10)
    assert (found[:, :5] > 0).all()
    assert (found[:, 5:] == 0).all()
    assert np.array_equal(found[:, 0], found[:, 4])  # no rounding between equal nodes


def test_each_word_keeps_its_nearest_objects() -> None:
    edges = [(0, 1), (1, 2), (3, 4), (3, 5), (3, 6)]  # object 0 is a hub as word 1 is
    every, _ = align(landmark_vectors(node_identities(edges, 8), range(8)), 3)
    found = structural_alignment(edges, 3, 5, nearest=1)
    assert (found > 0).sum(1).tolist() == [1, 1, 1]
    assert found.argmax(1).tolist() == every.argmax(1).tolist()
    assert found.argmax(1).tolist() == [1, 0, 1]


def test_few_landmarks_come_near_and_repeat_with_their_seed() -> None:
    rng = np.random.default_rng(3)
    edges = [(int(a), int(b)) for a, b in rng.integers(0, 60, (90, 2))]
    edges += [(60 + int(a), 60 + int(b)) for a, b in rng.integers(0, 10, (12, 2))]
    exact = structural_alignment(edges, 60, 10, landmarks=70)
    near = structural_alignment(edges, 60, 10)  # int(10 log2 70) = 61 of 70
    assert np.array_equal(near, structural_alignment(edges, 60, 10, seed=0))
    assert np.abs(near - exact).mean() < 0.01
    few = structural_alignment(edges, 60, 10, landmarks=4)
    assert not np.allclose(few, structural_alignment(edges, 60, 10, landmarks=4, seed=1))


def test_what_is_refused() -> None:
    with pytest.raises(FormatError, match="nodes 0 and 5, but there are 5"):
        node_identities([(0, 5)], 5)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        structural_alignment(EDGES, 3, 2, landmarks=0)
    assert structural_alignment([], 0, 4).shape == (0, 4)
    assert structural_alignment([], 3, 0).shape == (3, 0)


@given(st.integers(0, 6), st.data())
def test_names_of_words_do_not_matter(extra: int, data: st.DataObject) -> None:
    words = 3 + extra
    ends = st.tuples(st.integers(0, words - 1), st.integers(0, words - 1))
    edges = data.draw(st.lists(ends, max_size=12))
    scene = [(words, words + 1), (words + 1, words + 2)]
    order = data.draw(st.permutations(range(words)))
    turned = [(order[a], order[b]) for a, b in edges]
    before = structural_alignment([*edges, *scene], words, 4, nearest=4)
    after = structural_alignment([*turned, *scene], words, 4, nearest=4)
    assert np.allclose(after[np.array(order)], before, atol=1e-6)
    assert ((before > 0) & (before <= 1)).all()
