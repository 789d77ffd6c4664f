"""Tiny TIGERs, posts for them, and outputs that they are said to have written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from magpie.backbones import Seq2Seq, load_seq2seq
from magpie.features import Asset
from magpie.methods.base import Batch, Output
from magpie.methods.grounded.tiger import Tiger, TigerConfig
from magpie.methods.labels import LabelSpace
from magpie.schema import Annotations, Document

from .samples import picture_post, regions_of

WIDTH = 12
FINE = LabelSpace(
    entity_types=("LOC", "ORG", "PER"),
    fine_types=("athlete", "city", "pirate", "sports_team"),
    parents={"athlete": "PER", "city": "LOC", "pirate": "PER", "sports_team": "ORG"},
)
#: boxes that overlap candidate 0 (IoU 0.9025) and candidate 1, and one that none covers
FIRST, SECOND, NOWHERE = (0, 0, 38, 38), (50, 50, 88, 90), (60, 0, 99, 20)

LOVE = picture_post(
    "Kevin Love plays for the Cavs today", ("athlete", 0, 2, [FIRST]), ("sports_team", 5, 6, [])
)


def fined(document: Document) -> Document:
    """The same post; types of its entities are fine ones, below those of FINE."""
    gold = document.annotations
    assert gold is not None
    entities = tuple(
        dataclasses.replace(e, type=FINE.parents[e.type], fine_type=e.type) for e in gold.entities
    )
    return document.with_annotations(Annotations(entities=entities))


LOVE = fined(LOVE)


def tiger(labels: LabelSpace = FINE, seq2seq: Seq2Seq | None = None, **settings: object) -> Tiger:
    small = {"source_length": 24, "target_length": 150, "region_count": 5, "dropout": 0.0}
    torch.manual_seed(0)
    config = TigerConfig(feature_width=WIDTH, **(small | settings))  # type: ignore[arg-type]
    return Tiger(config, labels, seq2seq or load_seq2seq("tiny-t5", dropout=0.0)).eval()


def batch_of(
    method: Tiger, documents: Sequence[Document], asset: Asset | None = None, *, gold: bool = True
) -> Batch:
    supplied = regions_of(WIDTH) if asset is None else asset
    assets = dict.fromkeys(method.needs(), supplied)
    examples = [method.prepare(d.with_annotations(None), assets) for d in documents]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, targets if gold else ())


def target_text(method: Tiger, document: Document, asset: Asset | None = None) -> str:
    labels = batch_of(method, [document], asset).targets["labels"][0].tolist()
    assert labels[-1] == method.seq2seq.end_id
    return str(method.seq2seq.tokenizer.decode(labels[:-1])).strip()


def queried(method: Tiger, document: Document) -> list[list[str]]:
    """The pieces at the query positions of each visible entity."""
    targets = batch_of(method, [document]).targets
    labels = targets["labels"][0].tolist()
    return [
        [method.seq2seq.tokenizer.decode([labels[place]]).strip() for place in row.nonzero()[:, 0]]
        for row in targets["queries"][0]
    ]


def decoded(
    method: Tiger, documents: Sequence[Document], texts: Sequence[str], z: Tensor | None = None
) -> list[Annotations]:
    """What the method makes of outputs that it is said to have written.

    ``z``: scores of every step, [B, L, R]; zero unless given.
    """
    batch = batch_of(method, documents, gold=False)
    rows = [[*method.spelling.ids(text), method.seq2seq.end_id] for text in texts]
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    scores = torch.zeros(len(rows), length, method.config.region_count) if z is None else z
    zero = torch.full(ids.shape, -0.5)
    return method.decode(
        Output({"ids": ids, "log_probabilities": zero, "regions": scores[:, :length]}), batch
    )


def scores_at(method: Tiger, text: str, regions: Sequence[int]) -> Tensor:
    """[L, R]: at the k-th "in the image" of a text region k is best, by one step of its pieces."""
    ids, size = method.spelling.ids(text), len(method.phrase)
    z = torch.zeros(150, method.config.region_count)
    hits = [at for at in range(len(ids)) if tuple(ids[at : at + size]) == method.phrase]
    for at, region in zip(hits, regions, strict=True):
        # One piece alone would say another region: only the mean over the pieces is right.
        z[at, region] = float(size)
        z[at + 1, (region + 1) % 3] = size - 1.0
    return z


EXAMPLE = (
    "Kevin Love is a person and a athlete, which is in the image [SSEP] "
    "Cavs is a organization and a sports_team, which is not in the image"
)
