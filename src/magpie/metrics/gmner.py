"""Grounded NER: GMNER, MNER and EEG counts of one document, by our definition and by three others.

Ours (``mode=None``): predictions and gold are matched one to one so that the number of matches is
largest; a pair may match when the fields of the score agree (GMNER: span, type, region; MNER:
span, type; EEG: span, region). A gold entity that is not in the picture asks for a prediction
without box; one with boxes for a box whose best IoU with any of them is above 0.5 (strictly, or
from 0.5 on when ``inclusive``).

Public evaluators of the field differ (docs/scorers.md); their counting is reproduced by name:

``gmner``
    H-Index: predictions are kept by span, so that of several on one span the last one counts.
``fmnerg``
    TIGER: gold and predictions are kept by (text, type), so that repeated ones collapse; a key
    with "False" anywhere in it is right as soon as the gold has the key.
``riveg``
    Greedy one-to-one in file order on the text, IoU from 0.5 on; MISC and OTHER are two types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from magpie.errors import ConfigError
from magpie.metrics.counts import Counts
from magpie.metrics.declare import Prepared
from magpie.metrics.items import XYXY, Item, Scored, need_spellings
from magpie.metrics.matching import maximum_matching
from magpie.metrics.pairing import EntityPairing

__all__ = [
    "PARTS",
    "Mode",
    "Part",
    "TypeOf",
    "count",
    "iou",
    "match_items",
    "pair",
    "pair_items",
    "prepare",
    "prepare_regions",
    "region_matches",
    "score_part",
    "types_at",
]

Part = Literal["gmner", "mner", "eeg"]
Mode: TypeAlias = Literal["gmner", "fmnerg", "riveg"] | None

#: the three scores, always printed together
PARTS: tuple[Part, ...] = ("gmner", "mner", "eeg")

#: gives an item's type at the level that is scored (coarse or fine)
TypeOf = Callable[[Item], str]


def types_at(level: str, gold: Iterable[Scored]) -> TypeOf:
    """Types at one level.

    Twitter-2015 and GMNER call the fourth coarse type OTHER, Twitter-2017 calls it MISC: here they
    are one, under the name that the gold uses.
    """
    if level == "fine_type":
        return lambda item: item.fine_type or "none"
    spelled = {item.type for document in gold for item in document.items}
    shown = "MISC" if "MISC" in spelled and "OTHER" not in spelled else "OTHER"
    names = {"MISC": shown, "OTHER": shown}

    def type_of(item: Item) -> str:
        kind = item.type
        return names.get(kind, kind)

    return type_of


def _as_written(item: Item) -> str:
    return item.type


def prepare(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """How types are spelled in this gold, and how the reproduced evaluator prints its scores.

    Raises:
        ConfigError: legacy_train_scorer without mode fmnerg.
        ComparisonError: spellings are compared, and a mention has none.
    """
    mode, legacy = options.get("mode"), options.get("legacy_train_scorer", False)
    if legacy and mode != "fmnerg":
        raise ConfigError("legacy_train_scorer belongs to mode fmnerg", mend='Set mode="fmnerg".')
    if options.get("by_text") or mode in ("riveg", "fmnerg"):
        need_spellings((*gold, *predicted))
    swapped = {"gmner", "eeg"} if mode == "fmnerg" and not legacy else set()
    prepared = prepare_regions(gold) if options.get("regions") else Prepared()
    # RiVEG's script compares "text(TYPE)" as it is written, so there MISC is not OTHER.
    written = mode == "riveg" and options["level"] == "type"
    special = (mode, options.get("by_text"), options.get("skips_orphans"))
    return replace(
        prepared,
        options={
            "type_of": _as_written if written else types_at(options["level"], gold),
            "plain": not any(special),
        },
        swapped=frozenset(swapped),
    )


def prepare_regions(gold: Sequence[Scored]) -> Prepared:
    """Notes the gold that nobody looked for in the picture: it counts as "no box" all the same."""
    unknown = sum(item.grounding == "unknown" for document in gold for item in document.items)
    name = "gold mentions of unknown grounding, taken as not in the picture"
    return Prepared(notes={name: unknown} if unknown else {})


def count(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Counts]:
    """Counter of the protocols of entities; ``options`` also hold what :func:`prepare` found."""
    wanted, found = gold.items, predicted.items
    if options["plain"] and part == "mner":
        return _same_place(wanted, found, options["type_of"])
    if options.get("skips_orphans", False):
        wanted = tuple(item for item in wanted if not item.orphan)
        found = tuple(item for item in found if not item.orphan)
    counts = score_part(
        cast(Part, part),
        wanted,
        found,
        options["type_of"],
        inclusive=options.get("inclusive", False),
        mode=options.get("mode"),
        by_text=options.get("by_text", False),
    )
    if options.get("legacy_train_scorer"):
        # Sentences that cannot be read become one empty entry of the dictionary, as does silence.
        lost = predicted.malformed is not None and predicted.malformed.codes.get("unparsable")
        if not predicted.items:
            counts[""] = Counts(gold=-1, predicted=1)
        elif lost:
            counts[""] = Counts(predicted=1)
    return counts


def pair(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> EntityPairing | None:
    """The items that :func:`count` counts; None for TIGER's evaluators, which collapse them."""
    mode = options.get("mode")
    if mode == "fmnerg":
        return None
    wanted, found = gold.items, predicted.items
    if options.get("skips_orphans", False):
        wanted = tuple(item for item in wanted if not item.orphan)
        found = tuple(item for item in found if not item.orphan)
    return pair_items(
        cast(Part, part),
        wanted,
        found,
        options["type_of"],
        inclusive=options.get("inclusive", False),
        mode=mode,
        by_text=options.get("by_text", False),
    )


