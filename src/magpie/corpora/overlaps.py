"""Leak check: posts that stand in two splits or corpora, by picture id and by normalised text.

GMNER and FMNERG re-split the tweets of Twitter-2015 and Twitter-2017, so a model trained on one
may have seen the test tweets of another. Picture ids of Twitter-2017 carry ``O_`` in front there;
texts were tokenised anew. Both differences are normalised away here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from magpie.corpora.pictures import picture_name
from magpie.corpora.selecting import pass_over, select
from magpie.schema import Document

__all__ = [
    "HeldOut",
    "Overlap",
    "Pair",
    "compare",
    "document_keys",
    "leaks",
    "overlap",
    "picture_key",
    "text_key",
]

_ADDRESS = re.compile(r"https?\S*")


def picture_key(identifier: str) -> str:
    """A picture id without the ``O_`` that GMNER puts before some of them."""
    return identifier.removeprefix("O_")


def text_key(text: str) -> str:
    """Lower case, without addresses, letters and digits only; empty when nothing is left."""
    return "".join(filter(str.isalnum, _ADDRESS.sub("", text.lower())))


def document_keys(document: Document) -> tuple[list[str], str]:
    """The keys of a document's pictures, and that of its text (empty when nothing is left)."""
    names = (picture_name(medium) for medium in document.media if medium.kind == "image")
    return [picture_key(name) for name in names if name], text_key(document.text)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two documents that are one post: ``by`` says what they share."""

    a: str
    b: str
    by: Literal["picture", "text", "both"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Posts that stand in both A and B.

    ``documents_a`` and ``documents_b`` count documents read, ``shared_a`` and ``shared_b`` those
    with a partner on the other side; ``pairs`` lists who goes with whom, in the order of A.
    """

    a: str
    b: str
    documents_a: int
    documents_b: int
    shared_a: int
    shared_b: int
    pairs: tuple[Pair, ...]

    def count(self, by: str) -> int:
        """Pairs that share a ``picture``, a ``text`` or ``both``."""
        return sum(pair.by == by for pair in self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora overlap --json``."""
        return {
            "a": self.a,
            "b": self.b,
            "documents_a": self.documents_a,
            "documents_b": self.documents_b,
            "shared_a": self.shared_a,
            "shared_b": self.shared_b,
            "by": {name: self.count(name) for name in ("picture", "text", "both")},
            "pairs": [{"a": pair.a, "b": pair.b, "by": pair.by} for pair in self.pairs],
        }


def compare(a: Iterable[Document], b: Iterable[Document], *, names: tuple[str, str]) -> Overlap:
    """Finds the posts of ``a`` that also stand in ``b``.

    Keeps the keys of ``b`` in memory and streams ``a``. A document is never paired with itself
    (same corpus, split and id), so a corpus can be compared with itself.

    Args:
        a, b: documents of two corpora or splits.
        names: what to call them in the result.
    """
    pictures: dict[str, list[int]] = {}
    texts: dict[str, list[int]] = {}
    theirs: list[tuple[str, str]] = []
    for document in b:
        keys, text = document_keys(document)
        for key in keys:
            pictures.setdefault(key, []).append(len(theirs))
        if text:
            texts.setdefault(text, []).append(len(theirs))
        theirs.append((_identity(document), _display(document)))
    pairs = []
    ours = 0
    shared_a = 0
    shared_b: set[int] = set()
    for document in a:
        ours += 1
        identity = _identity(document)
        keys, text = document_keys(document)
        by_picture = {index for key in keys for index in pictures.get(key, ())}
        by_text = set(texts.get(text, ()))
        found = sorted(i for i in by_picture | by_text if theirs[i][0] != identity)
        shared_a += bool(found)
        shared_b.update(found)
        for index in found:
            by: Literal["picture", "text", "both"] = "picture"
            if index in by_text:
                by = "both" if index in by_picture else "text"
            pairs.append(Pair(_display(document), theirs[index][1], by))
    return Overlap(
        a=names[0],
        b=names[1],
        documents_a=ours,
        documents_b=len(theirs),
        shared_a=shared_a,
        shared_b=len(shared_b),
        pairs=tuple(pairs),
    )


def overlap(a: str, b: str, root: str | os.PathLike[str] | None = None) -> Overlap:
    """Posts that stand in two corpora, splits or files.

    Args:
        a, b: see :func:`magpie.corpora.selecting.select`.
        root: as for :func:`magpie.corpora.load`.

    Raises:
        NotFoundError: an unknown corpus or split, or a missing file.
    """
    return compare(_named(a, root), _named(b, root), names=(a, b))


def _named(spec: str, root: str | os.PathLike[str] | None) -> Iterator[Document]:
    for selection in select(spec, root):
        yield from selection.documents(pass_over)


def _display(document: Document) -> str:
    """``split/id``, or the id alone."""
    split = document.source.split if document.source is not None else None
    return f"{split}/{document.id}" if split else document.id


def _identity(document: Document) -> str:
    corpus = document.source.corpus if document.source is not None else ""
    return f"{corpus}\t{_display(document)}"


class HeldOut:
    """The keys of documents that must not be learnt from.

    >>> held_out = HeldOut([Document.from_text("Rain over Turin tonight", images=("O_7.jpg",))])
    >>> Document.from_text("RAIN over Turin , tonight ! https://t.co/x") in held_out
    True
    >>> Document.from_text("Sun over Turin", images=("photos/7.jpg",)) in held_out
    True
    >>> Document.from_text("Sun over Turin") in held_out
    False
    """

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._pictures: set[str] = set()
        self._texts: set[str] = set()
        self.update(documents)

    def update(self, documents: Iterable[Document]) -> None:
        """Adds the keys of more documents."""
        for document in documents:
            keys, text = document_keys(document)
            self._pictures.update(keys)
            self._texts.add(text)
        self._texts.discard("")

    def update_from(self, other: HeldOut) -> None:
        """Adds the keys that another one holds."""
        self._pictures |= other._pictures
        self._texts |= other._texts

    def has_text(self, text: str) -> bool:
        """Whether a bare text is one of a held-out document."""
        return text_key(text) in self._texts

    def __contains__(self, document: Document) -> bool:
        keys, text = document_keys(document)
        return text in self._texts or any(key in self._pictures for key in keys)


def leaks(
    documents: Iterable[Document], against: Iterable[Document] | HeldOut
) -> Iterator[tuple[Document, bool]]:
    """Each document with whether it also stands in ``against``; streams ``documents``.

    For cleaning training data::

        held_out = (d for split in ("dev", "test") for d in load("gmner", split))
        clean = [d for d, leaked in leaks(load("twitter2017", "train"), held_out) if not leaked]
    """
    held_out = against if isinstance(against, HeldOut) else HeldOut(against)
    for document in documents:
        yield document, document in held_out
