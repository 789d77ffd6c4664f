"""The loop: a generator of steps without any input or output of its own.

::

    for step in train(method, examples, settings):
        log(step)

Printing, saving, scoring and stopping are written by the caller. In several processes
(``accelerate launch``) every batch is ``processes`` times as large and shared among them: two
processes with a batch of 16 see the very batches that one with 32 sees.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from magpie.errors import ConfigError, MagpieError
from magpie.methods.base import Batch, Method, Output
from magpie.training.distributed import Processes, checkpoint_gradients
from magpie.training.examples import Examples, epoch_batches
from magpie.training.optimisers import (
    OptimiserConfig,
    clip_gradients,
    make_optimiser,
    set_rates,
)

__all__ = ["SHORT_BELOW", "DivergedError", "LoopConfig", "Position", "Step", "Trainer"]

#: Pieces below which plain products beat attention's fused kernel in bf16 on a CPU: it sets every
#: small product up anew (``python -m benchmarks.attention``)
SHORT_BELOW = 192


class DivergedError(MagpieError, RuntimeError):
    """The loss is no longer a number."""

    default_code = "train-diverged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long and in what pieces."""

    epochs: int = 10
    #: documents a forward pass
    batch: int = 32
    #: forward passes a step
    accumulate: int = 1
    #: numbers inside the network; weights stay float32
    precision: Literal["float32", "bf16"] = "float32"
    #: texts of like length share a batch
    bucket: bool = True
    #: false: in the corpus's order, each epoch alike, as UMGF's code; lengths then do not count
    shuffle: bool = True
    #: compute inner states of the encoders twice instead of keeping them: slower, less memory
    checkpointing: bool = False
    seed: int = 0
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(slots=True)
class Position:
    """How far a run has come: the next batch to see."""

    epoch: int = 0
    batch: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimiser step did; ``ends_epoch`` after the last of an epoch."""

    epoch: int
    step: int
    loss: float
    losses: dict[str, float]
    rate: float
    ends_epoch: bool


class Trainer:
    """Method, data and optimiser of one run; iterate :meth:`steps`.

    Args:
        method: trained in place.
        examples: the training set.
        config: settings.
        position: where to go on; the optimiser's state and the random state must have been put
            back by the caller (:mod:`magpie.training.checkpoint`).
        processes: among which the work is shared; asked of accelerate if None.
    """

    def __init__(
        self,
        method: Method,
        examples: Examples,
        config: LoopConfig,
        position: Position | None = None,
        *,
        processes: Processes | None = None,
    ) -> None:
        if not len(examples):
            raise ConfigError("there is nothing to train on", mend="Is the split empty?")
        self.method = method
        self.examples = examples
        self.config = config
        self.position = position or Position()
        self.processes = processes or Processes()
        if config.checkpointing:
            checkpoint_gradients(method)
        method.to(self.processes.device)
        method.study(examples.documents, examples.supplier)
        self.optimiser = make_optimiser(method, config.optimiser)
        self._network = self.processes.wrap(method)
        batches = -(-len(examples) // self._together)
        self.steps_per_epoch = -(-batches // config.accumulate)
        self.total_steps = self.steps_per_epoch * config.epochs

    @property
    def _together(self) -> int:
        """Documents that all processes take in one forward pass."""
        return self.config.batch * self.processes.count

    def steps(self) -> Iterator[Step]:
        """Trains from the position on.

        Raises:
            DivergedError: a loss is NaN or infinite; the weights are those before the step.
        """
        here = self.position
        while here.epoch < self.config.epochs:
            batches = epoch_batches(
                self.examples,
                self._together,
                seed=self.config.seed,
                epoch=here.epoch,
                bucket=self.config.bucket,
                shuffle=self.config.shuffle,
            )
            while here.batch < len(batches):
                group = batches[here.batch : here.batch + self.config.accumulate]
                loss, losses = self._step(group)
                here.batch += len(group)
                here.step += 1
                last = here.batch >= len(batches)
                report = Step(
                    here.epoch,
                    here.step,
                    loss,
                    losses,
                    self.optimiser.param_groups[0]["lr"],
                    last,
                )
                if last:
                    here.epoch, here.batch = here.epoch + 1, 0
                yield report
                if last:
                    break

    def _step(self, group: list[list[int]]) -> tuple[float, dict[str, float]]:
        self.method.train()
        set_rates(self.optimiser, self.config.optimiser, self.position.step / self.total_steps)
        total = torch.zeros((), device=self.method.device)
        terms: dict[str, torch.Tensor] = {}
        for number, whole in enumerate(group, 1):
            indices, weight = self.processes.share(whole)
            scale = weight / len(group)
            batch = self.examples.batch(indices).to(self.method.device)
            with self.processes.alone(self._network, last=number == len(group)):
                with self._precision(batch):
                    output: Output = self._network(batch)
                loss = output.loss * scale
                self._check(loss, whole, output.losses)
                self.processes.backward(loss)
            total = total + loss.detach()
            for name, term in output.losses.items():
                part = term.detach().float() * scale
                terms[name] = terms[name] + part if name in terms else part
        means = self.processes.mean(torch.stack([total, *terms.values()])).tolist()
        clip_gradients(self.method.trainable(), self.config.optimiser)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return means[0], dict(zip(terms, means[1:], strict=True))

    @contextlib.contextmanager
    def _precision(self, batch: Batch) -> Iterator[None]:
        if self.config.precision == "float32":
            yield
            return
        device = self.method.device.type
        mask = batch.inputs.get("attention_mask")
        short = device == "cpu" and mask is not None and mask.shape[-1] < SHORT_BELOW
        plain = sdpa_kernel(SDPBackend.MATH) if short else contextlib.nullcontext()
        with torch.autocast(device, torch.bfloat16), plain:
            yield

    def _check(
        self, loss: torch.Tensor, indices: list[int], losses: dict[str, torch.Tensor]
    ) -> None:
        # All processes stop together: none is left waiting for the gradients of another.
        if not bool(torch.isfinite(self.processes.mean(loss.detach()))):
            self.optimiser.zero_grad(set_to_none=True)
            raise self._diverged(indices, losses)

    def _diverged(self, indices: list[int], losses: dict[str, torch.Tensor]) -> DivergedError:
        ids = [self.examples.documents[index].id for index in indices]
        shown = ", ".join(f"{name} {float(term.detach()):g}" for name, term in losses.items())
        return DivergedError(
            f"the loss is not finite: {shown}; documents {', '.join(ids[:8])}"
            + (f" and {len(ids) - 8} more" if len(ids) > 8 else ""),
            where=f"epoch {self.position.epoch}, step {self.position.step}",
            mend="Lower the learning rate or look at those documents; the last checkpoint stands.",
        )
