"""Folders of the public code's numbers: their tensors, and tiny parts rebuilt from manifests."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from magpie.backbones import TextEncoder
from magpie.backbones.tiny import tiny_tokenizer
from magpie.methods.base import Batch, Method

__all__ = ["Folder", "bert", "check_gradients", "norms_and_gradients", "relative", "shown"]


class Folder:
    """Manifest and tensors of one folder; ``fixed`` is empty where there is no such file."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.manifest = json.loads((path / "manifest.json").read_text("utf-8"))
        self.config: dict[str, Any] = self.manifest["config"]
        self.weights, self.inputs, self.outputs = (
            load_file(path / f"{name}.safetensors") for name in ("weights", "inputs", "outputs")
        )
        fixed = path / "outputs_fixed.safetensors"
        self.fixed = load_file(fixed) if fixed.is_file() else {}


def bert(config: Mapping[str, Any]) -> TextEncoder:
    """The text encoder of a manifest's ``bert`` entry, without dropout."""
    assert config["activation"] == "gelu (erf)"
    sizes = BertConfig(
        vocab_size=config["vocab"],
        hidden_size=config["hidden"],
        num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"],
        intermediate_size=config["ffn"],
        max_position_embeddings=config["max_positions"],
        layer_norm_eps=config["layer_norm_eps"],
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return TextEncoder(BertModel(sizes), tiny_tokenizer(), "stored")


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest value of the stored tensor."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours.detach() - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))


def norms_and_gradients(
    stored: Mapping[str, Tensor], prefix: str, method: nn.Module, names: Mapping[str, str]
) -> dict[str, float]:
    """Differences of every ``<prefix>grad_norm.*`` and ``<prefix>grad.*``, or with a slash for
    the point; backward ran before."""
    parameters = dict(method.named_parameters())
    found = {}
    for key, value in stored.items():
        for kind in ("grad_norm.", "grad.", "grad_norm/", "grad/"):
            if key.startswith(prefix + kind):
                gradient = parameters[names[key.removeprefix(prefix + kind)]].grad
                assert gradient is not None, key
                ours = gradient.norm() if "norm" in kind else gradient
                found[key] = relative(ours, value)
    return found


def shown(what: str, values: Mapping[str, float]) -> None:
    """With MAGPIE_PARITY_REPORT set, the largest figure of a group, for the method's page."""
    if os.environ.get("MAGPIE_PARITY_REPORT"):
        worst = max(values, key=values.__getitem__)
        print(f"\n{what}: {len(values)} values, largest {values[worst]:.1e} ({worst})")


def check_gradients(
    method: Method,
    batch: Batch,
    names: Mapping[str, str],
    theirs: Mapping[str, Tensor],
    what: str,
    tolerance: float = 1e-3,
) -> None:
    """Gradients and their norms after one backward pass while training, all within a tolerance.

    Args:
        method, batch: whose loss is taken.
        names: public name -> ours.
        theirs: stored outputs, of which only gradients are read; at least one.
        what: for :func:`shown`.
        tolerance: of the largest difference, over the largest stored number of each.
    """
    method.train()
    method.zero_grad()
    method(batch).loss.backward()
    values = norms_and_gradients(theirs, "", method, names)
    assert values
    shown(what, values)
    assert max(values.values()) < tolerance, values
    method.eval()
