"""Phrases of a post, as somebody looked for them in its picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from magpie.corpora import side
from magpie.corpora.side.context import key_of
from magpie.errors import ConfigError
from magpie.features.needs import Asset, Need
from magpie.schema import Document

__all__ = ["Phrases", "SidePhrases"]


@dataclass(frozen=True, slots=True)
class Phrases(Need):
    """``texts``: the phrases of a document.

    Each of ``sources`` is a source of the document's context, a side source of phrases such as
    ``tmr-phrases-mnre``, or a parser whose noun chunks are taken, such as ``spacy:en_core_web_sm``
    (:mod:`magpie.features.noun_chunks`); the first that has any gives all of them.
    """

    sources: tuple[str, ...] = ("tmr-phrases",)


class SidePhrases:
    """Reads phrases off documents, else those of a side source when a split first asks.

    Args:
        root: the folder of all corpora (default: ``MAGPIE_DATA``).
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self._root = root
        self._tables: dict[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}

    def __call__(self, document: Document, need: Need) -> Asset:
        """The phrases, or an absent asset.

        Raises:
            NotFoundError: no such side source.
            ConfigError: it holds no phrases.
        """
        asked = cast(Phrases, need).sources
        reasons = []
        for name in asked:
            found = self._of(name, document)
            if found.present:
                return found
            reasons.append(found.reason)
        return Asset.absent("; ".join(reasons) or "no source of phrases was named")

    def _of(self, name: str, document: Document) -> Asset:
        own = tuple(text.text for text in document.context if text.source == name)
        if own:
            return Asset(texts=own)
        place = document.source
        if place is None or place.split is None:
            return Asset.absent(f"the document has no phrases of {name}")
        source = side.source(name)
        split = f"{place.corpus}:{place.split}"
        if not source.parts_of(place.corpus, place.split):
            return Asset.absent(f"{name} says nothing of {split}")
        if (name, split) not in self._tables:
            self._tables[name, split] = self._read(name, split)
        found = self._tables[name, split].get(key_of(document, source) or "", ())
        return Asset(texts=found) if found else Asset.absent(f"{name} has no phrases of it")

    def _read(self, name: str, split: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for row in side.read(name, split, self._root):
            if not isinstance(row, side.Phrases):
                raise ConfigError(f"{name} holds no phrases: {side.source(name).title}")
            found[row.key] = row.phrases
        return found
