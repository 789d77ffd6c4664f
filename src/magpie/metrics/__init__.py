"""Scorers: named, versioned protocols for entities and their boxes; see docs/scorers.md."""

from magpie.metrics.bootstrap import f1_interval, interval
from magpie.metrics.counts import Counts, Mean, Value
from magpie.metrics.declare import Option, Prepared, Protocol
from magpie.metrics.gmner import iou, match_items, region_matches, score_part
from magpie.metrics.items import Item, Scored, items_of, pair_up, read_scored
from magpie.metrics.matching import maximum_matching
from magpie.metrics.protocols import DEFAULTS, PROTOCOLS, protocol, score
from magpie.metrics.report import PartReport, Report, check_comparable

__all__ = [
    "DEFAULTS",
    "PROTOCOLS",
    "Counts",
    "Item",
    "Mean",
    "Option",
    "PartReport",
    "Prepared",
    "Protocol",
    "Report",
    "Scored",
    "Value",
    "check_comparable",
    "f1_interval",
    "interval",
    "iou",
    "items_of",
    "match_items",
    "maximum_matching",
    "pair_up",
    "protocol",
    "read_scored",
    "region_matches",
    "score",
    "score_part",
]
