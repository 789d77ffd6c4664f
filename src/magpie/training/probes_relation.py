"""Tiny settings under which relation methods are probed, by method.

Two mentions a post, and a drawing that tells how they relate. Methods that read captions get those
of the controlled corpus, which the probe moves and takes away with the pictures.
"""

from __future__ import annotations

from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig
from magpie.training.probe_plan import Probe

__all__ = ["RELATION"]

RELATION: dict[str, Probe] = {}

# Without eyes: it must reach what the text alone allows, and stay there whatever is shown.
RELATION["bert-re"] = Probe(
    task="mre",
    config={"text": "tiny-bert"},
    train=800,
    loop=LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=1e-3, warmup=0.05)),
)
