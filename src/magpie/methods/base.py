"""What every method is: input from documents, targets from gold, a network, and a decoder.

The two roads for data are separate on purpose. :meth:`Method.prepare` is handed the document
without its annotations, so gold cannot leak into features; :meth:`Method.targets` is handed gold
and what was prepared. Prediction calls the first only.

Shape letters, here and in every method: B batch, T text tokens, W words, R regions, P patches or
cells, D width, C classes or channels, L tags, S spans.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import Backbone
from magpie.errors import ConfigError
from magpie.features import Assets, Need
from magpie.methods.labels import LabelSpace
from magpie.methods.type_constraint import HIDDEN_TYPE, is_predicted
from magpie.schema import Annotations, Document, Entity, Region, Relation

if TYPE_CHECKING:
    from magpie.features.supply import Supplier

__all__ = [
    "HIDDEN_TYPE",
    "Batch",
    "Example",
    "Method",
    "MethodConfig",
    "Output",
    "ParameterGroup",
    "Task",
    "without_gold",
]


class Task(StrEnum):
    """What a method puts into ``Annotations``."""

    NER = "ner"
    GMNER = "gmner"
    MRE = "mre"
    JMERE = "jmere"
    OBJECT_RELATION = "object-relation"
    EVENTS = "events"
    FORMS = "forms"


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodConfig:
    """Root of all method settings: frozen, checked when built, one comment a field."""

    def to_dict(self) -> dict[str, Any]:
        """As written into a checkpoint."""
        return dataclasses.asdict(self)


@dataclass(slots=True)
class Example:
    """One document as a network reads it. Tensors have no batch dimension."""

    document: Document
    inputs: dict[str, Tensor]
    #: what ``decode`` needs to find its way back to characters and pixels
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """Examples side by side; ``targets`` is empty when there is no gold."""

    examples: list[Example]
    inputs: dict[str, Tensor]
    targets: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.examples)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on ``device``."""
        return Batch(
            self.examples,
            {name: tensor.to(device) for name, tensor in self.inputs.items()},
            {name: tensor.to(device) for name, tensor in self.targets.items()},
        )


