"""What happened during a run: one JSON line an event, plots of it, TensorBoard if asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from magpie._io import atomic_write, dump_json, iter_lines, last_complete_byte
from magpie._optional import require
from magpie.metrics import Report
from magpie.training.loop import Step
from magpie.viz.plots import Point, can_plot, lines

__all__ = ["METRICS", "Journal", "draw_plots", "read_metrics"]

METRICS = "metrics.jsonl"

Listen = Callable[[Mapping[str, Any]], None]


class Journal:
    """Writes ``metrics.jsonl`` and tells a listener the same.

    Args:
        folder: of the run.
        listen: is told every line.
        write: whether this process writes files.
        tensorboard: write its files, too.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, listen: Listen, *, write: bool, tensorboard: bool) -> None:
        self._path = folder / METRICS
        self._listen = listen
        self._write = write
        self._begun = time.monotonic()
        self._board: Any = None
        if tensorboard and write:
            require("tensorboard", "the recipe's tensorboard: true")
            writer = require("torch.utils.tensorboard", "writing TensorBoard's files")
            self._board = writer.SummaryWriter(str(folder / "tensorboard"))

    def begin(self, stage: int, step: int, facts: Mapping[str, Any]) -> None:
        """Drops what lies behind the point that is resumed from, and notes the beginning."""
        if self._write and self._path.is_file():
            kept = [
                dump_json(line)
                for line in read_metrics(self._path.parent)
                if (line["stage"], line["step"]) <= (stage, step)
            ]
            atomic_write(self._path, "".join(f"{line}\n" for line in kept))
        self._put({"kind": "begin", "stage": stage, "step": step, **facts})

    def step(self, stage: int, name: str, step: Step) -> None:
        """One step of the optimiser."""
        self._put(
            {
                "kind": "step",
                "stage": stage,
                "name": name,
                "epoch": step.epoch,
                "step": step.step,
                "loss": step.loss,
                "losses": step.losses,
                "rate": step.rate,
                "seconds": round(time.monotonic() - self._begun, 3),
            }
        )
        self._scalar("loss", step.loss, step.step)
        self._scalar("rate", step.rate, step.step)

    def evaluation(
        self, stage: int, name: str, epoch: int, step: int, report: Report, value: float, best: bool
    ) -> None:
        """A score on the development split."""
        self._put(
            {
                "kind": "dev",
                "stage": stage,
                "name": name,
                "epoch": epoch,
                "step": step,
                "protocol": report.protocol,
                "score": value,
                "parts": {part: each.micro.to_dict() for part, each in report.parts.items()},
                "best": best,
                "seconds": round(time.monotonic() - self._begun, 3),
            }
        )
        self._scalar("dev", value, step)

    def close(self) -> None:
        """Ends TensorBoard's file."""
        if self._board is not None:
            self._board.close()

    def _put(self, line: Mapping[str, Any]) -> None:
        if self._write:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(dump_json(line) + "\n")
            self._listen(line)

    def _scalar(self, name: str, value: float, step: int) -> None:
        if self._board is not None:
            self._board.add_scalar(name, value, step)


def read_metrics(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run; one that a kill cut off is left out."""
    path = folder / METRICS
    end, place = last_complete_byte(path), 0
    for line in iter_lines(path):
        place += len(line.text.encode("utf-8")) + 1
        if place > end:
            return
        value: dict[str, Any] = json.loads(line.text)
        yield value


def draw_plots(folder: Path) -> list[Path]:
    """``loss.svg`` and ``dev.svg`` of a run; nothing where matplotlib is not installed."""
    if not can_plot():
        return []
    losses: dict[str, list[Point]] = {}
    scores: dict[str, list[Point]] = {}
    for line in read_metrics(folder):
        if line["kind"] == "step":
            losses.setdefault(line["name"], []).append(Point(line["step"], line["loss"]))
        elif line["kind"] == "dev":
            scores.setdefault(line["name"], []).append(Point(line["epoch"] + 1, line["score"]))
    drawn = []
    for name, series, title, x, y in (
        ("loss.svg", losses, "Training loss", "step", "loss"),
        ("dev.svg", scores, "Score on the development split", "epoch", "score"),
    ):
        atomic_write(folder / name, lines(series, title=title, x_axis=x, y_axis=y))
        drawn.append(folder / name)
    return drawn
