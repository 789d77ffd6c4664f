from __future__ import annotations

from pathlib import Path

import pytest

from magpie.corpora import is_orphan, load, tally
from magpie.corpora.dataset_card import Counts
from magpie.errors import ConfigError, FormatError

from .conftest import Notes

IOB1 = (
    "-DOCSTART- -X- O O\n\nAda NNP I-NP I-PER\nByron NNP I-NP I-PER\nsaw VBD I-VP O\n\n"
    "Turin NNP I-NP I-LOC\nMilan NNP I-NP B-LOC\n. . O O\n"
)
BIOES = "# id 7 domain=en\nAda _ _ B-PER\nByron _ _ E-PER\nTurin _ _ S-LOC\n\nx _ _ O\n"


def write(tmp_path: Path, text: str, name: str = "dev.conll") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def entities(path: Path, **options: int) -> list[tuple[str, str]]:
    documents = load("conll", "dev", path, **options)  # type: ignore[arg-type]
    return [(d.text_of(e), e.type) for d in documents for e in d.entities]


def test_iob1_opens_with_i_and_nothing_is_an_orphan(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, IOB1)
    assert entities(path) == [("Ada Byron", "PER"), ("Turin", "LOC"), ("Milan", "LOC")]
    documents = list(load("conll", "dev", tmp_path, on_problem=notes))
    assert [d.id for d in documents] == ["dev-1", "dev-2"]
    assert notes == []
    assert not any(is_orphan(e) for d in documents for e in d.entities)
    assert documents[0].source is not None
    assert (documents[0].source.file, documents[0].source.line) == ("dev.conll", 3)


def test_bioes(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, BIOES)
    assert entities(path) == [("Ada Byron", "PER"), ("Turin", "LOC")]
    path = write(tmp_path, BIOES.replace("B-PER", "O"))
    (first, _) = load("conll", "dev", path, on_problem=notes)
    assert [is_orphan(e) for e in first.entities] == [True, False]
    assert notes.kinds == ["orphan-tag"]


def test_bio_with_an_orphan_stays_bio(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, "a\tB-X\nb\tO\nc\tI-X\n")
    (document,) = load("conll", "dev", path, on_problem=notes)
    assert [is_orphan(e) for e in document.entities] == [False, True]


def test_columns_are_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, "1 B-PER Ada x\n2 O saw x\n")
    assert entities(path, word_column=2, tag_column=1) == [("Ada", "PER")]
    with pytest.raises(ConfigError, match="column 7") as caught:
        entities(path, tag_column=7)
    assert "4 columns" in caught.value.message


def test_one_bad_sentence_is_set_aside(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, "a O\nb B-X\n\nc O\nd X\n\ne O\n")
    documents = list(load("conll", "dev", path, on_problem=notes))
    assert [d.text for d in documents] == ["a b", "e"]
    assert notes.codes == ["format-tags"]
    assert notes[0].where.endswith("dev.conll:5")


def test_prose_is_no_column_file(tmp_path: Path) -> None:
    path = write(tmp_path, "It rained all day.\nNobody minded much, though.\n")
    with pytest.raises(FormatError):
        list(load("conll", "dev", path))


def test_coarse_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="coarse"):
        load("conll", "dev", write(tmp_path, BIOES), types="coarse")


def test_tally_counts_as_cards_do(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tB-X\nb\tO\nc\tI-Y\n\nd\tO\n")
    assert tally(load("conll", "dev", path)) == Counts(
        documents=2,
        words=4,
        entities=1,
        entities_lenient=2,
        types={"X": 1},
        types_lenient={"X": 1, "Y": 1},
        blocks=2,
        pictures=0,
        regions=0,
        relations=0,
        events=0,
        arguments=0,
        links=0,
    )


def test_bilou_reads_as_bioes(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, BIOES.replace("E-PER", "L-PER").replace("S-LOC", "U-LOC"))
    assert entities(path) == [("Ada Byron", "PER"), ("Turin", "LOC")]
    list(load("conll", "dev", path, on_problem=notes))
    assert notes == []
    path = write(tmp_path, "Ada U-PER\nByron L-PER\nof O\nTurin B-LOC\nand L-LOC\n")
    (document,) = load("conll", "dev", path, on_problem=notes)
    found = [(document.text_of(e), e.type, is_orphan(e)) for e in document.entities]
    assert found == [("Ada", "PER", False), ("Byron", "PER", True), ("Turin and", "LOC", False)]


def test_a_hash_with_a_bilou_tag_is_a_word(tmp_path: Path) -> None:
    path = write(tmp_path, "#Turin U-LOC\nx O\n")
    assert entities(path) == [("#Turin", "LOC")]


OPENED = (
    "\nIMGID:7\n#Ada\tB-PER\nByron\tI-PER\n\nIMGID:9\nTurin\tB-LOC\n\nIMGID:7\nMilan\tB-LOC\n#\tO\n"
)


def test_sentences_opened_by_ids_of_posts(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, OPENED, "dev.txt")
    assert entities(path) == [("#Ada Byron", "PER"), ("Turin", "LOC"), ("Milan", "LOC")]
    documents = list(load("conll", "dev", path, on_problem=notes))
    assert [d.id for d in documents] == ["7", "9", "7#2"]
    # A lone "#" is a word there, not a comment.
    assert documents[2].text == "Milan #"
    assert [d.media[0].id for d in documents] == ["m0"] * 3
    assert notes.kinds == ["duplicate-id"]


def test_an_id_within_a_file_of_blank_lines_is_a_row(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, "a\tB-X\n\nIMGID:7\nb\tO\n")
    documents = list(load("conll", "dev", path, on_problem=notes))
    assert [d.text for d in documents] == ["a"]
    assert notes.kinds == ["unreadable"]


def test_a_record_cut_off_behind_its_id_is_lost_alone(tmp_path: Path, notes: Notes) -> None:
    path = write(tmp_path, OPENED + "IMGID:11\n")
    assert len(list(load("conll", "dev", path, on_problem=notes))) == 3
    assert notes.kinds == ["duplicate-id", "unreadable"]
    with pytest.raises(FormatError, match="a record without words") as caught:
        list(load("conll", "dev", path))
    assert caught.value.where.endswith("dev.conll:12")
