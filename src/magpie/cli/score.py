"""``magpie score``: predictions against gold under a named protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.app import app

__all__ = ["score_command"]


@app.command("score")
@command
def score_command(
    gold: Annotated[Path, typer.Argument(help="Documents with gold annotations (JSONL).")],
    predicted: Annotated[
        Path, typer.Argument(help="The same documents with predictions (JSONL, full or --flat).")
    ],
    task: Annotated[
        Literal["ner", "gmner"], typer.Option(help="What is scored; picks the protocol.")
    ] = "ner",
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
    from magpie.metrics import DEFAULTS, read_scored, score
    from magpie.metrics import protocol as by_name

    name = protocol or DEFAULTS[task]
    chosen = by_name(name)
    if chosen.task != task:
        raise ConfigError(
            f"protocol {name} scores the task {chosen.task}, not {task}",
            mend=f"Give --task {chosen.task}.",
        )
    report = score(
        read_scored(gold),
        read_scored(predicted),
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
