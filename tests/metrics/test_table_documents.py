"""The table of document protocols: names, parts, options; what every one of them must do."""

from __future__ import annotations

import math
from typing import Any

import pytest

from magpie.errors import ComparisonError, ConfigError
from magpie.metrics import check_comparable, items_of, score
from magpie.metrics.counts import Counts, Mean
from magpie.metrics.declare import Protocol
from magpie.metrics.items import Scored
from magpie.metrics.table_documents import DOCUMENT_DEFAULTS, DOCUMENT_PROTOCOLS
from magpie.schema import Media, Region, TimeRange

from .builders import Builder, scores

BOXES = ("boxes", "inside", "many_to_one")
SEG = ("grounded", "i-seg", "v-trck", "a-seg")

#: name -> task, parts, options
EXPECTED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "m2e2-text@1": ("events", ("events", "arguments"), ()),
    "m2e2-text-position@1": ("events", ("events", "arguments"), ()),
    "m2e2-image@1": ("events", ("events", "arguments"), BOXES),
    "m2e2-image-public@1": ("events", ("events", "arguments"), ()),
    "m2e2-multimedia@1": ("events", ("events", "arguments"), BOXES),
    "events-umie@1": ("events", ("triggers", "arguments"), ("legacy", "labels")),
    "events-mqa@1": (
        "events",
        ("text", "image", "article", "article-with-none"),
        ("legacy", "oracle_sentences"),
    ),
    "form-labels@1": ("forms", ("fields", "blocks"), ()),
    "form-links@1": ("forms", ("links", "strict", "all"), ("directed",)),
    "procedure-gmper@1": ("procedures", ("gmper", "per", "groundable"), ("every_box",)),
    "muie-ner@1": ("muie", ("ner", *SEG), ("average",)),
    "muie-re@1": ("muie", ("re", *SEG), ("average",)),
    "muie-ee@1": ("muie", ("et", "ea", *SEG), ("average",)),
    "ner-strings@1": ("ner", ("entities", "spans"), ("legacy",)),
}

each_protocol = pytest.mark.parametrize("chosen", DOCUMENT_PROTOCOLS, ids=lambda p: p.name)


def test_the_table() -> None:
    found = {
        p.name: (p.task, p.parts, tuple(option.name for option in p.options))
        for p in DOCUMENT_PROTOCOLS
    }
    assert found == EXPECTED
    assert {name: EXPECTED[of][0] for name, of in DOCUMENT_DEFAULTS.items()} == {
        "events": "events",
        "forms": "forms",
        "procedures": "procedures",
        "muie": "muie",
    }
    assert [p.name for p in DOCUMENT_PROTOCOLS if not p.needs_document] == ["ner-strings@1"]


def everything() -> Builder:
    """A document in which every protocol finds something."""
    found = Builder(media=[Media(id="m0"), Media(id="m1"), Media(id="a", kind="audio")])
    heard = Region(media="a", time=TimeRange(0, 1.5))
    who = found.entity(0, 2, "question", (0, 0, 10, 10))
    what = found.entity(4, 6, "answer", heard)
    shown = found.region(20, 20, 40, 40, label="other")
    found.relate(who, "peer", what)
    found.link(who, what)
    found.event("Life:Die", (8, 9), "m0", Victim=[who, shown])
    found.event("Contact:Meet", (12, 13), Entity=what)
    found.event("Conflict:Attack", media="m1", Target=shown)
    return found


@each_protocol
def test_the_gold_itself_is_perfect(chosen: Protocol) -> None:
    for part, value in scores(chosen.name, everything(), everything()).items():
        if part == "v-trck":
            assert value == Mean(0.0, 0)
        else:
            assert value.score == 1, part


@each_protocol
def test_every_switch_changes_no_perfect_score(chosen: Protocol) -> None:
    for option in chosen.options:
        for value in option.values:
            report = score(
                [items_of(everything().build())],
                [items_of(everything().build())],
                chosen.name,
                options={option.name: value},
            )
            assert report.main.micro.score == 1
            assert (option.name in report.options) == (value != option.default)


@each_protocol
def test_no_prediction_scores_zero_and_never_nan(chosen: Protocol) -> None:
    empty = Builder(media=everything().media)
    for gold, predicted in ((everything(), empty), (empty, everything()), (empty, empty)):
        report = score(
            [items_of(gold.build())], [items_of(predicted.build())], chosen.name, bootstrap=5
        )
        body = report.to_dict()
        for number in numbers(body):
            assert math.isfinite(number)
            assert number >= 0
        if isinstance(report.main.micro, Counts):
            assert report.main.micro.correct == 0


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for inner in value.values() for n in numbers(inner)]
    if isinstance(value, list | tuple):
        return [n for inner in value for n in numbers(inner)]
    return [value] if isinstance(value, int | float) else []


@each_protocol
def test_flat_lines_and_unknown_options_are_refused(chosen: Protocol) -> None:
    flat = [Scored("d", ())]
    if chosen.needs_document:
        with pytest.raises(ComparisonError):
            score(flat, flat, chosen.name)
    else:
        assert score(flat, flat, chosen.name).main.micro == Counts()
    with pytest.raises(ConfigError):
        scores(chosen.name, everything(), everything(), wrong=True)


def test_the_public_count_is_no_other_count() -> None:
    pair = [items_of(everything().build())]
    one = score(pair, pair, "m2e2-text@1")
    with pytest.raises(ComparisonError, match="protocol"):
        check_comparable(one, score(pair, pair, "m2e2-text-position@1"))
    union = score(pair, pair, "m2e2-image@1", options={"boxes": "union"})
    with pytest.raises(ComparisonError, match="options"):
        check_comparable(score(pair, pair, "m2e2-image@1"), union)
