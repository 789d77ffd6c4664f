"""``magpie corpora``: what there is, whether the files are right, conversion, leaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magpie.cli._common import (
    EXIT_FAILED,
    JsonFlag,
    command,
    print_json,
    stderr,
    stdout,
)
from magpie.cli._side import check_names, side_info, side_summaries, side_table
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.corpora import Card, CheckReport, Conversion, Overlap, SplitReport

__all__ = ["corpora"]

corpora = typer.Typer(
    name="corpora",
    help="Published corpora: list, describe, check, convert, find leaks.",
    no_args_is_help=True,
)
app.add_typer(corpora)

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Folder of the corpora, or a corpus's own folder or file (default: MAGPIE_DATA).",
        show_default=False,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the pictures, named <id>.jpg.", show_default=False),
]


@corpora.command("list")
@command
def list_(json: JsonFlag = False) -> None:
    """List the corpora magpie reads, and the files published beside them."""
    from magpie.corpora import cards

    found = cards()
    if json:
        print_json({"corpora": [_summary(card) for card in found], "side": side_summaries()})
        return
    table = _table("corpus", "documents", "entities", "what")
    for card in found:
        counts = [split.counts for split in card.splits.values()]
        documents = "/".join(str(each.documents) for each in counts)
        entities = "/".join(str(each.entities) for each in counts)
        table.add_row(card.ref, documents, entities, card.task)
    stdout().print(table)
    stdout().print(side_table())


def _summary(card: Card) -> dict[str, Any]:
    return {
        "ref": card.ref,
        "title": card.title,
        "task": card.task,
        "licence": card.licence,
        "types": list(card.types),
        "splits": {name: split.counts.documents for name, split in card.splits.items()},
    }


@corpora.command()
@command
def info(
    name: Annotated[str, typer.Argument(help="A corpus, also as name@version, or a side source.")],
    json: JsonFlag = False,
) -> None:
    """Show a corpus's card: splits, counts, licence, known defects."""
    from rich.text import Text

    from magpie.corpora import card

    if side_info(name, json=json):
        return
    found = card(name)
    if json:
        print_json(found.to_dict())
        return
    console = stdout()
    console.print(Text(f"{found.ref}: {found.title}", style="bold"))
    for heading in ("task", "licence", "origin", "citation"):
        console.print(Text(f"{heading}: ", style="dim") + Text(getattr(found, heading)))
    if found.splits:
        table = _table("split", "documents", "words", "entities", "lenient", "boxes", "file")
        for split, description in found.splits.items():
            counts = description.counts
            numbers = (counts.documents, counts.words, counts.entities, counts.entities_lenient)
            boxes = "" if counts.boxes is None else str(counts.boxes)
            table.add_row(split, *map(str, numbers), boxes, description.file.label)
        console.print(table)
    for defect in found.defects:
        console.print(Text(f"- {defect}"))


