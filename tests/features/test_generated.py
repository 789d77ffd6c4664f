"""A need of the picture that was generated from the text, and published divergence scores."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from magpie.errors import ConfigError, NotFoundError
from magpie.features import Asset, Crops, Pixels
from magpie.features.boxes import PublishedBoxes
from magpie.features.build import build
from magpie.features.divergence import DivergenceScores, PublishedScores, renormalised
from magpie.features.generated import Generated, generated_view
from magpie.features.phrases import Phrases, SidePhrases
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Block, Box, ContextText, Document, Media, Region, Source
from magpie.vision import PixelSpec

from .samples import GREEN, RED, png

ONE = Pixels(PixelSpec(side=8))
OWN, MADE = png((0, 0, 9, 9, RED)), png((3, 3, 20, 15, GREEN))


def post(*media: Media) -> Document:
    return Document(id="p", blocks=(Block(text="a dog"),), media=media)


MINE = Media(id="m0", data=OWN, uri="p7.jpg")
BOTH = post(MINE, Media(id="generated", data=MADE))


def test_the_generated_picture_is_supplied_beside_the_own() -> None:
    need = Generated(ONE)
    found = Supplier()(BOTH, {ONE, need})
    alone = Supplier()(post(Media(id="m0", data=MADE)), {ONE})[ONE]
    np.testing.assert_array_equal(found[need].arrays["pixels"], alone.arrays["pixels"])
    assert not np.array_equal(found[ONE].arrays["pixels"], alone.arrays["pixels"])


def test_without_one_it_is_absent() -> None:
    need = Generated(ONE)
    rows = Supplier().many([post(MINE), BOTH, post()], {need})
    assert [row[need].present for row in rows] == [False, True, False]
    assert rows[0][need].reason == "no picture was generated from the text"


def test_a_folder_of_generated_pictures(tmp_path: Path) -> None:
    (tmp_path / "p7.png").write_bytes(MADE)
    need = Generated(ONE, folder=str(tmp_path))
    found = Supplier()(post(MINE), {need})[need]
    expected = Supplier()(BOTH, {Generated(ONE)})[Generated(ONE)]
    np.testing.assert_array_equal(found.arrays["pixels"], expected.arrays["pixels"])
    other = dataclasses.replace(MINE, uri="p8.jpg")
    assert not Supplier()(post(other), {need})[need].present
    # A name must not lead out of the folder.
    (tmp_path / "inner").mkdir()
    outside = dataclasses.replace(MINE, uri="../p7.jpg")
    assert generated_view(post(outside), str(tmp_path / "inner")) is None


def test_where_a_folder_lies_is_no_part_of_the_need(tmp_path: Path) -> None:
    assert Generated(ONE, folder=str(tmp_path)).digest == Generated(ONE).digest
    assert Generated(ONE).digest != ONE.digest


def test_boxes_of_the_generated_picture() -> None:
    region = Region.of_box(Box(0, 0, 6, 6, "generated"))
    boxes = {"found": PublishedBoxes({"p": [region]}, key=lambda d: d.id)}
    crops = Crops("found", 1, PixelSpec(side=8))
    found = Supplier(boxes=boxes)(BOTH, {crops, Generated(crops)})
    assert found[Generated(crops)].arrays["there"].tolist() == [True]
    assert found[crops].arrays["there"].tolist() == [False]


def test_it_is_built_and_kept_once(tmp_path: Path) -> None:
    supplier = Supplier(store=Store(tmp_path))
    built = build([BOTH, post(MINE)], {Generated(ONE)}, supplier)
    (part,) = built.needs
    assert (part.computed, part.kept, part.absent) == (1, 0, 0)
    again = build([BOTH], {Generated(ONE)}, supplier)
    assert (again.needs[0].computed, again.needs[0].kept) == (0, 1)


def test_shares_add_up() -> None:
    found = renormalised([[0.2, 0.6], [0.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])


def test_scores_of_no_corpus_are_absent() -> None:
    need = DivergenceScores()
    assert not Supplier()(BOTH, {need})[need].present
    mine = Asset({"scores": np.zeros((2, 2), np.float32)})
    handed = Supplier(suppliers={DivergenceScores: lambda *_: mine})
    assert handed(BOTH, {need})[need] is mine
    placed = dataclasses.replace(BOTH, source=Source(corpus="mnre@1", split="train"))
    reason = Supplier()(placed, {need})[need].reason
    assert reason == "tmr-weights says nothing of mnre@1:train"
    with pytest.raises(NotFoundError):
        Supplier()(placed, {DivergenceScores("no-such-source")})


@pytest.mark.corpus
def test_published_scores(data_dir: Path) -> None:
    """Every pair of MNRE's training split adds up, and the means are those that are known."""
    from magpie.corpora import load

    supply = PublishedScores(data_dir)
    rows = [supply(d, DivergenceScores()) for d in load("mnre", "dev", root=data_dir)]
    assert all(row.present for row in rows)
    values = np.stack([row.arrays["scores"] for row in rows])
    np.testing.assert_allclose(values.sum(2), 1, atol=1e-6)
    assert 0.02 < values[:, 0, 0].mean() < 0.1
    assert values[:, 1, 0].mean() > values[:, 0, 0].mean()
    document = next(iter(load("mnre", "dev", root=data_dir)))
    with pytest.raises(ConfigError, match="holds no weights"):
        supply(document, DivergenceScores("tmr-phrases-mnre"))


def test_phrases_of_the_context_go_first() -> None:
    need = Phrases(("other-one", "mine"))
    said = dataclasses.replace(
        BOTH,
        context=(
            ContextText(kind="note", text="a dog", source="mine"),
            ContextText(kind="note", text="a cat", source="other"),
        ),
    )
    assert Supplier()(said, {need})[need].texts == ("a dog",)
    assert not Supplier()(BOTH, {need})[need].present


@pytest.mark.corpus
def test_published_phrases(data_dir: Path) -> None:
    from magpie.corpora import load

    supply = SidePhrases(data_dir)
    documents = list(load("mnre", "dev", root=data_dir))
    rows = [supply(d, Phrases(("tmr-phrases-mnre",))) for d in documents]
    assert all(row.present and len(row.texts) == 1 for row in rows)
    # They are the two mentions of the row, perhaps with words for their types.
    named = [
        all(d.blocks[0].text[e.span.start : e.span.end] in r.texts[0] for e in d.entities)
        for d, r in zip(documents, rows, strict=True)
    ]
    assert sum(named) / len(named) > 0.5
    with pytest.raises(ConfigError, match="holds no phrases"):
        supply(documents[0], Phrases(("tmr-weights",)))
