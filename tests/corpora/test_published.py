"""The published files themselves: counts, digests, known overlaps, real quirks."""

from __future__ import annotations

from pathlib import Path

import pytest

from magpie.corpora import HeldOut, card, check, compare, is_orphan, leaks, load, names

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

PUBLISHED = [name for name in names() if card(name).splits]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_count_and_digest_is_that_of_the_card(name: str, data_dir: Path) -> None:
    report = check(name, data_dir)
    if report.absent:
        pytest.skip(f"no file of {name} is there")
    assert [(f.file, f.status) for f in report.files if f.status != "known"] == []
    assert {s.split: dict(s.mismatches) for s in report.splits if s.mismatches} == {}
    assert {s.split: dict(s.unexpected) for s in report.splits if s.unexpected} == {}
    assert [s.error for s in report.splits if s.error is not None] == []
    assert report.clean


#: (documents, strict, lenient) of train, dev, test, as counted by others
HEADLINE = {
    "twitter2015@umt": [(4000, 6166, 6352), (1000, 1541, 1594), (3257, 5072, 5207)],
    "twitter2015@tmr": [(4000, 6170, 6352), (1000, 1541, 1594), (3257, 5119, 5237)],
    "twitter2017@umt": [(3373, 6049, 6049), (723, 1324, 1324), (723, 1351, 1351)],
    "gmner@2.0": [(7000, 11779, 11779), (1500, 2450, 2450), (1500, 2543, 2543)],
    "fmnerg@1.0": [(7000, 11779, 11779), (1500, 2450, 2450), (1500, 2543, 2543)],
    "broad-twitter@1.0": [(6338, 8779, 8779), (1001, 1730, 1730), (2001, 4376, 4376)],
    "wnut17@1.0": [(3394, 1975, 1975), (1009, 836, 836), (1287, 1079, 1079)],
}


@pytest.mark.parametrize("name", HEADLINE)
def test_headline_counts(name: str, data_dir: Path) -> None:
    found = []
    for split in ("train", "dev", "test"):
        documents = list(load(name, split, data_dir))
        entities = [entity for document in documents for entity in document.entities]
        strict = sum(not is_orphan(entity) for entity in entities)
        found.append((len(documents), strict, len(entities)))
    assert found == HEADLINE[name]


def test_share_of_test_entities_that_do_not_show(data_dir: Path) -> None:
    entities = [e for d in load("gmner", "test", data_dir) for e in d.entities]
    assert sum(e.grounding.status == "absent" for e in entities) == 1497
    assert len(entities) == 2543


def test_no_break_space_stays_a_word(data_dir: Path) -> None:
    dev = load("twitter2015", "dev", data_dir)
    assert sum("\u00a0" in d.blocks[0].word_texts() for d in dev) == 1


def test_picture_sizes_agree_with_the_pictures(data_dir: Path) -> None:
    from PIL import Image

    compared = 0
    for split in ("train", "dev", "test"):
        for document in load("gmner", split, data_dir):
            (medium,) = document.media
            if medium.present and medium.width is not None and medium.uri is not None:
                with Image.open(medium.uri) as picture:
                    assert picture.size == (medium.width, medium.height)
                compared += 1
    assert compared >= 4


def test_training_posts_left_after_removing_held_out_ones(data_dir: Path) -> None:
    tweets = ("twitter2015", "twitter2017", "gmner")
    held_out = HeldOut(
        d for name in tweets for split in ("dev", "test") for d in load(name, split, data_dir)
    )
    kept = {
        name: sum(not leaked for _, leaked in leaks(load(name, "train", data_dir), held_out))
        for name in tweets
    }
    assert kept == {"twitter2015": 3169, "twitter2017": 2441, "gmner": 4025}


def test_label_variant_covers_the_same_posts(data_dir: Path) -> None:
    ours = load("twitter2015", "test", data_dir)
    theirs = load("twitter2015@tmr", "test", data_dir)
    result = compare(ours, theirs, names=("umt", "tmr"))
    assert (result.shared_a, result.shared_b) == (3257, 3257)
