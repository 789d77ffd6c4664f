"""``--regions NAME=FOLDER`` from features to training, evaluation, prediction and extraction."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.corpora.side import VinvlRegions, write_vinvl
from magpie.features.blobs import blobs, thumbnails
from magpie.schema import Document
from magpie.vision import load_image

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

RECIPE = """
method: evg
config: {text: tiny-bert, source: published, count: 6, normalise: false, deviation: 0.12}
data: {corpus: magpie}
loop: {epochs: 1, batch: 8}
optimiser: {rate: 2.0e-3, warmup: 0.05}
"""
WIDTH = 2048


def regions_of(picture: bytes) -> VinvlRegions:
    """The blobs of a picture in VinVL's layout, their thumbnails filled up with zeros."""
    image = load_image(picture)
    boxes, scores = blobs("m0", image)
    features = np.zeros((len(boxes), WIDTH), np.float32)
    features[:, :768] = thumbnails(image, boxes)
    return VinvlRegions(
        width=image.width,
        height=image.height,
        boxes=np.array([box.xyxy for box in boxes], np.float32),
        features=features,
        scores=np.array(scores, np.float32),
        objects=("thing",) * len(boxes),
        attributes=("",) * len(boxes),
        attribute_scores=np.ones((len(boxes), 1), np.float32),
        class_scores=np.zeros((len(boxes), 1595)),
    )


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits in JSON lines, their pictures, and a region file for every picture but one."""
    folder = tmp_path_factory.mktemp("posts")
    (folder / "npz").mkdir()
    for split, size in (("train", 24), ("dev", 8), ("test", 8)):
        lines = []
        for document in controlled(split, ControlledConfig(task="gmner", size=size)):
            (medium,) = document.media
            assert medium.data is not None
            name = f"{split}-{document.id}".replace("/", "-")
            (folder / f"{name}.png").write_bytes(medium.data)
            write_vinvl(folder / "npz" / f"{name}.jpg.npz", regions_of(medium.data))
            media = (dataclasses.replace(medium, data=None, uri=f"{name}.png"),)
            lines.append(dataclasses.replace(document, media=media).to_json())
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "npz" / f"{name}.jpg.npz").unlink()
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    return folder


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_one_folder_from_features_to_boxes(posts: Path, tmp_path: Path) -> None:
    recipe, root = str(posts / "recipe.yaml"), ["--set", f"data.root={posts}"]
    given = ["--regions", f"published={posts / 'npz'}"]

    built = run("features", "build", recipe, *root, *given, "--store", str(tmp_path / "store"))
    counts = {
        split: (part["needs"][0]["computed"], part["needs"][0]["absent"])
        for split, part in built["splits"].items()
    }
    assert counts == {"train": (24, 0), "dev": (8, 0), "test": (7, 1)}

    out = str(tmp_path / "run")
    lacking = run("train", recipe, *root, "--out", out, "--no-test", code=2)["error"]
    assert "region features called 'published'" in lacking["message"]
    assert "--regions" in lacking["mend"]
    trained = run("train", recipe, *root, *given, "--out", str(tmp_path / "run2"), "--no-test")
    checkpoint = trained["runs"][0]["folder"]

    scored = run("evaluate", checkpoint, "--split", "test")
    assert scored["protocol"].startswith("gmner-iou50@1")
    moved = tmp_path / "moved"
    moved.symlink_to(posts / "npz")
    again = run("evaluate", checkpoint, "--split", "test", "--regions", f"published={moved}")
    assert again == scored

    test, lines = str(posts / "test.jsonl"), tmp_path / "out.jsonl"
    summary = run("predict", checkpoint, test, "-o", str(lines), *given, code=1)["summary"]
    assert (summary["documents"], summary["partial"], summary["failed"]) == (8, 1, 0)
    found = [Document.from_json(line) for line in lines.read_text("utf-8").splitlines()]
    status = [{entity.grounding.status for entity in document.entities} for document in found]
    assert status[-1] == {"unknown"}
    assert all(each <= {"regions", "absent"} for each in status[:-1])
    (error,) = (tmp_path / "out.errors.jsonl").read_text("utf-8").splitlines()
    assert json.loads(error)["code"] == "features-absent"
    judged = run("score", test, str(lines), "--protocol", "gmner-iou50@1")
    assert judged["micro"] == scored["micro"]
    extracted = run("extract", test, "--model", checkpoint, *given, code=1)
    assert [Document.from_json(json.dumps(each)) for each in extracted["documents"]] == found

    refused = run("extract", test, "--model", checkpoint, code=2)["error"]
    assert "region features called 'published'" in refused["message"]
    doctor = run("doctor", "--model", checkpoint)
    (reads,) = [check for check in doctor["checks"] if check["name"] == "reads"]
    assert reads["detail"] == "regionfeatures from published"
    assert reads["mend"].endswith("--regions published=FOLDER")
