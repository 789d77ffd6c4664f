from __future__ import annotations

import random
import time

import pytest
import torch

from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer
from magpie.errors import ConfigError
from magpie.methods.generation import box_bins
from magpie.methods.generation.answers import OptionLetters
from magpie.methods.generation.bracket_plan import BracketPlans
from magpie.methods.generation.brackets import BracketText
from magpie.methods.generation.constrain import IndexMask, PlanMask, constrained
from magpie.methods.generation.index_sequence import IndexGrammar
from magpie.methods.generation.plans import BoxPlan, ChoicePlan, SentencePlans, Source
from magpie.methods.generation.sentences import SentenceGrammar
from magpie.methods.generation.statements import EventArgument, EventName, Triple

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


def test_a_tokenizer_that_lowers_case_leaves_every_word_to_copy(own):
    pieces, decode = tools(own)

    def lower(ids):
        return decode(ids).lower()

    words = ["Kevin", "Love", "of", "O'Neal", "R&B"]
    source = Source.of(words, lambda text: pieces(text.lower()), lower)
    assert all(source.pieces)
    # A letter that is lost or added is no matter of case.
    lost = Source.of(words, pieces, lambda ids: decode(ids).replace("v", ""))
    assert [bool(each) for each in lost.pieces] == [False, False, True, True, True]
    assert not any(Source.of(["Love"], pieces, lambda ids: f"{decode(ids)} x").pieces)
    grammar = SentenceGrammar(PARENTS)
    plan = SentencePlans(grammar, pieces).plan(source)
    end = own.eos_token_id
    mask = PlanMask([plan], len(own), end=end)
    text = "kevin love is a person and a athlete, which is in the image"
    ids = [*pieces(text), end]
    for step, piece in enumerate(ids):
        assert mask.allowed(torch.tensor([ids[:step]], dtype=torch.long))[0, piece]
    (item,) = grammar.parse(text, " ".join(words)).items
    assert item.span == (0, 10)


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


ROLES = {"attack": ("Attacker", "Place"), "phone write": ("Entity",), "die": ()}


@pytest.mark.parametrize("task", ["mentions", "arguments", "joint"])
@pytest.mark.parametrize("limited", [True, False])
def test_random_scores_write_no_malformed_brackets(own, task, limited):
    pieces, decode = tools(own)
    grammar = BracketText(task, types=("person", "location", "sports team"), roles=ROLES)
    plans = BracketPlans(grammar, pieces, longest=3)
    rng, chance = torch.Generator().manual_seed(3), random.Random(3)
    end, found = own.eos_token_id, 0
    for _ in range(4):
        texts = [" ".join(chance.sample(NASTY, chance.randint(0, 5))).split(" ") for _ in range(8)]
        regions = [chance.randint(0, 3) for _ in texts]
        limits = [chance.randint(3, 120) for _ in texts] if limited else None
        mask = PlanMask(
            [
                plans.plan(Source.of(words, pieces, decode), regions=count)
                for words, count in zip(texts, regions, strict=True)
            ],
            len(own),
            end=end,
            limits=limits,
        )
        outputs = write(mask, 8, len(own), 160, end=end, rng=rng)
        for row, output in enumerate(outputs):
            if limits is None and len(output) == 160:
                continue  # cut by the test, not by the grammar
            text = own.decode(output, skip_special_tokens=False)
            result = grammar.parse(text, " ".join(texts[row]), regions=regions[row])
            assert set(result.diagnostics) <= {"ambiguous_box_label"}, text
            assert limits is None or len(output) + 1 <= limits[row]
            found += len(result.items)
    assert found > 10


def test_a_bracket_target_is_a_way_through_its_plan(own):
    pieces, decode = tools(own)
    grammar = BracketText("arguments", roles=ROLES)
    words = ["the", "coalition", "struck", "Kobani"]
    items = [
        EventName("attack"),
        EventArgument("attack", "Attacker", name="coalition"),
        EventArgument("attack", "Place", region=2),
        EventName("die"),
    ]
    text = grammar.encode(items, source=" ".join(words), regions=2).text
    ids = [*pieces(text), own.eos_token_id]
    plan = BracketPlans(grammar, pieces).plan(Source.of(words, pieces, decode), regions=2)
    mask = PlanMask([plan], len(own), end=own.eos_token_id)
    for step, piece in enumerate(ids):
        assert mask.allowed(torch.tensor([ids[:step]], dtype=torch.long))[0, piece]
    with pytest.raises(ConfigError, match="given names"):
        BracketPlans(BracketText("relation", relations=("peer",)), pieces)


def test_letters_and_relations_are_choices(own):
    pieces, decode = tools(own)
    rng = torch.Generator().manual_seed(4)
    end = own.eos_token_id
    reader = OptionLetters()
    sizes = [1, 5, 26]
    plans = [ChoicePlan.letters(size, pieces) for size in sizes]
    seen = set()
    for _ in range(30):
        outputs = write(PlanMask(plans, len(own), end=end), 3, len(own), 6, end=end, rng=rng)
        for size, output in zip(sizes, outputs, strict=True):
            result = reader.parse(decode(output), ["an option"] * size, "A")
            assert result.diagnostics == {}
            seen |= {result.items[0]} if size == 5 else set()
    assert len(seen) == 5
    relations = BracketText("relation", relations=("place of birth", "peer"))
    texts = [
        relations.encode([Triple("Ryan X", name, "Rome")]).text for name in relations.relations
    ]
    choice = PlanMask([ChoicePlan(texts, pieces)], len(own), end=end)
    (output,) = write(choice, 1, len(own), 60, end=end, rng=rng)
    written = own.decode(output, skip_special_tokens=False)
    assert relations.parse(written, given=("Ryan X", "Rome")).diagnostics == {}
    with pytest.raises(ConfigError):
        ChoicePlan([], pieces)


def test_random_scores_write_boxes_with_an_area():
    rng = torch.Generator().manual_seed(5)
    bins, end = list(range(10, 1010)), 1
    mask = PlanMask([BoxPlan(bins) for _ in range(50)], 1010, end=end)
    for output in write(mask, 50, 1010, 6, end=end, rng=rng):
        text = " ".join(f"<bin_{piece - 10}>" for piece in output)
        assert len(box_bins.parse(text, (500, 706)).items) == 1


def test_a_plan_without_room_ends_at_once(own):
    pieces, decode = tools(own)
    plans = SentencePlans(SentenceGrammar(PARENTS), pieces)
    mask = PlanMask([plans.plan(Source.of(["Cavs"], pieces, decode))], len(own), end=2, limits=[5])
    assert mask.allowed(torch.zeros(1, 0, dtype=torch.long))[0].nonzero().flatten().tolist() == [2]


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
