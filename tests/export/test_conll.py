"""Column files: what stands in them, what they lose, and files of other origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, MagpieError
from magpie.export import ExportReport, export, read
from magpie.schema import Annotations, Block, Document, Entity, Span

from . import samples


def document(text: str, *spans: tuple[int, int, str], words: Any = None) -> Document:
    entities = tuple(
        Entity(id=f"e{n}", span=Span("b0", a, b), type=kind) for n, (a, b, kind) in enumerate(spans)
    )
    blocks = (Block(text=text, words=words),)
    return Document(id="d", blocks=blocks, annotations=Annotations(entities=entities))


def written(folder: Path, *documents: Document, **options: Any) -> tuple[str, ExportReport]:
    report = export(documents, "conll", folder / "out.conll", **options)
    return (folder / "out.conll").read_text("utf-8"), report


def back(path: Path, **options: Any) -> tuple[list[Document], list[MagpieError]]:
    problems: list[MagpieError] = []
    return list(read("conll", path, on_problem=problems.append, **options)), problems


def found(one: Document) -> list[tuple[str, str]]:
    return [(one.text_of(entity), entity.type) for entity in one.entities]


def foreign(folder: Path, content: str) -> tuple[list[Document], list[MagpieError]]:
    (folder / "in.txt").write_text(content, "utf-8", newline="")
    return back(folder / "in.txt")


def test_the_file_letter_by_letter(tmp_path: Path) -> None:
    one = document("Ada Byron left .", (0, 9, "PER"), words=((0, 3), (4, 9), (10, 14), (15, 16)))
    text, report = written(tmp_path, one, scheme="BIOES")
    assert text == "# id = d\nAda\tB-PER\nByron\tE-PER\nleft\tO\n.\tO\n\n"
    assert set(report.losses) == {"ids"}
    assert written(tmp_path, one, scheme="BILOU")[0].split()[5:8] == ["B-PER", "Byron", "L-PER"]
    assert written(tmp_path, one, scheme="BIO", separator="space", comments=False)[0] == (
        "Ada B-PER\nByron I-PER\nleft O\n. O\n\n"
    )
    assert written(tmp_path, one, scheme="IOB1", comments=False)[0].startswith("Ada\tI-PER\n")


def test_a_raw_text_is_split_and_kept_beside(tmp_path: Path) -> None:
    text, _ = written(tmp_path, document("Ada's #one\n", (0, 3, "PER")))
    assert text.splitlines()[:3] == ["# id = d", '# text = "Ada\'s #one\\n"', "Ada\tB-PER"]
    assert [line.split("\t")[0] for line in text.splitlines()[3:-1]] == ["'", "s", "#", "one"]
    (one,), _ = back(tmp_path / "out.conll")
    assert one.text == "Ada's #one\n"
    assert one.blocks[0].words is None


def test_a_word_is_cut_where_an_entity_ends_and_whole_when_read(tmp_path: Path) -> None:
    one = document("@ada_l left", (1, 4, "PER"), words=((0, 6), (7, 11)))
    text, _ = written(tmp_path, one)
    assert [line for line in text.splitlines() if "\t" in line] == [
        *("@\tO", "ada\tB-PER", "_l\tO", "left\tO")
    ]
    assert "# words = 0-6 7-11\n" in text
    (again,), _ = back(tmp_path / "out.conll")
    assert again.blocks == one.blocks
    assert found(again) == [("ada", "PER")]
    bare, report = written(tmp_path, one, comments=False)
    assert "#" not in bare
    assert report.losses["words: cut, without comments"].count == 1
    assert report.losses["documents: white space, without comments"].count == 1


def test_of_overlapping_entities_the_longer_stays(tmp_path: Path) -> None:
    spans = [(0, 3, "CITY"), (0, 8, "PER"), (4, 18, "ORG"), (14, 18, "VERB")]
    _, report = written(tmp_path, document("New York City left", *spans))
    (one,), _ = back(tmp_path / "out.conll")
    assert found(one) == [("New", "CITY"), ("York City left", "ORG")]
    assert report.losses["entities: overlaps another"].count == 2
    assert report.losses["entities: overlaps another"].examples == ["d/e1", "d/e3"]


def test_entities_that_end_in_white_space_are_lost_by_name(tmp_path: Path) -> None:
    _, report = written(tmp_path, document("Ada left ", (0, 4, "PER"), (8, 9, "X"), (4, 8, "V")))
    assert report.losses["entities: not from word to word"].examples == ["d/e0", "d/e1"]
    assert report.written["entities"] == 1


def test_tabs_and_line_breaks_within_words(tmp_path: Path) -> None:
    words = ((0, 5), (6, 9))
    one = document("New\tY a\nb", (0, 5, "LOC"), words=words)
    text, report = written(tmp_path, one)
    assert "New_Y\tB-LOC\na_b\tO\n" in text
    (again,), problems = back(tmp_path / "out.conll")
    assert again.blocks == one.blocks
    assert problems == []
    text, report = written(tmp_path, one, separator="space", comments=False)
    assert text == "New_Y B-LOC\na_b O\n\n"
    assert "documents: white space, without comments" not in report.losses


def test_odd_types_come_back(tmp_path: Path) -> None:
    kinds = ["sports team", "100%", "a\tb\nc", "=cmd()", "B-PER", "%20", "<script>", "é\u00a0ü"]
    text = " ".join("abcdefgh")
    spans = [(2 * n, 2 * n + 1, kind) for n, kind in enumerate(kinds)]
    content, _ = written(tmp_path, document(text, *spans))
    assert "a\tB-sports%20team\n" in content
    (one,), problems = back(tmp_path / "out.conll")
    assert [entity.type for entity in one.entities] == kinds
    assert problems == []


def test_several_blocks_are_one_document(tmp_path: Path) -> None:
    _, report = written(tmp_path, samples.everything(), samples.plain())
    (first, second), _ = back(tmp_path / "out.conll")
    assert [block.id for block in first.blocks] == ["k", "v", "empty"]
    assert first.blocks[1].words == ((0, 3), (4, 9))
    assert found(first) == [("Name", "question"), ("Ada Byron", "PER")]
    assert second.id == "plain"
    _, report = written(tmp_path, samples.everything(), comments=False)
    assert report.losses["blocks: without comments"].count == 3


def test_a_document_of_no_block_is_said(tmp_path: Path) -> None:
    text, report = written(tmp_path, Document(id="none", blocks=()))
    assert text == ""
    assert report.losses["documents: without any block"].examples == ["none"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"scheme": "BMES"}, "scheme must be one of IOB1"), ({"separator": ","}, "separator must be")],
)
def test_impossible_options(options: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=complaint):
        export([samples.plain()], "conll", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# files of other origin


def test_columns_of_other_tools(tmp_path: Path) -> None:
    content = (
        "-DOCSTART- -X- -X- O\n\n# a comment\nAda NNP I-NP I-PER\r\nByron NNP I-NP I-PER\r\n"
        "# # # O\n\n\nTurin NNP I-NP S-LOC\n"
    )
    documents, problems = foreign(tmp_path, content)
    assert [one.id for one in documents] == ["in-1", "in-2"]
    assert documents[0].text == "Ada Byron #"
    assert found(documents[0]) == [("Ada Byron", "PER")]
    assert found(documents[1]) == [("Turin", "LOC")]
    assert problems == []


def test_columns_by_number(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("1\tAda\tB-PER\tx\n", "utf-8")
    documents, _ = back(tmp_path / "in.txt", word_column=1, tag_column=2)
    assert found(documents[0]) == [("Ada", "PER")]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("Ada", "expected a word and a tag"),
        ("\tB-PER", "a row without a word"),
        ("Ada\tPERSON", "at word 1"),
        ("# words = x", "expected ranges such as 0-3"),
        ('# text = "cut', "not valid JSON"),
        ('# text = "other"', "do not hold the same characters"),
        ("Ada\tO\n" * 3 + '# text = "of another"', "do not hold the same characters"),
        ('# words = 0-9\n# text = "of"', "is [0, 9): out of order, empty or outside"),
    ],
)
def test_a_bad_line_costs_its_sentence_only(bad: str, complaint: str, tmp_path: Path) -> None:
    content = f"good\tB-X\n\nof\tO\n{bad}\n\nmore\tO\n"
    documents, problems = foreign(tmp_path, content)
    assert [one.text for one in documents] == ["good", "more"]
    assert len(problems) == 1
    assert complaint in str(problems[0])
    assert "in.txt:" in problems[0].where


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\tO\n\nb\xff\tO\n\nc\tO\n")
    documents, problems = back(tmp_path / "in.txt")
    assert [one.text for one in documents] == ["a", "c"]
    assert [error.code for error in problems] == ["format-encoding"]


TEXTS = st.text(alphabet="ab #'\t\né\u0301😀\u200dعم東%", max_size=20)


@st.composite
def marked(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True).map(sorted))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return document(text, *((a, b, draw(st.sampled_from(["A", "b c", "%"]))) for a, b in pairs))


@given(marked(), st.sampled_from(["IOB1", "BIO", "BIOES", "BILOU"]))
def test_all_that_is_not_reported_comes_back(
    tmp_path_factory: pytest.TempPathFactory, one: Document, scheme: str
) -> None:
    folder = tmp_path_factory.mktemp("conll")
    _, report = written(folder, one, scheme=scheme)
    (again,), problems = back(folder / "out.conll")
    assert problems == []
    assert again.blocks == one.blocks
    mine = [(e.span, e.type) for e in one.entities]
    theirs = [(e.span, e.type) for e in again.entities]
    assert set(theirs) <= set(mine)
    assert len(theirs) == report.written.get("entities", 0)
