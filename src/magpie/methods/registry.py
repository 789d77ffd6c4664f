"""The table of methods: one line each, imported when asked for, held by a golden test.

Names are those of the specifications. ``python -c "import magpie"`` never imports torch; reading
this table does not either.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magpie.errors import NotFoundError

if TYPE_CHECKING:
    from magpie.methods.base import Method

__all__ = ["METHODS", "Entry", "entry", "method_class"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One method.

    ``needs`` are words for people; the exact needs depend on the configuration
    (:meth:`magpie.methods.base.Method.needs`). ``status`` is ``ready`` when its conformance,
    parity and probe tests pass.
    """

    name: str
    module: str
    cls: str
    family: str
    tasks: tuple[str, ...]
    needs: tuple[str, ...]
    title: str
    citation: str
    spec: str
    status: str = "ready"

    def to_dict(self) -> dict[str, Any]:
        """One item of ``magpie methods --json``."""
        return {
            "name": self.name,
            "family": self.family,
            "tasks": list(self.tasks),
            "needs": list(self.needs),
            "title": self.title,
            "citation": self.citation,
            "spec": self.spec,
            "status": self.status,
        }


METHODS: dict[str, Entry] = {
    e.name: e
    for e in (
        Entry(
            name="bert-crf",
            module="magpie.methods.ner.bert_crf",
            cls="BertCrf",
            family="ner",
            tasks=("ner",),
            needs=("words",),
            title="BERT-CRF: text-only tagger",
            citation="the text-only baseline of Yu et al., ACL 2020",
            spec="bert_crf.md",
        ),
        Entry(
            name="basic-model",
            module="magpie.methods.ner.basic_model",
            cls="BasicModel",
            family="ner",
            tasks=("ner",),
            needs=("words", "pixels on request"),
            title="BasicModel: the tagger without a picture encoder",
            citation="reconstructed from a results table of 2022; no paper, no code",
            spec="basic_model.md",
        ),
        Entry(
            name="umt",
            module="magpie.methods.ner.umt",
            cls="Umt",
            family="ner",
            tasks=("ner",),
            needs=("words", "grid features, or pixels"),
            title="UMT: unified multimodal transformer with span detection",
            citation="Yu et al., ACL 2020",
            spec="umt.md",
        ),
        Entry(
            name="umgf",
            module="magpie.methods.ner.umgf",
            cls="Umgf",
            family="ner",
            tasks=("ner",),
            needs=("words", "cut-outs of the picture"),
            title="UMGF: words and cut-outs as nodes of one gated graph",
            citation="Zhang et al., AAAI 2021",
            spec="umgf.md",
        ),
        Entry(
            name="hvpnet",
            module="magpie.methods.ner.hvpnet",
            cls="Hvpnet",
            family="ner",
            tasks=("ner",),
            needs=("words", "pixels", "cut-outs of the picture"),
            title="HVPNeT: pictures as keys and values in every layer",
            citation="Chen et al., Findings of NAACL 2022",
            spec="hvpnet.md",
        ),
        Entry(
            name="bert-re",
            module="magpie.methods.relation.bert_re",
            cls="BertRe",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions"),
            title="BERT-RE: text-only relation classifier over entity markers",
            citation="the text-only baseline of MNRE; markers as Baldini Soares et al., ACL 2019",
            spec="mre_metrics.md",
        ),
        Entry(
            name="hvpnet-re",
            module="magpie.methods.relation.hvpnet_re",
            cls="HvpnetRe",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "pixels", "cut-outs of the picture"),
            title="HVPNeT's relation head: read at the markers of both mentions",
            citation="Chen et al., Findings of NAACL 2022",
            spec="hvpnet.md",
        ),
        Entry(
            name="mega",
            module="magpie.methods.relation.mega",
            cls="Mega",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "regions or boxes", "graphs of words and picture"),
            title="MEGA: objects ask the text, and meet words in the same place of their graphs",
            citation="Zheng et al., ACM MM 2021",
            spec="mega.md",
        ),
        Entry(
            name="ise-mre",
            module="magpie.methods.relation.ise_mre",
            cls="IseMre",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "scene graphs", "pixels, cut-outs or captions"),
            title="ISE: a cross-modal graph screened by an information bottleneck, and topics",
            citation="Wu et al., ACL 2023",
            spec="ise_mre.md",
        ),
        Entry(
            name="mkgformer",
            module="magpie.methods.ner.mkgformer",
            cls="Mkgformer",
            family="ner",
            tasks=("ner",),
            needs=("words", "grounded cut-outs", "detector cut-outs"),
            title="MKGformer: BERT and CLIP in lock-step, for entities",
            citation="Chen et al., SIGIR 2022",
            spec="mkgformer.md",
        ),
        Entry(
            name="mkgformer-re",
            module="magpie.methods.relation.mkgformer_re",
            cls="MkgformerRe",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "grounded cut-outs", "detector cut-outs"),
            title="MKGformer: BERT and CLIP in lock-step, for relations",
            citation="Chen et al., SIGIR 2022",
            spec="mkgformer.md",
        ),
        Entry(
            name="camim",
            module="magpie.methods.relation.camim",
            cls="Camim",
            family="relation",
            tasks=("mre",),
            needs=(
                "words",
                "two mentions",
                "captions",
                "pixels and cut-outs of the picture, and of one generated from the text",
            ),
            title="CAMIM: captions beside pictures, and the information that two pictures share",
            citation="Zhang et al., ACM MM 2024",
            spec="camim.md",
        ),
        Entry(
            name="moreformer",
            module="magpie.methods.relation.moreformer",
            cls="Moreformer",
            family="relation",
            tasks=("object-relation",),
            needs=(
                "words",
                "a mention and an object",
                "cut-outs of the objects",
                "their depth",
                "captions of the objects",
            ),
            title="MOREformer: a mention of the text and an object of the picture",
            citation="He et al., ACM MM 2023",
            spec="more_object_entity.md",
        ),
        Entry(
            name="tmr-ner",
            module="magpie.methods.ner.tmr_ner",
            cls="TmrNer",
            family="ner",
            tasks=("ner",),
            needs=("words", "phrases", "pixels and objects of two pictures"),
            title="TMR for entities: an image vector for every position, from two pictures",
            citation="Zheng et al., ACL 2023",
            spec="tmr.md",
        ),
        Entry(
            name="shap-ca-re",
            module="magpie.methods.relation.shap_ca_re",
            cls="ShapCaRe",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "descriptions of the picture", "pixels"),
            title="Shap-CA for relations: descriptions play for posts and pictures",
            citation="Luo et al., ACM MM 2024; reconstructed, no code published",
            spec="shap_ca.md",
        ),
        Entry(
            name="shap-ca-ner",
            module="magpie.methods.ner.shap_ca_ner",
            cls="ShapCaNer",
            family="ner",
            tasks=("ner",),
            needs=("words", "descriptions of the picture", "pixels"),
            title="Shap-CA for entities: descriptions play for posts and pictures",
            citation="Luo et al., ACM MM 2024; reconstructed, no code published",
            spec="shap_ca.md",
        ),
        Entry(
            name="tmr-re",
            module="magpie.methods.relation.tmr_re",
            cls="TmrRe",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "phrases", "pixels and objects of two pictures"),
            title="TMR for relations: a second picture is made of the text, and asked as well",
            citation="Zheng et al., ACL 2023",
            spec="tmr.md",
        ),
        Entry(
            name="focal-mre",
            module="magpie.methods.relation.focal_mre",
            cls="FocalMre",
            family="relation",
            tasks=("mre",),
            needs=("words", "two mentions", "boxes of two sources", "the picture"),
            title="FocalMRE: frames drawn on the whole picture, one copy a region, gated",
            citation="Focus & Gating, ACM MM 2024",
            spec="focal_mre.md",
        ),
        Entry(
            name="mmner-model",
            module="magpie.methods.ner.mmner_model",
            cls="MMNerModel",
            family="ner",
            tasks=("ner",),
            needs=("words", "pixels"),
            title="MMNerModel: BERT, ViT and a chain",
            citation="reconstructed from a results table of 2022; no paper, no code",
            spec="mmner_model.md",
        ),
        Entry(
            name="pgim",
            module="magpie.methods.ner.pgim",
            cls="Pgim",
            family="ner",
            tasks=("ner",),
            needs=("words", "knowledge"),
            title="PGIM: a tagger over text and a language model's notes (second stage)",
            citation="Li et al., Findings of EMNLP 2023",
            spec="pgim.md",
        ),
        Entry(
            name="ita",
            module="magpie.methods.ner.ita",
            cls="Ita",
            family="ner",
            tasks=("ner",),
            needs=("words", "captions, object words, printed words"),
            title="ITA: pictures as words, two views that agree",
            citation="Wang et al., NAACL 2022",
            spec="ita_cap.md",
        ),
        Entry(
            name="gvatt",
            module="magpie.methods.ner.gvatt",
            cls="Gvatt",
            family="ner",
            tasks=("ner",),
            needs=("words", "grid features, or pixels"),
            title="GVATT: a BiLSTM tagger that looks at the picture once a sentence",
            citation="Lu et al., ACL 2018",
            spec="evg_baselines.md",
        ),
        Entry(
            name="evg",
            module="magpie.methods.grounded.evg",
            cls="Evg",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "entities", "region features"),
            title="EVG: regions ask a text that names one entity",
            citation="Yu et al., ACL 2023",
            spec="evg_baselines.md",
        ),
        Entry(
            name="gvatt-evg",
            module="magpie.methods.grounded.gvatt_evg",
            cls="GvattEvg",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "grid features, or pixels", "region features"),
            title="GVATT, then EVG",
            citation="Yu et al., ACL 2023",
            spec="evg_baselines.md",
        ),
        Entry(
            name="umt-evg",
            module="magpie.methods.grounded.umt_evg",
            cls="UmtEvg",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "grid features, or pixels", "region features"),
            title="UMT, then EVG",
            citation="Yu et al., ACL 2023",
            spec="evg_baselines.md",
        ),
        Entry(
            name="umgf-evg",
            module="magpie.methods.grounded.umgf_evg",
            cls="UmgfEvg",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "cut-outs of the picture", "region features"),
            title="UMGF, then EVG",
            citation="Yu et al., ACL 2023",
            spec="evg_baselines.md",
        ),
        Entry(
            name="ita-evg",
            module="magpie.methods.grounded.ita_evg",
            cls="ItaEvg",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "captions, object words, printed words", "region features"),
            title="ITA, then EVG",
            citation="Yu et al., ACL 2023",
            spec="evg_baselines.md",
        ),
        Entry(
            name="tiger",
            module="magpie.methods.grounded.tiger",
            cls="Tiger",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "region features"),
            title="TIGER: sentences about entities, regions where they say in the image",
            citation="Wang et al., ACM MM 2023",
            spec="tiger.md",
        ),
        Entry(
            name="h-index",
            module="magpie.methods.grounded.h_index",
            cls="HIndex",
            family="grounded",
            tasks=("gmner",),
            needs=("words", "region features"),
            title="H-Index: entities, types and regions as one sequence of indices",
            citation="Yu et al., ACL 2023",
            spec="h_index.md",
        ),
        Entry(
            name="seq-gmper",
            module="magpie.methods.grounded.seq_gmper",
            cls="SeqGmper",
            family="grounded",
            tasks=("gmner",),
            needs=("words of each step", "region features of each step's picture"),
            title="SeqGMPER: things of a procedure, each step reading the one before it",
            citation="LREC-COLING 2024; no code published",
            spec="seq_gmper.md",
        ),
    )
}


def entry(name: str) -> Entry:
    """The method of that name.

    Raises:
        NotFoundError: with the nearest names.
    """
    found = METHODS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, METHODS, n=3, cutoff=0.4) or sorted(METHODS)
        raise NotFoundError(
            f"no method {name!r}",
            mend=f"Did you mean {', '.join(near)}? `magpie methods` lists all of them.",
        )
    return found


def method_class(name: str) -> type[Method]:
    """Imports and returns the class of a method.

    Raises:
        NotFoundError: no such method.
    """
    line = entry(name)
    found: type[Method] = getattr(importlib.import_module(line.module), line.cls)
    return found
