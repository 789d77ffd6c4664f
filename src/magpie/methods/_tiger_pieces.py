"""Text to pieces and back for TIGER's sentences, with whatever tokenizer the generator has.

T5's own tokenizer returns sentences as they were; one that lower-cases or sets blanks round
punctuation returns other words for the separator and for types such as ``sports_team``. Those
words are known, so they are put right before a sentence is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerFast

__all__ = ["Spelling"]

Range = tuple[int, int]


class Spelling:
    """Pieces of texts and words, each behind a blank, without special ones.

    Args:
        tokenizer: a fast one.
        separator: stands between sentences.
        types: stand behind "is a" and "and a".
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, separator: str, types: Iterable[str]
    ) -> None:
        self.tokenizer = tokenizer
        self._mends: list[tuple[re.Pattern[str], str]] = []
        if (written := self._written(separator)) != separator:
            self._mends.append((re.compile(re.escape(written)), separator))
        for kind in sorted(set(types), key=len, reverse=True):
            if (written := self._written(kind)) != kind:
                pattern = rf"(?<=(?:is|nd) a ){re.escape(written)}(?!\w)"
                self._mends.append((re.compile(pattern), kind))

    def _written(self, text: str) -> str:
        return str(self.tokenizer.decode(self.ids(text), skip_special_tokens=True)).strip()

    def ids(self, text: str) -> list[int]:
        """Pieces of a text; none of an empty one."""
        return self.placed(text)[0]

    def placed(self, text: str) -> tuple[list[int], list[Range]]:
        """Pieces of a text, and the characters of it that each stands for."""
        if not text:
            return [], []
        found = self._cut(f" {text}", return_offsets_mapping=True)
        places = [(max(0, a - 1), max(0, b - 1)) for a, b in found["offset_mapping"]]
        return list(found["input_ids"]), places

    def words(self, words: Sequence[str]) -> list[list[int]]:
        """Pieces of every word."""
        return list(self._cut([f" {word}" for word in words])["input_ids"]) if words else []

    def read(self, ids: Sequence[int]) -> str:
        """The text of pieces, special ones left out."""
        text = str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        for pattern, spelled in self._mends:
            text = pattern.sub(spelled.replace("\\", r"\\"), text)
        return text

    def _cut(self, text: str | list[str], **options: bool) -> Any:
        # A special piece's name inside a text is text like any other.
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, **options)
