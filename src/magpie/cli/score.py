"""``magpie score``: predictions against gold under a named protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.metrics import Protocol, Scored
    from magpie.metrics.declare import OptionValue

__all__ = ["score_command"]

#: endings of files with a word and a tag a line
COLUMN_FILES = frozenset({".conll", ".bio", ".iob", ".iob2", ".tsv", ".txt"})


@app.command("score")
@command
def score_command(
    gold: Annotated[
        Path, typer.Argument(help="Gold annotations: documents (JSONL) or a CoNLL file.")
    ],
    predicted: Annotated[
        Path,
        typer.Argument(help="Predictions for the same: JSONL, full or --flat, or a CoNLL file."),
    ],
    task: Annotated[
        str | None,
        typer.Option(help="What is scored (ner, gmner ...); by default what the protocol scores."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Protocol by name and version, such as ner-span-strict@1.")
    ] = None,
    level: Annotated[
        Literal["type", "fine_type"], typer.Option(help="Coarse or fine types.")
    ] = "type",
    inclusive: Annotated[
        bool, typer.Option("--iou-inclusive", help="Accept IoU from 0.5 on, not only above.")
    ] = False,
    mode: Annotated[
        Literal["gmner", "fmnerg", "riveg"] | None,
        typer.Option(help="Reproduce the counting of a public evaluator."),
    ] = None,
    legacy_train_scorer: Annotated[
        bool,
        typer.Option(
            "--legacy-train-scorer", help="With --mode fmnerg: count as inside TIGER's training."
        ),
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="Any switch of the protocol; may be repeated."
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option(help="Count documents without a prediction as empty.")
    ] = False,
    bootstrap: Annotated[
        int, typer.Option(help="Resampled sets for 95 % intervals; 0 for none.", min=0)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Score predictions against gold under a named, versioned protocol."""
    from magpie.errors import ConfigError
    from magpie.metrics import protocol as by_name
    from magpie.metrics import score

    name = protocol or _default(task or "ner")
    chosen = by_name(name)
    if task is not None and chosen.task != task:
        raise ConfigError(
            f"protocol {name} scores the task {chosen.task}, not {task}",
            mend=f"Give --task {chosen.task}.",
        )
    report = score(
        _read(gold, chosen),
        _read(predicted, chosen),
        name,
        options=_options(chosen, option or []),
        level=level,
        inclusive=inclusive,
        mode=mode,
        legacy_train_scorer=legacy_train_scorer,
        allow_missing=allow_missing,
        bootstrap=bootstrap,
        seed=seed,
    )
    if json:
        print_json(report.to_dict())
    else:
        stdout().print(report)


def _default(task: str) -> str:
    from magpie.errors import NotFoundError
    from magpie.metrics import DEFAULTS

    if task not in DEFAULTS:
        raise NotFoundError(f"no task {task!r}", mend=f"Tasks are: {', '.join(DEFAULTS)}.")
    return DEFAULTS[task]


def _options(chosen: Protocol, given: list[str]) -> dict[str, OptionValue]:
    """``KEY=VALUE`` by the protocol's own options; a name it does not have is left to it."""
    from magpie.errors import ConfigError

    known = {option.name: option for option in chosen.options}
    values: dict[str, OptionValue] = {}
    for entry in given:
        name, equals, text = entry.partition("=")
        if not equals:
            raise ConfigError(f"--option needs KEY=VALUE, got {entry!r}")
        values[name] = known[name].parse(text) if name in known else text
    return values


def _read(path: Path, chosen: Protocol) -> Iterator[Scored]:
    """Documents or flat lines, or a column file, told by the ending."""
    from magpie.corpora import load
    from magpie.metrics import items_of, read_scored
    from magpie.metrics.tagged import read_tagged

    if path.suffix.lower() not in COLUMN_FILES:
        yield from read_scored(path)
        return
    if chosen.reads_tags:
        yield from read_tagged(path)
        return
    # Without the source: it would name the two files, which differ by nature.
    for document in load("conll", "test", root=path):
        yield replace(items_of(document), source=None)
