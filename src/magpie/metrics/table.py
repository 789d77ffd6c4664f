"""Every protocol of this release: one literal table."""

from __future__ import annotations

from typing import Any

from magpie.metrics.declare import Option, Protocol
from magpie.metrics.table_documents import DOCUMENT_DEFAULTS, DOCUMENT_PROTOCOLS

__all__ = ["DEFAULTS", "ENTITY_PROTOCOLS", "PROTOCOLS", "RELATION_PROTOCOLS"]

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
        pairing="magpie.metrics.gmner:pair",
        options=(_LEVEL,),
    ),
    Protocol(
        name="ner-span-strict@1",
        task="ner",
        summary="exact span and type, micro; only chunks that start at B- (IOB2)",
        parts=("mner",),
        counter="magpie.metrics.gmner:count",
        prepare="magpie.metrics.gmner:prepare",
        pairing="magpie.metrics.gmner:pair",
        options=(_LEVEL,),
        fixed={"skips_orphans": True},
    ),
    *(
        Protocol(
            name=f"ner-{evaluator}@1",
            task="ner",
            summary=f"as the scorer of {repository}: {difference}",
            parts=("mner",),
            counter="magpie.metrics.tagged:count",
            prepare="magpie.metrics.tagged:prepare",
            options=(_LEVEL,),
            fixed={"evaluator": evaluator},
            reads_tags=True,
        )
        for evaluator, repository, difference in (
            ("umt", "UMT", "predicted special tags are chunks of their own, always wrong"),
            ("hvpnet", "HVPNeT and MKGformer", "chunks as seqeval 1.2.2 reads them"),
            ("umgf", "UMGF", "special tags are O, the split is one sequence"),
            ("adaseq", "AdaSeq (MoRe, PGIM)", "gold is turned into spans first"),
        )
    ),
    Protocol(
        name="gmner-iou50@1",
        task="gmner",
        summary="span, type and region, micro; one-to-one, best IoU with any gold box strictly "
        "above 0.5; with MNER (span, type) and EEG (span, region)",
        parts=("gmner", "mner", "eeg"),
        counter="magpie.metrics.gmner:count",
        prepare="magpie.metrics.gmner:prepare",
        pairing="magpie.metrics.gmner:pair",
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
        fixed={"regions": True},
    ),
    Protocol(
        name="gmner-surface@1",
        task="gmner",
        summary="text (not place), type and region, micro; one-to-one, best IoU from 0.5 on, as "
        "E2E-GMNER counts",
        parts=("gmner", "mner", "eeg"),
        counter="magpie.metrics.gmner:count",
        prepare="magpie.metrics.gmner:prepare",
        pairing="magpie.metrics.gmner:pair",
        options=(_LEVEL,),
        fixed={"regions": True, "by_text": True, "inclusive": True},
    ),
    Protocol(
        name="gmner-candidates@1",
        task="gmner",
        summary="span, type and region as the number of a detector's candidate, micro; an entity "
        "that no candidate covers is never right, as H-Index counts",
        parts=("gmner", "mner", "eeg"),
        counter="magpie.metrics.candidates:count",
        prepare="magpie.metrics.candidates:prepare",
        pairing="magpie.metrics.candidates:pair",
        options=(
            _LEVEL,
            Option(
                name="candidates",
                default=0,
                help="keep the first so many of each picture (H-Index: 18); 0 for all",
            ),
            Option(
                name="exact_half",
                default="published",
                values=("published", "wrong"),
                help="a best IoU of exactly 0.5: any candidate is right, as published, or none",
            ),
        ),
        fixed={"regions": True},
        needs_document=True,
    ),
    Protocol(
        name="fmnerg-iou50@1",
        task="fmnerg",
        summary="span, fine type and region, micro; as gmner-iou50@1 with the 51 fine types, and "
        "with the 8 coarse ones of their tree",
        parts=("fmnerg", "fmner", "eeg", "coarse-gmner", "coarse-mner"),
        counter="magpie.metrics.fmnerg:count",
        prepare="magpie.metrics.fmnerg:prepare",
        pairing="magpie.metrics.fmnerg:pair",
        options=(_INCLUSIVE,),
    ),
)

