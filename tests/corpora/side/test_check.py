from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora.dataset_card import Counts
from magpie.corpora.side import SOURCES, check, rows
from magpie.corpora.side.check import RowTally, check_sources, tally_rows
from magpie.errors import NotFoundError
from magpie.schema import Box, Region


def test_rows_are_counted_by_what_they_hold() -> None:
    region = Region.of_box(Box(0, 0, 1, 1, "m0"))
    tally = RowTally("x")
    for row in (
        rows.Text(key="1", where="", text="a"),
        rows.Text(key="2", where="", text=""),
        rows.Places(key="3", where="", regions=(region, region)),
        rows.Crops(key="3", where="", names=("a.png",)),
        rows.Graph(key="4", where="", edges=((0, 1), (1, 2))),
        rows.Tagged(key="5", where="", words=("Ada", "b"), tags=("B-PER", "O")),
        rows.Answer(key="6", where="", text="A", type="PER", expression="", visible=True),
        rows.Phrases(key="7", where="", phrases=("a", "b")),
    ):
        tally.add(row)
    assert tally.result() == Counts(
        documents=8,
        pictures=7,
        context={"x": 3},
        regions=3,
        links=2,
        words=2,
        entities=2,
        grounded=1,
    )


def test_what_no_row_has_is_not_applicable() -> None:
    tally = RowTally("x")
    tally.add(rows.Places(key="1", where="", regions=()))
    assert (tally.result().regions, tally.result().links) == (0, None)


def test_small_files_differ_from_the_card_and_say_how(root: Path) -> None:
    (report,) = check_sources(["blip2"], root)
    assert not report.clean
    assert {file.file: file.status for file in report.files} == {
        "captions/twitter_blip2/BLIP2_15.txt": "unknown",
        "captions/twitter_blip2/BLIP2_17.txt": "missing",
    }
    by_name = {split.split: split for split in report.splits}
    first = by_name["2015"]
    assert dict(first.mismatches) == {"documents": (8288, 2), "context.blip2": (8286, 1)}
    assert dict(first.anomalies) == {"text-empty": 1}
    assert dict(first.unexpected) == {}
    assert by_name["2017"].error is not None
    covered = by_name["twitter2015@umt:test"]
    assert dict(covered.unexpected) == {"side-missing": 1}
    assert covered.examples[0].record == "12"
    assert "twitter2017@umt:test" not in by_name  # its corpus is not there
    assert report.to_dict()["splits"][0]["found"]["documents"] == 2


def test_a_report_holds_no_more_examples_than_asked_for(root: Path) -> None:
    path = root / "captions" / "twitter_blip2" / "BLIP2_15.txt"
    path.write_text("11.jpg :x\n" + "broken\n" * 5)
    (report,) = check_sources(["blip2"], root, examples=2)
    assert report.splits[0].unreadable == 5
    assert len(report.splits[0].examples) == 2


def test_a_known_digest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from magpie.corpora.digests import cached_digest
    from magpie.corpora.side.context import find_side

    side = SOURCES["pgim"]
    part = side.parts["2015-test"]
    (file,) = part.files
    digest = cached_digest(find_side(file, root))
    counts = Counts(documents=2, context={"pgim": 2})
    small = dataclasses.replace(
        side,
        parts={"2015-test": type(part)((dataclasses.replace(file, sha256=digest),), counts)},
        uses={"twitter2015@umt": {"test": ("2015-test",)}},
        gaps={},
    )
    monkeypatch.setattr(check, "source", lambda name: small)
    monkeypatch.setattr(check, "card", lambda ref: _card_of(2), raising=True)
    (report,) = check_sources(["pgim"], root)
    assert report.clean, report.to_dict()
    assert [split.split for split in report.splits] == ["2015-test", "twitter2015@umt:test"]


def _card_of(documents: int) -> Any:
    from magpie.corpora import card

    known = card("twitter2015")
    split = known.splits["test"]
    counts = dataclasses.replace(split.counts, documents=documents)
    return dataclasses.replace(known, splits={"test": dataclasses.replace(split, counts=counts)})


def test_unknown_names(root: Path) -> None:
    with pytest.raises(NotFoundError, match="no side source"):
        check_sources(["nothing"], root)


@pytest.mark.corpus
@pytest.mark.slow
def test_every_published_side_file_is_as_its_card_says(data_dir: Path) -> None:
    reports = check_sources(list(SOURCES), data_dir)
    assert [report.corpus for report in reports if not report.clean] == []
    for report in reports:
        side = SOURCES[report.corpus]
        covered = {split.split: split for split in report.splits[len(side.parts) :]}
        wanted = {f"{ref}:{split}" for ref, splits in side.uses.items() for split in splits}
        assert set(covered) == wanted
        # Not only "no more than known": the very numbers.
        missing = {
            name: split.anomalies["side-missing"]
            for name, split in covered.items()
            if "side-missing" in split.anomalies
        }
        assert missing == dict(side.gaps)
        for name, part in side.parts.items():
            (split,) = (split for split in report.splits if split.split == name)
            assert dict(split.anomalies) == dict(part.anomalies)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "part", "counts"),
    [
        ("mnre-blip", "train", {"documents": 7357, "context": {"mnre-blip": 7327}}),
        ("tmr-crops", "2015-dev", {"documents": 999}),
        ("tmr-generated", "2017-dev", {"documents": 723, "regions": 0}),
        ("focalmre-detector", "test", {"documents": 884, "regions": 2597}),
        ("pgim", "2015-test", {"documents": 3256}),
        ("mega-combined", "test", {"documents": 1282}),
    ],
)
def test_headline_counts(name: str, part: str, counts: dict[str, Any], data_dir: Path) -> None:
    found = tally_rows(SOURCES[name], part, data_dir).to_dict()
    assert {key: found[key] for key in counts} == counts
