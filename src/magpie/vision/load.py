"""Decoding a picture without trusting it.

What protects: formats from a short list, recognised by content; bytes counted before reading,
pixels counted from the header before decoding (Pillow's own global limit is neither relied on nor
changed); paths kept below a root with links resolved; addresses refused unless asked for. What
comes back is always upright 8-bit RGB, and what was done to get there stands in ``notes``.

A picture may lie in a zip archive: ``forms.zip!pages/1.png`` names the member ``pages/1.png``. It
is read in place, never extracted.

All boxes in magpie are in this upright frame: a picture whose EXIF orientation says "rotated" is
turned first, and ``width`` and ``height`` are those after turning.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from magpie.errors import AccessError, MediaError
from magpie.schema import Media

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image as PillowImage

    Pixels: TypeAlias = npt.NDArray[np.uint8]

__all__ = ["ACCEPTED", "ImageLimits", "ImageSource", "LoadedImage", "load_image", "read_picture"]

#: Pillow's names of the formats that are decoded; everything else is refused.
ACCEPTED = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | PillowImage.Image | Media"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """How much one picture may cost.

    Args:
        max_bytes: of the encoded file.
        max_pixels: width x height announced by the header.
        timeout: seconds for fetching an address, all in all.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 64_000_000
    timeout: float = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """A decoded picture.

    Args:
        pixels: uint8, (rows, columns, 3), RGB, upright.
        width, height: of the upright original, in pixels; boxes refer to these. ``pixels`` has
            the same size unless loading was asked to shrink it (``max_side``).
        format: Pillow's name of the file format, or "" for a picture that never was a file.
        notes: what was done to it, a sentence each.
    """

    pixels: Pixels
    width: int
    height: int
    format: str = ""
    notes: tuple[str, ...] = ()


def load_image(
    source: ImageSource,
    *,
    limits: ImageLimits | None = None,
    root: str | os.PathLike[str] | None = None,
    allow_remote: bool = False,
    max_side: int | None = None,
) -> LoadedImage:
    """Decodes one picture to upright RGB.

    Args:
        source: a path, an http(s) address, the encoded file as bytes, a Pillow image, or a
            :class:`~magpie.schema.Media` that holds one of the first three.
        limits: bytes, pixels and seconds that it may cost; the defaults take any camera's JPEG.
        root: folder that relative paths start from and that no path may leave, links included.
            Without it, paths are taken as they are.
        allow_remote: fetch addresses; ``MAGPIE_OFFLINE`` overrules it.
        max_side: shrink the pixels while loading; ``width`` and ``height`` stay the original's.

    Raises:
        MediaError: absent, damaged, too large or of a format that is not accepted.
        AccessError: an address without ``allow_remote``, or a path that leaves ``root``.
    """
    from magpie.vision._decode import decode_bytes, decode_pillow

    limits = limits or ImageLimits()
    name = ""
    if isinstance(source, Media):
        name = source.id
        source = _of_media(source)
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        if len(data) > limits.max_bytes:
            raise _too_many_bytes(len(data), limits, name or "bytes")
        return decode_bytes(data, where=name or "bytes", limits=limits, max_side=max_side)
    if isinstance(source, str | os.PathLike):
        place = os.fspath(source)
        data = _read(place, limits, root, allow_remote=allow_remote)
        return decode_bytes(
            data, where=_shown(place), suffix=Path(place).suffix, limits=limits, max_side=max_side
        )
    return decode_pillow(source, limits=limits, max_side=max_side)


def read_picture(
    source: str | os.PathLike[str] | bytes | Media,
    *,
    limits: ImageLimits | None = None,
    root: str | os.PathLike[str] | None = None,
    allow_remote: bool = False,
) -> bytes:
    """The encoded file of a picture, found as :func:`load_image` finds it; nothing is decoded.

    Raises:
        MediaError: absent, or larger than ``limits.max_bytes``.
        AccessError: an address without ``allow_remote``, or a path that leaves ``root``.
    """
    limits = limits or ImageLimits()
    name = "bytes"
    if isinstance(source, Media):
        name = source.id
        source = _of_media(source)
    if isinstance(source, bytes):
        if len(source) > limits.max_bytes:
            raise _too_many_bytes(len(source), limits, name)
        return source
    return _read(os.fspath(source), limits, root, allow_remote=allow_remote)