_NEGATIVE = Option(
    name="negative",
    default="auto",
    help="the label that means no relation; auto finds it by its usual names",
)


def _relations(name: str, task: str, summary: str, parts: tuple[str, ...], **more: Any) -> Protocol:
    options = (_NEGATIVE, *more.pop("options", ()))
    return Protocol(
        name=name,
        task=task,
        summary=summary,
        parts=parts,
        counter="magpie.metrics.relations:count",
        prepare="magpie.metrics.relations:prepare",
        pairing="magpie.metrics.relations:pair",
        options=options,
        means=tuple(part for part in parts if part == "accuracy"),
        needs_document=True,
        **more,
    )


def _joint(name: str, summary: str, parts: tuple[str, ...], typed: bool) -> Protocol:
    return Protocol(
        name=name,
        task="jmere",
        summary=summary,
        parts=parts,
        counter="magpie.metrics.joint:count",
        pairing="magpie.metrics.joint:pair",
        options=(
            Option(
                name="directed",
                default=False,
                values=(False, True),
                help="head and tail may not change places",
            ),
        ),
        fixed={"typed": typed},
        needs_document=True,
    )


RELATION_PROTOCOLS = (
    _relations(
        "mre-no-none@1",
        "mre",
        "label of each given pair, micro over all labels but the negative one, as in the "
        "published MNRE tables; with the accuracy over all pairs",
        ("mre", "accuracy"),
    ),
    _relations(
        "mre-micro@1",
        "mre",
        "label of each given pair, micro over all labels, the negative one included",
        ("mre", "accuracy"),
        fixed={"with_negative": True},
    ),
    _relations(
        "mre-type-pair@1",
        "mre",
        "diagnostic: mre-no-none@1 of a rule that sees the gold types of the pair only (most "
        "frequent label of each pair of types), beside that of the predictions",
        ("type-pair", "mre"),
        options=(
            Option(
                name="pairs",
                default="entities",
                values=("entities", "label", "released"),
                help="types of the pair: those of the gold's entities, or for a positive label "
                "those that stand in its path, or those that MQA's files carry",
            ),
        ),
    ),
    _relations(
        "object-entity@1",
        "object-entity",
        "label of each given pair of a mention and an object, micro over all labels but the "
        "negative one (MORE); with subsets by mentions and objects of the post",
        ("more", "accuracy", "1/1", "1/n", "n/1", "n/n"),
        options=(
            Option(
                name="objects",
                default="given",
                values=("given", "iou50"),
                help="boxes are the given ones, or found ones with an IoU from 0.5 on",
            ),
        ),
    ),
    _joint(
        "jmere-strict@1",
        "both spans, both types and the relation, in either direction; sets; with entities",
        ("jmere", "entities"),
        typed=True,
    ),
    _joint(
        "jmere-boundaries@1",
        "both spans and the relation without types, in either direction; sets",
        ("jmere",),
        typed=False,
    ),
    Protocol(
        name="jmere-grid@1",
        task="jmere",
        summary="as the public word-pair taggers count: both sides written into a grid over the "
        "words and read back, every relation in both directions",
        parts=("jmere", "entities"),
        counter="magpie.metrics.joint:count_grid",
        prepare="magpie.metrics.joint:prepare_grid",
        needs_document=True,
    ),
)

#: every protocol by its name
PROTOCOLS: dict[str, Protocol] = {
    p.name: p for p in (*ENTITY_PROTOCOLS, *RELATION_PROTOCOLS, *DOCUMENT_PROTOCOLS)
}

#: task -> protocol when none is named
DEFAULTS = {
    "ner": "ner-span-conll@1",
    "gmner": "gmner-iou50@1",
    "fmnerg": "fmnerg-iou50@1",
    "mre": "mre-no-none@1",
    "object-entity": "object-entity@1",
    "jmere": "jmere-strict@1",
    **DOCUMENT_DEFAULTS,
}
