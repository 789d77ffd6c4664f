"""From a trained tagger to the three files that ship."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from magpie._io import atomic_write, dump_json, file_digest
from magpie.corpora.fmnerg import COARSE_8
from magpie.engine.embedded.decode import Chain
from magpie.engine.embedded.features import SPEC
from magpie.training.embedded.batches import Item, inputs_of
from magpie.training.embedded.graph import build_graph
from magpie.training.embedded.network import Tagger
from magpie.training.embedded.runtime import (
    Runtime,
    constraint_helps,
    fine_cases,
    fit_fine,
    fit_score_temperature,
)
from magpie.training.embedded.settings import HEADS, LABELS

__all__ = ["calibrate_ranges", "export"]

log = logging.getLogger(__name__)

#: release of the shipped model; raise it with every retraining
VERSION = "2"

_KEPT = 0.99995
_BATCH = 32


@torch.no_grad()
def calibrate_ranges(tagger: Tagger, items: Sequence[Item]) -> dict[str, tuple[float, float]]:
    """Range of the values that enter each product of the encoder, outliers cut.

    Of every batch the outermost 0.005 % of values are ignored; over batches the widest range wins.
    """
    found: dict[str, tuple[float, float]] = {}
    real: list[Tensor] = []

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            values = arguments[0].float()[real[0]].flatten()
            cut = max(1, int(values.numel() * (1 - _KEPT)))
            high = values.topk(cut).values[-1].item()
            low = -(-values).topk(cut).values[-1].item()
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])

        return hook

    tagger.eval()
    handles = [
        module.register_forward_pre_hook(watch(f"encoder.{name}"))
        for name, module in tagger.encoder.named_modules()
        if isinstance(module, nn.Linear)
    ]
    for begin in range(0, len(items), _BATCH):
        inputs, _ = inputs_of(items[begin : begin + _BATCH])
        real[:] = [inputs["attention_mask"] > 0]
        tagger(inputs)
    for handle in handles:
        handle.remove()
    return found


def export(
    tagger: Tagger,
    folder: Path,
    *,
    calibration: Sequence[Item],
    dev: Mapping[str, Sequence[Item]],
    fine_dev: Sequence[Item],
    fine_types: Sequence[tuple[str, str]],
    tokenizer: str,
    training: Mapping[str, Any],
    max_pieces: int,
) -> dict[str, Any]:
    """Writes ``model.onnx``, ``tokenizer.json``, ``config.json`` (and the float graph beside).

    Args:
        tagger: without list inputs.
        folder: made if absent.
        calibration: training items, for the activation ranges.
        dev: development items, for the score temperature.
        fine_dev: development items with fine types.
        fine_types: name and upper type, in the order of the fine head.
        tokenizer: the tokenizer as JSON.
        training: what is told about the data and the recipe.
        max_pieces: of the featuriser.

    Returns:
        The configuration as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.float().numpy() for name, value in tagger.state_dict().items()}
    size = tagger.encoder.size
    sizes: dict[str, Any] = {"layers": size.layers, "heads": size.heads, "labels": len(LABELS)}
    longest = min(256, size.positions)
    head = HEADS["twitter"]
    build_graph(
        state, folder / "model-float.onnx", mode="float", longest=longest, head=head, **sizes
    )
    build_graph(
        state,
        folder / "model.onnx",
        mode="int8",
        ranges=calibrate_ranges(tagger, calibration),
        longest=longest,
        head=head,
        **sizes,
    )
    atomic_write(folder / "tokenizer.json", tokenizer)
    chain = Chain(*(state[f"chain.{name}"] for name in ("start", "transitions", "end")))
    constrain = constraint_helps(folder / "model.onnx", chain, dev)
    runtime = Runtime(folder / "model.onnx", chain.constrained(LABELS) if constrain else chain)
    everything = [item for items in dev.values() for item in items]
    parents = np.array([COARSE_8[upper] for _, upper in fine_types])
    fine_temperature, fine_threshold = fit_fine(fine_cases(runtime, fine_dev), parents)
    config = {
        "version": VERSION,
        "spec": SPEC,
        "labels": list(LABELS),
        "start": chain.start.tolist(),
        "transitions": chain.transitions.tolist(),
        "end": chain.end.tolist(),
        "constrain_bio": constrain,
        "score": "mean_marginal",
        "score_temperature": round(fit_score_temperature(runtime, everything), 3),
        "fine_types": [
            {"name": name, "upper": upper, "type": COARSE_8[upper]} for name, upper in fine_types
        ],
        "fine_temperature": round(fine_temperature, 3),
        "fine_threshold": fine_threshold,
        "max_pieces": max_pieces,
        "training": dict(training),
        "files": {n: file_digest(folder / n) for n in ("model.onnx", "tokenizer.json")},
    }
    atomic_write(folder / "config.json", dump_json(config, indent=1) + "\n")
    return config
