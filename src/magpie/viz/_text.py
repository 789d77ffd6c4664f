"""A block's text with its entities marked, nested and crossing ones included."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from magpie.schema import Block, Document, Entity
from magpie.schema._show import describe_grounding
from magpie.viz._html import Attribute, Html, element, join

__all__ = ["describe_entity", "highlight", "score_text", "type_class"]


def type_class(name: str) -> str:
    """CSS class of a type; a digest, because a type's name may hold anything."""
    return "t-" + hashlib.sha256(name.encode()).hexdigest()[:8]


def score_text(score: float | None) -> str:
    """Two decimals, or an en dash where nobody gave a score."""
    return "–" if score is None else f"{score:.2f}"


def describe_entity(document: Document, entity: Entity) -> str:
    """One line for screen readers and tooltips."""
    kind = f"{entity.type}, {entity.fine_type}" if entity.fine_type else entity.type
    score = "" if entity.score is None else f", score {entity.score:.2f}"
    return f"{document.text_of(entity)}: {kind}{score}, {describe_grounding(entity)}"


def _tag(entity: Entity) -> Html:
    """The small label behind a mention."""
    fine = element("i", entity.fine_type) if entity.fine_type else ""
    score = element("b", score_text(entity.score)) if entity.score is not None else ""
    return element("span", entity.type, fine, score, class_="tag", aria_hidden="true")


class _Mark:
    """An entity while its text is collected; ``pieces`` counts the elements it was cut into."""

    def __init__(self, index: int, entity: Entity, description: str) -> None:
        self.index = index
        self.entity = entity
        self.description = description
        self.pieces = 0

    def close(self, children: list[Html], *, ends: bool) -> Html:
        """The element of one piece: the first takes the focus, the last shows the label."""
        attributes: dict[str, Attribute] = {
            "class": f"ent {type_class(self.entity.type)}",
            "data-e": str(self.index),
        }
        if self.pieces == 0:
            attributes |= {
                "tabindex": 0,
                "role": "button",
                "aria-pressed": "false",
                "aria-label": self.description,
            }
        self.pieces += 1
        tail = [_tag(self.entity)] if ends else []
        return element("span", *children, *tail, **attributes)


def highlight(
    document: Document, block: Block, entities: Sequence[tuple[int, Entity]]
) -> list[Html]:
    """The block's text as pieces of markup.

    Nested entities become nested elements; one that crosses another is cut where they cross.

    Args:
        entities: (position in the document's entities, entity) of this block, in any order.
    """
    marks = [_Mark(index, entity, describe_entity(document, entity)) for index, entity in entities]
    marks.sort(key=lambda mark: (mark.entity.span.start, -mark.entity.span.end, mark.index))
    cuts = {0, len(block.text)}
    for mark in marks:
        cuts |= {mark.entity.span.start, mark.entity.span.end}
    root: list[Html] = []
    stack: list[tuple[_Mark, list[Html]]] = []
    waiting = list(reversed(marks))
    previous = 0
    for cut in sorted(cuts):
        target = stack[-1][1] if stack else root
        target.append(join(block.text[previous:cut]))
        previous = cut
        _close(stack, root, cut)
        while waiting and waiting[-1].entity.span.start == cut:
            stack.append((waiting.pop(), []))
    return root


def _close(stack: list[tuple[_Mark, list[Html]]], root: list[Html], cut: int) -> None:
    """Closes the marks that end here; those opened inside them and still running start anew."""
    lowest = next((i for i, (mark, _) in enumerate(stack) if mark.entity.span.end == cut), None)
    if lowest is None:
        return
    running: list[_Mark] = []
    while len(stack) > lowest:
        mark, children = stack.pop()
        ends = mark.entity.span.end == cut
        parent = stack[-1][1] if stack else root
        # A mark that only just started has nothing to show yet.
        if ends or any(children):
            parent.append(mark.close(children, ends=ends))
        if not ends:
            running.append(mark)
    stack.extend((mark, []) for mark in reversed(running))
