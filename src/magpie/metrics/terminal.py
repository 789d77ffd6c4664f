"""Analyses and comparisons as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from magpie.metrics.analysis import Analysis
from magpie.metrics.changes import Changed
from magpie.metrics.significance import Versus
from magpie.metrics.value_table import ValueRow, slim_table, value_table

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["analysis_tables", "changes_table", "comparison_table"]


def analysis_tables(analysis: Analysis) -> Iterator[Table]:
    """Breakdowns of the main score, then its errors by category."""
    from rich.table import Table
    from rich.text import Text

    main = next(iter(analysis.report.parts))
    for each in analysis.breakdowns:
        if each.part != main:
            continue
        rows = (ValueRow(row.name, row.value) for row in each.rows)
        yield value_table("", rows, f"{each.part} by {each.by}")
    errors = analysis.errors
    if errors is None:
        return
    table = Table(title=Text(f"{errors.part}: where every item stands"))
    for heading in ("category", "gold", "predicted", "meaning"):
        table.add_column(heading, justify="right" if heading in ("gold", "predicted") else "left")
    for name, counted in errors.tally().items():
        table.add_row(name, str(counted.gold), str(counted.predicted), errors.meanings[name])
    yield table


def comparison_table(comparisons: Sequence[Versus]) -> Table:
    """Differences of the micro scores of every two systems, in points."""
    from rich.text import Text

    corrected = len(comparisons) > 1
    numbers = ("points", "95 % interval", "p swap", *["Holm"] * corrected, "p draw")
    names = ("first minus second", "score")
    table = slim_table(names, numbers, "points of the micro score")
    for each in comparisons:
        for at, (part, found) in enumerate(each.comparison.parts.items()):
            holm = [f"{each.corrected[part]:.4f}"] if corrected else []
            table.add_row(
                Text("" if at else f"{each.first} minus {each.second}"),
                Text(part),
                f"{100 * found.difference:+.2f}",
                f"{100 * found.low:+.2f} to {100 * found.high:+.2f}",
                f"{found.p_randomisation:.4f}",
                *holm,
                f"{found.p_bootstrap:.4f}",
            )
        table.add_section()
    first = comparisons[0].comparison
    table.caption = Text(
        f"two-sided p by {first.samples:,} swaps (approximate randomisation) and drawn sets "
        f"(paired bootstrap) of {first.documents:,} documents, seed {first.seed}"
    )
    return table


def changes_table(changes: Sequence[Changed]) -> Table:
    """Gold items that exactly one of two systems has right, and those of both and of neither."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{changes[0].part}: gold items, second against first"))
    for heading in ("first", "second", "documents"):
        table.add_column(heading, overflow="fold")
    for heading in ("corrected", "spoiled", "both", "neither"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in changes:
        for name, found in each.groups.items():
            numbers = map(str, found.to_dict().values())
            names = (Text(text) for text in (each.reference, each.system, name))
            table.add_row(*names, *numbers)
        table.add_section()
    return table
