"""Optimisers and learning-rate schedules, those of the published runs included.

``bert-adam`` is the Adam of the 2018 BERT code, on which the published scores depend: no bias
correction, decoupled weight decay inside the step, and the gradient of each tensor clipped on its
own (bert_crf.md). ``adamw`` with one global clip is today's form.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from magpie.errors import ConfigError
from magpie.methods.base import Method

__all__ = ["SCHEDULES", "BertAdam", "OptimiserConfig", "make_optimiser", "moving", "set_rates"]

#: names of parameters that take no weight decay, as the BERT code lists them
_UNDECAYED = ("bias", "norm.weight", "layer_norm.weight", "layernorm.weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """How weights move."""

    #: adamw, adam (decay inside the gradient) or bert-adam
    name: Literal["adamw", "adam", "bert-adam"] = "adamw"
    #: peak learning rate of groups that name none of their own
    rate: float = 5e-5
    #: weight decay, decoupled but in adam; biases and layer norms take none
    decay: float = 0.01
    #: they take it too, as in HVPNeT's code
    decay_all: bool = False
    #: share of the steps over which the rate rises
    warmup: float = 0.1
    #: linear: to zero at the end; bert: the 2018 form, x = step/total, x/warmup then 1 - x
    #: step: lowered by ``step_factor`` at ``step_count`` - 1 even distances, as StepLR does
    schedule: Literal["linear", "bert", "constant", "cosine", "step"] = "linear"
    #: parts of the run with one rate each: StepLR every 2 of 30 epochs makes 15
    step_count: int = 15
    #: from one part to the next
    step_factor: float = 0.8
    #: largest gradient norm; 0 for none
    clip: float = 1.0
    #: clip every tensor on its own, as bert-adam's code did, or all together
    clip_each: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    #: added to the root of the second moment
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if self.rate <= 0 or not 0 <= self.warmup < 1 or self.clip < 0:
            raise ConfigError(
                f"need rate > 0, 0 <= warmup < 1 and clip >= 0, got {self.rate}, {self.warmup}, "
                f"{self.clip}"
            )
        if self.decay < 0 or self.eps <= 0:
            raise ConfigError(f"need decay >= 0 and eps > 0, got {self.decay} and {self.eps}")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ConfigError(
                f"beta1 and beta2 must lie in [0, 1), got {self.beta1} and {self.beta2}"
            )
        if self.step_count < 1 or not 0 < self.step_factor <= 1:
            raise ConfigError(
                f"need step_count >= 1 and step_factor in (0, 1], got {self.step_count}, "
                f"{self.step_factor}"
            )


def _linear(x: float, config: OptimiserConfig) -> float:
    return max(0.0, (1 - x) / (1 - config.warmup))


def _bert(x: float, config: OptimiserConfig) -> float:
    """The rate drops by the share of the warm-up at its end: 1 - x, not (1 - x) / (1 - w)."""
    return max(0.0, 1 - x)


def _constant(x: float, config: OptimiserConfig) -> float:
    return 1.0


def _cosine(x: float, config: OptimiserConfig) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (x - config.warmup) / (1 - config.warmup))))


def _step(x: float, config: OptimiserConfig) -> float:
    # A step on the border may come out a rounding error before it.
    passed = math.floor(x * config.step_count + 1e-9)
    return config.step_factor ** min(passed, config.step_count - 1)


#: share of the run done (0 to 1), settings -> factor on the peak rate behind the warm-up
SCHEDULES: dict[str, Callable[[float, OptimiserConfig], float]] = {
    "linear": _linear,
    "bert": _bert,
    "constant": _constant,
    "cosine": _cosine,
    "step": _step,
}


def rate_factor(share: float, config: OptimiserConfig) -> float:
    """Factor on the peak rate for a step at which ``share`` of the run is done."""
    if share < config.warmup:
        return share / config.warmup
    return SCHEDULES[config.schedule](share, config)


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction, decay added to the update before the rate is applied."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 5e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update; the rate is whatever stands in the group."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [cast(Tensor, p.grad) for p in parameters]
            first, second = [], []
            for parameter in parameters:
                state = self.state[parameter]
                if not state:
                    state["first"] = torch.zeros_like(parameter)
                    state["second"] = torch.zeros_like(parameter)
                first.append(state["first"])
                second.append(state["second"])
            if parameters[0].is_cuda:
                _all_at_once(parameters, gradients, first, second, group)
            else:
                _in_one_pass(parameters, gradients, first, second, group)
        return loss


def _all_at_once(
    parameters: list[Tensor],
    gradients: list[Tensor],
    first: list[Tensor],
    second: list[Tensor],
    group: dict[str, Any],
) -> None:
    """BertAdam's update of many tensors in few launches."""
    beta1, beta2 = group["betas"]
    torch._foreach_lerp_(first, gradients, 1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
    root = torch._foreach_sqrt(second)
    torch._foreach_add_(root, group["eps"])
    update = torch._foreach_div(first, root)
    if group["weight_decay"]:
        torch._foreach_add_(update, parameters, alpha=group["weight_decay"])
    torch._foreach_add_(parameters, update, alpha=-group["lr"])


#: a step behind which Adam's bias corrections are 1 in double precision
_LATE = 1e9


def _in_one_pass(
    parameters: list[Tensor],
    gradients: list[Tensor],
    first: list[Tensor],
    second: list[Tensor],
    group: dict[str, Any],
) -> None:
    """BertAdam's update on a CPU, everything read and written once.

    That is AdamW's update late in training, where nothing is left of its bias correction: decay
    times the rate is taken from the weights beside the step in both. The kernel goes through memory
    in order; tensors that do not all lie in order are updated as on a GPU.
    """
    beta1, beta2 = group["betas"]
    straight, turned = _Moved([], [], [], []), _Moved([], [], [], [])
    for tensors in zip(parameters, gradients, first, second, strict=True):
        chosen = straight if all(tensor.is_contiguous() for tensor in tensors) else turned
        for column, tensor in zip(chosen, tensors, strict=True):
            column.append(tensor)
    if turned.weights:
        _all_at_once(*turned, group)
    if straight.weights:
        adamw(
            straight.weights,
            straight.gradients,
            straight.first,
            straight.second,
            [],
            [torch.tensor(_LATE)] * len(straight.weights),
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
        )


class _Moved(NamedTuple):
    """Tensors of one update, row by row."""

    weights: list[Tensor]
    gradients: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]


