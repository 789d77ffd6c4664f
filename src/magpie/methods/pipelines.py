"""Pipelines: a tagger, and a method that grounds what the tagger found.

The parts are methods of the registry, built by their names and settings: no pipeline imports one.
They share no weight and are trained apart, the grounder on the entities of the gold. In a recipe
they are stages::

    stages:
      - {name: tagger, part: mner}     # only the tagger learns; predictions are its own
      - {name: grounder}               # only the grounder learns; predictions ground gold entities

A stage of any other name is refused, but for ``main``, in which both learn at once. Prediction
outside of stages is the whole: the tagger's entities, grounded. A part can also come ready, from a
checkpoint of its own (``tagger_checkpoint``, ``grounder_checkpoint``).

MNER of a pipeline is the tagger's, whatever grounds: entities are never added, dropped or retyped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from magpie.backbones import Backbone
from magpie.errors import ConfigError, ModelError
from magpie.features import Assets, Need
from magpie.features.supply import Supplier
from magpie.methods.base import (
    Batch,
    Example,
    Method,
    MethodConfig,
    Output,
    ParameterGroup,
    Task,
    without_gold,
)
from magpie.methods.checkpoint import load_method, read_card, same_labels
from magpie.methods.entity_grounding import EntityGrounding
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import method_class
from magpie.methods.typed import Place, build
from magpie.schema import Annotations, Document, Grounding, Provenance

__all__ = ["Pipeline", "PipelineConfig"]

_TAGGER, _GROUNDER = "tagger", "grounder"
#: of stages; the empty name stands for no stage
_STAGES = ("", "main", _TAGGER, _GROUNDER)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineConfig(MethodConfig):
    """Settings of a pipeline: those of its parts, and where ready parts lie."""

    #: name of the tagger in the registry
    TAGGER: ClassVar[str]
    #: name of the grounder in the registry
    GROUNDER: ClassVar[str] = "evg"

    #: settings of the tagger
    tagger: Mapping[str, Any] = field(default_factory=dict)
    #: settings of the grounder
    grounder: Mapping[str, Any] = field(default_factory=dict)
    #: none: no grounder, nothing is in the picture (the rows "-None" of the literature)
    grounding: Literal["regions", "none"] = "regions"
    #: folder of a trained tagger, whose settings then hold
    tagger_checkpoint: str = ""
    #: folder of a trained grounder, whose settings then hold
    grounder_checkpoint: str = ""

    def __post_init__(self) -> None:
        self.tagger_config()
        if self.grounding == "regions":
            self.grounder_config()
        elif self.grounder or self.grounder_checkpoint:
            raise ConfigError("grounding='none' has no grounder, but settings of one are given")

    def tagger_config(self) -> MethodConfig:
        """The tagger's settings, checked."""
        return _settings(self.TAGGER, self.tagger, _TAGGER)

    def grounder_config(self) -> MethodConfig:
        """The grounder's settings, checked."""
        return _settings(self.GROUNDER, self.grounder, _GROUNDER)


def _settings(name: str, given: Mapping[str, Any], key: str) -> MethodConfig:
    return build(method_class(name).Config, dict(given), Place(), (key,))


