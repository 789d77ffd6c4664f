"""JSON lines that GLiNER2 is trained on: a text, and what it mentions by name.

One line a block (broken here)::

    {"input": "Ada left Turin",
     "output": {"entities": {"PER": ["Ada"], "LOC": ["Turin"]},
                "relations": [{"left": {"head": "Ada", "tail": "Turin"}}]},
     "id": "post-1", "places": {"entities": {"PER": [[0, 3]], "LOC": [[9, 14]]},
                                "relations": [[[0, 3], [9, 14]]]}}

The format itself has no places. ``places`` (code points, in the order of the mentions), ``id`` and
``block`` are magpie's own keys beside it. In files without them mentions are put back with
:class:`~magpie.text.locate.Locator`: the first mention of a name gets its first occurrence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from magpie._io import dump_json
from magpie.errors import FormatError, MagpieError
from magpie.export.gliner import iter_items
from magpie.export.report import ExportReport
from magpie.schema import Annotations, Block, Document, Entity, Relation, Span
from magpie.text.locate import Locator

__all__ = ["read", "write"]

Range = tuple[int, int]


def write(documents: Iterator[Document], path: Path, report: ExportReport) -> None:
    """One line a block."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for document in documents:
            if not document.blocks:
                report.lose("documents", document, why="without any block")
            relations = _joinable(document, report)
            for block in document.blocks:
                stream.write(dump_json(_item(document, block, relations)) + "\n")


def _item(document: Document, block: Block, joined: list[Relation]) -> dict[str, Any]:
    names: dict[str, list[str]] = {}
    places: dict[str, list[list[int]]] = {}
    for entity in document.entities:
        if entity.span.block == block.id:
            names.setdefault(entity.type, []).append(document.text_of(entity))
            places.setdefault(entity.type, []).append([entity.span.start, entity.span.end])
    relations, ends = [], []
    spans = {entity.id: entity.span for entity in document.entities}
    for relation in joined:
        head, tail = spans[relation.head], spans[relation.tail]
        if head.block == block.id:
            fields = {"head": document.text_of(head), "tail": document.text_of(tail)}
            relations.append({relation.type: fields})
            ends.append([[head.start, head.end], [tail.start, tail.end]])
    item = {
        "input": block.text,
        "output": {"entities": names, "relations": relations},
        "id": document.id,
        "places": {"entities": places, "relations": ends},
    }
    if len(document.blocks) > 1 or block.id != "b0":
        item["block"] = block.id
    return item


def _joinable(document: Document, report: ExportReport) -> list[Relation]:
    """The relations whose ends can be told by their place."""
    spans = {entity.id: entity.span for entity in document.entities}
    firsts = {entity.span: entity.id for entity in reversed(document.entities)}
    kept = []
    for relation in document.annotations.relations if document.annotations else ():
        head, tail = spans.get(relation.head), spans.get(relation.tail)
        if head is None or tail is None:
            report.lose("relations", document, relation.id, why="an end is no entity")
        elif head.block != tail.block:
            report.lose("relations", document, relation.id, why="between two blocks")
        elif firsts[head] != relation.head or firsts[tail] != relation.tail:
            report.lose("relations", document, relation.id, why="an end shares its place")
        else:
            kept.append(relation)
    return kept


# reading


def read(path: Path, problem: Callable[[MagpieError], None]) -> Iterator[Document]:
    """Streams the documents; ``text`` and ``schema`` are read as ``input`` and ``output``, too.

    Mentions that are not in the text, and relations whose ends are no mentions, are reported and
    left out.
    """
    parts: list[_Part] = []
    for number, (where, item) in enumerate(iter_items(path, problem), start=1):
        try:
            part = _Part(item, f"{path.stem}-{number}")
        except MagpieError as error:
            problem(error.at(where))
            continue
        for message in part.problems:
            problem(FormatError(message, where=where))
        if parts and not (part.more and parts[0].id == part.id):
            yield from _joined(parts, problem)
            parts = []
        parts.append(part)
    if parts:
        yield from _joined(parts, problem)


