"""Tables of scores for a terminal: names fold, numbers never do, so 80 columns hold all of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from magpie.metrics.counts import Mean, Value

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ValueRow", "slim_table", "value_table"]


class ValueRow(NamedTuple):
    """A value, what it is of, and the ends of its interval where one was drawn."""

    name: str
    value: Value
    interval: tuple[float, float] | None = None


def slim_table(names: Iterable[str], numbers: Iterable[str], title: str = "") -> Table:
    """A table without rows: columns of names, then of numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in names:
        table.add_column(Text(heading), overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def value_table(name: str, rows: Iterable[ValueRow], title: str = "") -> Table:
    """Values of one sort, counts or means, in percent.

    Args:
        name: heads the column of names.
        rows: at least one.
        title: stands above.
    """
    from rich.text import Text

    rows = tuple(rows)
    means = isinstance(rows[0].value, Mean)
    drawn = any(row.interval is not None for row in rows)
    shares = ("mean",) if means else ("P", "R", "F1")
    sums = ("n",) if means else ("correct", "predicted", "gold")
    table = slim_table((name,), (*shares, *["95 %"] * drawn, *sums), title)
    for row in rows:
        ends = "" if row.interval is None else " to ".join(map(_percent, row.interval))
        between = [ends] * drawn
        value = row.value
        if isinstance(value, Mean):
            cells = [_percent(value.mean), *between, str(value.n)]
        else:
            cells = [*map(_percent, (value.precision, value.recall, value.f1)), *between]
            cells += map(str, (value.correct, value.predicted, value.gold))
        table.add_row(Text(row.name), *cells)
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
