"""A trained method as a folder: weights, configuration, labels, and the shape of its backbones.

::

    config.json          method, settings, labels, needs, digest of the weights, where it comes from
    model.safetensors    every weight, those of the backbones included
    backbones/<role>/    configuration and tokenizer

Nothing in it is unpickled, and no name of a hub is asked for when it is read.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from magpie._io import (
    atomic_folder,
    atomic_write,
    dump_json,
    file_digest,
    parse_json,
    restore_folder,
    text_digest,
)
from magpie._version import __version__
from magpie.backbones import from_folder
from magpie.errors import ConfigError, FormatError, ModelError
from magpie.methods.base import Method
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import method_class
from magpie.methods.typed import Place, build
from magpie.schema import Document

__all__ = [
    "CONFIG",
    "FORMAT",
    "WEIGHTS",
    "Card",
    "check_labels",
    "load_method",
    "load_weights",
    "read_card",
    "same_labels",
    "save_method",
    "unknown_labels",
    "unwritten",
    "write_method",
]

FORMAT = "magpie-checkpoint@1"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_BACKBONES = "backbones"

#: fields of a label space, as people call them
_LABELS = {
    "entity_types": "entity types",
    "fine_types": "fine types",
    "relation_types": "relation types",
    "event_types": "event types",
    "roles": "roles",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What ``config.json`` says; ``digest`` is its own, and so that of the weights, too."""

    method: str
    config: Mapping[str, Any]
    labels: LabelSpace
    needs: tuple[Mapping[str, Any], ...]
    weights: str
    version: str
    notes: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    folder: Path = Path()


def write_method(method: Method, folder: Path, notes: Mapping[str, Any] | None = None) -> None:
    """Writes a method's files into an existing folder.

    Args:
        method: what is written.
        notes: JSON that is kept beside it: recipe, data, scores.
    """
    from safetensors.torch import save_model

    for role, backbone in method.backbones.items():
        backbone.save(folder / _BACKBONES / role)  # type: ignore[operator]
    # Weights that are one tensor under two names are written once.
    save_model(method, str(folder / WEIGHTS))
    body = {
        "format": FORMAT,
        "method": method.name,
        "config": method.config.to_dict(),
        "labels": method.labels.to_dict(),
        "needs": _described(method),
        "weights": file_digest(folder / WEIGHTS),
        "magpie": __version__,
        "notes": dict(notes or {}),
    }
    atomic_write(folder / CONFIG, dump_json(body, indent=1))


def save_method(
    method: Method, folder: str | os.PathLike[str], notes: Mapping[str, Any] | None = None
) -> None:
    """Writes a checkpoint that takes its place only when it is complete.

    Raises:
        ModelError: it could not be written; what was there before is intact.
    """
    try:
        with atomic_folder(folder) as temporary:
            write_method(method, temporary, notes)
    except (OSError, _safetensor_error()) as error:
        raise unwritten(folder, error) from error


def unwritten(folder: str | os.PathLike[str], error: Exception) -> ModelError:
    """``model-unwritten``, for whoever writes a folder with :func:`write_method`."""
    return ModelError(
        f"the checkpoint could not be written: {error}",
        code="model-unwritten",
        where=str(folder),
        mend="Make room on the disk; the previous checkpoint is intact.",
    )


def _safetensor_error() -> type[Exception]:
    from safetensors import SafetensorError

    found: type[Exception] = SafetensorError
    return found


def _described(method: Method) -> list[dict[str, Any]]:
    needs = sorted(method.needs(), key=lambda need: need.digest)
    described: list[dict[str, Any]] = parse_json(dump_json([need.describe() for need in needs]))
    return described


def read_card(folder: str | os.PathLike[str]) -> Card:
    """What a checkpoint is, without loading it.

    Raises:
        ModelError: there is none, or it is damaged or of another version.
    """
    place = Path(folder)
    restore_folder(place)
    path = place / CONFIG
    if not path.is_file():
        raise ModelError(
            "no checkpoint here",
            where=str(path),
            mend="Name the folder best/ or last/ of a run.",
        )
    try:
        text = path.read_text("utf-8")
        value = parse_json(text, where=str(path))
        if value["format"] != FORMAT:
            raise ModelError(
                f"expected {FORMAT}, got {value['format']!r}",
                code="model-damaged",
                where=str(path),
                mend="It was written by another release of magpie.",
            )
        return Card(
            method=value["method"],
            config=value["config"],
            labels=LabelSpace.from_dict(value["labels"]),
            needs=tuple(value["needs"]),
            weights=value["weights"],
            version=value["magpie"],
            notes=value["notes"],
            digest=text_digest(text),
            folder=place,
        )
    except FormatError as error:
        raise _damaged(error.message, path) from error
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise _damaged(f"{type(error).__name__}: {error}", path) from error


