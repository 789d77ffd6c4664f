"""Scores of a method on documents it is handed, and what they come to over several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magpie._io import atomic_write, dump_json
from magpie.errors import ConfigError
from magpie.features.supply import Supplier
from magpie.methods.base import Method
from magpie.methods.predicting import predict_documents
from magpie.metrics import Report, items_of, score
from magpie.schema import Document

__all__ = ["Scores", "score_method", "spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A report, the number that selection goes by, and the documents as predicted."""

    report: Report
    value: float
    predictions: Sequence[Document] = field(repr=False)

    def write(self, folder: Path, name: str, more: Mapping[str, Any] | None = None) -> None:
        """``<name>.predictions.jsonl`` and ``<name>.report.json``."""
        lines = "".join(document.to_json() + "\n" for document in self.predictions)
        atomic_write(folder / f"{name}.predictions.jsonl", lines)
        body = {**self.report.to_dict(), "main_score": self.value, **(more or {})}
        atomic_write(folder / f"{name}.report.json", dump_json(body, indent=1))


def score_method(
    method: Method,
    documents: Sequence[Document],
    supplier: Supplier,
    protocol: str,
    *,
    options: Mapping[str, Any] | None = None,
    part: str | None = None,
    batch: int = 32,
) -> Scores:
    """Predicts and scores documents with gold annotations.

    Args:
        method, documents, supplier: as for :func:`predict_documents`.
        protocol, options: of the scorer.
        part: whose score counts; the protocol's main one if None.
        batch: documents a forward pass.

    Raises:
        ConfigError: the protocol has no such part.
    """
    found = predict_documents(method, documents, supplier, batch=batch)
    predictions = [d.with_annotations(a) for d, a in zip(documents, found, strict=True)]
    report = score(
        map(items_of, documents), map(items_of, predictions), protocol, options=dict(options or {})
    )
    if part is not None and part not in report.parts:
        raise ConfigError(
            f"{protocol} has no part {part!r}", mend=f"Its parts are: {', '.join(report.parts)}."
        )
    chosen = report.main if part is None else report.parts[part]
    return Scores(report=report, value=float(chosen.micro.score), predictions=predictions)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and sample standard deviation over seeds; of one value there is no deviation."""
    return {
        "n": len(values),
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
    }
