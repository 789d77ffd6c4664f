"""Named, versioned scoring protocols: one literal table, and the one function that applies them.

A protocol's name ends in a version; what it counts never changes under that name. Results of two
protocols are never compared (:func:`magpie.metrics.report.check_comparable`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from magpie.errors import ConfigError, NotFoundError
from magpie.metrics.bootstrap import f1_interval
from magpie.metrics.counts import Counts
from magpie.metrics.gmner import PARTS, Mode, Part, TypeOf, score_part
from magpie.metrics.items import Item, Scored, pair_up
from magpie.metrics.report import PartReport, Report

__all__ = ["DEFAULTS", "PROTOCOLS", "Level", "Protocol", "protocol", "score"]

Level = Literal["type", "fine_type"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What is counted, under which name.

    ``parts`` are the scores it prints together, the first of which is its main one.
    """

    name: str
    task: Literal["ner", "gmner"]
    summary: str
    parts: tuple[Part, ...]
    skips_orphans: bool = False


#: every protocol of this release (golden test)
PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol(
            name="ner-span-conll@1",
            task="ner",
            summary="exact span and type, micro; gold chunks by the CoNLL scorer's lenient rule "
            "(an I- that continues nothing opens one), as in the published multimodal NER tables",
            parts=("mner",),
        ),
        Protocol(
            name="ner-span-strict@1",
            task="ner",
            summary="exact span and type, micro; only chunks that start at B- (IOB2)",
            parts=("mner",),
            skips_orphans=True,
        ),
        Protocol(
            name="gmner-iou50@1",
            task="gmner",
            summary="span, type and region, micro; one-to-one, best IoU with any gold box strictly "
            "above 0.5; with MNER (span, type) and EEG (span, region)",
            parts=PARTS,
        ),
    )
}

#: task -> protocol when none is named
DEFAULTS = {"ner": "ner-span-conll@1", "gmner": "gmner-iou50@1"}

# Twitter-2015 and GMNER call the fourth type OTHER, Twitter-2017 calls it MISC.
_SAME_TYPE = {"MISC": "OTHER"}


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


def _type_of(level: Level, gold: Iterable[Scored]) -> TypeOf:
    """Types at one level, the fourth coarse type under the name that the gold uses."""
    spelled = {item.type for document in gold for item in document.items}
    shown = "MISC" if "MISC" in spelled and "OTHER" not in spelled else "OTHER"

    def type_of(item: Item) -> str:
        if level == "fine_type":
            return item.fine_type or "none"
        return shown if _SAME_TYPE.get(item.type, item.type) == "OTHER" else item.type

    return type_of


def score(
    gold: Iterable[Scored],
    predicted: Iterable[Scored],
    protocol_name: str = "ner-span-conll@1",
    *,
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
        level: compare coarse types or the 51 fine ones (FMNERG); an entity without a fine type
            then has the type "none".
        inclusive: accept IoU from 0.5 on instead of above 0.5.
        mode: reproduce the counting of a public evaluator (:mod:`magpie.metrics.gmner`).
        legacy_train_scorer: with mode "fmnerg": the counting inside TIGER's training, where each
            document without a prediction adds one to the predictions and takes one from the gold.
        allow_missing: count documents without a prediction as empty.
        bootstrap: number of resampled sets for 95 % intervals of the F1; 0 for none.
        seed: of the resampling.

    Raises:
        ComparisonError: the documents differ.
        ConfigError: an option that the protocol does not have.
        NotFoundError: no such protocol.
    """
    chosen = protocol(protocol_name)
    if chosen.task == "ner" and (mode is not None or inclusive):
        raise ConfigError(
            f"{chosen.name} looks at no boxes, so mode and inclusive have no meaning",
            mend="Use gmner-iou50@1.",
        )
    if legacy_train_scorer and mode != "fmnerg":
        raise ConfigError("legacy_train_scorer belongs to mode fmnerg", mend='Set mode="fmnerg".')
    pairs = pair_up(gold, predicted, allow_missing=allow_missing)
    type_of = _type_of(level, (document for document, _ in pairs))
    parts = {
        cast(str, part): _part(
            pairs,
            partial(score_part, part, type_of=type_of, inclusive=inclusive, mode=mode),
            skips_orphans=chosen.skips_orphans,
            legacy_train_scorer=legacy_train_scorer,
            swapped=mode == "fmnerg" and part != "mner" and not legacy_train_scorer,
            intervals=partial(f1_interval, samples=bootstrap, seed=seed) if bootstrap else None,
        )
        for part in chosen.parts
    }
    return Report(
        protocol=chosen.name,
        task=chosen.task,
        level=level,
        options={
            key: value
            for key, value in (
                ("inclusive", inclusive),
                ("mode", mode),
                ("legacy_train_scorer", legacy_train_scorer),
            )
            if value not in (False, None)
        },
        sources=tuple(sorted({doc.source for doc, _ in pairs if doc.source is not None})),
        documents=len(pairs),
        failed=sum(prediction.failed for _, prediction in pairs),
        parts=parts,
    )


def _part(
    pairs: Sequence[tuple[Scored, Scored]],
    count: Callable[..., dict[str, Counts]],
    *,
    skips_orphans: bool,
    legacy_train_scorer: bool,
    swapped: bool,
    intervals: Callable[[Sequence[Counts]], tuple[float, float]] | None,
) -> PartReport:
    per_type: dict[str, Counts] = {}
    per_document: list[Counts] = []
    typed: dict[str, list[Counts]] = {}  # only documents that hold the type
    for document, prediction in pairs:
        gold, predicted = (
            [item for item in side.items if not (skips_orphans and item.orphan)]
            for side in (document, prediction)
        )
        counts = count(gold=gold, predicted=predicted)
        total = sum(counts.values(), Counts())
        if legacy_train_scorer and not prediction.items:
            total += Counts(gold=-1, predicted=1)
        per_document.append(total)
        for kind, more in counts.items():
            per_type[kind] = per_type.get(kind, Counts()) + more
            typed.setdefault(kind, []).append(more)
    return PartReport(
        micro=sum(per_document, Counts()),
        per_type=dict(sorted(per_type.items())),
        interval=intervals(per_document) if intervals else None,
        type_intervals={kind: intervals(found) for kind, found in sorted(typed.items())}
        if intervals
        else {},
        swapped=swapped,
    )
