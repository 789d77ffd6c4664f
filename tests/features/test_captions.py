"""Captions by a model stand wherever published ones do, each under its source."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from magpie.backbones.captioner import Captioner, load_captioner
from magpie.errors import ConfigError, ModelError
from magpie.features import Texts
from magpie.features.build import build
from magpie.features.captions import (
    Captions,
    CaptionSource,
    caption_need,
    caption_needs,
    with_captions,
)
from magpie.features.object_captions import ObjectCaptions, object_captions
from magpie.features.source import Pictures
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import ContextText, Document
from magpie.vision import LoadedImage

from .samples import GREEN, RED, png, post

NAME = "captioner:tiny-blip"
NEED = Captions("tiny-blip")
TEXTS = Texts(sources=(NAME,))
FIRST, SECOND = png((0, 0, 9, 9, RED)), png((3, 3, 20, 15, GREEN))


class Saying(Captioner):
    """Says how large a picture is, and counts."""

    def __init__(self) -> None:
        self.seen = 0
        self.asked: list[dict[str, Any]] = []

    def to(self, device: Any) -> Saying:
        return self

    def fingerprint(self) -> dict[str, str]:
        return {"weights": "1"}

    def caption(self, images: Sequence[LoadedImage], **how: Any) -> list[str]:
        self.seen += len(images)
        self.asked.append(how)
        return ["" if image.width == 7 else f"{image.width} wide" for image in images]


def supplier(saying: Saying, folder: Path | None = None) -> Supplier:
    source = CaptionSource(Pictures(), load=lambda _: saying, batch=2)
    return Supplier(sources=[source], store=None if folder is None else Store(folder))


def test_texts_of_a_captioner_are_written() -> None:
    saying = Saying()
    found = supplier(saying).many(
        [post("a", FIRST), post("b", png(size=(12, 9))), post("none"), post("bad", b"?")], {TEXTS}
    )
    assert [row[TEXTS].texts for row in found] == [("40 wide",), ("12 wide",), (), ()]
    assert found[2][TEXTS].reason == "the document has no picture"
    assert "picture" in found[3][TEXTS].reason
    assert not found[3][TEXTS].present
    assert saying.seen == 2


def test_published_and_written_ones_side_by_side() -> None:
    need = Texts(sources=("blip2", NAME))
    rows = supplier(Saying()).many([post("a", FIRST), post("none")], {need})
    assert [row[need].texts for row in rows] == [("a dog", "40 wide"), ("a dog",)]


def test_what_a_document_brings_along_is_kept() -> None:
    saying = Saying()
    text = ContextText(kind="caption", source=NAME, text="mine")
    brought = dataclasses.replace(post("a", FIRST), context=(text,))
    assert supplier(saying)(brought, {TEXTS})[TEXTS].texts == ("mine",)
    assert saying.seen == 0


def test_a_silent_captioner_is_absent() -> None:
    found = supplier(Saying())(post("a", png(size=(7, 7))), {TEXTS})[TEXTS]
    assert (found.present, found.reason) == (False, "tiny-blip says nothing of the picture")


def test_documents_with_captions_say_their_source() -> None:
    source = CaptionSource(Pictures(), load=lambda _: Saying())

    def supply(documents: Sequence[Document], need: Captions) -> list[Any]:
        return [row[need] for row in Supplier(sources=[source]).many(documents, {need})]

    rows, reasons = with_captions([post("a", FIRST), post("none")], [NAME, NAME], supply)
    assert rows[0].context[1:] == (
        ContextText(kind="caption", text="40 wide", source=NAME, media="m0"),
    )
    assert len(rows[1].context) == 1
    assert reasons == [(), ("the document has no picture",)]


def test_settings_follow_the_name() -> None:
    saying = Saying()
    name = "captioner:llava?length=128&prompt=Describe people, objects = all of it.&beams=3"
    need = Texts(sources=(name,))
    assert caption_needs(need) == (
        Captions("llava", prompt="Describe people, objects = all of it.", length=128, beams=3),
    )
    found = supplier(saying).many([post("a", FIRST)], {need})
    assert found[0][need].texts == ("40 wide",)
    how = {"prompt": "Describe people, objects = all of it.", "length": 128, "beams": 3}
    assert saying.asked == [how]
    # What was asked is part of the source's name, so other questions are other sources.
    (said,) = supplier(saying).captioned([post("a", FIRST)], [name])[0]
    assert said.context[-1].source == name


@pytest.mark.parametrize("given", ["size=3", "length=long", "length", "length=0"])
def test_settings_that_no_captioner_has(given: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot read|a length and beams of at least 1"):
        caption_need(f"captioner:tiny-blip?{given}")


def test_objects_are_described_in_the_captioners_own_way() -> None:
    assert object_captions("captioner:tiny-blip?length=7", 4) == ObjectCaptions("tiny-blip", 4, 7)
    with pytest.raises(ConfigError, match="no prompt and no beams"):
        object_captions("captioner:tiny-blip?prompt=Who?", 4)


def test_they_are_built_and_kept_once(tmp_path: Path) -> None:
    saying = Saying()
    supply = supplier(saying, tmp_path)
    posts = [post("a", FIRST), post("same", FIRST), post("b", SECOND), post("bad", b"?")]
    (part,) = build(posts, {TEXTS, Texts()}, supply).needs
    assert (part.need, part.computed, part.kept, part.absent) == (NEED, 2, 1, 1)
    assert [document for document, _ in part.reasons] == ["bad"]
    (again,) = build(posts, {TEXTS}, supply).needs
    assert (again.computed, again.kept, again.absent) == (0, 3, 1)
    assert supply(posts[0], {TEXTS})[TEXTS].texts == ("40 wide",)
    assert saying.seen == 2
    (group,) = Store(tmp_path).groups()
    assert dict(group.need) == {
        "kind": "captions", "captioner": "tiny-blip", "prompt": "", "length": 40, "beams": 1,
    }  # fmt: skip


def test_another_captioner_under_the_same_name_is_refused() -> None:
    supply = supplier(Saying())
    then = supply.fingerprints([TEXTS])
    assert list(then) == [NEED.digest]
    supply.check(then, [TEXTS])
    then[NEED.digest]["captioner"] = {"weights": "2"}
    with pytest.raises(ModelError, match="features of another captioner"):
        supply.check(then, [TEXTS])


def test_a_real_captioner_in_the_store(tmp_path: Path) -> None:
    supply = Supplier(store=Store(tmp_path))
    posts = [post("a", FIRST), post("b", SECOND)]
    first = [row[TEXTS].texts for row in supply.many(posts, {TEXTS})]
    assert [
        row[TEXTS].texts for row in Supplier(store=Store(tmp_path)).many(posts, {TEXTS})
    ] == first
    pictures = [Pictures().first(each).load() for each in posts]  # type: ignore[union-attr]
    assert [texts[0] for texts in first] == load_captioner("tiny-blip").caption(pictures)


def test_names() -> None:
    assert caption_needs(Texts(sources=("minicpm", NAME))) == (NEED,)
    assert caption_needs(Texts()) == caption_needs(NEED) == ()
    assert NEED.digest != Captions("tiny-blip", prompt="a picture of").digest
    for wrong in (
        {"captioner": ""},
        {"captioner": "a", "length": 0},
        {"captioner": "a", "beams": 0},
    ):
        with pytest.raises(ConfigError, match="at least 1"):
            Captions(**wrong)  # type: ignore[arg-type]
