"""How documents look in a terminal (rich) and in a notebook (HTML); pictures stay undecoded.

The full report with pictures and boxes lives in :mod:`magpie.viz`; this is the quick look that
needs nothing but the values.
"""

from __future__ import annotations

import hashlib
from html import escape
from typing import TYPE_CHECKING

from magpie.schema.annotations import Annotations, Entity

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

    from magpie.schema.document import Block, Document

__all__ = [
    "annotations_html",
    "annotations_table",
    "describe_grounding",
    "describe_others",
    "document_html",
    "document_panel",
    "type_colour",
]

#: Type colours (background, for dark text); any other type gets a stable one of its own.
_COLOURS = {"PER": "#ffd6a5", "LOC": "#caffbf", "ORG": "#a0c4ff", "OTHER": "#e4c1f9"}
_COLOURS["MISC"] = _COLOURS["OTHER"]


def type_colour(name: str) -> str:
    """``#rrggbb`` of a type: fixed for the four coarse types, else derived from the name."""
    if name in _COLOURS:
        return _COLOURS[name]
    digest = hashlib.sha256(name.encode()).digest()
    return "#" + "".join(f"{170 + byte % 80:02x}" for byte in digest[:3])


def describe_grounding(entity: Entity) -> str:
    """One short cell: where the entity shows."""
    grounding = entity.grounding
    if grounding.status == "unknown":
        return "not looked for"
    if grounding.status == "absent":
        return "not in the picture"
    cells = []
    for region in grounding.regions:
        place = region.media
        if region.box is not None:
            place += " (" + ", ".join(f"{value:.0f}" for value in region.box.xyxy) + ")"
        cells.append(place + (f" {region.label}" if region.label else ""))
    return "; ".join(cells)


def _rows(annotations: Annotations, document: Document | None) -> list[list[str]]:
    rows = []
    for entity in annotations.entities:
        text = document.text_of(entity) if document is not None else "?"
        kind = f"{entity.type} / {entity.fine_type}" if entity.fine_type else entity.type
        offsets = f"{entity.span.block} [{entity.span.start}, {entity.span.end})"
        score = "" if entity.score is None else f"{entity.score:.2f}"
        rows.append([entity.id, text, kind, offsets, score, describe_grounding(entity)])
    return rows


_HEADINGS = ("id", "text", "type", "characters", "score", "in the picture")


def annotations_table(annotations: Annotations, document: Document | None) -> Table:
    """A rich table of the entities, with relations and events below it in the caption."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=None if document is None else Text(f"document {document.id}"))
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in _rows(annotations, document):
        table.add_row(*(Text(cell) for cell in row))
    table.caption = Text("; ".join(describe_others(annotations)))
    return table


def describe_others(annotations: Annotations) -> list[str]:
    """Relations, events and links, a short line each."""
    lines = [f"{r.head} -{r.type}-> {r.tail}" for r in annotations.relations]
    for event in annotations.events:
        roles = ", ".join(f"{a.role}={a.target}" for a in event.arguments)
        lines.append(f"{event.type}({roles})")
    lines.extend(f"{link.head} -> {link.tail}" for link in annotations.links)
    return lines


def document_panel(document: Document) -> Group:
    """Highlighted text, each step under a heading, the table, then the problems."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for block in document.blocks:
        if heading := _heading(document, block):
            parts.append(Text(heading, style="bold"))
        text = Text(block.text)
        for entity in document.entities:
            if entity.span.block == block.id:
                style = f"black on {type_colour(entity.type)}"
                text.stylize(style, entity.span.start, entity.span.end)
        parts.append(text)
    if document.annotations is not None:
        parts.append(annotations_table(document.annotations, document))
    parts.extend(
        Text(f"{document.status}: {problem.message} [{problem.code}]", style="red")
        for problem in document.problems
    )
    return Group(*parts)


def _heading(document: Document, block: Block) -> str:
    """What a step is called, and where its picture lies; nothing for other blocks."""
    if block.step is None:
        return ""
    medium = next((each for each in document.media if each.id == block.media), None)
    if medium is None:
        return f"step {block.step}"
    return f"step {block.step}, picture {medium.uri or medium.id}"


def annotations_html(annotations: Annotations, document: Document | None) -> str:
    """An HTML table; everything that came from outside is escaped."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in _HEADINGS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(annotations, document)
    )
    others = "".join(f"<li>{escape(line)}</li>" for line in describe_others(annotations))
    tail = f"<ul>{others}</ul>" if others else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{tail}"


def _marked(block: Block, entities: list[Entity]) -> str:
    """The block's text with <mark> around entities; of overlapping ones the first stays."""
    pieces = []
    position = 0
    for entity in sorted(entities, key=lambda entity: (entity.span.start, -entity.span.end)):
        if entity.span.start < position:
            continue
        pieces.append(escape(block.text[position : entity.span.start]))
        title = escape(f"{entity.fine_type or entity.type}: {describe_grounding(entity)}")
        inside = escape(block.text[entity.span.start : entity.span.end])
        colour = type_colour(entity.type)
        pieces.append(
            f'<mark style="background:{colour};color:#000" title="{title}">{inside} '
            f"<small>{escape(entity.type)}</small></mark>"
        )
        position = entity.span.end
    pieces.append(escape(block.text[position:]))
    return "".join(pieces)


def document_html(document: Document) -> str:
    """The highlighted text above the table of entities."""
    texts = "".join(
        (f"<p><b>{escape(heading)}</b></p>" if (heading := _heading(document, block)) else "")
        + '<p dir="auto" style="white-space:pre-wrap">'
        + _marked(block, [e for e in document.entities if e.span.block == block.id])
        + "</p>"
        for block in document.blocks
    )
    table = annotations_html(document.annotations, document) if document.annotations else ""
    problems = "".join(
        f"<p><b>{escape(document.status)}</b>: {escape(problem.message)} "
        f"[{escape(problem.code)}]</p>"
        for problem in document.problems
    )
    return f'<div class="magpie-document">{texts}{table}{problems}</div>'
