"""G7 and G9, answers of one word: an option letter, yes or no, one of several options."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from magpie.errors import ConfigError
from magpie.methods.generation.result import Diagnostics, ParseResult

__all__ = ["OptionLetters", "option_letters", "parse_option", "parse_visible"]

_BRACKETED = re.compile(r"\(([A-Za-z])\)")
_LEADING = re.compile(r"(?:(?:answer|option)\s*:?\s*)?([A-Za-z])(?=$|[^\w\s])", re.IGNORECASE)
#: what the release strips once from either end, and its two patterns
_RELEASE_ENDS = ",.!?;:'"
_ALONE = re.compile(r"(?<!\S)([A-Z])(?!\S)")


def option_letters(count: int) -> str:
    """The letters of ``count`` options.

    Raises:
        ConfigError: none, or more than the alphabet has.
    """
    if not 0 < count <= 26:
        raise ConfigError(f"questions have 1 to 26 options, got {count}")
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:count]


@dataclass(frozen=True)
class OptionLetters:
    """Reads the option letter of an answer (G7).

    Which letter means "none of these" depends on the question (the last in most of MQA's, the
    first in that about triggers), so :meth:`parse` is told.

    Args:
        fallback: what a missing or ambiguous letter becomes: ``nota``, or ``random`` as in the
            release.
        last_letter: as released: the last of several letters counts, a letter may stand alone
            anywhere, and a long answer is searched for an option's text.
        content_match: an answer of more than five words without a letter is searched for the text
            of an option; one must be found, not several.
        lowercase_letters: ``b`` is ``B``.
        seed: of ``random``.
    """

    fallback: Literal["nota", "random"] = "nota"
    last_letter: bool = False
    content_match: bool = False
    lowercase_letters: bool = False
    seed: int = 0

    def parse(self, text: str, options: Sequence[str], nota: str) -> ParseResult[str]:
        """One letter, always; diagnostics say where the answer had none.

        Args:
            text: an answer.
            options: the texts of the options, in order.
            nota: the letter that means none of them.

        Raises:
            ConfigError: no options, or ``nota`` is none of their letters.
        """
        letters = option_letters(len(options))
        if nota not in letters or len(nota) != 1:
            raise ConfigError(f"nota must be one of {letters}, got {nota!r}")
        diagnostics = Diagnostics()
        letter, code = (
            self._released(text, letters) if self.last_letter else self._one(text, letters)
        )
        wants = self.content_match or self.last_letter
        if letter is None and wants and len(text.split()) > 5:
            letter = self._content(text, options, letters)
        if letter is None:
            diagnostics.note(code, 0, text)
            # Seeded by the answer, so that the order of questions does not matter.
            draw = random.Random(f"{self.seed} {text}")
            letter = nota if self.fallback == "nota" else draw.choice(letters)
        return ParseResult((letter,), diagnostics, text)

    def _one(self, text: str, letters: str) -> tuple[str | None, str]:
        found = dict.fromkeys(self._known(_BRACKETED.findall(text), letters))
        if len(found) > 1:
            return None, "ambiguous_letter"
        if not found:
            leading = _LEADING.match(text.strip())
            found = dict.fromkeys(self._known([leading.group(1)] if leading else [], letters))
        return next(iter(found), None), "no_option_letter"

    def _released(self, text: str, letters: str) -> tuple[str | None, str]:
        own = text.strip()
        own = own[1:] if own[:1] and own[0] in _RELEASE_ENDS else own
        own = own[:-1] if own[-1:] and own[-1] in _RELEASE_ENDS else own
        found = self._known(_BRACKETED.findall(own), letters)
        found = found or self._known(_ALONE.findall(own), letters)
        return (found[-1] if found else None), "no_option_letter"

    def _content(self, text: str, options: Sequence[str], letters: str) -> str | None:
        folded = text.casefold()
        found = [
            letter
            for letter, option in zip(letters, options, strict=True)
            if option.strip() and option.strip().casefold() in folded
        ]
        return found[0] if len(found) == 1 else None

    def _known(self, found: Sequence[str], letters: str) -> list[str]:
        raised = [letter.upper() if self.lowercase_letters else letter for letter in found]
        return [letter for letter in raised if letter in letters]


def parse_visible(text: str) -> ParseResult[bool]:
    """Whether an entity shows (G9, entailment of RiVEG): yes or maybe; unknown answers are no.

    Example:
        >>> parse_visible(" Yes. ").items, dict(parse_visible("who knows").diagnostics)
        ((True,), {'unknown_answer': 1})
    """
    diagnostics = Diagnostics()
    word = _word(text)
    if word not in ("yes", "maybe", "no"):
        diagnostics.note("unknown_answer", 0, text)
    return ParseResult((word in ("yes", "maybe"),), diagnostics, text)


def parse_option(text: str, options: Sequence[str], otherwise: str) -> ParseResult[str]:
    """One of the options (G9, re-ranker of GEM): as written, or the only one in the answer.

    Args:
        text: an answer.
        options: the texts it may give.
        otherwise: what stays where it gives none.
    """
    diagnostics = Diagnostics()
    word = _word(text)
    exact = [option for option in options if _word(option) == word]
    inside = [option for option in options if _word(option) and _mentions(word, _word(option))]
    found = exact[:1] or (inside if len(inside) == 1 else [])
    if not found:
        diagnostics.note("unknown_answer", 0, text)
    return ParseResult((found[0] if found else otherwise,), diagnostics, text)


def _word(text: str) -> str:
    return text.strip().casefold().rstrip(".!?,;:").strip()


def _mentions(text: str, option: str) -> bool:
    """Whether the option stands in the text as whole words."""
    return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", text) is not None
