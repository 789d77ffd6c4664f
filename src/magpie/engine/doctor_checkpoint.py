"""What `magpie doctor` looks at in a checkpoint: card, labels, inputs, weights, loading."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from magpie._io import file_digest, parse_json
from magpie.engine.checks import Check
from magpie.errors import MagpieError

if TYPE_CHECKING:
    from magpie.methods.checkpoint import Card

__all__ = ["checkpoint_checks"]

_COPY = "Copy the checkpoint's whole folder again, or train it anew."


def checkpoint_checks(folder: Path) -> Iterator[Check]:
    """A line for each part of the checkpoint; whatever can still be looked at is.

    Raises:
        ModelError: there is no card, or one that cannot be read.
        MissingExtraError: torch is not installed.
    """
    from magpie._optional import require

    for package in ("torch", "transformers", "safetensors"):
        require(package, f"the trained model {folder}")
    from magpie.methods.checkpoint import read_card

    card = read_card(folder)
    yield _method(card)
    yield _labels(card)
    yield from _needs(card)
    yield from _backbones(folder / "backbones")
    yield _weights(card)
    yield _loading(folder)


def _line(
    name: str,
    status: Literal["ok", "missing", "broken"],
    detail: str,
    mend: str = "",
    *,
    core: bool = True,
) -> Check:
    return Check(group="model", name=name, status=status, core=core, detail=detail, mend=mend)


def _method(card: Card) -> Check:
    from magpie.methods.registry import METHODS

    entry = METHODS.get(card.method)
    if entry is None:
        return _line(
            "checkpoint",
            "broken",
            f"{card.method}, written by magpie {card.version}: this release has no such method",
            "Install the release that wrote it.",
        )
    detail = f"{card.method} ({', '.join(entry.tasks)}), written by magpie {card.version}"
    chosen: Mapping[str, Any] = card.notes.get("selected") or {}
    if chosen:
        detail += f", {100 * chosen['score']:.2f} on {chosen['split']} by {chosen['protocol']}"
    return _line("checkpoint", "ok", f"{detail}, {card.folder}")


def _labels(card: Card) -> Check:
    counts = [
        f"{len(labels)} {name.replace('_', ' ')}"
        for name, labels in card.labels.to_dict().items()
        if isinstance(labels, list | tuple) and labels
    ]
    if counts:
        return _line("labels", "ok", ", ".join(counts))
    return _line("labels", "broken", "it can predict nothing: no label stands in its card", _COPY)


def _needs(card: Card) -> Iterator[Check]:
    """What it reads beside words; regions that a folder must give are named with the option."""
    for need in card.needs:
        inner = need.get("of", need)
        kind, source = str(inner.get("kind", "?")), inner.get("source")
        detail = kind if source is None else f"{kind} from {source}"
        mend = ""
        if kind == "regionfeatures" and not _is_made(str(source)):
            mend = f"Name their folder when it is used: --regions {source}=FOLDER"
        yield _line("reads", "ok", detail, mend, core=False)


def _is_made(source: str) -> bool:
    """Whether regions of that name are made from the picture, not read from files."""
    from magpie.engine.grounding.proposals import local_boxes
    from magpie.errors import ConfigError
    from magpie.features.region_names import RegionNames

    try:
        RegionNames(local_boxes()).proposer(source)
    except ConfigError:
        return False
    except MagpieError:
        pass  # a network that is not here: loading it says so
    return True


def _backbones(place: Path) -> Iterator[Check]:
    folders = sorted(each for each in place.iterdir() if each.is_dir()) if place.is_dir() else []
    for folder in folders:
        name = f"backbone {folder.name}"
        path = folder / "backbone.json"
        try:
            value = parse_json(path.read_text("utf-8"), where=str(path))
            yield _line(name, "ok", str(value["kind"]))
        except (OSError, UnicodeDecodeError, KeyError, TypeError, MagpieError) as error:
            detail = f"its description cannot be read: {type(error).__name__}: {error}"
            yield _line(name, "broken", detail, _COPY)


def _weights(card: Card) -> Check:
    from magpie.methods.checkpoint import WEIGHTS

    path = card.folder / WEIGHTS
    good = file_digest(path) == card.weights
    return _line(
        WEIGHTS,
        "ok" if good else "broken",
        f"{path.stat().st_size / 1e6:.1f} MB, "
        + ("digest as named by config.json" if good else "digest differs from config.json"),
        "" if good else _COPY,
    )


def _loading(folder: Path) -> Check:
    from magpie.methods.checkpoint import load_method

    begun = time.perf_counter()
    try:
        method = load_method(folder)
    except MagpieError as error:
        place = f"{error.where}: " if error.where else ""
        return _line("loading", "broken", place + error.message, error.mend or _COPY)
    count = sum(parameter.numel() for parameter in method.parameters())
    seconds = time.perf_counter() - begun
    return _line("loading", "ok", f"{count:,} parameters in {seconds:.2f} s")
