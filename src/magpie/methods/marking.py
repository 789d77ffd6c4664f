"""Marking a pair of mentions inside a text: where the markers stand, and how a text is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from magpie.backbones import TextEncoder

__all__ = [
    "MarkedPair",
    "Words",
    "add_markers",
    "add_masks",
    "mark_pair",
    "mark_words",
    "masked_words",
    "reserved_pieces",
    "word_pieces",
]

#: half-open word indices
Words = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MarkedPair:
    """A text with one pair marked: piece ids and the positions of the two opening markers.

    ``cut`` are words that were left out; ``shortened`` names the mentions that lost pieces;
    ``words`` are the half-open positions of every word's pieces, (0, 0) of a word without any.
    """

    ids: list[int]
    head: int
    tail: int
    cut: int = 0
    shortened: tuple[str, ...] = ()
    words: tuple[Words, ...] = ()


def mark_words(count: int, head: Words, tail: Words, how: str = "fixed") -> list[int | str]:
    """Word indices with markers between them.

    ``<s>`` and ``</s>`` stand around the head, ``<o>`` and ``</o>`` around the tail. With
    ``public`` a marker is only ever written in front of a word, so that one that ends the sentence
    is lost, and markers that meet keep the fixed order ``<s> </s> <o> </o>``.

    Example:
        >>> mark_words(4, (2, 4), (0, 1))
        ['<o>', 0, '</o>', 1, '<s>', 2, 3, '</s>']
        >>> mark_words(4, (2, 4), (0, 1), "public")
        ['<o>', 0, '</o>', 1, '<s>', 2, 3]
    """
    if how == "public":
        marks = ((head[0], "<s>"), (head[1], "</s>"), (tail[0], "<o>"), (tail[1], "</o>"))
        shown: list[int | str] = []
        for index in range(count):
            shown += [mark for place, mark in marks if place == index]
            shown.append(index)
        return shown
    # The longer mention is the outer one; of equal ones the head.
    outer, inner = ((head, "s"), (tail, "o"))
    if tail[1] - tail[0] > head[1] - head[0]:
        outer, inner = inner, outer
    shown = []
    for index in range(count + 1):
        shown += [f"</{name}>" for place, name in (inner, outer) if place[1] == index]
        shown += [f"<{name}>" for place, name in (outer, inner) if place[0] == index]
        if index < count:
            shown.append(index)
    return shown


def mark_pair(
    words: Sequence[Sequence[int]],
    head: Words,
    tail: Words,
    markers: Mapping[str, int],
    ends: tuple[int, int],
    max_length: int,
    how: str = "fixed",
) -> MarkedPair:
    """Cuts a marked sentence to ``max_length`` without losing the pair.

    Words outside the two mentions go first, the last ones before the others. Where the mentions
    alone are too long, the longer loses pieces at its end.

    Args:
        words: the piece ids of every word.
        head, tail: half-open word indices; they may overlap.
        markers: id of each of ``<s> </s> <o> </o>``.
        ends: ids of ``[CLS]`` and ``[SEP]``.
        max_length: with all of these; at least 8.
        how: see :func:`mark_words`.
    """
    layout = mark_words(len(words), head, tail, how)
    kept = [list(word) for word in words]
    over = sum(map(len, kept)) + sum(isinstance(item, str) for item in layout) + 2 - max_length
    cut = 0
    for index in reversed(range(len(words))):
        if over <= 0:
            break
        if not (head[0] <= index < head[1] or tail[0] <= index < tail[1]) and kept[index]:
            over -= len(kept[index])
            kept[index] = []
            cut += 1
    shortened: set[str] = set()
    while over > 0:
        name, (begin, end) = max(
            (("head", head), ("tail", tail)),
            key=lambda named: sum(len(kept[i]) for i in range(*named[1])),
        )
        last = max(i for i in range(begin, end) if kept[i])
        kept[last].pop()
        shortened.add(name)
        over -= 1
    ids = [ends[0]]
    at = {}
    places: list[Words] = [(0, 0)] * len(words)
    for item in layout:
        if isinstance(item, str):
            at[item] = len(ids)
            ids.append(markers[item])
        elif kept[item]:
            places[item] = (len(ids), len(ids) + len(kept[item]))
            ids.extend(kept[item])
    ids.append(ends[1])
    return MarkedPair(ids, at["<s>"], at["<o>"], cut, tuple(sorted(shortened)), tuple(places))


def masked_words(
    words: Sequence[Sequence[int]], hidden: Sequence[tuple[Words, int]]
) -> list[list[int]]:
    """The words with one piece in place of each hidden mention.

    Args:
        words: the piece ids of every word.
        hidden: half-open word indices of a mention, and the piece that stands for it; where two
            overlap, the first hides the words of both, and a second one that begins inside it
            shows its own piece from its first free word on, if there is any.

    Example:
        >>> masked_words([[1], [2, 3], [4], [5]], [((1, 3), 90), ((2, 4), 91)])
        [[1], [90], [], [91]]
    """
    found = [list(word) for word in words]
    taken: set[int] = set()
    for (begin, end), piece in hidden:
        own = [index for index in range(begin, end) if index not in taken]
        for index in own:
            found[index] = [piece] if index == own[0] else []
        taken.update(own)
    return found


#: names of the markers, and what they are called where an encoder has <s> and </s> of its own
_MARKERS = {"<s>": "<head>", "</s>": "</head>", "<o>": "<tail>", "</o>": "</tail>"}
#: what stands for a hidden head and a hidden tail
_MASKS = ("<hidden-head>", "<hidden-tail>")


def add_markers(encoder: TextEncoder) -> dict[str, int]:
    """Gives an encoder's tokenizer and embedding the four markers; returns their ids.

    New rows are drawn as the encoder draws its own. A second call changes nothing.
    """
    own = {encoder.tokenizer.bos_token, encoder.tokenizer.eos_token}
    spelled = {mark: other if mark in own else mark for mark, other in _MARKERS.items()}
    ids = _added(encoder, list(spelled.values()))
    return dict(zip(spelled, ids, strict=True))


def add_masks(encoder: TextEncoder) -> tuple[int, int]:
    """The same for the pieces that stand for a hidden head and a hidden tail."""
    head, tail = _added(encoder, list(_MASKS))
    return head, tail


def reserved_pieces(encoder: TextEncoder) -> frozenset[int]:
    """Pieces with a meaning of their own, such as markers and ``[SEP]``; not the unknown one."""
    added = encoder.tokenizer.added_tokens_decoder
    own = {number for number, token in added.items() if token.special}
    return frozenset({*own, *encoder.tokenizer.all_special_ids} - {encoder.tokenizer.unk_token_id})


def word_pieces(
    encoder: TextEncoder, words: Sequence[str], reserved: frozenset[int]
) -> list[list[int]]:
    """The piece ids of every word, or of any texts, without special ones.

    A post that spells ``<s>`` or ``[SEP]`` writes an unknown word, and not a marker.

    Args:
        encoder: cuts words into pieces.
        words: of a text.
        reserved: see :func:`reserved_pieces`.
    """
    if not words:
        return []
    tokenizer = encoder.tokenizer
    found = cast(list[list[int]], tokenizer(list(words), add_special_tokens=False)["input_ids"])
    unknown = cast(int, tokenizer.unk_token_id)
    return [[unknown if piece in reserved else piece for piece in word] for word in found]


def _added(encoder: TextEncoder, tokens: list[str]) -> list[int]:
    tokenizer = encoder.tokenizer
    tokenizer.add_tokens(tokens, special_tokens=True)
    embedding = cast(nn.Embedding, encoder.transformer.get_input_embeddings())
    if len(tokenizer) > embedding.num_embeddings:
        encoder.transformer.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return cast(list[int], tokenizer.convert_tokens_to_ids(tokens))
