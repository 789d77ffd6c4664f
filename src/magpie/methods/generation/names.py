"""Labels and names as generators spell them: looked up, found in the source, escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from magpie.text.locate import Locator

__all__ = ["Finder", "Labels", "escape", "split_unescaped", "unescape"]

Range = tuple[int, int]

_UNKNOWN = "<unk>"
#: characters that one unknown piece may stand for, and unknown pieces of one name
_LOST, _MOST_LOST = 12, 4


class Labels:
    """Labels by any spelling that differs in case, in runs of blanks or in "_" for a blank.

    Args:
        names: the labels; of two that fold to one form the first is found.
        ignore_case: whether case does not matter.
    """

    def __init__(self, names: Iterable[str], *, ignore_case: bool = True) -> None:
        self._ignore_case = ignore_case
        self._known: dict[str, str] = {}
        for name in names:
            self._known.setdefault(self._form(name), name)

    def find(self, spelling: str) -> str | None:
        """The label, None where there is none.

        Example:
            >>> Labels(["member_of", "Attack"]).find(" Member  of ")
            'member_of'
        """
        return self._known.get(self._form(spelling))

    def _form(self, text: str) -> str:
        form = " ".join(text.replace("_", " ").split())
        return form.casefold() if self._ignore_case else form


class Finder:
    """Places of generated names in one source: the leftmost unused one, exact before folded.

    Args:
        source: None finds everything, nowhere.
    """

    def __init__(self, source: str | None) -> None:
        self._locator = None if source is None else Locator(source, max_distance=0)
        self._used: list[Range] = []

    def has(self, name: str) -> bool:
        """Whether the name stands in the source at all."""
        return self._locator is None or self._locator.locate(name).found

    def take(self, name: str) -> tuple[Range | None, bool]:
        """The place of a name, and whether it was free; a place once given is used."""
        if self._locator is None:
            return None, True
        place = self._locator.locate(name, used=self._used)
        free = place.found
        if not free:
            place = self._locator.locate(name)
        if not place.found:
            return None, False
        self._used.append(place.span)
        return place.span, free

    def complete(self, name: str) -> str:
        """A name with ``<unk>`` in it as the source spells it; unchanged where that fails.

        An unknown piece stands for up to twelve characters that are no blanks.

        Example:
            >>> Finder("we met Nuñez in Córdoba").complete("Nu<unk>ez")
            'Nuñez'
        """
        if self._locator is None or not 0 < name.count(_UNKNOWN) <= _MOST_LOST:
            return name
        parts = [re.escape(" ".join(part.split())) for part in name.split(_UNKNOWN)]
        pattern = rf"\s?\S{{1,{_LOST}}}?\s?".join(parts)
        found = re.search(rf"(?<!\S)\W?{pattern}(?!\w)", self._locator.text)
        return found.group().strip() if found else name


def escape(text: str, special: str) -> str:
    r"""Puts a backslash before each of the ``special`` characters and before backslashes.

    Example:
        >>> escape("a|b", "|;")
        'a\\|b'
    """
    return "".join(f"\\{char}" if char in special or char == "\\" else char for char in text)


def unescape(text: str) -> str:
    """Undoes :func:`escape`; a backslash at the very end stays."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def split_unescaped(text: str, separator: str) -> list[str]:
    r"""The parts between unescaped ``separator`` characters, escapes untouched.

    Example:
        >>> split_unescaped("a;b\\;c", ";")
        ['a', 'b\\;c']
    """
    parts, begin, place = [], 0, 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] == separator:
            parts.append(text[begin:place])
            begin = place + 1
        place += 1
    return [*parts, text[begin:]]
