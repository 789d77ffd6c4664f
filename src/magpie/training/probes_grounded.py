"""Tiny settings under which grounded methods are probed, by method.

Regions are the patches of the drawn pictures, described by thumbnails: no detector is needed.
"""

from __future__ import annotations

from typing import Any

from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig
from magpie.training.probe_plan import Probe

__all__ = ["GROUNDED"]

GROUNDED: dict[str, Probe] = {}

# Entity-aware visual grounding, by itself and behind four taggers.
_EVG: dict[str, Any] = {
    "text": "tiny-bert",
    "source": "blobs",
    "count": 6,
    "width": 768,
    # Thumbnails are numbers up to 1; shared among a picture's regions they would be tiny.
    "normalise": False,
    "deviation": 0.12,
    "dropout": 0.0,
}
_GVATT: dict[str, Any] = {
    "text": "tiny-words",
    "image": "pixels",
    "vision": "tiny-resnet",
    "freeze_vision": False,
    "letter_width": 8,
    "letter_hidden": 8,
    "hidden": 32,
    "attention_width": 24,
    "dropout": 0.0,
}
_LOOP = LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05))
GROUNDED["gvatt"] = Probe(
    config=_GVATT,
    train=800,
    loop=LoopConfig(epochs=20, batch=16, optimiser=OptimiserConfig(rate=4e-3, warmup=0.05)),
)
GROUNDED["evg"] = Probe(task="gmner", config=_EVG, train=800, test=200, loop=_LOOP)
# Both parts learn in one loop: they share no weight, so it is as if each had its own.
GROUNDED["gvatt-evg"] = Probe(
    task="gmner",
    config={"tagger": _GVATT, "grounder": _EVG},
    train=800,
    test=200,
    loop=LoopConfig(epochs=16, batch=16, optimiser=OptimiserConfig(rate=3e-3, warmup=0.05)),
)
GROUNDED["umt-evg"] = Probe(
    task="gmner",
    test=200,
    config={
        "tagger": {
            "text": "tiny-bert",
            "visual": "pixels",
            "vision": "tiny-vit",
            "freeze_vision": False,
            "dropout": 0.0,
            "drop_image": 0.0,
            "deviation": 0.12,
        },
        "grounder": _EVG,
    },
    loop=LoopConfig(epochs=12, batch=16, optimiser=OptimiserConfig(rate=1e-3, warmup=0.1)),
)
GROUNDED["umgf-evg"] = Probe(
    task="gmner",
    train=800,
    test=200,
    config={
        "tagger": {
            "text": "tiny-bert",
            "vision": "tiny-resnet",
            "objects": "whole",
            "object_count": 1,
            "object_width": 64,
            "width": 64,
            "heads": 4,
            "inner": 64,
            "layers": 2,
            "dropout": 0.0,
            "reduction": "mean",
        },
        "grounder": _EVG,
    },
    loop=_LOOP,
)
GROUNDED["ita-evg"] = Probe(
    task="gmner",
    train=800,
    test=200,
    config={
        "tagger": {
            "text": "tiny-bert",
            "parts": ("captions",),
            "captions": ("controlled",),
            "word_dropout": 0.0,
        },
        "grounder": _EVG,
    },
    loop=LoopConfig(epochs=12, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# Names are copied letter by letter, so sentences are long; from scratch all the same.
GROUNDED["tiger"] = Probe(
    task="gmner",
    config={
        "seq2seq": "tiny-t5",
        "types": "coarse",
        "source": "blobs",
        "region_count": 6,
        "feature_width": 768,
        "normalise": False,
        "source_length": 24,
        "target_length": 48,
        "dropout": 0.0,
    },
    train=800,
    loop=_LOOP,
)

# Entities, types and regions as one sequence of indices.
GROUNDED["h-index"] = Probe(
    task="gmner",
    config={
        "seq2seq": "tiny-bart",
        "source": "blobs",
        "region_count": 6,
        "feature_width": 768,
        "normalise": False,
        "dropout": 0.0,
        "region_dropout": 0.0,
        "backbone_dropout": 0.0,
    },
    train=800,
    loop=LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)

# Procedures: four glyphs a picture, with clutter that touches them, so more regions than glyphs.
GROUNDED["seq-gmper"] = Probe(
    task="procedure",
    config={
        "text": "tiny-bert",
        "source": "blobs",
        "region_count": 8,
        "feature_width": 768,
        "normalise": False,
        "width": 64,
        "heads": 4,
        # Not the default: what it was tried with.
        "scaled": True,
        "dropout": 0.0,
        "head_rate": 3e-3,
    },
    train=800,
    test=200,
    # With 3e-3 for the encoder, too, the loss of the regions stays where it begins.
    loop=LoopConfig(epochs=26, batch=32, optimiser=OptimiserConfig(rate=2e-4, warmup=0.05)),
)
