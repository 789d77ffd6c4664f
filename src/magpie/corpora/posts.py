"""Rows of one post as one document.

Relation corpora list a post once for every pair of its mentions: the 12,247 training rows of MNRE 2
are 7,356 posts, the 7,824 of MNRE 1 are 3,996. As one document with all its pairs, a post has its
picture read once for all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from magpie.schema import Annotations, Document, Entity, Region, Relation

__all__ = ["whole_posts"]


def whole_posts(documents: Iterable[Document]) -> list[Document]:
    """The documents, those of the same text and pictures as one, in the order of the first rows.

    Mentions and regions that are the same but for their id become one; relations keep their order,
    and all get new ids. The id of the document, its source and what else it has are the first
    row's, whose context is followed by that of the others; so are features that were published for
    a row (word graphs, phrases). A row stays by itself where it relates
    nothing, says again how a pair of its post relates, or has events, links, problems or named
    regions of a mention.
    """
    posts: dict[object, list[Document]] = {}
    told: dict[object, set[tuple[object, object]]] = {}
    for document in documents:
        if not _plain(document):
            posts[len(posts)] = [document]  # a number names no post
            continue
        mine, pairs = _post(document), _pairs(document)
        while pairs & told.setdefault(mine, set()):
            mine = (mine, "again")
        told[mine] |= pairs
        posts.setdefault(mine, []).append(document)
    return [rows[0] if len(rows) == 1 else _joined(rows) for rows in posts.values()]


def _plain(document: Document) -> bool:
    said = document.annotations
    if said is None or not said.relations or said.events or said.links or document.problems:
        return False
    return all(region.id is None for e in said.entities for region in e.grounding.regions)


def _post(document: Document) -> object:
    blocks = tuple((block.id, block.text, block.words) for block in document.blocks)
    media = tuple((m.id, m.kind, m.uri, m.data, m.missing) for m in document.media)
    return blocks, media


def _pairs(document: Document) -> set[tuple[object, object]]:
    said = document.annotations or Annotations()
    ends: dict[str, object] = {entity.id: _bare(entity) for entity in said.entities}
    ends |= {region.id: _bare(region) for region in said.regions if region.id is not None}
    return {(ends[relation.head], ends[relation.tail]) for relation in said.relations}


def _bare(part: Entity | Region) -> Entity | Region:
    return dataclasses.replace(part, id="x")


def _joined(rows: list[Document]) -> Document:
    entities: dict[object, Entity] = {}
    regions: dict[object, Region] = {}
    relations: list[Relation] = []
    for row in rows:
        said = row.annotations or Annotations()
        named: dict[str, str] = {}
        for entity in said.entities:
            kept = entities.setdefault(
                _bare(entity), dataclasses.replace(entity, id=f"e{len(entities)}")
            )
            named[entity.id] = kept.id
        for region in said.regions:
            own = dataclasses.replace(region, id=f"r{len(regions)}")
            kept_region = regions.setdefault(_bare(region), own)
            if region.id is not None:
                named[region.id] = kept_region.id or ""
        for relation in said.relations:
            head, tail = named[relation.head], named[relation.tail]
            own_id = f"f{len(relations)}"
            relations.append(dataclasses.replace(relation, id=own_id, head=head, tail=tail))
    annotations = Annotations(
        entities=tuple(entities.values()),
        regions=tuple(regions.values()),
        relations=tuple(relations),
        provenance=rows[0].annotations.provenance if rows[0].annotations else None,
    )
    context = tuple(dict.fromkeys(text for row in rows for text in row.context))
    return dataclasses.replace(rows[0], annotations=annotations, context=context)
