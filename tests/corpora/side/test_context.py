from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import convert, load
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.side.context import find_side
from magpie.errors import ConfigError, NotFoundError


def texts(document: Any) -> list[tuple[str, str, str, str | None]]:
    return [(text.kind, text.source, text.text, text.media) for text in document.context]


def test_captions_and_knowledge_are_joined(root: Path, notes: Any) -> None:
    rain, ada = load("twitter2015", "test", root, context=("blip2", "pgim"), on_problem=notes)
    assert texts(rain) == [
        ("caption", "blip2", "clouds above a town", "m0"),
        ("note", "pgim", "A town.", None),
    ]
    assert texts(ada) == [("note", "pgim", "A singer.", None)]
    assert "side-missing" in notes.kinds
    (missing,) = [anomaly for anomaly in notes if anomaly.kind == "side-missing"]
    assert (missing.record, missing.message) == ("12", "blip2 has nothing on it")
    assert missing.where == "twitter2015/test.txt:6"


def test_files_that_the_table_does_not_know_are_named(
    root: Path, notes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    list(load("twitter2015", "test", root, context=("pgim",), on_problem=notes))
    unknown = [a for a in notes if a.kind == "unknown-digest" and "pgim" in a.message]
    assert [anomaly.where for anomaly in unknown] == ["knowledge/pgim/2015.zip!test.txt"]
    list(load("twitter2015", "test", root, context=("blip2",)))
    assert "BLIP2_15.txt of blip2 is not the file" in caplog.text


def test_the_order_is_the_one_asked_for(root: Path) -> None:
    (rain, _) = load("twitter2015", "test", root, context=("pgim", "blip2"))
    assert [text.source for text in rain.context] == ["pgim", "blip2"]


def test_without_a_name_nothing_is_read(root: Path) -> None:
    (root / "captions" / "twitter_blip2" / "BLIP2_15.txt").unlink()
    assert all(document.context == () for document in load("twitter2015", "test", root))


def test_a_missing_text_is_no_failure_by_default(root: Path) -> None:
    documents = list(load("twitter2015", "test", root, context=("blip2",)))
    assert [len(document.context) for document in documents] == [1, 0]


def test_the_corpus_folder_itself_finds_its_side_files(root: Path) -> None:
    documents = list(load("twitter2015", "test", root / "twitter2015", context=("pgim",)))
    assert [len(document.context) for document in documents] == [1, 1]


def test_a_file_of_the_corpus_is_never_taken_for_a_side_file(root: Path) -> None:
    # knowledge/pgim/2015.zip!test.txt is named like the corpus's own test.txt
    (root / "knowledge" / "pgim" / "2015" / "test.txt").unlink()
    with pytest.raises(NotFoundError, match=r"2015\.zip!test\.txt"):
        load("twitter2015", "test", root / "twitter2015", context=("pgim",))


def test_posts_of_the_same_words_get_one_text_each_in_order(root: Path) -> None:
    (root / "twitter2015" / "test.txt").write_text(
        "IMGID:1\nHi\tO\n\nIMGID:2\nHi\tO\n\nIMGID:3\nHi\tO\n"
    )
    (root / "knowledge" / "pgim" / "2015" / "test.txt").write_text(
        "Hi\tO\n<EOS>\tX\nfirst\tX\n\nHi\tO\n<EOS>\tX\nsecond\tX\n"
    )
    documents = load("twitter2015", "test", root, context=("pgim",))
    assert [[text.text for text in d.context] for d in documents] == [["first"], ["second"], []]


@pytest.mark.parametrize("names", [("minicpm",), ("nothing",), ("blip2", "nothing")])
def test_sources_that_do_not_apply_name_those_that_do(root: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(NotFoundError) as caught:
        load("twitter2015", "test", root, context=names)
    assert caught.value.mend == "Context for twitter2015@umt:test: blip2, detr, pgim."


@pytest.mark.parametrize("name", ["pgim-manual-answers", "riveg-gold", "vinvl", "mega-posts"])
def test_answers_and_data_are_no_context(root: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="holds no context"):
        load("twitter2015", "test", root, context=(name,))


def test_a_name_twice(root: Path) -> None:
    with pytest.raises(ConfigError, match="named twice"):
        load("twitter2015", "test", root, context=("blip2", "blip2"))


def test_samples_belong_to_training_only(root: Path) -> None:
    with pytest.raises(NotFoundError, match="says nothing of twitter2015@umt:test"):
        load("twitter2015", "test", root, context=("pgim-manual",))


def test_formats_have_no_side_sources(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "posts.conll"
    path.write_text("Ada B-PER\n")
    with pytest.raises(NotFoundError) as caught:
        load("conll", "test", path, context=("blip2",))
    assert caught.value.mend.endswith("none.")


def test_a_missing_file_is_an_error_at_the_call(root: Path) -> None:
    with pytest.raises(NotFoundError, match=r"twitter2015_images\.json"):
        load("twitter2015", "test", root, context=("detr",))


def test_converted_with_context(root: Path, tmp_path: Path) -> None:
    result = convert("twitter2015", "test", tmp_path / "o.jsonl", root, context=["blip2"])
    assert result.anomalies["side-missing"] == 1
    assert '"source":"blip2"' in (tmp_path / "o.jsonl").read_text()


def test_side_files_in_archives_and_beside_them(tmp_path: Path) -> None:
    file = DataFile("knowledge/x.zip", "", "test.txt")
    with pytest.raises(NotFoundError, match="found nothing"):
        find_side(file, tmp_path)
    folder = tmp_path / "knowledge"
    folder.mkdir()
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("test.txt", "x")
    assert find_side(file, tmp_path).member == "test.txt"
    (folder / "x.zip").unlink()
    (folder / "x").mkdir()
    (folder / "x" / "test.txt").write_text("x")
    assert find_side(file, tmp_path).path == folder / "x" / "test.txt"
    whole = DataFile("knowledge/x.zip", "", "inner", folder=True)
    (folder / "x" / "inner").mkdir()
    assert (find_side(whole, tmp_path).path, find_side(whole, tmp_path).member) == (
        folder / "x",
        "inner",
    )
