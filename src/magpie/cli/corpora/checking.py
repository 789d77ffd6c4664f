"""``magpie corpora check``: files compared with their cards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import EXIT_FAILED, JsonFlag, command, print_json, stdout
from magpie.cli.corpora._group import Images, Root, corpora, table

if TYPE_CHECKING:
    from rich.table import Table

    from magpie.corpora import CheckReport, SplitReport

__all__ = ["check"]

#: type by type only where a corpus has at most so many; --full prints all
_MOST = 12

#: splits of which a table of all counts is printed; --full prints any
_WIDE = 6

_EXAMPLES = 10


@corpora.command()
@command
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Corpora and side sources to check.", show_default=False),
    ] = None,
    all_: Annotated[
        bool,
        typer.Option("--all", help="Check every corpus and side source of which there is a file."),
    ] = False,
    root: Root = None,
    images: Images = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for anything the card does not state.")
    ] = False,
    examples: Annotated[
        str | None,
        typer.Option(
            "--examples",
            help="Anomalies shown of each kind, those that the card states too: a number, or all. "
            f"By default {_EXAMPLES} of those that it does not state.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Print long lists of types too.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            help="Processes that read; the cores if several corpora are checked.",
            min=1,
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Compare files with their card: counts, digests, pictures, oddities with file and line.

    Exits with 1 when a split cannot be read; with --strict also for unknown digests, other
    counts, unreadable records and oddities beyond those the card states.
    """
    from magpie.corpora import cards, check_many
    from magpie.corpora._parallel import default_workers
    from magpie.corpora.side import SOURCES
    from magpie.corpora.side.check import check_sources
    from magpie.errors import ConfigError

    known = [*(card.ref for card in cards() if card.splits), *SOURCES]
    wanted = list(dict.fromkeys(known if all_ else names or ()))
    if not wanted:
        raise ConfigError("no corpus was named", mend="Name one or more, or pass --all.")
    limit = _limit(examples)
    processes = workers or (default_workers() if len(wanted) > 1 else 1)
    reports: list[CheckReport] = []
    if corpora_ := [name for name in wanted if name not in SOURCES]:
        reports += check_many(corpora_, root, images=images, examples=limit, workers=processes)
    if sides := [name for name in wanted if name in SOURCES]:
        reports += check_sources(sides, root, examples=limit, workers=processes)
    absent = [report.corpus for report in reports if all_ and report.absent]
    present = [report for report in reports if report.corpus not in absent]
    if json:
        print_json({"reports": [report.to_dict() for report in present], "absent": absent})
    else:
        for report in present:
            _print_report(report, most=None if full else _MOST, known=examples is not None)
        _print_summary(present, absent)
    if any(report.failed or (strict and not report.clean) for report in present):
        raise typer.Exit(EXIT_FAILED)


def _limit(examples: str | None) -> int | None:
    """The number of examples; None for all."""
    from magpie.errors import ConfigError

    if examples is None:
        return _EXAMPLES
    if examples == "all":
        return None
    if not examples.isdecimal():
        raise ConfigError(f"--examples must be a number or all, got {examples!r}")
    return int(examples)


def _print_report(report: CheckReport, *, most: int | None, known: bool) -> None:
    from rich.text import Text

    console = stdout()
    style, verdict = ("green", "as its card says") if report.clean else ("yellow", "differs")
    console.print(Text(f"{report.corpus}: ", style="bold") + Text(verdict, style=style))
    for file in report.files:
        if file.status != "known":
            note = f" ({file.same_as})" if file.same_as else ""
            console.print(Text(f"  {file.file}: digest {file.status}{note}"))
    right = sum(file.status == "known" for file in report.files)
    if right:
        console.print(Text(f"  {right} of {len(report.files)} files have the card's digest"))
    splits = report.splits
    # A side source's "splits" are its parts and those of corpora: too many, and not to be added.
    if most is None or len(splits) <= _WIDE:
        console.print(_counts(report, most))
    for split in splits:
        for line in _notes(split, known=known):
            console.print(Text(f"  {split.split}: {line}"))


def _counts(report: CheckReport, most: int | None) -> Table:
    """What was found, count by count, and what was expected where that differs."""
    from magpie.corpora.count_rows import count_rows

    splits = report.splits
    several = len(splits) > 1 and not any(":" in split.split for split in splits)
    shown = table("count", *(split.split for split in splits), *(("all",) if several else ()))
    expected = {row.name: row for row in count_rows([split.expected for split in splits])}
    for row in count_rows([split.found for split in splits], most=most):
        stated = expected.get(row.name)
        cells = []
        for index, number in enumerate(row.numbers):
            said = None if stated is None else stated.numbers[index]
            found = "-" if number is None else str(number)
            differs = said is not None and number is not None and said != number
            cells.append(f"{found} (expected {said})" if differs else found)
        if several:
            cells.append("" if row.total is None else str(row.total))
        shown.add_row(row.name, *cells)
    return shown


def _notes(split: SplitReport, *, known: bool) -> Iterator[str]:
    """What is wrong with a split, and the anomalies; with ``known`` also those of the card."""
    if split.error is not None:
        yield f"could not be read: {split.error}"
    for name, (expected, found) in split.mismatches.items():
        yield f"{name}: expected {expected}, found {found}"
    for kind, count in split.anomalies.items():
        more = split.unexpected.get(kind, 0)
        yield f"{kind}: {count}" + (f", {more} more than the card states" if more else "")
        if more or known:
            for anomaly in split.examples:
                if anomaly.kind == kind:
                    yield f"  {anomaly.where}: {anomaly.message}"


def _print_summary(reports: list[CheckReport], absent: list[str]) -> None:
    """All splits of all corpora: documents expected and found, and what is not as it should be."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Lean, so that it fits a terminal of 80 columns.
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    shown.add_column("split", overflow="fold")
    for heading in ("expected", "found", "unread-\nable", "mis-\nmatching", "beyond\nthe card"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("pictures", justify="right", no_wrap=True)
    for report in reports:
        for split in report.splits:
            there = split.pictures - split.pictures_missing
            shown.add_row(
                f"{report.corpus}:{split.split}",
                "" if split.expected is None else str(split.expected.documents),
                "-" if split.found is None else str(split.found.documents),
                str(split.unreadable),
                str(len(split.mismatches)),
                str(sum(split.unexpected.values())),
                f"{there}/{split.pictures}" if split.pictures else "",
            )
    console = stdout()
    console.print(shown)
    if absent:
        console.print(Text(f"no file is there of: {', '.join(absent)}"))
