"""The one place that talks to accelerate: devices, several processes, gradients between them.

A plain run is one process, and then everything here is the identity: weights after a run on one
CPU are the same to the last bit as without accelerate. ``accelerate launch`` starts several
processes; each takes its share of every batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn

from magpie._optional import require

if TYPE_CHECKING:
    from magpie.methods.base import Method

__all__ = ["Processes", "checkpoint_gradients"]

T = TypeVar("T")


class Processes:
    """The processes of this run, as accelerate sees them; usually one."""

    def __init__(self) -> None:
        accelerate = require("accelerate", "training")
        # Unused parameters are normal: a pooler nobody asks, a head that is switched off. Numbers
        # inside the network are the recipe's business, not the launcher's.
        unused = accelerate.DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = accelerate.Accelerator(mixed_precision="no", kwargs_handlers=[unused])

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return cast(torch.device, self._accelerator.device)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._accelerator.num_processes)

    @property
    def rank(self) -> int:
        """Which one this is."""
        return int(self._accelerator.process_index)

    @property
    def main(self) -> bool:
        """Whether this is the one that writes files."""
        return bool(self._accelerator.is_main_process)

    def wrap(self, method: Method) -> nn.Module:
        """The method on its device; in several processes with its gradients tied together."""
        return cast(nn.Module, self._accelerator.prepare_model(method))

    def alone(self, model: nn.Module, *, last: bool) -> AbstractContextManager[object]:
        """Around all but the last forward pass of a step: gradients are exchanged once."""
        if last or self.count == 1:
            return contextlib.nullcontext()
        return cast("AbstractContextManager[object]", self._accelerator.no_sync(model))

    def backward(self, loss: Tensor) -> None:
        """Back-propagates."""
        self._accelerator.backward(loss)

    def share(self, batch: Sequence[T]) -> tuple[list[T], float]:
        """What this process takes of a batch, and the weight of its mean among the processes.

        Where a batch has fewer documents than there are processes, the rest take its first one
        with weight 0: gradients are exchanged by all or by none.
        """
        if self.count == 1:
            return list(batch), 1.0
        mine = list(batch[self.rank :: self.count])
        weight = len(mine) * self.count / len(batch)
        return (mine, weight) if mine else ([batch[0]], 0.0)

    def mean(self, value: Tensor) -> Tensor:
        """Over the processes."""
        if self.count == 1:
            return value
        return cast(Tensor, self._accelerator.reduce(value, reduction="mean"))

    def gather(self, value: T) -> list[T]:
        """One value of every process, in their order."""
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return cast("list[T]", gather_object([value]))

    def tell(self, value: Any) -> Any:
        """The main process's value, on all of them."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def wait(self) -> None:
        """Until all are here."""
        self._accelerator.wait_for_everyone()


def checkpoint_gradients(method: Method) -> None:
    """Lets transformers compute inner states twice instead of keeping them: less memory."""
    for backbone in method.backbones.values():
        model: Any = getattr(backbone, "model", None)
        if not getattr(model, "supports_gradient_checkpointing", False):
            continue
        how = {"use_reentrant": False}
        if hasattr(model, "activation_checkpointing_enable"):
            model.activation_checkpointing_enable(how)
        else:  # transformers' older name for it
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)