@dataclass(slots=True)
class Output:
    """What ``forward`` returns: ``losses`` by name, already weighted, and named ``scores``."""

    scores: dict[str, Tensor]
    losses: dict[str, Tensor] = field(default_factory=dict)

    @property
    def loss(self) -> Tensor:
        """Sum of the terms; what is back-propagated.

        Raises:
            ConfigError: the batch had no targets.
        """
        if not self.losses:
            raise ConfigError("a loss needs targets", mend="Collate the examples with targets.")
        return torch.stack(list(self.losses.values())).sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterGroup:
    """Parameters that share a learning rate.

    ``rate`` is absolute and replaces the recipe's; None takes the recipe's. ``decay`` likewise.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    rate: float | None = None
    decay: float | None = None


def without_gold(document: Document, given: Collection[str] = frozenset()) -> Document:
    """The document as ``prepare`` may see it.

    Args:
        document: with or without annotations.
        given: what the task hands to a method beside text and pictures (:attr:`Method.given`).
    """
    gold = document.annotations
    if gold is None:
        return document
    if "entities" not in given:
        return document.with_annotations(None)
    predicted = "predicted_types" in given
    entities = tuple(
        Entity(
            id=e.id,
            span=e.span,
            type=e.type
            if "types" in given or (predicted and is_predicted(e, gold))
            else HIDDEN_TYPE,
        )
        for e in gold.entities
    )
    regions: tuple[Region, ...] = _bare_regions(gold) if "regions" in given else ()
    relations: tuple[Relation, ...] = ()
    if "pairs" in given:
        known = {entity.id for entity in entities} | {region.id for region in regions}
        relations = tuple(
            Relation(id=r.id, head=r.head, tail=r.tail, type=HIDDEN_TYPE)
            for r in gold.relations
            if r.head in known and r.tail in known
        )
    return document.with_annotations(
        Annotations(entities=entities, regions=regions, relations=relations)
    )


def _bare_regions(gold: Annotations) -> tuple[Region, ...]:
    """Every region as a place that stands alone: not what it is called, nor whom it shows."""
    found: dict[object, Region] = {}
    for region in gold.all_regions():
        bare = dataclasses.replace(region, label=None, score=None, provenance=None)
        found.setdefault(region.id or bare, bare)
    return tuple(found.values())


class Method(nn.Module, ABC):
    """A published method.

    Args:
        config: its settings.
        labels: what it may predict.
        backbones: pre-trained parts by role, such as ``"text"`` and ``"vision"``.
    """

    name: ClassVar[str]
    tasks: ClassVar[frozenset[Task]]
    Config: ClassVar[type[MethodConfig]]
    #: what its task hands it beside text and pictures: ``entities`` (spans), their ``types`` or
    #: only ``predicted_types``, those that a method and no corpus named, ``regions`` (of the
    #: pictures, without what they are called and whom they show), ``pairs`` (the ends of
    #: relations, without their types)
    given: ClassVar[frozenset[str]] = frozenset()
    #: reads a procedure whole, each step beside its own picture; else it is handed step by step
    reads_steps: ClassVar[bool] = False
    #: settings that only say how answers are read off scores: they may be others than in training
    adjustable: ClassVar[frozenset[str]] = frozenset()
    #: fill value of each padded input and target; what is not named here is padded with zeros
    padding: ClassVar[Mapping[str, float]] = {}

    def __init__(
        self, config: Any, labels: LabelSpace, backbones: Mapping[str, Backbone] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.labels = labels
        self.backbones = nn.ModuleDict(dict(backbones or {}))

    @classmethod
    @abstractmethod
    def build(cls, config: Any, labels: LabelSpace) -> Self:
        """Loads the backbones that ``config`` names and puts the method together.

        Raises:
            ModelError: a backbone is not on this machine.
        """

    @classmethod
    def assemble(cls, config: Any, labels: LabelSpace, backbones: Mapping[str, Backbone]) -> Self:
        """Puts the method together from parts that are loaded already, as a checkpoint has them.

        By default ``backbones`` are handed to the constructor under their roles.
        """
        return cls(config, labels, **cast(Any, backbones))

    def matching(self, other: Method) -> dict[str, str]:
        """Parts of this method -> those of another, trained one whose weights mean the same and
        can begin its training (:mod:`magpie.methods.starting`). Backbones, and a method of the
        same name, need no word."""
        return {}

    def begin(self, stage: str) -> None:
        """Told before a stage of training begins, and with an empty name when the last has ended;
        does nothing unless a method has stages."""

    def study(self, documents: Sequence[Document], supplier: Supplier) -> None:
        """Told the training documents before the first step of every stage: counts vocabularies
        and the like, once, into buffers that checkpoints carry; does nothing unless a method has
        any."""

    def tune(self, documents: Sequence[Document], supplier: Supplier) -> None:
        """Chooses thresholds on the development split, before each time it is scored there; does
        nothing unless a method has any."""

    @property
    def draws_with_replacement(self) -> bool:
        """Whether training sees a sample of the documents, drawn once with replacement, as some
        public loaders do: of many, about 63% are ever seen."""
        return False

    @property
    def room(self) -> int | None:
        """Longest input in pieces that is read whole; None where a text of any length is."""
        return None

    def piece_counts(self, document: Document) -> list[tuple[str, int, int, int]]:
        """(block, start, end, pieces) of every word; asked for where :attr:`room` is a number."""
        raise NotImplementedError(f"{self.name} states a room, but not how words fill it")

    @abstractmethod
    def needs(self) -> frozenset[Need]:
        """What must be supplied with every document."""

    @abstractmethod
    def prepare(self, document: Document, assets: Assets) -> Example:
        """Input only; ``document`` has no annotations but those that are :attr:`given`."""

    @abstractmethod
    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """Gold only: tensors without batch dimension."""

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Scores, and the loss terms when the batch has targets. No I/O, no device moves."""

    @abstractmethod
    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """Annotations in characters and pixels, one a document of the batch."""

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        """Pads and stacks; a tensor is padded at its ends to the largest size of the batch."""
        return Batch(
            list(examples),
            self._stack([example.inputs for example in examples]),
            self._stack(targets),
        )

    def _stack(self, rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        if not rows:
            return {}
        return {
            name: pad_stack([row[name] for row in rows], self.padding.get(name, 0.0))
            for name in rows[0]
        }

    def groups(self) -> list[ParameterGroup]:
        """Parameters by learning rate; one group unless a method says otherwise."""
        return [ParameterGroup(name="all", parameters=tuple(self.trainable()))]

    def trainable(self) -> list[nn.Parameter]:
        """Every parameter that is not frozen."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def predict(self, documents: Sequence[Document], assets: Sequence[Assets]) -> list[Annotations]:
        """Annotations of a batch of documents, in evaluation mode; gold is not looked at."""
        if not documents:
            return []
        training = self.training
        self.eval()
        try:
            examples = [
                self.prepare(without_gold(document, self.given), supplied)
                for document, supplied in zip(documents, assets, strict=True)
            ]
            batch = self.collate(examples).to(self.device)
            found = self.decode(self(batch), batch)
        finally:
            self.train(training)
        if "entities" in self.given:
            grounds = Task.GMNER in self.tasks
            handed = "regions" in self.given
            found = [
                _given_back(d, a, grounds=grounds, regions=handed)
                for d, a in zip(documents, found, strict=True)
            ]
        return found


def _given_back(
    document: Document, found: Annotations, *, grounds: bool, regions: bool
) -> Annotations:
    """``found`` with what was given as the document has it, but for what the method says.

    Args:
        document: handed the entities over.
        found: in it, entities keep their ids.
        grounds: the method says where they show; else their boxes are the document's, too.
        regions: the document's regions were given.
    """
    own = {entity.id: entity for entity in document.entities}
    entities = []
    for entity in found.entities:
        given = own.get(entity.id, entity)
        if grounds:
            given = dataclasses.replace(given, grounding=entity.grounding)
        entities.append(given)
    changes: dict[str, Any] = {"entities": tuple(entities)}
    if regions and document.annotations is not None:
        changes["regions"] = document.annotations.regions
    return dataclasses.replace(found, **changes)


def under_one_another(parts: Sequence[Tensor], value: float = 0.0) -> Tensor:
    """[K, ...] of every document -> [N, ...], padded at the ends; empty stays empty."""
    rows = [row for part in parts for row in part]
    return pad_stack(rows, value) if rows else parts[0]


def pad_stack(tensors: Sequence[Tensor], value: float = 0.0) -> Tensor:
    """Tensors of one rank, padded at the end of every dimension and stacked: [B, ...]."""
    shape = [max(sizes) for sizes in zip(*(t.shape for t in tensors), strict=True)]
    stacked = tensors[0].new_full((len(tensors), *shape), value)
    for row, tensor in enumerate(tensors):
        stacked[row][tuple(slice(size) for size in tensor.shape)] = tensor
    return stacked
