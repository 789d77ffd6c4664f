"""ResNet weights under torchvision's parameter names, read into transformers' model.

The public weights of several methods, and of ImageNet itself, call the layers ``conv1``,
``layer1.0.conv1``, ``layer1.0.downsample.0`` ...; ours is :class:`transformers.ResNetModel`, which
computes the same function (stride on the 3x3 convolution). Sizes are read from the weights, so a
narrow or a shallow network is taken as well as ResNet-152.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ResNetConfig, ResNetModel

from magpie.backbones.vision import VisionEncoder
from magpie.errors import ModelError
from magpie.vision.pixels import PixelSpec

__all__ = [
    "load_torchvision_file",
    "resnet_config",
    "resnet_from_torchvision",
    "resnet_names",
    "resnet_state",
]

_STAGES = 4
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_HEAD = ("fc.weight", "fc.bias")


def resnet_config(state: Mapping[str, Tensor], *, prefix: str = "") -> ResNetConfig:
    """The sizes that these weights have.

    Args:
        state: weights by torchvision's names.
        prefix: in front of each name, such as ``"image_model.resnet."``.

    Raises:
        ModelError: a layer is absent, or there are not four stages.
    """
    last = "conv3" if f"{prefix}layer1.0.conv3.weight" in state else "conv2"
    found: dict[int, set[int]] = {}
    pattern = re.compile(re.escape(prefix) + r"layer(\d+)\.(\d+)\.conv1\.weight")
    for name in state:
        if match := pattern.fullmatch(name):
            found.setdefault(int(match[1]), set()).add(int(match[2]))
    depths = [len(found.get(stage, ())) for stage in range(1, _STAGES + 1)]
    gaps = any(found[stage] != set(range(len(found[stage]))) for stage in found)
    if gaps or len(found) != _STAGES or 0 in depths:
        raise ModelError(
            f"expected blocks of layer1 to layer4, found {sorted(found)} with depths {depths}",
            code="model-damaged",
            mend="Check the prefix of the names.",
        )
    stem = _tensor(state, f"{prefix}conv1.weight")
    sizes = [
        _tensor(state, f"{prefix}layer{stage}.0.{last}.weight").shape[0]
        for stage in range(1, _STAGES + 1)
    ]
    return ResNetConfig(
        num_channels=stem.shape[1],
        embedding_size=stem.shape[0],
        hidden_sizes=sizes,
        depths=depths,
        layer_type="bottleneck" if last == "conv3" else "basic",
    )


def resnet_names(config: ResNetConfig) -> dict[str, str]:
    """torchvision's name of every weight -> the name in :class:`transformers.ResNetModel`.

    The classifier ``fc`` is no part of it.
    """
    names = {"conv1.weight": "embedder.embedder.convolution.weight"}
    names |= _norm("bn1", "embedder.embedder.normalization")
    width = config.embedding_size
    convolutions = 3 if config.layer_type == "bottleneck" else 2
    depths, sizes = config.depths or (), config.hidden_sizes or ()
    for stage, (depth, size) in enumerate(zip(depths, sizes, strict=True)):
        for block in range(depth):
            theirs = f"layer{stage + 1}.{block}"
            ours = f"encoder.stages.{stage}.layers.{block}"
            for index in range(convolutions):
                place = f"{ours}.layer.{index}"
                names[f"{theirs}.conv{index + 1}.weight"] = f"{place}.convolution.weight"
                names |= _norm(f"{theirs}.bn{index + 1}", f"{place}.normalization")
            # A block has a projection beside it only where its input and output differ in shape.
            if block == 0 and (stage > 0 or width != size):
                names[f"{theirs}.downsample.0.weight"] = f"{ours}.shortcut.convolution.weight"
                names |= _norm(f"{theirs}.downsample.1", f"{ours}.shortcut.normalization")
        width = size
    return names


def resnet_state(
    state: Mapping[str, Tensor], *, prefix: str = "", ignore: Iterable[str] = _HEAD
) -> dict[str, Tensor]:
    """The same tensors under the names of :class:`transformers.ResNetModel`.

    Args:
        state: weights by torchvision's names; those without ``prefix`` are not looked at.
        prefix: in front of each name.
        ignore: names (without prefix) that need no place; the classifier unless told otherwise.

    Raises:
        ModelError: a weight has no place, or a place no weight. The counters of seen batches may
            be absent, as in weights older than torch 0.4.1.
    """
    names = resnet_names(resnet_config(state, prefix=prefix))
    given = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    over = sorted(set(given) - set(names) - set(ignore))
    absent = sorted(n for n in set(names) - set(given) if not n.endswith("num_batches_tracked"))
    if over or absent:
        raise ModelError(
            f"no ResNet of torchvision's layout: {len(over)} weights have no place "
            f"({', '.join(over[:4]) or 'none'}), {len(absent)} are absent "
            f"({', '.join(absent[:4]) or 'none'})",
            code="model-damaged",
            mend="Check the prefix, and that the file holds a plain ResNet.",
        )
    return {names[name]: value for name, value in given.items() if name in names}


def resnet_from_torchvision(
    state: Mapping[str, Tensor],
    *,
    prefix: str = "",
    name: str = "resnet",
    side: int = 224,
    ignore: Iterable[str] = _HEAD,
) -> VisionEncoder:
    """A picture encoder with these weights, in evaluation mode.

    Args:
        state, prefix, ignore: as in :func:`resnet_state`.
        name: for the record.
        side: of the pictures it will read.

    Raises:
        ModelError: see :func:`resnet_config` and :func:`resnet_state`.
    """
    renamed = resnet_state(state, prefix=prefix, ignore=ignore)
    with torch.random.fork_rng(devices=[]):
        model = ResNetModel(resnet_config(state, prefix=prefix))
    own = model.state_dict()
    for key, value in renamed.items():
        if own[key].shape != value.shape:
            raise ModelError(
                f"{key}: expected the shape {tuple(own[key].shape)}, got {tuple(value.shape)}",
                code="model-damaged",
                mend="Networks of other block shapes (wide, grouped) are not read.",
            )
    model.load_state_dict({**own, **renamed})
    return VisionEncoder(model.eval(), name, PixelSpec(side=side, fit="crop"))


def load_torchvision_file(path: Path, *, side: int = 224) -> VisionEncoder:
    """A weight file, ``.safetensors`` or ``.pth``; Python objects in the latter are refused.

    Raises:
        ModelError: it is no readable weight file, or no ResNet.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the two readers raise for damaged files
        raise ModelError(
            f"no readable weight file: {error}",
            code="model-damaged",
            where=str(path),
            mend="Expected torchvision's ResNet weights as .safetensors or .pth.",
        ) from error
    if not isinstance(state, Mapping):
        raise ModelError("the file holds no weights by name", code="model-damaged", where=str(path))
    try:
        return resnet_from_torchvision(state, name=str(path), side=side)
    except ModelError as error:
        raise error.at(str(path)) from None


def _norm(theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}.{part}": f"{ours}.{part}" for part in _NORM}


def _tensor(state: Mapping[str, Tensor], name: str) -> Tensor:
    found = state.get(name)
    if found is None:
        raise ModelError(f"the weight {name} is absent", code="model-damaged")
    return found
