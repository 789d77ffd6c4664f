"""Finding and opening corpus files: plain, in a zip archive read in place, or a whole folder.

Nothing is ever extracted. Archives are bounded by declared size, which the standard library
enforces while reading, and lines by :data:`magpie._io.MAX_LINE_BYTES`.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from magpie._io import Line, iter_open_lines
from magpie.corpora.dataset_card import SPLIT_ALIASES, DataFile
from magpie.errors import AccessError, FormatError, MediaError, NotFoundError

__all__ = [
    "MAX_MEMBER_BYTES",
    "ROOT_VARIABLE",
    "Folder",
    "Found",
    "content_digest",
    "find",
    "find_split",
    "iter_found_lines",
    "iter_found_text",
    "open_folder",
    "resolve_root",
]

ROOT_VARIABLE = "MAGPIE_DATA"

#: Largest archive member that is read, in bytes after decompression.
MAX_MEMBER_BYTES = 1 << 30

#: Most members an archive taken as a folder may have.
_MAX_MEMBERS = 1_000_000

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def resolve_root(root: str | os.PathLike[str] | None) -> Path:
    """The corpus root: the argument, else the folder named by ``MAGPIE_DATA``.

    Raises:
        NotFoundError: if neither is given, or there is nothing at that place.
    """
    given = root if root is not None else os.environ.get(ROOT_VARIABLE)
    if not given:
        raise NotFoundError(
            "no corpus folder was given",
            mend=f"Pass root (--root FOLDER) or set {ROOT_VARIABLE} to the folder of the corpora.",
        )
    folder = Path(given).absolute()
    if not folder.exists():
        raise NotFoundError(
            "no such corpus folder", where=str(given), mend="Check the path and its spelling."
        )
    return folder


@dataclass(frozen=True, slots=True)
class Found:
    """A :class:`DataFile` that is there: ``path`` on disk and, in an archive, the ``member``."""

    file: DataFile
    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path) if self.member is None else f"{self.path}!{self.member}"


def find(file: DataFile, root: Path) -> Found:
    """Looks for a file below the root; the root may also be the corpus's own folder,
    or the very file.

    Raises:
        NotFoundError: naming where it was looked for.
    """
    if root.is_file() and not file.folder:
        packed = root.suffix == ".zip"
        return Found(file, root, file.member if packed else None)
    parts = file.path.split("/")
    whole = file.folder and (file.member is not None or root.name == parts[-1])
    if whole and root.suffix == ".zip" and root.is_file():
        return Found(file, root, file.member)
    for index in range(len(parts)):
        path = root.joinpath(*parts[index:])
        if path.is_file():
            return Found(file, path, file.member)
        unpacked = path.with_suffix("")
        if file.folder:
            if path.suffix == ".zip" and (unpacked / (file.member or "")).is_dir():
                return Found(file, unpacked, file.member)
        elif file.member is not None and (unpacked / file.member).is_file():
            return Found(file, unpacked / file.member)
    if file.member is not None and file.folder and (root / file.member).is_dir():
        return Found(file, root, file.member)
    if file.member is not None and not file.folder and (root / file.member).is_file():
        return Found(file, root / file.member)
    raise NotFoundError(
        f"expected {file.label} in the corpus folder, found nothing",
        where=str(root),
        mend="Pass the folder that holds it with root (--root FOLDER).",
    )


def find_split(split: str, root: Path, suffixes: tuple[str, ...]) -> Found:
    """The file of a format without fixed names: the root itself, or ``<split><suffix>`` in it.

    Raises:
        NotFoundError: naming what was looked for.
    """
    if root.is_file():
        return Found(DataFile(root.name), root)
    stems = [split, *(alias for alias, name in SPLIT_ALIASES.items() if name == split)]
    for stem in stems:
        for suffix in suffixes:
            if (root / f"{stem}{suffix}").is_file():
                return Found(DataFile(f"{stem}{suffix}"), root / f"{stem}{suffix}")
    raise NotFoundError(
        f"expected {split} with one of the endings {', '.join(suffixes)}, found nothing",
        where=str(root),
        mend="Give the file itself with root (--root FILE).",
    )


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose defects come out as errors of ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FormatError(
            f"the archive is damaged: {error}", where=str(path), mend="Fetch it again."
        ) from error
    except NotImplementedError as error:
        raise FormatError(
            f"the archive uses a compression that cannot be read: {error}",
            where=str(path),
            mend="Pack it again with deflate.",
        ) from error


def _open_member(archive: zipfile.ZipFile, member: str, where: str, limit: int) -> BinaryIO:
    try:
        info = archive.getinfo(member)
    except KeyError as error:
        raise NotFoundError("no such member in the archive", where=where) from error
    if info.flag_bits & 1:
        raise FormatError("the archive member is encrypted", where=where, mend="Unpack it first.")
    if info.file_size > limit:
        raise FormatError(
            f"the archive member has {info.file_size} bytes, the limit is {limit}",
            code="format-too-long",
            where=where,
            mend="Unpack it first, if its size is right.",
        )
    return cast(BinaryIO, archive.open(info))


@contextlib.contextmanager
def _open(found: Found) -> Iterator[BinaryIO]:
    if found.member is None:
        with open(found.path, "rb") as stream:
            yield stream
        return
    with (
        _archive(found.path) as archive,
        _open_member(archive, found.member, found.name, MAX_MEMBER_BYTES) as packed,
        # The archive module finds line ends in Python; this does it in C, five times as fast.
        BufferedReader(cast(RawIOBase, packed), 1 << 16) as stream,
    ):
        yield stream


def iter_found_lines(found: Found) -> Iterator[Line]:
    """Streams the lines of a text file, see :func:`magpie._io.iter_open_lines`.

    Raises:
        FormatError: a damaged archive, or a file in UTF-16.
    """
    with _open(found) as stream:
        _refuse_utf16(stream, found)
        yield from iter_open_lines(stream, name=found.name)


def _refuse_utf16(stream: BinaryIO, found: Found) -> None:
    # Both kinds of stream can peek; the protocol type just does not say so.
    if cast(BufferedReader, stream).peek(2)[:2] in _UTF16:
        raise FormatError(
            "the file is UTF-16, expected UTF-8",
            code="format-encoding",
            where=found.name,
            mend="Convert the file to UTF-8.",
        )


def iter_found_text(found: Found, *, size: int = 1 << 20) -> Iterator[str]:
    """Streams a text file in pieces of ``size`` bytes, for formats without lines.

    A byte order mark is dropped. A byte that is not UTF-8 comes out as the lone surrogate
    ``U+DC00 + byte``, so that the caller can set aside the record that holds it.

    Raises:
        FormatError: a damaged archive, or a file in UTF-16.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    with _open(found) as stream:
        _refuse_utf16(stream, found)
        while chunk := stream.read(size):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


