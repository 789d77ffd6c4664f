"""``magpie score``: predictions against gold under a named protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.metrics import Scored

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
        Literal["ner", "gmner"] | None,
        typer.Option(help="What is scored; by default what the protocol scores, else ner."),
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
    from magpie.metrics import DEFAULTS, score
    from magpie.metrics import protocol as by_name

    name = protocol or DEFAULTS[task or "ner"]
    chosen = by_name(name)
    if task is not None and chosen.task != task:
        raise ConfigError(
            f"protocol {name} scores the task {chosen.task}, not {task}",
            mend=f"Give --task {chosen.task}.",
        )
    report = score(
        _read(gold),
        _read(predicted),
        name,
        level=level,
        inclusive=inclusive,
        mode=cast(Any, mode),
        allow_missing=allow_missing,
        bootstrap=bootstrap,
        seed=seed,
    )
    if json:
        print_json(report.to_dict())
    else:
        stdout().print(report)


def _read(path: Path) -> Iterator[Scored]:
    """Documents or flat lines, or a column file, told by the ending."""
    from magpie.corpora import load
    from magpie.metrics import items_of, read_scored

    if path.suffix.lower() not in COLUMN_FILES:
        yield from read_scored(path)
        return
    # Without the source: it would name the two files, which differ by nature.
    for document in load("conll", "test", root=path):
        yield replace(items_of(document), source=None)
