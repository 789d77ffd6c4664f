"""Pictures drawn from texts: the same words, the same picture, drawn once."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from magpie.backbones.diffusion import TextToImage, load_text_to_image
from magpie.errors import ConfigError, MissingExtraError, ModelError, NotFoundError
from magpie.features import Pixels
from magpie.features.build import build
from magpie.features.drawn import Drawn, DrawnSource, drawn_need
from magpie.features.generated import Generated
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Block, Document, Media
from magpie.vision import PixelSpec

from .samples import GREEN, RED, png

ONE = Pixels(PixelSpec(side=8))
FOLDER = "pipeline:tiny-diffusion?side=16&steps=2"
NEED = Generated(ONE, FOLDER)
DRAWN = Drawn("tiny-diffusion", side=16, steps=2)


def post(identifier: str, text: str, *media: Media) -> Document:
    return Document(id=identifier, blocks=(Block(text=text),), media=media)


class Painting(TextToImage):
    """Paints in a colour of the seed, counts, and holds back what is unsafe."""

    def __init__(self) -> None:
        self.prompts: list[tuple[str, int]] = []

    def to(self, device: Any) -> Painting:
        return self

    def fingerprint(self) -> dict[str, str]:
        return {"weights": "1"}

    def draw(self, prompt: str, *, seed: int, **_: Any) -> bytes | None:
        self.prompts.append((prompt, seed))
        return None if prompt == "unsafe" else png((0, 0, 40, 20, (seed % 251, seed % 241, 9)))


def supplier(painting: Painting, folder: Path | None = None) -> Supplier:
    store = None if folder is None else Store(folder)
    return Supplier(sources=[DrawnSource(load=lambda _: painting)], store=store)


def test_the_prompt_is_the_text_and_the_seed_follows_from_it() -> None:
    painting = Painting()
    posts = [post("a", "a dog"), post("b", "a  dog\n"), post("c", "a cat"), post("d", " ")]
    rows = [row[NEED] for row in supplier(painting).many(posts, {NEED})]
    assert [row.present for row in rows] == [True, True, True, False]
    assert rows[3].reason == "the document has no text to draw a picture of"
    assert [prompt for prompt, _ in painting.prompts] == ["a dog", "a dog", "a cat"]
    first, again, other = (row.arrays["pixels"] for row in rows[:3])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert DRAWN.seed_of("a dog") == 4907843731520084067
    assert DRAWN.seed_of("a dog") != Drawn("tiny-diffusion", seed=1).seed_of("a dog")


def test_what_the_document_brings_goes_first() -> None:
    painting = Painting()
    brought = post("a", "a dog", Media(id="generated", data=png((0, 0, 9, 9, GREEN))))
    supplier(painting)(brought, {NEED})
    assert painting.prompts == []


def test_the_own_picture_plays_no_part() -> None:
    own = post("a", "a dog", Media(id="m0", data=png((0, 0, 9, 9, RED)), uri="p7.jpg"))
    supply = supplier(Painting())
    (view,) = supply.generated([own], NEED)
    assert isinstance(view, Document)
    (medium,) = view.media
    assert (medium.id, medium.uri) == ("generated", "pipeline:tiny-diffusion")


def test_pictures_are_drawn_once_and_kept(tmp_path: Path) -> None:
    painting = Painting()
    posts = [post("a", "a dog"), post("b", "a dog"), post("c", "a cat"), post("d", "unsafe")]
    drawn, pixels = build(posts, {NEED, Generated(ONE)}, supplier(painting, tmp_path)).needs[:2]
    assert drawn.need == DRAWN
    assert (drawn.computed, drawn.kept, drawn.absent) == (2, 1, 1)
    assert drawn.reasons == [("d", "tiny-diffusion held its picture back as unsafe")]
    assert pixels.need == ONE
    count = len(painting.prompts)
    found = supplier(painting, tmp_path)
    assert found(posts[0], {NEED})[NEED].present
    assert len(painting.prompts) == count


def test_a_checkpoint_knows_the_pipeline() -> None:
    supply = supplier(Painting())
    then = supply.fingerprints([NEED])
    assert set(then) == {DRAWN.digest, NEED.digest}
    then[DRAWN.digest]["pipeline"] = {"weights": "2"}
    with pytest.raises(ModelError, match="features of another pipeline"):
        supply.check(then, [NEED])


def test_names_and_settings() -> None:
    assert drawn_need("some/folder") is None
    assert drawn_need(FOLDER) == DRAWN
    assert drawn_need("pipeline:x?guidance=1.5&seed=3") == Drawn("x", guidance=1.5, seed=3)
    for wrong in ("pipeline:x?sides=3", "pipeline:x?side=a", "pipeline:", "pipeline:x?steps=0"):
        with pytest.raises(ConfigError):
            drawn_need(wrong)


def test_a_real_pipeline_draws_by_prompt_and_seed(tmp_path: Path) -> None:
    pipeline = load_text_to_image("tiny-diffusion")
    how = {"side": 16, "steps": 2}
    first = pipeline.draw("a red square", seed=1, **how)  # type: ignore[arg-type]
    assert first is not None
    assert Image.open(io.BytesIO(first)).size == (16, 16)
    assert pipeline.draw("a red square", seed=1, **how) == first  # type: ignore[arg-type]
    assert pipeline.draw("a red square", seed=2, **how) != first  # type: ignore[arg-type]
    assert pipeline.draw("the night", seed=1, **how) != first  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot draw a picture of 15 pixels"):
        pipeline.draw("a dog", seed=1, side=15, steps=2)
    # The same by folder, and under the same fingerprint.
    pipeline.pipeline.save_pretrained(tmp_path)
    loaded = load_text_to_image(str(tmp_path))
    assert loaded.fingerprint()["weights"] == pipeline.fingerprint()["weights"]
    assert Supplier()(post("a", "a dog"), {NEED})[NEED].present


def test_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="tiny-diffusion"):
        load_text_to_image("tiny-nothing")
    with pytest.raises(ModelError, match="not on this machine"):
        load_text_to_image("someone/stable-diffusion")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"magpie-ie\[generation\]"):
        load_text_to_image("tiny-diffusion")


def test_nothing_is_imported_before_a_picture_is_drawn() -> None:
    code = (
        "import sys, magpie.features.supply as s, magpie.backbones.diffusion; s.Supplier(); "
        "sys.exit('diffusers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
