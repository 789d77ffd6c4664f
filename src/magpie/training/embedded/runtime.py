"""The exported graph run the way the engine runs it: for calibration and for the final scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from magpie._io import parse_json
from magpie.engine.embedded.decode import Chain, chunks, fine_type, marginals, viterbi
from magpie.engine.embedded.features import pad
from magpie.training.embedded.batches import Item
from magpie.training.embedded.evaluate import TYPES, bootstrap, fine_report, score
from magpie.training.embedded.settings import LABELS

__all__ = [
    "Runtime",
    "constraint_helps",
    "evaluate_files",
    "fine_cases",
    "fit_fine",
    "fit_score_temperature",
]

log = logging.getLogger(__name__)

_TEMPERATURES = np.linspace(0.6, 3.0, 25)
_BATCH = 32


class Runtime:
    """The exported graph, run as the engine runs it."""

    def __init__(self, model: Path, chain: Chain, *, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self.chain = chain

    def scores(self, items: Sequence[Item]) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """Emissions [w, L] and fine logits [w, F] of every item, in order."""
        order = sorted(range(len(items)), key=lambda i: len(items[i].encoded.pieces))
        found: dict[int, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
        for begin in range(0, len(order), _BATCH):
            rows = order[begin : begin + _BATCH]
            arrays, _ = pad([items[i].encoded for i in rows])
            emissions, fine = self._session.run(["emissions", "fine_logits"], arrays)
            for row, index in enumerate(rows):
                w = items[index].width
                found[index] = emissions[row, :w], fine[row, :w]
        return [found[i] for i in range(len(items))]

    def tags(self, items: Sequence[Item]) -> list[list[str]]:
        """Best tags of every item; words that were cut off are ``O``."""
        emissions, mask = _stacked([scores for scores, _ in self.scores(items)])
        paths = viterbi(emissions, mask, self.chain)
        return [
            [LABELS[i] for i in path] + ["O"] * (len(item.words) - item.width)
            for item, path in zip(items, paths, strict=True)
        ]


def _stacked(rows: Sequence[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Emissions of all texts as one array [N, W, L], and the word mask [N, W]."""
    widths = np.array([len(row) for row in rows])
    stacked = np.zeros((len(rows), max(int(widths.max()), 1), len(LABELS)), np.float32)
    for index, row in enumerate(rows):
        stacked[index, : len(row)] = row
    return stacked, np.arange(stacked.shape[1])[None] < widths[:, None]


def fit_score_temperature(runtime: Runtime, items: Sequence[Item]) -> float:
    """Temperature at which an entity's score best predicts whether it is right (log loss)."""
    emissions, mask = _stacked([scores for scores, _ in runtime.scores(items)])
    paths = viterbi(emissions, mask, runtime.chain)
    losses = []
    for temperature in _TEMPERATURES:
        p = marginals(emissions, mask, runtime.chain, temperature=temperature)
        loss, count = 0.0, 0
        for row, (item, path) in enumerate(zip(items, paths, strict=True)):
            gold = set(chunks((item.tags or [])[: item.width]))
            for chunk in chunks([LABELS[i] for i in path]):
                words = range(chunk.start, chunk.end)
                chance = float(np.mean([p[row, t, path[t]] for t in words]))
                chance = min(max(chance, 1e-6), 1 - 1e-6)
                loss -= float(np.log(chance if chunk in gold else 1 - chance))
                count += 1
        losses.append(loss / max(count, 1))
    return float(_TEMPERATURES[int(np.argmin(losses))])


def constraint_helps(model: Path, chain: Chain, dev: Mapping[str, Sequence[Item]]) -> bool:
    """Whether forbidding everything that is not BIO raises the mean F1 over the sets."""
    means = []
    for choice in (chain, chain.constrained(LABELS)):
        runtime = Runtime(model, choice)
        f1 = [score([i.tags or [] for i in its], runtime.tags(its)).f1 for its in dev.values()]
        means.append(sum(f1) / len(f1))
    log.info("dev mean F1 %.2f free, %.2f constrained", *means)
    return means[1] > means[0]


FineCase = tuple[npt.NDArray[Any], str, int]


def fine_cases(runtime: Runtime, items: Sequence[Item]) -> list[FineCase]:
    """Per gold entity: fine logits of its words, its coarse type, its gold fine index."""
    cases = []
    for item, (_, logits) in zip(items, runtime.scores(items), strict=True):
        if item.fine is None:
            continue
        for chunk in chunks((item.tags or [])[: item.width]):
            label = int(item.fine[chunk.start])
            if label >= 0:
                cases.append((logits[chunk.start : chunk.end], chunk.type, label))
    return cases


def fit_fine(
    cases: Sequence[FineCase], parents: npt.NDArray[np.str_], *, wanted: float = 0.8
) -> tuple[float, float]:
    """Temperature of the fine types (log loss) and the lowest threshold that reaches ``wanted``.

    Returns:
        Temperature and threshold; the accuracy among entities at or above the threshold is at
        least ``wanted`` on the cases given.
    """
    losses = []
    for temperature in _TEMPERATURES:
        loss = 0.0
        for logits, coarse, label in cases:
            scores = np.where(parents == coarse, logits.mean(0) / temperature, -np.inf)
            top = scores.max()
            loss -= max(scores[label] - top - np.log(np.exp(scores - top).sum()), -20.0)
        losses.append(loss)
    best = float(_TEMPERATURES[int(np.argmin(losses))])
    found = [fine_type(logits, parents, coarse, temperature=best) for logits, coarse, _ in cases]
    sure = np.array([p for _, p in found])
    right = np.array([i == case[2] for (i, _), case in zip(found, cases, strict=True)])
    for threshold in np.linspace(0.01, 0.99, 99):
        kept = sure >= threshold
        if kept.any() and right[kept].mean() >= wanted:
            return best, round(float(threshold), 2)
    return best, 1.0


def evaluate_files(
    folder: Path, sets: Mapping[str, Mapping[str, Sequence[Item]]]
) -> dict[str, Any]:
    """Scores of the written files, int8 and float, on splits -> corpora -> items."""
    config = parse_json((folder / "config.json").read_text("utf-8"))
    chain = Chain(*(np.array(config[n], np.float32) for n in ("start", "transitions", "end")))
    chain = chain.constrained(LABELS) if config["constrain_bio"] else chain
    parents = np.array([kind["type"] for kind in config["fine_types"]])
    report: dict[str, Any] = {}
    for name in ("model-float.onnx", "model.onnx"):
        runtime = Runtime(folder / name, chain)
        for split, corpora in sets.items():
            for ref, items in corpora.items():
                # The Broad Twitter Corpus has no fourth type: what is called so there is no error.
                kinds = TYPES[:3] if ref.startswith("broad") else TYPES
                gold, found = [item.tags or [] for item in items], runtime.tags(items)
                entry: dict[str, Any] = asdict(score(gold, found, kinds))
                entry["interval"] = bootstrap(gold, found, types=kinds)
                if any(item.fine is not None for item in items):
                    entry["fine"] = asdict(
                        fine_report(
                            fine_cases(runtime, items),
                            parents,
                            threshold=config["fine_threshold"],
                            temperature=config["fine_temperature"],
                        )
                    )
                report.setdefault(name, {}).setdefault(split, {})[ref] = entry
                log.info("%s %s %s F1 %.2f %s", name, ref, split, entry["f1"], entry["interval"])
    return report
