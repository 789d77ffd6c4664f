from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie._io import iter_open_lines
from magpie.corpora import columns
from magpie.corpora.anomaly import Anomaly
from magpie.corpora.columns import Layout, Record, iter_records

TWEETS = Layout(columns=2, opener="IMGID:")
PLAIN = Layout(columns=2)
FREE = Layout(columns=None, comments=True)


def read(text: str | bytes, layout: Layout) -> tuple[list[Record], list[Anomaly]]:
    found: list[Anomaly] = []
    data = text.encode() if isinstance(text, str) else text
    lines = iter_open_lines(io.BytesIO(data), name="f")
    return list(iter_records(lines, name="f", layout=layout, report=found.append)), found


def test_opener_carries_id_and_line() -> None:
    records, found = read("IMGID: 7 \na\tO\nb\tB-X\n\nIMGID:8\nc\tO", TWEETS)
    assert [(r.id, r.line, r.rows, r.lines) for r in records] == [
        ("7", 1, [["a", "O"], ["b", "B-X"]], [2, 3]),
        ("8", 5, [["c", "O"]], [6]),
    ]
    assert found == []


def test_opener_ends_a_record_without_a_blank_line() -> None:
    records, _ = read("IMGID:7\na\tO\nIMGID:8\nb\tO\n", TWEETS)
    assert [(r.id, len(r.rows)) for r in records] == [("7", 1), ("8", 1)]


def test_blank_lines_part_plain_records_even_with_a_tab_in_them() -> None:
    records, found = read("a\tO\n\t\nb\tO\n \n\n\nc\tO\n\n", PLAIN)
    assert [(r.line, r.rows[0][0]) for r in records] == [(1, "a"), (3, "b"), (7, "c")]
    assert found == []


def test_crlf_and_byte_order_mark_change_nothing() -> None:
    text = "IMGID:7\na\tO\n\nIMGID:8\nb\tB-X\n"
    plain, _ = read(text, TWEETS)
    windows, found = read("\ufeff" + text.replace("\n", "\r\n"), TWEETS)
    assert windows == plain
    assert found == []


def test_no_break_space_is_a_word() -> None:
    records, _ = read("a\tO\n\u00a0\tO\nb\tO\n", PLAIN)
    assert [row[0] for row in records[0].rows] == ["a", "\u00a0", "b"]


def test_spaces_for_tabs_are_read_and_reported() -> None:
    records, found = read("IMGID:7\nice cream B-X\nb\tO\n", TWEETS)
    assert records[0].rows == [["ice cream", "B-X"], ["b", "O"]]
    assert [(a.kind, a.where) for a in found] == [("separator", "f:2")]


@pytest.mark.parametrize("row", ["cut", "two words", "a\tB-X\tB-y", "a\tO\t"])
def test_wrong_number_of_columns_loses_that_record_only(row: str) -> None:
    records, found = read(f"IMGID:7\na\tO\n\nIMGID:8\n{row}\n\nIMGID:9\nb\tO\n", TWEETS)
    assert [r.id for r in records] == ["7", "9"]
    assert [(a.kind, a.where, a.record) for a in found] == [("unreadable", "f:5", "8")]
    assert found[0].error is not None
    assert found[0].error.code == "format-record"
    assert "expected 2 columns" in found[0].message
    assert found[0].error.mend


def test_words_before_an_opener_are_lost() -> None:
    records, found = read("a\tO\nb\tO\n\nIMGID:9\nb\tO\n", TWEETS)
    assert [r.id for r in records] == ["9"]
    assert [a.where for a in found] == ["f:1"]
    assert "IMGID:" in found[0].message


@pytest.mark.parametrize("text", ["IMGID:7\n\nIMGID:8\nb\tO\n", "IMGID:\na\tO\nIMGID:8\nb\tO\n"])
def test_records_without_words_or_id_are_lost(text: str) -> None:
    records, found = read(text, TWEETS)
    assert [r.id for r in records] == ["8"]
    assert [a.kind for a in found] == ["unreadable"]


def test_line_that_is_not_utf8_loses_its_record() -> None:
    records, found = read(b"IMGID:7\ncaf\xe9\tO\nx\tO\n\nIMGID:8\nb\tO\n", TWEETS)
    assert [r.id for r in records] == ["8"]
    assert found[0].error is not None
    assert (found[0].error.code, found[0].where) == ("format-encoding", "f:2")


def test_endless_record_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_ROWS", 3)
    records, found = read("a\tO\n" * 4 + "\nb\tO\n", PLAIN)
    assert [r.rows for r in records] == [[["b", "O"]]]
    assert found[0].error is not None
    assert found[0].error.code == "format-too-long"


def test_free_layout_takes_columns_from_the_first_row() -> None:
    text = (
        "-DOCSTART- -X- -X- O\n\n# id = 1\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n# O B-X O\n"
        "x y z O\n\nshort O\n"
    )
    records, found = read(text, FREE)
    assert [[row[0] for row in r.rows] for r in records] == [["EU", "rejects"], ["#", "x"]]
    assert [a.where for a in found] == ["f:10"]


def test_hash_is_a_word_where_the_row_has_a_tag_and_a_comment_elsewhere() -> None:
    text = "# text of it\tall, here\tand there\n#\tO\nb\tO\n\n# again\nc\tO\n# d\te\n"
    records, found = read(text, FREE)
    assert [[row[0] for row in r.rows] for r in records] == [["#", "b"], ["c"]]
    assert found == []
    records, _ = read("a NN O\n# SYM O\n# three words\n# three words more\n", FREE)
    assert [row[0] for row in records[0].rows] == ["a", "#"]


words = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6)
posts = st.lists(
    st.lists(st.tuples(words, st.sampled_from(["O", "B-X", "I-X"])), min_size=1, max_size=4),
    max_size=5,
)


@given(posts)
def test_written_records_are_read_back(sentences: list[list[tuple[str, str]]]) -> None:
    text = "".join(
        f"IMGID:{number}\n" + "".join(f"{word}\t{tag}\n" for word, tag in rows) + "\n"
        for number, rows in enumerate(sentences)
    )
    records, found = read(text, TWEETS)
    assert [[tuple(row) for row in r.rows] for r in records] == sentences
    assert [r.id for r in records] == [str(number) for number in range(len(sentences))]
    assert found == []


@given(st.text(max_size=200), st.sampled_from([TWEETS, PLAIN, FREE]))
def test_any_text_is_read_or_reported(text: str, layout: Layout) -> None:
    records, found = read(text.encode("utf-8", "surrogatepass"), layout)
    for record in records:
        assert record.rows
        assert len(record.rows) == len(record.lines)
        assert len({len(row) for row in record.rows}) == 1 or layout is FREE
    assert all(anomaly.where.startswith("f:") for anomaly in found)
