"""Puts generated strings back into the text they speak about.

A model that writes its answer (``person, Kevin Love``) gives no offsets, and it mends spelling,
spacing, quotes and case as it goes. A string is looked for in three stages, each only where the
one before found nothing:

``exact``
    the same code points;
``normalised``
    the same after :func:`~magpie.text.folding.fold`; then without the quotes, brackets, ``#``,
    ``@`` and stops at its own ends;
``fuzzy``
    at most ``max_distance`` edits (Levenshtein) between the folded forms. By default one edit per
    five folded characters, so that names of up to four are never guessed, and never more than one
    per two. Digits are never edited: 2014 is not 2015.

A place must begin and end at the edge of a word (``boundaries="word"``) and never cuts a letter
from its marks, a pictograph or a flag in two. Scripts without spaces have an edge everywhere.

Cost for a text of n and a string of m code points: O(n) once a text to fold it; exact and
normalised O(n + m) as a rule and O(n m) comparisons inside ``str.find`` at worst; fuzzy exactly
n m cells, computed as m vectors, and nothing is searched fuzzily beyond n m = ``MAX_CELLS``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from magpie.errors import ConfigError
from magpie.text._approximate import Hit, approximate
from magpie.text.characters import at_word_edge, inside_character
from magpie.text.folding import Folded, fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_CELLS", "Located", "Locator", "Status", "default_distance", "locate"]

#: Characters of text times characters of the string up to which the fuzzy stage works: 12,000
#: characters of text and a string of 1,600.
MAX_CELLS = 20_000_000

#: (first, after the last) code point
Range = tuple[int, int]

# What generators and prompts put round a name; not "+", "%" or "&", which belong to names.
_WRAPPING = "'\"()[]{}<>#@.,;:!?*-\u3002\u3001\u060c\u061f"

Which = Literal["first", "unique"]
Boundaries = Literal["word", "character"]


class Status(StrEnum):
    """How a string was found, from certain to not at all."""

    EXACT = "exact"
    NORMALISED = "normalised"
    FUZZY = "fuzzy"
    AMBIGUOUS = "ambiguous"  # several places, and only a single one was wanted
    TOO_LONG = "too-long"  # neither exact nor normalised; the fuzzy stage would cost too much
    NOT_FOUND = "not-found"


@dataclass(frozen=True, slots=True)
class Located:
    """Where a string stands.

    Attributes:
        status: the stage that found it.
        start, end: half-open code points of the original text; None where ``found`` is false.
        distance: edits between the folded forms; 0 for exact and normalised places.
        occurrence: 0-based number of the place among all ``occurrences`` of its stage, in text
            order; used places and those before ``after`` count.
        occurrences: non-overlapping places that the stage found, 0 for none.
    """

    status: Status
    start: int | None = None
    end: int | None = None
    distance: int = 0
    occurrence: int = 0
    occurrences: int = 0

    @property
    def found(self) -> bool:
        """Whether there is a place."""
        return self.start is not None

    @property
    def span(self) -> Range:
        """``(start, end)``.

        Raises:
            ValueError: nothing was found.
        """
        if self.start is None or self.end is None:
            raise ValueError(f"a string that is {self.status.value} has no span")
        return self.start, self.end


def default_distance(characters: int) -> int:
    """Edits allowed in a string of so many folded characters: one in five, rounded down.

    Example:
        >>> [default_distance(length) for length in (4, 5, 9, 10)]
        [0, 1, 1, 2]
    """
    return characters // 5


def locate(
    text: str,
    string: str,
    *,
    which: Which = "first",
    after: int = 0,
    used: Collection[Range] = (),
    boundaries: Boundaries = "word",
    max_distance: int | None = None,
) -> Located:
    """The place of one string; for several of one text use a :class:`Locator`.

    Example:
        >>> locate("Kevin Love joins the U . S . team", "U.S.")
        Located(status=<Status.NORMALISED: 'normalised'>, start=21, end=28, distance=0, \
occurrence=0, occurrences=1)
        >>> locate("a pciture of Kevin Lvoe", "Kevin Love").span
        (13, 23)
        >>> locate("Paris", "Rome").status
        <Status.NOT_FOUND: 'not-found'>
    """
    locator = Locator(text, boundaries=boundaries, max_distance=max_distance)
    return locator.locate(string, which=which, after=after, used=used)


class Locator:
    """Finds strings in one text, which is folded once.

    Args:
        text: the original text.
        boundaries: ``word``: a place begins and ends at the edge of a word; ``character``: it may
            lie inside one (``ann`` in ``Hannah``), but never cuts a reader's character.
        max_distance: edits at most, by default :func:`default_distance` of the string's length;
            0 turns the fuzzy stage off.

    Raises:
        ConfigError: an option with an impossible value.
    """

    def __init__(
        self, text: str, *, boundaries: Boundaries = "word", max_distance: int | None = None
    ) -> None:
        if boundaries not in ("word", "character"):
            raise ConfigError(f"boundaries must be word or character, got {boundaries!r}")
        if max_distance is not None and max_distance < 0:
            raise ConfigError(f"max_distance must be at least 0, got {max_distance}")
        self.text = text
        self.boundaries = boundaries
        self.max_distance = max_distance
        self._exact_places: dict[str, list[Hit]] = {}  # generators say the same again and again

    @cached_property
    def folded(self) -> Folded:
        """The folded text, made on first need."""
        return fold(self.text)

    def locate(
        self,
        string: str,
        *,
        which: Which = "first",
        after: int = 0,
        used: Collection[Range] = (),
    ) -> Located:
        """The first place of the first stage that has one.

        Args:
            string: what was generated; white space round it does not count.
            which: ``first``: the leftmost of several places (in the fuzzy stage the leftmost of
                those with the fewest edits); ``unique``: several are ``ambiguous``, with no span.
            after: only places that begin at or after it.
            used: only places that share no character with any of these.

        Raises:
            ConfigError: ``which`` is another word.
        """
        if which not in ("first", "unique"):
            raise ConfigError(f"which must be first or unique, got {which!r}")
        return self._search(string, which, after, self._mask(used), Status.FUZZY)

    def locate_all(self, string: str, *, used: Collection[Range] = ()) -> list[Located]:
        """Every place of the first stage that has one, in text order; they do not overlap.

        Example:
            >>> [place.span for place in Locator("Ann met ann, not Hannah").locate_all("ann")]
            [(8, 11)]
        """
        mask = self._mask(used)
        for status, places in self._stages(string, 0, mask):
            free = [number for number, place in enumerate(places) if _is_free(place, 0, mask)]
            if free:
                return [_located(status, places, number) for number in free]
        return []

    def locate_each(
        self, strings: Sequence[str], *, in_order: bool = False, used: Collection[Range] = ()
    ) -> list[Located]:
        """One place a string, no two of which overlap; what was written twice is found twice.

        Exact places are given out first, then normalised ones, so that a guess never takes what
        another string names letter by letter.

        Args:
            strings: as generated.
            in_order: the generator follows the text: prefer the first place behind the string
                before; a string with none there is looked for in the whole text.
            used: only places that share no character with any of these.

        Example:
            >>> places = Locator("Ann met Ann in Rome").locate_each(["Ann", "Rome", "Ann", "Ann"])
            >>> [place.span if place.found else place.status.value for place in places]
            [(0, 3), (15, 19), (8, 11), 'not-found']
        """
        results = [Located(Status.NOT_FOUND)] * len(strings)
        mask = self._mask(used)
        for last in (Status.EXACT, Status.NORMALISED, Status.FUZZY):
            after = 0
            for index, string in enumerate(strings):
                if not results[index].found:
                    place = self._search(string, "first", after, mask, last)
                    if after and not place.found:
                        place = self._search(string, "first", 0, mask, last)
                    results[index] = place
                    if place.found:
                        start, end = place.span
                        mask[start:end] = b"\1" * (end - start)
                if in_order and results[index].found:
                    after = results[index].span[1]
        return results

    def _search(
        self, string: str, which: Which, after: int, mask: bytearray, last: Status
    ) -> Located:
        """As :meth:`locate`, up to the stage ``last``."""
        nothing = Status.NOT_FOUND
        for status, places in self._stages(string, after, mask):
            if status is Status.TOO_LONG:
                nothing = status
            free = [number for number, place in enumerate(places) if _is_free(place, after, mask)]
            if which == "unique" and len(free) > 1:
                return Located(Status.AMBIGUOUS, occurrences=len(places))
            if free:
                return _located(status, places, min(free, key=lambda i: (places[i].distance, i)))
            if status is last:
                break
        return Located(nothing)

    def _stages(
        self, string: str, after: int, mask: bytearray
    ) -> Iterator[tuple[Status, list[Hit]]]:
        """The places of one stage after the other, each in text order."""
        string = string.strip()
        if not string:
            return
        if string not in self._exact_places:
            self._exact_places[string] = list(self._exact(string))
        yield Status.EXACT, self._exact_places[string]
        wanted = fold(string).text
        bare = wanted.strip(_WRAPPING)
        yield (
            Status.NORMALISED,
            list(self._normalised(wanted)) or list(self._normalised(bare)),
        )
        count = len(self.folded.text)
        limit = default_distance(len(bare)) if self.max_distance is None else self.max_distance
        limit = min(limit, len(bare) // 2)
        if limit and len(bare) - limit <= count:
            if len(bare) * count > MAX_CELLS:
                yield Status.TOO_LONG, []
            else:
                yield Status.FUZZY, self._fuzzy(bare, limit, after, mask)

    def _exact(self, string: str) -> Iterator[Hit]:
        start = self.text.find(string)
        while start >= 0:
            end = start + len(string)
            fits = self._is_edge(start) and self._is_edge(end)
            if fits:
                yield Hit(start, end, 0)
            start = self.text.find(string, end if fits else start + 1)

    def _normalised(self, form: str) -> Iterator[Hit]:
        start = self.folded.text.find(form) if form else -1
        while start >= 0:
            end = start + len(form)
            span = self.folded.span(start, end)
            fits = span is not None and self._is_edge(span[0]) and self._is_edge(span[1])
            if span is not None and fits:
                yield Hit(*span, 0)
            start = self.folded.text.find(form, end if fits else start + 1)

    def _fuzzy(self, form: str, limit: int, after: int, mask: bytearray) -> list[Hit]:
        """Non-overlapping places in text order; of overlapping ones the one with fewer edits."""
        import numpy as np

        folded = self.folded
        starts, begins, ends = self._edges
        hits = approximate(
            folded.text,
            form,
            limit,
            begins=begins & (starts >= after),
            ends=ends,
            barred=np.frombuffer(mask, dtype=np.uint8)[starts].astype(bool),
        )
        kept: list[Hit] = []
        covered = bytearray(len(folded.text))

        def rank(hit: Hit) -> tuple[int, int, int]:
            """Of one beginning, the length nearest to the string's."""
            return hit.distance, hit.start, abs(hit.end - hit.start - len(form))

        for hit in sorted(hits, key=rank):
            if 1 not in covered[hit.start : hit.end]:
                covered[hit.start : hit.end] = b"\1" * (hit.end - hit.start)
                span = folded.starts[hit.start], folded.ends[hit.end - 1]
                kept.append(Hit(*span, hit.distance))
        return sorted(kept)

    @cached_property
    def _edges(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Original starts of the folded characters, and where a fuzzy place may begin and end."""
        import numpy as np

        folded, count = self.folded, len(self.folded.text)
        whole = [i == 0 or folded.starts[i] != folded.starts[i - 1] for i in range(count)]
        solid = [char != " " for char in folded.text]
        begins = np.zeros(count, dtype=bool)
        ends = np.zeros(count + 1, dtype=bool)
        for i in range(count):
            begins[i] = solid[i] and whole[i] and self._is_edge(folded.starts[i])
            last = i + 1 == count or whole[i + 1]
            ends[i + 1] = solid[i] and last and self._is_edge(folded.ends[i])
        return np.array(folded.starts, dtype=np.int64), begins, ends

    def _is_edge(self, position: int) -> bool:
        if self.boundaries == "word":
            return at_word_edge(self.text, position)
        return not inside_character(self.text, position)

    def _mask(self, used: Collection[Range]) -> bytearray:
        """One byte a character of the text, 1 where it is used."""
        mask = bytearray(len(self.text))
        for start, end in used:
            first, last = max(0, start), min(end, len(mask))
            if first < last:
                mask[first:last] = b"\1" * (last - first)
        return mask


def _is_free(place: Hit, after: int, mask: bytearray) -> bool:
    return place.start >= after and 1 not in mask[place.start : place.end]


def _located(status: Status, places: list[Hit], number: int) -> Located:
    start, end, distance = places[number]
    return Located(status, start, end, distance, number, len(places))
