from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora.selecting import pass_over, select, select_all
from magpie.errors import NotFoundError
from magpie.schema import Document

from .conftest import TWEETS

Write = Callable[..., Path]


def test_a_corpus_means_all_its_splits(twitter2015: Write) -> None:
    root = twitter2015()
    names = [each.name for each in select("twitter2015", root)]
    assert names == ["twitter2015@umt:train", "twitter2015@umt:dev", "twitter2015@umt:test"]
    (tmr,) = select("twitter2015@tmr:valid", root)
    assert (tmr.ref, tmr.split, tmr.size) == ("twitter2015@tmr", "dev", 1000)


def test_documents_stream_with_oddities_passed_on(twitter2015: Write) -> None:
    root = twitter2015(TWEETS + "\nIMGID:13\ncut\n")
    (test,) = select("twitter2015:test", root)
    assert [document.id for document in test.documents(pass_over)] == ["11", "12"]


def test_files_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(Document.from_text("a").to_json() + "\n", "utf-8")
    (tmp_path / "mine.txt").write_text("a O\n", "utf-8")
    for name, ref in (("mine.jsonl", "magpie@1"), ("mine.txt", "conll@1")):
        (found,) = select(str(tmp_path / name))
        assert (found.name, found.ref, found.split, found.size) == (name, ref, "mine", 0)
        assert [document.text for document in found.documents(pass_over)] == ["a"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("twiter2015", "no corpus"),
        ("twitter2015:tset", "no split"),
        ("conll", "without splits"),
        ("none.jsonl", "no such file"),
        ("folder/none", "no such file"),
    ],
)
def test_mistakes(spec: str, message: str, twitter2015: Write) -> None:
    with pytest.raises(NotFoundError, match=message):
        select(spec, twitter2015())


def test_all_that_is_there(twitter2015: Write, tmp_path: Path) -> None:
    assert [each.name for each in select_all(twitter2015())] == ["twitter2015@umt:test"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="no file of any corpus"):
        select_all(tmp_path / "empty")
