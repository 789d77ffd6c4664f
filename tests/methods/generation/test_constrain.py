from __future__ import annotations

import random
import time

import pytest
import torch

from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer
from magpie.methods.generation.constrain import IndexMask, PlanMask, constrained
from magpie.methods.generation.index_sequence import IndexGrammar
from magpie.methods.generation.plans import SentencePlans, Source
from magpie.methods.generation.sentences import SentenceGrammar

from .records import NASTY, SEPARATORS

TYPES = ("LOC", "PER", "OTHER", "ORG")


def write(mask, rows: int, size: int, steps: int, *, end: int, rng: torch.Generator, bias=None):
    """Greedy outputs of random scores; rows are lists without their end and what follows it."""
    symbols = torch.zeros(rows, 0, dtype=torch.long)
    for _ in range(steps):
        scores = torch.randn(rows, size, generator=rng)
        if bias is not None:
            scores = scores + bias
        chosen = constrained(scores, mask, symbols).argmax(1)
        symbols = torch.cat([symbols, chosen[:, None]], 1)
    return [row[: row.index(end)] if end in row else row for row in symbols.tolist()]


@pytest.mark.parametrize("numbering", ["code", "paper"])
@pytest.mark.parametrize("limited", [True, False])
def test_random_scores_write_no_malformed_index_sequence(numbering, limited):
    grammar = IndexGrammar(TYPES, numbering=numbering)
    rng, own = torch.Generator().manual_seed(1), random.Random(1)
    found = 0
    for _ in range(20):
        starts = []
        for _ in range(16):
            places, place = [], 1
            for _ in range(own.randint(0, 12)):
                places.append(place)
                place += own.randint(1, 3)
            starts.append(places)
        longest = max(map(len, starts))
        padded = torch.tensor([row + [-1] * (longest - len(row)) for row in starts])
        size = grammar.first_pointer + 40
        limits = torch.tensor([own.randint(1, 30) for _ in starts]) if limited else None
        mask = IndexMask(grammar, padded, size, limits=limits)
        outputs = write(mask, 16, size, 60, end=grammar.end, rng=rng)
        for row, output in enumerate(outputs):
            result = grammar.parse([*output, grammar.end], starts=starts[row])
            assert result.diagnostics == {}
            assert limits is None or len(output) + 1 <= limits[row]
            found += len(result.items)
    assert found > 100


def test_the_index_mask_step_by_step():
    grammar = IndexGrammar(TYPES)
    mask = IndexMask(grammar, torch.tensor([[1, 2, 3, 5]]), 8 + 8)

    def after(*symbols):
        return (
            mask.allowed(torch.tensor([symbols], dtype=torch.long))[0].nonzero().flatten().tolist()
        )

    assert after() == [1, 9, 10, 11, 13]
    assert after(9) == [2, 3, 10]
    assert after(10, 11) == [2, 3, 13]
    assert after(13) == [2, 3]
    assert after(9, 2) == [4, 5, 6, 7]
    assert after(9, 2, 5) == [1, 10, 11, 13]
    assert after(13, 2, 5) == [1]
    assert after(1) == [1]


def test_no_flag_points_where_there_is_no_region():
    grammar = IndexGrammar(TYPES)
    starts = torch.tensor([[1], [1]])
    mask = IndexMask(grammar, starts, 12, groundable=torch.tensor([True, False]))
    allowed = mask.allowed(torch.tensor([[9], [9]]))
    assert allowed[:, 2:4].tolist() == [[True, True], [False, True]]


def test_a_full_output_finishes_its_entity():
    grammar = IndexGrammar(TYPES)
    starts = torch.tensor([[1, 2, 3]])
    mask = IndexMask(grammar, starts, 12, limits=torch.tensor([5]))
    allowed = mask.allowed(torch.tensor([[9, 10]]))[0].nonzero().flatten().tolist()
    assert allowed == [2, 3]
    small = IndexMask(grammar, starts, 12, limits=torch.tensor([3]))
    assert small.allowed(torch.zeros(1, 0, dtype=torch.long))[0].nonzero().flatten().tolist() == [1]


PARENTS = {
    "athlete": "person",
    "actor": "person",
    "sports_team": "organization",
    "city": "location",
}


@pytest.fixture(scope="module")
def own():
    return tiny_byte_tokenizer("t5")


def tools(own):
    def pieces(text):
        return own(text, add_special_tokens=False)["input_ids"]

    def decode(ids):
        return own.decode(ids, skip_special_tokens=True)

    return pieces, decode


@pytest.mark.parametrize(("coarse", "image"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("limited", [True, False])
def test_random_scores_write_no_malformed_sentence(own, coarse, image, limited):
    pieces, decode = tools(own)
    grammar = SentenceGrammar(PARENTS, coarse=coarse, image=image)
    plans = SentencePlans(grammar, pieces, longest=5)
    rng, chance = torch.Generator().manual_seed(2), random.Random(2)
    end = own.eos_token_id
    found = 0
    for _ in range(4):
        texts = [
            " ".join(chance.sample((*NASTY, *SEPARATORS), chance.randint(0, 5))).split(" ")
            for _ in range(8)
        ]
        sources = [Source.of(words, pieces, decode) for words in texts]
        limits = [chance.randint(1, 160) for _ in texts] if limited else None
        mask = PlanMask([plans.plan(s) for s in sources], len(own), end=end, limits=limits)
        bias = torch.zeros(len(own))
        bias[end] = -1.5
        outputs = write(mask, 8, len(own), 161, end=end, rng=rng, bias=bias)
        for row, output in enumerate(outputs):
            if limits is None and len(output) == 161:
                continue  # cut by the test, not by the grammar
            result = grammar.parse(decode(output), " ".join(texts[row]))
            assert result.diagnostics == {}, decode(output)
            assert limits is None or len(output) + 1 <= limits[row]
            found += len(result.items)
    assert found > 5


def test_a_target_is_a_way_through_its_plan(own):
    pieces, decode = tools(own)
    grammar = SentenceGrammar(PARENTS)
    words = ["Kevin", "Love", "plays", "for", "the", "Cavs"]
    text = (
        "Kevin Love is a person and a athlete, which is in the image [SSEP] "
        "Cavs is a organization and a sports_team, which is not in the image"
    )
    ids = [*pieces(text), own.eos_token_id]
    plan = SentencePlans(grammar, pieces).plan(Source.of(words, pieces, decode))
    mask = PlanMask([plan], len(own), end=own.eos_token_id)
    for step, piece in enumerate(ids):
        assert mask.allowed(torch.tensor([ids[:step]], dtype=torch.long))[0, piece]


def test_masks_are_cheap(own):
    pieces, decode = tools(own)
    plans = SentencePlans(SentenceGrammar(PARENTS), pieces)
    source = Source.of([f"name{n}" for n in range(40)], pieces, decode)
    symbols = torch.zeros(32, 0, dtype=torch.long)
    begin = time.process_time()
    mask = PlanMask([plans.plan(source) for _ in range(32)], 32_128, end=1)
    for _ in range(20):
        chosen = mask.allowed(symbols).float().argmax(1)
        symbols = torch.cat([symbols, chosen[:, None]], 1)
    assert time.process_time() - begin < 3
