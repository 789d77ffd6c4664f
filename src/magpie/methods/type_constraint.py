"""Relations that the types of the two ends allow, where labels say which (mre_metrics.md).

A label of MNRE is a path: ``/per/org/member_of`` relates a person to an organization, and the path
is the constraint. Types are those that a method predicted before: gold ones would give the answer
away, since related pairs have the types of their label.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from magpie.corpora.pairs import UNTYPED
from magpie.corpora.reader import METHOD as GOLD
from magpie.schema import Annotations, Document, Entity, Relation

__all__ = ["HIDDEN_TYPE", "is_predicted", "masked", "misfits", "path_types"]

#: stands where the type of something given is not given
HIDDEN_TYPE = "unknown"

#: spellings of one type, lower-cased
_SAME = {"other": "misc", "person": "per", "location": "loc", "organization": "org"}


def is_predicted(entity: Entity, annotations: Annotations) -> bool:
    """Whether a method named the entity, and neither a corpus nor nobody known."""
    said = entity.provenance or annotations.provenance
    return said is not None and said.method != GOLD


def path_types(label: str) -> tuple[str, str] | None:
    """The types of head and tail that a label's path asks for; None where it is no path.

    Examples:
        >>> path_types("/per/org/member_of"), path_types("None")
        (('per', 'org'), None)
    """
    parts = label.split("/")
    return (parts[1], parts[2]) if len(parts) == 4 and not parts[0] and all(parts[1:]) else None


def masked(
    logits: Tensor, labels: Sequence[str], ends: Sequence[tuple[str | None, str | None]]
) -> Tensor:
    """Logits [N, C] with minus infinity at every label that the types of a pair forbid.

    Args:
        logits: of N pairs and C labels.
        labels: C names; those that are no path fit every pair.
        ends: N predicted types of head and tail; an unknown one (None) forbids nothing.
    """
    asked = [path_types(label) for label in labels]
    forbidden = logits.new_tensor(
        [[_forbids(each, pair) for each in asked] for pair in ends], dtype=torch.bool
    )
    # Where no label stands for none, a pair that fits nothing is judged without its types.
    forbidden &= ~forbidden.all(1, keepdim=True)
    return logits.masked_fill(forbidden, -float("inf"))


def misfits(document: Document) -> list[Relation]:
    """The relations of a document that the types of their ends forbid.

    A type that nobody named forbids nothing, and neither does an object, whose label is no type.
    """
    given = document.annotations
    if given is None:
        return []
    nobody = (HIDDEN_TYPE, UNTYPED)
    kinds = {each.id: each.type for each in given.entities if each.type not in nobody}
    return [
        relation
        for relation in given.relations
        if _forbids(path_types(relation.type), (kinds.get(relation.head), kinds.get(relation.tail)))
    ]


def _forbids(asked: tuple[str, str] | None, pair: tuple[str | None, str | None]) -> bool:
    return asked is not None and any(
        have is not None and _spelled(have) != _spelled(wanted)
        for have, wanted in zip(pair, asked, strict=True)
    )


def _spelled(kind: str) -> str:
    lower = kind.lower()
    return _SAME.get(lower, lower)
