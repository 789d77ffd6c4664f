"""Recipes: everything that decides a training run, in one YAML file.

::

    method: bert-crf
    config: {text: bert-base-cased, dropout: 0.1}
    data: {corpus: twitter2017}
    loop: {epochs: 22, batch: 32}
    optimiser: {name: bert-adam, rate: 5.0e-5}
    seeds: [32]
    selection: {protocol: ner-span-conll@1}

``config`` holds the method's own settings, ``loop`` and ``optimiser`` those of
:class:`~magpie.training.loop.LoopConfig`. Unknown keys and impossible values are refused with
their key path, line and nearest match. docs/training.md explains every key.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from magpie._io import dump_json, parse_json, text_digest
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.methods.base import MethodConfig
from magpie.methods.registry import entry, method_class
from magpie.methods.typed import Place, build
from magpie.metrics import DEFAULTS, protocol
from magpie.training.library import recipe_path
from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig
from magpie.training.recipe_text import read_mapping

__all__ = [
    "DataConfig",
    "Recipe",
    "SelectionConfig",
    "Stage",
    "check_protocol",
    "default_protocol",
    "parse_recipe",
    "read_recipe",
]

#: task of a method -> tasks of the protocols that can score it
_SCORED_BY: dict[str, tuple[str, ...]] = {
    "ner": ("ner", "muie"),
    "gmner": ("gmner", "fmnerg", "procedures", "ner", "muie"),
    "mre": ("mre", "muie"),
    "jmere": ("jmere", "ner", "mre"),
    "object-relation": ("object-entity",),
    "events": ("events", "muie"),
    "forms": ("forms",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """What is trained on, selected on and tested on.

    A reference is ``corpus`` or ``corpus@version``, with ``:split`` where it is another than its
    name says. ``controlled@<task>`` is drawn from a seed instead of read.
    """

    #: corpus of all three splits
    corpus: str | None = None
    #: in place of the corpus's own splits
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    #: folder of the corpora; else MAGPIE_DATA
    root: str | None = None
    #: folder of the pictures; else where the corpus has them
    images: str | None = None
    #: required: stop where one is absent; none: take them all away
    pictures: Literal["optional", "required", "none"] = "optional"
    #: side sources whose texts join the documents; ``captioner:NAME`` writes captions
    context: tuple[str, ...] = ()
    #: coarse maps entity types to PER, LOC, ORG and OTHER
    types: Literal["own", "coarse"] = "own"
    #: entities that an I- tag opens: kept and marked, or dropped
    orphans: Literal["mark", "drop"] = "mark"
    #: training rows of the same text and pictures, each with a pair, become one document with all
    whole_posts: bool = False
    #: at most so many documents for training and for selection
    limit: int | None = None
    limit_dev: int | None = None
    #: this share of the training split, drawn with replacement
    sample_ratio: float | None = None
    #: folders of published region features, by name
    regions: Mapping[str, str] = field(default_factory=dict)
    #: prepared documents stay in memory; None decides by their size
    keep: bool | None = None

    def __post_init__(self) -> None:
        for name in ("limit", "limit_dev"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if self.sample_ratio is not None and not 0 < self.sample_ratio <= 1:
            raise ConfigError(f"sample_ratio must lie in (0, 1], got {self.sample_ratio}")
        for name in ("train", "dev"):
            if self.ref(name) is None:
                raise ConfigError(
                    f"no data to {'train on' if name == 'train' else 'select on'}",
                    mend=f"Give data.corpus, or data.{name}.",
                )

    def ref(self, split: str) -> str | None:
        """``corpus:split`` of ``train``, ``dev`` or ``test``."""
        own: str | None = getattr(self, split)
        ref = own or self.corpus
        return None if ref is None else ref if ":" in ref else f"{ref}:{split}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionConfig:
    """What decides which weights are kept; looks at the development split only, unless a public
    script that looked at the test split is to be followed."""

    #: None takes the default of the method's task
    protocol: str | None = None
    #: switches of the protocol
    options: Mapping[str, Any] = field(default_factory=dict)
    #: part of the protocol whose score counts; None takes the main one
    part: str | None = None
    #: stop after so many evaluations without a better score
    patience: int | None = None
    #: epochs between evaluations; the last epoch is always evaluated
    every: int = 1
    #: steps between evaluations, in place of epochs; the last step is always evaluated
    steps: int | None = None
    #: first epoch that is evaluated
    first: int = 1
    #: which of two evaluations with one score is kept
    ties: Literal["earlier", "later"] = "earlier"
    #: the test split stands for the development split, so that its score tells nothing of posts
    #: nobody has seen; some published figures were chosen so
    legacy_on_test: bool = False

    def __post_init__(self) -> None:
        for name in ("every", "steps", "first", "patience"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if self.steps is not None and self.every != 1:
            raise ConfigError("evaluations are every so many epochs or steps: give one of the two")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One part of a run; a stage begins with the best weights of the one before."""

    name: str = "main"
    #: names of the method's parameter groups that move; empty means all
    train: tuple[str, ...] = ()
    #: part of the protocol whose score counts here; None takes that of the selection
    part: str | None = None
    loop: LoopConfig = field(default_factory=LoopConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A checked recipe; ``source`` is what it was built from, overrides included."""

    method: str
    config: MethodConfig
    data: DataConfig
    stages: tuple[Stage, ...]
    seeds: tuple[int, ...]
    selection: SelectionConfig
    #: steps between savings of last/, beside those at the end of an epoch
    save_every: int | None
    #: also write TensorBoard's files
    tensorboard: bool
    #: run or checkpoint whose weights training begins with
    start: str | None
    source: Mapping[str, Any] = field(repr=False)
    file: str = ""

    @property
    def watched(self) -> DataConfig:
        """The data as a run opens them: ``dev`` is what its weights are chosen by."""
        if not self.selection.legacy_on_test:
            return self.data
        return dataclasses.replace(self.data, dev=self.data.ref("test"))

    @property
    def protocol(self) -> str:
        """That the development split is scored with."""
        return self.selection.protocol or default_protocol(self.method)

    @property
    def digest(self) -> str:
        """Of everything that decides the run but its seeds."""
        body = {key: value for key, value in self.source.items() if key not in ("seeds", "about")}
        return text_digest(dump_json(body))[:16]

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe for one seed."""
        return _checked({**self.source, "seeds": [seed]}, Place(self.file))

    def to_yaml(self) -> str:
        """As it is written into the run folder."""
        text: str = yaml.safe_dump(dict(self.source), sort_keys=False, allow_unicode=True)
        return text


_KEYS = (
    "about", "method", "config", "data", "loop", "optimiser", "seeds", "selection", "stages",
    "save_every", "start", "tensorboard",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The keys of a recipe that are plain values."""

    about: str = ""
    seeds: tuple[int, ...] = (0,)
    save_every: int | None = None
    tensorboard: bool = False
    start: str | None = None

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ConfigError(f"seeds must be different numbers from 0 on, got {self.seeds}")
        if self.save_every is not None and self.save_every < 1:
            raise ConfigError(f"save_every must be at least 1, got {self.save_every}")
        if self.start is not None and not self.start.strip():
            raise ConfigError(
                "start names no folder", mend="Name a run or a checkpoint, or leave start out."
            )


def read_recipe(
    path: str | Path, overrides: Sequence[str] = (), *, seed: int | None = None
) -> Recipe:
    """Reads and checks a recipe.

    Args:
        path: a file, or the name of a recipe that ships (``ner/bert-crf_twitter2017``).
        overrides: ``key.path=value``, the value in YAML.
        seed: replaces the recipe's seeds.

    Raises:
        NotFoundError: no such file, method or protocol.
        FormatError: no YAML.
        ConfigError: an unknown key or an impossible value.
    """
    file = recipe_path(path)
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("not valid UTF-8", code="format-encoding", where=str(file)) from error
    return parse_recipe(text, overrides, seed=seed, file=str(file))


def parse_recipe(
    text: str, overrides: Sequence[str] = (), *, seed: int | None = None, file: str = ""
) -> Recipe:
    """As :func:`read_recipe`, from the text of the file."""
    value, lines = read_mapping(text, overrides, file)
    if seed is not None:
        value["seeds"] = [seed]
    return _checked(value, Place(file, lines))


def _checked(value: Mapping[str, Any], place: Place) -> Recipe:
    for key in value:
        if key not in _KEYS:
            raise place.unknown((str(key),), _KEYS)
    name = value.get("method")
    if not isinstance(name, str):
        raise place.error(("method",), f"expected the name of a method, got {name!r}")
    try:
        cls = method_class(name)
    except MagpieError as error:
        raise error.at(place.of(("method",))) from None
    rest = build(
        _Rest,
        {f.name: value[f.name] for f in dataclasses.fields(_Rest) if f.name in value},
        place,
    )
    selection = build(SelectionConfig, value.get("selection"), place, ("selection",))
    recipe = Recipe(
        method=name,
        config=build(cls.Config, value.get("config"), place, ("config",)),
        data=build(DataConfig, value.get("data"), place, ("data",)),
        stages=_stages(value, place, rest.seeds[0]),
        seeds=rest.seeds,
        selection=selection,
        save_every=rest.save_every,
        tensorboard=rest.tensorboard,
        start=rest.start,
        # Through JSON, so that only what a file can hold stays.
        source=parse_json(dump_json(dict(value))),
        file=place.file,
    )
    try:
        check_protocol(name, recipe.protocol)
        protocol(recipe.protocol).resolve(dict(selection.options))
    except MagpieError as error:
        raise error.at(place.of(("selection", "protocol"))) from None
    _check_part(selection.part, recipe.protocol, place, ("selection", "part"))
    if selection.legacy_on_test and recipe.data.ref("test") is None:
        raise place.error(
            ("selection", "legacy_on_test"),
            "no test split to select on",
            "Give data.corpus, or data.test.",
        )
    for index, stage in enumerate(recipe.stages):
        _check_part(stage.part, recipe.protocol, place, ("stages", str(index), "part"))
    return recipe


def _check_part(part: str | None, name: str, place: Place, path: tuple[str, ...]) -> None:
    """Before the first epoch, not after it."""
    parts = protocol(name).parts
    if part is not None and part not in parts:
        near = difflib.get_close_matches(part, parts, n=1)
        mend = f"Did you mean {near[0]!r}? " if near else ""
        raise place.error(
            path, f"{name} has no part {part!r}", f"{mend}Its parts are: {', '.join(parts)}."
        )


def _stages(value: Mapping[str, Any], place: Place, seed: int) -> tuple[Stage, ...]:
    """The list, each over the recipe's own loop and optimiser; without a list, one stage."""
    listed = value.get("stages")
    if listed is None:
        return (Stage(loop=_loop(value, {}, place, (), seed)),)
    if not isinstance(listed, list) or not listed:
        raise place.error(("stages",), f"expected a list of stages, got {listed!r:.60}")
    stages = []
    for index, part in enumerate(listed):
        path = ("stages", str(index))
        if not isinstance(part, dict):
            raise place.error(path, f"expected a mapping of keys, got {part!r:.60}")
        loop = _loop(value, part, place, path, seed)
        plain = {k: v for k, v in part.items() if k not in ("loop", "optimiser")}
        stages.append(build(Stage, plain, place, path, given={"loop": loop}))
    names = [stage.name for stage in stages]
    if len(set(names)) != len(names):
        raise place.error(("stages",), f"two stages share a name: {', '.join(names)}")
    return tuple(stages)


def _loop(
    value: Mapping[str, Any],
    stage: Mapping[str, Any],
    place: Place,
    path: tuple[str, ...],
    seed: int,
) -> LoopConfig:
    def both(key: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        parts = [part.get(key) or {} for part in (value, stage)]
        for part, here in zip(parts, ((key,), (*path, key)), strict=True):
            if not isinstance(part, dict):
                raise place.error(here, f"expected a mapping of keys, got {part!r:.60}")
        return {**parts[0], **parts[1]}, (*path, key) if parts[1] else (key,)

    moves, at = both("optimiser")
    optimiser = build(OptimiserConfig, moves, place, at)
    runs, at = both("loop")
    return build(LoopConfig, runs, place, at, given={"optimiser": optimiser, "seed": seed})


def default_protocol(method: str) -> str:
    """The protocol of a method's first task."""
    task = entry(method).tasks[0]
    return DEFAULTS[{"object-relation": "object-entity"}.get(task, task)]


def check_protocol(method: str, name: str) -> None:
    """Refuses a protocol that scores another task than the method's.

    Raises:
        ConfigError: naming both tasks.
        NotFoundError: no such method or protocol.
    """
    tasks = entry(method).tasks
    scored = protocol(name).task
    fitting = {kind for task in tasks for kind in _SCORED_BY.get(task, (task,))}
    if scored not in fitting:
        fit = ", ".join(DEFAULTS[kind] for kind in sorted(fitting) if kind in DEFAULTS)
        raise ConfigError(
            f"{method} does {', '.join(tasks)}, but {name} scores {scored}",
            mend=f"Take a method of that task, or a protocol such as {fit}.",
        )
