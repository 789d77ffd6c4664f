"""Relation methods beside the public code: the same weights and facts, equal results, then rounds.

Ours is timed with its defaults, which hide padding and so need none, and ``as_published``, where
padding is seen and every text has the published length; where posts have several facts also both
ways with ``whole_posts``, a document a post in place of a row a fact.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from benchmarks.training import public
from benchmarks.training.twins import BERT, NAMES, _settle, _text
from benchmarks.training.work import facts
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from magpie.backbones import VisionEncoder
from magpie.backbones.torchvision_names import resnet_from_torchvision
from magpie.corpora.posts import whole_posts
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.methods.base import Batch, Method
from magpie.methods.labels import LabelSpace
from magpie.methods.relation.camim import Camim, CamimConfig
from magpie.methods.relation.moreformer import Moreformer, MoreformerConfig
from magpie.training.examples import Examples
from magpie.training.loop import LoopConfig, Step, Trainer
from magpie.training.optimisers import OptimiserConfig
from magpie.vision import PixelSpec

__all__ = ["RELATIONS", "RelationTwins", "measured"]

#: 21 and 23 in the releases; it decides nothing
_KINDS = 21
_LABELS = LabelSpace(
    relation_types=("none", *(f"r{n}" for n in range(1, _KINDS))), null_relation="none"
)
#: largest relative difference that single precision through a dozen layers may leave
_TOLERANCE = 1e-3


class RelationTwins(ABC):
    """Ours and theirs, with equal weights until the first step.

    Attributes:
        names: their parameters -> ours, those that take part.
        published: settings of ours that make it the public code's.
    """

    name: ClassVar[str]
    settings: ClassVar[OptimiserConfig]
    published: ClassVar[dict[str, bool]]
    #: whether facts have an object in the place of the second mention
    objects: ClassVar[bool]
    #: facts a post, in turn; where posts have several, ours is also timed with whole posts
    pairs: ClassVar[tuple[int, ...]] = (1,)
    ours: Method
    theirs: nn.Module
    names: dict[str, str]
    optimiser: torch.optim.Optimizer

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Theirs, of a batch that ours collated as published."""

    def publish(self, on: bool) -> None:
        """Makes ours behave as the public code, or as it does by default."""
        for name, value in self.published.items():
            object.__setattr__(self.ours.config, name, value if on else not value)

    def exact(self, batch: Batch) -> Batch:
        """A batch of ours in which nothing but what is compared differs."""
        return batch

    def shared(self, batch: Batch) -> bool:
        """Runs and undoes what both sides compute with the same kernels; false: not separable."""
        return False


class MoreformerTwins(RelationTwins):
    """BERT and CLIP side by side, ten objects a picture."""

    name = "moreformer"
    settings = OptimiserConfig(rate=1e-5, warmup=0.06, clip=0.0)
    published: ClassVar[dict[str, bool]] = {"legacy_no_mask": True}
    objects = True

    def __init__(self, folder: Path) -> None:
        sizes = {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "patch_size": 32,
            "image_size": 64,
        }
        clip = CLIPVisionConfig(**sizes)
        vision = VisionEncoder(CLIPVisionModel(clip), "random", PixelSpec(side=64))
        config = MoreformerConfig(
            captions=("note",), depth="tiny-depth", depth_scale=-0.4, depth_shift=1.0,
            legacy_no_mask=True,
        )  # fmt: skip
        self.ours: Moreformer = Moreformer(config, _LABELS, _text(), vision)
        eager = CLIPVisionConfig(**sizes)
        self.theirs = public.moreformer(folder, BERT, eager, _KINDS, self.ours.markers)
        # Published, the table is enlarged for the markers and forgets which row is padding.
        words: Any = self.theirs.model.text_embeddings.word_embeddings  # type: ignore[union-attr]
        words.padding_idx = None
        first = self.ours.lockstep.fusion_start
        state = {n: v for n, v in self.theirs.state_dict().items() if "position_ids" not in n}
        named = {n: NAMES.moreformer_name(n, first) for n in state}
        self.names = {n: ours for n, ours in named.items() if ours is not None}
        own = "backbones.vision.model.embeddings.position_embedding.weight"
        weights = {ours: state[name] for name, ours in self.names.items()}
        self.ours.load_state_dict({**weights, own: self.ours.state_dict()[own]})
        group = [p for n, p in self.theirs.named_parameters() if "model" in n]
        self.optimiser = torch.optim.AdamW(group, lr=1e-5, weight_decay=1e-2)

    def loss(self, batch: Batch) -> Tensor:
        i = batch.inputs
        missing = self.ours.config.object_slots - i["pixels"].shape[1]
        crops = torch.cat([i["pixels"], i["depth"]], 2)
        found: Tensor = self.theirs(
            input_ids=i["input_ids"],
            attention_mask=i["attention_mask"],
            token_type_ids=i["token_type_ids"],
            labels=batch.targets["relations"],
            ent_imgs=functional.pad(crops, (0, 0, 0, 0, 0, 0, 0, missing)),
            ent_idx=i["tail"],
            position=functional.pad(i["places"], (0, 0, 0, missing)),
        )[0]
        return found