def _refuse_outside(name: str, where: str) -> None:
    """Nothing is extracted, so such a name could do no harm here; but no honest archive has one,
    and whoever unpacks this one elsewhere is hit."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":" or "\0" in name:
        raise AccessError(
            f"the archive holds a member {name[:80]!r}, which leads out of it",
            where=where,
            mend="Do not unpack this archive; fetch it again from its source.",
        )


def _paths_below(folder: Path, inner: str) -> list[str]:
    """The files below ``folder/inner``, as paths that start at ``folder``."""
    return sorted(
        (Path(place) / name).relative_to(folder).as_posix()
        for place, _, names in os.walk(folder / inner)
        for name in names
    )


class Folder:
    """Small files by name, from an open archive or a folder on disk.

    Names are bare file names; below a folder of an archive (``DataFile.member``) they are paths
    that start there, as in ``annotations/1.json``. ``twice`` are the names that stand in the
    archive more than once; the last one is read.

    Raises:
        FormatError: more members than the limit.
        AccessError: a member's name leads out of the archive, or no such name is honest.
    """

    def __init__(self, found: Found, archive: zipfile.ZipFile | None) -> None:
        self.name = found.name
        self._path = found.path
        self._archive = archive
        self._members: dict[str, str] = {}
        self.twice: list[str] = []
        self._inner = inner = found.file.member
        below = inner or ""
        names = _paths_below(found.path, below) if archive is None else archive.namelist()
        if len(names) > _MAX_MEMBERS:
            raise FormatError(
                f"the archive has {len(names)} members, the limit is {_MAX_MEMBERS}",
                code="format-too-long",
                where=self.name,
            )
        for name in names:
            if name.endswith("/"):
                continue
            _refuse_outside(name, self.name)
            key = name.rsplit("/", maxsplit=1)[-1]
            if inner is not None:
                if not name.startswith(f"{inner}/"):
                    continue
                key = name.removeprefix(f"{inner}/")
            if key in self._members and inner is not None:
                self.twice.append(key)
            self._members[key] = name

    def place(self, name: str) -> str | None:
        """Where a file lies, as ``Media.uri`` names it: its path, in an archive
        ``<archive>!<member>``; None when there is none of that name."""
        member = self._members.get(name)
        return None if member is None else self._at(member)

    def picture_size(self, name: str) -> tuple[int, int]:
        """Width and height of a picture, from its header; see
        :func:`magpie.vision.header.picture_size`.

        Raises:
            FormatError: the archive is damaged.
            MediaError: no such picture, or none that can be opened.
        """
        from magpie.vision.header import picture_size

        member = self._members.get(name)
        if member is None:
            raise MediaError("no such picture", code="media-absent", where=f"{self.name}!{name}")
        where = self._at(member)
        with self._stream(member, where, MAX_MEMBER_BYTES) as stream:
            return picture_size(stream, where=where)

    def _at(self, member: str) -> str:
        return str(self._path / member) if self._archive is None else f"{self._path}!{member}"

    @contextlib.contextmanager
    def _stream(self, member: str, where: str, limit: int) -> Iterator[BinaryIO]:
        if self._archive is None:
            with open(self._path / member, "rb") as stream:
                yield stream
            return
        try:
            with _open_member(self._archive, member, where, limit) as packed:
                yield packed
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise FormatError(f"the archive member is damaged: {error}", where=where) from error

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted(self._members)

    def read(self, name: str, *, limit: int) -> bytes | None:
        """Content of a file, or None when there is none of that name.

        Raises:
            FormatError: it is larger than ``limit`` bytes, or damaged.
        """
        member = self._members.get(name)
        if member is None:
            return None
        where = f"{self.name}!{name}" if self._inner is None else self._at(member)
        with self._stream(member, where, limit) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise FormatError(
                f"the file is larger than {limit} bytes", code="format-too-long", where=where
            )
        return data


@contextlib.contextmanager
def open_folder(found: Found) -> Iterator[Folder]:
    """Opens an archive or folder that is used as a whole.

    Raises:
        FormatError: the archive is damaged or has too many members.
    """
    if found.path.is_dir():
        yield Folder(found, None)
        return
    with _archive(found.path) as archive:
        yield Folder(found, archive)


def content_digest(found: Found) -> str:
    """SHA-256 of a file's content, or of the names and contents of a folder.

    A damaged member of an archive used as a folder only makes the digest an unknown one, because
    the others can still be read.

    Raises:
        FormatError: a damaged archive.
    """
    if not found.file.folder:
        digest = hashlib.sha256()
        with _open(found) as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()
    digest = hashlib.sha256()
    with open_folder(found) as folder:
        for name in folder.names():
            try:
                data = folder.read(name, limit=MAX_MEMBER_BYTES) or b""
                content = hashlib.sha256(data).hexdigest()
            except FormatError:
                content = "unreadable"
            digest.update(f"{name}\t{content}\n".encode())
    return digest.hexdigest()
