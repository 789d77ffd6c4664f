"""What a method may predict, and the order in which its heads number it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from magpie.errors import ConfigError
from magpie.schema import Document

__all__ = ["LabelSpace", "TagOrder", "tag_names"]

TagOrder = Literal["umt", "umgf", "words", "bioes"]

#: order of the entity types inside the published tag inventories (bert_crf.md)
_PUBLISHED: dict[str, tuple[str, ...]] = {
    "umt": ("MISC", "PER", "ORG", "LOC"),
    "umgf": ("PER", "LOC", "ORG", "OTHER"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSpace:
    """Types by task; order is the numbering of the heads, and part of a checkpoint.

    ``parents`` maps a fine type to its coarse one. ``null_relation`` is the relation that stands
    for "none", if the corpus has one.
    """

    entity_types: tuple[str, ...] = ()
    fine_types: tuple[str, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    relation_types: tuple[str, ...] = ()
    null_relation: str | None = None
    event_types: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("entity_types", "fine_types", "relation_types", "event_types", "roles"):
            labels = getattr(self, name)
            if len(set(labels)) != len(labels):
                raise ConfigError(f"{name} holds a label twice: {labels}")

    @classmethod
    def of(cls, documents: Iterable[Document]) -> LabelSpace:
        """Every label of the training documents, sorted, so that the order is reproducible."""
        entities: set[str] = set()
        fine: dict[str, str] = {}
        relations: set[str] = set()
        events: set[str] = set()
        roles: set[str] = set()
        for document in documents:
            if document.annotations is None:
                continue
            for entity in document.annotations.entities:
                entities.add(entity.type)
                if entity.fine_type is not None:
                    fine[entity.fine_type] = entity.type
            relations.update(relation.type for relation in document.annotations.relations)
            for event in document.annotations.events:
                events.add(event.type)
                roles.update(argument.role for argument in event.arguments)
        null = next((name for name in sorted(relations) if name.lower() == "none"), None)
        return cls(
            entity_types=tuple(sorted(entities)),
            fine_types=tuple(sorted(fine)),
            parents=dict(sorted(fine.items())),
            relation_types=tuple(sorted(relations)),
            null_relation=null,
            event_types=tuple(sorted(events)),
            roles=tuple(sorted(roles)),
        )

    def to_dict(self) -> dict[str, Any]:
        """As written into a checkpoint."""
        return {
            "entity_types": list(self.entity_types),
            "fine_types": list(self.fine_types),
            "parents": dict(self.parents),
            "relation_types": list(self.relation_types),
            "null_relation": self.null_relation,
            "event_types": list(self.event_types),
            "roles": list(self.roles),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> LabelSpace:
        """Reads what :meth:`to_dict` wrote."""
        parts: dict[str, Any] = {
            name: tuple(part) if isinstance(part, list) else part for name, part in value.items()
        }
        return cls(**parts)


def tag_names(types: tuple[str, ...], order: TagOrder) -> tuple[str, ...]:
    """The tag inventory of a tagger, in the numbering of its head.

    Args:
        types: entity types of the corpus.
        order: ``words`` is O and B-/I- a type (first-piece tagging), ``bioes`` O and B-/I-/E-/S-.
            ``umt`` and ``umgf`` are the
            published inventories with padding and special tags: ``PAD O B-MISC I-MISC ... X [CLS]
            [SEP]`` and ``PAD B-PER I-PER ... O X CLS SEP`` (bert_crf.md). There, the corpus's own
            spelling of the fourth type (MISC or OTHER) is kept and further types follow.
    """
    if order in ("words", "bioes"):
        return ("O", *_pairs(types, "BI" if order == "words" else "BIES"))
    rank = {_shared(kind): place for place, kind in enumerate(_PUBLISHED[order])}
    pairs = _pairs(tuple(sorted(types, key=lambda kind: rank.get(_shared(kind), len(rank)))))
    if order == "umt":
        return ("PAD", "O", *pairs, "X", "[CLS]", "[SEP]")
    return ("PAD", *pairs, "O", "X", "CLS", "SEP")


def _shared(kind: str) -> str:
    """Twitter-2017 calls MISC what the others call OTHER."""
    return "OTHER" if kind == "MISC" else kind


def _pairs(types: tuple[str, ...], places: str = "BI") -> tuple[str, ...]:
    return tuple(f"{place}-{kind}" for kind in types for place in places)
