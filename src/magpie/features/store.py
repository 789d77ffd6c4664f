"""Where computed features are kept: one safetensors file an entry, under the digest of its causes.

::

    FOLDER/grid-5f0c.../need.json                 what the group holds
    FOLDER/grid-5f0c.../ab/ab93....safetensors    an entry; ab are the first digits of its key
    FOLDER/damaged/                               what a check set aside

A file appears under its name in one step and is never changed afterwards, so readers and writers of
any number of processes need no lock: two that compute the same entry write the same content, and a
killed one leaves nothing but a nameless file that ``prune`` clears away. 256 folders a group keep
each below four hundred names at a hundred thousand entries. Arrays are handed out as maps of the
file; writing into them never reaches it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from magpie._io import atomic_write, dump_json, parse_json
from magpie.errors import ConfigError, FormatError, MagpieError, ModelError
from magpie.features.source import Arrays

__all__ = ["Entry", "Group", "Pruned", "Store", "Verified"]

_SUFFIX = ".safetensors"
_TEMPORARY = ".part-"
_DAMAGED = "damaged"
_NEED = "need.json"
#: seconds after which a file that was being written is taken for abandoned
_ABANDONED = 3600.0
#: seconds within which reading an entry again does not note its use again
_NOTED = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the store; ``used`` is when it was last read or written, in seconds."""

    key: str
    path: Path
    bytes: int
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The entries of one need. ``need`` is its description, empty where that was lost."""

    name: str
    entries: int
    bytes: int
    need: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """One item of ``magpie features info --json``."""
        sizes = {"entries": self.entries, "bytes": self.bytes}
        return {"name": self.name, **sizes, "need": dict(self.need)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed and what is left, in files and bytes."""

    removed: int
    freed: int
    entries: int
    bytes: int


@dataclass(slots=True)
class Verified:
    """Entries that were checked, and (key, what was wrong) of those set aside."""

    checked: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)


