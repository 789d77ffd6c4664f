"""Scores of tag sequences, counted the way each public repository of the field counts them.

The tables of multimodal NER mix four scorers that agree on well-formed tags and differ on the
rest: special tags that a tagger over subwords may emit (``X``, ``[SEP]``), an I- that continues
nothing, and the borders of sentences (docs/scorers.md). The defaults here are the rule of
``ner-span-conll@1``; :data:`PUBLIC_SCORERS` holds the switches of each repository.

Everything is counted on arrays: a whole test split takes some milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from magpie.errors import ComparisonError, ConfigError, FormatError
from magpie.metrics.counts import Counts
from magpie.text.tags import split_tag

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["PUBLIC_SCORERS", "SPECIAL_TAGS", "TagOptions", "score_tags"]

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
    _check_options(special, sentences, scheme)
    lengths = _common_lengths(gold, predicted)
    if not lengths:
        return {}
    import numpy as np

    table = _table(gold, predicted, special, ignore, raw=scheme == "seqeval")
    gold_codes, predicted_codes = table.encode(gold), table.encode(predicted)
    scored = ~np.isin(gold_codes, [table.codes[tag] for tag in ignore if tag in table.codes])
    # Where each sentence ends once the positions that are not scored are gone.
    ends = np.concatenate([[0], np.cumsum(scored)])[np.cumsum(lengths)]
    if sentences == "concatenated":
        ends = ends[-1:]

    def chunks(codes: Integers, rule: TagScheme) -> tuple[Integers, Integers]:
        codes = np.insert(codes[scored], ends, table.codes["O"])
        return _chunks(table.prefixes[codes], table.kinds[codes], len(table.names), rule)

    gold_keys, gold_kinds = chunks(gold_codes, scheme)
    predicted_keys, predicted_kinds = chunks(
        predicted_codes, "lenient" if scheme == "spans" else scheme
    )
    found = np.isin(gold_keys, predicted_keys, assume_unique=True)
    size = len(table.names)
    columns = [
        np.bincount(kinds, minlength=size).tolist()
        for kinds in (gold_kinds, predicted_kinds, gold_kinds[found])
    ]
    counts = dict(zip(table.names, map(Counts, *columns), strict=True))
    return {kind: counts[kind] for kind in sorted(counts) if counts[kind] != Counts()}


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
    """Tags as numbers: ``codes`` of the tags; by code their prefix and the index of their type."""

    codes: dict[str, int]
    prefixes: Integers
    kinds: Integers
    names: list[str]

    def encode(self, sentences: Sequence[Sequence[str]]) -> Integers:
        """The codes of all tags, the sentences one after another."""
        import numpy as np

        flat = chain.from_iterable(sentences)
        return np.fromiter(map(self.codes.__getitem__, flat), dtype=np.int64)


def _table(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    special: Special,
    ignore: Collection[str],
    *,
    raw: bool,
) -> _Table:
    import numpy as np

    tags = sorted({"O"}.union(*gold, *predicted))
    parts = []
    for tag in tags:
        try:
            if tag in SPECIAL_TAGS:
                parts.append(_special(tag, special, raw=raw))
            else:
                prefix, kind = split_tag(tag, 0)
                parts.append((_PREFIXES[prefix], kind or ("_" if raw else "")))
        except FormatError:
            if tag not in ignore:
                raise _located(tag, gold, predicted) from None
            parts.append(_special(tag, special, raw=raw))
    names = sorted({kind for _, kind in parts})
    return _Table(
        codes={tag: code for code, tag in enumerate(tags)},
        prefixes=np.array([prefix for prefix, _ in parts], dtype=np.int64),
        kinds=np.array([names.index(kind) for _, kind in parts], dtype=np.int64),
        names=names,
    )


def _special(tag: str, special: Special, *, raw: bool) -> tuple[int, str]:
    """Prefix and type of a tag that is no BIOES tag."""
    if special == "outside":
        return (_OUTSIDE, "_" if raw else "")
    if not raw:
        return (_INSIDE, tag)
    return (_PREFIXES.get(tag[:1], _OTHER), tag[1:].split("-", maxsplit=1)[-1] or "_")


def _located(
    tag: str, gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> FormatError:
    for name, tags in (("gold", gold), ("predicted", predicted)):
        for number, sentence in enumerate(tags):
            if tag in sentence:
                try:
                    split_tag(tag, list(sentence).index(tag))
                except FormatError as error:
                    return FormatError(
                        error.message,
                        code=error.code,
                        mend=error.mend,
                        where=f"{name} sentence {number}",
                    )
    raise AssertionError(tag)


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