class Pipeline(Method):
    """A tagger and a grounder as one method.

    Args:
        config: its settings.
        labels: of both parts.
        tagger: finds entities and their types.
        grounder: says where each shows; None where nothing is grounded.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.GMNER})
    Config: ClassVar[type[PipelineConfig]]
    config: PipelineConfig

    def __init__(
        self,
        config: PipelineConfig,
        labels: LabelSpace,
        tagger: Method,
        grounder: EntityGrounding | None = None,
    ) -> None:
        if (grounder is None) != (config.grounding == "none"):
            raise ConfigError(f"grounding={config.grounding!r} does not fit the given grounder")
        super().__init__(config, labels)
        self.tagger = tagger
        self.grounder = grounder
        self.stage = ""

    @classmethod
    def build(cls, config: PipelineConfig, labels: LabelSpace) -> Self:
        """Builds both parts, or loads them; settings are then those of their checkpoints.

        Raises:
            ModelError: a checkpoint is of another method or for other labels.
        """
        tagger = _part(config.TAGGER, config.tagger_config(), config.tagger_checkpoint, labels)
        config = replace_part(config, tagger=tagger.config.to_dict())
        grounder = None
        if config.grounding == "regions":
            place = config.grounder_checkpoint
            grounder = _part(config.GROUNDER, config.grounder_config(), place, labels)
            config = replace_part(config, grounder=grounder.config.to_dict())
        return cls(config, labels, tagger, cast(EntityGrounding | None, grounder))

    @classmethod
    def assemble(
        cls, config: PipelineConfig, labels: LabelSpace, backbones: Mapping[str, Backbone]
    ) -> Self:
        def part(name: str, settings: MethodConfig, key: str) -> Method:
            own = _below(f"{key}-", backbones)
            return method_class(name).assemble(settings, labels, own)

        tagger = part(config.TAGGER, config.tagger_config(), _TAGGER)
        grounder = None
        if config.grounding == "regions":
            grounder = part(config.GROUNDER, config.grounder_config(), _GROUNDER)
        return cls(config, labels, tagger, cast(EntityGrounding | None, grounder))

    @property
    def backbones(self) -> nn.ModuleDict:  # type: ignore[override]
        """Those of the parts, as ``<part>-<role>``: shown, not held a second time, so that a
        checkpoint has every weight under one name."""
        return nn.ModuleDict(
            {
                f"{key}-{role}": backbone
                for key, part in self.parts.items()
                for role, backbone in part.backbones.items()
            }
        )

    @property
    def parts(self) -> dict[str, Method]:
        """The tagger, and the grounder where there is one."""
        parts = {_TAGGER: self.tagger}
        if self.grounder is not None:
            parts[_GROUNDER] = self.grounder
        return parts

    def begin(self, stage: str) -> None:
        """``tagger`` or ``grounder``: that part learns and predicts alone; else the whole.

        Raises:
            ConfigError: there is no such part.
        """
        if stage not in _STAGES or (stage == _GROUNDER and self.grounder is None):
            raise ConfigError(
                f"{self.name} has no stage {stage!r}",
                mend="Its stages are tagger, and grounder where there is one; or main for both.",
            )
        self.stage = "" if stage == "main" else stage

    @property
    def room(self) -> int | None:
        """The tagger's; the grounder cuts the text that it asks by itself."""
        return self.tagger.room

    def piece_counts(self, document: Document) -> list[tuple[str, int, int, int]]:
        return self.tagger.piece_counts(document)

    def needs(self) -> frozenset[Need]:
        return frozenset[Need]().union(*(part.needs() for part in self.parts.values()))

    # Input: that of both parts, under their names

    def prepare(self, document: Document, assets: Assets) -> Example:
        tagged = self.tagger.prepare(document, assets)
        inputs, notes = _named(_TAGGER, tagged.inputs), {_TAGGER: tagged.notes}
        if self.grounder is not None:
            seen = self.grounder.prepare(document, assets)
            inputs |= _named(_GROUNDER, seen.inputs)
            notes[_GROUNDER] = seen.notes
        return Example(document, inputs, notes)

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """The tagger's, and for the gold entities what the grounder is asked and has to answer."""
        found = _named(_TAGGER, self.tagger.targets(document, _example(example, _TAGGER)))
        if self.grounder is not None:
            given = without_gold(document, self.grounder.given)
            asked = self.grounder.ask(_example(example, _GROUNDER), given)
            rows = {name: asked.inputs[name] for name in self.grounder.by_entity}
            found |= _named(_GROUNDER, {**rows, **self.grounder.targets(document, asked)})
        return found

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        tagged = self.tagger.collate(
            [_example(e, _TAGGER) for e in examples], [_below(f"{_TAGGER}.", t) for t in targets]
        )
        inputs, aims = _named(_TAGGER, tagged.inputs), _named(_TAGGER, tagged.targets)
        if self.grounder is not None:
            seen = [_example(e, _GROUNDER) for e in examples]
            wanted = [_below(f"{_GROUNDER}.", t) for t in targets]
            for one, aim in zip(seen, wanted, strict=False):
                one.inputs.update({name: aim.pop(name) for name in self.grounder.by_entity})
            grounded = self.grounder.collate(seen, wanted)
            inputs |= _named(_GROUNDER, grounded.inputs)
            aims |= _named(_GROUNDER, grounded.targets)
        return Batch(list(examples), inputs, aims)

    # Learning: each part by itself

    def forward(self, batch: Batch) -> Output:
        """Scores and loss terms of the parts that learn, under ``tagger.`` and ``grounder.``."""
        scores: dict[str, Tensor] = {}
        losses: dict[str, Tensor] = {}
        for key, part in self._learning(batch).items():
            output = part(_batch(batch, key))
            scores |= _named(key, output.scores)
            losses |= _named(key, output.losses)
        return Output(scores, losses)

    def _learning(self, batch: Batch) -> dict[str, Method]:
        # Without targets nobody knows yet which entities to ask for.
        parts = self.parts if batch.targets else {_TAGGER: self.tagger}
        chosen = {key: part for key, part in parts.items() if self.stage in ("", key)}
        return chosen or parts

    def groups(self) -> list[ParameterGroup]:
        """Those of both parts, as ``tagger.<group>`` and ``grounder.<group>``."""
        return [
            dataclasses.replace(group, name=f"{key}.{group.name}")
            for key, part in self.parts.items()
            for group in part.groups()
        ]

    # Prediction

    @torch.no_grad()
    def predict(self, documents: Sequence[Document], assets: Sequence[Assets]) -> list[Annotations]:
        """Entities with their places; inside a stage what its part predicts alone.

        In the stage ``grounder`` the entities are those of the documents.
        """
        if self.stage == _GROUNDER and self.grounder is not None:
            return self.grounder.predict(documents, assets)
        if self.stage == _TAGGER:
            return [_nowhere(found) for found in self.tagger.predict(documents, assets)]
        return super().predict(documents, assets)

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """The tagger's entities, and for each what the grounder answers."""
        scores = _below(f"{_TAGGER}.", output.scores)
        found = self.tagger.decode(Output(scores), _batch(batch, _TAGGER))
        if self.grounder is None:
            found = [_nowhere(annotations) for annotations in found]
        else:
            asked = [
                self.grounder.ask(
                    _example(example, _GROUNDER), example.document.with_annotations(annotations)
                )
                for example, annotations in zip(batch.examples, found, strict=True)
            ]
            second = self.grounder.collate(asked).to(self.device)
            found = self.grounder.decode(self.grounder(second), second)
        signed = Provenance(method=self.name)
        return [dataclasses.replace(annotations, provenance=signed) for annotations in found]

    def tune(self, documents: Sequence[Document], supplier: Supplier) -> None:
        """The grounder's threshold, unless only the tagger learns."""
        if self.grounder is not None and self.stage != _TAGGER:
            self.grounder.tune(documents, supplier)


