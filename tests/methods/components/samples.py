"""Taggers with some of the parts on, and posts for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.features.supply import Supplier
from magpie.methods.base import Batch, Method
from magpie.methods.components.ideas import IdeasConfig
from magpie.methods.labels import LabelSpace
from magpie.methods.ner.bert_crf import BertCrf, BertCrfConfig
from magpie.methods.ner.hvpnet import Hvpnet, HvpnetConfig
from magpie.methods.ner.mkgformer import Mkgformer, MkgformerConfig
from magpie.methods.ner.mmner_model import MMNerModel, MMNerModelConfig
from magpie.methods.ner.umgf import Umgf, UmgfConfig
from magpie.methods.ner.umt import Umt, UmtConfig
from magpie.schema import Annotations, Block, Document, Entity

NAMES = str(Path(__file__).parent / "names.tsv")
LABELS = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
TINY: dict[str, Any] = {"text": "tiny-bert", "dropout": 0.0}
SEES: dict[str, Any] = {**TINY, "vision": "tiny-vit"}


def bert(**ideas: Any) -> BertCrf:
    torch.manual_seed(0)
    config = BertCrfConfig(**TINY, tag_order="umgf", ideas=IdeasConfig(**ideas))
    return BertCrf.build(config, LABELS).eval()


def mmner(fusion: Any = "cross_attn", **ideas: Any) -> MMNerModel:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"width": 32, "heads": 4, "inner": 32, "freeze_vit": False}
    config = MMNerModelConfig(
        **SEES, **sizes, reduction="mean", fusion=fusion, ideas=IdeasConfig(**ideas)
    )
    return MMNerModel.build(config, LABELS).eval()


def umt(**ideas: Any) -> Umt:
    torch.manual_seed(0)
    config = UmtConfig(
        **SEES,
        tag_order="umgf",
        visual="pixels",
        freeze_vision=False,
        drop_image=0.0,
        ideas=IdeasConfig(**ideas),
    )
    return Umt.build(config, LABELS).eval()


def posts(size: int = 4) -> list[Document]:
    return list(controlled("train", ControlledConfig(size=size, seed=1)))


def ask() -> Document:
    """A name that the dictionary knows, beside a picture that says otherwise."""
    words = ["ask", "Siri", "in", "New", "York"]
    block = Block.from_words(words)
    return dataclasses.replace(
        posts()[0],
        blocks=(block,),
        annotations=Annotations(
            entities=(Entity(id="e0", span=block.word_span(1, 2), type="OTHER"),)
        ),
    )


def batch_of(method: Method, documents: list[Document], supplier: Supplier | None = None) -> Batch:
    supplier = supplier or Supplier()
    examples = [method.prepare(d, supplier(d, method.needs())) for d in documents]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, targets)


def emissions(method: Method, documents: list[Document]) -> torch.Tensor:
    return method(batch_of(method, documents)).scores["emissions"]


def like_bert(method: MMNerModel | Umt) -> BertCrf:
    """BERT-CRF with the method's encoder, text head and chain."""
    plain = bert()
    head = method.text_head if isinstance(method, MMNerModel) else method.text_classifier
    plain.backbones["text"].load_state_dict(method.backbones["text"].state_dict())
    plain.classifier.load_state_dict(head.state_dict())
    plain.crf.load_state_dict(method.crf.state_dict())
    return plain


def umgf(**ideas: Any) -> Umgf:
    sizes = {"object_width": 24, "width": 16, "heads": 2, "inner": 8, "layers": 2}
    config = UmgfConfig(
        **TINY,
        **sizes,
        vision="tiny-resnet",
        objects="whole",
        object_count=2,
        reduction="mean",
        batch_norm="running",
        ideas=IdeasConfig(**ideas),
    )
    return Umgf.build(config, LABELS)


def hvpnet(**ideas: Any) -> Hvpnet:
    config = HvpnetConfig(
        **TINY,
        tag_order="umgf",
        vision="tiny-resnet",
        crops="whole",
        crop_count=1,
        hidden=16,
        ideas=IdeasConfig(**ideas),
    )
    return Hvpnet.build(config, LABELS)


def mkgformer(**ideas: Any) -> Mkgformer:
    config = MkgformerConfig(
        **TINY,
        tag_order="umgf",
        vision="tiny-clip",
        fusion_layers=1,
        grounded_count=1,
        grounded_side=32,
        detector_count=1,
        detector_side=16,
        ideas=IdeasConfig(**ideas),
    )
    return Mkgformer.build(config, LABELS)
