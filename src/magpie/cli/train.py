"""``magpie train``: a recipe, from data to a folder with weights and reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from magpie.cli._common import (
    JsonFlag,
    RegionsOption,
    command,
    print_json,
    region_settings,
    stderr,
    stdout,
)
from magpie.cli.app import app

__all__ = ["Settings", "train_command"]

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a value of the recipe (loop.epochs=3); repeat."
    ),
]


@app.command("train")
@command
def train_command(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or a name of `magpie recipes`.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run (default: runs/ and the recipe's name).", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run in that folder.")
    ] = False,
    settings: Settings = None,
    seed: Annotated[
        int | None, typer.Option(help="One seed in place of the recipe's.", show_default=False)
    ] = None,
    regions: RegionsOption = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Leave the test split alone at the end.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Train a method: the best epoch on dev is kept, the test split is scored once at the end."""
    from magpie._optional import require

    for package in ("torch", "yaml", "accelerate", "safetensors"):
        require(package, "training")
    from magpie.training.recipe import read_recipe
    from magpie.training.seeds import train

    chosen = read_recipe(recipe, [*(settings or ()), *region_settings(regions)], seed=seed)
    folder = out or Path("runs") / Path(recipe).with_suffix("").name
    summary = train(chosen, folder, resume=resume, test=not no_test, listen=_say)
    if json:
        print_json(summary)
    elif summary:
        _print(summary, folder)


def _say(line: Mapping[str, Any]) -> None:
    """What people want to see while it runs: pictures, and a line an evaluation."""
    if line["kind"] == "begin":
        train = line["pictures"]["train"]
        looks = set(line["needs"]) - {"texts"}
        share = f"trained with {100 * train['share']:.0f} % images" if looks else "text only"
        stderr().print(
            f"{'resumed' if line['resumed'] else 'training'}: {line['method']}, "
            f"seed {line['seed']}, {train['documents']:,} documents, {share}",
            markup=False,
            highlight=False,
        )
        if "start" in line and not line["resumed"]:
            stderr().print(_started(line["start"]), markup=False, highlight=False, soft_wrap=True)
    elif line["kind"] == "dev":
        best = "  best so far" if line["best"] else ""
        stderr().print(
            f"epoch {line['epoch'] + 1}: dev {100 * line['score']:.2f} "
            f"({line['seconds']:,.0f} s){best}",
            markup=False,
            highlight=False,
        )


def _started(start: Mapping[str, Any]) -> str:
    laid, new, left = (", ".join(start[part]) or "nothing" for part in ("laid", "new", "left"))
    return (
        f"started from {start['method']} {start['folder']} ({start['digest'][:16]}): "
        f"laid {laid}; new {new}; left behind {left}"
    )


def _print(summary: Mapping[str, Any], folder: Path) -> None:
    console = stdout()
    for each in summary["runs"]:
        test = each["test"]
        console.print(
            f"seed {each['seed']}: dev {100 * each['dev']:.2f} in epoch {each['epoch'] + 1}"
            + (f", test {100 * test['score']:.2f}" if test else "")
            + f"  {each['folder']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for split in ("dev", "test"):
        over = summary[split]
        if over is not None and over["n"] > 1:
            console.print(
                f"{split}: {100 * over['mean']:.2f} +- {100 * over['deviation']:.2f} over "
                f"{over['n']} seeds",
                markup=False,
                highlight=False,
            )
    part = f", {summary['part']}" if summary["part"] else ""
    console.print(
        f"{summary['protocol']}{part}, {summary['selection']}: {folder}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
