"""Training a divergence estimator from files, as ``magpie features estimator`` does."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training needs the extra 'train'")

from magpie.backbones.divergence import DivergenceEstimator
from magpie.cli.app import app
from magpie.errors import ConfigError
from magpie.features import Pixels
from magpie.features.divergence import DivergenceScores
from magpie.features.supply import Supplier
from magpie.schema import Block, Document, Media
from magpie.training.divergence import (
    EstimatorPlan,
    PairedTexts,
    train_estimator,
)
from magpie.vision import PixelSpec

COLOURS = {
    "red": (230, 20, 20),
    "green": (20, 200, 40),
    "blue": (20, 40, 220),
    "yellow": (230, 220, 30),
}
NEED = Pixels(PixelSpec(side=64))


def written(folder: Path, sort: str, text: str, shades: int) -> str:
    """A table of texts that name the colours of their pictures."""
    rows = [("id", "text", "image")]
    for name, colour in COLOURS.items():
        for shade in range(shades):
            picture = f"{sort}-{name}-{shade}.png"
            darker = tuple(value - 3 * shade if value > 40 else value for value in colour)
            Image.new("RGB", (80, 64), darker).save(folder / picture)
            rows.append((picture[:-4], text.format(name), picture))
    path = folder / f"{sort}.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return str(path)


@pytest.fixture
def sources(tmp_path: Path) -> tuple[str, str]:
    return (
        written(tmp_path, "captions", "a picture that is {}", 4),
        written(tmp_path, "posts", "my {} day again lol", 4),
    )


def plan(**settings: Any) -> EstimatorPlan:
    return EstimatorPlan(**{"start": "tiny-vilt", "steps": 4, "draws": 2, **settings})


def test_no_picture_is_in_both_parts(sources: tuple[str, str]) -> None:
    read = PairedTexts.read(sources[0], NEED)
    assert len(read.pairs) == 16
    train, held = read.split(0.25, seed=1)
    assert (len(train), len(held)) == (12, 4)
    assert not {picture for _, picture in train} & {picture for _, picture in held}
    assert read.split(0.25, seed=1) == (train, held)
    assert read.split(0.25, seed=2) != (train, held)
    # However small the share: two pictures are needed so that one can be swapped.
    assert len(read.split(0.001, seed=1)[1]) == 2


def test_what_cannot_be_read_is_set_aside(sources: tuple[str, str], tmp_path: Path) -> None:
    path = Path(sources[0])
    with path.open("a") as stream:
        stream.write("gone,a text,nowhere.png\nbare,a text,\nwordless,,captions-red-0.png\n")
    read = PairedTexts.read(str(path), NEED)
    assert len(read.pairs) == 16
    aside = dict(read.set_aside)
    assert set(aside) == {"gone", "bare", "wordless"}
    assert "nowhere.png" in aside["gone"]
    found = train_estimator(str(path), sources[1], tmp_path / "out", plan())
    assert found.to_dict()["set_aside"] == {"complement": 0, "strengthen": 3}


def test_captions_of_a_corpus_are_texts(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGPIE_DATA", str(data_dir))
    read = PairedTexts.read("coco@1:val", NEED)
    assert len(read.pictured) == 50
    assert len(read.pairs) > 4 * 50  # five captions a photograph, and no keypoints
    assert not any(text.startswith("{") for text, _ in read.pairs)


def test_too_few_pictures(sources: tuple[str, str], tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("id,text,image\n1,a,captions-red-0.png\n2,b,nowhere.png\n")
    with pytest.raises(ConfigError, match=r"1 pictured texts here.*1 set aside: ") as caught:
        train_estimator(sources[0], str(few), tmp_path / "out", plan())
    assert caught.value.where == str(few)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"draws": 1}, {"rate": 0.0}, {"held_out": 0.0}, {"held_out": 1.0}]
)
def test_plans_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="need steps"):
        plan(**settings)


def test_the_command_writes_what_recipes_ask(sources: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "estimator"
    arguments = ["features", "estimator", str(out), "--strengthen", sources[0]]
    arguments += ["--complement", sources[1], "--start", "tiny-vilt", "--steps", "3"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    body = json.loads(done.stdout)
    assert body["pairs"] == {"complement": 16, "strengthen": 16}
    notes = json.loads((out / "estimator.json").read_text())["notes"]
    assert notes["trained"]["strengthen"] == sources[0]
    assert notes["trained"]["steps"] == 3
    post = Document(
        id="p",
        blocks=(Block.from_words(["my", "red", "day"]),),
        media=(Media(id="m", kind="image", uri="posts-red-0.png"),),
    )
    need = DivergenceScores(f"estimator:{out}")
    scores = Supplier(root=tmp_path)(post, {need})[need].arrays["scores"]
    assert scores[0].sum() == pytest.approx(1.0, abs=1e-6)
    assert scores[0].tolist() != [0.5, 0.5]
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code != 0
    assert "--overwrite" in again.output


def test_the_same_seed_trains_the_same(sources: tuple[str, str], tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_estimator(*sources, tmp_path / name, plan(seed=seed))
        made.append(DivergenceEstimator.load(tmp_path / name).fingerprint()["weights"])
    assert made[0] == made[1] != made[2]


@pytest.mark.slow
def test_it_learns_which_picture_belongs_to_a_text(tmp_path: Path) -> None:
    captions = written(tmp_path, "captions", "a picture that is {}", 10)
    posts = written(tmp_path, "posts", "my {} day again lol", 10)
    found = train_estimator(captions, posts, tmp_path / "out", plan(steps=1500, draws=8, rate=1e-3))
    assert found.losses[1] < 0.85 * found.losses[0]
    assert found.accuracy > 0.75
    # The swapped ones, too, which neither text nor picture tells by itself.
    assert found.by_class["weaken"] > 0.4
