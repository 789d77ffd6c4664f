"""Pipelines as recipes: stages that learn, are judged and are resumed each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from safetensors.torch import load_file  # noqa: E402

from magpie._io import parse_json  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.checkpoint import load_method, read_card  # noqa: E402
from magpie.methods.entity_grounding import EntityGrounding  # noqa: E402
from magpie.methods.pipelines import Pipeline  # noqa: E402
from magpie.training import run as run_module  # noqa: E402
from magpie.training.data import read_documents  # noqa: E402
from magpie.training.recipe import parse_recipe  # noqa: E402
from magpie.training.run import run  # noqa: E402
from magpie.training.scoring import score_method  # noqa: E402

RECIPE = """
method: gvatt-evg
config:
  tagger: {text: tiny-words, image: none, letter_width: 4, letter_hidden: 4, hidden: 8}
  grounder: {text: tiny-bert, source: blobs, count: 6, width: 768, normalise: false}
data: {corpus: controlled@gmner, limit: 24, limit_dev: 8}
stages:
  - {name: tagger, part: mner, loop: {epochs: 2}}
  - {name: grounder, loop: {epochs: 2}}
loop: {batch: 8}
optimiser: {rate: 5.0e-3, warmup: 0.0}
seeds: [1]
"""


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "draw_plots", lambda folder: [])


class KilledError(Exception):
    """Stands for a kill."""


def kill_at(stage: str, step: int) -> Any:
    """A listener that stops the run at this step of a stage."""

    def listen(line: Mapping[str, Any]) -> None:
        if line["kind"] == "step" and (line["name"], line["step"]) == (stage, step):
            raise KilledError

    return listen


def of_part(folder: Path, part: str) -> dict[str, torch.Tensor]:
    weights = load_file(folder / "model.safetensors")
    return {name: value for name, value in weights.items() if name.startswith(f"{part}.")}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert one
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_stages_learn_are_judged_and_resume_by_themselves(tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE)
    seen: list[Mapping[str, Any]] = []
    result = run(recipe, tmp_path / "whole", listen=seen.append)
    steps = [line for line in seen if line["kind"] == "step"]
    # Each stage has the loss terms of its part alone.
    for stage, term in (("tagger", "tagger.main"), ("grounder", "grounder.regions")):
        assert {key for s in steps if s["name"] == stage for key in s["losses"]} == {term}

    # Killed in the second stage: the first is done, and its tagger stays as it is.
    folder = tmp_path / "killed"
    with pytest.raises(KilledError):
        run(recipe, folder, listen=kill_at("grounder", 1))
    tagger = of_part(folder / "best", "tagger")
    assert read_card(folder / "best").notes["selected"]["stage"] == "tagger"
    run(recipe, folder, resume=True)
    assert same(of_part(folder / "best", "tagger"), tagger)
    for part in ("tagger", "grounder"):
        for place in ("best", "last"):
            assert same(of_part(folder / place, part), of_part(tmp_path / "whole" / place, part))

    # The score of the run is that of the whole, not of gold entities that were grounded.
    method = load_method(tmp_path / "whole" / "best")
    assert isinstance(method, Pipeline)
    documents = read_documents("controlled@gmner:dev", recipe.data, limit=8)
    whole = score_method(method, documents, Supplier(), "gmner-iou50@1")
    assert result.score == pytest.approx(whole.value)
    method.begin("grounder")
    given = score_method(method, documents, Supplier(), "gmner-iou50@1")
    assert given.report.parts["mner"].micro.score == 1.0
    report = parse_json((tmp_path / "whole" / "dev.report.json").read_text("utf-8"))
    assert report["main_score"] == result.score


def test_a_stage_is_judged_on_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, float]] = []
    real = run_module.score_method

    def noted(method: Any, *args: Any, **settings: Any) -> Any:
        found = real(method, *args, **settings)
        asked.append((method.stage, settings["part"], found.report.parts["mner"].micro.score))
        return found

    monkeypatch.setattr(run_module, "score_method", noted)
    tuned: list[str] = []
    monkeypatch.setattr(
        EntityGrounding, "tune", lambda self, documents, supplier: tuned.append(self.name)
    )
    run(parse_recipe(RECIPE.replace("epochs: 2", "epochs: 1")), tmp_path / "run")
    assert [(stage, part) for stage, part, _ in asked] == [
        ("tagger", "mner"), ("grounder", None), ("", None),
    ]  # fmt: skip
    # Gold entities are grounded in the second stage; the whole has the tagger's own again.
    assert asked[1][2] == 1.0
    assert asked[2][2] == asked[0][2]
    # The threshold belongs to the grounder: while the tagger learns nobody looks at it.
    assert tuned == ["evg"]


def test_stages_that_the_method_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gvatt-evg has no stage 'taggers'"):
        run(parse_recipe(RECIPE.replace("name: tagger,", "name: taggers,")), tmp_path / "run")
    with pytest.raises(ConfigError, match="has no part 'mne'"):
        run(parse_recipe(RECIPE.replace("part: mner", "part: mne")), tmp_path / "other")
