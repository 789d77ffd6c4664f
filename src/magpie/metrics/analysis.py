"""A score with what lies behind it: breakdowns, and errors by category with their documents.

Breakdowns by length of text and frequency of type exist for every protocol; those of single
mentions and the error categories where the protocol pairs items one to one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magpie.metrics.breakdowns import (
    Breakdown,
    Training,
    by_entity_words,
    by_picture,
    by_seen,
    by_shown,
    by_text_words,
    by_type_frequency,
    type_sizes,
)
from magpie.metrics.categories import (
    ENTITY_CATEGORIES,
    FACT_CATEGORIES,
    Case,
    Tally,
    categories_of,
    tally,
)
from magpie.metrics.declare import OptionValue
from magpie.metrics.items import Scored
from magpie.metrics.pairing import EntityPairing, Pairing
from magpie.metrics.picture_kinds import by_picture_kind, by_picture_kind_and_type
from magpie.metrics.protocols import Applied, apply, protocol, report_of
from magpie.metrics.report import Report

__all__ = ["Analysis", "Errors", "Found", "analyse"]


@dataclass(frozen=True, slots=True)
class Found:
    """A case and the document that it stands in, with its text where one is known."""

    document: str
    case: Case[Any]
    text: str | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {"document": self.document, **self.case.to_dict(self.text)}


@dataclass(frozen=True, slots=True)
class Errors:
    """All cases of the score ``part``, right ones included, in the order of the documents."""

    part: str
    cases: Sequence[Found]
    meanings: Mapping[str, str]

    def tally(self) -> dict[str, Tally]:
        """Items a category, in the order of ``meanings``; those that do not occur are left out."""
        counted = tally([found.case for found in self.cases])
        return {name: counted[name] for name in self.meanings if name in counted}

    def examples(self, category: str, number: int) -> list[Found]:
        """Up to so many cases of a category, taken from all over the file."""
        found = [each for each in self.cases if each.case.category == category]
        step = max(1, len(found) // number) if number else 1
        return found[::step][:number]

    def to_dict(self, number: int = 5) -> dict[str, Any]:
        """The shape of ``errors`` in ``magpie score --json``."""
        return {
            "part": self.part,
            "categories": [
                {
                    "category": name,
                    "meaning": self.meanings[name],
                    "gold": counted.gold,
                    "predicted": counted.predicted,
                    "examples": []
                    if name == "correct"
                    else [found.to_dict() for found in self.examples(name, number)],
                }
                for name, counted in self.tally().items()
            ],
        }


@dataclass(frozen=True, slots=True)
class Analysis:
    """A report, its breakdowns, and its errors (None where the protocol pairs no items).

    ``definition`` is all that the protocol and its options mean.
    """

    report: Report
    breakdowns: tuple[Breakdown, ...]
    errors: Errors | None
    definition: Mapping[str, Any]

    def to_dict(self, examples: int = 5) -> dict[str, Any]:
        """What :meth:`Report.to_dict` gives, with ``breakdowns``, ``errors``, ``definition``."""
        return {
            **self.report.to_dict(),
            "breakdowns": [each.to_dict() for each in self.breakdowns],
            "errors": None if self.errors is None else self.errors.to_dict(examples),
            "definition": dict(self.definition),
        }


def analyse(
    gold: Iterable[Scored],
    predicted: Iterable[Scored],
    protocol_name: str = "ner-span-conll@1",
    *,
    options: Mapping[str, OptionValue] | None = None,
    train: Iterable[Scored] | None = None,
    allow_missing: bool = False,
    bootstrap: int = 0,
    seed: int = 0,
    shallow: bool = False,
) -> Analysis:
    """Scores as :func:`magpie.metrics.score` does, and looks into the result.

    Args:
        gold, predicted, protocol_name, options, allow_missing, bootstrap, seed: as there.
        train: gold of the training data, for seen and unseen mentions and the frequency of types.
        shallow: leave breakdowns and errors out.

    Raises:
        ComparisonError, ConfigError, NotFoundError: as there.
    """
    chosen = protocol(protocol_name)
    applied = apply(gold, predicted, chosen, options or {}, allow_missing=allow_missing)
    report = report_of(applied, bootstrap=bootstrap, seed=seed)
    definition = chosen.define(applied.values)
    if shallow:
        return Analysis(report=report, breakdowns=(), errors=None, definition=definition)
    paired = {part: _paired(applied, part) for part in chosen.parts}
    main = chosen.parts[0]
    # The frequency of a type differs by part (fine and coarse types).
    seen: dict[str, Training] = {}
    if train is not None:
        documents = list(train)
        seen = {part: _training(applied, part, documents) for part in chosen.parts}
    scored = [document for document, _ in applied.pairs]
    breakdowns = by_text_words(report, scored)
    breakdowns += by_picture(report, scored)
    breakdowns += by_picture_kind(report, scored)
    breakdowns += by_type_frequency(report, seen or None)
    for part, pairings in paired.items():
        breakdowns += _of_items(part, applied, pairings, seen.get(part))
    return Analysis(
        report=report,
        breakdowns=tuple(each for each in breakdowns if each.rows),
        errors=_errors(main, applied, paired[main]),
        definition=definition,
    )


def _paired(applied: Applied, part: str) -> list[Pairing] | None:
    """The items of every document, or None where the protocol or its options pair none."""
    pair = applied.protocol.load_pairing()
    if pair is None:
        return None
    pairings = []
    for gold, predicted in applied.pairs:
        pairing = pair(part, gold, predicted, applied.known)
        if pairing is None:
            return None
        pairings.append(pairing)
    return pairings


def _of_items(
    part: str, applied: Applied, pairings: Sequence[Pairing] | None, training: Training | None
) -> list[Breakdown]:
    mentions = [each for each in pairings or () if isinstance(each, EntityPairing)]
    if not mentions:
        return []
    documents = [document for document, _ in applied.pairs]
    found = [
        by_entity_words(part, zip(documents, mentions, strict=True)),
        by_picture_kind_and_type(part, zip(documents, mentions, strict=True)),
    ]
    if mentions[0].region_fits is not None:
        found.append(by_shown(part, mentions))
    if training is not None:
        found.append(by_seen(part, mentions, training))
    return found


def _training(applied: Applied, part: str, documents: Sequence[Scored]) -> Training:
    """Types and spellings of the training data, counted as the protocol counts its gold."""
    pair = applied.protocol.load_pairing()
    learnt = apply(documents, documents, applied.protocol, applied.values)
    types: Counter[str] = Counter()
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    # Types are spelled as in the gold that is scored (MISC or OTHER); all else is the set's own.
    named = {key: value for key, value in applied.known.items() if key.endswith("type_of")}
    for document, _ in learnt.pairs:
        pairing = pair(part, document, document, {**learnt.known, **named}) if pair else None
        if isinstance(pairing, EntityPairing):
            for item, kind in zip(pairing.gold, pairing.gold_types, strict=True):
                types[kind] += 1
                spellings[item.text].add(kind)
    if not types:
        types.update(type_sizes(report_of(learnt).parts[part]))
    return Training(types, {text: frozenset(kinds) for text, kinds in spellings.items()})


def _errors(part: str, applied: Applied, pairings: Sequence[Pairing] | None) -> Errors | None:
    if pairings is None:
        return None
    cases = [
        Found(gold.id, case, gold.text if gold.text is not None else predicted.text)
        for (gold, predicted), pairing in zip(applied.pairs, pairings, strict=True)
        for case in categories_of(pairing)
    ]
    mentions = all(isinstance(pairing, EntityPairing) for pairing in pairings)
    return Errors(part, cases, ENTITY_CATEGORIES if mentions else FACT_CATEGORIES)