class Store:
    """A folder of entries.

    Args:
        folder: made when first written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> Arrays | None:
        """The arrays kept under ``key``; None when there are none.

        A file that is cut off or belongs elsewhere is set aside as if it were not there. Flipped
        bits are found by :meth:`verify` only, which reads every byte.
        """
        path = self._path(key)
        try:
            arrays = _read(path, key)
        except FileNotFoundError:
            return None
        except FormatError:
            self._set_aside(path)
            return None
        self._note_use(path)
        return arrays

    def put(self, key: str, arrays: Mapping[str, np.ndarray[Any, Any]], of: Any) -> None:
        """Keeps arrays.

        Args:
            key: ``<group>/<digest>``.
            arrays: by name.
            of: what they were made of, as JSON; ``of["need"]`` describes the group.

        Raises:
            ModelError: ``features-unwritten``, the disk is full or the folder not writable.
        """
        path = self._path(key)
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        notes = {"key": key, "of": dump_json(of), "digest": _digest(whole)}
        data = save(whole, metadata=notes)
        # No flush to the disk: after a power cut a file may be short, which reading it finds out.
        temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._describe(path.parent.parent, of)
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise ModelError(
                f"a feature of {len(data)} bytes could not be kept: {error.strerror}",
                code="features-unwritten",
                where=str(path),
                mend="Make room with `magpie features prune`, or name another folder.",
            ) from error

    def entries(self) -> Iterator[Entry]:
        """Every entry, in no order."""
        for group in self._groups():
            for item in _files(group):
                if item.name.endswith(_SUFFIX):
                    # Another process may prune at the same time.
                    with suppress(FileNotFoundError):
                        status = item.stat()
                        key = f"{group.name}/{item.name.removesuffix(_SUFFIX)}"
                        yield Entry(key, Path(item.path), status.st_size, status.st_mtime)

    def groups(self) -> list[Group]:
        """Entries and bytes by need, by name."""
        sizes: dict[str, list[int]] = {group.name: [] for group in self._groups()}
        for entry in self.entries():
            sizes.setdefault(entry.key.partition("/")[0], []).append(entry.bytes)
        return [
            Group(name=name, entries=len(found), bytes=sum(found), need=self._need(name))
            for name, found in sorted(sizes.items())
        ]

    def verify(self, on_entry: Callable[[Entry], None] | None = None) -> Verified:
        """Reads every entry and sets aside what is not what it was; a build makes it anew.

        Args:
            on_entry: is called with each entry before it is read.
        """
        result = Verified()
        for entry in self.entries():
            if on_entry is not None:
                on_entry(entry)
            try:
                _read(entry.path, entry.key, digest=True)
            except FileNotFoundError:
                continue
            except FormatError as error:
                result.damaged.append((entry.key, error.message))
                self._set_aside(entry.path)
            result.checked += 1
        return result

    def prune(self, max_bytes: int) -> Pruned:
        """Removes what was used longest ago until at most ``max_bytes`` are left.

        What was set aside goes first, and files that a killed writer left behind.

        Raises:
            ConfigError: ``max_bytes`` is negative.
        """
        if max_bytes < 0:
            raise ConfigError(f"max_bytes must be at least 0, got {max_bytes}")
        removed = freed = 0
        for path in (*self._abandoned(), *(self.folder / _DAMAGED).glob("*")):
            size = _remove(path)
            removed, freed = removed + (size is not None), freed + (size or 0)
        entries = sorted(self.entries(), key=lambda entry: entry.used)
        total, left = sum(entry.bytes for entry in entries), len(entries)
        for entry in entries:
            if total <= max_bytes:
                break
            size = _remove(entry.path)
            removed, freed = removed + (size is not None), freed + (size or 0)
            total, left = total - entry.bytes, left - 1
        return Pruned(removed=removed, freed=freed, entries=left, bytes=total)

    def _path(self, key: str) -> Path:
        group, _, digest = key.partition("/")
        return self.folder / group / digest[:2] / f"{digest}{_SUFFIX}"

    def _groups(self) -> Iterator[Path]:
        if not self.folder.is_dir():
            return
        for group in sorted(self.folder.iterdir()):
            if group.is_dir() and group.name != _DAMAGED:
                yield group

    def _abandoned(self) -> list[Path]:
        before = time.time() - _ABANDONED
        found = []
        for group in self._groups():
            for item in _files(group):
                with suppress(FileNotFoundError):
                    if item.name.startswith(_TEMPORARY) and item.stat().st_mtime < before:
                        found.append(Path(item.path))
        return found

    def _describe(self, group: Path, of: Any) -> None:
        place = group / _NEED
        if not place.exists():
            atomic_write(place, dump_json(of["need"], indent=1))

    def _need(self, group: str) -> Mapping[str, Any]:
        path = self.folder / group / _NEED
        try:
            found = parse_json(path.read_text("utf-8"), where=str(path))
        except (OSError, MagpieError):
            return {}
        return found if isinstance(found, dict) else {}

    def _note_use(self, path: Path) -> None:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _NOTED:
                os.utime(path)

    def _set_aside(self, path: Path) -> None:
        """Out of the way but not lost, for whoever wants to know what happened."""
        place = self.folder / _DAMAGED
        with suppress(OSError):  # another process was quicker
            place.mkdir(exist_ok=True)
            os.replace(path, place / f"{os.urandom(4).hex()}-{path.name}")


def _files(group: Path) -> Iterator[os.DirEntry[str]]:
    for shard in sorted(group.iterdir()):
        if shard.is_dir():
            with os.scandir(shard) as items:
                yield from items


def _remove(path: Path) -> int | None:
    """Removes a file; its size, or None when it was gone already."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return None
    return size


def _read(path: Path, key: str, *, digest: bool = False) -> Arrays:
    """The arrays of a file.

    Raises:
        FileNotFoundError: it is not there.
        FormatError: it is cut off, damaged, or belongs to another key.
    """
    try:
        # Through torch, because its arrays are maps of the file that hold no file descriptor.
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            arrays = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise FormatError(f"no readable entry: {error}", where=str(path)) from error
    if notes.get("key") != key:
        raise FormatError(f"an entry of {notes.get('key')}, expected {key}", where=str(path))
    if digest and notes.get("digest") != _digest(arrays):
        raise FormatError("its content is not what was written", where=str(path))
    return arrays


def _digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
