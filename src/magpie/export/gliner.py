"""The shape that GLiNER is trained on: words, and entities as inclusive ranges of words.

A file is one JSON list with one item a line, so that it is read as a whole or line by line::

    {"tokenized_text": ["Ada", "left"], "ner": [[0, 0, "PER"]], "relations": [], "id": "post-1"}

``ner`` is ``[first word, last word, type]``; ``relations`` is ``[head, tail, type]`` with places in
``ner``, as the relation models of that library read them. Entities may overlap. The other keys are
magpie's own and passed over by GLiNER: ``id`` and ``block``, and where the text is not the words
joined by spaces, ``text`` and the ``words`` (code point ranges) that the corpus had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from magpie._io import dump_json
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.json_items import iter_json
from magpie.corpora.source import Found
from magpie.errors import FormatError, MagpieError
from magpie.export._sentences import Sentence, entities_of, restored, sentences_of
from magpie.export.report import ExportReport
from magpie.schema import Annotations, Block, Document, Entity, Relation
from magpie.text.tags import Chunk

__all__ = ["iter_items", "read", "write"]


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    labels: bool = False,
) -> None:
    """One item a block.

    Args:
        labels: also write ``ner_labels``, the types of all documents before and in this one: with
            them GLiNER knows what to train against. Only for data of one fixed set of types.
    """
    types: dict[str, None] = {}
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        mark = "[\n"
        for document in documents:
            sentences = sentences_of(document, report)
            homes = {e.id: n for n, s in enumerate(sentences) for e in s.entities}
            for index, sentence in enumerate(sentences):
                item = _item(document, sentence, index)
                item["relations"] = _relations(document, sentence, index, homes)
                if labels:
                    types |= dict.fromkeys(chunk[0] for chunk in sentence.chunks)
                    item["ner_labels"] = list(types)
                stream.write(mark + dump_json(item))
                mark = ",\n"
            _lose_relations(document, homes, report)
        stream.write("[]\n" if mark == "[\n" else "\n]\n")


def _item(document: Document, sentence: Sentence, index: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "tokenized_text": sentence.words,
        "ner": [[first, last - 1, kind] for kind, first, last in sentence.chunks],
        "id": document.id,
    }
    if index or sentence.block.id != "b0":
        item["block"] = sentence.block.id
    if not sentence.plain:
        item["text"] = sentence.block.text
        if sentence.block.words is not None:
            item["words"] = sentence.block.words
    return item


def _relations(
    document: Document, sentence: Sentence, index: int, homes: dict[str, int]
) -> list[list[Any]]:
    places = {entity.id: place for place, entity in enumerate(sentence.entities)}
    return [
        [places[relation.head], places[relation.tail], relation.type]
        for relation in (document.annotations.relations if document.annotations else ())
        if homes.get(relation.head) == homes.get(relation.tail) == index
    ]


def _lose_relations(document: Document, homes: dict[str, int], report: ExportReport) -> None:
    for relation in document.annotations.relations if document.annotations else ():
        ends = homes.get(relation.head), homes.get(relation.tail)
        if None in ends:
            report.lose("relations", document, relation.id, why="an end is no written entity")
        elif ends[0] != ends[1]:
            report.lose("relations", document, relation.id, why="between two blocks")


# reading


def iter_items(path: Path, problem: Callable[[MagpieError], None]) -> Iterator[tuple[str, Any]]:
    """The items of a JSON list or of a file of JSON lines, each with its place for messages."""
    for raw in iter_json(Found(DataFile(path.name), path)):
        if raw.error is not None:
            problem(raw.error)
        else:
            yield raw.where, raw.value


def read(path: Path, problem: Callable[[MagpieError], None]) -> Iterator[Document]:
    """Streams the documents of a JSON list or of JSON lines, magpie's own or any of that shape.

    Items without an id get ``<file name>-<number>``; those that follow each other with one id and
    a block each are one document.
    """
    current: _Open | None = None
    for number, (where, item) in enumerate(iter_items(path, problem), start=1):
        try:
            name = _text(item, "id") or f"{path.stem}-{number}"
            same = current is not None and current.id == name and "block" in item
            target = current if current is not None and same else _Open(name, where)
            target.add(item)
        except MagpieError as error:
            problem(error.at(where))
            continue
        if current is not None and target is not current:
            yield from current.close(problem)
        current = target
    if current is not None:
        yield from current.close(problem)


class _Open:
    """A document whose blocks are still coming."""

    def __init__(self, id: str, where: str) -> None:
        self.id = id
        self.where = where
        self.blocks: list[Block] = []
        self.entities: list[Entity] = []
        self.relations: list[Relation] = []

    def add(self, item: dict[str, Any]) -> None:
        """Takes one more block, or nothing of it if anything about it is wrong."""
        words, ner = item.get("tokenized_text"), item.get("ner", [])
        if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
            raise FormatError("expected tokenized_text to be a list of words")
        own = item.get("words")
        if own is not None:
            own = [tuple(_numbers(pair, "words")) for pair in _list(own, "words")]
        block, places = restored(
            words, id=_text(item, "block") or "b0", text=_text(item, "text"), own=own
        )
        chunks = [_chunk(entry, len(words)) for entry in _list(ner, "ner")]
        entities = entities_of(block, places, chunks, first=len(self.entities))
        relations: list[Relation] = []
        for entry in _list(item.get("relations", []), "relations"):
            head, tail, kind = _triple(entry, "relations")
            if not (0 <= head < len(entities) and 0 <= tail < len(entities)):
                raise FormatError(f"relation {entry!r} points outside the {len(entities)} entities")
            name = f"r{len(self.relations) + len(relations)}"
            relations.append(
                Relation(id=name, head=entities[head].id, tail=entities[tail].id, type=kind)
            )
        self.blocks.append(block)
        self.entities += entities
        self.relations += relations

    def close(self, problem: Callable[[MagpieError], None]) -> Iterator[Document]:
        annotations = Annotations(entities=tuple(self.entities), relations=tuple(self.relations))
        try:
            yield Document(id=self.id, blocks=tuple(self.blocks), annotations=annotations)
        except MagpieError as error:
            problem(error.at(self.where))


def _chunk(entry: Any, words: int) -> Chunk:
    first, last, kind = _triple(entry, "ner")
    if not 0 <= first <= last < words:
        raise FormatError(
            f"entity {entry!r} leaves the {words} words",
            mend="Ranges are [first word, last word, type], both words included.",
        )
    return kind, first, last + 1


def _triple(entry: Any, name: str) -> tuple[int, int, str]:
    if not isinstance(entry, list) or len(entry) < 3 or not isinstance(entry[2], str):
        raise FormatError(f"expected [number, number, type] in {name}, came {str(entry)[:60]}")
    first, last = _numbers(entry[:2], name)
    return first, last, entry[2]


def _numbers(pair: Any, name: str) -> list[int]:
    if (
        not isinstance(pair, list)
        or len(pair) != 2
        or not all(isinstance(n, int) and not isinstance(n, bool) for n in pair)
    ):
        raise FormatError(f"expected two whole numbers in {name}, came {str(pair)[:60]}")
    return pair


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(f"expected {name} to be a list, came {str(value)[:60]}")
    return value


def _text(item: Any, name: str) -> str | None:
    if not isinstance(item, dict):
        raise FormatError(f"expected an object, came {str(item)[:60]}")
    value = item.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name == "id":
        return str(value)
    if value is not None and not isinstance(value, str):
        raise FormatError(f"expected {name} to be a text, came {str(value)[:60]}")
    return value
