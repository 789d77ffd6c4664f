"""Relations that predicted types allow, and gold types that stay hidden."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch

from magpie.corpora.reader import METHOD as GOLD
from magpie.features.supply import Supplier
from magpie.methods.base import HIDDEN_TYPE, without_gold
from magpie.methods.labels import LabelSpace
from magpie.methods.predicting import predict_documents
from magpie.methods.relation.bert_re import BertRe, BertReConfig
from magpie.methods.type_constraint import masked, path_types
from magpie.schema import Annotations, Block, Document, Entity, Provenance, Span

LABELS = ("None", "/loc/loc/contain", "/per/loc/place_of_birth", "/per/misc/awarded")
TEXT = "Ada came from Rio"


def document(method: str | None, *kinds: str) -> Document:
    places = ((0, 3), (14, 17))
    return Document(
        id="d",
        blocks=(Block(text=TEXT),),
        annotations=Annotations(
            entities=tuple(
                Entity(id=f"e{n}", span=Span("b0", *place), type=kind)
                for n, (place, kind) in enumerate(zip(places, kinds, strict=True))
            ),
            provenance=None if method is None else Provenance(method=method),
        ),
    )


@pytest.mark.parametrize(
    ("label", "types"),
    [
        ("/per/org/member_of", ("per", "org")),
        ("None", None),
        ("/per/member_of", None),
        ("//org/x", None),
    ],
)
def test_the_path_of_a_label(label: str, types: tuple[str, str] | None) -> None:
    assert path_types(label) == types


def test_forbidden_relations_cannot_be_chosen() -> None:
    logits = torch.tensor([[0.0, 3.0, 2.0, 1.0]]).repeat(5, 1)
    ends = [("PER", "LOC"), ("PER", "OTHER"), ("ORG", "ORG"), (None, "LOC"), (None, None)]
    found = masked(logits, LABELS, ends)
    assert [row.argmax().item() for row in found] == [2, 3, 0, 1, 1]
    assert found[0].tolist() == [0.0, -math.inf, 2.0, -math.inf]
    assert found[4].equal(logits[4])
    # nothing stands for none: whatever the types, there must be an answer
    assert masked(logits[:1, 1:], LABELS[1:], [("ORG", "ORG")]).equal(logits[:1, 1:])


@pytest.mark.parametrize("method", [None, GOLD])
def test_gold_types_stay_hidden(method: str | None) -> None:
    seen = without_gold(document(method, "PER", "LOC"), {"entities", "predicted_types"})
    assert seen.annotations is not None
    assert [each.type for each in seen.entities] == [HIDDEN_TYPE] * 2


def test_predicted_types_are_seen_where_they_are_asked_for() -> None:
    predicted = document("tagger", "PER", "LOC")
    seen = without_gold(predicted, {"entities", "predicted_types"})
    assert [each.type for each in seen.entities] == ["PER", "LOC"]
    assert [each.type for each in without_gold(predicted, {"entities"}).entities] == [
        HIDDEN_TYPE
    ] * 2


@pytest.mark.parametrize(
    ("constraint", "method", "expected"),
    [
        ("off", "tagger", ["/loc/loc/contain"] * 2),
        ("mask", "tagger", ["/per/loc/place_of_birth"]),
        ("mask", GOLD, ["/loc/loc/contain"] * 2),
    ],
)
def test_a_method_chooses_among_the_relations_that_fit(
    constraint: Literal["off", "mask"], method: str, expected: list[str]
) -> None:
    config = BertReConfig(text="tiny-bert", type_constraint=constraint)
    labels = LabelSpace(relation_types=LABELS, null_relation="None")
    relating = BertRe.build(config, labels)
    last = [module for module in relating.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 3.0, 2.0, 1.0]))
    (found,) = predict_documents(relating, [document(method, "PER", "LOC")], Supplier())
    assert [each.type for each in found.relations] == expected
    if constraint == "mask" and method == "tagger":
        # of the other way round nothing but None fits, which is not returned
        assert (found.relations[0].head, found.relations[0].tail) == ("e0", "e1")
        score = found.relations[0].score
        assert score == pytest.approx(math.exp(2) / (1 + math.exp(2)), rel=1e-5)
