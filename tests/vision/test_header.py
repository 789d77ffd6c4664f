"""Sizes come from headers, upright, without decoding."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from magpie.errors import MediaError
from magpie.vision.header import picture_size


def encoded(kind: str, size: tuple[int, int] = (7, 5), orientation: int = 1) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, "red").save(stream, kind, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_size_of_each_format(kind: str) -> None:
    assert picture_size(encoded(kind), where="x") == (7, 5)


@pytest.mark.parametrize(
    ("orientation", "size"),
    [(1, (7, 5)), (2, (7, 5)), (3, (7, 5)), (4, (7, 5)), (5, (5, 7)), (6, (5, 7)), (8, (5, 7))],
)
def test_sideways_pictures_are_measured_upright(orientation: int, size: tuple[int, int]) -> None:
    assert picture_size(encoded("JPEG", orientation=orientation), where="x") == size


def test_a_stream_is_read_only_as_far_as_its_header(tmp_path: Path) -> None:
    noise = Image.effect_noise((900, 700), 90)
    noise.save(tmp_path / "big.png")
    with open(tmp_path / "big.png", "rb") as stream:
        assert picture_size(stream, where="big.png") == (900, 700)
    cut = (tmp_path / "big.png").read_bytes()[:2000]
    assert picture_size(cut, where="cut") == (900, 700)


@pytest.mark.parametrize("data", [b"", b"no picture", encoded("PNG")[:20]])
def test_no_picture_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        picture_size(data, where="a.zip!x.png")
    assert caught.value.where == "a.zip!x.png"
    assert caught.value.code == "media-unreadable"
    assert "PNG" in caught.value.mend
