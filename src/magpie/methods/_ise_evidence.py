"""What ISE looked at, in words: nodes and edges that stayed, and the topic's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from torch import Tensor

from magpie.methods._ise_graphs import Node, NodeGraph
from magpie.methods.base import Batch, Output
from magpie.schema import Annotations

__all__ = ["evidence_of", "with_evidence"]

#: a gate above it is open
_OPEN = 0.5
#: edges that are named at most
_EDGES = 12


def _name(node: Node, place: int) -> str:
    if node.text:
        return node.text
    if node.picture == 0:
        return "the picture"
    return f"object {node.number if node.number is not None else node.picture or place}"


def evidence_of(
    text: NodeGraph,
    visual: NodeGraph,
    first: int,
    nodes: Tensor,
    edges: Tensor,
    words: Sequence[str],
) -> list[str]:
    """Lines such as ``kept: Rocky, ball``, ``dropped: sky``, ``edge: Rocky - ball``.

    Args:
        text, visual: both graphs; the text's nodes stand from 0 on.
        first: place of the first visual node.
        nodes, edges: gates [M] and [M, M].
        words: of the topic, the likeliest first.
    """
    places = [*range(len(text.nodes)), *range(first, first + len(visual.nodes))]
    things = (*text.nodes, *visual.nodes)
    names = [_name(node, place) for place, node in zip(places, things, strict=True)]
    open_nodes = [bool(nodes[place] > _OPEN) for place in places]
    lines = []
    for word, wanted in (("kept", True), ("dropped", False)):
        chosen = [name for name, kept in zip(names, open_nodes, strict=True) if kept is wanted]
        if chosen:
            lines.append(f"{word}: {', '.join(chosen)}")
    linked = [
        f"{names[a]} - {names[b]}"
        for a in range(len(places))
        for b in range(a + 1, len(places))
        if bool(edges[places[a], places[b]] > _OPEN)
    ]
    lines += [f"edge: {edge}" for edge in linked[:_EDGES]]
    if len(linked) > _EDGES:
        lines.append(f"and {len(linked) - _EDGES} more edges")
    if words:
        lines.append(f"topic: {', '.join(words)}")
    return lines


def with_evidence(
    found: Sequence[Annotations], output: Output, batch: Batch, known: Sequence[str]
) -> list[Annotations]:
    """The annotations with the evidence of all their pairs, each line behind its pair's ends.

    Args:
        found: as decoded.
        output, batch: of the same documents.
        known: words of the vocabulary.
    """
    first = batch.inputs["text_words"].shape[1]
    scores = output.scores
    row, finished = 0, []
    for example, one in zip(batch.examples, found, strict=True):
        lines: list[str] = []
        for (head, tail), graph in zip(
            example.notes["pairs"], example.notes["graphs"], strict=True
        ):
            numbers = scores["text_topic_words"][row].tolist()
            words = [known[number] for number in numbers if 0 <= number < len(known)]
            said = evidence_of(
                graph,
                example.notes["visual"],
                first,
                scores["nodes"][row],
                scores["edges"][row],
                words,
            )
            lines += [f"{head} -> {tail}: {line}" for line in said]
            row += 1
        provenance = one.provenance
        if provenance is not None and lines:
            provenance = dataclasses.replace(provenance, evidence=tuple(lines))
        finished.append(dataclasses.replace(one, provenance=provenance))
    return finished
