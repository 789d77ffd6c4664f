from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from magpie.errors import ConfigError, MissingExtraError
from magpie.viz.plots import (
    COLOURS,
    WITHOUT_PLOTS,
    Point,
    bars,
    can_plot,
    heat_map,
    histogram,
    lines,
)

SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = '<script>alert("1")</script> & $\\frac{a}{b$ \x00\x1b'


def some_bars() -> str:
    values = {"train": [3.0, 1.0], "test": [2.0, None]}
    return bars(["PER", "LOC"], values, title="types", axis="entities")


def some_histogram() -> str:
    return histogram({"train": {1: 5, 9: 2}, "test": {4: 1}}, title="lengths", axis="words")


def some_lines() -> str:
    points = [Point(1, 2, 1, 3), Point(10, 3, 2, 4)]
    return lines({"a": points, "b": [Point(1, 1)]}, title="f1", x_axis="step", y_axis="F1")


def some_heat_map() -> str:
    return heat_map(
        ["a", "b"],
        ["a", "b"],
        [[1, 0.5], [0.25, None]],
        title="shared",
        texts=[["4", "2"], ["1", ""]],
    )


ALL = [some_bars, some_histogram, some_lines, some_heat_map]


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314


@pytest.mark.parametrize("draw", ALL)
def test_same_values_same_bytes(draw: Callable[[], str]) -> None:
    first = draw()
    assert draw() == first
    assert ElementTree.fromstring(first).tag == f"{SVG}svg"  # noqa: S314
    assert "<metadata" not in first  # neither date nor machine
    assert "href=" not in first.replace('xlink:href="#', "").replace(
        'xlink:href="data:image/png;base64', ""
    )


def test_users_settings_have_no_say_and_are_left_alone() -> None:
    with mpl.rc_context({"font.size": 30.0, "axes.facecolor": "red"}):
        changed = some_bars()
        assert mpl.rcParams["font.size"] == 30.0
    assert changed == some_bars()
    assert mpl.rcParams["svg.hashsalt"] != "magpie"


def test_importing_draws_in_no_library() -> None:
    code = "import sys, magpie.viz.plots; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"magpie-ie\[plots\]"):
        some_bars()
    assert "magpie-ie[plots]" in WITHOUT_PLOTS


def test_can_plot_asks_without_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_plot()
    monkeypatch.setattr("magpie.viz.plots.available", lambda name: name != "matplotlib")
    assert not can_plot()


@pytest.mark.parametrize(
    "svg",
    [
        lambda: bars([HOSTILE], {HOSTILE: [1.0], "b": [1.0]}, title=HOSTILE, axis=HOSTILE),
        lambda: histogram({HOSTILE: {1: 1}, "b": {1: 1}}, title=HOSTILE, axis=HOSTILE),
        lambda: lines(
            {HOSTILE: [Point(1, 1)], "b": []}, title=HOSTILE, x_axis=HOSTILE, y_axis=HOSTILE
        ),
        lambda: heat_map([HOSTILE], [HOSTILE], [[1]], title=HOSTILE, texts=[[HOSTILE]]),
    ],
)
def test_labels_are_text(svg: Callable[[], str]) -> None:
    markup = svg()
    assert "<script" not in markup
    shown = [text for text in texts(markup) if "alert" in text]
    assert len(shown) >= 2
    assert all(text.startswith('<script>alert("1")</script> & $\\frac') for text in shown)
    assert all("\ufffd\ufffd" in text for text in shown)  # control characters


def test_labels_of_any_script_raise_no_warning() -> None:
    svg = bars(["漢字", "שלום", "👩‍🚀", "_hidden", "x" * 99], {"_a": [1] * 5, "b": [1] * 5},
               title="t", axis="n")  # fmt: skip
    shown = texts(svg)
    assert "漢字" in shown
    assert "x" * 59 + "…" in shown
    assert any(text.endswith("_a") for text in shown)  # also in the legend


def test_bars_have_their_values_as_widths() -> None:
    def widths(fill: str) -> list[float]:
        path = rf'<path d="M ([\d.]+) [\d.]+\s+L ([\d.]+)[^"]*"[^>]*style="fill: {fill}'
        return [float(right) - float(left) for left, right in re.findall(path, some_bars())]

    plain, hatched = widths(COLOURS[0]), widths(r"url\(")
    unit = plain[1]
    assert [round(width / unit, 2) for width in plain[:2]] == [3.0, 1.0]
    assert [round(width / unit, 2) for width in hatched[:2]] == [2.0, 0.0]


def test_whiskers_show_intervals() -> None:
    def draw(bounds: tuple[float, float] | None) -> str:
        return bars(["a"], {"x": [0.5]}, title="t", axis="F1", intervals={"x": [bounds]}, top=1)

    assert draw((0.4, 0.6)) != draw(None)
    assert draw((0.4, 0.6)) != draw((0.3, 0.6))
    assert draw((0.4, 0.6)).count("#202020") > draw(None).count("#202020") == 0


def test_histogram_joins_neighbours_into_bins() -> None:
    one = histogram({"a": {0: 1, 1: 2, 2: 3, 3: 4}}, title="t", axis="x", bins=2)
    two = histogram({"a": {0: 3, 2: 8}}, title="t", axis="x", bins=2)
    # 0 and 1 share a column, 2 and 3 do; so the same heights over the same edges.
    assert one == histogram({"a": {1: 3, 0: 0, 3: 7}}, title="t", axis="x", bins=2)
    assert one != two
    assert "t" in texts(histogram({}, title="t", axis="x"))
    with pytest.raises(ConfigError, match="bins"):
        histogram({}, title="t", axis="x", bins=0)


def test_logarithmic_axes_have_plain_numbers() -> None:
    points = [Point(rank, 1000 / rank) for rank in (1, 2, 10, 100)]
    svg = lines(
        {"a": [Point(0, 5), *points]}, title="t", x_axis="rank", y_axis="n", log_x=True, log_y=True
    )
    shown = texts(svg)
    assert {"1", "10", "100", "1,000"} <= set(shown)
    assert not any("$" in text or "math" in text for text in shown)
    without_zero = lines(
        {"a": points}, title="t", x_axis="rank", y_axis="n", log_x=True, log_y=True
    )
    assert svg == without_zero


def test_bands_are_drawn_where_there_are_intervals() -> None:
    bare = lines({"a": [Point(1, 2), Point(2, 3)]}, title="t", x_axis="x", y_axis="y")
    assert "fill-opacity: 0.2" in some_lines()
    assert "fill-opacity: 0.2" not in bare


def test_heat_map_writes_cells_and_names() -> None:
    shown = texts(some_heat_map())
    assert shown.count("a") == 2
    assert {"4", "2", "1"} <= set(shown)
    assert "ffffff" in some_heat_map() or "white" in some_heat_map()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bars(["a"], {"x": [1, 2]}, title="t", axis="n"),
        lambda: bars(["a"], {"x": [1]}, title="t", axis="n", intervals={"x": []}),
        lambda: heat_map(["a"], ["a", "b"], [[1]], title="t"),
        lambda: heat_map(["a"], ["a"], [[1]], title="t", texts=[]),
    ],
)
def test_shapes_are_checked(wrong: Callable[[], str]) -> None:
    with pytest.raises(ConfigError):
        wrong()
