"""The one function that applies a protocol: pairs documents, counts each, adds up, reports.

A protocol's name ends in a version; what it counts never changes under that name. Results of two
protocols are never compared (:func:`magpie.metrics.report.check_comparable`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from magpie.errors import ComparisonError, NotFoundError
from magpie.metrics.bootstrap import interval
from magpie.metrics.counts import Counts, Mean, Value, add_up
from magpie.metrics.data import data_of
from magpie.metrics.declare import AS_FALSE, OptionValue, Prepared, Protocol
from magpie.metrics.gmner import Mode
from magpie.metrics.items import Scored, pair_up
from magpie.metrics.malformed import total
from magpie.metrics.report import PartReport, Report
from magpie.metrics.table import DEFAULTS, PROTOCOLS

__all__ = [
    "DEFAULTS",
    "PROTOCOLS",
    "Applied",
    "Level",
    "Protocol",
    "apply",
    "protocol",
    "report_of",
    "score",
]

Level = Literal["type", "fine_type"]
Intervals = Callable[[Sequence[Value]], tuple[float, float]]


def protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        NotFoundError: with the nearest names.
    """
    found = PROTOCOLS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, PROTOCOLS, n=3, cutoff=0.3) or sorted(PROTOCOLS)
        raise NotFoundError(
            f"no protocol {name!r}",
            mend=f"Did you mean {', '.join(near)}? The version belongs to the name.",
        )
    return found


def score(
    gold: Iterable[Scored],
    predicted: Iterable[Scored],
    protocol_name: str = "ner-span-conll@1",
    *,
    options: Mapping[str, OptionValue] | None = None,
    level: Level = "type",
    inclusive: bool = False,
    mode: Mode = None,
    legacy_train_scorer: bool = False,
    allow_missing: bool = False,
    bootstrap: int = 0,
    seed: int = 0,
) -> Report:
    """Scores predictions against gold.

    Args:
        gold, predicted: the same documents, see :func:`magpie.metrics.read_scored`.
        protocol_name: a key of :data:`PROTOCOLS`.
        options: the protocol's own switches by name (docs/scorers.md), and ``malformed_as_fp``,
            which all have.
        level, inclusive, mode, legacy_train_scorer: the oldest of them, under their own name.
        allow_missing: count documents without a prediction as empty.
        bootstrap: number of resampled sets for 95 % intervals of the score; 0 for none.
        seed: of the resampling.

    Raises:
        ComparisonError: the documents differ, or are flat lines where the protocol looks at more.
        ConfigError: an option or a value of it that the protocol does not have.
        NotFoundError: no such protocol.
    """
    chosen = protocol(protocol_name)
    named: dict[str, tuple[OptionValue, OptionValue]] = {
        "level": (level, "type"),
        "inclusive": (inclusive, False),
        "mode": (mode, None),
        "legacy_train_scorer": (legacy_train_scorer, False),
    }
    given = {key: value for key, (value, default) in named.items() if value != default}
    applied = apply(
        gold, predicted, chosen, {**given, **(options or {})}, allow_missing=allow_missing
    )
    return report_of(applied, bootstrap=bootstrap, seed=seed)


@dataclass(frozen=True, slots=True)
class Applied:
    """A protocol and what it is applied to: options resolved, documents paired and looked through.

    ``known`` is what the counter gets: the options, what is fixed, and what ``prepare`` found.
    """

    protocol: Protocol
    values: Mapping[str, OptionValue]
    pairs: Sequence[tuple[Scored, Scored]]
    known: Mapping[str, Any]
    prepared: Prepared


def apply(
    gold: Iterable[Scored],
    predicted: Iterable[Scored],
    chosen: Protocol,
    options: Mapping[str, OptionValue],
    *,
    allow_missing: bool = False,
) -> Applied:
    """The first half of :func:`score`: everything but the counting. Raises what that raises."""
    values = chosen.resolve(options)
    pairs = pair_up(gold, predicted, allow_missing=allow_missing)
    if chosen.needs_document:
        pairs = _full(chosen, pairs)
    prepare = chosen.load_prepare()
    prepared = Prepared()
    if prepare is not None:
        prepared = prepare(
            [document for document, _ in pairs],
            [prediction for _, prediction in pairs],
            {**chosen.fixed, **values},
        )
    known = {**chosen.fixed, **values, **prepared.options}
    return Applied(chosen, values, pairs, known, prepared)


