"""What all backbones share: loading by name or folder without surprises, and saving their shape.

A backbone inside a checkpoint is its configuration (and tokenizer), never its weights: those stand
in the checkpoint's one weight file. So a trained method loads on a machine that has never seen the
hub.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import nn
from transformers.utils import logging as transformers_logging

from magpie._io import atomic_write, dump_json, parse_json
from magpie.errors import ModelError

__all__ = ["Backbone", "from_folder", "load_local", "weights_digest"]

CONFIG_FILE = "backbone.json"

_Loaded = TypeVar("_Loaded")


class Backbone(nn.Module, ABC):
    """A pre-trained part of a method.

    Args:
        model: a transformers model.
        name: what it was loaded as, for the record.
    """

    kind: str

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model = model
        self.name = name
        self._frozen = False
        # Loaded ones come in evaluation mode; the shell around them should say the same.
        self.training = model.training

    @property
    @abstractmethod
    def width(self) -> int:
        """D, of the states it returns."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything but the weights, as JSON; :meth:`from_description` builds it anew."""

    @classmethod
    @abstractmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        """The same backbone with random weights."""

    def save(self, folder: Path) -> None:
        """Writes the description and whatever stands beside it (a tokenizer)."""
        folder.mkdir(parents=True, exist_ok=True)
        body = {"kind": self.kind, "name": self.name, **self.describe()}
        atomic_write(folder / CONFIG_FILE, dump_json(body, indent=1))

    def freeze(self) -> Self:
        """Takes no gradient from here on, and stays in evaluation mode: no dropout, and batch
        norms keep their statistics, whatever mode the method around it is in."""
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self._frozen = True
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """As of every module, but a frozen one stays in evaluation mode."""
        return super().train(mode and not self._frozen)

    def weights_digest(self) -> str:
        """SHA-256 over names, types, shapes and values of all weights, hexadecimal.

        Reads every weight once: about half a second for ResNet-152.
        """
        return weights_digest(self.model)


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over class, names, types, shapes and values of all weights, hexadecimal."""
    digest = hashlib.sha256(type(model).__name__.encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def from_folder(folder: Path) -> Backbone:
    """A backbone as :meth:`Backbone.save` described it, with random weights.

    Raises:
        ModelError: the description is absent or of an unknown kind.
    """
    from magpie.backbones.detector import Detector
    from magpie.backbones.seq2seq import Seq2Seq
    from magpie.backbones.text import TextEncoder
    from magpie.backbones.vision import VisionEncoder
    from magpie.backbones.words import WordVectors

    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ModelError(
            "a backbone's description is absent",
            where=str(path),
            mend="The checkpoint is incomplete; copy its whole folder.",
        )
    value = parse_json(path.read_text("utf-8"), where=str(path))
    kinds: dict[str, type[Backbone]] = {
        cls.kind: cls for cls in (TextEncoder, VisionEncoder, Seq2Seq, WordVectors, Detector)
    }
    kind = value.pop("kind", None)
    if kind not in kinds:
        raise ModelError(
            f"unknown kind of backbone {kind!r}", code="model-damaged", where=str(path)
        )
    return kinds[kind].from_description(value, folder)


def load_local(name: str, load: Callable[..., _Loaded]) -> _Loaded:
    """Loads from a folder or from what the hub's cache already holds; never over the network.

    Args:
        name: a folder, or a hub name such as ``bert-base-cased``.
        load: a ``from_pretrained``.

    Raises:
        ModelError: it is not there; the sentence holds the command that gets it.
    """
    # A second of loading needs no bar, and standard error belongs to the command.
    transformers_logging.disable_progress_bar()
    place = Path(name).expanduser()
    local = place.is_dir()
    try:
        return load(str(place) if local else name, local_files_only=True)
    except (OSError, ValueError) as error:
        short = name.rstrip("/").rsplit("/", 1)[-1]
        if not local and name.startswith(("/", "./", "../", "~")):
            raise ModelError(
                f"there is no backbone at {name!r}",
                mend="Give the folder that config.json stands in, or the backbone's hub name.",
            ) from error
        raise ModelError(
            f"the backbone {name!r} is not on this machine",
            mend=(
                f"Where there is a connection, run: hf download {name} --local-dir "
                f"models/{short}; then give the folder models/{short} instead of the name."
            ),
        ) from error