def make_optimiser(method: Method, config: OptimiserConfig) -> torch.optim.Optimizer:
    """An optimiser over the method's groups; each keeps its peak rate under ``"peak"``.

    Raises:
        ConfigError: a group of the method has a negative rate or decay.
    """
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    groups: list[dict[str, Any]] = []
    for group in method.groups():
        rate = config.rate if group.rate is None else group.rate
        decay = config.decay if group.decay is None else group.decay
        if rate < 0 or decay < 0:
            raise ConfigError(
                f"the parameter group {group.name} of {method.name} has rate {rate} and decay "
                f"{decay}; neither may be negative"
            )
        for decayed in (True, False):
            chosen = [
                p
                for p in group.parameters
                if p.requires_grad
                and (config.decay_all or _takes_decay(names[id(p)], p)) == decayed
            ]
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": rate,
                        "peak": rate,
                        "name": group.name,
                        "weight_decay": decay if decayed else 0.0,
                    }
                )
    betas = (config.beta1, config.beta2)
    if config.name == "bert-adam":
        return BertAdam(groups, lr=config.rate, betas=betas, eps=config.eps)
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    # One pass over memory instead of a dozen.
    return kind(groups, lr=config.rate, betas=betas, eps=config.eps, fused=True)


@contextlib.contextmanager
def moving(method: Method, groups: Sequence[str]) -> Iterator[None]:
    """Inside the block only these parameter groups take gradients; all that did, if empty.

    Raises:
        ConfigError: no group has such a name.
    """
    named = {group.name: group.parameters for group in method.groups()}
    if strange := sorted(set(groups) - set(named)):
        raise ConfigError(
            f"{method.name} has no parameter group {', '.join(strange)}",
            mend=f"Its groups are: {', '.join(sorted(named))}.",
        )
    chosen = {id(parameter) for name in groups for parameter in named[name]}
    still = [p for p in method.trainable() if groups and id(p) not in chosen]
    for parameter in still:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in still:
            parameter.requires_grad_(True)


def _takes_decay(name: str, parameter: nn.Parameter) -> bool:
    # One-dimensional weights are norms whatever a library calls them.
    return parameter.dim() > 1 and not name.lower().endswith(_UNDECAYED)


def set_rates(optimiser: torch.optim.Optimizer, config: OptimiserConfig, share: float) -> None:
    """Sets every group's rate for a step at which ``share`` of the run is done."""
    factor = rate_factor(share, config)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


def clip_gradients(parameters: Iterable[nn.Parameter], config: OptimiserConfig) -> None:
    """Clips as the settings say."""
    if not config.clip:
        return
    if not config.clip_each:
        nn.utils.clip_grad_norm_(parameters, config.clip)
        return
    for parameter in parameters:
        nn.utils.clip_grad_norm_(parameter, config.clip)
