"""``magpie regions``: what proposed regions can and cannot find, and regions written ahead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from magpie.cli._common import (
    EXIT_FAILED,
    JsonFlag,
    RegionsOption,
    command,
    print_json,
    region_folders,
    stderr,
    stdout,
)
from magpie.cli._progress import Bar
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.features.recall import Recall
    from magpie.features.region_files import WrittenRegions
    from magpie.features.regions import RegionSource
    from magpie.schema import Document

__all__ = ["build", "recall", "regions"]

regions = typer.Typer(
    name="regions",
    help="Regions that methods pick among: how good they can be, and writing them ahead.",
    no_args_is_help=True,
)
app.add_typer(regions)

What = Annotated[str, typer.Argument(metavar="CORPUS:SPLIT", help="Such as gmner:test.")]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="blobs, proposals, detector:NAME, FILE.json, a side source, any of them with "
        "@BACKBONE, or a NAME of --regions (default: that one).",
        show_default=False,
    ),
]
Root = Annotated[
    str | None, typer.Option("--root", help="Folder of the corpora.", show_default=False)
]
Images = Annotated[
    str | None, typer.Option("--images", help="Folder of the pictures.", show_default=False)
]
Limit = Annotated[
    int | None, typer.Option("--limit", help="At most so many documents.", show_default=False)
]
Device = Annotated[str, typer.Option("--device", help="That networks run on.")]


@regions.command("recall")
@command
def recall(
    what: What,
    source: SourceOption = None,
    regions_: RegionsOption = None,
    count: Annotated[
        list[int] | None,
        typer.Option("--count", min=1, help="Look at the first so many regions; repeat."),
    ] = None,
    iou: Annotated[
        list[float] | None,
        typer.Option("--iou", min=0, max=1, help="IoU that a box must exceed; repeat."),
    ] = None,
    inclusive: Annotated[
        bool, typer.Option("--inclusive", help="An IoU of exactly that counts.")
    ] = False,
    order: Annotated[
        Literal["file", "score"], typer.Option(help="Which regions are the first.")
    ] = "file",
    fine: Annotated[bool, typer.Option("--fine", help="By fine type.")] = False,
    seen: Annotated[
        bool, typer.Option("--seen", help="Tables leave out pictures without regions.")
    ] = False,
    root: Root = None,
    images: Images = None,
    limit: Limit = None,
    device: Device = "cpu",
    json: JsonFlag = False,
) -> None:
    """Measure how many gold boxes some region meets: no method that picks one can do better."""
    found, name, documents = _look_up(what, source, regions_, root, images, limit, device)
    from magpie.features.recall import COUNTS, THRESHOLDS, oracle_recall

    with Bar() as bar:
        done = 0

        def tell(result: Recall) -> None:
            nonlocal done
            done = min(done + 16, len(documents))
            bar.show(what, done, len(documents))

        result = oracle_recall(
            documents,
            lambda rows: found.regions(rows, name),
            counts=count or COUNTS,
            thresholds=iou or THRESHOLDS,
            inclusive=inclusive,
            order=order,
            fine=fine,
            on_progress=tell,
        )
    if json:
        print_json({"data": what, "source": name, "documents": len(documents), **result.to_dict()})
    else:
        _print_recall(what, name, result, seen=seen)


@regions.command("build")
@command
def build(
    what: What,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")],
    source: SourceOption = None,
    regions_: RegionsOption = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Most regions of a picture.", show_default=False),
    ] = None,
    root: Root = None,
    images: Images = None,
    limit: Limit = None,
    device: Device = "cpu",
    json: JsonFlag = False,
) -> None:
    """Write regions as VinVL's files hold them; start it again after a kill."""
    found, name, documents = _look_up(what, source, regions_, root, images, limit, device)
    from magpie.features.region_files import write_region_files

    with Bar() as bar:

        def tell(result: WrittenRegions) -> None:
            bar.show(what, result.documents, len(documents))

        result = write_region_files(documents, name, found, folder, limit=count, on_progress=tell)
    if json:
        print_json({"data": what, "folder": str(folder), **result.to_dict()})
    else:
        _print_written(folder, result)
    if result.documents and not (result.written or result.kept):
        raise typer.Exit(EXIT_FAILED)


