"""Dependency trees as values, and the edges of a text that has several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magpie.errors import FormatError

__all__ = ["Sentence", "dependency_edges"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and its tree.

    ``heads[i]`` is the number of word i's head, counted from the sentence's first word; a root is
    its own head. ``relations`` are dependency labels (Universal Dependencies, or those of spaCy's
    English pipelines), ``tags`` coarse parts of speech (``NOUN``, ``VERB`` ...), empty where they
    are not known; so are ``lemmas``, in place of which the words are read.

    Raises:
        FormatError: not one of each a word, or a head outside the sentence.
    """

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]
    tags: tuple[str, ...] = ()
    lemmas: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.words)
        rows = (self.heads, self.relations, self.tags or self.words, self.lemmas or self.words)
        if any(len(row) != count for row in rows):
            raise FormatError(
                f"expected a head, a relation, a tag and a lemma for each of {count} words, came "
                f"{', '.join(str(len(row)) for row in rows)}"
            )
        if any(not 0 <= head < count for head in self.heads):
            raise FormatError(f"a head is outside its sentence of {count} words: {self.heads}")

    def tag(self, word: int) -> str:
        """The part of speech; empty where none is known."""
        return self.tags[word] if self.tags else ""

    def lemma(self, word: int) -> str:
        """The lemma, else the word in small letters."""
        return (self.lemmas[word] if self.lemmas else self.words[word]).lower()


def dependency_edges(sentences: Sequence[Sentence]) -> list[tuple[int, int]]:
    """(head, dependent) of all sentences, words counted on through the text; roots have none.

    Example:
        >>> one = Sentence(("stay", "home"), (0, 0), ("ROOT", "advmod"))
        >>> dependency_edges([one, one])
        [(0, 1), (2, 3)]
    """
    edges = []
    begin = 0
    for sentence in sentences:
        edges += [
            (begin + head, begin + word) for word, head in enumerate(sentence.heads) if head != word
        ]
        begin += len(sentence.words)
    return edges