@corpora.command()
@command
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Corpora and side sources to check.", show_default=False),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Check every corpus and side source.")
    ] = False,
    root: Root = None,
    images: Images = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for anything the card does not state.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Compare files with their card: counts, digests, oddities with file and line.

    Exits with 1 when a split cannot be read; with --strict also for unknown digests, other
    counts, unreadable records and oddities beyond those the card states.
    """
    from magpie.corpora import cards
    from magpie.corpora import check as check_corpus
    from magpie.corpora.side import SOURCES
    from magpie.errors import ConfigError

    known = [*(card.ref for card in cards() if card.splits), *SOURCES]
    wanted = known if all_ else list(names or ())
    if not wanted:
        raise ConfigError("no corpus was named", mend="Name one or more, or pass --all.")
    corpora_named, side_reports = check_names(wanted, root)
    reports = [check_corpus(name, root, images=images) for name in corpora_named] + side_reports
    if json:
        print_json({"reports": [report.to_dict() for report in reports]})
    else:
        for report in reports:
            _print_report(report)
    bad = any(report.failed or (strict and not report.clean) for report in reports)
    if bad:
        raise typer.Exit(EXIT_FAILED)


def _print_report(report: CheckReport) -> None:
    from rich.text import Text

    console = stdout()
    style, verdict = ("green", "as its card says") if report.clean else ("yellow", "differs")
    console.print(Text(f"{report.corpus}: ", style="bold") + Text(verdict, style=style))
    for file in report.files:
        note = f" ({file.same_as})" if file.same_as else ""
        console.print(Text(f"  {file.file}: digest {file.status}{note}"))
    table = _table("split", "documents", "entities", "unreadable", "pictures")
    for split in report.splits:
        table.add_row(*_row(split))
    console.print(table)
    for split in report.splits:
        for line in _notes(split):
            console.print(Text(f"  {split.split}: {line}"))


def _row(split: SplitReport) -> list[str]:
    return [
        split.split,
        *(_of(split, name) for name in ("documents", "entities")),
        str(split.unreadable),
        f"{split.pictures - split.pictures_missing} of {split.pictures}" if split.pictures else "",
    ]


def _of(split: SplitReport, name: str) -> str:
    """A count, and what the card expects where it differs."""
    found = "-" if split.found is None else str(getattr(split.found, name))
    expected = None if split.expected is None else str(getattr(split.expected, name))
    return found if expected in (None, found) else f"{found} (expected {expected})"


def _notes(split: SplitReport) -> list[str]:
    lines = []
    if split.error is not None:
        lines.append(f"could not be read: {split.error}")
    for name, (expected, found) in split.mismatches.items():
        lines.append(f"{name}: expected {expected}, found {found}")
    for kind, count in split.anomalies.items():
        more = split.unexpected.get(kind, 0)
        lines.append(f"{kind}: {count}" + (f", {more} more than the card states" if more else ""))
        lines.extend(
            f"  {anomaly.where}: {anomaly.message}"
            for anomaly in split.examples
            if anomaly.kind == kind and more
        )
    return lines


@corpora.command()
@command
def convert(
    name: Annotated[
        str, typer.Argument(help="A corpus, the format conll or magpie, or riveg-predictions.")
    ],
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")],
    to: Annotated[str, typer.Option("--to", help="The format to write: magpie.")] = "magpie",
    root: Root = None,
    images: Images = None,
    types: Annotated[
        str, typer.Option("--types", help="own, or coarse: PER, LOC, ORG, OTHER.")
    ] = "own",
    orphans: Annotated[
        str, typer.Option("--orphans", help="Entities opened by an I- tag: mark or drop.")
    ] = "mark",
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context", help="A side source to add as context; repeatable.", show_default=False
        ),
    ] = None,
    word_column: Annotated[int, typer.Option("--word-column", help="For conll.")] = 0,
    tag_column: Annotated[int, typer.Option("--tag-column", help="For conll.")] = -1,
    json: JsonFlag = False,
) -> None:
    """Write a split as magpie JSONL, one Document with gold annotations a line.

    Unreadable records are set aside, listed, and make the exit code 1.
    """
    from magpie.corpora import convert as convert_corpus
    from magpie.errors import ConfigError

    if to != "magpie":
        raise ConfigError(f"--to must be magpie, got {to!r}")
    result = convert_corpus(
        name,
        split,
        output,
        root,
        images=images,
        types=types,  # type: ignore[arg-type]  # load() checks the choice
        orphans=orphans,  # type: ignore[arg-type]
        context=context or (),
        word_column=word_column,
        tag_column=tag_column,
    )
    if json:
        print_json(result.to_dict())
    else:
        _print_conversion(result)
    if result.unreadable:
        raise typer.Exit(EXIT_FAILED)


def _print_conversion(result: Conversion) -> None:
    from rich.text import Text

    stdout().print(Text(f"{result.documents} documents written to {result.output}"))
    for kind, count in result.anomalies.items():
        stderr().print(Text(f"{kind}: {count}"))
    for anomaly in result.errors:
        stderr().print(Text(f"  {anomaly.error}"))


@corpora.command("overlap")
@command
def overlap_(
    a: Annotated[str, typer.Argument(help="A corpus, or corpus:split.")],
    b: Annotated[str, typer.Argument(help="A corpus, or corpus:split.")],
    root: Root = None,
    limit: Annotated[int, typer.Option("--limit", help="Pairs shown in the table.", min=0)] = 20,
    json: JsonFlag = False,
) -> None:
    """List posts that stand in both, by picture id and by normalised text."""
    from magpie.corpora import overlap

    result = overlap(a, b, root)
    if json:
        print_json(result.to_dict())
        return
    _print_overlap(result, limit)


def _print_overlap(result: Overlap, limit: int) -> None:
    from rich.text import Text

    console = stdout()
    for name, shared, total in (
        (result.a, result.shared_a, result.documents_a),
        (result.b, result.shared_b, result.documents_b),
    ):
        console.print(Text(f"{shared} of {total} documents of {name} stand in the other"))
    if not result.pairs or not limit:
        return
    table = _table(result.a, result.b, "by")
    for pair in result.pairs[:limit]:
        table.add_row(pair.a, pair.b, pair.by)
    console.print(table)
    if len(result.pairs) > limit:
        rest = len(result.pairs) - limit
        console.print(Text(f"and {rest} more pairs; --json prints all"))


def _table(*headings: str) -> Any:
    from rich.table import Table

    table = Table()
    for index, heading in enumerate(headings):
        # The first column holds what one copies: names and splits.
        table.add_column(heading, overflow="fold", no_wrap=index == 0)
    return table
