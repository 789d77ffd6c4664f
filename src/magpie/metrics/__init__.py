"""Scorers: named, versioned protocols, and what lies behind a score; see docs/scorers.md."""

from magpie.metrics.analysis import Analysis, analyse
from magpie.metrics.bootstrap import f1_interval, interval
from magpie.metrics.counts import Counts, Mean, Value
from magpie.metrics.declare import Option, Prepared, Protocol
from magpie.metrics.gmner import iou, match_items, region_matches, score_part
from magpie.metrics.items import Item, Scored, items_of, pair_up, read_scored
from magpie.metrics.matching import maximum_matching
from magpie.metrics.protocols import DEFAULTS, PROTOCOLS, protocol, score
from magpie.metrics.report import PartReport, Report, check_comparable
from magpie.metrics.significance import Comparison, Difference, compare

__all__ = [
    "DEFAULTS",
    "PROTOCOLS",
    "Analysis",
    "Comparison",
    "Counts",
    "Difference",
    "Item",
    "Mean",
    "Option",
    "PartReport",
    "Prepared",
    "Protocol",
    "Report",
    "Scored",
    "Value",
    "analyse",
    "check_comparable",
    "compare",
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
