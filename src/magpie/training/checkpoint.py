"""Checkpoints of a run: a method's folder, and beside it what resuming takes.

::

    resume.json          position, selection, settings of the optimiser, random states
    resume.safetensors   the optimiser's tensors and torch's random states

A run that was killed and resumed from these ends bit-equal to one that was not, on one CPU.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magpie._io import atomic_folder, atomic_write, dump_json, parse_json, restore_folder
from magpie.errors import FormatError, ModelError
from magpie.methods.base import Method
from magpie.methods.checkpoint import unwritten, write_method
from magpie.training.loop import Position

__all__ = [
    "Progress",
    "RandomState",
    "has_progress",
    "random_state",
    "read_progress",
    "restore_optimiser",
    "restore_random",
    "save_checkpoint",
]

STATE = "resume.json"
TENSORS = "resume.safetensors"
FORMAT = "magpie-resume@1"


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is: its stage, the next batch, and what the selection remembers."""

    stage: int = 0
    position: Position = field(default_factory=Position)
    #: best score on the development split in this stage, and its epoch
    best: float | None = None
    best_epoch: int = 0
    #: evaluations since then
    waited: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomState:
    """Of one process: Python's and numpy's as JSON, torch's as bytes a device."""

    python: list[Any]
    numpy: list[Any]
    torch: tuple[Tensor, ...]


def random_state() -> RandomState:
    """That of this process, here and now."""
    version, numbers, spare = random.getstate()
    kind, keys, place, has, cached = np.random.get_state(legacy=True)
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return RandomState(
        python=[version, list(numbers), spare],
        numpy=[str(kind), np.asarray(keys).tolist(), int(place), int(has), float(cached)],
        torch=(torch.get_rng_state(), *devices),
    )


def restore_random(state: RandomState) -> None:
    """Puts it back."""
    version, numbers, spare = state.python
    random.setstate((version, tuple(numbers), spare))
    kind, keys, place, has, cached = state.numpy
    np.random.set_state((kind, np.array(keys, np.uint32), place, has, cached))
    torch.set_rng_state(state.torch[0])
    if torch.cuda.is_available() and len(state.torch) > 1:
        torch.cuda.set_rng_state_all(list(state.torch[1:]))


def save_checkpoint(
    folder: str | os.PathLike[str],
    method: Method,
    notes: Mapping[str, Any],
    *,
    optimiser: torch.optim.Optimizer | None = None,
    progress: Progress | None = None,
    random_states: Sequence[RandomState] = (),
) -> None:
    """Writes a checkpoint; the previous one stays until this one is complete.

    Args:
        folder: of the checkpoint.
        method, notes: see :func:`magpie.methods.checkpoint.write_method`.
        optimiser: whose state is kept; None at the beginning of a stage.
        progress: makes it a checkpoint to resume from.
        random_states: of every process, in their order.

    Raises:
        ModelError: ``model-unwritten``; the previous checkpoint is intact.
    """
    from safetensors import SafetensorError

    try:
        with atomic_folder(folder) as temporary:
            write_method(method, temporary, notes)
            if progress is not None:
                _write_state(temporary, optimiser, progress, random_states)
    except (OSError, SafetensorError) as error:
        raise unwritten(folder, error) from error


def _write_state(
    folder: Path,
    optimiser: torch.optim.Optimizer | None,
    progress: Progress,
    random_states: Sequence[RandomState],
) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    groups: list[dict[str, Any]] = []
    if optimiser is not None:
        state = optimiser.state_dict()
        groups = state["param_groups"]
        for index, values in state["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser/{index}/{name}"] = value.detach().cpu().contiguous()
                else:
                    scalars.setdefault(str(index), {})[name] = value
    for rank, each in enumerate(random_states):
        for device, bytes_ in enumerate(each.torch):
            tensors[f"random/{rank}/{device}"] = bytes_.cpu().clone()
    save_file(tensors, str(folder / TENSORS))
    body = {
        "format": FORMAT,
        "progress": asdict(progress),
        "optimiser": None if optimiser is None else {"groups": groups, "scalars": scalars},
        "random": [{"python": each.python, "numpy": each.numpy} for each in random_states],
    }
    atomic_write(folder / STATE, dump_json(body))


def has_progress(folder: str | os.PathLike[str]) -> bool:
    """Whether there is something to resume from."""
    restore_folder(folder)
    return (Path(folder) / STATE).is_file()


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / STATE
    try:
        value = parse_json(path.read_text("utf-8"), where=str(path))
        if value["format"] != FORMAT:
            raise _damaged(path, f"expected {FORMAT}, got {value['format']!r}")
        return value, load_file(folder / TENSORS)
    except FormatError as error:
        raise _damaged(path, error.message) from error
    except (OSError, KeyError, TypeError, SafetensorError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"the run cannot be resumed: {reason}",
        code="model-damaged",
        where=str(path),
        mend="Its best/ checkpoint may still be good; train anew in another folder.",
    )


def read_progress(folder: str | os.PathLike[str]) -> tuple[Progress, list[RandomState]]:
    """Where to go on, and the random states of the processes.

    Raises:
        ModelError: damaged, or nothing to resume from.
    """
    place = Path(folder)
    value, tensors = _read(place)
    try:
        body = dict(value["progress"])
        progress = Progress(**{**body, "position": Position(**body["position"])})
        states = [
            RandomState(
                python=each["python"],
                numpy=each["numpy"],
                torch=tuple(
                    tensors[f"random/{rank}/{device}"]
                    for device in range(sum(k.startswith(f"random/{rank}/") for k in tensors))
                ),
            )
            for rank, each in enumerate(value["random"])
        ]
    except (KeyError, TypeError) as error:
        raise _damaged(place / STATE, f"{type(error).__name__}: {error}") from error
    return progress, states


def restore_optimiser(folder: str | os.PathLike[str], optimiser: torch.optim.Optimizer) -> None:
    """Puts the optimiser's state back; nothing where the checkpoint holds none.

    Raises:
        ModelError: it was made for other parameters.
    """
    place = Path(folder)
    value, tensors = _read(place)
    kept = value["optimiser"]
    if kept is None:
        return
    state: dict[int, dict[str, Any]] = {
        int(index): dict(scalars) for index, scalars in kept["scalars"].items()
    }
    for key, tensor in tensors.items():
        kind, index, name = key.split("/")
        if kind == "optimiser":
            state.setdefault(int(index), {})[name] = tensor
    groups = [
        {name: tuple(part) if name == "betas" else part for name, part in group.items()}
        for group in kept["groups"]
    ]
    try:
        optimiser.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise _damaged(place / STATE, str(error)) from error
