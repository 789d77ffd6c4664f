"""The grammars as stages for constrained decoding: what a walk may write, piece by piece.

Names are copied from the source in whole words whose pieces decode to the word itself, but for case
and blanks that the tokenizer loses and parsers do not ask for, so that a constrained output reads
back without a single malformed count.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import cast

from magpie.errors import ConfigError
from magpie.methods.generation.answers import option_letters
from magpie.methods.generation.sentences import SentenceGrammar, SentenceItem
from magpie.methods.generation.tries import Stage, Trie, Words
from magpie.text.characters import at_word_edge
from magpie.text.locate import Locator

__all__ = ["BoxPlan", "ChoicePlan", "Pieces", "SentencePlan", "SentencePlans", "Source"]

#: text -> pieces without special ones; a text stands behind a blank
Pieces = Callable[[str], list[int]]
#: pieces -> text
Decode = Callable[[list[int]], str]


@dataclass(frozen=True)
class Source:
    """The words that names may be copied from, with their pieces.

    A word whose pieces do not say it (an unknown piece for an emoji) has none.
    """

    words: tuple[str, ...]
    pieces: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, words: Sequence[str], pieces: Pieces, decode: Decode) -> Source:
        """The source of words joined with blanks."""
        text = " ".join(words)
        found: list[tuple[int, ...]] = []
        place = 0
        for word in words:
            end = place + len(word)
            own = pieces(word)
            whole = word == word.strip() and at_word_edge(text, place) and at_word_edge(text, end)
            found.append(tuple(own) if whole and word and _says(decode(own), word) else ())
            place = end + 1
        return cls(tuple(words), tuple(found))


def _says(written: str, word: str) -> bool:
    """Whether a parser takes what was written for the word, and for the whole of it."""
    written = written.strip()
    if written == word:
        return True
    place = Locator(word, max_distance=0).locate(written) if written else None
    return place is not None and place.found and place.span == (0, len(word))


class SentencePlans:
    """G2 for one tokenizer: the tries that all outputs share.

    Args:
        grammar: whose sentences are written.
        pieces: of the tokenizer.
        longest: words of a name at most.
    """

    def __init__(self, grammar: SentenceGrammar, pieces: Pieces, *, longest: int = 12) -> None:
        self.grammar, self.longest = grammar, longest
        mark = "x"
        sentences = {
            grammar.sentence(SentenceItem(name=mark, type=kind, visible=visible))
            for kind in grammar.parents
            for visible in ((True, False) if grammar.image else (None,))
        }
        self.template = Trie.of(
            (pieces(sentence[len(mark) :].strip()), "sentence") for sentence in sorted(sentences)
        )
        self.separator = Trie.of([(pieces("[SSEP]"), "separator")])

    def plan(self, source: Source) -> SentencePlan:
        """The plan of an output about ``source``."""
        return SentencePlan(self, source)


class SentencePlan:
    """One output of G2: name, template, and perhaps a separator and the next name."""

    def __init__(self, shared: SentencePlans, source: Source) -> None:
        self._shared = shared
        self._words = Words(
            source.words, source.pieces, fits=shared.grammar.holds, longest=shared.longest
        )

    def begin(self) -> tuple[list[Stage], bool]:
        return self._name(()), True

    def after(self, stage: Stage, meaning: Hashable) -> tuple[list[Stage], bool]:
        shared = self._shared
        if stage.name == "name":
            used = (*stage.memory, meaning)
            return [Stage(shared.template, "template", used, 1)], False
        if stage.name == "template":
            named = self._name(stage.memory)
            more = [
                Stage(shared.separator, "separator", stage.memory, each.node.rest + each.tail)
                for each in named
            ]
            return more, True
        return self._name(stage.memory), False

    def _name(self, used: tuple[Hashable, ...]) -> list[Stage]:
        """The stage of a name that was not said before; none where there is none left."""
        node = self._words.root(used)
        if not node.following:
            return []
        return [Stage(node, "name", used, self._shared.template.rest + 1)]


class ChoicePlan:
    """One of a few outputs: the letter of an option, the relation between two given names.

    Args:
        outputs: the texts.
        pieces: of the tokenizer.

    Raises:
        ConfigError: no output.
    """

    def __init__(self, outputs: Sequence[str], pieces: Pieces) -> None:
        self._trie = Trie.of((pieces(output), output) for output in outputs)
        if not self._trie.following:
            raise ConfigError("a choice needs at least one output with pieces")

    @classmethod
    def letters(cls, options: int, pieces: Pieces) -> ChoicePlan:
        """The letters of a question with so many options (G7), in brackets."""
        return cls([f"({letter})" for letter in option_letters(options)], pieces)

    def begin(self) -> tuple[list[Stage], bool]:
        return [Stage(self._trie, "choice")], False

    def after(self, stage: Stage, meaning: Hashable) -> tuple[list[Stage], bool]:
        return [], True


class BoxPlan:
    """Four bins of a box that has an area (G10).

    Args:
        bins: the piece of each bin, in order.
    """

    def __init__(self, bins: Sequence[int]) -> None:
        self._leaves = [(piece, Trie(ends=[number], rest=0)) for number, piece in enumerate(bins)]

    def begin(self) -> tuple[list[Stage], bool]:
        return [self._bins((), 0, len(self._leaves) - 1)], False

    def after(self, stage: Stage, meaning: Hashable) -> tuple[list[Stage], bool]:
        said: tuple[int, ...] = (*stage.memory, cast(int, meaning))
        if len(said) == 4:
            return [], True
        if len(said) == 1:
            return [self._bins(said, 0, len(self._leaves) - 1)], False
        return [self._bins(said, said[len(said) - 2] + 1, len(self._leaves))], False

    def _bins(self, said: tuple[int, ...], first: int, behind: int) -> Stage:
        return Stage(Trie(dict(self._leaves[first:behind]), rest=1), "bin", said, 4 - len(said))