class _Part:
    """One line: a block, its entities as (span, type), relations as (type, head span, tail span).

    Raises:
        FormatError: the line is not of that shape.
    """

    def __init__(self, item: Any, default: str) -> None:
        if not isinstance(item, dict):
            raise FormatError(f"expected an object, came {str(item)[:60]}")
        text, output = item.get("input", item.get("text")), item.get("output", item.get("schema"))
        if not isinstance(text, str) or not isinstance(output, dict):
            raise FormatError("expected input to be a text and output to be an object")
        self.problems: list[str] = []
        self.id = str(item.get("id") or default)
        self.more = "id" in item and "block" in item
        self.block = Block(id=str(item.get("block") or "b0"), text=text)
        places = item.get("places")
        self.places = places if isinstance(places, dict) else {}
        self.entities = self._entities(output.get("entities", {}))
        self.relations = self._relations(output.get("relations", []))

    def _entities(self, groups: Any) -> list[tuple[Range, str]]:
        if not isinstance(groups, dict) or not all(
            isinstance(names, list) and all(isinstance(name, str) for name in names)
            for names in groups.values()
        ):
            raise FormatError("expected entities to be lists of mentions by type")
        found = []
        given = self.places.get("entities")
        for kind, names in groups.items():
            own = given.get(kind) if isinstance(given, dict) else None
            spans = [self._span(*pair) for pair in zip(names, _padded(own, names), strict=True)]
            if None in spans:
                spans = self._located(names)
            for name, span in zip(names, spans, strict=True):
                if span is None:
                    self.problems.append(f"mention {name[:60]!r} is not in the text")
                else:
                    found.append((span, kind))
        return found

    def _span(self, name: str, place: Any) -> Range | None:
        """The given place, if the mention stands there."""
        if not isinstance(place, list) or len(place) != 2:
            return None
        start, end = place
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end:
            return None
        return (start, end) if self.block.text[start:end] == name else None

    def _located(self, names: list[str]) -> list[Range | None]:
        """A place of its own for each, rather not inside a word."""
        spans: list[Range | None] = []
        places = Locator(self.block.text).locate_each(names)
        used = [place.span for place in places if place.found]
        inside = Locator(self.block.text, boundaries="character", max_distance=0)
        for name, place in zip(names, places, strict=True):
            better = place if place.found else inside.locate(name, used=used)
            spans.append(better.span if better.found else None)
            used += [better.span] if better.found else []
        return spans

    def _relations(self, items: Any) -> list[tuple[str, Range, Range]]:
        """Ends are where ``places`` says, else the first entity of that name."""
        known = {span for span, _ in self.entities}
        names: dict[str, Range] = {}
        for start, end in sorted(known):
            names.setdefault(self.block.text[start:end], (start, end))
        found = []
        items = items if isinstance(items, list) else [items]
        for item, places in zip(items, _padded(self.places.get("relations"), items), strict=True):
            kind, fields = next(iter(item.items())) if isinstance(item, dict) and item else ("", {})
            ends = []
            for name, place in zip(("head", "tail"), _padded(places, [0, 0]), strict=True):
                text = fields.get(name) if isinstance(fields, dict) else None
                span = self._span(text, place) if isinstance(text, str) else None
                ends.append(span if span in known else names.get(str(text)))
            head, tail = ends
            if head is None or tail is None:
                self.problems.append(f"relation {str(item)[:60]} does not join two entities")
            else:
                found.append((kind, head, tail))
        return found


def _padded(values: Any, like: list[Any]) -> list[Any]:
    """The values, if they are as many as they should be, else as many None."""
    if isinstance(values, list) and len(values) == len(like):
        return values
    return [None] * len(like)


def _joined(parts: list[_Part], problem: Callable[[MagpieError], None]) -> Iterator[Document]:
    """One document of the blocks, its entities and relations numbered through."""
    entities: list[Entity] = []
    relations: list[Relation] = []
    try:
        for part in parts:
            ids: dict[Range, str] = {}
            for place, kind in part.entities:
                span = Span(part.block.id, *place)
                entities.append(Entity(id=f"e{len(entities)}", span=span, type=kind))
                ids.setdefault(place, entities[-1].id)
            for kind, head, tail in part.relations:
                name = f"r{len(relations)}"
                relations.append(Relation(id=name, head=ids[head], tail=ids[tail], type=kind))
        yield Document(
            id=parts[0].id,
            blocks=tuple(part.block for part in parts),
            annotations=Annotations(entities=tuple(entities), relations=tuple(relations)),
        )
    except MagpieError as error:
        problem(error.at(parts[0].id))
