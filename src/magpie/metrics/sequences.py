"""Scores of tag sequences, counted the way each public repository of the field counts them.

The tables of multimodal NER mix four scorers that agree on well-formed tags and differ on the
rest: special tags that a tagger over subwords may emit (``X``, ``[SEP]``), an I- that continues
nothing, and the borders of sentences (docs/scorers.md). The defaults here are the rule of
``ner-span-conll@1``; :data:`PUBLIC_SCORERS` holds the switches of each repository.

Everything is counted on arrays: a whole test split takes some milliseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from magpie.errors import ComparisonError, ConfigError, FormatError
from magpie.metrics.counts import Counts
from magpie.text.tags import split_tag

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["PUBLIC_SCORERS", "SPECIAL_TAGS", "TagOptions", "score_sentences", "score_tags"]

Special = Literal["outside", "keep"]
Sentences = Literal["separate", "concatenated"]
TagScheme = Literal["lenient", "strict", "seqeval", "spans"]

#: Tags of positions that are no words: further pieces of a word, start, end, padding.
SPECIAL_TAGS = frozenset({"X", "[CLS]", "[SEP]", "PAD", "CLS", "SEP"})


class TagOptions(TypedDict):
    """The switches by which the public scorers differ, see :func:`score_tags`."""

    special: Special
    sentences: Sentences
    scheme: TagScheme


#: repository -> its switches, as read from its code
PUBLIC_SCORERS: dict[str, TagOptions] = {
    "umt": {"special": "keep", "sentences": "separate", "scheme": "lenient"},
    "hvpnet": {"special": "keep", "sentences": "separate", "scheme": "seqeval"},
    "mkgformer": {"special": "keep", "sentences": "separate", "scheme": "seqeval"},
    "umgf": {"special": "outside", "sentences": "concatenated", "scheme": "lenient"},
    "adaseq": {"special": "outside", "sentences": "separate", "scheme": "spans"},
}


def score_tags(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    special: Special = "outside",
    sentences: Sentences = "separate",
    scheme: TagScheme = "lenient",
    ignore: Collection[str] = SPECIAL_TAGS,
) -> dict[str, Counts]:
    """Counts by type; their sum is the micro score.

    Args:
        gold: one list of tags a sentence: ``O``; ``B-``, ``I-``, ``E-`` or ``S-`` with a type; one
            of :data:`SPECIAL_TAGS`; or one of ``ignore``.
        predicted: the same sentences with a tag for each of the same positions.
        special: what a special tag on a scored position is: ``O``, or (``keep``) a chunk of its
            own type, which in predictions is a false positive.
        sentences: ``concatenated`` lets a chunk run on from one sentence into the next.
        scheme: which chunks the tags stand for. ``lenient``: any tag but O opens one when none
            of its type is open. ``strict``: only B- and S- do. ``seqeval``: as release 1.2.2
            reads them, which differs from ``lenient`` on special tags only: it takes the first
            character for a prefix and the rest for a type that may be empty, so that ``X`` and
            ``O`` have one type. ``spans``: gold is read as AdaSeq does, where only B- parts
            touching chunks and one of mixed types has the type of its last tag; predictions are
            read leniently.
        ignore: gold tags whose positions are not scored.

    Raises:
        ComparisonError: gold and predictions differ in sentences or positions
            (code ``compare-alignment``).
        ConfigError: an option of another value.
        FormatError: a tag of another form (code ``format-tags``).
    """
    chunks = _read_chunks(gold, predicted, special, sentences, scheme, ignore)
    if chunks is None:
        return {}
    import numpy as np

    size = len(chunks.names)
    columns = [np.bincount(kinds, minlength=size).tolist() for kinds in chunks.kinds()]
    counts = dict(zip(chunks.names, map(Counts, *columns), strict=True))
    return {kind: counts[kind] for kind in sorted(counts) if counts[kind] != Counts()}


def score_sentences(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    special: Special = "outside",
    sentences: Sentences = "separate",
    scheme: TagScheme = "lenient",
    ignore: Collection[str] = SPECIAL_TAGS,
) -> list[dict[str, Counts]]:
    """:func:`score_tags` sentence by sentence; a chunk belongs to the sentence in which it ends."""
    chunks = _read_chunks(gold, predicted, special, sentences, scheme, ignore)
    if chunks is None:
        return []
    import numpy as np

    size = len(chunks.names)
    table = np.stack(
        [
            np.bincount(
                np.searchsorted(chunks.limits, chunks.last(keys), side="right") * size + kinds,
                minlength=len(gold) * size,
            )
            for keys, kinds in zip(chunks.keys(), chunks.kinds(), strict=True)
        ],
        axis=1,
    )
    counted: list[dict[str, Counts]] = [{} for _ in gold]
    for cell in np.flatnonzero(table.any(axis=1)).tolist():
        counted[cell // size][chunks.names[cell % size]] = Counts(*table[cell].tolist())
    return counted


@dataclass(frozen=True, slots=True)
class _Chunks:
    """Keys (see :func:`_chunks`) and types of gold and predicted chunks; ``found`` marks the gold
    that is predicted. ``limits`` are the positions at which the next sentence begins."""

    names: list[str]
    length: int
    limits: Integers
    gold: tuple[Integers, Integers]
    predicted: tuple[Integers, Integers]
    found: Flags

    def keys(self) -> tuple[Integers, Integers, Integers]:
        """Of the gold, the predicted and the correct chunks."""
        return self.gold[0], self.predicted[0], self.gold[0][self.found]

    def kinds(self) -> tuple[Integers, Integers, Integers]:
        """Indices among ``names`` of the types of the same."""
        return self.gold[1], self.predicted[1], self.gold[1][self.found]

    def last(self, keys: Integers) -> Integers:
        """The last position of each chunk."""
        return keys // len(self.names) % self.length - 1


def _read_chunks(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    special: Special,
    sentences: Sentences,
    scheme: TagScheme,
    ignore: Collection[str],
) -> _Chunks | None:
    """The chunks of both sides; None where there is no sentence."""
    _check_options(special, sentences, scheme)
    lengths = _common_lengths(gold, predicted)
    if not lengths:
        return None
    import numpy as np

    # Numbers are given out as tags come up, so that one pass over the tags is enough.
    codes: defaultdict[str, int] = defaultdict(count().__next__)
    outside = codes["O"]
    gold_codes, predicted_codes = (
        np.fromiter(map(codes.__getitem__, chain.from_iterable(side)), np.int64, sum(lengths))
        for side in (gold, predicted)
    )
    try:
        table = _table(codes, special, ignore, raw=scheme == "seqeval")
    except FormatError as error:
        raise _located(error, gold, predicted, ignore) from None
    scored = ~np.isin(gold_codes, [codes[tag] for tag in ignore if tag in codes])
    # Where each sentence ends once the positions that are not scored are gone.
    ends = np.concatenate([[0], np.cumsum(scored)])[np.cumsum(lengths)]
    limits = ends if sentences == "concatenated" else ends + np.arange(1, len(ends) + 1)
    if sentences == "concatenated":
        ends = ends[-1:]

    def chunks(codes: Integers, rule: TagScheme) -> tuple[Integers, Integers]:
        codes = np.insert(codes[scored], ends, outside)
        return _chunks(table.prefixes[codes], table.kinds[codes], len(table.names), rule)

    gold_keys, gold_kinds = chunks(gold_codes, scheme)
    predicted_keys, predicted_kinds = chunks(
        predicted_codes, "lenient" if scheme == "spans" else scheme
    )
    # Both stand in ascending order, because chunks do.
    place = np.searchsorted(predicted_keys, gold_keys)
    return _Chunks(
        names=table.names,
        length=int(scored.sum()) + len(ends),
        limits=limits,
        gold=(gold_keys, gold_kinds),
        predicted=(predicted_keys, predicted_kinds),
        found=np.append(predicted_keys, -1)[place] == gold_keys,
    )


def _check_options(special: str, sentences: str, scheme: str) -> None:
    for name, value, known in (
        ("special", special, get_args(Special)),
        ("sentences", sentences, get_args(Sentences)),
        ("scheme", scheme, get_args(TagScheme)),
    ):
        if value not in known:
            raise ConfigError(f"{name} must be {' or '.join(known)}, got {value!r}")


def _common_lengths(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> list[int]:
    lengths, others = list(map(len, gold)), list(map(len, predicted))
    if lengths == others:
        return lengths
    if len(lengths) != len(others):
        message = f"{len(lengths)} gold sentences, {len(others)} predicted ones"
    else:
        index = [a == b for a, b in zip(lengths, others, strict=True)].index(False)
        message = f"sentence {index} has {lengths[index]} gold tags, {others[index]} predicted ones"
    raise ComparisonError(
        message,
        code="compare-alignment",
        mend="Give one predicted tag for each gold tag; nothing may be truncated.",
    )


_OUTSIDE, _BEGIN, _INSIDE, _END, _SINGLE, _OTHER = range(6)
_PREFIXES = {"O": _OUTSIDE, "B": _BEGIN, "I": _INSIDE, "E": _END, "S": _SINGLE}


@dataclass(frozen=True, slots=True)
class _Table:
    """By the number of a tag its prefix and the index of its type among ``names``."""

    prefixes: Integers
    kinds: Integers
    names: list[str]


def _table(tags: Iterable[str], special: Special, ignore: Collection[str], *, raw: bool) -> _Table:
    import numpy as np

    parts = [_parts(tag, special, ignore, raw=raw) for tag in tags]
    names = sorted({kind for _, kind in parts})
    return _Table(
        prefixes=np.array([prefix for prefix, _ in parts], dtype=np.int64),
        kinds=np.array([names.index(kind) for _, kind in parts], dtype=np.int64),
        names=names,
    )


def _parts(tag: str, special: Special, ignore: Collection[str], *, raw: bool) -> tuple[int, str]:
    """Prefix and type of a tag; ``raw`` as seqeval cuts it."""
    try:
        if tag not in SPECIAL_TAGS:
            prefix, kind = split_tag(tag, 0)
            return (_PREFIXES[prefix], kind or ("_" if raw else ""))
    except FormatError:
        if tag not in ignore:
            raise
    if special == "outside":
        return (_OUTSIDE, "_" if raw else "")
    if not raw:
        return (_INSIDE, tag)
    return (_PREFIXES.get(tag[:1], _OTHER), tag[1:].split("-", maxsplit=1)[-1] or "_")


def _located(
    error: FormatError,
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    ignore: Collection[str],
) -> FormatError:
    """The error again, with the place where its tag first stands."""
    for name, tags in (("gold", gold), ("predicted", predicted)):
        for number, sentence in enumerate(tags):
            for index, tag in enumerate(sentence):
                if tag in SPECIAL_TAGS or tag in ignore:
                    continue
                try:
                    split_tag(tag, index)
                except FormatError as found:
                    return FormatError(
                        found.message,
                        code=found.code,
                        mend=found.mend,
                        where=f"{name} sentence {number}",
                    )
    return error


def _chunks(
    prefixes: Integers, kinds: Integers, size: int, scheme: TagScheme
) -> tuple[Integers, Integers]:
    """A number for each chunk that no other chunk has, and the index of its type.

    There are ``size`` types. The tags end in ``O``, so that every chunk ends before the last.
    """
    import numpy as np

    starts, ends = _borders(prefixes, kinds, scheme)
    begin = np.flatnonzero(starts)
    end = np.flatnonzero(ends)
    # A chunk starts at the last start before its end. By seqeval's rule there may be none since
    # the previous chunk, or none at all: it then keeps the index of an older one, or 0.
    begin = np.concatenate([[0], begin])[np.searchsorted(begin, end, side="left")]
    if scheme == "strict":
        true = (prefixes[begin] == _BEGIN) | (prefixes[begin] == _SINGLE)
        begin, end = begin[true], end[true]
    kind = kinds[end - 1]
    return (begin * len(prefixes) + end) * size + kind, kind


def _borders(prefixes: Integers, kinds: Integers, scheme: TagScheme) -> tuple[Flags, Flags]:
    """For each position, whether a chunk starts there, and whether one ended just before."""
    import numpy as np

    before = np.concatenate([[_OUTSIDE], prefixes[:-1]])
    opens = (prefixes == _BEGIN) | (prefixes == _SINGLE)
    closed = (before == _END) | (before == _SINGLE)
    changed = np.concatenate([[True], kinds[1:] != kinds[:-1]])
    inside, was_inside = prefixes != _OUTSIDE, before != _OUTSIDE
    if scheme == "seqeval":
        # Prefixes it does not know neither open nor end a chunk; only their type can.
        continues = (prefixes == _INSIDE) | (prefixes == _END)
        was_open = (before == _BEGIN) | (before == _INSIDE)
        starts = opens | ((closed | ~was_inside) & continues) | (changed & inside)
        ends = closed | (was_open & (opens | ~inside)) | (changed & was_inside)
        return starts, ends
    cut = opens | closed | ((inside != was_inside) if scheme == "spans" else changed)
    return cut & inside, cut & was_inside