def iou(a: XYXY, b: XYXY) -> float:
    """Intersection over union of two (x1, y1, x2, y2), without the "+1 pixel" of old scorers."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    return shared / (area_a + area_b - shared)


def region_matches(gold: Item, predicted: Item, *, inclusive: bool = False) -> bool:
    """Whether the prediction shows the gold entity where it is, or rightly nowhere.

    A gold or predicted grounding that is ``unknown`` counts as "no box", as in the public
    evaluators, which know only boxes. Boxes of two named pictures never overlap.
    """
    if not gold.boxes or not predicted.boxes:
        return not gold.boxes and not predicted.boxes
    best = max(
        (
            iou(box, other)
            for medium, box in gold.boxes
            for other_medium, other in predicted.boxes
            if medium == other_medium or not medium or not other_medium
        ),
        default=0.0,
    )
    return best >= 0.5 if inclusive else best > 0.5


def match_items(
    part: Part,
    gold: Sequence[Item],
    predicted: Sequence[Item],
    type_of: TypeOf,
    *,
    inclusive: bool = False,
    by_text: bool = False,
) -> list[int]:
    """Partner of each prediction among the gold, or -1 (a maximum matching).

    Args:
        by_text: compare the mentions' text instead of their characters' place.
    """

    def fits(p: Item, g: Item) -> bool:
        same = p.text == g.text if by_text else (p.start, p.end) == (g.start, g.end)
        if not same or (part != "eeg" and type_of(p) != type_of(g)):
            return False
        return part == "mner" or region_matches(g, p, inclusive=inclusive)

    edges = [[j for j, g in enumerate(gold) if fits(p, g)] for p in predicted]
    return maximum_matching(edges, len(gold))


def score_part(
    part: Part,
    gold: Sequence[Item],
    predicted: Sequence[Item],
    type_of: TypeOf,
    *,
    inclusive: bool = False,
    mode: Mode = None,
    by_text: bool = False,
) -> dict[str, Counts]:
    """Counts of one document by type; the sum over types is the micro score.

    A pair counts under the gold's type, also in EEG, which does not compare types; a prediction
    without partner under its own.
    """
    if mode == "fmnerg":
        return _collapsed(part, gold, predicted, type_of)
    if part == "mner" and mode is None and not by_text:
        return _same_place(gold, predicted, type_of)
    pairs = pair_items(
        part, gold, predicted, type_of, inclusive=inclusive, mode=mode, by_text=by_text
    )
    counts: dict[str, Counts] = {}
    for kind in pairs.gold_types:
        _add(counts, kind, Counts(gold=1))
    for kind, partner in zip(pairs.predicted_types, pairs.partner, strict=True):
        if partner >= 0:
            _add(counts, pairs.gold_types[partner], Counts(predicted=1, correct=1))
        else:
            _add(counts, kind, Counts(predicted=1))
    return counts


def pair_items(
    part: Part,
    gold: Sequence[Item],
    predicted: Sequence[Item],
    type_of: TypeOf,
    *,
    inclusive: bool = False,
    mode: Literal["gmner", "riveg"] | None = None,
    by_text: bool = False,
) -> EntityPairing:
    """The items behind :func:`score_part`, paired one to one."""
    if mode == "gmner":
        predicted = list({(item.start, item.end): item for item in predicted}.values())
    if mode == "riveg":
        inclusive = by_text = True
        partner = _greedy(part, gold, predicted, type_of)
    else:
        partner = match_items(part, gold, predicted, type_of, inclusive=inclusive, by_text=by_text)
    return EntityPairing(
        gold=gold,
        predicted=predicted,
        gold_types=[type_of(item) for item in gold],
        predicted_types=[type_of(item) for item in predicted],
        partner=partner,
        by_text=by_text,
        region_fits=None if part == "mner" else partial(region_matches, inclusive=inclusive),
    )


def _same_place(
    gold: Sequence[Item], predicted: Sequence[Item], type_of: TypeOf
) -> dict[str, Counts]:
    """MNER by our definition: where equal keys are all that matters, no matching is needed."""
    if not gold and not predicted:
        return {}
    free: dict[tuple[str, int, int], int] = {}
    table: dict[str, list[int]] = {}
    for item in gold:
        kind = type_of(item)
        key = (kind, item.start, item.end)
        free[key] = free.get(key, 0) + 1
        if kind in table:
            table[kind][0] += 1
        else:
            table[kind] = [1, 0, 0]
    for item in predicted:
        kind = type_of(item)
        if kind in table:
            row = table[kind]
            row[1] += 1
        else:
            row = table[kind] = [0, 1, 0]
        key = (kind, item.start, item.end)
        left = free.get(key)
        if left:
            free[key] = left - 1
            row[2] += 1
    return {kind: Counts(*row) for kind, row in table.items()}


def _add(counts: dict[str, Counts], kind: str, more: Counts) -> None:
    counts[kind] = counts.get(kind, Counts()) + more


def _greedy(
    part: Part, gold: Sequence[Item], predicted: Sequence[Item], type_of: TypeOf
) -> list[int]:
    """RiVEG's script: each prediction takes the first gold that fits and removes it."""
    free = list(range(len(gold)))
    matches = []
    for p in predicted:
        found = -1
        for j in free:
            g = gold[j]
            if p.text != g.text or (part != "eeg" and type_of(p) != type_of(g)):
                continue
            if part == "mner" or region_matches(g, p, inclusive=True):
                found = j
                break
        if found >= 0:
            free.remove(found)
        matches.append(found)
    return matches