def report_of(applied: Applied, *, bootstrap: int = 0, seed: int = 0) -> Report:
    """The second half of :func:`score`: counts every document and adds up."""
    chosen, pairs, values = applied.protocol, applied.pairs, applied.values
    count = chosen.load_counter()
    intervals = partial(interval, samples=bootstrap, seed=seed) if bootstrap else None
    as_false = AS_FALSE.name in values

    def counted(part: str, gold: Scored, predicted: Scored) -> Mapping[str, Value]:
        """The counts of one document, malformed items as false ones where that is wanted."""
        found = count(part, gold, predicted, applied.known)
        lost = predicted.malformed
        if not as_false or lost is None or part in chosen.means:
            return found
        return {**found, "": add_up([Counts(predicted=lost.skipped)], found.get("", Counts()))}

    parts = {
        part: _part(
            [counted(part, document, prediction) for document, prediction in pairs],
            Mean() if part in chosen.means else Counts(),
            swapped=part in applied.prepared.swapped,
            intervals=intervals,
        )
        for part in chosen.parts
    }
    defaults = {option.name: option.default for option in chosen.switches}
    return Report(
        protocol=chosen.name,
        task=chosen.task,
        level=str(values.get("level", "type")),
        options={
            key: value for key, value in values.items() if value != defaults[key] and key != "level"
        },
        sources=tuple(sorted({doc.source for doc, _ in pairs if doc.source is not None})),
        documents=len(pairs),
        failed=sum(prediction.failed for _, prediction in pairs),
        parts=parts,
        notes=applied.prepared.notes,
        malformed=total(prediction.malformed for _, prediction in pairs),
        data=data_of(document for document, _ in pairs),
        document_ids=tuple(document.id for document, _ in pairs),
    )


def _full(chosen: Protocol, pairs: Sequence[tuple[Scored, Scored]]) -> list[tuple[Scored, Scored]]:
    """The pairs with a document on both sides."""
    full = []
    for gold, predicted in pairs:
        document = predicted.document
        if gold.document is None or (document is None and predicted.text is not None):
            raise _flat(chosen, gold.id)
        if document is None:
            if predicted.items:
                raise _flat(chosen, gold.id)
            document = gold.document.with_annotations(None)
        elif predicted.failed:
            document = document.with_annotations(None)
        full.append((gold, replace(predicted, document=document)))
    return full


def _flat(chosen: Protocol, identifier: str) -> ComparisonError:
    return ComparisonError(
        f"{chosen.name} looks at more than mentions, and {identifier!r} is a flat line",
        code="compare-protocol",
        mend="Give full documents on both sides (docs/data-model.md).",
    )


def _part(
    counted: Sequence[Mapping[str, Value]],
    zero: Value,
    *,
    swapped: bool,
    intervals: Intervals | None,
) -> PartReport:
    typed: dict[str, list[Value]] = {}  # only documents that hold the type
    for counts in counted:
        for kind, more in counts.items():
            if kind:
                typed.setdefault(kind, []).append(more)
    # Most documents hold one type or none: nothing to add.
    per_document = tuple(
        next(iter(counts.values())) if len(counts) == 1 else add_up(counts.values(), zero)
        for counts in counted
    )
    return PartReport(
        micro=add_up(per_document, zero),
        per_type={kind: add_up(typed[kind], zero) for kind in sorted(typed)},
        per_document=per_document,
        per_document_types=tuple(counted),
        interval=intervals(per_document) if intervals else None,
        type_intervals={kind: intervals(typed[kind]) for kind in sorted(typed)}
        if intervals
        else {},
        swapped=swapped,
    )