def replace_part(config: PipelineConfig, **parts: Mapping[str, Any]) -> PipelineConfig:
    """The settings with every setting of a part written out."""
    return dataclasses.replace(config, **cast(Any, parts))


def _part(name: str, config: MethodConfig, folder: str, labels: LabelSpace) -> Method:
    if not folder:
        return method_class(name).build(config, labels)
    card = read_card(folder)
    if card.method != name:
        raise ModelError(
            f"expected a checkpoint of {name}, got one of {card.method}",
            code="model-mismatch",
            where=folder,
            mend=f"Train one with a recipe of {name}.",
        )
    same_labels(card, labels)
    return load_method(folder)


def _nowhere(found: Annotations) -> Annotations:
    entities = tuple(
        dataclasses.replace(entity, grounding=Grounding("absent")) for entity in found.entities
    )
    return dataclasses.replace(found, entities=entities)


def _named(part: str, values: Mapping[str, T]) -> dict[str, T]:
    return {f"{part}.{name}": value for name, value in values.items()}


def _below(prefix: str, values: Mapping[str, T]) -> dict[str, T]:
    """Those whose names begin so, without that beginning."""
    return {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}


def _example(example: Example, part: str) -> Example:
    return Example(example.document, _below(f"{part}.", example.inputs), dict(example.notes[part]))


def _batch(batch: Batch, part: str) -> Batch:
    return Batch(
        [_example(example, part) for example in batch.examples],
        _below(f"{part}.", batch.inputs),
        _below(f"{part}.", batch.targets),
    )
