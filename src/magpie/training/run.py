"""One run of a recipe with one seed, from data to a folder that says everything about it.

::

    recipe.yaml             as it was run, overrides included
    metrics.jsonl           a line a step and a line an evaluation
    best/                   the weights that scored best on the development split
    last/                   the latest weights, with all that resuming takes
    dev.predictions.jsonl   of best/, and its score report dev.report.json
    loss.svg, dev.svg       where matplotlib is installed
    run.json                seeds, versions, data, pictures, best score

Selection and early stopping look at the development split. Nothing here can open a test split:
:mod:`magpie.training.evaluate` does that once, afterwards, from ``best/``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import magpie
from magpie._io import atomic_write, dump_json
from magpie.engine.trained import checkpoint_folder
from magpie.errors import ConfigError, ModelError
from magpie.features.supply import Supplier
from magpie.methods.base import Method
from magpie.methods.checkpoint import load_method, load_weights, read_card, same_labels
from magpie.methods.registry import entry, method_class
from magpie.methods.starting import start_from
from magpie.training import checkpoint
from magpie.training.checkpoint import Progress, RandomState
from magpie.training.data import (
    check_task,
    fits_memory,
    supplier_for,
    training_data,
)
from magpie.training.distributed import Processes
from magpie.training.examples import Examples
from magpie.training.journal import Journal, draw_plots
from magpie.training.loop import Position, Step, Trainer
from magpie.training.optimisers import moving
from magpie.training.plain_yaml import load_yaml
from magpie.training.recipe import Recipe, Stage
from magpie.training.scoring import Scores, score_method

__all__ = ["BEST", "LAST", "RunResult", "run"]

BEST = "best"
LAST = "last"
RECIPE = "recipe.yaml"
CARD = "run.json"

Listen = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run came to: ``score`` is that of best/ on the development split, in [0, 1]."""

    folder: Path
    seed: int
    protocol: str
    score: float
    epoch: int
    pictures: Mapping[str, Any]
    seconds: float
    #: what it began with, where that was a checkpoint (:class:`magpie.methods.starting.Started`)
    start: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in ``run.json``."""
        return {
            "folder": str(self.folder),
            "seed": self.seed,
            "protocol": self.protocol,
            "dev": self.score,
            "epoch": self.epoch,
            "pictures": dict(self.pictures),
            "seconds": self.seconds,
            **({} if self.start is None else {"start": dict(self.start)}),
        }


def run(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    listen: Listen = lambda _: None,
    processes: Processes | None = None,
) -> RunResult:
    """Trains one seed of a recipe.

    Args:
        recipe: with exactly one seed.
        folder: of the run; must be new unless ``resume``.
        resume: go on where an interrupted run stopped, or begin where there is none.
        listen: is told every line of ``metrics.jsonl``.
        processes: see :class:`~magpie.training.distributed.Processes`.

    Raises:
        ConfigError: the folder holds a run and ``resume`` is not set, or that of another recipe;
            or the data do not fit the method's task.
        MediaError: pictures are required, and one is absent.
        DivergedError: a loss is not finite; best/ and last/ stay as they were.
        ModelError: a backbone is not on this machine, or a checkpoint could not be written.
    """
    return _Run(recipe, folder, resume, listen, processes or Processes()).go()


class _Run:
    def __init__(
        self, recipe: Recipe, folder: Path, resume: bool, listen: Listen, processes: Processes
    ) -> None:
        if len(recipe.seeds) != 1:
            raise ConfigError(f"a run has one seed, the recipe names {recipe.seeds}")
        self.recipe, self.folder, self.processes = recipe, folder, processes
        self.seed = recipe.seeds[0]
        self.begun = time.monotonic()
        self.progress = Progress()
        self.states: list[RandomState] = []
        self.start: Mapping[str, Any] | None = None
        self.resumed = resume and checkpoint.has_progress(folder / LAST)
        self._check_folder(resume)
        self.data = training_data(recipe.watched)
        tasks = entry(recipe.method).tasks
        check_task(recipe.method, tasks, self.data.labels, str(recipe.data.ref("train")))
        self.method = self._method()
        self.supplier = self._supplier("train")
        self.dev_supplier = self._supplier("dev")
        self.journal = Journal(folder, listen, write=processes.main, tensorboard=recipe.tensorboard)

    def go(self) -> RunResult:
        done = self._done()
        if done is not None:
            return done
        # All have looked into the folder before the first writes into it.
        self.processes.wait()
        if self.processes.main:
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self.folder / RECIPE, self.recipe.to_yaml())
        if self.resumed:
            checkpoint.restore_random(self.states[self.processes.rank % len(self.states)])
        self.journal.begin(self.progress.stage, self.progress.position.step, self._facts())
        keep = self.recipe.data.keep
        if keep is None:
            keep = fits_memory(self.method, self.data.train, self.supplier)
        examples = Examples(self.method, self.data.train, self.supplier, keep=keep)
        try:
            while self.progress.stage < len(self.recipe.stages):
                stage = self.recipe.stages[self.progress.stage]
                self.method.begin(stage.name)
                with moving(self.method, stage.train):
                    self._stage(stage, examples)
                self._close_stage(stage)
        finally:
            self.journal.close()
        return self._finish()

    # the beginning

    def _check_folder(self, resume: bool) -> None:
        path = self.folder / RECIPE
        if not path.is_file():
            return
        if not resume:
            raise ConfigError(
                "there is a run in this folder",
                where=str(self.folder),
                mend="Go on with it (--resume), or name another folder (--out).",
            )
        stored = load_yaml(path.read_text("utf-8"))
        now = load_yaml(self.recipe.to_yaml())
        differing = sorted(k for k in {*stored, *now} if stored.get(k) != now.get(k))
        if differing:
            raise ConfigError(
                f"the run in this folder has another {', '.join(differing)}",
                where=str(path),
                mend=f"Resume with that recipe: magpie train {path} --resume.",
            )

    def _method(self) -> Method:
        random.seed(self.seed)
        np.random.seed(self.seed % 2**32)
        torch.manual_seed(self.seed)
        if not self.resumed:
            cls = method_class(self.recipe.method)
            method = cls.build(self.recipe.config, self.data.labels)
            if self.recipe.start is not None:
                place = Path(self.recipe.start).expanduser()
                self.start = start_from(method, checkpoint_folder(place) or place).to_dict()
            if self.processes.rank:
                # Else all processes would drop out the same units.
                torch.manual_seed(self.seed + 1_000_003 * self.processes.rank)
            return method.to(self.processes.device)
        card = read_card(self.folder / LAST)
        same_labels(card, self.data.labels)
        if card.notes["data"] != self.data.fingerprint:
            raise ModelError(
                f"the run was trained on {card.notes['data']}, here is {self.data.fingerprint}",
                code="model-mismatch",
                where=str(card.folder),
                mend="Give it the same files, or train anew in another folder.",
            )
        self.start = card.notes.get("start")
        self.progress, self.states = checkpoint.read_progress(self.folder / LAST)
        return load_method(self.folder / LAST, device=self.processes.device)

    def _supplier(self, split: str) -> Supplier:
        device = str(self.processes.device)
        return supplier_for(self.recipe.data, str(self.recipe.watched.ref(split)), device)

    def _facts(self) -> dict[str, Any]:
        return {
            "method": self.recipe.method,
            "seed": self.seed,
            "processes": self.processes.count,
            "data": self.data.fingerprint,
            "needs": sorted({need.describe()["kind"] for need in self.method.needs()}),
            "pictures": {split: each.to_dict() for split, each in self.data.pictures.items()},
            "resumed": self.resumed,
            **self._begun_with(),
        }

    def _begun_with(self) -> dict[str, Any]:
        return {} if self.start is None else {"start": dict(self.start)}

    def _done(self) -> RunResult | None:
        """The result of a run that came to its end before."""
        if not self.resumed or self.progress.stage < len(self.recipe.stages):
            return None
        return self._result(read_card(self.folder / BEST).notes, 0.0)

    # stages

    def _stage(self, stage: Stage, examples: Examples) -> None:
        progress = self.progress
        trainer = Trainer(
            self.method, examples, stage.loop, progress.position, processes=self.processes
        )
        if self.resumed:
            checkpoint.restore_optimiser(self.folder / LAST, trainer.optimiser)
            self.resumed = False
        selection = self.recipe.selection
        for step in trainer.steps():
            self.journal.step(progress.stage, stage.name, step)
            every = self.recipe.save_every
            due = self._due(step, stage)
            if due:
                self._select(stage, step.epoch, step.step)
            if due or step.ends_epoch or (every is not None and step.step % every == 0):
                self._save_last(trainer)
            if due and selection.patience is not None and progress.waited >= selection.patience:
                break

    def _due(self, step: Step, stage: Stage) -> bool:
        """Whether the weights behind this step are evaluated; the last ones always are."""
        selection = self.recipe.selection
        if step.ends_epoch and step.epoch + 1 == stage.loop.epochs:
            return True
        if step.epoch + 1 < selection.first:
            return False
        if selection.steps is not None:
            return step.step % selection.steps == 0
        return step.ends_epoch and (step.epoch + 1) % selection.every == 0

    def _select(self, stage: Stage, epoch: int, step: int) -> None:
        """Scores the development split; keeps the weights if none were better."""
        progress = self.progress
        scores = None
        if self.processes.main:
            self.method.tune(self.data.dev, self.dev_supplier)
            scores = self._score(stage, stage.part or self.recipe.selection.part)
        value: float = self.processes.tell(None if scores is None else scores.value)
        better = progress.best is None or value > progress.best
        # Waiting goes on: an equal score is no progress.
        kept = better or (self.recipe.selection.ties == "later" and value == progress.best)
        if kept:
            progress.best, progress.best_epoch = value, epoch
        progress.waited = 0 if better else progress.waited + 1
        if scores is None:
            return
        if kept:
            self._save_best(scores, stage, epoch)
        self.journal.evaluation(progress.stage, stage.name, epoch, step, scores.report, value, kept)

    def _score(self, stage: Stage, part: str | None) -> Scores:
        return score_method(
            self.method,
            self.data.dev,
            self.dev_supplier,
            self.recipe.protocol,
            options=self.recipe.selection.options,
            part=part,
            batch=stage.loop.batch,
        )

    def _notes(self) -> dict[str, Any]:
        return {
            "recipe": dict(self.recipe.source),
            "recipe_digest": self.recipe.digest,
            "seed": self.seed,
            "data": self.data.fingerprint,
            "pictures": {split: each.to_dict() for split, each in self.data.pictures.items()},
            "features": self.supplier.fingerprints(self.method.needs()),
            "versions": {"magpie": magpie.__version__, "torch": torch.__version__},
            **self._begun_with(),
        }

    def _save_best(self, scores: Scores, stage: Stage, epoch: int) -> None:
        selected = {
            "split": "test" if self.recipe.selection.legacy_on_test else "dev",
            "protocol": self.recipe.protocol,
            "score": scores.value,
            "epoch": epoch,
            "stage": stage.name,
        }
        notes = {**self._notes(), "selected": selected}
        checkpoint.save_checkpoint(self.folder / BEST, self.method, notes)
        scores.write(self.folder, "dev")

    def _save_last(self, trainer: Trainer | None) -> None:
        states = self.processes.gather(checkpoint.random_state())
        if self.processes.main:
            checkpoint.save_checkpoint(
                self.folder / LAST,
                self.method,
                self._notes(),
                optimiser=None if trainer is None else trainer.optimiser,
                progress=self.progress,
                random_states=states,
            )
        self.processes.wait()

    def _close_stage(self, stage: Stage) -> None:
        """The next stage, and the result, begin with the best weights of this one."""
        self.processes.wait()
        load_weights(self.method, self.folder / BEST)
        last = self.progress.stage + 1 == len(self.recipe.stages)
        if last and type(self.method).begin is not Method.begin:
            self._judge_whole(stage)
        self.progress = Progress(stage=self.progress.stage + 1, position=Position())
        self._save_last(None)

    def _judge_whole(self, stage: Stage) -> None:
        """Scores once more, as a whole, what in its stages was scored part by part."""
        self.method.begin("")
        if self.processes.main:
            scores = self._score(stage, self.recipe.selection.part)
            self._save_best(scores, stage, self.progress.best_epoch)
        self.processes.wait()

    # the end

    def _finish(self) -> RunResult:
        notes = read_card(self.folder / BEST).notes
        result = self._result(notes, round(time.monotonic() - self.begun, 1))
        if self.processes.main:
            body = {**self._notes(), "selected": notes["selected"], "seconds": result.seconds}
            atomic_write(self.folder / CARD, dump_json(body, indent=1))
            draw_plots(self.folder)
        return result

    def _result(self, notes: Mapping[str, Any], seconds: float) -> RunResult:
        selected = notes["selected"]
        return RunResult(
            folder=self.folder,
            seed=self.seed,
            protocol=selected["protocol"],
            score=selected["score"],
            epoch=selected["epoch"],
            pictures=notes["pictures"],
            seconds=seconds,
            start=notes.get("start"),
        )
