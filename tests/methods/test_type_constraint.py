"""Relations that predicted types allow, and gold types that stay hidden."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch

from magpie.corpora.reader import METHOD as GOLD
from magpie.corpora.registry import card
from magpie.features.supply import Supplier
from magpie.methods.base import HIDDEN_TYPE, without_gold
from magpie.methods.labels import LabelSpace
from magpie.methods.predicting import predict_documents
from magpie.methods.relation.bert_re import BertRe, BertReConfig
from magpie.methods.type_constraint import masked, misfits, path_types
from magpie.schema import (
    Annotations,
    Block,
    Document,
    Entity,
    Media,
    Provenance,
    Region,
    Relation,
    Span,
)

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


@pytest.mark.parametrize(
    ("ends", "left"),
    [
        (("PER", "PER"), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (("PER", "ORG"), [0, 9]),
        (("PER", "LOC"), [0, 10, 11]),
        (("ORG", "ORG"), [0, 12, 13]),
        (("ORG", "LOC"), [0, 14]),
        (("LOC", "LOC"), [0, 15]),
        (("PER", "OTHER"), [0, 16, 17, 18, 19, 20]),
        (("MISC", "MISC"), [0, 21]),
        (("MISC", "LOC"), [0, 22]),
        (("MISC", "PER"), [0]),
        (("LOC", "PER"), [0]),
    ],
)
def test_what_the_types_leave_of_mnres_labels(ends: tuple[str, str], left: list[int]) -> None:
    labels = list(card("mnre@2").relations)
    assert len(labels) == 23
    found = masked(torch.zeros(1, 23), labels, [ends])
    assert found.isfinite()[0].nonzero().flatten().tolist() == left


@pytest.mark.parametrize(
    ("kinds", "label", "fits"),
    [
        (("PER", "LOC"), "/per/loc/place_of_birth", True),
        (("LOC", "PER"), "/per/loc/place_of_birth", False),
        (("person", "Location"), "/per/loc/place_of_birth", True),
        (("ORG", "LOC"), "/per/loc/place_of_birth", False),
        (("ORG", HIDDEN_TYPE), "/org/loc/locate_at", True),  # nobody says what the tail is
        (("ORG", "LOC"), "None", True),
        (("ORG", "LOC"), "born_in", True),
    ],
)
def test_relations_that_the_types_of_their_ends_forbid(
    kinds: tuple[str, str], label: str, fits: bool
) -> None:
    plain = document(None, *kinds)
    assert plain.annotations is not None
    relation = Relation(id="f0", head="e0", tail="e1", type=label)
    facts = replace(plain.annotations, relations=(relation,))
    assert misfits(plain.with_annotations(facts)) == ([] if fits else [relation])


def test_the_label_of_an_object_is_no_type() -> None:
    shown = replace(document(None, "PER", "LOC"), media=(Media(id="m0"),))
    assert shown.annotations is not None
    facts = replace(
        shown.annotations,
        regions=(Region(id="o0", media="m0", label="red"),),
        relations=tuple(
            Relation(id=f"f{n}", head=head, tail="o0", type="/per/loc/place_of_birth")
            for n, head in enumerate(("e0", "e1"))
        ),
    )
    assert [each.head for each in misfits(shown.with_annotations(facts))] == ["e1"]


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