def _of_media(media: Media) -> str | bytes:
    """The bytes, path or address that a medium of kind image names."""
    if media.kind != "image":
        raise MediaError(
            f"expected a picture, got {media.kind}",
            code="media-kind",
            where=media.id,
            mend="Only pictures are read so far.",
        )
    if media.missing is not None:
        raise _absent(media.id, f"the picture is absent: {media.missing}")
    if media.data is not None:
        return media.data
    if media.uri is None:
        raise _absent(media.id, "neither a path nor bytes are given")
    return media.uri


def _absent(where: str, message: str) -> MediaError:
    return MediaError(
        message,
        code="media-absent",
        where=where,
        mend="Check the path, its spelling and the folder it starts from.",
    )


def _too_many_bytes(size: int, limits: ImageLimits, where: str) -> MediaError:
    return MediaError(
        f"{size} bytes, at most {limits.max_bytes} are read",
        code="media-too-large",
        where=where,
        mend="Scale the picture down.",
    )


def _shown(place: str) -> str:
    """A path or address short enough for a message."""
    return place if len(place) <= 200 else place[:197] + "..."


def _read(
    place: str,
    limits: ImageLimits,
    root: str | os.PathLike[str] | None,
    *,
    allow_remote: bool,
) -> bytes:
    head = place[:12].lower()
    if "://" in place[:40] or head.startswith(("data:", "http:", "https:", "file:")):
        from magpie._offline import require_online
        from magpie.vision.remote import fetch

        if not head.startswith(("http://", "https://")):
            raise AccessError(
                "only http and https addresses can be fetched",
                code="access-remote",
                where=_shown(place),
                mend="Give a plain path, or the picture's bytes.",
            )
        if not allow_remote:
            raise AccessError(
                "the picture is an address, and addresses are not fetched",
                code="access-remote",
                where=_shown(place),
                mend="Allow it with --allow-remote, or download it and give its path.",
            )
        require_online(_shown(place))
        return fetch(place, limits)
    archive, mark, member = place.partition(".zip!")
    if mark and not os.path.lexists(place if root is None else os.path.join(root, place)):
        path = _resolved(archive + ".zip", root)
        return _read_member(path, member, limits, _shown(place))
    return _read_file(_resolved(place, root), limits, _shown(place))


def _resolved(place: str, root: str | os.PathLike[str] | None) -> Path:
    """The real path behind ``place``, checked to lie below the real ``root``."""
    try:
        if root is None:
            return Path(place).resolve()
        base = Path(root).resolve()
        path = (base / place).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # NUL in the name, a loop of links
        raise _absent(_shown(place), f"not a usable path: {error}") from error
    if not path.is_relative_to(base):
        raise AccessError(
            "the path leads out of the folder that pictures are read from",
            code="access-outside-root",
            where=_shown(place),
            mend="Move the picture below that folder, or choose another with --root.",
        )
    return path


def _read_file(path: Path, limits: ImageLimits, where: str) -> bytes:
    try:
        status = path.stat()
        # Opening a pipe or device could block for ever, or never end.
        if not stat.S_ISREG(status.st_mode):
            raise _absent(where, "not a file")
        if status.st_size > limits.max_bytes:
            raise _too_many_bytes(status.st_size, limits, where)
        with open(path, "rb") as stream:
            data = stream.read(limits.max_bytes + 1)
    except FileNotFoundError as error:
        raise _absent(where, "no such file") from error
    except OSError as error:
        raise _absent(where, f"cannot be read: {error}") from error
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(len(data), limits, where)
    return data


def _read_member(path: Path, member: str, limits: ImageLimits, where: str) -> bytes:
    import zipfile
    import zlib

    if not path.is_file():  # opening a pipe could block for ever
        raise _absent(where, "no such archive")
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(member)
            if info.file_size > limits.max_bytes:
                raise _too_many_bytes(info.file_size, limits, where)
            # The standard library stops at the size announced, so a bomb cannot swell beyond it.
            return archive.read(info)
    except KeyError as error:
        raise _absent(where, "no such member in the archive") from error
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise MediaError(
            f"the archive is damaged, encrypted or packed in an unknown way: {error}",
            where=where,
            mend="Fetch the archive again.",
        ) from error