class CamimTwins(RelationTwins):
    """Two BERTs and a ResNet-50 that is trained, two pictures with three objects each."""

    name = "camim"
    settings = OptimiserConfig(name="bert-adam", rate=2e-5, warmup=0.05, clip=0.0)
    published: ClassVar[dict[str, bool]] = {
        "legacy_no_mask": True,
        "legacy_swap": True,
        "mask_padding": False,
    }
    objects = False
    #: MNRE 2 trains with 12,247 facts of 7,356 posts, 1.66 a post; most have one, then come three
    pairs = (1, 1, 3)

    def __init__(self, folder: Path) -> None:
        config = CamimConfig(
            captions=("note",), objects="whole", generated_objects="whole", phrases=()
        )
        self.theirs = public.camim(folder, BERT, _KINDS, config.max_length)
        encoder: Any = self.theirs.sentence_encoder
        grid = encoder.model_resnet50
        _settle(grid, lambda: grid.forward_features(torch.randn(4, 3, 224, 224)))
        state = self.theirs.state_dict()
        prefix = "sentence_encoder.model_resnet50."
        vision = resnet_from_torchvision(state, prefix=prefix)
        self.ours: Camim = Camim(config, _LABELS, _text(), _text(), vision)
        images = NAMES.resnet_map(vision, prefix)
        self.names = {}
        for name in state:
            ours = images.get(name) if name.startswith(prefix) else NAMES.camim_name(name)
            if ours is not None and not name.endswith("position_ids"):
                self.names[name] = ours
        mine = self.ours.state_dict()
        weights = {ours: state[name] for name, ours in self.names.items()}
        rest = {n: v for n, v in mine.items() if n not in weights}
        assert all(".pooler." in n or "num_batches" in n for n in rest), sorted(rest)
        self.ours.load_state_dict({**rest, **weights})
        plain = ("bias", "LayerNorm.bias", "LayerNorm.weight")
        groups: list[dict[str, Any]] = [{"params": [], "weight_decay": w} for w in (0.01, 0.0)]
        for name, parameter in self.theirs.named_parameters():
            groups[any(part in name for part in plain)]["params"].append(parameter)
        # Their AdamW without bias correction is gone from transformers; torch's is no slower.
        self.optimiser = torch.optim.AdamW(groups, lr=2e-5)

    def publish(self, on: bool) -> None:
        super().publish(on)
        self.ours.aware.swap = on

    def exact(self, batch: Batch) -> Batch:
        batch.inputs["phrase_mask"] = torch.ones_like(batch.inputs["phrase_mask"])
        return batch

    def shared(self, batch: Batch) -> bool:
        self.ours.train()
        self.ours.image_rows(batch).sum().backward()
        self.ours.zero_grad(set_to_none=True)
        return True

    def loss(self, batch: Batch) -> Tensor:
        i = batch.inputs
        rest = self.ours.config.max_length - i["input_ids"].shape[1]
        objects = i["objects"].flatten(2, 2)
        logits, _, mutual = self.theirs(
            functional.pad(i["input_ids"], (0, rest)),
            functional.pad(i["attention_mask"], (0, rest)),
            i["ends"][:, :1],
            i["ends"][:, 1:],
            i["phrase_ids"],
            torch.ones_like(i["phrase_ids"]),
            i["pictures"][:, 1],
            i["pictures"][:, 0],
            objects[:, 1].flatten(0, 1),
            objects[:, 0].flatten(0, 1),
            i["scores"].flip(2).flatten(1),
            i["caption_ids"],
            torch.zeros_like(i["caption_ids"]),
            i["caption_mask"],
        )
        loss = functional.cross_entropy(logits, batch.targets["relations"])
        return loss + self.ours.config.alpha * mutual


