"""The CRF against values worked out by hand, against enumeration, and against stored numbers."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the CRF needs the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.crf import CRF, Marginals  # noqa: E402

EMISSIONS = [[1.0, 0.0], [0.0, 2.0]]
TRANSITIONS = [[0.5, -0.5], [0.0, 1.0]]


def chain(transitions, start=None, end=None, **options) -> CRF:
    crf = CRF(options.pop("labels", len(transitions)), **options)
    with torch.no_grad():
        crf.transitions.copy_(torch.tensor(transitions))
        crf.start.copy_(torch.tensor(start or [0.0] * len(transitions)))
        crf.end.copy_(torch.tensor(end or [0.0] * len(transitions)))
    return crf


def batch(*rows):
    return torch.tensor(rows)


def test_hand_values_of_a_two_by_two_chain():
    crf = chain(TRANSITIONS)
    emissions = batch(EMISSIONS)
    for path, score in {(0, 0): 1.5, (0, 1): 2.5, (1, 0): 0.0, (1, 1): 3.0}.items():
        assert crf.path_score(emissions, batch(path)).item() == pytest.approx(score)
    assert crf.log_partition(emissions).item() == pytest.approx(3.630978, abs=1e-6)
    assert crf(emissions, batch([0, 1])).item() == pytest.approx(1.130978, abs=1e-6)
    ((path, score),) = crf.decode_scored(emissions)
    assert path == [1, 1]
    assert score == pytest.approx(3.0)


def test_hand_values_of_the_marginals():
    unary, pairwise = chain(TRANSITIONS).marginals(batch(EMISSIONS))
    assert unary[0, 0, 0].item() == pytest.approx(0.441439, abs=1e-6)
    assert unary[0, 1, 0].item() == pytest.approx(0.145211, abs=1e-6)
    assert pairwise.shape == (1, 1, 2, 2)
    assert pairwise[0, 0, 1, 1].item() == pytest.approx(math.exp(3 - 3.630978), abs=1e-6)


def test_sum_and_mean_of_a_batch():
    crf = chain(TRANSITIONS)
    emissions, tags = batch(EMISSIONS, EMISSIONS), batch([0, 1], [0, 0])
    assert crf(emissions, tags, reduction="sum").item() == pytest.approx(3.261956, abs=1e-6)
    assert crf(emissions, tags, reduction="mean").item() == pytest.approx(1.630978, abs=1e-6)
    assert crf(emissions, tags, reduction="none").shape == (2,)


def test_new_chain_starts_small_and_unconstrained():
    crf = CRF(9)
    for part in (crf.start, crf.end, crf.transitions):
        assert part.abs().max().item() <= 0.1
    assert crf.transitions.std().item() > 0.01


def enumerate_paths(crf, emissions):
    """Scores of all paths of one unpadded sequence."""
    length, labels = emissions.shape
    scores = {}
    for path in itertools.product(range(labels), repeat=length):
        score = crf.start[path[0]] + crf.end[path[-1]]
        score = score + sum(emissions[t, y] for t, y in enumerate(path))
        score = score + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))
        scores[path] = float(score.detach())
    return scores


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    labels=st.integers(1, 4),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    padding=st.integers(0, 2),
    scale=st.sampled_from([0.1, 1.0, 8.0]),
    as_integers=st.booleans(),
)
def test_equals_enumeration_whatever_the_padding(
    seed, labels, lengths, padding, scale, as_integers
):
    generator = torch.Generator().manual_seed(seed)
    crf = CRF(labels).double()
    with torch.no_grad():
        for part in crf.parameters():
            part.copy_(torch.randn(part.shape, generator=generator) * scale)
    width = max(lengths) + padding
    emissions = torch.randn(len(lengths), width, labels, generator=generator).double() * scale
    tags = torch.randint(labels, (len(lengths), width), generator=generator)
    mask = torch.arange(width)[None] < torch.tensor(lengths)[:, None]
    # Nothing behind the mask may matter: not even what is no number and no label.
    emissions = emissions.masked_fill(~mask[:, :, None], 1e30)
    tags = tags.masked_fill(~mask, -100)
    given_mask = mask.to(torch.uint8) if as_integers else mask

    loss = crf(emissions, tags, given_mask, reduction="none")
    unary, pairwise = crf.marginals(emissions, given_mask)
    paths = crf.decode(emissions, given_mask)
    for row, length in enumerate(lengths):
        scores = enumerate_paths(crf, emissions[row, :length])
        total = float(np.logaddexp.reduce(list(scores.values())))
        gold = scores[tuple(tags[row, :length].tolist())]
        assert loss[row].item() == pytest.approx(total - gold, abs=1e-6)
        assert scores[tuple(paths[row])] == pytest.approx(max(scores.values()), abs=1e-6)
        for t in range(width):
            for k in range(labels):
                p = sum(math.exp(s - total) for y, s in scores.items() if t < length and y[t] == k)
                assert unary[row, t, k].item() == pytest.approx(p, abs=1e-6)
        inner = pairwise[row, : length - 1].sum((1, 2))
        torch.testing.assert_close(inner, torch.ones_like(inner))
        assert pairwise[row, max(length - 1, 0) :].abs().sum().item() == 0.0


def test_gradient_of_the_partition_is_the_marginals():
    torch.manual_seed(1)
    crf = CRF(4).double()
    emissions = torch.randn(3, 5, 4, dtype=torch.double, requires_grad=True)
    mask = torch.arange(5)[None] < torch.tensor([5, 3, 1])[:, None]
    crf.log_partition(emissions, mask).sum().backward()
    unary, pairwise = crf.marginals(emissions.detach(), mask)
    torch.testing.assert_close(emissions.grad, unary.detach())
    torch.testing.assert_close(crf.transitions.grad, pairwise.sum((0, 1)).detach())


def test_soft_loss_with_one_hot_targets_is_the_likelihood():
    torch.manual_seed(2)
    crf = CRF(3)
    emissions, tags = torch.randn(2, 4, 3), torch.tensor([[0, 2, 1, 1], [2, 0, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    unary = torch.nn.functional.one_hot(tags, 3).float() * mask[:, :, None]
    pairs = unary[:, :-1, :, None] * unary[:, 1:, None, :]
    torch.testing.assert_close(
        crf.soft_loss(emissions, Marginals(unary, pairs), mask),
        crf(emissions, tags, mask, reduction="none"),
    )


def test_soft_loss_is_smallest_at_the_teacher():
    torch.manual_seed(3)
    crf, emissions = CRF(3), torch.randn(1, 4, 3)
    targets = Marginals(*(part.detach() for part in crf.marginals(emissions)))
    own = crf.soft_loss(emissions, targets).item()
    for _ in range(5):
        other = crf.soft_loss(emissions + torch.randn_like(emissions), targets).item()
        assert other > own


def test_constrained_decoding_never_opens_with_an_inside_tag():
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    emissions = torch.zeros(1, 3, 5)
    emissions[0, :, 2] = 5.0  # every word wants I-PER
    emissions[0, 2, 4] = 9.0  # the last one I-LOC
    zero = [[0.0] * 5 for _ in names]
    assert chain(zero, labels=names).decode(emissions) == [[2, 2, 4]]
    constrained = chain(zero, labels=names, constrain_bio=True)
    (path,) = constrained.decode(emissions)
    assert path[0] != 2
    for before, after in itertools.pairwise(path):
        if names[after].startswith("I-"):
            assert names[before][2:] == names[after][2:]
    # Training is not constrained: the forbidden path still has a finite likelihood.
    assert constrained(emissions, torch.tensor([[2, 2, 4]])).item() < 100


def test_an_unlinked_chain_judges_every_position_by_itself():
    crf = CRF(3, linked=False)
    assert not list(crf.parameters())
    emissions = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    tags, mask = torch.tensor([[0, 1, 2, 0], [2, 2, 0, 0]]), torch.tensor([[1] * 4, [1, 1, 0, 0]])
    rows = torch.nn.functional.cross_entropy(
        emissions.transpose(1, 2), tags, reduction="none"
    ).masked_fill(mask == 0, 0.0)
    torch.testing.assert_close(crf(emissions, tags, mask, reduction="none"), rows.sum(1))
    best = emissions.argmax(2).tolist()
    assert crf.decode(emissions, mask) == [best[0], best[1][:2]]
    torch.testing.assert_close(crf.marginals(emissions, mask).unary[0], emissions[0].softmax(1))


def test_learns_two_facts():
    torch.manual_seed(4)
    crf = CRF(2)
    emissions, tags = torch.zeros(4, 6, 2), torch.tensor([[0, 1, 0, 1, 0, 1]] * 4)
    optimiser = torch.optim.SGD(crf.parameters(), lr=0.5)
    for _ in range(60):
        optimiser.zero_grad()
        crf(emissions, tags).backward()
        optimiser.step()
    assert crf.decode(emissions[:1]) == [[0, 1, 0, 1, 0, 1]]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CRF(0),
        lambda: CRF(3, constrain_bio=True),
        lambda: CRF(3)(torch.zeros(1, 2, 4), torch.zeros(1, 2).long()),
        lambda: CRF(3).decode(torch.zeros(1, 2, 3), torch.zeros(1, 3)),
        lambda: CRF(3).decode(torch.zeros(1, 2, 3), torch.tensor([[0, 1]])),
        lambda: CRF(3)(torch.zeros(1, 1, 3), torch.zeros(1, 1).long(), reduction="max"),
    ],
)
def test_impossible_input_is_named(wrong):
    with pytest.raises(ConfigError):
        wrong()


@pytest.mark.parity
def test_stored_problems(parity_dir: Path):
    load = pytest.importorskip("safetensors.torch", reason="needs the extra 'train'").load_file
    folder = parity_dir / "crf"
    if not folder.is_dir():
        pytest.skip(f"no stored CRF problems at {folder}")
    parts = {n: load(folder / f"{n}.safetensors") for n in ("weights", "inputs", "outputs")}
    cases = json.loads((folder / "manifest.json").read_text())["cases"]
    assert len(cases) == 20
    for case in cases:
        weights, given_, want = (
            {k.split(".", 1)[1]: v for k, v in parts[n].items() if k.startswith(case["name"] + ".")}
            for n in ("weights", "inputs", "outputs")
        )
        crf = CRF(case["tags"]).double()
        with torch.no_grad():
            for name in ("transitions", "start", "end"):
                getattr(crf, name).copy_(weights[name])
        emissions, mask, tags = (given_[k] for k in ("emissions", "mask", "gold"))
        # Scores up to 1e4 leave about 1e-11 of relative precision in float64.
        close = {"rtol": 1e-9, "atol": 1e-8}
        torch.testing.assert_close(
            crf.log_partition(emissions, mask), want["log_partition"], **close
        )
        torch.testing.assert_close(
            crf.path_score(emissions, tags, mask), want["gold_score"], **close
        )
        for reduction in ("sum", "mean"):
            loss = crf(emissions, tags, mask, reduction=reduction).item()
            assert loss == pytest.approx(case[f"nll_{reduction}"], abs=1e-8)
        unary, pairwise = crf.marginals(emissions, mask)
        torch.testing.assert_close(unary, want["marginals"], **close)
        if "pair_marginals" in want:
            torch.testing.assert_close(pairwise, want["pair_marginals"], **close)
        for row, (path, score) in enumerate(crf.decode_scored(emissions, mask)):
            assert path == want["viterbi_path"][row, : len(path)].tolist()
            assert score == pytest.approx(want["viterbi_score"][row].item(), abs=1e-8)
