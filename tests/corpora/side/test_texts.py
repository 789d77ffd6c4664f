from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.side import texts
from magpie.corpora.side.reading import collect
from magpie.corpora.side.rows import Text
from magpie.errors import FormatError


def pairs(rows: Any) -> list[tuple[str, str]]:
    return [(row.key, row.text) for row in rows]


def test_captions_by_line(write: Any, notes: Any) -> None:
    found = write("11.jpg :a dog :on a sofa\r\n\n12.png : two cats \n")
    rows = list(texts.captions_by_line([found], "all", notes))
    assert pairs(rows) == [("11", "a dog :on a sofa"), ("12", "two cats")]
    assert rows[1].where == f"{found.name}:3"
    assert notes == []


def test_a_broken_caption_is_set_aside_and_an_empty_one_reported(write: Any, notes: Any) -> None:
    found = write(b"11.jpg :a dog\nno separator\n12.jpg :\n13.jpg :caf\xe9\n11.jpg :again\n")
    rows = list(texts.captions_by_line([found], "all", notes))
    assert pairs(rows) == [("11", "a dog"), ("12", "")]
    assert notes.kinds == ["unreadable", "text-empty", "unreadable", "duplicate-key"]
    assert notes.codes == ["format-record", "format-encoding"]
    assert [anomaly.where for anomaly in notes] == [f"{found.name}:{n}" for n in (2, 3, 4, 5)]


def test_a_file_of_another_format_is_refused(write: Any, notes: Any) -> None:
    found = write("nothing of the kind\n" * 40)
    with pytest.raises(FormatError, match="none of the first 25 records") as caught:
        list(texts.captions_by_line([found], "all", notes))
    assert caught.value.code == "format-unknown"


def test_an_empty_file_is_refused(write: Any, notes: Any) -> None:
    with pytest.raises(FormatError, match="holds no record"):
        list(texts.captions_by_line([write("")], "all", notes))


def test_captions_in_json(write: Any, notes: Any) -> None:
    found = write({"11.jpg": "a dog", "12": "\ntwo cats"})
    assert pairs(texts.captions_in_json([found], "all", notes)) == [
        ("11", "a dog"),
        ("12", "two cats"),
    ]
    assert notes == []


def test_json_with_a_number_a_repeated_key_and_a_cut_end(write: Any, notes: Any) -> None:
    found = write('{"11.jpg": "a dog",\n"12.jpg": 5,\n"11.jpg": "a cat",\n"13.jpg": "cut')
    assert pairs(texts.captions_in_json([found], "all", notes)) == [("11", "a dog")]
    assert notes.kinds == ["unreadable", "duplicate-key", "unreadable"]
    assert notes[0].where.startswith(f"{found.name}:2")
    assert notes[0].where.endswith("#12.jpg")
    assert "a caption as text" in notes[0].message


def test_captions_in_literals(write: Any, notes: Any) -> None:
    found = write(
        "{'img_id': '11.jpg', 'text': \"a dog's bed\"}\n"
        "{'img_id': '12.jpg'}\n"
        "__import__('os').getcwd()\n"
        "{'img_id': '13.jpg', 'text': ''}\n"
    )
    assert pairs(texts.captions_in_literals([found], "all", notes)) == [
        ("11", "a dog's bed"),
        ("13", ""),
    ]
    assert notes.kinds == ["unreadable", "unreadable", "text-empty"]


def test_paragraphs_go_on_until_the_next_one(write: Any, notes: Any) -> None:
    found = write("imgid:11###One.\n\nTwo ### three.\nimgid:12###Four.\n")
    rows = list(texts.paragraphs([found], "all", notes))
    assert pairs(rows) == [("11", "One.\n\nTwo ### three."), ("12", "Four.")]
    assert rows[1].where == f"{found.name}:4"
    assert notes == []


def test_paragraphs_with_damage(write: Any, notes: Any) -> None:
    found = write(
        b"before\nimgid:11###One.\nimgid:no separator\nimgid:12###T\xff\nimgid:13###Two\n"
    )
    assert pairs(texts.paragraphs([found], "all", notes)) == [("11", "One."), ("13", "Two")]
    assert notes.codes == ["format-record", "format-record", "format-encoding"]