RELATIONS: dict[str, type[RelationTwins]] = {cls.name: cls for cls in (CamimTwins, MoreformerTwins)}


def measured(name: str, folder: Path, store: Path, count: int, size: int, rounds: int) -> Any:
    """Equality, then times, of one method.

    Args:
        name: of :data:`RELATIONS`.
        folder: of the public repositories.
        store: a folder for our features.
        count: facts.
        size: facts a batch.
        rounds: that alternate.
    """
    twins = RELATIONS[name](folder)
    documents = facts(
        count, objects=twins.objects, seed=1, kinds=_LABELS.relation_types, pairs=twins.pairs
    )
    supplier = Supplier(store=Store(store))
    examples = Examples(twins.ours, documents, supplier)
    equal = _compared(twins, examples, list(range(size)))
    config = LoopConfig(epochs=10**6, batch=size, optimiser=twins.settings)
    trainer = Trainer(twins.ours, examples, config)
    steps = trainer.steps()
    order = random.Random(0)

    def ours(published: bool, taken: Iterator[Step]) -> None:
        twins.publish(published)
        twins.ours.train()
        next(taken)

    def theirs() -> None:
        rows = order.sample(range(count), size)
        twins.publish(True)
        batch = twins.exact(examples.batch(rows))
        twins.theirs.train()
        loss = twins.loss(batch)
        loss.item()
        loss.backward()
        twins.optimiser.step()
        twins.optimiser.zero_grad()

    works: dict[str, Callable[[], object]] = {
        "theirs": theirs,
        "ours": lambda: ours(False, steps),
        "ours_as_published": lambda: ours(True, steps),
    }
    turn = sum(twins.pairs)
    if turn > 1 and size % turn == 0 and count % size == 0:
        posts = Examples(twins.ours, whole_posts(documents), supplier)
        of_batch = size // turn * len(twins.pairs)
        for kind, published in (("whole_posts", False), ("whole_posts_as_published", True)):
            equal[kind] = _as_rows(twins, examples, posts, size, of_batch, published=published)
        # In their order, so that a batch of posts has as many facts as one of rows.
        in_order = dataclasses.replace(config, batch=of_batch, bucket=False, shuffle=False)
        other = Trainer(twins.ours, posts, in_order)
        other.optimiser = trainer.optimiser
        together = other.steps()

        works["ours_whole_posts"] = lambda: ours(False, together)
        works["ours_whole_posts_as_published"] = lambda: ours(True, together)
    if twins.shared(examples.batch(list(range(size)))):
        works["shared"] = lambda: twins.shared(examples.batch(order.sample(range(count), size)))
    return {"equal": equal, **_ratios(_timed(works, rounds))}


