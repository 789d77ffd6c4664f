"""BERT-RE: what is read of a marked pair, and what odd pairs and long posts come to."""

from __future__ import annotations

import logging
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.bert_re import BertRe, BertReConfig  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Document,
    Entity,
    Relation,
    Span,
)
from magpie.training.recipe import read_recipe  # noqa: E402

LABELS = LabelSpace(relation_types=("none", "parent", "peer"), null_relation="none")


def made(**settings: Any) -> BertRe:
    torch.manual_seed(0)
    return BertRe.build(BertReConfig(text="tiny-bert", **settings), LABELS).eval()


def pair(text: str, head: tuple[int, int], tail: tuple[int, int], kind: str = "peer") -> Document:
    """A post with one pair, its mentions ranges of characters."""
    entities = tuple(
        Entity(id=name, span=Span("b0", *place), type="PER")
        for name, place in (("h", head), ("t", tail))
    )
    return Document(
        id="own",
        blocks=(Block(id="b0", text=text),),
        annotations=Annotations(
            entities=entities, relations=(Relation(id="f0", head="h", tail="t", type=kind),)
        ),
    )


def batch_of(method: BertRe, *documents: Document, gold: bool = False) -> Batch:
    examples = [method.prepare(without_gold(d, method.given), {}) for d in documents]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)] if gold else ()
    return method.collate(examples, aims)


def pieces(method: BertRe, batch: Batch) -> str:
    ids = batch.inputs["input_ids"][0].tolist()
    return " ".join(method.text.tokenizer.convert_ids_to_tokens(ids))


TWO = pair("the cat met the dog", (16, 19), (4, 7))


def test_the_classifier_reads_both_opening_markers_and_nothing_else() -> None:
    method = made()
    batch = batch_of(method, TWO)
    assert pieces(method, batch) == "[CLS] the <o> cat </o> met the <s> dog </s> [SEP]"
    assert batch.inputs["ends"].tolist() == [[7, 2]]
    with torch.no_grad():
        states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])[0]
        w, b = method.classifier.weight, method.classifier.bias
        expected = w[:, :32] @ states[7] + w[:, 32:] @ states[2] + b
        assert torch.allclose(method(batch).scores["logits"][0], expected, atol=1e-6)


def test_the_state_at_cls_on_request() -> None:
    method = made(read="cls")
    assert method.classifier.weight.shape == (3, 32)
    batch = batch_of(method, TWO)
    with torch.no_grad():
        states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
        expected = method.classifier(states[:, 0])
        assert torch.equal(method(batch).scores["logits"], expected)


def test_which_of_both_is_the_head_matters() -> None:
    method = made()
    turned = pair("the cat met the dog", (4, 7), (16, 19))
    with torch.no_grad():
        one, other = method(batch_of(method, TWO, turned)).scores["logits"]
    assert not torch.allclose(one, other, atol=1e-4)


def test_pictures_are_neither_asked_for_nor_seen() -> None:
    method = made()
    assert method.needs() == frozenset()
    posts = list(controlled("test", ControlledConfig(task="mre", size=8)))
    with torch.no_grad():
        seen, bare = (
            method(batch_of(method, *documents)).scores["logits"]
            for documents in (posts, without_pictures(posts))
        )
    assert torch.equal(seen, bare)


@pytest.mark.parametrize(
    ("head", "tail", "shown"),
    [
        ((0, 7), (0, 7), "<s> <o> cat dog </o> </s> met"),  # equal
        ((0, 7), (4, 7), "<s> cat <o> dog </o> </s> met"),  # the tail inside the head
        ((0, 3), (0, 7), "<o> <s> cat </s> dog </o> met"),  # the head inside the tail
        ((0, 7), (4, 11), "<s> cat <o> dog </s> met </o>"),  # crossing
    ],
)
def test_mentions_that_are_equal_or_overlap(
    head: tuple[int, int], tail: tuple[int, int], shown: str
) -> None:
    method = made()
    document = pair("cat dog met", head, tail)
    batch = batch_of(method, document, gold=True)
    assert pieces(method, batch) == f"[CLS] {shown} [SEP]"
    assert method(batch).loss.isfinite()
    (found,) = method.predict([document], [{}])
    assert [(r.head, r.tail) for r in found.relations] == [("h", "t")]
    assert found.entities == document.entities


@pytest.mark.parametrize(
    ("head", "tail", "shown", "other"),
    [
        ((0, 7), (8, 11), "<s> <hidden-head> </s> <o> <hidden-tail> </o> dog", "dog cat cat dog"),
        (
            (8, 11),
            (0, 3),
            "<o> <hidden-tail> </o> dog <s> <hidden-head> </s> dog",
            "met dog cat dog",
        ),
        (
            (0, 7),
            (4, 11),
            "<s> <hidden-head> <o> </s> <hidden-tail> </o> dog",
            "dog cat cat dog",
        ),  # crossing
        ((0, 7), (0, 7), "<s> <o> <hidden-head> </o> </s> met dog", "met cat met dog"),  # equal
    ],
)
def test_hidden_mentions(
    head: tuple[int, int], tail: tuple[int, int], shown: str, other: str
) -> None:
    """Two posts that differ in their mentions alone are one; without the option they are two."""
    method, plain = made(mask_mentions=True), made()
    document = pair("cat dog met dog", head, tail)
    assert pieces(method, batch_of(method, document)) == f"[CLS] {shown} [SEP]"
    both = (document, pair(other, head, tail))
    for reading, same in ((method, True), (plain, False)):
        ids = [batch_of(reading, each).inputs["input_ids"] for each in both]
        assert torch.equal(*ids) == same
    assert "<hidden-head>" not in plain.text.tokenizer.get_vocab()


