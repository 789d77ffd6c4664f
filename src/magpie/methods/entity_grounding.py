"""What methods share that are handed entities and say where each shows in the picture.

An entity is a row of its own, and ``owner`` says of which document: a picture's regions are read
once. Training takes the entities of the gold; a pipeline hands over those that its tagger found
(:mod:`magpie.methods.pipelines`). A row is answered by the best region whose probability is above
a threshold, and by "not in the picture" where none is.

Shapes: B documents, N rows (entities), T pieces, R regions, F width of a region's features.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor

from magpie.errors import ConfigError
from magpie.features import Assets, Need, RegionFeatures
from magpie.features.supply import Supplier
from magpie.methods.base import (
    Batch,
    Example,
    Method,
    MethodConfig,
    Output,
    Task,
    under_one_another,
)
from magpie.methods.base import without_gold as input_of
from magpie.methods.grounding import Candidates, gold_target, grounding_of, region_candidates
from magpie.methods.labels import LabelSpace
from magpie.nn.region_losses import region_bce
from magpie.schema import Annotations, Document, Entity, Grounding, Provenance

__all__ = ["EntityGrounding", "EntityGroundingConfig", "best_threshold"]

#: documents a forward pass when the threshold is chosen
_TOGETHER = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityGroundingConfig(MethodConfig):
    """Settings of every method that grounds given entities by a probability a region."""

    #: where regions come from: a folder of published features by name, or a proposer
    source: str = "vinvl"
    #: R
    count: int = 18
    #: F
    width: int = 2048
    #: which regions are kept: the first ones of the file, or those of the best scores
    regions: Literal["file", "score"] = "file"
    #: divide features by the Frobenius norm of those of the whole picture
    normalise: bool = True
    #: overlap with a gold box that a region must exceed to be a right answer
    overlap: float = 0.5
    #: a region is an answer above this probability
    theta: float = 0.5
    #: choose it anew on the development split, before each of its scores
    tune_theta: bool = False
    #: answer with every region above the threshold, not the best one alone
    multi: bool = False
    #: weight of right regions in the loss
    positive_weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.theta <= 1 or not 0 <= self.overlap < 1 or self.positive_weight <= 0:
            raise ConfigError(
                "need theta in [0, 1], overlap in [0, 1) and positive_weight > 0, got "
                f"{self.theta}, {self.overlap} and {self.positive_weight}"
            )
        RegionFeatures(self.source, self.count, self.width, self.regions)


class EntityGrounding(Method):
    """A method that scores regions for given entities.

    Subclasses implement :meth:`rows`, how an entity becomes the text that is asked, and
    :meth:`logits`.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.GMNER})
    given: ClassVar[frozenset[str]] = frozenset({"entities", "types"})
    #: inputs and targets with a row an entity; all others have one a document
    by_entity: ClassVar[frozenset[str]] = frozenset({"input_ids", "attention_mask"})
    config: EntityGroundingConfig

    def __init__(
        self, config: EntityGroundingConfig, labels: LabelSpace, backbones: Mapping[str, object]
    ) -> None:
        super().__init__(config, labels, backbones)  # type: ignore[arg-type]
        self.theta: Tensor
        #: as tuned; part of a checkpoint
        self.register_buffer("theta", torch.tensor(config.theta))

    @property
    def region_need(self) -> RegionFeatures:
        """What it reads of a picture."""
        c = self.config
        return RegionFeatures(c.source, c.count, c.width, c.regions)

    def needs(self) -> frozenset[Need]:
        return frozenset({self.region_need})

    @abstractmethod
    def rows(self, document: Document, entities: Sequence[Entity]) -> list[list[int]]:
        """Piece ids of the text that asks for each entity; at least one piece each."""

    @abstractmethod
    def logits(self, batch: Batch) -> Tensor:
        """[N, R], N at least 1; what stands behind the mask of regions does not matter."""

    def prepare(self, document: Document, assets: Assets) -> Example:
        """``features`` [R, F], ``regions`` [R] (which are there), and a row a given entity."""
        need = self.region_need
        candidates = region_candidates(
            document, assets[need], need, normalise=self.config.normalise
        )
        example = Example(
            document,
            {"features": candidates.features, "regions": candidates.mask},
            {"candidates": candidates},
        )
        return self.ask(example, document)

    def ask(self, example: Example, document: Document) -> Example:
        """The same picture, asked for the entities of ``document``: ``input_ids`` and
        ``attention_mask`` [K, T]."""
        entities = document.entities
        rows = self.rows(document, entities)
        longest = max(map(len, rows), default=1)
        asked = {
            "input_ids": [row + [0] * (longest - len(row)) for row in rows],
            "attention_mask": [[1] * len(row) + [0] * (longest - len(row)) for row in rows],
        }
        return Example(
            document,
            {
                **example.inputs,
                **{
                    name: torch.tensor(values, dtype=torch.long).view(len(rows), longest)
                    for name, values in asked.items()
                },
            },
            {**example.notes, "entities": entities},
        )

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``wanted`` [K, R]: 1 where a region overlaps a gold box of the entity enough.

        Zeros throughout for an entity that is not in the picture, and for one whose boxes no
        region covers.
        """
        candidates: Candidates = example.notes["candidates"]
        gold = {entity.id: entity for entity in document.entities}
        wanted = torch.zeros(len(example.notes["entities"]), self.config.count)
        for row, entity in enumerate(example.notes["entities"]):
            q, _ = gold_target(gold[entity.id], candidates, threshold=self.config.overlap)
            wanted[row] = (q > 0).float()
        return {"wanted": wanted}

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        """Rows of all documents under one another, with ``owner`` [N], the document of each."""
        counts = torch.tensor([len(e.inputs["input_ids"]) for e in examples])
        inputs = {
            **self._stack(
                [{n: t for n, t in e.inputs.items() if n not in self.by_entity} for e in examples]
            ),
            **{
                name: under_one_another([e.inputs[name] for e in examples])
                for name in sorted(self.by_entity)
            },
            "owner": torch.repeat_interleave(torch.arange(len(examples)), counts),
        }
        aims = {name: torch.cat([t[name] for t in targets]) for name in (targets or [{}])[0]}
        return Batch(list(examples), inputs, aims)

    def forward(self, batch: Batch) -> Output:
        """``probabilities`` [N, R], 0 where there is no region; the cross-entropy over those."""
        owner = batch.inputs["owner"]
        there = batch.inputs["regions"][owner]  # N,R
        # Where nobody asks, the sum over nothing is a loss that moves nothing.
        nothing = self.trainable()[0].sum().expand(there.shape) if not len(owner) else None
        logits = self.logits(batch) if nothing is None else nothing  # N,R
        losses: dict[str, Tensor] = {}
        if batch.targets:
            losses["regions"] = region_bce(
                logits,
                batch.targets["wanted"],
                there,
                positive_weight=self.config.positive_weight,
            )
        probabilities = logits.sigmoid().masked_fill(~there, 0.0)
        return Output({"logits": logits, "probabilities": probabilities}, losses)

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """The given entities, each with the region of its best probability above the threshold."""
        rows = iter(output.scores["probabilities"].float().tolist())
        theta = float(self.theta)
        found = []
        for example in batch.examples:
            candidates: Candidates = example.notes["candidates"]
            entities = tuple(
                dataclasses.replace(
                    entity, grounding=chosen(candidates, next(rows), theta, self.config.multi)
                )
                for entity in example.notes["entities"]
            )
            found.append(Annotations(entities=entities, provenance=Provenance(method=self.name)))
        return found

    @torch.no_grad()
    def tune(self, documents: Sequence[Document], supplier: Supplier) -> None:
        """Chooses the threshold under which most of these gold entities are answered rightly."""
        if not self.config.tune_theta:
            return
        training = self.training
        self.eval()
        best: list[float] = []
        right: list[bool] = []
        absent: list[bool] = []
        needs = self.needs()
        try:
            for begin in range(0, len(documents), _TOGETHER):
                several = documents[begin : begin + _TOGETHER]
                examples = [
                    self.prepare(input_of(document, self.given), assets)
                    for document, assets in zip(several, supplier.many(several, needs), strict=True)
                ]
                aims = [self.targets(d, e) for d, e in zip(several, examples, strict=True)]
                batch = self.collate(examples, aims).to(self.device)
                if not len(batch.inputs["owner"]):
                    continue
                values, places = self(batch).scores["probabilities"].max(1)  # N
                hits = batch.targets["wanted"].gather(1, places.unsqueeze(1)).squeeze(1)
                best += values.tolist()
                right += (hits > 0).tolist()
                absent += [not entity.boxes for d in several for entity in d.entities]
        finally:
            self.train(training)
        self.theta.fill_(best_threshold(best, right, absent, self.config.theta))


def chosen(
    candidates: Candidates, probabilities: Sequence[float], theta: float, multi: bool
) -> Grounding:
    """The regions above the threshold, the best one first and alone unless ``multi``.

    Of equal ones the first counts. The threshold itself is not enough.
    """
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    above = [index for index in order if probabilities[index] > theta]
    if not above:
        return grounding_of(candidates, None)
    kept = [
        grounding_of(candidates, index, probabilities[index])
        for index in (above if multi else above[:1])
    ]
    regions = tuple(region for grounding in kept for region in grounding.regions)
    return dataclasses.replace(kept[0], regions=regions)


def best_threshold(
    best: Sequence[float], right: Sequence[bool], absent: Sequence[bool], default: float
) -> float:
    """The threshold under which most rows are answered rightly.

    A row above it is right where its best region is; one that is not is right where the entity is
    not in the picture. Of equal thresholds the one nearest to ``default`` is taken.

    Args:
        best: the best probability of each row.
        right: whether that region shows the entity.
        absent: whether the entity is not in the picture.
        default: what is also tried, and returned where there are no rows.

    Example:
        >>> best_threshold([0.9, 0.4, 0.3], [True, True, False], [False, False, True], 0.5)
        0.35
    """
    values = sorted({0.0, *best, 1.0})
    # Neighbouring numbers have nothing between them.
    between = [(a + b) / 2 if (a + b) / 2 < b else a for a, b in pairwise(values)]
    tried = [default, *between, 1.0]

    def score(theta: float) -> tuple[int, float]:
        rows = zip(best, right, absent, strict=True)
        return sum(r if p > theta else a for p, r, a in rows), -abs(theta - default)

    return max(tried, key=score)
