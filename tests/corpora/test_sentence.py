from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.columns import Record
from magpie.corpora.registry import card
from magpie.corpora.sentence import Mention, mark_up
from magpie.errors import FormatError
from magpie.text.tags import decode_tags

CARD = card("twitter2015")


def record(*rows: tuple[str, str]) -> Record:
    return Record(1, "7", [list(row) for row in rows], list(range(2, 2 + len(rows))))


def test_orphan_is_kept_marked_and_reported() -> None:
    found: list[Anomaly] = []
    rows = (("a", "O"), ("b", "I-LOC"), ("c", "I-LOC"), ("d", "B-PER"), ("e", "I-LOC"))
    sentence = mark_up(record(*rows), name="f", card=CARD, report=found.append)
    assert sentence.mentions == (
        Mention("LOC", 1, 3, 1, orphan=True),
        Mention("PER", 3, 4, 3),
        Mention("LOC", 4, 5, 4, orphan=True),
    )
    assert [(a.kind, a.where, a.record) for a in found] == [
        ("orphan-tag", "f:3", "7"),
        ("orphan-tag", "f:6", "7"),
    ]


def test_empty_words_are_left_out_and_indices_follow() -> None:
    found: list[Anomaly] = []
    rows = (("", "O"), ("a", "B-PER"), ("", "I-PER"), ("b", "I-PER"), ("", "B-LOC"), ("c", "B-ORG"))
    sentence = mark_up(record(*rows), name="f", card=CARD, report=found.append)
    assert sentence.words == ["a", "b", "c"]
    assert sentence.mentions == (Mention("PER", 0, 2, 1), Mention("ORG", 2, 3, 5))
    assert [a.where for a in found] == ["f:2", "f:4", "f:6"]


@pytest.mark.parametrize("tag", ["B", "B-", "X-PER", "PER", "b-PER", "E-PER", "BI-PER", ""])
def test_no_tag(tag: str) -> None:
    with pytest.raises(FormatError) as caught:
        mark_up(record(("a", "O"), ("b", tag)), name="f", card=CARD, report=print)
    assert (caught.value.code, caught.value.where) == ("format-tags", "f:3")


def test_type_of_another_corpus_is_named() -> None:
    with pytest.raises(FormatError) as caught:
        mark_up(record(("a", "B-MISC")), name="f", card=CARD, report=print)
    assert "no type 'MISC'" in caught.value.message
    assert "twitter2017@umt" in caught.value.mend


@given(st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), min_size=1))
def test_both_counts_follow_from_the_marks(tags: list[str]) -> None:
    rows = [("w", tag) for tag in tags]
    sentence = mark_up(record(*rows), name="f", card=CARD, report=lambda _: None)
    spans = [(m.type, m.start, m.end) for m in sentence.mentions]
    strict = [(m.type, m.start, m.end) for m in sentence.mentions if not m.orphan]
    assert spans == decode_tags(tags, scheme="lenient")
    assert strict == decode_tags(tags, scheme="strict")
