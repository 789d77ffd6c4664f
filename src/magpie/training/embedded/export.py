"""From a trained tagger to the three files that ship."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from magpie._io import atomic_write, dump_json, parse_json
from magpie.engine.embedded.decode import Chain, chunks, fine_type, marginals, viterbi
from magpie.engine.embedded.features import SPEC, pad
from magpie.training.embedded.batches import Item, inputs_of
from magpie.training.embedded.evaluate import TYPES, bootstrap, fine_report, score
from magpie.training.embedded.graph import build_graph
from magpie.training.embedded.network import Tagger
from magpie.training.embedded.settings import COARSE, HEADS, LABELS

__all__ = [
    "Runtime",
    "calibrate_ranges",
    "evaluate_files",
    "export",
    "fit_fine",
    "fit_score_temperature",
]

log = logging.getLogger(__name__)

_KEPT = 0.99995
_TEMPERATURES = np.linspace(0.6, 3.0, 25)
_BATCH = 32


@torch.no_grad()
def calibrate_ranges(tagger: Tagger, items: Sequence[Item]) -> dict[str, tuple[float, float]]:
    """Range of the values that enter each product of the encoder, outliers cut.

    Of every batch the outermost 0.005 % of values are ignored; over batches the widest range wins.
    """
    found: dict[str, tuple[float, float]] = {}
    real: list[Tensor] = []

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            values = arguments[0].float()[real[0]].flatten()
            cut = max(1, int(values.numel() * (1 - _KEPT)))
            high = values.topk(cut).values[-1].item()
            low = -(-values).topk(cut).values[-1].item()
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])

        return hook

    tagger.eval()
    handles = [
        module.register_forward_pre_hook(watch(f"encoder.{name}"))
        for name, module in tagger.encoder.named_modules()
        if isinstance(module, nn.Linear)
    ]
    for begin in range(0, len(items), _BATCH):
        inputs, _ = inputs_of(items[begin : begin + _BATCH])
        real[:] = [inputs["attention_mask"] > 0]
        tagger(inputs)
    for handle in handles:
        handle.remove()
    return found


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
    for threshold in np.linspace(0.0, 0.99, 100):
        kept = sure >= threshold
        if kept.any() and right[kept].mean() >= wanted:
            return best, round(float(threshold), 2)
    return best, 1.0


def export(
    tagger: Tagger,
    folder: Path,
    *,
    calibration: Sequence[Item],
    dev: Mapping[str, Sequence[Item]],
    fine_dev: Sequence[Item],
    fine_types: Sequence[tuple[str, str]],
    tokenizer: str,
    training: Mapping[str, Any],
    max_pieces: int,
) -> dict[str, Any]:
    """Writes ``model.onnx``, ``tokenizer.json``, ``config.json`` (and the float graph beside).

    Args:
        tagger: without list inputs.
        folder: made if absent.
        calibration: training items, for the activation ranges.
        dev: development items, for the score temperature.
        fine_dev: development items with fine types.
        fine_types: name and upper type, in the order of the fine head.
        tokenizer: the tokenizer as JSON.
        training: what is told about the data and the recipe.
        max_pieces: of the featuriser.

    Returns:
        The configuration as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.float().numpy() for name, value in tagger.state_dict().items()}
    size = tagger.encoder.size
    sizes: dict[str, Any] = {"layers": size.layers, "heads": size.heads, "labels": len(LABELS)}
    longest = min(256, size.positions)
    head = HEADS["twitter"]
    build_graph(
        state, folder / "model-float.onnx", mode="float", longest=longest, head=head, **sizes
    )
    build_graph(
        state,
        folder / "model.onnx",
        mode="int8",
        ranges=calibrate_ranges(tagger, calibration),
        longest=longest,
        head=head,
        **sizes,
    )
    atomic_write(folder / "tokenizer.json", tokenizer)
    chain = Chain(*(state[f"chain.{name}"] for name in ("start", "transitions", "end")))
    constrain = constraint_helps(folder / "model.onnx", chain, dev)
    runtime = Runtime(folder / "model.onnx", chain.constrained(LABELS) if constrain else chain)
    everything = [item for items in dev.values() for item in items]
    parents = np.array([COARSE[upper] for _, upper in fine_types])
    fine_temperature, fine_threshold = fit_fine(fine_cases(runtime, fine_dev), parents)
    config = {
        "format": 1,
        "spec": SPEC,
        "labels": list(LABELS),
        "start": chain.start.tolist(),
        "transitions": chain.transitions.tolist(),
        "end": chain.end.tolist(),
        "constrain_bio": constrain,
        "score": "mean_marginal",
        "score_temperature": round(fit_score_temperature(runtime, everything), 3),
        "fine_types": [
            {"name": name, "upper": upper, "type": COARSE[upper]} for name, upper in fine_types
        ],
        "fine_temperature": round(fine_temperature, 3),
        "fine_threshold": fine_threshold,
        "max_pieces": max_pieces,
        "training": dict(training),
    }
    atomic_write(folder / "config.json", dump_json(config, indent=1) + "\n")
    return config


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