def test_a_corpus_whose_words_spell_markers_writes_unknown_words() -> None:
    method = made()
    block = Block.from_words(["<s>", "cat", "</s>", "met", "[SEP]", "dog", "<o>"])
    spans = (("h", block.word_span(1, 2)), ("t", block.word_span(5, 6)))
    given = Annotations(
        entities=tuple(Entity(id=name, span=span, type="x") for name, span in spans),
        relations=(Relation(id="f0", head="h", tail="t", type="peer"),),
    )
    batch = batch_of(method, Document(id="own", blocks=(block,), annotations=given))
    shown = pieces(method, batch)
    assert shown == "[CLS] [UNK] <s> cat </s> [UNK] met [UNK] <o> dog </o> [UNK] [SEP]"
    assert batch.inputs["ends"].tolist() == [[2, 8]]


def test_a_mention_behind_the_limit_is_kept_and_nothing_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "so " * 60 + "cat dog"
    method = made(max_length=12)
    with caplog.at_level(logging.WARNING):
        batch = batch_of(method, pair(text, (180, 183), (184, 187)))
    assert pieces(method, batch) == "[CLS] so so so so <s> cat </s> <o> dog </o> [SEP]"
    assert batch.examples[0].notes["shortened"] == [()]
    assert not caplog.records


def test_a_mention_that_loses_pieces_is_named(caplog: pytest.LogCaptureFixture) -> None:
    text = "cat " * 20 + "met dog"
    method = made(max_length=12)
    with caplog.at_level(logging.WARNING):
        batch = batch_of(method, pair(text, (0, 79), (84, 87)))
    assert pieces(method, batch) == "[CLS] <s> cat cat cat cat cat </s> <o> dog </o> [SEP]"
    assert batch.examples[0].notes["shortened"] == [("head",)]
    (line,) = [r.getMessage() for r in caplog.records]
    assert "own" in line
    assert "the head h" in line
    assert "the pair h -> t" in line
    assert "12 pieces" in line


def test_an_unknown_relation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'rival' is not among .*: none, parent, peer") as caught:
        batch_of(made(), pair("cat dog", (0, 3), (4, 7), "rival"), gold=True)
    assert caught.value.where == "own"


@pytest.mark.parametrize(
    "settings",
    [{"dropout": 1.0}, {"dropout": -0.1}, {"attention_dropout": 1.0}, {"max_length": 7}],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        BertReConfig(**settings)


def test_everything_learns() -> None:
    method = made().train()
    batch = batch_of(method, TWO, pair("cat and dog", (0, 3), (8, 11), "parent"), gold=True)
    optimiser = torch.optim.AdamW(method.trainable(), lr=5e-3)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = method(batch).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    still = {n for n, p in method.named_parameters() if p.grad is None or not p.grad.any()}
    # The pooler is read by nobody, and a softmax does not see what all its keys share.
    assert all("pooler" in n or n.endswith("key.bias") for n in still), still


@pytest.mark.parametrize(
    ("name", "text", "epochs", "rate"),
    [
        ("bert-re_mnre", "bert-base-uncased", 15, 3e-5),
        ("bert-re_mnre_minilm", "sentence-transformers/all-MiniLM-L6-v2", 3, 2e-4),
    ],
)
def test_recipes(name: str, text: str, epochs: int, rate: float) -> None:
    recipe = read_recipe(f"relation/{name}")
    (stage,) = recipe.stages
    config = recipe.config.to_dict()
    assert (config["text"], config["read"], config["max_length"]) == (text, "markers", 128)
    assert (stage.loop.epochs, stage.loop.batch, stage.loop.optimiser.rate) == (epochs, 16, rate)
    assert (recipe.data.pictures, recipe.protocol) == ("none", "mre-no-none@1")
    assert recipe.seeds == (1, 2, 3)


def test_many_pairs_are_judged_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = LabelSpace(relation_types=("None", "a", "b", "c"), null_relation="None")
    torch.manual_seed(0)
    method = BertRe.build(BertReConfig(text="tiny-bert"), labels)
    with torch.no_grad():  # far enough apart for answers to differ
        for parameter in list(method.parameters())[-2:]:
            parameter.mul_(20)
    words = [f"n{place}" for place in range(7)]
    text = " ".join(words)
    entities = tuple(
        Entity(id=word, span=Span("b0", text.index(word), text.index(word) + 2), type="X")
        for word in words
    )
    listed = Relation(id="f0", head="n0", tail="n1", type="a")
    documents = [
        Document(id="many", blocks=(Block(text=text),), annotations=Annotations(entities=entities)),
        Document(id="none", blocks=(Block(text=text),), annotations=Annotations()),
        Document(
            id="listed",
            blocks=(Block(text=text),),
            annotations=Annotations(entities=entities, relations=(listed,)),
        ),
    ]
    whole = method.predict(documents, [{}] * 3)
    sizes = []
    scores = method.scores

    def counted(batch):
        sizes.append(len(batch.inputs["owner"]))
        return scores(batch)

    monkeypatch.setattr(method, "scores", counted)
    monkeypatch.setattr("magpie.methods.relating.ROWS", 10)
    parted = method.predict(documents, [{}] * 3)
    assert sizes == [10, 10, 10, 10, 3]  # 42 pairs, none, and one
    assert whole[0].relations
    assert [(r.id, r.head, r.tail, r.type) for part in parted for r in part.relations] == [
        (r.id, r.head, r.tail, r.type) for part in whole for r in part.relations
    ]
    assert [r.score for r in parted[0].relations] == pytest.approx(
        [r.score for r in whole[0].relations], abs=1e-5
    )
    assert len(parted[2].relations) == 1
