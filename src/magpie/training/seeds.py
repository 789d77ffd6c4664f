"""A recipe with all its seeds: a run each, the test split once a run, then mean and spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from magpie._io import atomic_write, dump_json, parse_json
from magpie.training.distributed import Processes
from magpie.training.evaluate import final_test
from magpie.training.recipe import Recipe
from magpie.training.run import RunResult, run
from magpie.training.scoring import spread

__all__ = ["SUMMARY", "train"]

SUMMARY = "summary.json"

Listen = Callable[[Mapping[str, Any]], None]


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    test: bool = True,
    listen: Listen = lambda _: None,
) -> dict[str, Any]:
    """Trains every seed of a recipe and scores each best/ on the test split.

    Args:
        recipe: with one seed, ``out`` is the run folder; with several, ``out/seed-<n>``.
        out: where everything goes; ``summary.json`` stands in it at the end.
        resume: go on where an interrupted call stopped; seeds that are done stay as they are.
        test: score the test split after training, where the recipe names one.
        listen: is told every line of ``metrics.jsonl``.

    Returns:
        The summary: ``recipe``, ``method``, ``protocol``, ``runs`` and, over seeds, ``dev`` and
        ``test`` with ``n``, ``mean``, ``deviation`` in [0, 1].

    Raises:
        what :func:`magpie.training.run.run` and :func:`magpie.training.evaluate.evaluate` raise.
    """
    processes = Processes()
    several = len(recipe.seeds) > 1
    runs: list[dict[str, Any]] = []
    for seed in recipe.seeds:
        folder = out / f"seed-{seed}" if several else out
        result = run(
            recipe.with_seed(seed), folder, resume=resume, listen=listen, processes=processes
        )
        if processes.main:
            runs.append({**result.to_dict(), "test": _tested(result, test, str(processes.device))})
        processes.wait()
    if not processes.main:
        return {}
    chosen = "test (legacy_on_test)" if recipe.selection.legacy_on_test else "dev"
    summary = {
        "recipe": recipe.file,
        "recipe_digest": recipe.digest,
        "method": recipe.method,
        "protocol": recipe.protocol,
        "part": recipe.selection.part,
        "selection": f"best epoch on {chosen}",
        "runs": runs,
        "dev": spread([each["dev"] for each in runs]),
        "test": spread([each["test"]["score"] for each in runs])
        if all(each["test"] for each in runs)
        else None,
    }
    atomic_write(out / SUMMARY, dump_json(summary, indent=1))
    return summary


def _tested(result: RunResult, wanted: bool, device: str) -> dict[str, Any] | None:
    """The test split by what dev was selected by; from the report where it was scored before."""
    path = result.folder / "test.report.json"
    if path.is_file():
        known = parse_json(path.read_text("utf-8"), where=str(path))
        return {"score": known["main_score"], "report": str(path)}
    evaluation = final_test(result.folder, device=device) if wanted else None
    if evaluation is None:
        return None
    return {"score": evaluation.scores.value, "report": str(path)}