def test_lines_of_id_and_text(write: Any, notes: Any) -> None:
    found = write("IMGID:11\nrain over Turin \n IMGID:O_12\nAda sings\n \n")
    assert pairs(texts.id_and_text_lines([found], "all", notes)) == [
        ("11", "rain over Turin"),
        ("O_12", "Ada sings"),
    ]
    assert notes == []


def test_an_id_without_text_and_a_text_without_id(write: Any, notes: Any) -> None:
    found = write("11\nrain\nnot an id\nlost\n12\n")
    assert pairs(texts.id_and_text_lines([found], "all", notes)) == [("11", "rain")]
    assert [anomaly.where for anomaly in notes] == [f"{found.name}:3", f"{found.name}:5"]
    assert "the file ends" in notes[1].message


def test_knowledge_behind_words(write: Any, notes: Any) -> None:
    found = write(
        "Ada\tB-PER\r\nsings\tO\r\n<EOS>\tX\r\nA\tX\r\nsinger.\tX\r\n\r\n"
        "no\tO\r\nknowledge\tO\r\n\r\n"
        "Turin\tB-LOC\r\n<EOS>\tX\r\n"
    )
    assert pairs(texts.knowledge_behind_words([found], "all", notes)) == [
        ("Ada sings", "A singer."),
        ("Turin", ""),
    ]
    assert notes.kinds == ["unreadable", "text-empty"]
    assert notes[0].where == f"{found.name}:7"


def test_the_gold_tags_of_a_knowledge_file_never_come_out(write: Any, notes: Any) -> None:
    found = write("Ada\tB-PER\n<EOS>\tX\nA\tX\n")
    (row,) = texts.knowledge_behind_words([found], "all", notes)
    assert isinstance(row, Text)
    assert "B-PER" not in f"{row.key} {row.text}"


def test_tagged_posts(write: Any, notes: Any) -> None:
    found = write("Ada\tB-PER\nsings\tO\n\nTurin\tB-LOC\n")
    rows = list(texts.tagged_by_words([found], "all", notes))
    assert [(row.key, row.words, row.tags) for row in rows] == [
        ("Ada sings", ("Ada", "sings"), ("B-PER", "O")),
        ("Turin", ("Turin",), ("B-LOC",)),
    ]


def test_tagged_posts_by_picture(write: Any, notes: Any) -> None:
    found = write("IMGID:11\nAda\tB-PER\n\nIMGID:12\nsings\tO\n")
    rows = list(texts.tagged_by_picture([found], "all", notes))
    assert [(row.key, row.words) for row in rows] == [("11", ("Ada",)), ("12", ("sings",))]
    assert notes == []


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b"])
def test_what_no_document_may_hold_is_set_aside(text: str, write: Any, notes: Any) -> None:
    found = write(f'{{"11": "{text}", "12": "fine"}}')
    assert pairs(texts.captions_in_json([found], "all", notes)) == [("12", "fine")]
    assert notes.codes == ["schema-text"]


@given(
    st.dictionaries(
        st.from_regex(r"[0-9A-Za-z_]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
            str.strip
        ),
        min_size=1,
        max_size=5,
    )
)
def test_captions_in_json_come_back(tmp_path_factory: Any, captions: dict[str, str]) -> None:
    import json

    from magpie.corpora.dataset_card import DataFile
    from magpie.corpora.source import Found

    path = tmp_path_factory.mktemp("side") / "captions.json"
    path.write_text(json.dumps({f"{key}.jpg": text for key, text in captions.items()}), "utf-8")
    found = Found(DataFile("captions.json"), path)
    rows = texts.captions_in_json([found], "all", lambda _: pytest.fail("an anomaly"))
    assert dict(pairs(rows)) == {key: text.strip() for key, text in captions.items()}


def test_collect_passes_errors_of_the_parser_on(notes: Any) -> None:
    from magpie.corpora.records import Raw

    raws = [Raw("f:1", 1, "x"), Raw("f:2", 2, error=FormatError("broken", where="f:2"))]
    rows = collect(raws, "f", lambda raw, where: Text(key="1", where=where, text="x"), notes)
    assert [row.where for row in rows] == ["f:1"]
    assert notes[0].error is not None
    assert str(notes[0].error).startswith("f:2: broken")
