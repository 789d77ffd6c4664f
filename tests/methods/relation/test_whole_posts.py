"""A post with all its pairs says of each what the pair's row says, for one look at the picture."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.corpora.posts import whole_posts  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, Method, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.registry import method_class  # noqa: E402
from magpie.schema import Annotations, Block, Document, Entity, Relation  # noqa: E402
from magpie.training.data import training_data  # noqa: E402
from magpie.training.recipe import DataConfig  # noqa: E402

WORDS = ("red", "star", "of", "the", "city", "and", "dog", "so", "good")
MENTIONS = (1, 4, 6)
PICTURES = list(controlled("train", ControlledConfig(task="mre", size=4, told=0.0, seed=2)))[:2]
LABELS = LabelSpace(relation_types=("none", "peer", "rival"), null_relation="none")
VIEWS: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-resnet",
    "objects": "whole",
    "generated_objects": "whole",
    "object_count": 1,
    "phrases": (),
    "scores": "",
    "max_length": 32,
    "mask_padding": True,
}
METHODS = {
    "bert-re": {"text": "tiny-bert"},
    "tmr-re": VIEWS,
    "camim": {**VIEWS, "captions": (), "text_length": 24, "max_caption_len": 8, "alpha": 0.0},
}


def rows() -> list[Document]:
    """Every pair of three mentions a row, of two posts, in turns."""
    block = Block.from_words(WORDS)
    pairs = [(0, 1, "peer"), (0, 2, "none"), (2, 1, "rival")]
    found = []
    for number, (head, tail, kind) in enumerate(pairs):
        for post in PICTURES:
            ends = [
                Entity(id=f"e{n}", span=block.word_span(at, at + 1), type="entity")
                for n, at in enumerate((MENTIONS[head], MENTIONS[tail]))
            ]
            said = Annotations(
                entities=tuple(ends),
                relations=(Relation(id="f0", head="e0", tail="e1", type=kind),),
            )
            found.append(
                Document(
                    id=f"{post.id}-{number}", blocks=(block,), media=post.media, annotations=said
                )
            )
    return found


def built(name: str) -> Method:
    torch.manual_seed(0)
    cls = method_class(name)
    method = cls.build(cls.Config(**METHODS[name]), LABELS)
    with torch.no_grad():
        for part, parameter in method.named_parameters():
            if not part.startswith("backbones"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return method.eval()


def batch_of(method: Method, documents: list[Document]) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims)


@pytest.mark.parametrize("name", METHODS)
def test_a_post_says_what_its_rows_say(name: str) -> None:
    method = built(name)
    apart = rows()
    together = whole_posts(apart)
    assert [len(d.annotations.relations) for d in together if d.annotations] == [3, 3]
    found = {}
    for kind, documents in (("rows", apart), ("posts", together)):
        output = method(batch_of(method, documents))
        method.zero_grad()
        output.loss.backward()
        grads = {n: p.grad for n, p in method.named_parameters() if p.grad is not None}
        found[kind] = (output.scores["logits"], float(output.loss.detach()), grads)
    # Rows alternate between the posts; a post's pairs stand together.
    order = [0, 2, 4, 1, 3, 5]
    torch.testing.assert_close(found["rows"][0][order], found["posts"][0], rtol=1e-4, atol=1e-5)
    assert found["rows"][1] == pytest.approx(found["posts"][1], rel=1e-5)
    assert found["rows"][2].keys() == found["posts"][2].keys()
    for part, grad in found["rows"][2].items():
        gap = float((grad - found["posts"][2][part]).norm())
        assert gap <= 1e-4 * float(grad.norm()) + 1e-6, part
    # What is compared tells the pairs of a post apart.
    assert not torch.allclose(found["posts"][0][0], found["posts"][0][1], atol=1e-3)


@pytest.mark.parametrize("name", ["tmr-re", "camim"])
def test_pictures_are_read_once_a_post(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method: Any = built(name)
    seen = []
    cells = method.cells
    monkeypatch.setattr(
        method, "cells", lambda pixels: (seen.append(len(pixels)), cells(pixels))[1]
    )
    method(batch_of(method, rows()))
    of_rows = sum(seen)
    seen.clear()
    method(batch_of(method, whole_posts(rows())))
    assert of_rows == 3 * sum(seen) > 0


def test_only_the_training_split_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magpie.training.data.read_documents", lambda ref, data, limit=None: rows())
    config = DataConfig(corpus="any", whole_posts=True)
    data = training_data(config)
    assert (len(data.train), len(data.dev)) == (2, 6)
    assert data.fingerprint["train"]["documents"] == 2
    apart = training_data(dataclasses.replace(config, whole_posts=False))
    assert len(apart.train) == 6
    assert apart.labels == data.labels
