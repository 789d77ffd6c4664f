"""How much of a mention stands in a text that was read off a picture or said about it.

Compared token by token after folding case, accents and what OCR confuses (0 and o, 1 and l,
5 and s ...); hashtags and handles are split at their capitals, so that ``#TheSpaceSeries`` meets
``SPACE SERIES``.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from magpie.engine.grounding.geometry import Corners, area, gap, union
from magpie.engine.grounding.ocr import TextLine

__all__ = ["Lettering", "fold", "mention_tokens", "read_mention", "text_similarity"]

#: Characters that OCR takes for one another, mapped to one of them.
_CONFUSED = str.maketrans({"0": "o", "1": "l", "|": "l", "i": "l", "5": "s", "8": "b", "2": "z"})

#: Words that say nothing by themselves: "The" in "The Hague" must not match every "the".
_EMPTY_WORDS = "a an and at by de for in la le of on or the to"
_EMPTY = frozenset(_EMPTY_WORDS.split())

_WORD = re.compile(r"\w+", re.UNICODE)
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])")

#: Tokens shorter than this must agree exactly, longer ones up to this ratio.
_FUZZY_LENGTH = 5
_FUZZY_RATIO = 0.8


@functools.lru_cache(maxsize=4096)
def fold(token: str) -> str:
    """A token without case, accents and the differences that OCR does not see."""
    decomposed = unicodedata.normalize("NFKD", token)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return bare.casefold().translate(_CONFUSED)


def _words(text: str) -> list[tuple[str, int, int]]:
    """(folded token, start, end) of each word, underscores counting as spaces."""
    return [
        (fold(match.group()), match.start(), match.end())
        for match in _WORD.finditer(text.replace("_", " "))
    ]


def mention_tokens(mention: str) -> list[str]:
    """The telling tokens of a mention, folded; hashtags split at capitals and digits."""
    parts: list[str] = []
    for match in _WORD.finditer(mention.replace("_", " ")):
        parts += [part for part in _CAPITAL.split(match.group()) if part]
    telling = [part for part in parts if part.casefold() not in _EMPTY]
    return [fold(part) for part in telling or parts]


@functools.lru_cache(maxsize=65536)
def _alike(a: str, b: str) -> float:
    """1 for equal tokens, the ratio of nearly equal long ones, else 0."""
    if a == b:
        return 1.0
    if min(len(a), len(b)) < _FUZZY_LENGTH:
        return 0.0
    ratio = difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()
    return ratio if ratio >= _FUZZY_RATIO else 0.0


@dataclass(frozen=True, slots=True)
class Lettering:
    """Where a mention was read.

    Args:
        similarity: how much of the mention, in [0, 1].
        box: around the words.
        text: the words as they stand.
        purity: share of the lines' characters that these words are; 1 for a title or logo, little
            for a name in running text.
        height: of the smallest of the words, in pixels.
    """

    similarity: float
    box: Corners
    text: str
    purity: float
    height: float


@dataclass(frozen=True, slots=True)
class _Hit:
    """One word of a line and the tokens of the mention that it covers, with their quality."""

    line: int
    start: int
    end: int
    covered: tuple[tuple[int, float], ...]
    box: Corners


def read_mention(mention: str, lines: Sequence[TextLine]) -> Lettering | None:
    """The place where most of a mention is read, over neighbouring lines if need be.

    Returns:
        None when nothing of the mention is read. The result does not depend on the order of
        ``lines``.
    """
    tokens = mention_tokens(mention)
    if not tokens:
        return None
    hits = [hit for index, line in enumerate(lines) for hit in _hits(tokens, index, line)]
    best: tuple[float, float, Corners, list[_Hit]] | None = None
    for seed in hits:
        group = _grow(seed, hits)
        quality = _coverage(tokens, group)
        box = union(hit.box for hit in group)
        # Of equally good places the larger lettering, then the upper left one.
        rank = (quality, area(box) / len(group), (-box[1], -box[0], -box[3], -box[2]))
        if best is None or rank > (best[0], best[1], best[2]):
            best = (*rank, group)
    if best is None:
        return None
    group = sorted(best[3], key=lambda hit: (hit.box[1], hit.box[0]))
    text = " ".join(lines[hit.line].text[hit.start : hit.end] for hit in group)
    lines_used = {hit.line for hit in group}
    written = sum(len(word) for i in lines_used for word, _, _ in _words(lines[i].text))
    return Lettering(
        similarity=best[0],
        box=union(hit.box for hit in group),
        text=text,
        purity=sum(hit.end - hit.start for hit in group) / written,
        height=min(hit.box[3] - hit.box[1] for hit in group),
    )


def _hits(tokens: list[str], index: int, line: TextLine) -> list[_Hit]:
    hits: list[_Hit] = []
    for word, start, end in _words(line.text):
        covered = [(i, _alike(token, word)) for i, token in enumerate(tokens)]
        covered = [(i, quality) for i, quality in covered if quality > 0]
        if not covered and len(word) >= _FUZZY_LENGTH:
            # Lettering without gaps: "GRANBLUEFANTASY" holds both tokens of the mention.
            joined = _alike("".join(tokens), word)
            covered = [(i, joined) for i in range(len(tokens))] if joined else []
            covered = covered or [
                (i, 0.9) for i, token in enumerate(tokens) if len(token) >= 5 and token in word
            ]
        if covered:
            hits.append(_Hit(index, start, end, tuple(covered), line.part(start, end)))
    return hits


def _grow(seed: _Hit, hits: Sequence[_Hit]) -> list[_Hit]:
    """The seed and the nearest words that cover what is still missing, each close to the rest."""
    group = [seed]
    covered = {i for i, _ in seed.covered}
    while True:
        box = union(hit.box for hit in group)
        reach = 1.5 * max(hit.box[3] - hit.box[1] for hit in group)
        near = [
            (gap(box, hit.box), hit.box, hit)
            for hit in hits
            if not covered.issuperset(i for i, _ in hit.covered) and gap(box, hit.box) <= reach
        ]
        if not near:
            return group
        chosen = min(near, key=lambda item: item[:2])[2]
        group.append(chosen)
        covered.update(i for i, _ in chosen.covered)


def _coverage(tokens: list[str], group: Sequence[_Hit]) -> float:
    """Share of the mention's characters that are covered, weighted by how well."""
    quality = dict.fromkeys(range(len(tokens)), 0.0)
    for hit in group:
        for i, value in hit.covered:
            quality[i] = max(quality[i], value)
    total = sum(len(token) for token in tokens)
    return sum(len(token) * quality[i] for i, token in enumerate(tokens)) / total


def text_similarity(mention: str, text: str) -> float:
    """Share of a mention that stands anywhere in a text, in [0, 1]."""
    tokens = mention_tokens(mention)
    words = [word for word, _, _ in _words(text)]
    if not tokens or not words:
        return 0.0
    total = sum(len(token) for token in tokens)
    return sum(len(token) * max(_alike(token, word) for word in words) for token in tokens) / total
