"""G6, the span list of MQA's first stage: names parted by commas, or a word for none.

Names come back in the spelling of the output; :func:`occurrences` leads to the places of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from magpie.methods.generation.names import Finder
from magpie.methods.generation.result import Diagnostics, ParseResult, Target, cut, writable
from magpie.text.locate import Locator

__all__ = ["encode", "occurrences", "parse"]

_NONE = ("none", "no entity", "n/a")


def encode(
    names: Sequence[str],
    *,
    source: str | None = None,
    limit: int | None = None,
    measure: Callable[[str], int] = len,
    drop: bool = False,
) -> Target[str]:
    """The list, "none" where it is empty; options as in
    :mod:`magpie.methods.generation.sentences`.

    Raises:
        UnencodableTarget: a name with a comma, one that another holds, or that means none.
    """
    dropped = Diagnostics()
    said: list[str] = []

    def check(name: str) -> str | None:
        back = parse(write([*said, name]), source)
        if back.diagnostics or back.items != (*said, name):
            return ", ".join(back.diagnostics) or "it reads back differently"
        said.append(name)
        return None

    def write(some: Sequence[str]) -> str:
        return ", ".join(some) or _NONE[0]

    kept = writable(names, check, grammar="span list", drop=drop, dropped=dropped)
    fitting = cut(kept, write, limit=limit, measure=measure, dropped=dropped)
    return Target(items=fitting, text=write(fitting), dropped=dropped)


def parse(text: str, source: str | None = None) -> ParseResult[str]:
    """The names of an output that stand in ``source``, without those inside a longer one."""
    diagnostics = Diagnostics()
    finder = Finder(source)
    parts = [part.strip() for part in text.split(",")]
    parts = [part for part in parts if part]
    if not parts and text.strip():
        diagnostics.note("unparsable", 0, text)
    if text.strip().casefold().rstrip(".") in _NONE:
        return ParseResult((), diagnostics, text)
    there: list[str] = []
    for part in parts:
        if finder.has(part):
            there.append(part)
        else:
            diagnostics.note("span_not_in_text", text.index(part), part)
    kept: list[str] = []
    folded = [name.casefold() for name in there]
    # The longest first, so that one look at what is kept suffices; of equals the first stays.
    order = sorted(range(len(there)), key=lambda place: -len(folded[place]))
    whole = "\n"
    chosen = set()
    for place in order:
        if folded[place] in whole:
            diagnostics.note("subsumed", 0, there[place])
        else:
            whole += f"{folded[place]}\n"
            chosen.add(place)
    kept = [there[place] for place in sorted(chosen)]
    return ParseResult(tuple(kept), diagnostics, text)


def occurrences(
    names: Sequence[str], source: str, *, words: bool = True
) -> list[tuple[int, int, str]]:
    """Every place of every name, in text order: (start, end, name).

    Args:
        names: of :func:`parse`.
        source: the text.
        words: only whole words; without, as in the release, ``ann`` is also found in "Hannah".

    Example:
        >>> [place[:2] for place in occurrences(["ann"], "Hannah Ann")]
        [(7, 10)]
        >>> [place[:2] for place in occurrences(["ann"], "Hannah Ann", words=False)]
        [(1, 4), (7, 10)]
    """
    locator = Locator(source, boundaries="word" if words else "character", max_distance=0)
    found = []
    for name in names:
        places = [place.span for place in locator.locate_all(name)]
        # An exact place hides those in another case: look for the folded form as well.
        places += [place.span for place in locator.locate_all(name, used=places)]
        found += [(start, end, name) for start, end in places]
    return sorted(found)
