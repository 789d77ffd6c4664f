"""Statistics as one HTML page: every number in a table, the distributions drawn as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from magpie.corpora.statistics import Distribution, Statistics
from magpie.viz.page import Html, heading, page, paragraph, picture, table
from magpie.viz.plots import WITHOUT_PLOTS, Point, bars, can_plot, histogram, lines

__all__ = ["measures", "statistics_page"]

#: most kinds that a bar chart shows; the table holds all
_MAX_BARS = 30

#: (field of Statistics, heading, axis, what is counted)
_DISTRIBUTIONS = (
    ("words", "Length of the texts", "words in a document", "documents"),
    ("entities", "Entities a document", "entities in a document", "documents"),
    ("entity_words", "Length of the entities", "words in an entity", "entities"),
    ("pictures", "Pictures a document", "pictures in a document", "documents"),
    ("boxes", "Boxes a picture", "boxes in a picture", "pictures"),
)

#: (field of Counts, heading)
_KINDS = (
    ("types", "Entity types"),
    ("fine_types", "Fine entity types"),
    ("relation_types", "Relation types"),
    ("event_types", "Event types"),
)

_DIGESTS = {
    "known": "files of the card",
    "partial": "files of the card, some absent",
    "unknown": "files that the card does not know",
    "unlisted": "no card states a digest",
}


def measures(found: Sequence[Statistics]) -> list[list[object]]:
    """Rows of the overview: a name, then one value a split; rows that say nothing are left out."""
    rows: list[list[object]] = [
        ["documents", *(each.counts.documents for each in found)],
        ["unreadable", *(each.unreadable or None for each in found)],
        ["words a document, median (p90, max)", *(_spread(each.words) for each in found)],
        ["entities", *(sum(each.counts.types_lenient.values()) or None for each in found)],
        ["entities a document, mean", *(_mean(each.entities) for each in found)],
        ["words an entity, mean", *(_mean(each.entity_words) for each in found)],
        ["distinct mentions", *(each.mentions.total or None for each in found)],
        ["of these, occur once", *(_once(each) for each in found)],
        ["entities with regions, of those looked for", *(_percent(e.groundable) for e in found)],
        ["pictures a document, mean", *(_mean(each.pictures) for each in found)],
        ["boxes a picture, mean (max)", *(_boxes(each.boxes) for each in found)],
        ["relations", *(each.counts.relations or None for each in found)],
        ["events", *(each.counts.events or None for each in found)],
        ["links", *(each.counts.links or None for each in found)],
        ["context texts", *(sum(each.counts.context.values()) or None for each in found)],
        ["files", *(_DIGESTS[each.digest] for each in found)],
    ]
    return [row for row in rows if any(value is not None for value in row[1:])]


def _spread(numbers: Distribution) -> str | None:
    if not numbers.total:
        return None
    return f"{numbers.quantile(0.5)} ({numbers.quantile(0.9)}, {max(numbers.counted)})"


def _mean(numbers: Distribution) -> str | None:
    return f"{numbers.mean:.2f}" if numbers.mean else None


def _boxes(numbers: Distribution) -> str | None:
    return f"{numbers.mean:.2f} ({max(numbers.counted)})" if numbers.mean is not None else None


def _once(each: Statistics) -> str | None:
    distinct = each.mentions.total
    return _percent(each.mentions.counted.get(1, 0) / distinct) if distinct else None


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def statistics_page(found: Sequence[Statistics], title: str = "Corpora") -> str:
    """The page; without matplotlib it holds the tables only and says so.

    Args:
        found: from :func:`magpie.corpora.describe`.
        title: its heading.
    """
    return page(title, _parts(found, drawn=can_plot()))


def _parts(found: Sequence[Statistics], *, drawn: bool) -> Iterator[Html]:
    names = [each.name for each in found]
    if not drawn:
        yield paragraph(WITHOUT_PLOTS)
    for each in found:
        for warning in each.warnings:
            yield paragraph(warning)
    yield table(["", *names], measures(found))
    for name, title in _KINDS:
        counted = {each.name: getattr(each.counts, name) for each in found}
        counted = {key: kinds for key, kinds in counted.items() if kinds}
        if counted:
            yield heading(title)
            yield from _kinds(counted, title, drawn=drawn)
    if any(each.groundable is not None for each in found):
        yield heading("Entities that show in their picture")
        yield from _grounding(found, drawn=drawn)
    for name, title, axis, counted_things in _DISTRIBUTIONS:
        numbers = {each.name: getattr(each, name) for each in found}
        numbers = {key: each for key, each in numbers.items() if max(each.counted, default=0)}
        if not numbers:
            continue
        yield heading(title)
        if drawn:
            series = {key: each.counted for key, each in numbers.items()}
            plot = histogram(series, title=title, axis=axis, count=counted_things)
            yield picture(plot, f"Histogram: {axis}, by number of {counted_things}")
        yield table(
            ["", "mean", "median", "p90", "max"],
            [
                [key, _mean(n), n.quantile(0.5), n.quantile(0.9), max(n.counted, default=None)]
                for key, n in numbers.items()
            ],
        )
    if any(each.mentions.total for each in found):
        yield heading("The long tail of mentions")
        yield from _tail(found, drawn=drawn)


def _kinds(counted: Mapping[str, Mapping[str, int]], title: str, *, drawn: bool) -> Iterator[Html]:
    totals: dict[str, int] = {}
    for kinds in counted.values():
        for kind, number in kinds.items():
            totals[kind] = totals.get(kind, 0) + number
    order = sorted(totals, key=lambda kind: (-totals[kind], kind))
    if drawn:
        shown = order[:_MAX_BARS]
        series = {
            name: [float(kinds.get(kind, 0)) for kind in shown] for name, kinds in counted.items()
        }
        what = f"{title}, the {_MAX_BARS} most frequent" if len(order) > _MAX_BARS else title
        yield picture(bars(shown, series, title=what, axis="number"), f"Bars: {what}")
    yield table(
        ["type", *counted],
        [[kind, *(kinds.get(kind, 0) for kinds in counted.values())] for kind in order],
    )


def _grounding(found: Sequence[Statistics], *, drawn: bool) -> Iterator[Html]:
    kinds = sorted({kind for each in found for kind in each.grounding})
    series: dict[str, list[float | None]] = {}
    for each in found:
        rows = [each.grounding.get(kind, (0, 0, 0)) for kind in kinds]
        series[each.name] = [
            100 * shown / (shown + absent) if shown + absent else None for shown, absent, _ in rows
        ]
    if drawn:
        plot = bars(kinds, series, title="Entities with regions", axis="percent", top=100.0)
        yield picture(plot, "Bars: share of entities with regions, by type")
    yield table(
        ["type", *series],
        [
            [
                kind,
                *(
                    _percent(None if v[row] is None else (v[row] or 0.0) / 100)
                    for v in series.values()
                ),
            ]
            for row, kind in enumerate(kinds)
        ],
    )


def _tail(found: Sequence[Statistics], *, drawn: bool) -> Iterator[Html]:
    if drawn:
        series = {each.name: _ranks(each.mentions) for each in found if each.mentions.total}
        plot = lines(
            series,
            title="Mentions by rank",
            x_axis="rank of the mention",
            y_axis="how often it occurs",
            log_x=True,
            log_y=True,
        )
        yield picture(plot, "Line: frequency of mentions by their rank, both axes logarithmic")
    for each in found:
        yield table(
            ["mention", "number"], each.top_mentions, caption=f"most frequent in {each.name}"
        )


def _ranks(mentions: Distribution) -> list[Point]:
    """The steps of the curve: the last rank of each frequency, and the first one of all."""
    points: list[Point] = []
    rank = 0
    for frequency in sorted(mentions.counted, reverse=True):
        if not points:
            points.append(Point(1.0, float(frequency)))
        rank += mentions.counted[frequency]
        points.append(Point(float(rank), float(frequency)))
    return points
