"""How a method is probed; the plans themselves stand beside :mod:`magpie.training.probe`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magpie.corpora.controlled import ControlledTask
from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig

__all__ = ["Probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a method is probed: its task and its tiny settings."""

    task: ControlledTask = "ner"
    config: Mapping[str, Any] = field(default_factory=dict)
    train: int = 1600
    test: int = 400
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            epochs=16,
            batch=16,
            optimiser=OptimiserConfig(rate=2e-3, warmup=0.05),
        )
    )
