"""HVPNeT's relation head, and what all relation methods share with it."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import HIDDEN_TYPE, Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.pairs import candidate_pairs  # noqa: E402
from magpie.methods.relation.hvpnet_re import HvpnetRe, HvpnetReConfig  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Document,
    Entity,
    Relation,
    Span,
)

LABELS = LabelSpace(relation_types=("none", "peer", "parent"), null_relation="none")
POSTS = list(controlled("test", ControlledConfig(task="mre", size=8, told=0.5)))


def made(**options: Any) -> HvpnetRe:
    torch.manual_seed(0)
    settings = {
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "crops": "whole",
        "crop_count": 1,
        "hidden": 16,
        **options,
    }
    return HvpnetRe.build(HvpnetReConfig(**settings), LabelSpace.of(POSTS))


def batch_of(method: HvpnetRe, documents: list[Document], *, targets: bool = False) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims if targets else ())


def post(text: str, mentions: list[tuple[int, int]], *relations: tuple[int, int, str]) -> Document:
    """A post whose mentions are ranges of characters."""
    entities = tuple(
        Entity(id=f"e{n}", span=Span("b0", start, end), type="PER")
        for n, (start, end) in enumerate(mentions)
    )
    found = tuple(
        Relation(id=f"f{n}", head=f"e{head}", tail=f"e{tail}", type=kind)
        for n, (head, tail, kind) in enumerate(relations)
    )
    return Document(
        id="own",
        blocks=(Block(id="b0", text=text),),
        annotations=Annotations(entities=entities, relations=found),
    )


TWO = post("the cat met the dog", [(4, 7), (16, 19)], (1, 0, "peer"))


def test_types_are_hidden_and_pairs_are_given() -> None:
    seen = without_gold(TWO, HvpnetRe.given)
    assert [e.type for e in seen.entities] == [HIDDEN_TYPE] * 2
    assert [e.span for e in seen.entities] == [e.span for e in TWO.entities]
    assert seen.annotations is not None
    assert [(r.head, r.tail, r.type) for r in seen.annotations.relations] == [
        ("e1", "e0", HIDDEN_TYPE)
    ]
    assert without_gold(TWO).annotations is None
    typed = without_gold(TWO, {"entities", "types"})
    assert [e.type for e in typed.entities] == ["PER", "PER"]
    assert typed.annotations is not None
    assert typed.annotations.relations == ()


def test_gold_types_cannot_change_what_is_prepared() -> None:
    method = made()
    other = post("the cat met the dog", [(4, 7), (16, 19)], (1, 0, "parent"))
    one, two = (batch_of(method, [d]).inputs for d in (TWO, other))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_pairs_listed_or_all() -> None:
    assert [(a.id, b.id) for a, b in candidate_pairs(TWO)] == [("e1", "e0")]
    free = post("a b c", [(0, 1), (2, 3), (4, 5)])
    assert len(candidate_pairs(free)) == 6
    assert candidate_pairs(Document(id="x", blocks=(Block(id="b0", text="a"),))) == []


def test_the_readout_is_at_the_opening_markers_head_first() -> None:
    method = made(visual=False)
    batch = batch_of(method, [TWO])
    pieces = method.text.tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][0].tolist())
    assert " ".join(pieces) == "[CLS] the <o> cat </o> met the <s> dog </s> [SEP]"
    head, tail = batch.inputs["ends"][0].tolist()
    assert (pieces[head], pieces[tail]) == ("<s>", "<o>")
    assert (pieces[head + 1], pieces[tail + 1]) == ("dog", "cat")
    states = torch.arange(2.0 * batch.inputs["input_ids"].shape[1]).view(1, -1, 2)
    expected = torch.cat([states[0, head], states[0, tail]])
    assert torch.equal(method.pair_states(states, batch)[0], expected)


def test_several_pairs_share_one_reading_of_the_picture() -> None:
    method = made().eval()
    busy = post("cat and dog and man", [(0, 3), (8, 11), (16, 19)])
    documents = [POSTS[0], busy, POSTS[1]]
    batch = batch_of(method, documents)
    assert batch.inputs["owner"].tolist() == [0, *[1] * 6, 2]
    assert batch.inputs["pictures"].shape[0] == 3
    with torch.no_grad():
        together = method(batch).scores["logits"]
        alone = torch.cat([method(batch_of(method, [d])).scores["logits"] for d in documents])
    assert torch.allclose(together, alone, atol=1e-5)


def test_prediction_answers_every_listed_pair_and_keeps_the_mentions() -> None:
    method = made()
    found = method.predict(POSTS, [Supplier()(d, method.needs()) for d in POSTS])
    for document, answer in zip(POSTS, found, strict=True):
        assert answer.entities == document.entities
        assert [(r.head, r.tail) for r in answer.relations] == [("e0", "e1")]
        assert answer.relations[0].type in method.labels.relation_types
        assert 0 <= (answer.relations[0].score or 0) <= 1


def test_of_unlisted_pairs_the_null_relation_is_not_returned() -> None:
    method = made(visual=False)
    free = post("cat and dog", [(0, 3), (8, 11)])
    with torch.no_grad():
        method.classifier.weight.zero_()
        method.classifier.bias.zero_()
        method.classifier.bias[method.relation_ids["none"]] = 5.0
    listed, alone = method.predict([TWO, free], [{}, {}])
    assert [r.type for r in listed.relations] == ["none"]
    assert alone.relations == ()
    with torch.no_grad():
        method.classifier.bias[method.relation_ids["peer"]] = 9.0
    (alone,) = method.predict([free], [{}])
    assert [(r.head, r.tail, r.type) for r in alone.relations] == [
        ("e0", "e1", "peer"),
        ("e1", "e0", "peer"),
    ]


@pytest.mark.parametrize(
    "document",
    [
        Document(id="bare", blocks=(Block(id="b0", text="no mention here"),)),
        Document(id="empty", blocks=(Block(id="b0", text=""),)),
        post("one cat", [(4, 7)]),
        post("a   b", [(1, 3), (4, 5)], (0, 1, "peer")),  # a mention of blanks
    ],
)
def test_a_post_without_a_pair(document: Document) -> None:
    method = made(visual=False)
    (found,) = method.predict([document], [{}])
    assert found.relations == ()
    batch = batch_of(method, [document], targets=True)
    loss = method(batch).loss
    loss.backward()
    assert loss == 0
    # Beside others it changes nothing.
    both = batch_of(method.eval(), [document, TWO])
    with torch.no_grad():
        assert torch.allclose(
            method(both).scores["logits"],
            method(batch_of(method, [TWO])).scores["logits"],
            atol=1e-5,
        )


def test_a_long_text_keeps_both_mentions() -> None:
    method = made(visual=False, max_length=16)
    words = ["cat", *["so"] * 60, "dog"]
    text = " ".join(words)
    long = post(text, [(0, 3), (len(text) - 3, len(text))], (0, 1, "peer"))
    batch = batch_of(method, [long])
    assert batch.inputs["input_ids"].shape == (1, 16)
    pieces = method.text.tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][0].tolist())
    assert {"cat", "dog", "<s>", "</s>", "<o>", "</o>"} <= set(pieces)
    assert batch.examples[0].notes["cut"] > 50


def test_the_loss_is_the_mean_cross_entropy() -> None:
    method = made().eval()
    batch = batch_of(method, POSTS, targets=True)
    output = method(batch)
    logits, gold = output.scores["logits"], batch.targets["relations"]
    rows = -torch.log_softmax(logits, 1)[torch.arange(len(gold)), gold]
    assert torch.isclose(output.loss, rows.mean())
    names = [r.type for d in POSTS for r in d.annotations.relations]  # type: ignore[union-attr]
    assert [method.labels.relation_types[n] for n in gold] == names


def test_a_foreign_relation_is_refused() -> None:
    method = HvpnetRe.build(HvpnetReConfig(text="tiny-bert", visual=False), LABELS)
    strange = post("cat and dog", [(0, 3), (8, 11)], (0, 1, "held_on"))
    with pytest.raises(ConfigError, match="'held_on' is not among"):
        batch_of(method, [strange], targets=True)
    with pytest.raises(ConfigError, match="needs relation types"):
        HvpnetRe.build(HvpnetReConfig(text="tiny-bert", visual=False), LabelSpace())


def test_the_public_optimiser_leaves_the_classifier_alone() -> None:
    frozen, free = made(freeze_re_head=True), made()
    for method in (frozen, free):
        given = {id(p) for group in method.groups() for p in group.parameters}
        moves = id(method.classifier.weight) in given and method.classifier.weight.requires_grad
        assert moves == (method is free)


def test_everything_learns_and_the_loss_falls() -> None:
    method = made(freeze_vision=False, batch_norm="batch")
    batch = batch_of(method, POSTS, targets=True)
    optimiser = torch.optim.AdamW(method.trainable(), lr=3e-3)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = method(batch).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]
    still = {n for n, p in method.named_parameters() if p.grad is None or not p.grad.any()}
    # The pooler is read by nobody, and a softmax does not see what all its keys share.
    assert all("pooler" in n or n.endswith("key.bias") for n in still), still
    rows = method.text.transformer.get_input_embeddings().weight.grad
    assert all(rows[index].any() for index in method.markers.values())


def logits(method: HvpnetRe, documents: list[Document]) -> Tensor:
    with torch.no_grad():
        return method(batch_of(method, documents)).scores["logits"]


def test_without_a_picture_the_prefix_is_hidden() -> None:
    method, bare = made().eval(), without_pictures(POSTS)
    plain = made(visual=False).eval()
    own = plain.state_dict()
    plain.load_state_dict({n: v for n, v in method.state_dict().items() if n in own})
    assert torch.allclose(logits(method, bare), logits(plain, POSTS), atol=1e-5)
    assert not torch.allclose(logits(method, POSTS), logits(plain, POSTS), atol=1e-4)
