"""H-Index: sequences, masks, losses and regions, on numbers worked by hand and on tiny weights."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.backbones import load_seq2seq  # noqa: E402
from magpie.corpora import load  # noqa: E402
from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.features import Asset, Assets  # noqa: E402
from magpie.methods._h_index import (  # noqa: E402
    HIndexConfig,
    add_markers,
    marker_pieces,
    type_order,
)
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.grounded.h_index import HIndex  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.metrics.malformed import malformed_of  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)

pytestmark = pytest.mark.usefixtures("one_thread")

FOUR = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
#: twelve boxes side by side, ten pixels wide
BOXES = [(10 * i, 0, 10 * i + 10, 10) for i in range(12)]


def tweet(
    words: str = "the dog saw Rocky",
    *entities: tuple[int, int, str, tuple[int, int, int, int] | None],
    id: str = "t",
) -> Document:
    """A text of one block with a picture of 120 x 10 pixels; an entity may have a box."""
    block = Block.from_words(words.split())
    found = []
    for first, last, kind, box in entities:
        regions = () if box is None else (Region.of_box(Box(*box, "m0")),)
        span = block.word_span(first, last)
        grounding = Grounding.in_regions(*regions)
        found.append(Entity(id=f"e{len(found)}", span=span, type=kind, grounding=grounding))
    return Document(
        id=id,
        blocks=(block,),
        media=(Media(uri="x.jpg", width=120, height=10),),
        annotations=Annotations(entities=tuple(found)),
    )


def built(labels: LabelSpace = FOUR, **settings: Any) -> HIndex:
    """A tiny H-Index of twelve candidates of four numbers, in evaluation mode."""
    torch.manual_seed(0)
    plain = {"seq2seq": "tiny-bart", "region_count": 12, "feature_width": 4}
    return HIndex.build(HIndexConfig(**{**plain, **settings}), labels).eval()


def regions(method: HIndex, count: int = 12, seed: int = 0, **arrays: Any) -> Assets:
    """The first of the twelve boxes with random vectors."""
    generator = np.random.default_rng(seed)
    made = {
        "boxes": np.asarray(BOXES[:count], np.float32).reshape(-1, 4),
        "features": generator.random((count, 4), np.float32),
        **arrays,
    }
    return {method.need: Asset(made)}


def batch_of(method: HIndex, *pairs: tuple[Document, Assets], gold: bool = True) -> Batch:
    """Prepared and collated."""
    examples = [method.prepare(without_gold(document), assets) for document, assets in pairs]
    targets = [method.targets(d, e) for (d, _), e in zip(pairs, examples, strict=True)]
    return method.collate(examples, targets if gold else ())


def target_of(method: HIndex, document: Document, count: int = 12) -> dict[str, Tensor]:
    """Targets of one document."""
    assets = regions(method, count)
    return method.targets(document, method.prepare(without_gold(document), assets))


# Targets.


def test_the_sequence_of_the_worked_example() -> None:
    method = built()
    document = tweet("the dog saw Rocky", (0, 2, "PER", BOXES[3]), (3, 4, "ORG", None))
    found = target_of(method, document)
    # Rocky is several pieces: its first one stands at 4.
    assert found["target"].tolist() == [0, 9, 10, 2, 5, 12, 3, 7, 1]
    assert found["target_length"].item() == 9
    example = method.prepare(without_gold(document), regions(method))
    items = method.parse(found["target"].tolist()[1:], example)
    told = [(item.positions, item.grounded, item.type) for item in items]
    assert told == [((1, 2), True, "PER"), ((4,), False, "ORG")]
    wanted = torch.zeros(9, 12)
    wanted[3, 3] = 1
    assert torch.equal(found["region_target"], wanted)


def test_malformed_sequences_are_counted() -> None:
    method = built()
    example = method.prepare(without_gold(tweet()), regions(method))
    backwards = method.parse([10, 9, 2, 5, 1], example)
    assert backwards.items == ()
    assert backwards.diagnostics == Counter(not_ascending=1)
    again = method.parse([9, 10, 2, 5, 9, 10, 3, 7, 1], example)
    (item,) = again.items
    assert (item.positions, item.grounded, item.type) == ((1, 2), False, "ORG")
    assert again.diagnostics == Counter(duplicate=1)


def test_soft_targets_stand_at_the_flags_of_covered_entities() -> None:
    method = built()
    document = tweet(
        "the dog saw Rocky and Jordan",
        (5, 6, "LOC", (0, 0, 10, 8)),
        (1, 2, "PER", (30, 0, 60, 10)),
        (3, 4, "PER", (95, 0, 105, 10)),
    )
    found = target_of(method, document)
    assert found["target"].tolist()[:4] == [0, 10, 3, 5]
    flags = (found["target"] == 2).nonzero().flatten().tolist()
    # Only the first box has an overlap above one half (0.8): three boxes share the second one,
    # two the third one, at one third each.
    assert len(flags) == 1
    assert found["region_target"][flags[0]].tolist() == [1] + [0] * 11
    assert float(found["region_target"].sum()) == 1


def test_an_overlap_of_exactly_one_half_by_both_rules() -> None:
    document = tweet("the dog", (1, 2, "PER", (0, 0, 20, 10)))
    assert target_of(built(), document)["target"].tolist() == [0, 10, 3, 5, 1]
    released = target_of(built(legacy_half=True), document)
    assert released["target"].tolist() == [0, 10, 2, 5, 1]
    assert bool(released["region_target"][2].isnan().all())


def test_without_regions_every_entity_is_trained_as_absent() -> None:
    method = built()
    document = tweet("the dog", (1, 2, "PER", BOXES[0]))
    absent = {method.need: Asset.absent("no file")}
    batch = batch_of(method, (document, absent))
    assert batch.targets["target"].tolist() == [[0, 10, 3, 5, 1]]
    output = method(batch)
    assert output.losses["region"].item() == 0
    output.loss.backward()
    assert method.pointer.map[0].weight.grad is not None
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in method.parameters())


def test_unknown_types_and_cut_off_words_are_left_out() -> None:
    method = built(max_length=5)
    document = tweet(
        "the dog saw a man", (0, 1, "PER", None), (1, 2, "X", None), (4, 5, "PER", None)
    )
    assert target_of(method, document)["target"].tolist() == [0, 9, 3, 5, 1]
    assert method.room == 5
    example = method.prepare(without_gold(document), regions(method))
    assert example.notes["first"] == [1, 2, 3, -1, -1]
    assert [count for *_, count in method.piece_counts(document)] == [1, 1, 1, 1, 1]


def test_gold_twice_and_two_mentions_of_one_text() -> None:
    method = built()
    twice = tweet("the dog", (1, 2, "PER", BOXES[0]), (1, 2, "LOC", None))
    assert target_of(method, twice)["target"].tolist() == [0, 10, 2, 5, 1]
    same = tweet("dog and dog", (0, 1, "PER", BOXES[0]), (2, 3, "PER", BOXES[0]))
    found = target_of(method, same)
    assert found["target"].tolist() == [0, 9, 2, 5, 11, 2, 5, 1]
    assert found["region_target"].sum(1).tolist() == [0, 0, 1, 0, 0, 1, 0, 0]


def test_special_pieces_inside_a_text_are_text() -> None:
    method = built()
    example = method.prepare(tweet("a </s> <<person>> b").with_annotations(None), regions(method))
    ids = example.inputs["input_ids"].tolist()
    assert ids.count(method.special[1]) == 1
    assert ids.count(method.special[0]) == 1
    assert not set(ids) & set(method.special[2:])


# Scores.


def test_a_tokenizer_that_lost_the_markers_is_refused() -> None:
    # What a checkpoint would meet whose tokenizer was exchanged.
    with pytest.raises(ModelError, match="the tokenizer lacks"):
        HIndex(HIndexConfig(seq2seq="tiny-bart"), FOUR, load_seq2seq("tiny-bart"))


def test_columns_that_are_never_chosen() -> None:
    method = built()
    pairs = [(tweet("the dog saw Rocky", (0, 1, "PER", BOXES[0])), regions(method))]
    pairs.append((tweet("the dog", (0, 1, "PER", None)), regions(method, 2, seed=1)))
    batch = batch_of(method, *pairs)
    logits = method(batch).scores["logits"]
    size = batch.inputs["input_ids"].shape[1]
    assert logits.shape[2] == 8 + size
    lengths = batch.inputs["attention_mask"].sum(1).tolist()
    for row, length in enumerate(lengths):
        usable = [*range(1, 8), *range(9, 8 + length - 1)]
        assert (logits[row, 0] > -1e20).nonzero().flatten().tolist() == usable
        assert bool((logits[row, :, 0] == -1e24).all())
        assert bool((logits[row, :, 8] == -1e32).all())
        assert bool((logits[row, :, 8 + length - 1 :] == -1e32).all())
        assert set(logits[row].argmax(1).tolist()) <= set(usable)


def test_what_is_pointed_at_is_half_state_half_embedding() -> None:
    method = built()
    batch = batch_of(method, (tweet(), regions(method)))
    read = method(batch).scores
    memory, ids = read["memory"], batch.inputs["input_ids"]
    table = method.seq2seq.transformer.get_input_embeddings().weight
    assert isinstance(table, Tensor)
    v = method.region_projection(batch.inputs["regions"])
    torch.testing.assert_close(read["words"], (method.pointer.map(memory[:, 12:]) + table[ids]) / 2)
    torch.testing.assert_close(read["regions"], (method.pointer.map(memory[:, :12]) + v) / 2)
    state = torch.randn(1, 2, method.seq2seq.width)
    scored = method.score_states(state, read, batch)
    for index, piece in enumerate(method.special[1:], 1):
        torch.testing.assert_close(scored["logits"][0, :, index], state[0] @ table[piece])
    torch.testing.assert_close(scored["region_scores"], state @ read["regions"].transpose(1, 2))


def test_cross_entropy_of_the_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    method = built()
    batch = batch_of(method, (tweet("the dog saw", (0, 1, "PER", BOXES[0])), regions(method)))
    target = batch.targets["target"]
    assert target.tolist() == [[0, 9, 2, 5, 1]]
    scored = method.score_states

    def two_on_the_right(*given: Any) -> dict[str, Tensor]:
        found = scored(*given)
        flat = torch.where(found["logits"] < -1e20, found["logits"], 0.0)
        right = target[:, 1:].unsqueeze(2)
        return {**found, "logits": flat.scatter(2, right, 2.0)}

    monkeypatch.setattr(method, "score_states", two_on_the_right)
    assert method(batch).losses["ce"].item() == pytest.approx(0.796614, abs=1e-6)


def test_padding_of_targets_costs_nothing() -> None:
    method = built()
    long = (tweet("the dog saw", (0, 1, "PER", BOXES[0]), (2, 3, "ORG", None)), regions(method))
    short = (tweet("the dog", id="s"), regions(method, 2))
    together = method(batch_of(method, long, short)).losses["ce"].item()
    alone = [method(batch_of(method, pair)).losses["ce"].item() for pair in (long, short)]
    # Seven steps and one step.
    assert together == pytest.approx((7 * alone[0] + alone[1]) / 8, abs=1e-5)


@pytest.mark.parametrize("loss", ["kl", "bce"])
def test_rows_of_the_region_loss(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    method = built(region_loss=loss, region_weight=0.5)
    first = tweet("the dog saw", (0, 1, "PER", BOXES[1]), (2, 3, "ORG", BOXES[0]))
    second = tweet("the dog", (0, 1, "PER", None), (1, 2, "LOC", (0, 0, 60, 10)), id="s")
    batch = batch_of(method, (first, regions(method, 3)), (second, regions(method, 2, seed=1)))
    seen = []
    name = f"magpie.methods.grounded.h_index.region_{loss}"
    monkeypatch.setattr(
        name, lambda scores, q, mask: seen.append((scores, q, mask)) or scores.sum()
    )
    output = method(batch)
    ((scores, q, mask),) = seen
    assert len(scores) == len(q) == int((batch.targets["target"] == 2).sum()) == 2
    # The step whose input is the flag is the one that writes the type.
    flags = (batch.targets["target"][:, :-1] == 2).nonzero().tolist()
    assert flags == [[0, 2], [0, 5]]
    for row, (document, step) in enumerate(flags):
        assert torch.equal(scores[row], output.scores["region_scores"][document, step])
    assert q.argmax(1).tolist() == [1, 0]
    assert mask.sum(1).tolist() == [3, 3]
    assert output.losses["region"].item() == pytest.approx(0.5 * scores.sum().item())


def test_empty_regions_take_part_only_as_released() -> None:
    document = tweet("the dog", (0, 1, "PER", BOXES[1]))
    ours, released = built(), built(legacy_padded_regions=True)
    pairs = [
        (method, batch_of(method, (document, regions(method, 2)))) for method in (ours, released)
    ]
    outputs = [method(batch) for method, batch in pairs]
    assert bool((outputs[0].scores["region_scores"][..., 2:] < -1e30).all())
    assert bool((outputs[1].scores["region_scores"][..., 2:] > -1e3).all())
    assert outputs[0].losses["region"].item() < outputs[1].losses["region"].item()
    # An empty slot does not score 0: the projection has a bias.
    assert outputs[1].scores["region_scores"][..., 2:].abs().min().item() > 1e-4


@pytest.mark.parametrize("released", [False, True])
def test_whom_the_encoder_hides(released: bool) -> None:
    method = built(legacy_encoder_mask=released, legacy_padded_regions=True)
    document = tweet()
    one, other = regions(method, 2), regions(method, 2, seed=9)
    memories = []
    for assets in (one, other):
        batch = batch_of(method, (document, assets), gold=False)
        memories.append(method(batch).scores["memory"][0, 12:])
    changed = not torch.allclose(memories[0], memories[1], atol=1e-5)
    assert changed is not released


def test_the_weights_of_the_released_mask_on_uniform_scores() -> None:
    """Two regions and one empty slot, three pieces and one of padding: who attends to whom."""
    for released, wanted in (
        (False, [0.2, 0.2, 0, 0.2, 0.2, 0.2, 0]),
        (True, [0, 0, 0.25, 0.25, 0.25, 0.25, 0]),
    ):
        method = built(legacy_encoder_mask=released, region_count=3)
        layer: Any = method.seq2seq.transformer.get_encoder().layers[0]
        seen: list[Tensor] = []
        layer.self_attn.register_forward_pre_hook(
            lambda _, given, options, kept=seen: kept.append(options["attention_mask"]),
            with_kwargs=True,
        )
        pairs = [(tweet("dog"), regions(method, 2)), (tweet("the dog", id="s"), regions(method, 3))]
        method(batch_of(method, *pairs, gold=False))
        weights = seen[0][0, 0, 0].softmax(-1)
        assert weights.tolist() == pytest.approx(wanted)


def test_regions_have_no_order() -> None:
    method = built()
    order = np.random.default_rng(2).permutation(12)
    document = tweet("the dog saw", (0, 1, "PER", BOXES[4]))
    plain = regions(method)[method.need].arrays
    moved = {method.need: Asset({name: value[order] for name, value in plain.items()})}
    outputs = [method(batch_of(method, (document, a))) for a in (regions(method), moved)]
    scores = [output.scores for output in outputs]
    torch.testing.assert_close(scores[0]["logits"], scores[1]["logits"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        scores[0]["region_scores"][..., order], scores[1]["region_scores"], atol=1e-4, rtol=1e-4
    )
    assert outputs[0].loss.item() == pytest.approx(outputs[1].loss.item(), abs=1e-4)


# Generation.


def scripted(method: HIndex, script: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Emits the script, and region t is the best one of step t."""
    scored = method.score_states

    def choose(logits: Tensor, symbols: Tensor, *given: Any) -> Tensor:
        return torch.full((len(logits),), script[symbols.shape[1]])

    def best_of_step(*given: Any) -> dict[str, Tensor]:
        found = scored(*given)
        steps = found["region_scores"].shape[1]
        return {**found, "region_scores": torch.eye(steps, 12).unsqueeze(0) * 9}

    monkeypatch.setattr(method, "choose", choose)
    monkeypatch.setattr(method, "score_states", best_of_step)


