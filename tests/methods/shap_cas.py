"""Tiny Shap-CA's of both heads and posts, which its tests share."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.features.supply import Supplier
from magpie.methods.base import Batch, without_gold
from magpie.methods.labels import LabelSpace
from magpie.methods.ner.shap_ca_ner import ShapCaNer, ShapCaNerConfig
from magpie.methods.relation.shap_ca_re import ShapCaRe, ShapCaReConfig
from magpie.schema import ContextText, Document

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-vit",
    "max_length": 48,
    "context_length": 16,
    "project_width": 16,
    "dropout": 0.0,
    "fusion_dropout": 0.0,
    "attention_dropout": 0.0,
}
POSTS = {
    task: list(controlled("train", ControlledConfig(task=task, size=8, seed=2)))
    for task in ("ner", "mre")
}
#: both heads, by their task
HEADS = pytest.mark.parametrize("task", ["ner", "mre"])
Head = ShapCaNer | ShapCaRe


def made(task: str, **settings: Any) -> Head:
    torch.manual_seed(0)
    labels = LabelSpace.of(POSTS[task])
    options = {**TINY, **settings}
    if task == "ner":
        return ShapCaNer.build(ShapCaNerConfig(**options), labels).eval()
    return ShapCaRe.build(ShapCaReConfig(**options), labels).eval()


def batch_of(method: Head, documents: list[Document], *, gold: bool = False) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims if gold else ())


def reading_of(method: Head, batch: Batch) -> Any:
    with torch.no_grad():
        return method.read(batch, batch.inputs.get("owner"))


def said(document: Document, *texts: str) -> Document:
    context = tuple(
        ContextText(kind="caption", text=t, source=f"s{n}") for n, t in enumerate(texts)
    )
    return dataclasses.replace(document, context=context)


def number(loss: Tensor) -> float:
    return float(loss.detach())
