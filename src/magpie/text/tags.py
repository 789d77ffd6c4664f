"""Tag schemes: one tag a word <-> typed word ranges.

The public scorers of the field differ in what opens a chunk (docs/scorers.md); both rules live
here and nowhere else:

``lenient``
    The rule of the CoNLL scorer: a chunk ends at ``O``, at ``B-`` or ``S-``, after ``E-``, or
    when the type changes, and any other tag opens one when none is open.
``strict``
    Only ``B-`` (and ``S-``) opens a chunk; an ``I-`` of another type, or after ``O``, is nothing.
``complete``
    Only for BIOES and BILOU: a chunk is ``S-``, or ``B-``, any ``I-`` and ``E-`` of one type; what
    is not closed is nothing.

BILOU writes ``L-`` for ``E-`` and ``U-`` for ``S-``; both are read wherever tags are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from magpie.errors import FormatError

__all__ = [
    "ORPHAN",
    "Chunk",
    "Scheme",
    "convert_tags",
    "decode_tags",
    "detect_scheme",
    "encode_tags",
    "split_tag",
]

#: Evidence that a corpus reader leaves on an entity opened by an I- that continues nothing.
ORPHAN = "orphan-i"

Scheme = Literal["IOB1", "BIO", "BIOES", "BILOU"]

#: (type, first word, word after the last)
Chunk = tuple[str, int, int]

_PREFIXES = {**{prefix: prefix for prefix in "BIES"}, "L": "E", "U": "S"}


def split_tag(tag: str, index: int) -> tuple[str, str]:
    """(prefix, type) of the tag of word ``index``; ("O", "") outside. The prefix is BIOES's.

    Raises:
        FormatError: code ``format-tags``.
    """
    if tag == "O":
        return "O", ""
    prefix, dash, kind = tag.partition("-")
    if prefix not in _PREFIXES or not dash or not kind:
        raise FormatError(
            f"expected O or B-, I-, E-, S-, L-, U- with a type, got {tag[:40]!r} at word {index}",
            code="format-tags",
            mend="Each word has one tag; check the column and the separator.",
        )
    return _PREFIXES[prefix], kind


def decode_tags(
    tags: Sequence[str], *, scheme: Literal["lenient", "strict", "complete"] = "lenient"
) -> list[Chunk]:
    """The chunks of one sentence, in order.

    Args:
        tags: one tag a word: ``O``, ``B-type``, ``I-type``, ``E-type`` or ``S-type``, in BILOU
            ``L-type`` and ``U-type`` for the last two.
        scheme: what opens and closes a chunk, see the module's page.

    Raises:
        FormatError: a tag of another form (code ``format-tags``).
    """
    chunks: list[Chunk] = []
    kind = ""  # of the open chunk, "" while none is open
    start = 0
    for index, tag in enumerate(tags):
        prefix, here = split_tag(tag, index)
        if kind and (prefix in "OBS" or here != kind):
            if scheme != "complete":
                chunks.append((kind, start, index))
            kind = ""
        if not kind and prefix != "O" and (scheme == "lenient" or prefix in "BS"):
            kind, start = here, index
        if kind and prefix in "ES":
            chunks.append((kind, start, index + 1))
            kind = ""
    if kind and scheme != "complete":
        chunks.append((kind, start, len(tags)))
    return chunks


def encode_tags(chunks: Iterable[Chunk], length: int, scheme: Scheme = "BIO") -> list[str]:
    """One tag a word for ``length`` words.

    Raises:
        FormatError: a chunk that is empty, leaves the sentence or overlaps another.
    """
    tags = ["O"] * length
    ordered = sorted(chunks, key=lambda chunk: chunk[1:])
    previous: Chunk = ("", 0, 0)
    for chunk in ordered:
        kind, start, end = chunk
        if not 0 <= start < end <= length:
            raise FormatError(
                f"chunk {chunk} is empty or leaves the sentence of {length} words",
                code="format-tags",
            )
        if start < previous[2]:
            raise FormatError(
                f"chunks {previous} and {chunk} overlap, which tags cannot express",
                code="format-tags",
                mend="Keep one of the two.",
            )
        opening = "B-"
        if scheme == "IOB1" and not (previous[2] == start and previous[0] == kind):
            opening = "I-"
        tags[start] = opening + kind
        tags[start + 1 : end] = [f"I-{kind}"] * (end - start - 1)
        if scheme in ("BIOES", "BILOU"):
            last, single = "ES" if scheme == "BIOES" else "LU"
            tags[end - 1] = f"{single if end - start == 1 else last}-{kind}"
        previous = chunk
    return tags


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that explains the tags of a file.

    ``E-`` or ``S-`` means BIOES, ``L-`` or ``U-`` BILOU. Without a ``B-`` that starts a chunk of
    its own, as in the original CoNLL-2003 files, it is IOB1; otherwise BIO (IOB2), in which an I-
    that continues nothing is a defect.
    """
    opening = orphans = 0
    for tags in sentences:
        before = ""
        for index, tag in enumerate(tags):
            prefix, kind = split_tag(tag, index)
            if prefix in "ES":
                return "BIOES" if tag[0] in "ES" else "BILOU"
            if prefix == "B" and kind != before:
                opening += 1  # IOB1 writes B- only between neighbours of one type
            elif prefix == "I" and kind != before:
                orphans += 1
            before = kind
    return "IOB1" if orphans and not opening else "BIO"


def convert_tags(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """The same chunks, read leniently, in another scheme."""
    return encode_tags(decode_tags(tags), len(tags), scheme)
