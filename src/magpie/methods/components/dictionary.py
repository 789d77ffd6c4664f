"""A dictionary of names: which types a surface form has, and how sure that makes one.

Lists of names that a name alone settles ("Siri" is a product) speak against a picture that would
have it otherwise. Public lists by Freebase type stand in aritter/twitter_nlp (data/dictionaries,
GPL-3.0); none of them is part of this package, only the loader.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from magpie.errors import FormatError, NotFoundError

__all__ = ["FREEBASE", "KINDS", "LONGEST", "Dictionary", "Match", "confidence", "distribution"]

#: the four types of the Twitter corpora; OTHER is read as MISC
KINDS = ("PER", "LOC", "ORG", "MISC")

#: longest entry in words that is looked for
LONGEST = 6

#: what a list's name has to begin with, or hold behind its dot, for its entries to have a type
FREEBASE: Mapping[str, tuple[str, ...]] = {
    "PER": ("person", "people", "firstname", "lastname", "politician", "athlete", "author"),
    "LOC": ("location", "country", "city", "facility", "museum", "region"),
    "ORG": (
        "company", "sports_team", "league", "tv_network", "newspaper", "university",
        "government_agency", "musical_group",
    ),
    "MISC": (
        "product", "consumer_product", "film", "tv_program", "game", "award", "holiday",
        "automotive",
    ),
}  # fmt: skip


def distribution(counts: Sequence[int], eps: float = 0.05) -> tuple[float, ...]:
    """p(y) = (n_y + eps) / (sum n + 4 eps), over :data:`KINDS`."""
    total = sum(counts) + len(counts) * eps
    return tuple((count + eps) / total for count in counts)


def confidence(p: Sequence[float]) -> float:
    """c = 1 - H(p) / ln 4, in [0, 1]: 1 for one type, 0 for all alike."""
    entropy = -sum(each * math.log(each) for each in p if each > 0)
    return max(0.0, 1.0 - entropy / math.log(len(p)))


@dataclass(frozen=True, slots=True)
class Match:
    """An entry found in words [start, end)."""

    start: int
    end: int
    surface: str
    #: how often the entry has each of :data:`KINDS`
    counts: tuple[int, int, int, int]


def _fold(word: str) -> str:
    return word.lstrip("#@").lower() or word.lower()


class Dictionary:
    """Surface forms with their types.

    Args:
        entries: (surface form, type, count); words parted by white space.
        stop: words that alone are no match.
    """

    def __init__(self, entries: Iterable[tuple[str, str, int]], stop: Collection[str] = ()) -> None:
        table: dict[tuple[str, ...], list[int]] = {}
        self._longest: dict[str, int] = defaultdict(int)
        self._stop = frozenset(_fold(word) for word in stop)
        for surface, kind, count in entries:
            words = tuple(_fold(word) for word in surface.split())
            name = "MISC" if kind == "OTHER" else kind
            if name not in KINDS:
                raise FormatError(
                    f"{surface!r} has type {kind!r}, expected one of {', '.join(KINDS)}"
                )
            if not 0 < len(words) <= LONGEST:
                continue
            table.setdefault(words, [0] * len(KINDS))[KINDS.index(name)] += count
            self._longest[words[0]] = max(self._longest[words[0]], len(words))
        self._table = {words: (c[0], c[1], c[2], c[3]) for words, c in table.items()}

    def __len__(self) -> int:
        return len(self._table)

    def match(self, words: Sequence[str]) -> list[Match]:
        """Greedily the longest entry from left to right; matches never overlap.

        Case and a leading ``#`` or ``@`` do not count.
        """
        folded = [_fold(word) for word in words]
        found = []
        start = 0
        while start < len(folded):
            for length in range(self._longest.get(folded[start], 0), 0, -1):
                key = tuple(folded[start : start + length])
                counts = self._table.get(key)
                if counts is None or len(key) < length or (length == 1 and key[0] in self._stop):
                    continue
                found.append(Match(start, start + length, " ".join(key), counts))
                start += length
                break
            else:
                start += 1
        return found

    @classmethod
    def read(cls, path: str | Path, *, kinds: Mapping[str, Sequence[str]] = FREEBASE) -> Dictionary:
        """A table, or a folder of lists.

        A table has one entry a line: surface form, type, and optionally a count, parted by tabs. A
        folder has one list a type, named by its Freebase type (``location.country``), one entry a
        line; lists whose names fit no type are left out, and ``stop`` or ``*.stop`` are stop words.

        Args:
            path: the file or folder.
            kinds: type -> beginnings of the names of its lists.

        Raises:
            NotFoundError: there is nothing at ``path``.
            FormatError: a line of a table has another form, or the file is no UTF-8.
        """
        place = Path(path)
        if place.is_dir():
            return cls._of_folder(place, kinds)
        if not place.is_file():
            raise NotFoundError(
                "the dictionary is not there",
                where=str(path),
                mend="Give the path of a table, or of a folder of lists.",
            )
        return cls(
            _row(line, f"{place}:{number}")
            for number, line in enumerate(_lines(place), 1)
            if line.strip() and not line.startswith("# ")
        )

    @classmethod
    def _of_folder(cls, folder: Path, kinds: Mapping[str, Sequence[str]]) -> Dictionary:
        entries: list[tuple[str, str, int]] = []
        stop: list[str] = []
        for file in sorted(folder.iterdir()):
            if not file.is_file():
                continue
            if "stop" in file.name.split("."):
                stop += [line.strip() for line in _lines(file)]
            elif (kind := _kind_of(file.name, kinds)) is not None:
                entries += [(line, kind, 1) for line in _lines(file) if line.strip()]
        return cls(entries, stop)


def _kind_of(name: str, kinds: Mapping[str, Sequence[str]]) -> str | None:
    """The type of a list by its name; what stands behind the last dot decides first."""
    for part in reversed(name.lower().split(".")):
        for kind, beginnings in kinds.items():
            if part.startswith(tuple(beginnings)):
                return kind
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError("not valid UTF-8", code="format-encoding", where=str(file)) from error


def _row(line: str, where: str) -> tuple[str, str, int]:
    parts = line.split("\t")
    if len(parts) not in (2, 3) or (len(parts) == 3 and not parts[2].isdecimal()):
        raise FormatError(
            f"expected surface form, type and count parted by tabs, got {line[:60]!r}", where=where
        )
    return parts[0], parts[1], int(parts[2]) if len(parts) == 3 else 1
