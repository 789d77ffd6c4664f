"""Captioners say something of a picture, and the same of it among others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magpie.backbones.captioner import Captioner, load_captioner
from magpie.errors import ConfigError, ModelError, NotFoundError
from magpie.vision import LoadedImage, load_image

NAMES = ("tiny-blip", "tiny-blip-2", "tiny-llava")


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> LoadedImage:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return load_image(stream.getvalue())


PICTURES = [picture(0), picture(1, (64, 20)), picture(2), picture(3), picture(4)]


@pytest.fixture(scope="module", params=NAMES)
def captioner(request: pytest.FixtureRequest) -> Captioner:
    return load_captioner(request.param)


def test_captions_depend_on_the_picture_and_not_on_its_neighbours(captioner: Captioner) -> None:
    together = captioner.caption(PICTURES, length=8)
    alone = [captioner.caption([each], length=8)[0] for each in PICTURES]
    assert together == alone
    assert len(set(together)) > 1
    assert all(text == " ".join(text.split()) for text in together)


def test_length_and_beams(captioner: Captioner) -> None:
    (long,) = captioner.caption(PICTURES[:1], length=12)
    (short,) = captioner.caption(PICTURES[:1], length=1)
    assert len(short) < len(long)
    assert captioner.caption(PICTURES[:1], length=4, beams=2)
    with pytest.raises(ConfigError, match="at least 1, got 0 and 1"):
        captioner.caption(PICTURES[:1], length=0)


def test_a_prompt_is_no_part_of_the_caption(captioner: Captioner) -> None:
    (found,) = captioner.caption(PICTURES[:1], prompt="the picture shows", length=6)
    assert "picture shows" not in found
    assert "ASSISTANT" not in found
    assert "<image>" not in found


def test_no_pictures(captioner: Captioner) -> None:
    assert captioner.caption([]) == []


def test_the_fingerprint_holds_weights_and_processor(captioner: Captioner) -> None:
    found = captioner.fingerprint()
    assert found == load_captioner(captioner.name).fingerprint()
    others = [load_captioner(name).fingerprint() for name in NAMES if name != captioner.name]
    assert all(found["weights"] != other["weights"] for other in others)
    other = load_captioner(captioner.name)
    other.images.image_mean = [0.5, 0.5, 0.5]
    assert other.fingerprint()["processor"] != found["processor"]
    assert other.fingerprint()["weights"] == found["weights"]


def test_from_a_folder(captioner: Captioner, tmp_path: Path) -> None:
    captioner.model.save_pretrained(tmp_path)
    captioner.processor.save_pretrained(tmp_path)
    loaded = load_captioner(str(tmp_path))
    assert loaded.family == captioner.family
    assert loaded.caption(PICTURES, length=6) == captioner.caption(PICTURES, length=6)
    assert loaded.fingerprint()["weights"] == captioner.fingerprint()["weights"]


def test_what_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="tiny-blip, tiny-blip-2, tiny-llava"):
        load_captioner("tiny-nothing")
    with pytest.raises(ModelError, match="not on this machine"):
        load_captioner("Salesforce/blip-image-captioning-base")


def test_a_model_without_processor_takes_no_prompt() -> None:
    whole = load_captioner("tiny-blip")
    bare = Captioner(whole.model, whole.images, whole.tokenizer, "bare")
    assert bare.caption(PICTURES, length=5) == whole.caption(PICTURES, length=5)
    with pytest.raises(ModelError, match="takes no prompt"):
        bare.caption(PICTURES, prompt="a picture of")


def test_a_model_that_must_be_asked_says_so() -> None:
    asked = load_captioner("tiny-llava")
    bare = Captioner(asked.model, asked.images, asked.tokenizer, "bare")
    with pytest.raises(ModelError, match="cannot caption a picture"):
        bare.caption(PICTURES[:1], length=2)
