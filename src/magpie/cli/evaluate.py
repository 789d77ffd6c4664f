"""``magpie evaluate``: a checkpoint against a corpus."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from magpie.cli._common import JsonFlag, RegionsOption, command, print_json, region_folders, stdout
from magpie.cli.app import app
from magpie.cli.export import parsed

if TYPE_CHECKING:
    from magpie.training.recipe import DataConfig

__all__ = ["evaluate_command"]


@app.command("evaluate")
@command
def evaluate_command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the folder of a run.")],
    corpus: Annotated[
        str | None,
        typer.Option(help="Corpus, with @version (default: its recipe's).", show_default=False),
    ] = None,
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "test",
    protocol: Annotated[
        str | None,
        typer.Option(help="Scorer (default: that of its selection).", show_default=False),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="A switch of the protocol; repeat."),
    ] = None,
    root: Annotated[
        str | None, typer.Option(help="Folder of the corpora.", show_default=False)
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Folder of the pictures.", show_default=False)
    ] = None,
    regions: RegionsOption = None,
    types: Annotated[
        Literal["own", "coarse"] | None,
        typer.Option(help="coarse maps types to PER, LOC, ORG, OTHER.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many documents.", show_default=False)
    ] = None,
    allow_other_labels: Annotated[
        bool,
        typer.Option("--allow-other-labels", help="Score labels that it does not know as missed."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for predictions and report.", show_default=False
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Score a trained checkpoint on a split of a corpus."""
    from magpie._optional import require

    require("torch", "evaluating a checkpoint")
    from magpie.engine.trained import checkpoint_folder
    from magpie.methods.checkpoint import read_card
    from magpie.training.evaluate import evaluate, recipe_data

    folder = checkpoint_folder(checkpoint) or checkpoint
    data = _data(recipe_data(read_card(folder)), corpus, root, images, types)
    if given := region_folders(regions):
        data = dataclasses.replace(data, regions={**data.regions, **given})
    ref = corpus or data.ref(split) or ""
    result = evaluate(
        folder,
        ref if ":" in ref else f"{ref}:{split}",
        protocol=protocol,
        options=parsed(option),
        data=data,
        limit=limit,
        # A corpus whose test split has labels that its training split lacks is still its own.
        allow_other_labels=allow_other_labels or (corpus is None and types is None),
    )
    if output is not None:
        result.scores.write(output, split, result.origin())
    if json:
        print_json(result.to_dict())
    else:
        stdout().print(result.scores.report)
        pictures = result.pictures
        stdout().print(
            f"{result.card.method}, {100 * pictures.share:.0f} % of {pictures.documents:,} "
            "documents had their picture",
            markup=False,
            highlight=False,
        )


def _data(
    data: DataConfig,
    corpus: str | None,
    root: str | None,
    images: str | None,
    types: Literal["own", "coarse"] | None,
) -> DataConfig:
    """How its recipe read data; another corpus starts from where it lies itself."""
    changes: dict[str, Any] = {}
    if corpus is not None:
        changes |= {"corpus": corpus, "train": None, "dev": None, "test": None, "images": images}
    if root is not None:
        changes["root"] = root
    if images is not None:
        changes["images"] = images
    if types is not None:
        changes["types"] = types
    return dataclasses.replace(data, **changes)
