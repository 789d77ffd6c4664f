"""Posts, tiny methods and full-size skeletons that the tests of the NER methods share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from magpie.backbones import TextEncoder
from magpie.backbones.tiny import tiny_tokenizer
from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures
from magpie.features.supply import Supplier
from magpie.methods.base import Batch, Method
from magpie.methods.labels import LabelSpace
from magpie.nn.crf import CRF
from magpie.schema import Annotations, Block, Document, Entity

FOUR = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))


def post(words: Sequence[str], *entities: tuple[str, int, int]) -> Document:
    """A post of these words; entities are (type, first word, word after the last)."""
    block = Block.from_words(list(words))
    found = tuple(
        Entity(id=f"e{i}", span=block.word_span(start, end), type=kind)
        for i, (kind, start, end) in enumerate(entities)
    )
    return Document(id="post", blocks=(block,), annotations=Annotations(entities=found))


def pictured(size: int = 4, seed: int = 3) -> list[Document]:
    """Posts with pictures and gold."""
    return list(controlled("train", ControlledConfig(size=size, seed=seed)))


def bare(documents: Sequence[Document]) -> list[Document]:
    """The same posts without pictures."""
    return list(without_pictures(list(documents)))


def batch_of(method: Method, documents: Sequence[Document], *, gold: bool = True) -> Batch:
    """Prepared and collated."""
    supplier, needs = Supplier(), method.needs()
    examples = [method.prepare(d.with_annotations(None), supplier(d, needs)) for d in documents]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, targets if gold else ())


def shake(module: nn.Module, scale: float = 0.3, seed: int = 0) -> None:
    """Moves every parameter, so that biases and norms matter too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * scale)


class Sized(TextEncoder):
    """An encoder that knows the shape of its answer; transformers cannot run on "meta"."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return torch.zeros(*input_ids.shape, self.width, device="meta")


def bert_base() -> TextEncoder:
    """BERT-base in size only: on the meta device, without numbers."""
    with torch.device("meta"):
        model = BertModel(BertConfig())
    return Sized(model, tiny_tokenizer(), "bert-base-cased")


def count(module: nn.Module, *, without: Sequence[str] = ()) -> int:
    """Parameters, less those whose names begin with one of ``without``."""
    return sum(p.numel() for n, p in module.named_parameters() if not n.startswith(tuple(without)))


def meta_batch(size: int, pieces: int, **inputs: Any) -> Batch:
    """Ids, mask and further inputs of these shapes on the meta device."""
    with torch.device("meta"):
        return Batch(
            [],
            {
                "input_ids": torch.zeros(size, pieces, dtype=torch.long),
                "attention_mask": torch.ones(size, pieces, dtype=torch.long),
                "has_image": torch.ones(size, dtype=torch.bool),
                **{name: torch.zeros(size, *shape) for name, shape in inputs.items()},
            },
        )


def enumerated_loss(crf: CRF, emissions: Tensor, tags: Tensor) -> float:
    """Negative log-likelihood of one sentence, over all paths one by one."""
    e, a = emissions.detach().double(), crf.transitions.detach().double()
    start, end = crf.start.detach().double(), crf.end.detach().double()

    def score(path: Sequence[int]) -> Tensor:
        found = start[path[0]] + end[path[-1]] + sum(e[t, y] for t, y in enumerate(path))
        return found + sum(a[i, j] for i, j in itertools.pairwise(path))

    paths = itertools.product(range(e.shape[1]), repeat=e.shape[0])
    total = torch.logsumexp(torch.stack([score(path) for path in paths]), 0)
    return float(total - score(tags.tolist()))
