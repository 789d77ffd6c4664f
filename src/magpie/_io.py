"""Files: atomic writes, digests, and JSON lines that survive kills and bad records."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from magpie.errors import FormatError, MagpieError, NotFoundError

__all__ = [
    "MAX_LINE_BYTES",
    "Line",
    "atomic_folder",
    "atomic_stream",
    "atomic_write",
    "dump_json",
    "file_digest",
    "iter_lines",
    "iter_open_lines",
    "iter_text_lines",
    "last_complete_byte",
    "parse_json",
    "previous_folder",
    "restore_folder",
    "text_digest",
]

#: Longest line accepted anywhere, in bytes; a longer one is skipped without being held in memory.
MAX_LINE_BYTES = 64 * 1024 * 1024


@contextlib.contextmanager
def atomic_stream(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its place only when the block ends without an error.

    A reader (or a kill) sees the old content or the new, never half of it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes private files; the result should follow the umask like any other output.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def atomic_write(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Writes a whole file as :func:`atomic_stream` does."""
    with atomic_stream(path) as stream:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


def previous_folder(path: str | os.PathLike[str]) -> Path:
    """Where :func:`atomic_folder` keeps the old content for the moment of the exchange."""
    target = Path(path)
    return target.with_name(f".{target.name}.previous")


def restore_folder(path: str | os.PathLike[str]) -> None:
    """Puts the old content back if a kill hit the very moment of the exchange."""
    target, previous = Path(path), previous_folder(path)
    if not target.exists() and previous.exists():
        os.rename(previous, target)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives an empty folder that takes the place of ``path`` when the block ends without an error.

    Everything is on the disk before the exchange. Where writing fails, the old content stays; a
    kill between the two renames leaves it to :func:`restore_folder`.
    """
    target, previous = Path(path), previous_folder(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    restore_folder(target)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o777 & ~umask)
        for place in (*temporary.rglob("*"), temporary):
            _sync(place)
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)
            os.rename(target, previous)
        try:
            os.rename(temporary, target)
        except OSError:
            restore_folder(target)
            raise
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, hexadecimal."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise NotFoundError("no such file", where=str(path)) from error


def text_digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 form, hexadecimal; lone surrogates are kept apart, not an error."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """JSON with stable separators, UTF-8 kept readable; NaN and infinity are refused."""
    separators = None if indent else (",", ":")
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
    )


def parse_json(text: str | bytes, *, where: str = "") -> Any:
    """Parses JSON strictly (no NaN, no infinity).

    Raises:
        FormatError: naming the place and the column.
    """

    def refuse(token: str) -> Any:
        raise FormatError(f"{token} is not valid JSON", code="format-json", where=where)

    try:
        return json.loads(text, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"byte {error.start} is not valid UTF-8", code="format-encoding", where=where
        ) from error
    except json.JSONDecodeError as error:
        raise FormatError(
            f"not valid JSON: {error.msg} at column {error.colno}",
            code="format-json",
            where=where,
            mend="Each line must be one complete JSON object.",
        ) from error
    except RecursionError as error:
        raise FormatError("JSON is nested too deeply", code="format-json", where=where) from error
    except FormatError:
        raise
    except ValueError as error:  # Python refuses integers of thousands of digits
        raise FormatError(f"not valid JSON: {error}", code="format-json", where=where) from error


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line: its 1-based number, its text, or the error that replaced it."""

    number: int
    text: str
    error: MagpieError | None = None


def iter_lines(path: str | os.PathLike[str], *, max_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """Streams the lines of a UTF-8 file without ever holding more than ``max_bytes`` of one.

    A line that is too long or not UTF-8 comes back with ``error`` set; the rest goes on. A byte
    order mark is dropped, CRLF is read as LF.

    Raises:
        NotFoundError: the file does not exist.
    """
    try:
        stream = open(path, "rb")  # noqa: SIM115  closed below, the generator outlives this frame
    except FileNotFoundError as error:
        raise NotFoundError(
            "no such file", where=str(path), mend="Check the path and its spelling."
        ) from error
    except IsADirectoryError as error:
        raise FormatError("expected a file, found a folder", where=str(path)) from error
    with stream:
        yield from iter_open_lines(stream, name=str(path), max_bytes=max_bytes)


def iter_open_lines(
    stream: BinaryIO, *, name: str, max_bytes: int = MAX_LINE_BYTES
) -> Iterator[Line]:
    """As :func:`iter_lines`, from an open binary stream called ``name`` in messages."""
    number = 0
    while chunk := stream.readline(max_bytes + 1):
        number += 1
        where = f"{name}:{number}"
        if len(chunk) > max_bytes and not chunk.endswith(b"\n"):
            while chunk and not chunk.endswith(b"\n"):
                chunk = stream.readline(1 << 20)
            message = f"line is longer than {max_bytes} bytes"
            mend = "Split the record."
            yield Line(
                number, "", FormatError(message, code="format-too-long", where=where, mend=mend)
            )
            continue
        if number == 1 and chunk.startswith(b"\xef\xbb\xbf"):
            chunk = chunk[3:]
        try:
            text = chunk.decode("utf-8")
        except UnicodeDecodeError as error:
            problem = FormatError(
                f"byte {error.start} of the line is not valid UTF-8",
                code="format-encoding",
                where=where,
                mend="Convert the file to UTF-8.",
            )
            yield Line(number, "", problem)
            continue
        yield Line(number, text.rstrip("\r\n"))


def iter_text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """(number, text) of each line, for formats in which one bad line spoils the file.

    Raises:
        FormatError: at the first line that is too long or not UTF-8.
        NotFoundError: the file does not exist.
    """
    for line in iter_lines(path):
        if line.error is not None:
            raise line.error
        yield line.number, line.text


def last_complete_byte(path: str | os.PathLike[str]) -> int:
    """Length of the file up to and including its last newline: where a killed writer resumes."""
    with open(path, "rb") as stream:
        position = stream.seek(0, os.SEEK_END)
        while position > 0:
            step = min(1 << 16, position)
            stream.seek(position - step)
            found = stream.read(step).rfind(b"\n")
            if found >= 0:
                return position - step + found + 1
            position -= step
    return 0