@pytest.mark.parametrize(("released", "steps"), [(False, [3, 9]), (True, [2, 8])])
def test_which_step_the_region_is_read_at(
    released: bool, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = built(legacy_region_step=released)
    scripted(method, [9, 10, 2, 5, 12, 3, 7, 14, 2, 4, 1], monkeypatch)
    document = tweet("the dog saw you and your man")
    (found,) = method.predict([document], [regions(method)])
    told = [(document.text_of(e), e.type, e.grounding.status) for e in found.entities]
    assert told == [
        ("the dog", "PER", "regions"),
        ("you", "ORG", "absent"),
        ("your", "LOC", "regions"),
    ]
    boxes = [box.xyxy for entity in found.entities for box in entity.boxes]
    assert boxes == [BOXES[step] for step in steps]
    share = found.entities[0].grounding.regions[0].score
    assert share == pytest.approx(torch.eye(12)[0].mul(9).softmax(0)[0].item(), abs=1e-5)


def test_flags_without_a_region_to_point_at(monkeypatch: pytest.MonkeyPatch) -> None:
    method = built()
    scripted(method, [9, 2, 5, 10, 3, 4, 1], monkeypatch)
    document = tweet()
    for assets, status in (
        (regions(method, 0), "absent"),
        ({method.need: Asset.absent("no file")}, "unknown"),
    ):
        (found,) = method.predict([document], [assets])
        assert [entity.grounding.status for entity in found.entities] == [status] * 2


def test_words_that_are_not_adjacent_and_pointers_into_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = built()
    # Rocky's pieces stand at 4 and behind; the last pointer is inside it.
    scripted(method, [9, 11, 3, 5, 14, 3, 7, 1], monkeypatch)
    document = tweet("the dog saw Rocky")
    (found,) = method.predict([document], [regions(method)])
    assert [document.text_of(entity) for entity in found.entities] == ["the dog saw", "Rocky"]
    counts = malformed_of(document.with_annotations(found))
    assert counts is not None
    assert counts.codes == {"not_contiguous": 1, "not_a_word_start": 1}
    assert (counts.outputs, counts.items, counts.skipped) == (1, 2, 0)


def test_the_limit_of_every_row_and_its_forced_end(monkeypatch: pytest.MonkeyPatch) -> None:
    method = built(output_length=4, output_share=0.5)
    documents = [tweet(), tweet("dog", id="s")]
    assets = [regions(method), regions(method, 1)]
    batch = batch_of(method, *zip(documents, assets, strict=True), gold=False)
    # Never the end by itself.
    monkeypatch.setattr(method, "choose", lambda logits, *_: torch.full((len(logits),), 9))
    with torch.no_grad():
        read = method(batch).scores
        limits = method.limits(read)
        indices, states = method.generate(read, batch)
    places = batch.inputs["attention_mask"].sum(1) + torch.tensor([12, 1])
    assert limits.tolist() == [4 + int(0.5 * n) for n in places.tolist()]
    assert states.shape[:2] == indices.shape
    for row, limit in enumerate(limits.tolist()):
        kept = indices[row].tolist()
        assert kept[limit - 2 :] == [1] * (indices.shape[1] - limit + 2)
        assert 1 not in kept[: limit - 2]


def test_generation_in_a_batch_equals_one_by_one_without_a_cache() -> None:
    method = built(output_length=12, output_share=0.0)
    documents = [tweet(), tweet("the dog and a man and you", id="b"), tweet("so good", id="c")]
    assets = [regions(method), regions(method, 3, seed=1), regions(method, 0, seed=2)]
    batch = batch_of(method, *zip(documents, assets, strict=True), gold=False)
    with torch.no_grad():
        indices, states = method.generate(method(batch).scores, batch)
        for row, pair in enumerate(zip(documents, assets, strict=True)):
            alone = batch_of(method, pair, gold=False)
            read = method(alone).scores
            fed = torch.zeros(1, 1, dtype=torch.long)
            for _ in range(11):
                pieces = method.pieces(fed, alone)
                found = method.seq2seq.decode(pieces, read["memory"], read["memory_mask"])
                logits = method.score_states(found, read, alone)["logits"][:, -1]
                fed = torch.cat([fed, logits.argmax(-1, keepdim=True)], 1)
                if fed[0, -1] == 1 or fed.shape[1] == 11:
                    break
            written = fed[0, 1:].tolist()
            assert indices[row].tolist()[: len(written)] == written
            torch.testing.assert_close(states[row, : len(written)], found[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_constrained_outputs_are_well_formed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    method = built(constrained=True, output_length=9, output_share=0.2)
    generator = torch.Generator().manual_seed(seed)
    scored = method.score_states

    def at_random(*given: Any) -> dict[str, Tensor]:
        found = scored(*given)
        noise = torch.randn(found["logits"].shape, generator=generator) * 9
        return {**found, "logits": torch.where(found["logits"] < -1e20, found["logits"], noise)}

    monkeypatch.setattr(method, "score_states", at_random)
    documents = [tweet(), tweet("the dog and a man Titan", id="b"), tweet("so", id="c")]
    bare = Document(id="d", blocks=(Block(text=""),))
    assets = [regions(method), regions(method, 0), regions(method, 3), regions(method, 0)]
    found = method.predict([*documents, bare], assets)
    for document, read in zip([*documents, bare], found, strict=True):
        counts = malformed_of(document.with_annotations(read))
        assert counts is not None
        assert counts.outputs == 1
        assert not counts.codes
    # Without a region nothing is said to show.
    assert all(e.grounding.status == "absent" for e in found[1].entities)
    assert found[3].entities == ()


def test_unconstrained_random_outputs_are_not_all_well_formed() -> None:
    method = built()
    example = method.prepare(without_gold(tweet()), regions(method))
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(1, 14, (20, 9), generator=generator).tolist()
    assert any(method.parse(row, example).diagnostics.skipped for row in rows)


def test_text_alone() -> None:
    method = built(source="none")
    assert method.needs() == frozenset()
    document = tweet("the dog", (1, 2, "PER", BOXES[0]))
    batch = batch_of(method, (document, {}))
    assert batch.targets["target"].tolist() == [[0, 10, 3, 5, 1]]
    assert not batch.inputs["region_mask"].any()
    (found,) = method.predict([document], [{}])
    assert all(entity.grounding.status == "unknown" for entity in found.entities)


def test_scores_of_entities_are_mean_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    method = built()
    document = tweet()
    batch = batch_of(method, (document, regions(method)), gold=False)
    monkeypatch.setattr(
        method,
        "choose",
        lambda logits, symbols, *_: torch.tensor([[9, 10, 3, 5, 1][symbols.shape[1]]]),
    )
    with torch.no_grad():
        read = method(batch).scores
        _, states = method.generate(read, batch)
        chances = method.score_states(states, read, batch)["logits"].softmax(-1)[0]
    (found,) = method.predict([document], [regions(method)])
    (entity,) = found.entities
    wanted = sum(float(chances[t, index]) for t, index in enumerate([9, 10, 3, 5])) / 4
    assert entity.score == pytest.approx(wanted, abs=1e-5)


# Building.


def test_types_in_the_published_order() -> None:
    assert list(type_order(["ORG", "PER", "LOC", "OTHER"])) == ["LOC", "PER", "OTHER", "ORG"]
    assert type_order(["PER", "MISC"]) == {"PER": "person", "MISC": "others"}
    assert type_order(["MISC", "OTHER"]) == {"OTHER": "others", "MISC": "misc"}
    assert list(type_order(["event", "PER", "award"])) == ["PER", "award", "event"]
    assert marker_pieces(FOUR) == [
        "<<which region>>",
        "<<no region>>",
        "<<location>>",
        "<<person>>",
        "<<others>>",
        "<<organization>>",
    ]


@pytest.mark.parametrize("released", [False, True])
def test_markers_are_means_and_what_happens_to_their_first_pieces(released: bool) -> None:
    backbone, untouched = load_seq2seq("tiny-bart"), load_seq2seq("tiny-bart")
    add_markers(backbone, marker_pieces(FOUR), legacy=released)
    before = untouched.transformer.get_input_embeddings().weight
    after = backbone.transformer.get_input_embeddings().weight
    assert isinstance(before, Tensor)
    assert isinstance(after, Tensor)
    places = backbone.tokenizer.get_vocab()
    for marker in ("<<location>>", "<<person>>"):
        inner = untouched.tokenizer(marker.strip("<>"), add_special_tokens=False)["input_ids"]
        if not released:
            torch.testing.assert_close(after[places[marker]], before[inner].mean(0))
        if len(inner) > 1:
            same = torch.equal(after[inner[0]], before[inner[0]])
            assert same is not released


def test_a_checkpoint_keeps_markers_and_scores(tmp_path: Path) -> None:
    method = built(legacy_encoder_mask=True)
    pair = (tweet("the dog saw Rocky", (0, 1, "PER", BOXES[0])), regions(method))
    save_method(method, tmp_path / "saved")
    again = load_method(tmp_path / "saved").eval()
    assert isinstance(again, HIndex)
    assert again.special == method.special
    assert again.config == method.config
    one, other = method(batch_of(method, pair)), again(batch_of(again, pair))
    for name, value in one.scores.items():
        assert torch.equal(value, other.scores[name]), name


def test_what_cannot_be_built() -> None:
    with pytest.raises(ConfigError, match="entity types"):
        HIndex.build(HIndexConfig(seq2seq="tiny-bart"), LabelSpace())
    with pytest.raises(ConfigError, match="expected a BART"):
        HIndex.build(HIndexConfig(seq2seq="tiny-t5"), FOUR)
    for wrong in (
        {"max_length": 2},
        {"dropout": 1.0},
        {"threshold": 1.0},
        {"output_length": 2},
        {"region_count": 0},
    ):
        with pytest.raises(ConfigError, match=r"."):
            HIndexConfig(**wrong)  # type: ignore[arg-type]


def test_every_published_setting_is_the_default() -> None:
    config = HIndexConfig()
    assert (config.region_count, config.feature_width, config.region_order) == (18, 2048, "file")
    assert (config.dropout, config.region_dropout, config.region_weight) == (0.3, 0.1, 1.0)
    assert (config.output_length, config.output_share) == (30, 0.6)
    assert config.normalise
    legacy = [f.name for f in dataclasses.fields(config) if f.name.startswith("legacy_")]
    assert len(legacy) == 6
    assert not any(getattr(config, name) for name in legacy)


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "tweets", "entities", "grounded", "boxes", "without", "none_grounded"),
    [
        ("train", 7000, 11779, 4733, 5723, 358, 3075),
        ("dev", 1500, 2450, 991, 1171, 87, 668),
        ("test", 1500, 2543, 1046, 1254, 82, 645),
    ],
)
def test_the_published_counts(
    data_dir: Path,
    split: str,
    tweets: int,
    entities: int,
    grounded: int,
    boxes: int,
    without: int,
    none_grounded: int,
) -> None:
    documents = list(load("gmner", split, data_dir))
    found = [entity for document in documents for entity in document.entities]
    assert len(documents) == tweets
    assert len(found) == entities
    assert sum(bool(entity.boxes) for entity in found) == grounded
    assert sum(len(entity.boxes) for entity in found) == boxes
    assert sum(not document.entities for document in documents) == without
    alone = sum(not any(e.boxes for e in document.entities) for document in documents)
    assert alone == none_grounded
