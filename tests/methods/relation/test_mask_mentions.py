"""Mentions hidden behind a piece of their own, by every relation method that there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.registry import METHODS, method_class  # noqa: E402
from magpie.methods.relating import Relating  # noqa: E402
from magpie.methods.relation.ise_mre import IseMreConfig  # noqa: E402
from magpie.training.probe import PROBES  # noqa: E402

RELATIONS = sorted(name for name, entry in METHODS.items() if entry.family == "relation")
pytestmark = pytest.mark.usefixtures("one_thread")


def masked_method(name: str) -> tuple[Relating, list[Any]]:
    torch.manual_seed(0)
    cls, plan = method_class(name), PROBES[name]
    posts = list(controlled("train", ControlledConfig(task=plan.task, size=4, seed=1)))
    # ISE's nodes are words by themselves: something must read the sentence.
    more = {"with_text": True} if name == "ise-mre" else {}
    config = cls.Config(**{**plan.config, **more, "mask_mentions": True})
    method = cast(Relating, cls.build(config, LabelSpace.of(posts)))
    method.study(posts, Supplier())
    return method.eval(), posts


def batch_of(method: Relating, posts: list[Any]) -> Batch:
    supplier = Supplier()
    return method.collate(
        [
            method.prepare(without_gold(post, method.given), supplier(post, method.needs()))
            for post in posts
        ]
    )


@pytest.mark.parametrize("name", RELATIONS)
def test_a_piece_stands_for_each_mention(name: str, tmp_path: Path) -> None:
    method, posts = masked_method(name)
    batch = batch_of(method, posts)
    ids = batch.inputs["input_ids"]
    assert method.masks is not None
    head, tail = method.masks
    assert (ids == head).sum(1).eq(1).all()
    # The tail of MORE's facts is an object, which no piece of the title names.
    assert (ids == tail).sum(1).eq(0 if name == "moreformer" else 1).all()
    for row, ends in zip(ids.tolist(), batch.inputs["ends"].tolist(), strict=True):
        assert row[ends[0] + 1] == head
    with torch.no_grad():
        scores = method(batch).scores["logits"]
    assert scores.isfinite().all()
    save_method(method, tmp_path / "c")
    loaded = cast(Relating, load_method(tmp_path / "c"))
    assert loaded.masks == method.masks
    with torch.no_grad():
        again = loaded(batch_of(loaded, posts)).scores["logits"]
    assert torch.allclose(scores, again, atol=1e-5)


def test_where_nothing_reads_the_sentence_there_is_nothing_to_hide() -> None:
    with pytest.raises(ConfigError, match="which nothing reads here"):
        IseMreConfig(mask_mentions=True)
    assert IseMreConfig(mask_mentions=True, node_text="context").mask_mentions
