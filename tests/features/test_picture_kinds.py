"""Kinds of pictures by prompts: from vectors by hand, and from CLIP's tiny twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="backbones need the extra 'train'")

from magpie.backbones.contrastive import DualEncoder, load_dual  # noqa: E402
from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.features.build import build  # noqa: E402
from magpie.features.each import PerPicture  # noqa: E402
from magpie.features.picture_kinds import (  # noqa: E402
    PROMPTS,
    PictureKinds,
    PictureKindSource,
    with_kinds,
    zero_shot,
)
from magpie.features.source import Pictures  # noqa: E402
from magpie.features.store import Store  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.schema import ContextText  # noqa: E402
from magpie.vision import LoadedImage  # noqa: E402
from magpie.vision.kinds import KIND_SOURCE, KINDS  # noqa: E402

from .samples import GREEN, RED, png, post  # noqa: E402

NEED = PictureKinds("by-hand")
FIRST, SECOND = png((0, 0, 9, 9, RED)), png((3, 3, 20, 15, GREEN))
AXES = np.eye(5, dtype=np.float32)[:4]
#: softmax of 30, 29, 28, 27
STEPS = [0.643914, 0.236883, 0.087144, 0.032059]


class ByHand(DualEncoder):
    """Kinds stand upright to one another; a picture lies to them as .30, .29, .28 and .27."""

    def __init__(self, weights: str = "1") -> None:
        self.weights = weights
        self.pictures_seen: list[int] = []
        self.texts_seen: list[str] = []

    def to(self, device: Any) -> ByHand:
        return self

    def fingerprint(self, texts: Sequence[str] = ()) -> dict[str, str]:
        return {"weights": self.weights, "pieces": "|".join(texts)}

    def pictures(self, images: Sequence[LoadedImage]) -> Any:
        self.pictures_seen.append(len(images))
        row = [0.30, 0.29, 0.28, 0.27]
        last = (1 - sum(each**2 for each in row)) ** 0.5
        # Green ones lie the other way round; the length of a vector says nothing.
        order = [-1 if image.pixels[:, :, 1].any() else 1 for image in images]
        return torch.tensor([[*row[::o], last] for o in order]) * 7

    def texts(self, texts: Sequence[str]) -> Any:
        self.texts_seen += texts
        kind = {prompt: n for n, name in enumerate(KINDS) for prompt in PROMPTS[name]}
        return torch.stack([torch.from_numpy(AXES[kind[text]]) * (1 + len(text)) for text in texts])


def supplier(encoder: ByHand, folder: Path | None = None) -> Supplier:
    source = PictureKindSource(Pictures(), load=lambda _: encoder, batch=2)
    return Supplier(sources=[source], store=None if folder is None else Store(folder))


def test_prompts_are_averaged_by_direction() -> None:
    prompts = [np.array([[5.0, 0, 0], [0, 2.0, 0]]), np.array([[0, 0, 3.0]])]
    pictures = np.array([[1.0, 1.0, 0], [0, 0, 9.0], [1.0, 0, 0], [0, 0, 0]])
    found = zero_shot(pictures, prompts, 1.0)
    # Cosines 1 and 0; 0 and 1; the root of a half and 0; and none.
    half = np.sqrt(0.5)
    expected = [np.e / (np.e + 1), 1 / (np.e + 1), np.exp(half) / (np.exp(half) + 1), 0.5]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-6)


def test_the_temperature_is_a_hundred() -> None:
    row = [0.30, 0.29, 0.28, 0.27]
    picture = np.array([[*row, (1 - sum(each**2 for each in row)) ** 0.5]])
    found = zero_shot(picture, [axis[None] for axis in AXES])
    np.testing.assert_allclose(found[0], STEPS, atol=1e-5)
    assert found.dtype == np.float32


def test_every_kind_has_prompts() -> None:
    assert KINDS == ("photo", "meme_or_sticker", "cartoon_or_drawing", "abstract_or_graphic")
    assert all(PROMPTS[kind] for kind in KINDS)
    assert NEED.prompts == tuple(PROMPTS[kind] for kind in KINDS)
    with pytest.raises(ConfigError, match=r"\[3, 3, 3, 0\] prompts"):
        PictureKinds("tiny-clip", prompts=(*NEED.prompts[:3], ()))
    with pytest.raises(ConfigError, match="backbone"):
        PictureKinds("")


def test_pictures_get_the_probabilities_of_their_vectors() -> None:
    encoder = ByHand()
    posts = [post("a", FIRST), post("b", SECOND), post("none"), post("bad", b"?"), post("c", FIRST)]
    found = [row[NEED] for row in supplier(encoder).many(posts, {NEED})]
    np.testing.assert_allclose(found[0].arrays["kinds"], STEPS, atol=1e-5)
    np.testing.assert_allclose(found[1].arrays["kinds"], STEPS[::-1], atol=1e-5)
    np.testing.assert_allclose(found[4].arrays["kinds"], STEPS, atol=1e-5)
    assert found[2].reason == "the document has no picture"
    assert not found[3].present
    assert "picture" in found[3].reason
    assert encoder.texts_seen == [prompt for each in NEED.prompts for prompt in each]


def test_documents_are_noted_with_their_likeliest_kind() -> None:
    encoder = ByHand()

    def supply(documents: Sequence[Any], need: PictureKinds) -> list[Any]:
        return [row[need] for row in supplier(encoder).many(documents, {need})]

    own = ContextText(kind="note", text="chart of mine", source=KIND_SOURCE)
    brought = dataclasses.replace(post("own", FIRST), context=(own,))
    posts = [post("a", FIRST), brought, post("b", SECOND), post("none"), post("bad", b"?")]
    noted = with_kinds(posts, "by-hand", supply)
    found = [[t.text for t in each.context if t.source == KIND_SOURCE] for each in noted]
    assert found == [["photo"], ["chart of mine"], ["abstract_or_graphic"], [], []]
    assert noted[0].context[-1].media == "m0"
    assert noted[0].context[:-1] == posts[0].context
    assert sum(encoder.pictures_seen) == 2
    assert with_kinds([brought], "by-hand", supply) == [brought]
    assert sum(encoder.pictures_seen) == 2


def test_they_are_built_and_kept_once(tmp_path: Path) -> None:
    encoder = ByHand()
    supply = supplier(encoder, tmp_path)
    posts = [post("a", FIRST), post("same", FIRST), post("b", SECOND), post("bad", b"?")]
    (part,) = build(posts, {NEED}, supply).needs
    assert (part.need, part.computed, part.kept, part.absent) == (NEED, 2, 1, 1)
    assert encoder.pictures_seen == [2]
    again = supply(posts[0], {NEED})[NEED]
    np.testing.assert_allclose(again.arrays["kinds"], STEPS, atol=1e-5)
    assert encoder.pictures_seen == [2]
    (group,) = Store(tmp_path).groups()
    assert dict(group.need) == {
        "kind": "picturekinds", "backbone": "by-hand", "temperature": 100.0,
        "prompts": [list(each) for each in NEED.prompts],
    }  # fmt: skip


@pytest.mark.parametrize("change", ["weights", "prompts", "temperature"])
def test_other_weights_or_prompts_are_another_entry(tmp_path: Path, change: str) -> None:
    supplier(ByHand(), tmp_path)(post("a", FIRST), {NEED})
    encoder, need = ByHand("2" if change == "weights" else "1"), NEED
    if change == "prompts":
        need = PictureKinds("by-hand", prompts=tuple(each[:1] for each in NEED.prompts))
    if change == "temperature":
        need = PictureKinds("by-hand", temperature=1.0)
    found = supplier(encoder, tmp_path)(post("a", FIRST), {need})[need]
    assert encoder.pictures_seen == [1]
    assert (found.arrays["kinds"][0] < 0.3) == (change == "temperature")


def test_another_model_under_the_same_name_is_refused() -> None:
    then = supplier(ByHand()).fingerprints([NEED])
    supplier(ByHand()).check(then, [NEED])
    with pytest.raises(ModelError, match="features of another backbone") as caught:
        supplier(ByHand("2")).check(then, [NEED])
    assert caught.value.where == "by-hand"


def test_the_tiny_twin_end_to_end(tmp_path: Path) -> None:
    need = PictureKinds("tiny-clip")
    posts = [post("a", FIRST), post("b", SECOND)]
    rows = [row[need].arrays["kinds"] for row in Supplier().many(posts, {need})]
    for row in rows:
        assert row.shape == (4,)
        assert row.sum() == pytest.approx(1.0, abs=1e-6)
    assert not np.allclose(rows[0], rows[1])
    encoder = load_dual("tiny-clip")
    images = [Pictures().first(each).load() for each in posts]  # type: ignore[union-attr]
    prompts = [encoder.texts(each).numpy() for each in need.prompts]
    np.testing.assert_allclose(
        rows, zero_shot(encoder.pictures(images).numpy(), prompts), atol=1e-4
    )
    each = PerPicture(need)
    parts = Supplier()(post("two", FIRST, SECOND), {each})[each].parts
    np.testing.assert_allclose([parts["m0"].arrays["kinds"], parts["m1"].arrays["kinds"]], rows)


def test_a_model_that_is_not_here_says_how_to_get_it() -> None:
    need = PictureKinds("somebody/clip-of-mine")
    with pytest.raises(ModelError, match="hf download somebody/clip-of-mine") as caught:
        Supplier()(post("a", FIRST), {need})
    assert caught.value.code == "model-missing"
