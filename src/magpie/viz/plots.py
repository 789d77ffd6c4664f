"""Plots as SVG text: bars, histogram, lines with intervals, heat map.

They need the extra ``plots`` (matplotlib), which is imported only when one is drawn; ask
:func:`can_plot` first, or show :data:`WITHOUT_PLOTS` in their place. The same values give the same
bytes with the same release of matplotlib. Colours are those of Okabe and Ito, which people with
any colour vision can tell apart; series differ in marker or hatching too. Labels are text, never
markup or formulas.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magpie._optional import available, require
from magpie.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLOURS",
    "WITHOUT_PLOTS",
    "Point",
    "bars",
    "can_plot",
    "heat_map",
    "histogram",
    "lines",
]

#: for a page that holds the tables only
WITHOUT_PLOTS = 'Plots are left out; they need the extra plots: pip install "magpie-ie[plots]"'

#: Okabe and Ito's palette without black and yellow, which vanish on one background or the other
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")

_HATCHES = ("", "//", "..", "xx", "\\\\", "++")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))

_SETTINGS = {
    "svg.hashsalt": "magpie",  # ids of clip paths; random without it
    "svg.fonttype": "none",  # text stays text: small, searchable, in any script
    "text.parse_math": False,  # a label may hold dollar signs
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "hatch.linewidth": 0.4,
}

# Settings of matplotlib are global while a figure is drawn.
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a line: ``low`` and ``high`` bound its interval, if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


def can_plot() -> bool:
    """Whether matplotlib is installed; imports nothing."""
    return available("matplotlib")


def bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    title: str,
    axis: str,
    intervals: Mapping[str, Sequence[tuple[float, float] | None]] | None = None,
    top: float | None = None,
) -> str:
    """Horizontal bars, one group a label, the first label on top.

    Args:
        labels: what each group is about.
        series: name -> one value a label; None draws no bar.
        title: above the plot.
        axis: what the values are.
        intervals: name -> (low, high) a label, drawn as whiskers.
        top: right end of the axis; that of the values if None.

    Raises:
        ConfigError: a series of another length than the labels.
        MissingExtraError: matplotlib is not installed.
    """
    _same_length("bars", len(labels), series)
    _same_length("intervals", len(labels), intervals or {})

    def draw(axes: Axes) -> None:
        height = 0.8 / max(1, len(series))
        for number, (name, values) in enumerate(series.items()):
            places = [row + (number - (len(series) - 1) / 2) * height for row in range(len(labels))]
            axes.barh(
                places,
                [value or 0.0 for value in values],
                height=height * 0.92,
                color=COLOURS[number % len(COLOURS)],
                edgecolor="white",
                hatch=_HATCHES[number % len(_HATCHES)],
                label=_clean(name),
            )
            for place, bounds in zip(places, (intervals or {}).get(name, ()), strict=False):
                if bounds is not None:
                    axes.plot(bounds, (place, place), color="#202020", linewidth=1.0, marker="|")
        axes.set_yticks(range(len(labels)), labels=[_clean(label) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlim(0, top)
        axes.set_xlabel(_clean(axis))

    rows = len(labels) * max(1.0, 0.55 * len(series))
    return _svg(draw, title, width=7.0, height=1.1 + 0.24 * rows, legend=len(series) > 1)


def histogram(
    series: Mapping[str, Mapping[int, int]],
    *,
    title: str,
    axis: str,
    count: str = "documents",
    bins: int = 40,
) -> str:
    """How often each whole number occurs, as one outline a series.

    Args:
        series: name -> value -> how often it occurs.
        title: above the plot.
        axis: what the values are.
        count: what is counted.
        bins: at most so many columns; neighbouring values share one where there are more.

    Raises:
        ConfigError: ``bins`` below 1.
        MissingExtraError: matplotlib is not installed.
    """
    if bins < 1:
        raise ConfigError(f"bins must be at least 1, got {bins}")
    values = [value for counted in series.values() for value in counted]
    low, high = (min(values), max(values)) if values else (0, 0)
    width = -(-(high - low + 1) // bins)
    edges = [low + width * step - 0.5 for step in range((high - low) // width + 2)]

    def draw(axes: Axes) -> None:
        for number, (name, counted) in enumerate(series.items()):
            heights = [0] * (len(edges) - 1)
            for value, times in counted.items():
                heights[(value - low) // width] += times
            axes.stairs(
                heights,
                edges,
                color=COLOURS[number % len(COLOURS)],
                linestyle=_DASHES[number % len(_DASHES)],
                linewidth=1.6,
                fill=len(series) == 1,
                label=_clean(name),
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel(_clean(axis))
        axes.set_ylabel(_clean(count))

    return _svg(draw, title, width=7.0, height=3.0, legend=len(series) > 1)


def lines(
    series: Mapping[str, Sequence[Point]],
    *,
    title: str,
    x_axis: str,
    y_axis: str,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """One line a series, with a band where its points have intervals.

    Args:
        series: name -> points, in the order in which they are joined.
        title: above the plot.
        x_axis, y_axis: what the coordinates are.
        log_x, log_y: logarithmic axes; points that are not positive there are left out.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def draw(axes: Axes) -> None:
        for number, (name, points) in enumerate(series.items()):
            shown = [p for p in points if (p.x > 0 or not log_x) and (p.y > 0 or not log_y)]
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(
                [point.x for point in shown],
                [point.y for point in shown],
                color=colour,
                linestyle=_DASHES[number % len(_DASHES)],
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=3.0,
                linewidth=1.4,
                label=_clean(name),
            )
            bands = [(p.x, p.low, p.high) for p in shown if p.low is not None is not p.high]
            if bands:
                x, low, high = zip(*bands, strict=True)
                axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        for logarithmic, name in ((log_x, "x"), (log_y, "y")):
            if logarithmic:
                _logarithmic(axes, name)
        axes.set_xlabel(_clean(x_axis))
        axes.set_ylabel(_clean(y_axis))

    return _svg(draw, title, width=7.0, height=3.4, legend=len(series) > 1)


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    title: str,
    texts: Sequence[Sequence[str]] | None = None,
    top: float | None = None,
) -> str:
    """A matrix of coloured cells; None leaves a cell empty.

    Args:
        rows, columns: names of both sides.
        values: one list a row.
        title: above the plot.
        texts: what stands in the cells; nothing if None.
        top: the value of the darkest colour; the largest one if None.

    Raises:
        ConfigError: a matrix of another shape than its names.
        MissingExtraError: matplotlib is not installed.
    """
    for name, matrix in (("values", values), ("texts", texts)):
        if matrix is None:
            continue
        if len(matrix) != len(rows) or any(len(line) != len(columns) for line in matrix):
            raise ConfigError(f"{name} must be {len(rows)} rows of {len(columns)} columns")
    known = [value for line in values for value in line if value is not None]
    highest = (top if top is not None else max(known, default=0.0)) or 1.0

    def draw(axes: Axes) -> None:
        grid = [[float("nan") if v is None else v for v in line] for line in values]
        if rows and columns:
            # White for nothing, dark blue for much: one hue, also in grey print.
            axes.imshow(grid, cmap="Blues", vmin=0.0, vmax=highest, aspect="auto")
        for row, line in enumerate(texts or ()):
            for column, text in enumerate(line):
                value = values[row][column]
                ink = "white" if value is not None and value > 0.55 * highest else "black"
                axes.text(
                    column, row, _clean(text), ha="center", va="center", color=ink, fontsize=7
                )
        axes.set_xticks(range(len(columns)), labels=[_clean(name) for name in columns])
        axes.tick_params(axis="x", labelrotation=60)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), labels=[_clean(name) for name in rows])

    beside, below = (
        0.08 * max((len(_clean(name)) for name in side), default=0) for side in (rows, columns)
    )
    width = 1.5 + beside + below / 2 + 0.42 * len(columns)
    return _svg(draw, title, width=width, height=1.0 + below + 0.26 * len(rows), legend=False)


