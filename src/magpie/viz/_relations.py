"""Triples of the report: both ends by what they are called, lit up together with their places."""

from __future__ import annotations

import dataclasses

from magpie.schema import Document, Relation
from magpie.schema._show import describe_others
from magpie.viz._html import Html, element
from magpie.viz._text import score_text, type_class

__all__ = ["other_lines"]


def other_lines(document: Document) -> list[Html]:
    """A list item a relation, then a line an event and a link."""
    annotations = document.annotations
    if annotations is None:
        return []
    rest = dataclasses.replace(annotations, relations=())
    relations = [_triple(document, relation) for relation in annotations.relations]
    return [*relations, *(element("li", line) for line in describe_others(rest))]


def _triple(document: Document, relation: Relation) -> Html:
    """Hovering it lights up the mentions and boxes of both ends, as hovering those does."""
    numbers = {entity.id: str(index) for index, entity in enumerate(document.entities)}
    ends = [numbers[end] for end in (relation.head, relation.tail) if end in numbers]
    head, tail = (_end(document, end) for end in (relation.head, relation.tail))
    said = "" if relation.score is None else f" {score_text(relation.score)}"
    return element(
        "li",
        head,
        element("span", f" — {relation.type} → ", class_="arrow"),
        tail,
        element("span", said, class_="score"),
        class_="triple",
        data_e=" ".join(ends) or None,
        tabindex=0 if ends else None,
    )


def _end(document: Document, identifier: str) -> Html:
    for entity in document.entities:
        if entity.id == identifier:
            return element(
                "bdi", document.text_of(entity), class_=f"type {type_class(entity.type)}"
            )
    regions = () if document.annotations is None else document.annotations.regions
    for region in regions:
        if region.id == identifier:
            where = (
                "" if region.box is None else f" at {', '.join(f'{v:g}' for v in region.box.xyxy)}"
            )
            return element("bdi", f"{region.label or 'object'} in {region.media}{where}")
    return element("bdi", identifier)