def _look_up(
    what: str,
    source: str | None,
    given: list[str] | None,
    root: str | None,
    images: str | None,
    limit: int | None,
    device: str,
) -> tuple[RegionSource, str, list[Document]]:
    """Who gives the regions, under which name, and the documents."""
    from typing import cast

    from magpie._optional import require
    from magpie.errors import ConfigError

    corpus, mark, split = what.rpartition(":")
    if not (mark and corpus and split):
        raise ConfigError(f"expected CORPUS:SPLIT, got {what!r}", mend="For example gmner:test.")
    folders = region_folders(given)
    name = source or (next(iter(folders)) if len(folders) == 1 else None)
    if name is None:
        raise ConfigError(
            "no regions are named", mend="Give --source blobs, or --regions vinvl=FOLDER."
        )
    require("torch", "regions")
    from magpie.features.needs import RegionFeatures
    from magpie.features.regions import RegionSource
    from magpie.training.data import read_documents, supplier_for
    from magpie.training.recipe import DataConfig

    data = DataConfig(corpus=corpus, root=root, images=images, regions=folders)
    supplier = supplier_for(data, what, device)
    return (
        cast(RegionSource, supplier.source(RegionFeatures(name))),
        name,
        read_documents(what, data, limit=limit),
    )


def _print_recall(what: str, source: str, result: Recall, *, seen: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    sign = "at least" if result.inclusive else "above"
    for threshold in result.thresholds:
        shown = Table(title=f"{what}, {source}: IoU {sign} {threshold:g}, found of gold, %")
        shown.add_column("type", no_wrap=True)
        shown.add_column("gold", justify="right")
        for count in result.counts:
            shown.add_column(f"k={count}", justify="right")
        rows = [(kind, kind, seen) for kind in result.types]
        if not seen and result.without_regions:
            rows.append(("where regions are", "all", True))
        for heading, kind, only in rows:
            shares = (result.recall(kind, k, threshold, seen=only) for k in result.counts)
            gold = result.gold(kind, seen=only)
            shown.add_row(heading, f"{gold:,}", *(f"{100 * share:.1f}" for share in shares))
        if result.absent and not seen:
            best = [100 * result.ceiling(count, threshold) for count in result.counts]
            whole = result.gold("all") + result.absent
            shown.add_row("with the absent", f"{whole:,}", *(f"{share:.1f}" for share in best))
        stdout().print(shown)
    with_regions = result.pictures - result.without_regions
    mean = result.regions / with_regions if with_regions else 0.0
    stdout().print(
        Text(
            f"{result.pictures:,} pictures, {result.with_gold:,} with gold boxes; "
            f"{result.without_regions:,} without regions, {result.without_regions_with_gold:,} of "
            f"them with gold boxes; {mean:.1f} regions a picture; {result.clipped:,} cut to their "
            f"picture, {result.outside:,} outside it"
        )
    )
    for document, why in result.reasons:
        stderr().print(Text(f"no regions: {document}: {why}"))


def _print_written(folder: Path, result: WrittenRegions) -> None:
    from rich.text import Text

    for document, why in result.reasons:
        stderr().print(Text(f"absent: {document}: {why}"))
    width = "" if result.width is None else f", vectors of {result.width} numbers"
    stdout().print(
        Text(
            f"{result.written:,} files written with {result.regions:,} regions{width}; "
            f"{result.kept:,} were there, {result.absent:,} absent; {result.clipped:,} regions cut "
            f"to their picture, {result.outside:,} outside it left out"
        )
    )
    stdout().print(Text(f"in {folder}"))
