"""Scores of a checkpoint on any split: the one place from which a test split is opened.

A run (:mod:`magpie.training.run`) does not import this module. A result carries all that makes it
comparable: protocol, corpus with digest, seed, and how the weights were chosen.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magpie.errors import ConfigError, NotFoundError
from magpie.methods.checkpoint import (
    Card,
    check_labels,
    load_method,
    read_card,
    unknown_labels,
)
from magpie.training.data import (
    Pictured,
    count_pictures,
    fingerprint,
    read_documents,
    require_pictures,
    supplier_for,
)
from magpie.training.recipe import DataConfig, check_protocol, default_protocol
from magpie.training.scoring import Scores, score_method

__all__ = ["Evaluation", "evaluate", "final_test", "recipe_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A checkpoint's scores on one split, with what they stand on."""

    scores: Scores
    card: Card
    data: Mapping[str, Any]
    pictures: Pictured

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie evaluate --json``."""
        return {**self.scores.report.to_dict(), **self.origin()}

    def origin(self) -> dict[str, Any]:
        """What the report does not say by itself."""
        notes = self.card.notes
        return {
            "method": self.card.method,
            "checkpoint": {
                "folder": str(self.card.folder),
                "digest": self.card.digest,
                "selected": notes.get("selected"),
                "seed": notes.get("seed"),
                "trained_on": notes.get("data"),
            },
            "evaluated_on": dict(self.data),
            "pictures": self.pictures.to_dict(),
        }


def evaluate(
    folder: str | os.PathLike[str],
    ref: str,
    *,
    protocol: str | None = None,
    options: Mapping[str, Any] | None = None,
    part: str | None = None,
    data: DataConfig | None = None,
    limit: int | None = None,
    allow_other_labels: bool = False,
    device: str | None = None,
    batch: int = 32,
) -> Evaluation:
    """Scores a checkpoint on ``corpus:split``.

    Args:
        folder: a checkpoint.
        ref: what it is scored on.
        protocol, options: the scorer; by default that of its selection.
        part: whose score counts; the protocol's main one if None.
        data: where the corpora lie and how they are read; by default as in its recipe.
        limit: at most so many documents.
        allow_other_labels: score gold with labels that the checkpoint does not know: they count
            as missed, and the report's notes name them.
        device: where to compute.
        batch: documents a forward pass.

    Raises:
        ModelError: no checkpoint, or one for other labels or features.
        ConfigError: the protocol scores another task.
    """
    card = read_card(folder)
    selected = card.notes.get("selected") or {}
    name = protocol or selected.get("protocol") or default_protocol(card.method)
    check_protocol(card.method, name)
    data = data or recipe_data(card)
    documents = read_documents(ref, data, limit=limit)
    counted = count_pictures(documents)
    if data.pictures == "required":
        require_pictures(counted, ref, data.images or data.root)
    if not allow_other_labels:
        check_labels(card, documents)
    unknown = [label for kind in unknown_labels(card, documents).values() for label in kind]
    method = load_method(folder, device=device)
    supplier = supplier_for(data, ref, device or "cpu")
    supplier.check(card.notes.get("features", {}), method.needs())
    scores = score_method(
        method, documents, supplier, name, options=options, part=part, batch=batch
    )
    if unknown:
        missed = {"labels never trained, counted as missed": ", ".join(unknown)}
        report = dataclasses.replace(scores.report, notes={**scores.report.notes, **missed})
        scores = dataclasses.replace(scores, report=report)
    return Evaluation(scores=scores, card=card, data=fingerprint(ref, documents), pictures=counted)


def recipe_data(card: Card) -> DataConfig:
    """How the checkpoint's own data were read.

    Raises:
        ConfigError: it was not written by a run.
    """
    from magpie.methods.typed import Place, build

    recipe = card.notes.get("recipe")
    if recipe is None:
        raise ConfigError(
            "the checkpoint does not say how its data were read",
            where=str(card.folder),
            mend="Name the corpus and its folder.",
        )
    return build(DataConfig, recipe["data"], Place(str(card.folder)), ("notes", "recipe", "data"))


def final_test(folder: Path, *, device: str | None = None) -> Evaluation | None:
    """Scores best/ of a finished run on the recipe's test split, once, and writes the report.

    The number that counts is the one that the weights were selected by. Labels of the test split
    that the training split lacks (MNRE 1 has two) count as missed.

    Returns:
        None where the recipe names no test split.

    Raises:
        NotFoundError: the run has no best/ yet.
    """
    best = folder / "best"
    if not best.is_dir():
        raise NotFoundError("the run has no best/ yet", where=str(folder))
    card = read_card(best)
    data = recipe_data(card)
    ref = data.ref("test")
    if ref is None:
        return None
    selection = card.notes["recipe"].get("selection") or {}
    result = evaluate(
        best,
        ref,
        options=selection.get("options"),
        part=selection.get("part"),
        data=data,
        allow_other_labels=True,
        device=device,
    )
    result.scores.write(folder, "test", result.origin())
    return result
