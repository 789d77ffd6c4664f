"""What a side source is: files published beside a corpus, and the posts that they speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from magpie.corpora.anomaly import Report
from magpie.corpora.dataset_card import SPLIT_ALIASES, Counts, DataFile
from magpie.corpora.side.rows import Row
from magpie.corpora.source import Found
from magpie.errors import NotFoundError

__all__ = ["Join", "Kind", "Part", "SideSource"]

#: kind of a :class:`magpie.schema.ContextText`
Kind = Literal["caption", "passage", "note"]

#: what a row and a post have in common: the picture id, the words, or the row of the text file
Join = Literal["picture", "words", "row"]

#: reads the files of a part, in the order of the card; ``part`` is its name
Reader = Callable[[Sequence[Found], str, Report], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are read together, what they hold, and how many oddities are known in them."""

    files: tuple[DataFile, ...]
    counts: Counts
    anomalies: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSource:
    """A side source.

    ``kind`` is set for texts that may become context of a document, and only for these: what
    names the answer is kept out. ``parts`` are its files; ``uses`` says which parts speak of
    which split of which corpus (``name@version``); ``gaps`` how many documents of a
    ``corpus:split`` have no row, where there are any.
    """

    name: str
    title: str
    kind: Kind | None = None
    join: Join = "picture"
    reader: Reader
    parts: Mapping[str, Part]
    uses: Mapping[str, Mapping[str, tuple[str, ...]]]
    gaps: Mapping[str, int] = field(default_factory=dict)
    licence: str
    origin: str
    defects: tuple[str, ...] = ()

    @property
    def corpora(self) -> tuple[str, ...]:
        """``name@version`` of the corpora whose documents it speaks of."""
        return tuple(self.uses)

    def files(self) -> tuple[DataFile, ...]:
        """Every file, once."""
        return tuple(dict.fromkeys(file for part in self.parts.values() for file in part.files))

    def parts_of(self, corpus: str, split: str) -> tuple[str, ...]:
        """The parts for a split of a corpus, empty when it does not apply."""
        return self.uses.get(corpus, {}).get(SPLIT_ALIASES.get(split, split), ())

    def resolve(self, split: str) -> tuple[str, ...]:
        """The parts that are meant by a part's name, ``corpus:split``, or a split's name.

        Raises:
            NotFoundError: naming what there is; also where a split's name alone means different
                files for different corpora.
        """
        if split in self.parts:
            return (split,)
        ref, colon, name = split.rpartition(":")
        name = SPLIT_ALIASES.get(name, name)
        found = {
            splits[name]
            for corpus, splits in self.uses.items()
            if name in splits and (not colon or ref in (corpus, corpus.partition("@")[0]))
        }
        if len(found) == 1:
            return found.pop()
        choices = [f"{corpus}:{name}" for corpus, splits in self.uses.items() for name in splits]
        raise NotFoundError(
            f"{self.name} has {'several parts' if found else 'no part'} for {split!r}",
            mend=f"Give one of: {', '.join(self.parts)}; or {', '.join(choices)}.",
        )

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora info --json`` for a side source."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "join": self.join,
            "licence": self.licence,
            "origin": self.origin,
            "corpora": {
                ref: {split: list(parts) for split, parts in splits.items()}
                for ref, splits in self.uses.items()
            },
            "gaps": dict(self.gaps),
            "defects": list(self.defects),
            "files": [{"file": file.label, "sha256": file.sha256} for file in self.files()],
            "parts": {
                name: {
                    "files": [file.label for file in part.files],
                    "anomalies": dict(part.anomalies),
                    **part.counts.to_dict(),
                }
                for name, part in self.parts.items()
            },
        }
