from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora import check, load, tally
from magpie.corpora.checking import CheckReport, SplitReport
from magpie.corpora.twitter2017 import Twitter2017
from magpie.errors import NotFoundError

from .conftest import TWEETS, XML_11

Write = Callable[..., Path]


def split(report: CheckReport, name: str) -> SplitReport:
    return next(each for each in report.splits if each.split == name)


def test_counts_are_compared_with_the_card(twitter2015: Write) -> None:
    report = check("twitter2015", twitter2015())
    test = split(report, "test")
    assert report.corpus == "twitter2015@umt"
    assert not report.clean
    assert test.mismatches["documents"] == (3257, 2)
    assert test.mismatches["entities"] == (5072, 2)
    assert test.mismatches["entities_lenient"] == (5207, 3)
    assert test.mismatches["types.PER"] == (1816, 1)
    assert test.anomalies == {"orphan-tag": 1}
    assert test.unexpected == {}
    assert (test.pictures, test.pictures_missing) == (2, 2)


def test_missing_files_are_part_of_the_report(twitter2015: Write) -> None:
    report = check("twitter2015", twitter2015())
    assert [(f.file, f.status) for f in report.files] == [
        ("twitter2015/train.txt", "missing"),
        ("twitter2015/valid.txt", "missing"),
        ("twitter2015/test.txt", "unknown"),
    ]
    assert report.failed
    train = split(report, "train")
    assert train.error is not None
    assert train.error.code == "not-found"
    assert train.found is None
    assert train.to_dict()["error"]["code"] == "not-found"


def test_unreadable_records_and_oddities_beyond_the_card_show(twitter2015: Write) -> None:
    root = twitter2015((TWEETS + "\n") * 2 + "IMGID:13\ncut\n")
    test = split(check("twitter2015", root), "test")
    assert test.unreadable == 1
    assert test.unexpected == {"duplicate-id": 2, "unreadable": 1}
    assert test.found is not None
    assert test.found.documents == 4
    assert {a.kind for a in test.examples} == {"orphan-tag", "duplicate-id", "unreadable"}
    assert not test.clean


def test_examples_are_bounded(twitter2015: Write) -> None:
    test = split(check("twitter2015", twitter2015((TWEETS + "\n") * 9), examples=2), "test")
    assert sum(a.kind == "duplicate-id" for a in test.examples) == 2
    assert test.anomalies["duplicate-id"] == 16


def test_given_pictures_folder_counts(twitter2015: Write, tmp_path: Path) -> None:
    (tmp_path / "11.jpg").write_bytes(b"")
    test = split(check("twitter2015", twitter2015(), images=tmp_path), "test")
    assert test.unexpected == {"picture-missing": 1}
    assert (test.pictures, test.pictures_missing) == (2, 1)


def test_boxes_are_counted_once_and_per_mention(gmner: Write) -> None:
    posts = "IMGID:11\nTurin\tB-LOC\n,\tO\nTurin\tB-LOC\nAda\tB-PER\n"
    counts = tally(load("gmner", "test", gmner(posts, {"11": XML_11})))
    assert (counts.grounded, counts.boxes, counts.box_mentions) == (2, 1, 2)
    assert tally(load("gmner", "test", gmner(posts))).boxes == 1  # the archive is still there


def test_nobody_looked_means_no_box_counts(twitter2015: Write) -> None:
    counts = tally(load("twitter2015", "test", twitter2015()))
    assert (counts.grounded, counts.boxes, counts.box_mentions) == (None, None, None)


def test_file_of_another_corpus_is_recognised_by_its_digest(
    twitter2015: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses
    import hashlib

    known = Twitter2017.card.splits["dev"]
    digest = hashlib.sha256(TWEETS.encode()).hexdigest()
    mine = dataclasses.replace(known, file=dataclasses.replace(known.file, sha256=digest))
    card = dataclasses.replace(Twitter2017.card, splits={"dev": mine})
    monkeypatch.setattr(Twitter2017, "card", card)
    report = check("twitter2015", twitter2015())
    assert report.files[2].status == "other"
    assert report.files[2].same_as == "twitter2017@umt:dev"


def test_formats_are_checked_without_expectations(tmp_path: Path) -> None:
    path = tmp_path / "mine.conll"
    path.write_text("a O\nb B-X\n\nc\n", encoding="utf-8")
    report = check("conll", path)
    assert [s.split for s in report.splits] == ["mine"]
    assert report.splits[0].expected is None
    assert report.splits[0].unreadable == 1
    assert not report.clean
    with pytest.raises(NotFoundError):
        check("conll", tmp_path)
    path.rename(tmp_path / "dev.conll")
    assert [s.split for s in check("conll", tmp_path).splits] == ["dev"]
