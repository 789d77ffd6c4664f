"""`magpie extract` as scripts and people call it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner, Result

from magpie.cli.app import app
from magpie.schema import Document

TEXT = "Marie Curie moved from Warsaw to Paris."
MODEL = os.environ.get("MAGPIE_MODEL", "embedded")


def _run(*arguments: str, stdin: str | None = None) -> Result:
    options = ["--model", MODEL, "--no-ground", "--threads", "1"]
    return CliRunner().invoke(app, ["extract", *arguments, *options], input=stdin)


def _posts(folder: Path, *lines: str) -> Path:
    path = folder / "posts.jsonl"
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


GOOD = '{"id":"1","text":"Marie Curie saw Paris"}'


def test_flat_line_is_exactly_the_documented_shape() -> None:
    result = _run(TEXT, "--flat")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    value = json.loads(line)
    assert list(value) == ["id", "entities"]
    first = value["entities"][0]
    assert list(first) == [
        "text", "start", "end", "type", "fine_type", "score", "grounding", "boxes",
    ]  # fmt: skip
    assert (first["text"], first["start"], first["end"]) == ("Marie Curie", 0, 11)
    assert (first["type"], first["grounding"], first["boxes"]) == ("PER", "unknown", [])


def test_json_is_one_value_and_nothing_else() -> None:
    result = _run(TEXT, "--json")
    value = json.loads(result.stdout)
    assert list(value) == ["documents", "errors", "summary"]
    assert value["documents"][0]["blocks"] == [{"text": TEXT}]
    assert value["summary"]["entities"] == 3
    assert result.stderr == ""


def test_table_for_people() -> None:
    result = _run(TEXT, "--format", "table")
    assert "Marie Curie" in result.stdout
    assert "LOC" in result.stdout


def test_file_to_file_ignores_gold_and_keeps_ids(tmp_path: Path) -> None:
    gold = (
        '{"format":1,"id":"z","blocks":[{"text":"Paris is big","words":[[0,5],[6,8],[9,12]]}],'
        '"annotations":{"entities":[{"id":"e0","span":{"block":"b0","start":9,"end":12},'
        '"type":"WRONG"}]}}'
    )
    out = tmp_path / "out.jsonl"
    result = _run(str(_posts(tmp_path, gold, GOOD)), "-o", str(out))
    assert result.exit_code == 0
    assert result.stdout == ""
    values = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [value["id"] for value in values] == ["z", "1"]
    assert "WRONG" not in out.read_text("utf-8")
    assert [e["span"]["end"] for e in values[0]["annotations"]["entities"]] == [5]
    assert "2 documents" in result.stderr


def test_failures_go_to_their_file_and_the_exit_code_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    posts = _posts(tmp_path, "{broken", GOOD)
    result = _run(str(posts), "-o", str(out), "--json")
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert value["outputs"] == [str(out)]
    assert value["errors_file"] == str(tmp_path / "out.errors.jsonl")
    assert (value["summary"]["documents"], value["summary"]["failed"]) == (1, 1)
    error = json.loads((tmp_path / "out.errors.jsonl").read_text("utf-8"))
    assert list(error) == ["id", "line", "status", "code", "reason", "where", "mend"]
    assert (error["line"], error["code"]) == (1, "format-json")


def test_existing_output_resume_and_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    posts = str(_posts(tmp_path, GOOD))
    assert _run(posts, "-o", str(out)).exit_code == 0
    before = out.read_bytes()
    refused = _run(posts, "-o", str(out))
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert _run(posts, "-o", str(out), "--resume").exit_code == 0
    assert _run(posts, "-o", str(out), "--overwrite").exit_code == 0
    assert out.read_bytes() == before


def test_standard_input_and_limit() -> None:
    lines = "".join(f'{{"id":"{index}","text":"Paris"}}\n' for index in range(5))
    result = _run("-", "--flat", "--limit", "3", stdin=lines)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["0", "1", "2"]


def test_other_outputs(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "navy").save(tmp_path / "a.png")
    posts = str(_posts(tmp_path, '{"id":"a/b","text":"Paris","image":"a.png"}'))
    array = tmp_path / "out.json"
    assert _run(posts, "-o", str(array), "--flat").exit_code == 0
    assert [value["id"] for value in json.loads(array.read_text("utf-8"))] == ["a/b"]
    page = tmp_path / "out.html"
    assert _run(posts, "-o", str(page)).exit_code == 0
    assert "data:image/jpeg;base64," in page.read_text("utf-8")
    assert _run(posts, "-o", str(tmp_path / "out.png")).exit_code == 0
    with Image.open(tmp_path / "out-a_b-m0.png") as picture:
        assert picture.size == (60, 40)
    single = tmp_path / "one.png"
    assert _run(TEXT, "-i", str(tmp_path / "a.png"), "-o", str(single)).exit_code == 0
    assert single.exists()


def test_table_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("nr,tweet\n7,Marie Curie saw Paris\n", "utf-8")
    result = _run(str(path), "--id-column", "nr", "--text-column", "tweet", "--flat")
    assert json.loads(result.stdout)["id"] == "7"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nope.jsonl"], "not-found"),
        (["a text", "--format", "xml"], "config-value"),
        (["a text", "-o", "out.doc"], "format-unknown"),
        (["a text", "--format", "png"], "config-value"),
        (["a text", "--flat", "--format", "table"], "config-value"),
        (["a text", "--resume"], "config-value"),
        (["-", "--image", "a.jpg"], "config-value"),
        (["a text", "--max-chars", "3"], "format-too-long"),
        (["-", "--limit", "0"], "config-value"),
    ],
)
def test_wrong_calls(arguments: list[str], code: str) -> None:
    result = _run(*arguments, "--json")
    assert result.exit_code == 2
    value: dict[str, Any] = json.loads(result.stdout)
    assert value["error"]["code"] == code
    assert value["error"]["message"]


def test_a_bad_picture_is_said_and_shows_in_the_exit_code(tmp_path: Path) -> None:
    arguments = ["extract", TEXT, "--image", str(tmp_path / "none.jpg"), "--model", MODEL]
    result = CliRunner().invoke(app, [*arguments, "--flat"])
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["entities"]) == 3
    assert "media-absent" in result.stderr


def test_nothing_to_read_is_no_success() -> None:
    assert _run("-", "--flat", stdin="").exit_code == 1


# procedures and grounders


def _kitchen(folder: Path) -> Path:
    """Two steps with a picture each, each with its place in large letters, and one without."""
    tea = folder / "trip"
    tea.mkdir(parents=True)
    for number, place in enumerate(("LISBON", "PARIS"), 1):
        image = Image.new("RGB", (480, 240), "white")
        font = ImageFont.load_default(size=60)
        ImageDraw.Draw(image).text((40 * number, 80), place, font=font, fill="black")
        image.save(tea / f"step-{number}.png")
    steps = ["# Two towns", "1. Marie Curie moved to Lisbon.", "2. Bob Dylan moved to Paris.",
             "3. Marie Curie moved back to Lisbon."]  # fmt: skip
    (tea / "trip.md").write_text("\n\n".join(steps), "utf-8")
    return tea


def test_a_procedure_from_folder_to_lines_page_and_pictures(tmp_path: Path) -> None:
    folder = _kitchen(tmp_path / "kitchen")
    runner = CliRunner()
    model = ["--model", MODEL, "--threads", "1"]
    out = tmp_path / "out.jsonl"
    result = runner.invoke(app, ["extract", str(folder), "-o", str(out), *model])
    assert result.exit_code == 0, result.output
    (line,) = out.read_text("utf-8").splitlines()
    document = Document.from_json(line)
    assert document.id == "trip"
    assert [block.id for block in document.blocks] == ["title", "step-1", "step-2", "step-3"]
    found = {
        (entity.span.block, document.text_of(entity)): entity.grounding
        for entity in document.entities
    }
    places = [("step-1", "Lisbon"), ("step-2", "Paris"), ("step-3", "Lisbon")]
    assert [found[place].status for place in places] == ["regions", "regions", "unknown"]
    assert [found[place].regions[0].media for place in places[:2]] == ["step-1", "step-2"]
    assert found["step-2", "Bob Dylan"].status == "absent"

    # The page and the pictures are made of the lines that were written.
    page = tmp_path / "out.html"
    result = runner.invoke(app, ["extract", str(folder / "trip.md"), "-o", str(page), *model])
    assert result.exit_code == 0, result.output
    html = page.read_text("utf-8")
    first, second, third = html.split('<section class="step">')[2:]
    assert "step 1" in first
    assert "step 2" in second
    assert [part.count("<img ") for part in (first, second, third)] == [1, 1, 0]
    assert [part.count('class="place"') for part in (first, second)] == [1, 1]
    pictures = tmp_path / "p.png"
    result = runner.invoke(
        app, ["extract", str(folder), "-o", str(pictures), *model, "--grounder", "local"]
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "p-trip-step-1.png", "p-trip-step-2.png",
    ]  # fmt: skip
    before = Image.open(folder / "step-1.png").convert("RGB")
    after = Image.open(tmp_path / "p-trip-step-1.png")
    assert after.size == before.size
    assert after.tobytes() != before.tobytes()
    result = runner.invoke(
        app, ["extract", str(folder), "--format", "table", *model, "--grounder", "none"]
    )
    assert result.exit_code == 0
    assert "step 2, picture step-2.png" in result.stdout
    assert result.stdout.index("step 1") < result.stdout.index("Bob Dylan")
    assert "not looked for" in result.stdout


def test_grounders_and_regions_that_cannot_be(tmp_path: Path) -> None:
    def error(*arguments: str) -> dict[str, Any]:
        options = ["--model", MODEL, "--json"]
        result = CliRunner().invoke(app, ["extract", TEXT, *arguments, *options])
        assert result.exit_code == 2
        value: dict[str, Any] = json.loads(result.stdout)["error"]
        return value

    found = error("--grounder", "lokal")
    assert (found["code"], found["where"]) == ("not-found", "lokal")
    assert "Did you mean local?" in found["mend"]
    assert error("--grounder", "local", "--no-ground")["code"] == "config-value"
    assert "NAME=FOLDER" in error("--regions", "vinvl")["message"]
    assert error("--regions", f"vinvl={tmp_path / 'none'}")["code"] == "not-found"
    assert "twice" in error("--regions", f"v={tmp_path}", "--regions", f"v={tmp_path}")["message"]
    assert "nobody here reads" in error("--regions", f"vinvl={tmp_path}")["message"]


def test_going_on_with_another_grounder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    source = str(_posts(tmp_path, GOOD))
    runner = CliRunner()
    model = ["--model", MODEL, "--threads", "1"]
    assert runner.invoke(app, ["extract", source, "-o", str(out), *model]).exit_code == 0
    result = runner.invoke(
        app, ["extract", source, "-o", str(out), *model, "--resume", "--grounder", "none"]
    )
    assert result.exit_code == 2
    assert "config_digest" in result.output