def _logarithmic(axes: Axes, name: str) -> None:
    """Ticks at 1, 2, 5, 10 ... as plain numbers; the default labels are formulas."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set(**{f"{name}scale": "log"})
    side = axes.xaxis if name == "x" else axes.yaxis
    side.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    side.set_minor_locator(NullLocator())
    side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _same_length(name: str, length: int, series: Mapping[str, Sequence[Any]]) -> None:
    for key, values in series.items():
        if len(values) != length:
            raise ConfigError(f"{name} {key!r} has {len(values)} values for {length} labels")


def _clean(text: str) -> str:
    """Characters that XML can hold; the SVG writer escapes markup, not control characters."""
    kept = "".join(mark if mark.isprintable() or mark == " " else "\ufffd" for mark in text)
    # A leading underscore would hide a series from the legend.
    kept = f"\u200b{kept}" if kept.startswith("_") else kept
    return kept if len(kept) <= 60 else kept[:59] + "\u2026"


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """Our settings instead of the user's, and no complaint about scripts that measuring lacks."""
    matplotlib = require("matplotlib", "drawing plots")
    with _LOCK, warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def _svg(
    draw: Callable[[Axes], None], title: str, *, width: float, height: float, legend: bool
) -> str:
    """Draws on one pair of axes; sizes in inches."""
    import io

    with _settings():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(min(width, 24.0), min(height, 40.0)), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_title(_clean(title), loc="left", fontsize=10)
        if legend:
            axes.legend(frameon=False, fontsize=8)
        buffer = io.BytesIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    markup = buffer.getvalue().decode("utf-8")
    return markup[markup.index("<svg") :]  # without a document type that names an address
