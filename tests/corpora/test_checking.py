from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from magpie.corpora import check, check_many, load, tally
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
    assert test.unexpected == {"picture-missing": 1, "picture-unreadable": 1}
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


def picture(path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "teal").save(path)


def test_pictures_that_are_none_are_named(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015(TWEETS + "\nIMGID:13\nx\tO\n\nIMGID:11\ny\tO\n")
    folder = root / "images" / "twitter2015"
    folder.mkdir(parents=True)
    picture(folder / "11.jpg", (4, 3))
    (folder / "12.jpg").write_bytes(b"<html>404</html>")
    (folder / "13.jpg").write_bytes(b"")
    test = split(check("twitter2015", root), "test")
    assert test.unexpected == {"duplicate-id": 1, "picture-unreadable": 2}
    first, second = (each for each in test.examples if each.kind == "picture-unreadable")
    assert "12.jpg" in first.message
    assert (first.where, first.record) == ("twitter2015/test.txt:6", "12")
    assert second.where == "twitter2015/test.txt:12"
    assert (test.pictures, test.pictures_missing) == (4, 0)


def test_pictures_are_compared_with_the_size_that_boxes_refer_to(gmner: Write) -> None:
    root = gmner(boxes={"11": XML_11})
    folder = root / "images" / "gmner"
    folder.mkdir(parents=True)
    picture(folder / "11.jpg", (200, 100))
    assert "picture-size" not in split(check("gmner", root), "test").anomalies
    picture(folder / "11.jpg", (100, 200))
    report = split(check("gmner", root), "test")
    assert report.anomalies["picture-size"] == 1
    (anomaly,) = (each for each in report.examples if each.kind == "picture-size")
    assert "is 100x200, its annotations say 200x100" in anomaly.message


def test_every_anomaly_on_request(twitter2015: Write) -> None:
    test = split(check("twitter2015", twitter2015((TWEETS + "\n") * 15), examples=None), "test")
    assert sum(each.kind == "duplicate-id" for each in test.examples) == 28
    assert sum(each.kind == "orphan-tag" for each in test.examples) == 15


def test_unknown_digest_is_told_of_the_file_not_of_each_split(twitter2015: Write) -> None:
    report = check("twitter2015", twitter2015())
    assert [file.status for file in report.files] == ["missing", "missing", "unknown"]
    assert "unknown-digest" not in split(report, "test").anomalies


def test_a_corpus_without_any_file_is_absent(twitter2015: Write) -> None:
    there, absent = check_many(["twitter2015", "gmner"], twitter2015())
    assert (there.absent, absent.absent) == (False, True)
    assert absent.failed
    assert absent.to_dict()["absent"] is True


@pytest.mark.slow
def test_several_processes_find_the_same(twitter2015: Write, gmner: Write) -> None:
    names = ["twitter2015", "gmner", "twitter2015@tmr"]
    twitter2015(TWEETS + "\nIMGID:13\ncut\n")
    root = gmner(boxes={"11": XML_11, "12": "<broken"})
    alone = [report.to_dict() for report in check_many(names, root)]
    together = [report.to_dict() for report in check_many(names, root, workers=2)]
    assert together == alone
    assert [report["corpus"] for report in together] == [
        "twitter2015@umt",
        "gmner@2.0",
        "twitter2015@tmr",
    ]
    assert together[0]["splits"][2]["unreadable"] == 1


def test_pictures_folder_must_exist(twitter2015: Write, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="pictures folder"):
        check("twitter2015", twitter2015(), images=tmp_path / "none")
