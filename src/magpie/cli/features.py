"""``magpie features``: compute what is frozen ahead of training, look at it, check it, bound it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from magpie.cli._common import (
    EXIT_FAILED,
    JsonFlag,
    RegionsOption,
    command,
    print_json,
    region_settings,
    stderr,
    stdout,
)
from magpie.cli._progress import Bar
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.features.build import Built
    from magpie.features.store import Store

__all__ = ["build_", "estimator", "features", "info", "prune", "verify"]

features = typer.Typer(
    name="features",
    help="Pixels, grids, cut-outs and regions: computed once, kept, checked.",
    no_args_is_help=True,
)
app.add_typer(features)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="Folder of kept features (default: MAGPIE_FEATURES, else the user's cache).",
        show_default=False,
    ),
]


def _store(folder: Path | None) -> Store:
    from magpie._optional import require

    require("torch", "working with features")
    from magpie.features.build import default_folder
    from magpie.features.store import Store

    return Store(folder or default_folder())


@features.command("build")
@command
def build_(
    what: Annotated[str, typer.Argument(help="A recipe, or with --method a corpus.")],
    method: Annotated[
        str | None, typer.Option("--method", help="Whose needs; in place of a recipe.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option("--split", help="train, dev or test; may be repeated (default: all)."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe."),
    ] = None,
    regions: RegionsOption = None,
    device: Annotated[str, typer.Option(help="That frozen backbones run on.")] = "cpu",
    store: Folder = None,
    json: JsonFlag = False,
) -> None:
    """Compute what a method needs and the store lacks; start it again after a kill."""
    place = _store(store)
    from magpie.training.features import SPLITS, build_features, recipe_of
    from magpie.training.recipe import read_recipe

    overrides = [*(set_ or ()), *region_settings(regions)]
    recipe = read_recipe(what, overrides) if method is None else recipe_of(method, what, overrides)
    with Bar() as bar:
        found = build_features(
            recipe, place, splits=split or SPLITS, device=device, on_progress=bar
        )
    if json:
        splits = {name: built.to_dict() for name, built in found.items()}
        print_json({"store": str(place.folder), "method": recipe.method, "splits": splits})
    else:
        _print_built(place, found)


def _print_built(store: Store, found: dict[str, Built]) -> None:
    from rich.text import Text

    shown = _table("split", "need", "documents", "computed", "kept", "absent")
    for split, built in found.items():
        if not built.needs:
            stdout().print(Text(f"{split}: the method reads nothing that could be kept"))
        for part in built.needs:
            counts = (built.documents, part.computed, part.kept, part.absent)
            kind = str(part.need.describe()["kind"])
            shown.add_row(split, f"{kind}-{part.need.digest}", *map(str, counts))
            for document, why in part.reasons:
                stderr().print(Text(f"absent: {document}: {why}"))
    if shown.row_count:
        stdout().print(shown)
    stdout().print(Text(f"kept in {store.folder}"))


@features.command("estimator")
@command
def estimator(
    folder: Annotated[Path, typer.Argument(help="Where it is saved.")],
    strengthen: Annotated[
        str,
        typer.Option(help="Captions: .jsonl, .csv, a folder (id, text, image), or corpus:split."),
    ],
    complement: Annotated[str, typer.Option(help="Posts of the open web, likewise.")],
    start: Annotated[
        str, typer.Option(help="A ViLT, or an estimator to go on with: hub name or folder.")
    ] = "dandelin/vilt-b32-mlm",
    steps: Annotated[int, typer.Option(help="Batches.")] = 1000,
    draws: Annotated[int, typer.Option(help="Pairs of each class in a batch.")] = 8,
    rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-4,
    stage: Annotated[
        Literal["joint", "contrast", "classes"],
        typer.Option(help="Both losses at once; or contrast first, then classes from it."),
    ] = "joint",
    held_out: Annotated[float, typer.Option(help="Share of the pictures to be tested on.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of head, held-out pictures and pairs.")] = 0,
    device: Annotated[str, typer.Option(help="Where it is trained.")] = "cpu",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace one there.")] = False,
    json: JsonFlag = False,
) -> None:
    """Train a divergence estimator: does a picture strengthen, complement or weaken its text?

    Recipes ask it by scores: estimator:FOLDER.
    """
    from magpie._optional import require
    from magpie.errors import ConfigError

    require("torch", "training an estimator")
    from magpie.training.divergence import EstimatorPlan, train_estimator

    if folder.exists() and not overwrite:
        raise ConfigError(
            "the folder is there already", where=str(folder), mend="Name another, or --overwrite."
        )
    plan = EstimatorPlan(
        start=start,
        steps=steps,
        draws=draws,
        rate=rate,
        stage=stage,
        held_out=held_out,
        seed=seed,
        device=device,
    )
    with Bar() as bar:
        found = train_estimator(
            strengthen, complement, folder, plan, on_step=lambda n: bar.show("steps", n, steps)
        )
    if json:
        print_json(found.to_dict())
        return
    from rich.text import Text

    for sort, aside in found.set_aside.items():
        for document, why in aside[:3]:
            stderr().print(Text(f"set aside: {document}: {why}"))
        pairs = f"{sort}: {found.pairs[sort]:,} pairs, {len(aside):,} documents set aside"
        stdout().print(Text(pairs))
    before, after = found.losses
    recalls = ", ".join(f"{name} {100 * value:.0f}" for name, value in found.by_class.items())
    stdout().print(Text(f"loss {before:.3f} at first, {after:.3f} at last"))
    stdout().print(Text(f"held out: {100 * found.accuracy:.0f} % right (chance 33): {recalls}"))
    stdout().print(Text(f"scores: estimator:{folder}"))


@features.command("info")
@command
def info(store: Folder = None, json: JsonFlag = False) -> None:
    """Entries and bytes, by need."""
    place = _store(store)
    from rich.text import Text

    groups = place.groups()
    entries, size = sum(g.entries for g in groups), sum(g.bytes for g in groups)
    if json:
        parts = [group.to_dict() for group in groups]
        print_json({"store": str(place.folder), "entries": entries, "bytes": size, "needs": parts})
        return
    shown = _table("need", "entries", "MB", "settings")
    for group in groups:
        settings = ", ".join(f"{k}={v}" for k, v in group.need.items() if k not in ("kind", "spec"))
        if "spec" in group.need:
            settings += f" {group.need['spec']['fit']} {group.need['spec']['side']}"
        shown.add_row(group.name, str(group.entries), f"{group.bytes / 1e6:.1f}", settings.strip())
    if groups:
        stdout().print(shown)
    stdout().print(Text(f"{entries} entries, {size / 1e6:.1f} MB in {place.folder}"))


@features.command("verify")
@command
def verify(store: Folder = None, json: JsonFlag = False) -> None:
    """Read every entry and set damaged ones aside; exit code 1 when there were any."""
    place = _store(store)
    from rich.text import Text

    total = sum(group.entries for group in place.groups())
    done = 0
    with Bar() as bar:

        def tell(_: Any) -> None:
            nonlocal done
            done += 1
            bar.show("verify", done, total)

        result = place.verify(tell)
    if json:
        damaged = [{"key": key, "reason": why} for key, why in result.damaged]
        print_json({"store": str(place.folder), "checked": result.checked, "damaged": damaged})
    else:
        for key, why in result.damaged:
            stderr().print(Text(f"damaged: {key}: {why}"))
        stdout().print(Text(f"{result.checked} entries checked, {len(result.damaged)} damaged"))
        if result.damaged:
            stdout().print(Text("set aside; `magpie features build` computes them anew"))
    if result.damaged:
        raise typer.Exit(EXIT_FAILED)


@features.command("prune")
@command
def prune(
    max_bytes: Annotated[str, typer.Option("--max-bytes", help="To keep, such as 20GB or 0.")],
    store: Folder = None,
    json: JsonFlag = False,
) -> None:
    """Remove what was used longest ago until no more than that is left."""
    place = _store(store)
    from dataclasses import asdict

    from rich.text import Text

    result = place.prune(_bytes(max_bytes))
    if json:
        print_json({"store": str(place.folder), **asdict(result)})
    else:
        text = f"{result.removed} files removed, {result.freed / 1e6:.1f} MB; "
        left = f"{result.entries} entries left, {result.bytes / 1e6:.1f} MB"
        stdout().print(Text(text + left))


def _bytes(text: str) -> int:
    from magpie.errors import ConfigError

    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "B": 1, "": 1}
    number = text.strip().upper().rstrip("KMGTB")
    unit = text.strip().upper()[len(number) :]
    try:
        return int(float(number) * units[unit])
    except (ValueError, KeyError, OverflowError):
        raise ConfigError(
            f"--max-bytes cannot be read: {text!r}", mend="For example 20GB, 500MB or 0."
        ) from None


def _table(*headings: str) -> Any:
    from rich.table import Table

    made = Table()
    for index, heading in enumerate(headings):
        words = index == 0 or heading in ("need", "settings")
        made.add_column(heading, overflow="fold", justify="left" if words else "right")
    return made
