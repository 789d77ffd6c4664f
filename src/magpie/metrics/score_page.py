"""Scores as one HTML page: results, comparisons, breakdowns, errors with their texts, definitions.

The page is self-contained: nothing is loaded, no script runs, every text is escaped. Without
matplotlib it holds the tables only and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from magpie.metrics.analysis import Analysis, Errors, Found
from magpie.metrics.breakdowns import Breakdown
from magpie.metrics.changes import Changed
from magpie.metrics.counts import Mean, Value
from magpie.metrics.items import Item
from magpie.metrics.pairing import Fact
from magpie.metrics.report import PartReport
from magpie.metrics.significance import Versus
from magpie.viz._html import element
from magpie.viz.marked import snippet
from magpie.viz.page import Html, heading, page, paragraph, picture, table
from magpie.viz.plots import WITHOUT_PLOTS, bars, can_plot

__all__ = ["score_page"]

#: most types that a bar chart shows; the table holds all
_MAX_BARS = 40

_LABELS = {
    "known": "verified: the files of the dataset card",
    "partial": "unverified: some files of the dataset card are absent",
    "unknown": "unverified: files that the dataset card does not know",
    "unlisted": "unverified: no dataset card states a digest",
}

_COLUMNS = ["P", "R", "F1", "95 % interval", "correct", "predicted", "gold", "mean", "n"]

Systems = Sequence[tuple[str, Analysis]]


def score_page(
    systems: Systems,
    comparisons: Sequence[Versus] = (),
    *,
    changes: Sequence[Changed] = (),
    title: str = "Scores",
    examples: int = 5,
) -> str:
    """The page.

    Args:
        systems: name and analysis of each, all under one protocol on one gold.
        comparisons: of :func:`magpie.metrics.significance.compare_all`.
        changes: what second systems gain and lose against first ones.
        title: its heading.
        examples: cases that are shown of each kind of error.
    """
    return page(title, _parts(systems, comparisons, changes, examples, drawn=can_plot()))


def _parts(
    systems: Systems,
    comparisons: Sequence[Versus],
    changes: Sequence[Changed],
    examples: int,
    *,
    drawn: bool,
) -> Iterator[Html]:
    if not drawn:
        yield paragraph(WITHOUT_PLOTS)
    yield from _scores(systems, drawn=drawn)
    if comparisons:
        yield from _comparisons(comparisons)
    if changes:
        yield _changes(changes)
    yield heading("By type", anchor="types")
    yield from _types(systems, drawn=drawn)
    if any(analysis.breakdowns for _, analysis in systems):
        yield heading("Breakdowns", anchor="breakdowns")
        yield from _breakdowns(systems, drawn=drawn)
    yield heading("Errors", anchor="errors")
    yield from _errors(systems, examples, drawn=drawn)
    yield heading("What was counted", anchor="protocol")
    yield from _definition(systems[0][1].definition)
    yield heading("On which data", anchor="data")
    yield from _data(systems)


def _scores(systems: Systems, *, drawn: bool) -> Iterator[Html]:
    rows = [
        [name, part, *_cells(found.micro, found.interval)]
        for name, analysis in systems
        for part, found in analysis.report.parts.items()
    ]
    yield _slim(["system", "score", *_COLUMNS], rows, "Percentages, micro over the documents.")
    for name, analysis in systems:
        report = analysis.report
        facts = [f"{report.documents:,} documents"]
        if report.failed:
            facts.append(f"{report.failed:,} failed and count as empty")
        facts += [f"{key}: {value}" for key, value in report.notes.items()]
        facts += report.malformed_lines()
        yield paragraph(f"{name}: {'; '.join(facts)}")
    if drawn:
        parts = list(systems[0][1].report.parts)
        yield _bars("Scores", parts, [(name, _of_parts(each, parts)) for name, each in systems])


def _of_parts(analysis: Analysis, names: Sequence[str]) -> list[tuple[Value, Any]]:
    return [(analysis.report.parts[n].micro, analysis.report.parts[n].interval) for n in names]


def _comparisons(comparisons: Sequence[Versus]) -> Iterator[Html]:
    yield heading("Differences", anchor="differences")
    corrected = len(comparisons) > 1
    rows = []
    for each in comparisons:
        for part, found in each.comparison.parts.items():
            interval = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
            p = f"{found.p_randomisation:.4f}"
            holm = [f"{each.corrected[part]:.4f}"] if corrected else []
            names = [f"{each.first} − {each.second}", part]
            signed = f"{100 * found.difference:+.2f}"
            rows.append([*names, signed, interval, p, *holm, f"{found.p_bootstrap:.4f}"])
    columns = ["systems", "score", "difference", "95 % interval", "p (randomisation)"]
    columns += ["p (Holm)"] * corrected
    first = comparisons[0].comparison
    caption = (
        f"Points of the micro score; {first.samples:,} swaps and drawn sets of {first.documents:,} "
        f"documents, seed {first.seed}; p values are two-sided."
    )
    yield table([*columns, "p (bootstrap)"], rows, caption=caption)


def _changes(changes: Sequence[Changed]) -> Html:
    rows = [
        [f"{each.system} against {each.reference}", name, *found.to_dict().values()]
        for each in changes
        for name, found in each.groups.items()
    ]
    caption = f"{changes[0].part}: gold items that one system has right, or both, or neither."
    columns = ["systems", "documents", "corrected", "spoiled", "both", "neither"]
    return table(columns, rows, caption=caption)


def _types(systems: Systems, *, drawn: bool) -> Iterator[Html]:
    for part in systems[0][1].report.parts:
        found = [(name, analysis.report.parts[part]) for name, analysis in systems]
        kinds = sorted({kind for _, each in found for kind in each.per_type})
        if not kinds:
            continue
        rows = [
            [kind, name, *_cells(each.per_type[kind], each.type_intervals.get(kind))]
            for kind in kinds
            for name, each in found
            if kind in each.per_type
        ]
        yield _slim(["type", "system", *_COLUMNS], rows, part)
        if drawn and part == next(iter(systems[0][1].report.parts)):
            # The largest types where there are too many to draw.
            shown = sorted(kinds, key=lambda kind: (-_size(found, kind), kind))[:_MAX_BARS]
            series = [(name, [_by_type(each, kind) for kind in shown]) for name, each in found]
            yield _bars(f"{part} by type", shown, series)


def _by_type(part: PartReport, kind: str) -> tuple[Value, Any] | None:
    value = part.per_type.get(kind)
    return None if value is None else (value, part.type_intervals.get(kind))


def _size(found: Sequence[tuple[str, PartReport]], kind: str) -> int:
    values = [each.per_type[kind] for _, each in found if kind in each.per_type]
    return max(value.n if isinstance(value, Mean) else value.gold for value in values)


def _breakdowns(systems: Systems, *, drawn: bool) -> Iterator[Html]:
    main = next(iter(systems[0][1].report.parts))
    tables: dict[tuple[str, str], list[tuple[str, Breakdown]]] = {}
    for name, analysis in systems:
        for each in analysis.breakdowns:
            tables.setdefault((each.name, each.part), []).append((name, each))
    for (_, part), found in tables.items():
        names = list(dict.fromkeys(row.name for _, each in found for row in each.rows))
        values = {name: {row.name: row.value for row in each.rows} for name, each in found}
        rows = [
            [group, name, *_cells(values[name][group], None)]
            for group in names
            for name, _ in found
            if group in values[name]
        ]
        title = f"{part} by {found[0][1].by}"
        yield _slim([found[0][1].by, "system", *_COLUMNS], rows, title)
        if drawn and part == main and len(names) > 1:
            series = [
                (name, [(values[name][g], None) if g in values[name] else None for g in names])
                for name, _ in found
            ]
            yield _bars(title, names, series)


def _errors(systems: Systems, examples: int, *, drawn: bool) -> Iterator[Html]:
    found = [(name, analysis.errors) for name, analysis in systems if analysis.errors is not None]
    if not found:
        yield paragraph("This protocol, or its options, pairs no single items.")
        return
    tallies = [(name, errors.tally()) for name, errors in found]
    part, meanings = found[0][1].part, found[0][1].meanings
    names = [each for each in meanings if any(each in counted for _, counted in tallies)]
    rows = [
        [each, name, counted[each].gold, counted[each].predicted, meanings[each]]
        for each in names
        for name, counted in tallies
        if each in counted
    ]
    caption = f"{part}: every gold and every predicted item stands in exactly one row of its system"
    yield table(["category", "system", "gold", "predicted", "meaning"], rows, caption=caption)
    wrong = [each for each in names if each != "correct"]
    if drawn and wrong:
        numbers: dict[str, list[float | None]] = {
            name: [float(max(c[w].gold, c[w].predicted)) if w in c else None for w in wrong]
            for name, c in tallies
        }
        plot = bars(wrong, numbers, title=f"Errors in {part}", axis="items")
        yield picture(plot, "bars of the numbers in the table above")
    if wrong and examples:
        gold = element("mark", "gold", class_="gold")
        predicted = element("mark", "predicted", class_="predicted")
        yield element("p", "In the texts: ", gold, ", ", predicted, ".", class_="snippet")
    for category in wrong:
        for name, errors in found:
            yield from _examples(category, name, errors, examples)


def _examples(category: str, system: str, errors: Errors, number: int) -> Iterator[Html]:
    cases = errors.examples(category, number)
    if not cases:
        return
    yield element("h3", f"{category}: {system}")
    yield element("ul", *(_example(each) for each in cases), class_="cases")


def _example(found: Found) -> Html:
    case = found.case
    parts: list[Html] = [element("code", element("bdi", found.document))]
    if found.text is not None:
        parts.append(snippet(found.text, _places(case.gold), _places(case.predicted)))
    lines = [
        f"{side}: {_describe(item, found.text)}"
        for side, item in (("gold", case.gold), ("predicted", case.predicted))
        if item is not None
    ]
    if case.region is not None:
        lines.append(f"also: {case.region}")
    parts += [element("div", element("bdi", line), class_="quiet") for line in lines]
    return element("li", *parts)


def _places(item: Item | Fact | None) -> list[tuple[int, int]]:
    """Where it stands in the text; an end of a relation that is a region stands nowhere there."""
    if item is None:
        return []
    if isinstance(item, Item):
        return [(item.start, item.end)]
    ends: list[Any] = [item.head, item.tail]
    return [(place[0], place[1]) for place in ends if isinstance(place[0], int)]


def _describe(item: Item | Fact, text: str | None) -> str:
    if isinstance(item, Fact):
        return f"{_end(item.head, text)} → {item.type} → {_end(item.tail, text)}"
    kind = f"{item.type}, {item.fine_type}" if item.fine_type else item.type
    boxes = ", ".join(f"{media} {_box(box)}".strip() for media, box in item.boxes)
    where = f", at {boxes}" if boxes else ", in the picture, without a box"
    shown = {"unknown": "", "absent": ", not in the picture", "regions": where}
    return f"{item.text} ({kind}{shown[item.grounding]})"


def _end(place: Any, text: str | None) -> str:
    if isinstance(place[0], int):
        return f"{place[0]}–{place[1]}" if text is None else text[place[0] : place[1]]
    media, shown = place
    return f"{media} {_box(shown) if isinstance(shown, tuple) else shown}"


def _box(box: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.0f}' for value in box)}]"


def _definition(definition: Mapping[str, Any]) -> Iterator[Html]:
    yield element("p", element("code", definition["protocol"]), f": {definition['summary']}.")
    rows = [["task", definition["task"]], ["scores", ", ".join(definition["parts"])]]
    if definition["means"]:
        rows.append(["of these means", ", ".join(definition["means"])])
    rows += [[f"fixed: {key}", _shown(value)] for key, value in definition["fixed"].items()]
    rows.append(["counted by", definition["counter"]])
    yield table(["", ""], rows)
    if definition["options"]:
        options = [
            [name, _shown(each["value"]), _shown(each["default"]), each["help"]]
            for name, each in definition["options"].items()
        ]
        yield table(["option", "here", "default", "what it does"], options)


def _shown(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _data(systems: Systems) -> Iterator[Html]:
    data = systems[0][1].report.data
    if not data:
        yield paragraph("unverified: the gold names no corpus that it came from")
        return
    rows = [
        [each.source, element("span", _LABELS[each.status], class_="label"), each.digest]
        for each in data
    ]
    yield table(["gold", "files", "digest (SHA-256)"], rows)


def _cells(value: Value, interval: tuple[float, float] | None) -> list[object]:
    """A cell for each of the columns; counts leave those of means empty, and the reverse."""
    shown = None if interval is None else f"{100 * interval[0]:.2f}–{100 * interval[1]:.2f}"
    if isinstance(value, Mean):
        return [None, None, None, shown, None, None, None, _percent(value.mean), value.n]
    shares = [_percent(share) for share in (value.precision, value.recall, value.f1)]
    return [*shares, shown, value.correct, value.predicted, value.gold, None, None]


def _slim(headings: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> Html:
    """The table without columns that are empty in every row."""
    kept = [n for n in range(len(headings)) if any(row[n] is not None for row in rows)]
    return table(
        [headings[n] for n in kept], [[row[n] for n in kept] for row in rows], caption=caption
    )


def _percent(share: float) -> Decimal:
    return Decimal(f"{100 * share:.2f}")


def _bars(
    title: str,
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[tuple[Value, tuple[float, float] | None] | None]]],
) -> Html:
    """Micro scores as bars, with their intervals as whiskers."""
    values = {
        name: [None if each is None else 100 * each[0].score for each in row]
        for name, row in series
    }
    intervals = {
        name: [
            None if each is None or each[1] is None else (100 * each[1][0], 100 * each[1][1])
            for each in row
        ]
        for name, row in series
    }
    plot = bars(labels, values, title=title, axis="F1 or mean, %", intervals=intervals, top=100)
    return picture(plot, f"{title}: bars of the numbers in the table")
