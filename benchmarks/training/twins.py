"""Pairs of networks with the same random weights: the public code's and ours."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from benchmarks.training import public
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.backbones.tiny import tiny_tokenizer
from magpie.backbones.torchvision_names import resnet_from_torchvision
from magpie.features import Crops, Pixels
from magpie.features.grid import GridSource, grid_of
from magpie.features.pixels import CropSource, PixelSource
from magpie.features.pyramid import PyramidSource, pyramid_of
from magpie.features.source import Pictures, Source
from magpie.methods.base import Batch, Method
from magpie.methods.labels import LabelSpace
from magpie.methods.ner.hvpnet import Hvpnet, HvpnetConfig
from magpie.methods.ner.mkgformer import Mkgformer, MkgformerConfig
from magpie.methods.ner.umt import Umt, UmtConfig
from magpie.training.optimisers import OptimiserConfig
from magpie.vision import PixelSpec

__all__ = ["TWINS", "Twins", "padded"]

LABELS = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
BERT = BertConfig(vocab_size=30522)
CLIP = CLIPVisionConfig(
    hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
)
SPEC = PixelSpec(side=224, fit="crop")
TAGS = 13
#: what every batch of ours holds by piece
_BY_PIECE = ("input_ids", "attention_mask")


def _names() -> ModuleType:
    """The tests' maps of names; a path, because tests are no package that can be imported."""
    place = Path(__file__).parents[2] / "tests" / "methods" / "public_names.py"
    spec = importlib.util.spec_from_file_location("public_names", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = _names()


class Twins(ABC):
    """Ours and theirs.

    Attributes:
        ours, theirs: in training mode, with equal weights until the first step.
        names: their trainable parameters -> ours.
        settings: of our optimiser, those of the recipe.
        optimiser: theirs.
    """

    name: ClassVar[str]
    #: pictures of a post
    pictures: ClassVar[int]
    ours: Method
    theirs: nn.Module
    names: dict[str, str]
    settings: ClassVar[OptimiserConfig] = OptimiserConfig(rate=3e-5, warmup=0.01, clip=0.0)
    optimiser: torch.optim.Optimizer
    #: whether a frozen encoder's features are cached
    cached: ClassVar[bool] = True

    @abstractmethod
    def seen(self, supply: Callable[..., Any], documents: Sequence[Any]) -> dict[str, Tensor]:
        """What their network reads of the pictures of these documents."""

    @abstractmethod
    def loss(self, batch: Batch, seen: dict[str, Tensor], tags: Tensor) -> Tensor:
        """Theirs, of a batch as ours reads it."""

    @abstractmethod
    def paths(self, batch: Batch, seen: dict[str, Tensor]) -> list[list[int]]:
        """Their best paths."""

    def fresh(self, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        """The inputs of ours that are cached, computed now."""
        return {}

    def sources(self) -> list[Source]:
        """Who supplies our network's needs beside the usual sources."""
        return []

    def still(self) -> None:
        """Their frozen batch norms use running statistics: only then do the two compare."""
        return


def _text() -> TextEncoder:
    return TextEncoder(BertModel(BERT), tiny_tokenizer(), "random")


def padded(batch: Batch, length: int, pad: int = 0) -> Batch:
    """The same batch with ``length`` pieces a row, as the public code has every batch."""
    inputs = {
        name: functional.pad(value, (0, length - value.shape[1]), value=pad)
        if name in _BY_PIECE
        else value
        for name, value in batch.inputs.items()
    }
    targets = {
        name: functional.pad(value, (0, length - value.shape[1]))
        for name, value in batch.targets.items()
    }
    return Batch(batch.examples, inputs, targets)


@torch.no_grad()
def _settle(norms: nn.Module, run: Callable[[], Any]) -> None:
    """Random ResNets need statistics of their own, or their values grow from block to block."""
    layers = [m for m in norms.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in layers:
        layer.momentum = 1.0
    norms.train()
    run()
    for layer in layers:
        layer.momentum = 0.1
    norms.eval()


def _pixels(supply: Callable[..., Any], documents: Sequence[Any], need: Any) -> Tensor:
    rows = [supply(document, {need})[need].arrays["pixels"] for document in documents]
    return torch.stack([torch.from_numpy(row) for row in rows])


class UmtTwins(Twins):
    """Six layers of attention on BERT, two chains, ResNet-152."""

    name = "umt"
    pictures = 1
    settings = OptimiserConfig(
        name="bert-adam", rate=5e-5, warmup=0.1, schedule="bert", clip_each=True, eps=1e-6
    )

    def __init__(self, folder: Path) -> None:
        config = UmtConfig(missing="zeros", drop_image=0.0)
        self.ours: Umt = Umt(config, LABELS, _text())
        self.span_tags = len(self.ours.span_names)
        made = public.umt(folder, BERT, TAGS, self.span_tags)
        self.theirs, self.encoder = made.model, made.encoder
        _settle(self.encoder, lambda: self.encoder(torch.randn(4, 3, 224, 224)))
        state = self.theirs.state_dict()
        self.names = {name: NAMES.umt_name(name) for name in state}
        self.ours.load_state_dict({self.names[name]: value for name, value in state.items()})
        self.vision = resnet_from_torchvision(self.encoder.resnet.state_dict())
        plain = ("bias", "LayerNorm.bias", "LayerNorm.weight")
        groups: list[dict[str, Any]] = [
            {"params": [], "weight_decay": 0.01},
            {"params": [], "weight_decay": 0.0},
        ]
        for name, parameter in self.theirs.named_parameters():
            groups[any(part in name for part in plain)]["params"].append(parameter)
        self.optimiser = made.adam(groups, lr=5e-5, warmup=0.1, t_total=100000)

    def sources(self) -> list[Source]:
        return [GridSource(Pictures(), load=lambda *_, **__: self.vision)]

    def still(self) -> None:
        self.encoder.eval()

    def seen(self, supply: Callable[..., Any], documents: Sequence[Any]) -> dict[str, Tensor]:
        return {"pixels": _pixels(supply, documents, Pixels(SPEC))}

    def fresh(self, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"image": grid_of(self.vision, seen["pixels"], 7)}

    def _arguments(self, batch: Batch, seen: dict[str, Tensor]) -> tuple[Any, ...]:
        ids, mask = (batch.inputs[name] for name in _BY_PIECE)
        with torch.no_grad():
            _, _, grid = self.encoder(seen["pixels"])
        with_cells = functional.pad(mask, (49, 0), value=1)
        return ids, torch.zeros_like(ids), mask, with_cells, grid, self.ours.conversion

    def loss(self, batch: Batch, seen: dict[str, Tensor], tags: Tensor) -> Tensor:
        spans = self.ours.span_targets(tags)
        found: Tensor = self.theirs(*self._arguments(batch, seen), tags, spans)
        return found

    def paths(self, batch: Batch, seen: dict[str, Tensor]) -> list[list[int]]:
        found: list[list[int]] = self.theirs(*self._arguments(batch, seen))
        return found


def _adamw(model: nn.Module) -> torch.optim.Optimizer:
    """As both of Zhejiang's repositories set it up; frozen weights never have a gradient."""
    head = [p for n, p in model.named_parameters() if n.startswith(("crf.", "fc."))]
    own = {id(p) for p in head}
    rest = [p for p in model.parameters() if id(p) not in own and p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": rest, "lr": 3e-5}, {"params": head, "lr": 5e-2}]
    return torch.optim.AdamW(groups, weight_decay=0.01)


class HvpnetTwins(Twins):
    """BERT with a prefix from four pictures through ResNet-50."""

    name = "hvpnet"
    pictures = 4

    def __init__(self, folder: Path) -> None:
        self.theirs = public.hvpnet(folder, BERT, TAGS)
        images = self.theirs.image_model
        _settle(images, lambda: images(torch.randn(4, 3, 224, 224)))
        images.requires_grad_(False)
        state = self.theirs.state_dict()
        self.vision = resnet_from_torchvision(state, prefix="image_model.resnet.")
        self.ours: Hvpnet = Hvpnet(HvpnetConfig(encoder="cached", missing="zeros"), LABELS, _text())
        names = NAMES.hvpnet_names(state, self.vision)
        self.names = {n: o for n, o in names.items() if not o.startswith("backbones.vision.")}
        weights = {ours: state[name] for name, ours in self.names.items()}
        self.ours.load_state_dict({**weights, "absent_maps": self.ours.absent_maps})
        self.optimiser = _adamw(self.theirs)

    def sources(self) -> list[Source]:
        pictures = Pictures()
        pixels, crops = PixelSource(pictures), CropSource(pictures)
        return [PyramidSource(pixels, crops, load=lambda *_, **__: self.vision)]

    def still(self) -> None:
        self.theirs.image_model.eval()

    def seen(self, supply: Callable[..., Any], documents: Sequence[Any]) -> dict[str, Tensor]:
        return {
            "images": _pixels(supply, documents, Pixels(SPEC)),
            "aux_imgs": _pixels(supply, documents, Crops("media", 3, SPEC)),
        }

    def fresh(self, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        pictures = torch.cat([seen["images"].unsqueeze(1), seen["aux_imgs"]], 1)
        maps = pyramid_of(self.vision, pictures.flatten(0, 1))
        return {"maps": maps.unflatten(0, pictures.shape[:2])}

    def loss(self, batch: Batch, seen: dict[str, Tensor], tags: Tensor) -> Tensor:
        found: Tensor = self._run(batch, seen, tags).loss
        return found

    def paths(self, batch: Batch, seen: dict[str, Tensor]) -> list[list[int]]:
        found: list[list[int]] = self._run(batch, seen, None).logits
        return found

    def _run(self, batch: Batch, seen: dict[str, Tensor], tags: Tensor | None) -> Any:
        ids, mask = (batch.inputs[name] for name in _BY_PIECE)
        return self.theirs(ids, mask, torch.zeros_like(ids), tags, **seen)


class MkgformerTwins(Twins):
    """BERT and CLIP side by side, both trained: nothing can be cached."""

    name = "mkgformer"
    pictures = 4
    cached = False

    def __init__(self, folder: Path) -> None:
        self.theirs = public.mkgformer(folder, BERT, CLIP, TAGS)
        vision = VisionEncoder(CLIPVisionModel(CLIP), "random", PixelSpec(side=224))
        config = MkgformerConfig(grounded="media", detector="media")
        self.ours: Mkgformer = Mkgformer(config, LABELS, _text(), vision)
        state = self.theirs.state_dict()
        self.names = {n: NAMES.mkgformer_name(n) for n in state if not n.endswith("position_ids")}
        self.ours.load_state_dict({ours: state[name] for name, ours in self.names.items()})
        self.optimiser = _adamw(self.theirs)

    def seen(self, supply: Callable[..., Any], documents: Sequence[Any]) -> dict[str, Tensor]:
        towers = self.ours.towers
        return {
            # Its sizes are all that is read of the whole picture.
            "images": torch.zeros(len(documents), 1),
            "aux_imgs": _pixels(supply, documents, towers.grounded),
            "rcnn_imgs": _pixels(supply, documents, towers.detector),
        }

    loss = HvpnetTwins.loss
    paths = HvpnetTwins.paths
    _run = HvpnetTwins._run


TWINS: dict[str, type[Twins]] = {cls.name: cls for cls in (UmtTwins, HvpnetTwins, MkgformerTwins)}
