"""Bracketed text as nodes: read with an explicit stack, whatever brackets are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from magpie.methods.generation.result import Diagnostics

__all__ = ["CLOSE", "NULL", "OPEN", "SEPARATOR", "Node", "read", "walk"]

OPEN, CLOSE = "<extra_id_0>", "<extra_id_1>"
SEPARATOR, NULL = "<extra_id_5>", "<extra_id_6>"

_TOKEN = re.compile("|".join(map(re.escape, (OPEN, CLOSE, SEPARATOR))))


@dataclass(slots=True)
class Node:
    """A bracket pair: its own words up to the first child, and its children."""

    offset: int
    label: str = ""
    #: what stands behind the separator; None where there is no separator
    value: str | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether it has no words of its own."""
        return not self.label and self.value is None


def read(text: str, diagnostics: Diagnostics) -> list[Node]:
    """The first-level nodes of an output.

    Counts closers that are missing at the end (``repair_auto_closed``) or too many
    (``extra_close``), text outside of all nodes (``stray_text``, ``trailing_text``), and what
    stands behind the children of a node (``ill_formed`` if it was meant to be an item).
    """
    first: list[Node] = []
    open_: list[Node] = []
    begin = 0
    separated = False  # whether the current run of text holds a separator behind children

    def words(end: int) -> None:
        """Files the text since the last token."""
        part = " ".join(text[begin:end].split())
        if not part:
            return
        if not open_:
            diagnostics.note("trailing_text" if first else "stray_text", begin, part)
        elif open_[-1].children:
            if not separated:
                diagnostics.note("stray_text", begin, part)
        elif open_[-1].value is None:
            open_[-1].label = part
        else:
            open_[-1].value = f"{open_[-1].value} {part}".strip()

    for token in _TOKEN.finditer(text):
        words(token.start())
        begin = token.end()
        if token.group() == SEPARATOR:
            if not open_:
                diagnostics.note("trailing_text" if first else "stray_text", token.start())
            elif open_[-1].children:
                diagnostics.note("ill_formed", token.start(), text[token.start() :][:60])
                separated = True
            elif open_[-1].value is None:
                open_[-1].value = ""
            continue
        separated = False
        if token.group() == OPEN:
            node = Node(token.start())
            (open_[-1].children if open_ else first).append(node)
            open_.append(node)
        elif open_:
            open_.pop()
        else:
            diagnostics.note("extra_close", token.start())
    words(len(text))
    if open_:
        diagnostics.note("repair_auto_closed", len(text), count=len(open_))
    return first


def walk(nodes: list[Node]) -> Iterator[tuple[Node, int]]:
    """Every node before its children, with its depth; without recursion."""
    stack = [(node, 0) for node in reversed(nodes)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack += [(child, depth + 1) for child in reversed(node.children)]
