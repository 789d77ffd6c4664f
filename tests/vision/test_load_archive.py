"""Pictures inside zip archives: read in place, with every limit that holds for files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from magpie.errors import AccessError, MagpieError, MediaError
from magpie.schema import Media
from magpie.vision import ImageLimits, load_image


def png(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "pages.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inner/a.png", png())
        packed.writestr("inner/bomb.png", b"\0" * 3_000_000)
    return path


def refused(source: object, code: str, **options: object) -> MagpieError:
    with pytest.raises(MagpieError) as caught:
        load_image(source, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    return caught.value


def test_a_member_is_decoded_in_place(archive: Path) -> None:
    before = sorted(archive.parent.iterdir())
    loaded = load_image(f"{archive}!inner/a.png")
    assert (loaded.width, loaded.height, loaded.format) == (6, 4, "PNG")
    assert tuple(loaded.pixels[0, 0]) == (255, 0, 0)
    assert load_image(Media(uri=f"{archive}!inner/a.png")).width == 6
    assert load_image("pages.zip!inner/a.png", root=archive.parent).width == 6
    assert sorted(archive.parent.iterdir()) == before


def test_a_file_of_that_very_name_comes_first(archive: Path) -> None:
    folder = archive.parent / "odd.zip!inner"
    folder.mkdir()
    (folder / "a.png").write_bytes(png("blue"))
    loaded = load_image(str(folder / "a.png"))
    assert tuple(loaded.pixels[0, 0]) == (0, 0, 255)


def test_absent_archives_and_members_are_absent_pictures(archive: Path) -> None:
    refused(f"{archive}!inner/b.png", "media-absent")
    refused(f"{archive}!", "media-absent")
    refused(f"{archive.parent}/no.zip!a.png", "media-absent")
    (archive.parent / "folder.zip").mkdir()
    refused(f"{archive.parent}/folder.zip!a.png", "media-absent")


def test_the_archive_must_lie_below_the_root(archive: Path, tmp_path: Path) -> None:
    root = tmp_path / "inside"
    root.mkdir()
    error = refused("../pages.zip!inner/a.png", "access-outside-root", root=root)
    assert isinstance(error, AccessError)


def test_a_member_beyond_the_limit_is_not_unpacked(archive: Path) -> None:
    error = refused(
        f"{archive}!inner/bomb.png", "media-too-large", limits=ImageLimits(max_bytes=1_000_000)
    )
    assert "3000000" in error.message


def test_damaged_archives_say_so(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    assert isinstance(refused(f"{archive}!inner/a.png", "media-unreadable"), MediaError)
    broken = bytearray(data)
    broken[60:70] = bytes(10)
    archive.write_bytes(bytes(broken))
    refused(f"{archive}!inner/a.png", "media-unreadable")