def load_method(
    folder: str | os.PathLike[str],
    *,
    device: torch.device | str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Method:
    """A trained method, in evaluation mode; the random state stays as it was.

    Args:
        folder: a checkpoint.
        device: where to put it; the CPU if None.
        settings: in place of those it was trained with, as far as they are ``adjustable``.

    Raises:
        ModelError: a file is absent or damaged, or its features would be others than those it was
            trained with.
        NotFoundError: no such method in this release.
        ConfigError: a setting that training has fixed, or an impossible value.
    """
    card = read_card(folder)
    cls = method_class(card.method)
    config = build(cls.Config, dict(card.config), Place(str(card.folder / CONFIG)), ("config",))
    if settings:
        config = build(cls.Config, {**card.config, **_adjusted(cls, settings)}, Place("settings"))
    place = card.folder / _BACKBONES
    roles = sorted(each.name for each in place.iterdir()) if place.is_dir() else []
    with torch.random.fork_rng(devices=[]):
        backbones = {role: from_folder(place / role) for role in roles}
        try:
            method = cls.assemble(config, card.labels, backbones)
        except (TypeError, RuntimeError) as error:
            raise _damaged(f"its backbones do not fit {card.method}: {error}", place) from error
    load_weights(method, card.folder)
    _check_needs(card, method)
    method.eval()
    return method if device is None else method.to(device)


def _adjusted(cls: type[Method], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    fixed = sorted(set(settings) - cls.adjustable)
    if fixed:
        others = ", ".join(sorted(cls.adjustable)) or "none"
        raise ConfigError(
            f"{', '.join(fixed)} of {cls.name} cannot be set after training",
            mend=f"What can: {others}.",
        )
    return settings


def load_weights(method: Method, folder: Path) -> None:
    """Puts a checkpoint's weights into a method of the same shape.

    Raises:
        ModelError: a weight is absent, unknown or of another shape.
    """
    from safetensors.torch import load_model

    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(
            "the weights are absent", where=str(path), mend="Copy the checkpoint's whole folder."
        )
    try:
        load_model(method, str(path), strict=True)
    except (RuntimeError, _safetensor_error()) as error:
        reasons = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise _damaged("; ".join(reasons[:4]), path) from error


def _damaged(reason: str, path: Path) -> ModelError:
    return ModelError(
        f"the checkpoint cannot be used: {reason}",
        code="model-damaged",
        where=str(path),
        mend="Copy the checkpoint's whole folder again, or train it anew.",
    )


def _check_needs(card: Card, method: Method) -> None:
    now = _described(method)
    if list(card.needs) != now:
        raise ModelError(
            f"the method would read {now}, but was trained with {list(card.needs)}",
            code="model-mismatch",
            where=str(card.folder),
            mend="Its backbones' descriptions were changed; copy the checkpoint again.",
        )


def unknown_labels(card: Card, documents: Iterable[Document]) -> dict[str, tuple[str, ...]]:
    """Labels of gold that the checkpoint cannot predict, by field of :class:`LabelSpace`, sorted.

    Only kinds of labels that the checkpoint predicts at all are compared: types of entities that
    are given to it, and hidden from it, may be any.
    """
    gold = LabelSpace.of(documents)
    given = method_class(card.method).given
    hidden = ("entity_types", "fine_types") if "entities" in given and "types" not in given else ()
    found = {}
    for name in _LABELS:
        known: tuple[str, ...] = getattr(card.labels, name)
        strange = set(getattr(gold, name)) - set(known)
        if known and strange and name not in hidden:
            found[name] = tuple(sorted(strange))
    return found


def check_labels(card: Card, documents: Iterable[Document]) -> None:
    """Refuses gold that holds labels which the checkpoint cannot predict.

    Raises:
        ModelError: ``model-mismatch``, naming those of :func:`unknown_labels`.
    """
    for name, strange in unknown_labels(card, documents).items():
        known = ", ".join(getattr(card.labels, name))
        raise ModelError(
            f"the checkpoint predicts the {_LABELS[name]} {known}, but the corpus has "
            f"{', '.join(strange)}",
            code="model-mismatch",
            where=str(card.folder),
            mend="Take the corpus it was trained for, or allow other labels, which then "
            "count as missed (--allow-other-labels).",
        )


def same_labels(card: Card, labels: LabelSpace) -> None:
    """Refuses to go on training with other labels, or the same in another order.

    Raises:
        ModelError: ``model-mismatch``, naming the first difference.
    """
    for each in dataclasses.fields(LabelSpace):
        one, other = getattr(card.labels, each.name), getattr(labels, each.name)
        if one != other:
            raise ModelError(
                f"the checkpoint has the {_LABELS.get(each.name, each.name)} {one}, "
                f"the training data {other}",
                code="model-mismatch",
                where=str(card.folder),
                mend="Its heads are numbered by its own labels: train anew.",
            )
