"""Numpy decoding against enumeration and against the torch CRF."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.embedded.decode import Chain, Chunk, chunks, fine_type, marginals, viterbi

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def problem(seed, lengths, labels=3, padding=0):
    rng = np.random.default_rng(seed)
    width = max(*lengths, 1) + padding
    chain = Chain(
        rng.normal(size=labels), rng.normal(size=(labels, labels)), rng.normal(size=labels)
    )
    mask = np.arange(width)[None] < np.array(lengths)[:, None]
    return rng.normal(size=(len(lengths), width, labels)), mask, chain


def path_score(emissions, path, chain):
    score = chain.start[path[0]] + chain.end[path[-1]]
    score += sum(emissions[t, y] for t, y in enumerate(path))
    return score + sum(chain.transitions[a, b] for a, b in itertools.pairwise(path))


@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    padding=st.integers(0, 3),
    temperature=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_equals_enumeration(seed, lengths, padding, temperature):
    emissions, mask, chain = problem(seed, lengths, padding=padding)
    paths = viterbi(emissions, mask, chain)
    found = marginals(emissions, mask, chain, temperature=temperature)
    for row, length in enumerate(lengths):
        all_paths = list(itertools.product(range(3), repeat=length))
        scores = np.array([path_score(emissions[row], y, chain) for y in all_paths])
        assert tuple(paths[row]) == all_paths[int(scores.argmax())]
        weights = np.exp(scores / temperature - (scores / temperature).max())
        weights /= weights.sum()
        for t in range(length):
            for k in range(3):
                p = sum(w for w, y in zip(weights, all_paths, strict=True) if y[t] == k)
                assert found[row, t, k] == pytest.approx(p, abs=1e-9)
        assert not found[row, length:].any()


def test_a_text_without_words():
    emissions, mask, chain = problem(0, [2, 0])
    assert viterbi(emissions, mask, chain)[1] == []
    assert not marginals(emissions, mask, chain)[1].any()


def test_agrees_with_the_training_chain():
    torch = pytest.importorskip("torch", reason="needs the extra 'train'")
    from magpie.nn.crf import CRF

    crf = CRF(LABELS, constrain_bio=True).double()
    emissions, mask, _ = problem(3, [6, 2, 4], labels=5)
    chain = Chain(*(p.detach().numpy() for p in (crf.start, crf.transitions, crf.end)))
    assert viterbi(emissions, mask, chain.constrained(LABELS)) == crf.decode(
        torch.tensor(emissions), torch.tensor(mask)
    )
    torch.testing.assert_close(
        torch.tensor(marginals(emissions, mask, chain)),
        crf.marginals(torch.tensor(emissions), torch.tensor(mask)).unary.detach(),
    )


def test_constraints_leave_the_original_alone():
    chain = Chain(np.zeros(5), np.zeros((5, 5)), np.zeros(5))
    tight = chain.constrained(LABELS)
    assert not chain.transitions.any()
    emissions = np.zeros((1, 3, 5))
    emissions[0, :, 4] = 9
    (path,) = viterbi(emissions, np.ones((1, 3), bool), tight)
    assert [LABELS[y] for y in path] == ["B-LOC", "I-LOC", "I-LOC"]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("", []),
        ("O O", []),
        ("B-PER I-PER O B-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("I-PER I-PER O", [("PER", 0, 2)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("B-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
    ],
)
def test_chunks(tags, found):
    assert chunks(tags.split()) == [Chunk(*chunk) for chunk in found]


def test_fine_type_stays_below_its_coarse_type():
    parents = np.array(["PER", "PER", "LOC"])
    logits = np.array([[1.0, 2.0, 99.0], [1.0, 4.0, 99.0]])
    best, score = fine_type(logits, parents, "PER")
    assert best == 1
    assert score == pytest.approx(1 / (1 + np.exp(-2)))
    assert fine_type(logits, parents, "LOC") == (2, 1.0)
    assert fine_type(logits, parents, "PER", temperature=2.0)[1] == pytest.approx(
        1 / (1 + np.exp(-1))
    )
