"""G2, the sentence sequence of TIGER: one English sentence an entity.

``E is a C and a F, which is in the image [SSEP] E is a C and a F, which is not in the image``.
``[SSEP]`` is plain text and the article always "a". The coarse type follows from the fine one.
Without ``coarse`` the part "C and a" is missing, without ``image`` the clause behind the comma.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from magpie.errors import ConfigError
from magpie.methods.generation.phrases import pieces_of
from magpie.methods.generation.result import Diagnostics, ParseResult, Target, cut, writable
from magpie.text.locate import Locator

__all__ = ["SentenceGrammar", "SentenceItem"]

_SEPARATOR = "[SSEP]"
_SEEN = "in the image"
_UNSEEN = "not in the image"
_IS, _AND, _WHICH = " is a ", " and a ", ", which"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceItem:
    """One entity.

    Attributes:
        name: its words as written.
        type: its fine type.
        coarse: the parent of ``type``; None in the grammar without coarse types.
        visible: what the clause says; None in the grammar without it.
        span: characters of the source, half-open; None where no source was given.
        phrase: characters of the output that say "in the image"; empty where they do not.
        pieces: the pieces of these characters; empty without the output's offsets.
    """

    name: str
    type: str
    coarse: str | None = None
    visible: bool | None = None
    span: tuple[int, int] | None = field(default=None, compare=False)
    phrase: tuple[int, int] = field(default=(0, 0), compare=False)
    pieces: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class SentenceGrammar:
    """Writes and reads sentence sequences.

    Args:
        parents: fine type -> coarse type; the fine types are its keys.
        coarse: whether sentences name the coarse type.
        image: whether they end in the clause about the image.
        keep_repeats: a name that stands several times in the source may be said as often. By
            default, as in the scorers of the release, only its first sentence counts.

    Raises:
        ConfigError: no type, or one that no sentence can hold.
    """

    parents: Mapping[str, str]
    coarse: bool = True
    image: bool = True
    keep_repeats: bool = False

    def __post_init__(self) -> None:
        marks = (_IS, _AND, _WHICH, _SEPARATOR)
        for label in (*self.parents, *self.parents.values()):
            padded = f" {label} "
            if label != label.strip() or not label or any(mark in padded for mark in marks):
                raise ConfigError(f"type {label!r} cannot stand in a sentence of this grammar")
        if not self.parents:
            raise ConfigError("the grammar needs at least one fine type")

    def sentence(self, item: SentenceItem) -> str:
        """The sentence of one entity; its coarse type is computed, not read."""
        kind = f"{self.parents.get(item.type)}{_AND}{item.type}" if self.coarse else item.type
        clause = f"{_WHICH} is {_SEEN if item.visible else _UNSEEN}" if self.image else ""
        return f"{item.name}{_IS}{kind}{clause}"

    def holds(self, name: str) -> bool:
        """Whether a sentence can be about ``name``: it has no separator, not even at its end."""
        marks = [_IS, *([_AND] if self.coarse else []), _WHICH, _SEPARATOR]
        return (
            bool(name)
            and name == name.strip()
            and f"{name}{_IS}".index(_IS) == len(name)
            and not any(mark in f"{name} " for mark in marks[1:])
        )

    def encode(
        self,
        items: Sequence[SentenceItem],
        *,
        source: str | None = None,
        limit: int | None = None,
        measure: Callable[[str], int] = len,
        drop: bool = False,
    ) -> Target[SentenceItem]:
        """The sentences of a text's entities, in the order given (the text's, in the release).

        Args:
            items: names, fine types and whether they show; the coarse type is filled in.
            source: with it, a name that does not stand there cannot be written.
            limit: length at most, as ``measure`` counts it: characters, or pieces of a tokenizer.
            measure: text -> length.
            drop: see :mod:`magpie.methods.generation.result`.

        Raises:
            UnencodableTarget: an unknown type, a name that holds a separator, is not in the source
                or was said already; unless ``drop``.
        """
        dropped = Diagnostics()
        said: list[SentenceItem] = []

        def check(item: SentenceItem) -> str | None:
            if item.type not in self.parents:
                return "its fine type is not one of the grammar's"
            full = self._full(item)
            back = self.parse(f" {_SEPARATOR} ".join(map(self.sentence, (*said, full))), source)
            if back.diagnostics or back.items != (*said, full):
                return ", ".join(back.diagnostics) or "the sentence reads back differently"
            said.append(full)
            return None

        kept = writable(items, check, grammar="sentence sequence", drop=drop, dropped=dropped)
        full = [self._full(item) for item in kept]
        fitting = cut(full, self._join, limit=limit, measure=measure, dropped=dropped)
        text = self._join(fitting)
        read = self.parse(text, source).items
        return Target(
            items=read, text=text, positions=tuple(item.phrase for item in read), dropped=dropped
        )

    def parse(
        self,
        text: str,
        source: str | None = None,
        *,
        offsets: Sequence[tuple[int, int]] | None = None,
    ) -> ParseResult[SentenceItem]:
        """The entities of an output.

        Args:
            text: an output.
            source: the text it speaks about. With it, names are looked for there (exactly, then
                without regard to case and spacing) and an item whose name is not found is skipped.
            offsets: characters of each piece of the output
                (:func:`magpie.methods.generation.phrases.piece_offsets`); with them, each item
                knows the pieces at which its region is read.
        """
        diagnostics = Diagnostics()
        items: list[SentenceItem] = []
        locator = None if source is None else Locator(source, max_distance=0)
        used: list[tuple[int, int]] = []
        begin = 0
        for sentence in text.split(_SEPARATOR) if text.strip() else ():
            item = self._sentence(sentence, begin, diagnostics)
            if item is not None:
                item = self._placed(item, items, locator, used, begin, diagnostics)
            if item is not None and item.visible and offsets is not None:
                item = replace(item, pieces=pieces_of(offsets, item.phrase))
            if item is not None:
                items.append(item)
            begin += len(sentence) + len(_SEPARATOR)
        return ParseResult(tuple(items), diagnostics, text)

    def _join(self, items: Sequence[SentenceItem]) -> str:
        return f" {_SEPARATOR} ".join(map(self.sentence, items))

    def _full(self, item: SentenceItem) -> SentenceItem:
        """The item as it reads back."""
        return SentenceItem(
            name=item.name,
            type=item.type,
            coarse=self.parents[item.type] if self.coarse else None,
            visible=bool(item.visible) if self.image else None,
        )

    def _sentence(self, sentence: str, begin: int, diagnostics: Diagnostics) -> SentenceItem | None:
        """One sentence at character ``begin`` of the output; what it lacks is counted."""
        head, which, tail = sentence.partition(_WHICH)
        name, found, kind = head.strip().partition(_IS)
        fair = sentence.count(_WHICH) == (1 if self.image else 0)
        fair = fair and bool(found) and head.count(_IS) == 1 and bool(name.strip())
        named = ""
        if self.coarse:
            named, found, kind = kind.partition(_AND)
            fair = fair and bool(found) and head.count(_AND) == 1
        if not fair:
            diagnostics.note("unparsable", begin, sentence)
            return None
        kind = kind.strip()
        if kind not in self.parents:
            diagnostics.note("unknown_type", begin, sentence)
            return None
        if self.coarse and named.strip() != self.parents[kind]:
            diagnostics.note("coarse_fine_conflict", begin, sentence)
        visible = None
        phrase = (0, 0)
        if self.image:
            visible = _SEEN in tail and _UNSEEN not in tail
        if visible:
            start = begin + len(head) + len(which) + tail.index(_SEEN)
            phrase = (start, start + len(_SEEN))
        return SentenceItem(
            name=name.strip(),
            type=kind,
            coarse=self.parents[kind] if self.coarse else None,
            visible=visible,
            phrase=phrase,
        )

    def _placed(
        self,
        item: SentenceItem,
        earlier: Sequence[SentenceItem],
        locator: Locator | None,
        used: list[tuple[int, int]],
        begin: int,
        diagnostics: Diagnostics,
    ) -> SentenceItem | None:
        """The item with its place in the source; None where it is not there or said already."""
        repeated = any(item.name == other.name for other in earlier)
        if locator is None:
            free = repeated and self.keep_repeats
        else:
            place = locator.locate(item.name, used=used)
            free = place.found and self.keep_repeats
            if not place.found:
                place = locator.locate(item.name)
            if not place.found:
                diagnostics.note("span_not_in_text", begin, item.name)
                return None
            item = replace(item, span=place.span)
        if repeated and not free:
            diagnostics.note("duplicate", begin, item.name)
            return None
        if item.span is not None:
            used.append(item.span)
        return item
