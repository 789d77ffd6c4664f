"""Every protocol of this release: one literal table."""

from __future__ import annotations

from magpie.metrics.declare import Option, Protocol
from magpie.metrics.table_documents import DOCUMENT_DEFAULTS, DOCUMENT_PROTOCOLS

__all__ = ["DEFAULTS", "ENTITY_PROTOCOLS", "PROTOCOLS"]

_LEVEL = Option(
    name="level",
    default="type",
    values=("type", "fine_type"),
    help="compare coarse types or fine ones (FMNERG); without a fine type an entity has none",
)
_INCLUSIVE = Option(
    name="inclusive",
    default=False,
    values=(False, True),
    help="accept IoU from 0.5 on, not only above",
)

ENTITY_PROTOCOLS = (
    Protocol(
        name="ner-span-conll@1",
        task="ner",
        summary="exact span and type, micro; gold chunks by the CoNLL scorer's lenient rule "
        "(an I- that continues nothing opens one), as in the published multimodal NER tables",
        parts=("mner",),
        counter="magpie.metrics.gmner:count",
        prepare="magpie.metrics.gmner:prepare",
        options=(_LEVEL,),
    ),
    Protocol(
        name="ner-span-strict@1",
        task="ner",
        summary="exact span and type, micro; only chunks that start at B- (IOB2)",
        parts=("mner",),
        counter="magpie.metrics.gmner:count",
        prepare="magpie.metrics.gmner:prepare",
        options=(_LEVEL,),
        fixed={"skips_orphans": True},
    ),
    Protocol(
        name="gmner-iou50@1",
        task="gmner",
        summary="span, type and region, micro; one-to-one, best IoU with any gold box strictly "
        "above 0.5; with MNER (span, type) and EEG (span, region)",
        parts=("gmner", "mner", "eeg"),
        counter="magpie.metrics.gmner:count",
        prepare="magpie.metrics.gmner:prepare",
        options=(
            _LEVEL,
            _INCLUSIVE,
            Option(
                name="mode",
                default=None,
                values=(None, "gmner", "fmnerg", "riveg"),
                help="reproduce the counting of a public evaluator",
            ),
            Option(
                name="legacy_train_scorer",
                default=False,
                values=(False, True),
                help="with mode fmnerg: the counting inside TIGER's training, where a document "
                "without prediction adds one to the predictions and takes one from the gold",
            ),
        ),
    ),
)

#: every protocol by its name
PROTOCOLS: dict[str, Protocol] = {p.name: p for p in (*ENTITY_PROTOCOLS, *DOCUMENT_PROTOCOLS)}

#: task -> protocol when none is named
DEFAULTS = {"ner": "ner-span-conll@1", "gmner": "gmner-iou50@1", **DOCUMENT_DEFAULTS}