def _timed(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of every round, in which the works take turns."""
    seconds: dict[str, list[float]] = {kind: [] for kind in works}
    # The first round is not counted: optimisers make their states.
    for number in range(rounds + 1):
        for kind, work in works.items():
            begun = time.process_time()
            work()
            if number:
                seconds[kind].append(time.process_time() - begun)
        print(".", end="", file=sys.stderr, flush=True)
    return seconds


def _ratios(seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    """Medians as steps a second, theirs over ours, and what both compute alike as part of ours."""
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    found: dict[str, Any] = {
        "steps_a_second": {kind: round(1 / value, 4) for kind, value in medians.items()}
    }
    for kind in (kind for kind in seconds if kind.startswith("ours")):
        each = [a / b for a, b in zip(seconds["theirs"], seconds[kind], strict=True)]
        found[f"ratio_{kind}"] = round(medians["theirs"] / medians[kind], 2)
        found[f"ratio_{kind}_of_rounds"] = [round(min(each), 2), round(max(each), 2)]
        if "shared" in medians and "whole_posts" not in kind:  # what is shared is of rows
            found[f"shared_part_of_{kind}"] = round(medians["shared"] / medians[kind], 2)
    return found


def _compared(twins: RelationTwins, examples: Examples, rows: list[int]) -> dict[str, float]:
    """Loss and largest gradient of one batch as published, dropout off, batch norms still.

    Raises:
        AssertionError: a difference above the tolerance.
    """
    twins.publish(True)
    twins.ours.eval()
    twins.theirs.eval()
    batch = twins.exact(examples.batch(rows))
    mine = twins.ours(batch).loss
    mine.backward()
    other = twins.loss(batch)
    other.backward()
    parameters = dict(twins.ours.named_parameters())
    differences = {}
    for name, theirs in twins.theirs.named_parameters():
        ours = twins.names.get(name)
        if ours in parameters and theirs.grad is not None:
            differences[name] = _relative(parameters[ours].grad, theirs.grad)
    trained = {n for n, p in parameters.items() if p.grad is not None}
    assert trained <= {twins.names[name] for name in differences}, "a gradient was not compared"
    twins.ours.zero_grad(set_to_none=True)
    twins.theirs.zero_grad(set_to_none=True)
    found = {
        "loss": _relative(mine.detach(), other.detach()),
        "largest_gradient": max(differences.values()),
        "gradients": len(differences),
    }
    assert max(found["loss"], found["largest_gradient"]) <= _TOLERANCE, (
        found,
        sorted(differences.items(), key=lambda item: -item[1])[:5],
    )
    return found


def _as_rows(
    twins: RelationTwins,
    rows: Examples,
    posts: Examples,
    size: int,
    count: int,
    *,
    published: bool,
) -> dict[str, float]:
    """The same facts as ``size`` rows and as ``count`` posts, with our defaults or as published:
    loss and largest gradient.

    The bound between pictures is left out: whom it has for a rival depends on the batch.

    Raises:
        AssertionError: a difference above the tolerance.
    """
    twins.publish(published)
    twins.ours.eval()
    found = []
    for examples, last in ((rows, size), (posts, count)):
        batch = examples.batch(range(last))
        loss = twins.ours(twins.exact(batch) if published else batch).losses["main"]
        twins.ours.zero_grad(set_to_none=True)
        loss.backward()
        grads = {n: p.grad for n, p in twins.ours.named_parameters() if p.grad is not None}
        found.append((loss.detach(), grads))
    twins.ours.zero_grad(set_to_none=True)
    (one, by_row), (other, by_post) = found
    largest = max(_relative(by_post[name], grad) for name, grad in by_row.items())
    differences = {"loss": _relative(other, one), "largest_gradient": largest}
    assert max(differences.values()) <= _TOLERANCE, differences
    return differences


def _relative(ours: Tensor | None, theirs: Tensor) -> float:
    """Length of the difference over the length of theirs; of nothing where that cancels."""
    gap = float((theirs if ours is None else ours - theirs).norm())
    scale = float(theirs.norm())
    return gap / scale if scale > 1e-5 else gap
