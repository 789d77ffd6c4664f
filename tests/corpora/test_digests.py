from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora import digests as module
from magpie.corpora import load
from magpie.corpora.digests import cached_digest, digest_status, is_verified, split_digest
from magpie.corpora.gmner import BOXES, Gmner
from magpie.corpora.source import find
from magpie.corpora.twitter2015 import Twitter2015
from magpie.errors import NotFoundError
from magpie.schema import Document, Source

from .conftest import TWEETS, XML_11, Notes

Write = Callable[..., Path]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def source(digest: str | None, corpus: str = "gmner@2.0", split: str | None = "test") -> Source:
    return Source(corpus=corpus, split=split, digest=digest)


def combined(**digests: str) -> str:
    names = {"text": "gmner/txt/test.txt", "boxes": "gmner/xml.zip"}
    lines = sorted(f"{names[key]}\t{digest}\n" for key, digest in digests.items())
    return sha("".join(lines))


def test_one_file_has_its_own_digest(twitter2015: Write) -> None:
    root = twitter2015()
    assert split_digest(Twitter2015.card, "test", root) == sha(TWEETS)
    (document, *_) = load("twitter2015", "test", root)
    assert document.source is not None
    assert document.source.digest == sha(TWEETS)
    with pytest.raises(NotFoundError):
        split_digest(Twitter2015.card, "train", root)


def test_further_files_count_where_they_are_there(gmner: Write) -> None:
    root = gmner()
    assert split_digest(Gmner.card, "test", root) == sha(TWEETS)
    root = gmner(boxes={"11": XML_11})
    boxes = cached_digest(find(BOXES, root))
    assert split_digest(Gmner.card, "test", root) == combined(text=sha(TWEETS), boxes=boxes)
    # the text file alone as root: nobody looks for the boxes elsewhere
    assert split_digest(Gmner.card, "test", root / "gmner" / "txt" / "test.txt") == sha(TWEETS)


def test_status_of_a_source() -> None:
    text, boxes = Gmner.card.splits["test"].file.sha256, BOXES.sha256
    assert digest_status(source(combined(text=text, boxes=boxes))) == "known"
    assert digest_status(source(text)) == "partial"
    assert digest_status(source(boxes)) == "unknown"
    assert digest_status(source(combined(text=sha("x"), boxes=boxes))) == "unknown"
    assert digest_status(source(None)) == "unknown"
    assert digest_status(source(text, split="dev")) == "unknown"
    assert digest_status(source(text, split=None)) == "unlisted"
    assert digest_status(source(text, split="pilot")) == "unlisted"
    assert digest_status(source(text, corpus="conll@1")) == "unlisted"
    assert digest_status(source(text, corpus="mine@3")) == "unlisted"
    one = Twitter2015.card.splits["dev"].file.sha256
    assert digest_status(source(one, "twitter2015@umt", "dev")) == "known"
    # the other release has other labels under the same name
    assert digest_status(source(one, "twitter2015@tmr", "dev")) == "unknown"
    assert is_verified(source(one, "twitter2015@umt", "dev"))
    assert not is_verified(source(text))


def test_unknown_files_are_an_anomaly(twitter2015: Write, notes: Notes) -> None:
    documents = list(load("twitter2015", "test", twitter2015(), on_problem=notes))
    (anomaly,) = notes.digests
    assert anomaly.kind == "unknown-digest"
    assert "twitter2015@umt:test" in anomaly.message
    assert sha(TWEETS)[:12] in anomaly.message
    assert anomaly.where == "twitter2015/test.txt"
    assert anomaly.error is None
    assert {document.source.digest for document in documents if document.source} == {sha(TWEETS)}


def test_unknown_files_are_logged_once(
    twitter2015: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WARNED", set())
    root = twitter2015()
    with caplog.at_level(logging.WARNING, logger="magpie.corpora"):
        for _ in range(2):
            list(load("twitter2015", "test", root))
    (record,) = caplog.records
    assert "does not know" in record.getMessage()


def test_known_files_pass_in_silence(
    twitter2015: Write, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Twitter2015.card.splits["test"]
    mine = dataclasses.replace(known, file=dataclasses.replace(known.file, sha256=sha(TWEETS)))
    monkeypatch.setattr(
        Twitter2015, "card", dataclasses.replace(Twitter2015.card, splits={"test": mine})
    )
    (document, *_) = load("twitter2015", "test", twitter2015(), on_problem=notes)
    assert notes.digests == []
    assert document.source is not None
    assert is_verified(document.source)


def test_formats_carry_the_digest_of_their_file(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "dev.conll").write_text("a O\nb B-X\n", encoding="utf-8")
    for root in (tmp_path, tmp_path / "dev.conll"):
        (document,) = load("conll", "dev", root, on_problem=notes)
        assert document.source is not None
        assert document.source.digest == sha("a O\nb B-X\n")
        assert digest_status(document.source) == "unlisted"
    assert notes.digests == []


def test_documents_keep_the_source_they_were_written_with(tmp_path: Path) -> None:
    first = source("f" * 64, "twitter2015@umt")
    written = dataclasses.replace(Document.from_text("a"), source=first)
    plain = dataclasses.replace(Document.from_text("b"), id="d1")
    path = tmp_path / "x.jsonl"
    path.write_text(written.to_json() + "\n" + plain.to_json() + "\n", encoding="utf-8")
    one, two = load("magpie", "x", path)
    assert one.source == first
    assert two.source is not None
    assert two.source.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_digest_is_computed_once_until_the_file_changes(
    twitter2015: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def count(found: object) -> str:
        calls.append(found)
        return "0" * 64

    monkeypatch.setattr(module, "content_digest", count)
    monkeypatch.setattr(module, "_CACHE", {})
    root = twitter2015()
    found = find(Twitter2015.card.splits["test"].file, root)
    for _ in range(3):
        cached_digest(found)
    assert len(calls) == 1
    twitter2015(TWEETS + "\n")
    cached_digest(found)
    assert len(calls) == 2


def test_a_changed_file_in_an_unpacked_folder_is_noticed(gmner: Write) -> None:
    root = gmner()
    folder = root / "gmner" / "xml"
    folder.mkdir()
    (folder / "11.xml").write_text(XML_11, encoding="utf-8")
    found = find(BOXES, root)
    before = cached_digest(found)
    (folder / "11.xml").write_text(XML_11.replace("200", "190"), encoding="utf-8")
    assert cached_digest(found) != before


@pytest.mark.corpus
def test_published_files_are_verified(data_dir: Path, notes: Notes) -> None:
    for name in ("gmner", "twitter2015", "twitter2015@tmr", "wnut17", "fmnerg"):
        document = next(iter(load(name, "test", data_dir, on_problem=notes)))
        assert document.source is not None
        assert is_verified(document.source), name
    assert notes.digests == []