def _collapsed(
    part: Part, gold: Sequence[Item], predicted: Sequence[Item], type_of: TypeOf
) -> dict[str, Counts]:
    """TIGER's evaluators: dictionaries instead of lists, the flag tested as a substring."""

    def text(item: Item) -> str:
        # The FMNER evaluator strips the flags from the whole printed line, names included.
        return item.text.replace(" True", "").replace(" False", "") if part == "mner" else item.text

    def key(item: Item) -> tuple[str, str, bool]:
        return (text(item), type_of(item), bool(item.boxes) or part == "mner")

    # The printed key of the release; a name in it may itself hold the word that is searched.
    def printed(entry: tuple[str, str, bool]) -> str:
        return f"{entry[0]} {entry[1]} {entry[2]}"

    gold_by_key = {key(item): item for item in gold}
    predicted_by_key = {key(item): item for item in predicted}
    counts: dict[str, Counts] = {}
    for entry in gold_by_key:
        _add(counts, entry[1], Counts(gold=1))
    for entry in predicted_by_key:
        _add(counts, entry[1], Counts(predicted=1))
    if part == "eeg":
        # Gold loses its type here and is never used up: one gold may be met several times.
        untyped = {(entry[0], entry[2]): (entry[1], g) for entry, g in gold_by_key.items()}
        for entry, p in predicted_by_key.items():
            kind, wanted = untyped.get((entry[0], entry[2]), ("", None))
            if wanted is None:
                continue
            if "False" in f"{entry[0]} {entry[2]}" or region_matches(wanted, p):
                _add(counts, kind, Counts(correct=1))
        return counts
    for entry, p in predicted_by_key.items():
        match = gold_by_key.get(entry)
        if match is None:
            continue
        if part == "mner" or "False" in printed(entry) or region_matches(match, p):
            _add(counts, entry[1], Counts(correct=1))
    return counts
