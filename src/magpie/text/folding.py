"""Text without the differences that do not matter, with the way back to every original character.

:func:`fold` makes one form of spellings that a generator, a tokeniser or a keyboard mixes up:

- case and compatibility forms (Unicode NFKC and case folding: ``ﬁ`` and ``fi``, ``ß`` and ``ss``,
  full-width and half-width letters, composed and decomposed accents; ``İ`` counts as ``i``);
- apostrophes, quotes and dashes of all shapes;
- white space: one space between words, none next to punctuation, pictographs or characters of
  scripts without spaces, so that ``U . S .`` is ``U.S.``, ``# NBA`` is ``#NBA`` and ``don ' t`` is
  ``don't``;
- invisible characters: direction marks, joiners, variation selectors, soft hyphens.

Accents stay, for they tell names apart. Folding changes lengths in both directions; each folded
character remembers which original characters it stands for.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

from magpie.text.characters import inside_character, is_unspaced, is_word

__all__ = ["Folded", "fold"]

_SHAPES = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2035`\u00b4\u02bc\u2039\u203a", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u300c\u300d", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d", "-"),
    }
)


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; character ``i`` stands for original ``starts[i]`` up to ``ends[i]``."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, first: int, last: int) -> tuple[int, int] | None:
        """The original characters of folded ``first`` up to but excluding ``last``.

        None where the folded range begins or ends inside what stands for one original character
        (the ``i`` of an ``ﬁ``).
        """
        if first > 0 and self.starts[first] == self.starts[first - 1]:
            return None
        if last < len(self.text) and self.starts[last] == self.starts[last - 1]:
            return None
        return self.starts[first], self.ends[last - 1]


def fold(text: str) -> Folded:
    """Folds a text of any length. O(characters); a space at either end goes.

    Example:
        >>> folded = fold("The “U . S .” ﬁnal")
        >>> folded.text
        'the"u.s."final'
        >>> folded.span(4, 8), folded.span(9, 14), folded.span(10, 14)
        ((5, 12), (14, 18), None)
    """
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    space: tuple[int, int] | None = None  # white space since the last character
    position, length = 0, len(text)
    while position < length:
        start = position
        position += 1
        while position < length and inside_character(text, position):
            position += 1
        piece = text[start:position]
        if piece.isspace():
            space = (space[0] if space else start, position)
            continue
        folded = _fold_piece(piece)
        if not folded:
            continue
        if space and characters and _parts_words(characters[-1], folded[0]):
            characters.append(" ")
            starts.append(space[0])
            ends.append(space[1])
        space = None
        characters.extend(folded)
        starts.extend([start] * len(folded))
        ends.extend([position] * len(folded))
    return Folded("".join(characters), tuple(starts), tuple(ends))


def _parts_words(before: str, after: str) -> bool:
    """Whether a space between the two means something."""
    if not is_word(before) or not is_word(after):
        return False
    return not is_unspaced(before) and not is_unspaced(after)


@functools.lru_cache(maxsize=16384)
def _fold_piece(piece: str) -> str:
    """One reader's character in folded form; empty when it is invisible."""
    shaped = unicodedata.normalize("NFKC", piece.translate(_SHAPES)).casefold()
    # Folding may leave composed what it lower-cased apart, and the other way round.
    shaped = unicodedata.normalize("NFKC", shaped).translate(_SHAPES)
    shaped = shaped.replace("i\u0307", "i")
    return "".join(char for char in shaped if not _is_invisible(char))


def _is_invisible(character: str) -> bool:
    """Format characters, variation selectors and what NFKC made white space of (U+00A8)."""
    return (
        unicodedata.category(character) in ("Cf", "Cc", "Zs")
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )
