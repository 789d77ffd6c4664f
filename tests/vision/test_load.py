"""Each kind of bad picture has its outcome; good ones come back upright, 8-bit, RGB."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from magpie.errors import AccessError, MagpieError, MediaError
from magpie.schema import Media
from magpie.vision import ImageLimits, load_image

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 128, 0)


def two_halves(width: int = 8, height: int = 4) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    ImageDraw.Draw(image).rectangle((width // 2, 0, width, height), fill=BLUE)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixels: a decompression bomb without the bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refused(source: object, kind: type[MagpieError], code: str, **options: object) -> MagpieError:
    with pytest.raises(kind) as caught:
        load_image(source, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.mend
    return caught.value


# what is accepted


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    loaded = load_image(encoded(two_halves(), kind))
    assert loaded.pixels.dtype == np.uint8
    assert loaded.pixels.shape == (4, 8, 3)
    assert (loaded.width, loaded.height, loaded.format) == (8, 4, kind)
    assert tuple(loaded.pixels[0, 0]) == RED
    assert tuple(loaded.pixels[3, 7]) == BLUE
    assert loaded.notes == ()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_keep_colours_roughly(kind: str) -> None:
    loaded = load_image(encoded(two_halves(64, 32), kind, quality=95))
    assert loaded.format == kind
    assert np.abs(loaded.pixels[16, 8].astype(int) - RED).max() < 12
    assert np.abs(loaded.pixels[16, 56].astype(int) - BLUE).max() < 12


def test_path_bytes_pillow_and_media_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(two_halves()))
    expected = np.asarray(two_halves())
    sources = (
        path,
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        two_halves(),
        Media(uri=str(path)),
        Media(data=path.read_bytes()),
    )
    for source in sources:
        loaded = load_image(source)  # type: ignore[arg-type]
        assert np.array_equal(loaded.pixels, expected)


def test_a_given_pillow_image_is_not_changed() -> None:
    image = two_halves().convert("P")
    exif = image.getexif()
    exif[0x0112] = 6
    loaded = load_image(image)
    assert (loaded.width, loaded.height) == (4, 8)
    assert image.size == (8, 4)
    assert image.mode == "P"


def test_exif_orientation_turns_the_picture_and_its_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side: turn a quarter clockwise
    loaded = load_image(encoded(two_halves(64, 32), "JPEG", exif=exif, quality=95))
    assert (loaded.width, loaded.height) == (32, 64)
    assert loaded.pixels.shape == (64, 32, 3)
    # Red was left, so after the turn it is on top.
    assert loaded.pixels[8, 16, 0] > 200
    assert loaded.pixels[56, 16, 2] > 200
    assert loaded.notes == ("turned upright as its EXIF orientation says",)


@pytest.mark.parametrize("value", range(2, 9))
def test_every_orientation_agrees_with_pillow(value: int) -> None:
    from PIL import ImageOps

    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    exif = Image.Exif()
    exif[0x0112] = value
    data = encoded(image, "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    loaded = load_image(data)
    assert np.array_equal(loaded.pixels, np.asarray(expected))
    assert (loaded.width, loaded.height) == expected.size


def test_sixteen_bits_are_scaled_not_cut() -> None:
    grey = np.array([[0, 257 * 10, 257 * 100, 65535]], dtype=np.uint16)
    loaded = load_image(encoded(Image.fromarray(grey)))
    assert loaded.pixels[0, :, 0].tolist() == [0, 10, 100, 255]
    assert loaded.notes == ("16-bit grey scaled to 8 bits",)


def test_floating_point_uses_its_own_range() -> None:
    grey = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    loaded = load_image(encoded(Image.fromarray(grey), "TIFF"))
    assert loaded.pixels[0, :, 1].tolist() == [0, 128, 255]
    assert "F values -1 to 1" in loaded.notes[0]


def test_cmyk_becomes_rgb() -> None:
    loaded = load_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = loaded.pixels[8, 8]
    assert red > 200
    assert max(green, blue) < 60
    assert loaded.notes == ("converted from CMYK without its colour profile",)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_shown_on_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    loaded = load_image(encoded(image.convert(mode)))
    assert tuple(loaded.pixels[0, 0]) == (0, 0, 0)
    assert tuple(loaded.pixels[1, 3]) == (255, 255, 255)
    assert loaded.notes == ("transparent parts shown on white",)


def test_opaque_alpha_needs_no_note() -> None:
    assert load_image(encoded(two_halves().convert("RGBA"))).notes == ()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_shows_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, BLUE, GREEN)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    loaded = load_image(data)
    assert np.abs(loaded.pixels[16, 16].astype(int) - RED).max() < 12
    assert "has several frames, the first is used" in loaded.notes


def test_misnamed_picture_is_read_by_content(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(two_halves()))
    loaded = load_image(path)
    assert loaded.format == "PNG"
    assert loaded.notes == ("named .jpg but is PNG",)


def test_max_side_shrinks_pixels_and_keeps_the_size() -> None:
    for kind in ("JPEG", "PNG"):
        loaded = load_image(encoded(two_halves(2000, 1000), kind), max_side=100)
        assert loaded.pixels.shape == (50, 100, 3)
        assert (loaded.width, loaded.height) == (2000, 1000)


def test_max_side_with_a_turned_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    loaded = load_image(encoded(two_halves(400, 200), "JPEG", exif=exif), max_side=100)
    assert (loaded.width, loaded.height) == (200, 400)
    assert loaded.pixels.shape == (100, 50, 3)


def test_broken_exif_does_not_spoil_a_good_picture() -> None:
    data = encoded(two_halves(), "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert load_image(data).pixels.shape == (4, 8, 3)


# what is refused


def test_zero_bytes() -> None:
    error = refused(b"", MediaError, "media-unreadable")
    assert "empty" in error.message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    refused(data[: len(data) // 2], MediaError, "media-unreadable")


def test_damaged_in_the_middle() -> None:
    data = bytearray(encoded(two_halves(64, 64)))
    data[60:80] = bytes(20)
    refused(bytes(data), MediaError, "media-unreadable")


def test_text_named_jpg(tmp_path: Path) -> None:
    path = tmp_path / "error.jpg"
    path.write_text("<html>404</html>")
    error = refused(path, MediaError, "media-unreadable")
    assert "<html>404" in error.message
    assert error.where == str(path)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x00\x00\x00\x1cftypavif" + bytes(40), "AVIF"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
        (b"%PDF-1.7 and more", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"8BPS" + bytes(40), "Photoshop"),
    ],
)
def test_formats_outside_the_list_are_named(data: bytes, name: str) -> None:
    error = refused(data, MediaError, "media-kind")
    assert error.message == f"{name} is not accepted"


def test_a_format_that_pillow_knows_but_the_list_does_not() -> None:
    refused(encoded(two_halves(), "PPM"), MediaError, "media-unreadable")


def test_unusual_colour_model() -> None:
    refused(encoded(Image.new("LAB", (4, 4)), "TIFF"), MediaError, "media-kind")


def test_gigapixel_header_is_refused_before_decoding() -> None:
    refused(png_header(40_000, 40_000), MediaError, "media-too-large")


def test_pixel_limit_is_our_own_even_when_pillows_is_lifted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    error = refused(png_header(40_000, 40_000), MediaError, "media-too-large")
    assert "40000x40000" in error.message


def test_pixel_limit_counts_exactly() -> None:
    limits = ImageLimits(max_pixels=32)
    assert load_image(encoded(two_halves(8, 4)), limits=limits).width == 8
    refused(encoded(two_halves(8, 5)), MediaError, "media-too-large", limits=limits)


def test_byte_limit_for_bytes_and_files(tmp_path: Path) -> None:
    data = encoded(two_halves())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    exact, less = ImageLimits(max_bytes=len(data)), ImageLimits(max_bytes=len(data) - 1)
    for source in (data, path):
        assert load_image(source, limits=exact).width == 8
        refused(source, MediaError, "media-too-large", limits=less)


def test_absent_pictures(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", MediaError, "media-absent")
    refused("a\0b.png", MediaError, "media-absent")
    refused(tmp_path, MediaError, "media-absent")
    refused(Media(), MediaError, "media-absent")
    error = refused(Media(missing="never distributed"), MediaError, "media-absent")
    assert "never distributed" in error.message


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    refused(pipe, MediaError, "media-absent")


def test_other_kinds_of_media_and_values() -> None:
    refused(Media(kind="video", uri="a.mp4"), MediaError, "media-kind")
    refused(42, MediaError, "media-kind")


# where from


def test_root_is_where_relative_paths_start(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(two_halves()))
    assert load_image("a.png", root=tmp_path / "in").width == 8
    assert load_image(str(tmp_path / "in" / "a.png"), root=tmp_path / "in").width == 8


@pytest.mark.parametrize("place", ["../out.png", "{tmp}/out.png", "in/../../out.png", "link.png"])
def test_no_path_leaves_the_root(tmp_path: Path, place: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.png").write_bytes(encoded(two_halves()))
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out.png")
    source = place.format(tmp=tmp_path)
    refused(source, AccessError, "access-outside-root", root=tmp_path / "in")


def test_a_loop_of_links_is_absent(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    refused("a.png", MediaError, "media-absent", root=tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a.png",
        "https://example.org/a.png",
        "ftp://example.org/a.png",
        "file:///etc/hostname",
        "data:image/png;base64,AAAA",
    ],
)
def test_addresses_are_never_fetched_unasked(address: str) -> None:
    refused(address, AccessError, "access-remote")
    refused(Media(uri=address), AccessError, "access-remote")


def test_only_http_is_fetched_even_when_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGPIE_OFFLINE", raising=False)
    refused("file:///etc/hostname", AccessError, "access-remote", allow_remote=True)


def test_offline_overrules_allow_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGPIE_OFFLINE", "1")
    error = refused("http://127.0.0.1:9/a.png", AccessError, "access-remote", allow_remote=True)
    assert "MAGPIE_OFFLINE" in error.message


def test_threads_share_nothing(tmp_path: Path) -> None:
    good, bad = encoded(two_halves(200, 100)), png_header(40_000, 40_000)
    before = Image.MAX_IMAGE_PIXELS
    outcomes: list[str] = []

    def work(data: bytes) -> None:
        try:
            outcomes.append(str(load_image(data).width))
        except MediaError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=work, args=(data,)) for data in (good, bad) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["200"] * 8 + ["media-too-large"] * 8
    assert before == Image.MAX_IMAGE_PIXELS
