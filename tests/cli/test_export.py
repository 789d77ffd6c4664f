"""`magpie export` and `magpie import`: counts and losses as JSON or a table, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from magpie.cli.app import app
from magpie.cli.export import parsed
from magpie.errors import ConfigError
from magpie.schema import Annotations, Box, Document, Entity, Grounding, Region, Span


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two posts: one grounded entity with a fine type, and nothing."""
    region = Region.of_box(Box(1, 2, 3, 4, "m0"))
    entity = Entity(
        id="e0",
        span=Span("b0", 0, 3),
        type="PER",
        fine_type="author",
        grounding=Grounding.in_regions(region),
    )
    one = Document.from_text("Ada left", id="1", images=("a.png",)).with_annotations(
        Annotations(entities=(entity,))
    )
    path = tmp_path / "in.jsonl"
    lines = [one.to_json(), Document.from_text("x", id="2").to_json()]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def picture(folder: Path) -> None:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    Image.new("RGB", (30, 20)).save(folder / "a.png")


def test_export_as_json(source: Path, tmp_path: Path) -> None:
    picture(tmp_path)
    result = run("export", source, "--to", "coco", "-o", tmp_path / "out.json", "--json")
    assert result.exit_code == 0, result.output
    body: dict[str, Any] = json.loads(result.stdout)
    assert body["written"] == {"media": 1, "boxes": 1}
    assert body["losses"]["entities"] == {"count": 1, "examples": ["1/e0"]}
    assert body["losses"]["documents"]["count"] == 2
    assert body["failed"] == []
    assert (body["format"], body["path"]) == ("coco", str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text("utf-8"))["images"][0]["width"] == 30


def test_options_and_pictures_folder(source: Path, tmp_path: Path) -> None:
    picture(tmp_path / "pictures")
    result = run(
        *("export", source, "--to", "coco", "-o", tmp_path / "out.json"),
        *("--images", tmp_path / "pictures", "--set", "fine=true"),
    )
    assert result.exit_code == 0, result.output
    value = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert value["categories"] == [{"id": 1, "name": "author", "supercategory": "PER"}]
    assert "boxes" in result.stdout


def test_there_and_back(source: Path, tmp_path: Path) -> None:
    picture(tmp_path)
    folder = tmp_path / "tasks"
    assert run("export", source, "--to", "label-studio", "-o", folder).exit_code == 0
    back = tmp_path / "back.jsonl"
    result = run("import", folder, "--from", "label-studio", "-o", back, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "format": "label-studio",
        "path": str(back),
        "documents": 2,
        "entities": 1,
        "partial": 0,
        "failed": [],
    }
    texts = [json.loads(line)["id"] for line in back.read_text("utf-8").splitlines()]
    assert texts == ["1", "2"]
    assert (
        "2 documents, 1 entities"
        in run("import", folder, "--from", "label-studio", "-o", back).stdout
    )


def test_bad_lines_make_the_exit_code_1(source: Path, tmp_path: Path) -> None:
    with open(source, "a", encoding="utf-8") as stream:
        stream.write("{broken\n")
    folder = tmp_path / "tasks"
    result = run("export", source, "--to", "label-studio", "-o", folder, "--json")
    assert result.exit_code == 1
    (failed,) = json.loads(result.stdout)["failed"]
    assert (failed["code"], failed["where"]) == ("format-json", f"{source}:3")
    assert (folder / "tasks.json").is_file()
    text = (folder / "tasks.json").read_text("utf-8")
    (folder / "tasks.json").write_text(text.replace('{"data"', '{"dada"', 1), encoding="utf-8")
    result = run("import", folder, "--from", "label-studio", "-o", tmp_path / "back.jsonl")
    assert result.exit_code == 1
    assert "1 documents, 0 entities" in result.stdout
    assert "expected a task with the key data" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--to", "cocoa"), "not-found", "no format 'cocoa'"),
        (("--to", "coco", "--set", "colour=red"), "config-value", "no option 'colour'"),
        (("--to", "coco", "--set", "colour"), "config-value", "expected name=value"),
        (("--to", "supervision"), "config-value", "cannot be written"),
    ],
)
def test_nothing_could_be_done(
    arguments: tuple[str, ...], code: str, message: str, source: Path, tmp_path: Path
) -> None:
    result = run("export", source, *arguments, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == code
    assert message in error["message"]
    assert not (tmp_path / "out").exists()


def test_settings() -> None:
    assert parsed(None) == {}
    assert parsed(["a-b=2", "c=true", 'd=["x"]', "e=x=y", "f=", "g=NaN"]) == {
        "a_b": 2,
        "c": True,
        "d": ["x"],
        "e": "x=y",
        "f": "",
        "g": "NaN",
    }
    with pytest.raises(ConfigError):
        parsed(["=x"])
