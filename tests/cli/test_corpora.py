from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.schema import from_json

TWEETS = "IMGID:11\nRain\tO\nTurin\tI-LOC\n\nIMGID:12\nAda\tB-PER\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MAGPIE_DATA", raising=False)
    folder = tmp_path / "data" / "twitter2015"
    folder.mkdir(parents=True)
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(TWEETS, encoding="utf-8")
    return tmp_path / "data"


def run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["corpora", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.stdout


def test_list() -> None:
    value = json.loads(run("list", "--json"))
    refs = [item["ref"] for item in value["corpora"]]
    assert refs[0] == "twitter2015@umt"
    assert value["corpora"][0]["splits"] == {"train": 4000, "dev": 1000, "test": 3257}
    table = run("list")
    assert all(ref in table for ref in refs)


def test_info() -> None:
    value = json.loads(run("info", "fmnerg", "--json"))
    assert value["splits"]["test"]["fine_types"]["politician"] == 178
    assert value["hierarchy"]["politician"] == "person"
    assert value["splits"]["test"]["boxes"] == 1242
    assert "11779" in run("info", "gmner")


def test_check_reports_and_strict_fails(root: Path) -> None:
    value = json.loads(run("check", "twitter2015", "--root", root, "--json"))
    (report,) = value["reports"]
    assert report["clean"] is False
    assert report["splits"][2]["mismatches"]["documents"] == {"expected": 3257, "found": 2}
    assert report["splits"][2]["anomalies"] == {"orphan-tag": 1}
    assert report["files"][0]["status"] == "unknown"
    text = run("check", "twitter2015", "--root", root, "--strict", code=1)
    assert "expected 3257" in text


def test_check_shows_file_and_line_of_what_is_new(root: Path) -> None:
    (root / "twitter2015" / "test.txt").write_text(TWEETS + "\nIMGID:13\ncut\n", encoding="utf-8")
    text = run("check", "twitter2015", "--root", root).replace("\n", "")
    assert "test.txt:9" in text


def test_check_of_a_missing_split_fails(root: Path) -> None:
    (root / "twitter2015" / "test.txt").unlink()
    assert "could not be read" in run("check", "twitter2015", "--root", root, code=1)


def test_check_needs_a_name() -> None:
    assert json.loads(run("check", "--json", code=2))["error"]["code"] == "config-value"


def test_check_prints_counts_and_a_summary(root: Path) -> None:
    text = run("check", "twitter2015", "--root", root, "--images", root)
    assert "entities_lenient" in text
    assert "twitter2015@umt:test" in text
    assert "0/2" in text
    assert "orphan-tag: 1" in text
    assert "picture-missing: 2, 2 more than the card states" in text
    line = next(line for line in text.splitlines() if "documents" in line and "│" in line)
    assert line.split("│")[-2].strip() == "6"  # over all splits


def test_check_takes_side_sources_too(root: Path) -> None:
    folder = root / "captions" / "twitter_blip2"
    folder.mkdir(parents=True)
    (folder / "BLIP2_15.txt").write_text("11.jpg :clouds above a town\n", encoding="utf-8")
    args = ("check", "blip2", "twitter2015", "--root", root, "--workers", 1)
    value = json.loads(run(*args, "--json", code=1))  # the other caption file is not there
    names = [report["corpus"] for report in value["reports"]]
    assert names == ["twitter2015@umt", "blip2"]
    splits = {split["split"]: split for split in value["reports"][1]["splits"]}
    assert splits["twitter2015@umt:test"]["anomalies"] == {"side-missing": 1}
    text = run(*args, code=1)
    assert "side-missing: 1" in text
    assert "blip2:" in text


def test_check_shows_as_many_examples_as_asked_for(root: Path) -> None:
    posts = "".join(f"IMGID:{n}\nTurin\tI-LOC\n\n" for n in range(15))
    (root / "twitter2015" / "test.txt").write_text(posts, encoding="utf-8")

    def shown(*args: str) -> int:
        text = run("check", "twitter2015", "--root", root, *args).replace("\n", "")
        return text.count("I-LOC continues nothing")

    assert shown() == 0  # the card states more of them
    assert shown("--examples", "4") == 6  # 4 of test, one of each of the others
    assert shown("--examples", "all") == 17
    text = run("check", "twitter2015", "--root", root, "--examples", "few", "--json", code=2)
    assert json.loads(text)["error"]["code"] == "config-value"


def test_check_all_passes_over_what_is_not_there(root: Path) -> None:
    value = json.loads(run("check", "--all", "--root", root, "--workers", 1, "--json"))
    assert [report["corpus"] for report in value["reports"]] == ["twitter2015@umt"]
    assert "gmner@2.0" in value["absent"]
    text = run("check", "--all", "--root", root, "--workers", 1).replace("\n", "")
    assert "no file is there of: twitter2015@tmr" in text
    run("check", "gmner", "--root", root, code=1)  # named, so it is expected


def test_stats(root: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    args = ("stats", "twitter2015:train", "twitter2015:test", "--root", root, "--html", page)
    value = json.loads(run(*args, "--json"))
    first, second = value["statistics"]
    assert (first["name"], second["name"]) == ("twitter2015@umt:train", "twitter2015@umt:test")
    assert first["counts"]["types"] == {"PER": 1}
    assert first["digest"] == "unknown"
    assert "long tail" in page.read_text(encoding="utf-8")
    text = run(*args)
    assert "distinct mentions" in text
    assert "most frequent: " in text
    result = CliRunner().invoke(app, ["corpora", *map(str, args)])
    assert "does not know" in result.stderr.replace("\n", " ")


def test_overlap_of_many_is_a_matrix(root: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    args = ("overlap", "--root", root, "--workers", 1)
    value = json.loads(run(*args, "--all", "--html", page, "--json"))
    assert value["names"] == [f"twitter2015@umt:{name}" for name in ("train", "dev", "test")]
    assert value["shared"] == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]
    assert json.loads(run(*args, "--json")) == value
    assert "percent of the row" in page.read_text(encoding="utf-8") or page.stat().st_size > 5000
    text = run(*args, "--limit", 1)
    assert "2 of 2" in text
    assert "and 2 more pairs" in text.replace("\n", " ")
    assert json.loads(run(*args, "a", "--all", "--json", code=2))["error"]["code"] == "config-value"


def test_split(root: Path, tmp_path: Path) -> None:
    args = ("split", "twitter2015:test", "--root", root, "-o", tmp_path / "out")
    value = json.loads(run(*args, "--parts", "a=0.5, b=0.5", "--json"))
    assert [part["documents"] for part in value["parts"]] == [1, 1]
    assert (tmp_path / "out" / "a.jsonl").read_bytes().count(b"\n") == 1
    text = run(*args, "--parts", "a=1,b=1", "--stratify", "--seed", "4")
    assert "2 groups stayed together" in text
    for wrong in ("a", "a=x", "a=0.5,a=0.5", "a=9"):
        error = json.loads(run(*args, "--parts", wrong, "--json", code=2))["error"]
        assert error["code"] == "config-value"


def test_sample(root: Path, tmp_path: Path) -> None:
    args = ("sample", "twitter2015", "--root", root, "-o", tmp_path / "s.jsonl", "-n", 4)
    value = json.loads(run(*args, "--json"))
    assert (value["documents"], value["seen"]) == (4, 6)
    assert value["inputs"]["twitter2015@umt:dev"] == 2
    assert "4 of 6 documents written" in run(*args).replace("\n", " ")


def test_merge(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.jsonl"
    args = ("merge", "twitter2015:train", "twitter2015:dev", "--root", root, "-o", output)
    value = json.loads(run(*args, "--json"))
    assert (value["documents"], value["renamed"]["number"]) == (4, 2)
    value = json.loads(
        run(*args, "--map", "LOC=PLACE", "--map", "PER=PER", "--map", "GPE=PLACE", "--json")
    )
    assert value["mapped"] == {"LOC -> PLACE": 2}
    assert value["unused"] == ["GPE"]
    assert "LOC -> PLACE: 2" in run(*args, "--map", "LOC=PLACE", "--map", "PER=PER")
    before = output.read_bytes()
    error = json.loads(run(*args, "--map", "LOC=PLACE", "--json", code=2))["error"]
    assert "entity types PER" in error["message"]
    assert output.read_bytes() == before
    value = json.loads(run(*args, "--held-out", "twitter2015:test", "--json"))
    assert value["held_out"] == {"twitter2015@umt:train": 2, "twitter2015@umt:dev": 2}
    assert json.loads(run(*args, "--unique", "--json"))["repeated"] == {"twitter2015@umt:dev": 2}


def test_new_files_with_unreadable_records_exit_with_1(root: Path, tmp_path: Path) -> None:
    (root / "twitter2015" / "test.txt").write_text(TWEETS + "\nIMGID:13\ncut\n", encoding="utf-8")
    args = ("sample", "twitter2015:test", "--root", root, "-o", tmp_path / "s.jsonl", "-n", 4)
    assert json.loads(run(*args, "--json", code=1))["unreadable"] == 1


def test_convert_says_where_pictures_lie(root: Path, tmp_path: Path) -> None:
    folder = root / "images" / "twitter2015"
    folder.mkdir(parents=True)
    (folder / "11.jpg").write_bytes(b"x")
    args = ("convert", "twitter2015", "--split", "test", "--root", root)
    value = json.loads(run(*args, "-o", tmp_path / "out" / "gold.jsonl", "--json"))
    assert value["pictures_root"] == str(folder)
    result = CliRunner().invoke(
        app, ["corpora", *map(str, args), "-o", str(tmp_path / "out" / "gold.jsonl")]
    )
    assert "--root" in result.stderr
    value = json.loads(run(*args, "-o", tmp_path / "gold.jsonl", "--json"))
    assert value["pictures_root"] == ""


def test_convert_writes_documents(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "gold.jsonl"
    args = ("convert", "twitter2015", "--split", "test", "--root", root, "-o", output)
    value = json.loads(run(*args, "--json"))
    assert (value["documents"], value["unreadable"]) == (2, 0)
    documents = [from_json(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [len(d.entities) for d in documents] == [1, 1]
    run(*args, "--orphans", "drop")
    documents = [from_json(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [len(d.entities) for d in documents] == [0, 1]


def test_convert_with_unreadable_records_exits_with_1(root: Path, tmp_path: Path) -> None:
    (root / "twitter2015" / "test.txt").write_text(TWEETS + "\nIMGID:13\ncut\n", encoding="utf-8")
    output = tmp_path / "gold.jsonl"
    args = ("convert", "twitter2015", "--split", "test", "--root", root, "-o", output)
    value = json.loads(run(*args, "--json", code=1))
    assert (value["documents"], value["unreadable"]) == (2, 1)
    assert value["errors"][0]["code"] == "format-record"
    assert len(output.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("convert", "twitter2015", "--split", "tset", "-o", "x"), "not-found"),
        (("convert", "twitter2015", "--split", "test", "-o", "x", "--to", "csv"), "config-value"),
        (("convert", "twitter2015", "--split", "test", "-o", "x", "--types", "y"), "config-value"),
        (("info", "twiter2015"), "not-found"),
        (("overlap", "twitter2015:tset", "gmner"), "not-found"),
    ],
)
def test_mistakes_exit_with_2(
    args: tuple[str, ...], code: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGPIE_DATA", str(root))
    assert json.loads(run(*args, "--json", code=2))["error"]["code"] == code


def test_overlap(root: Path) -> None:
    args = ("overlap", "twitter2015:train", "twitter2015:test", "--root", root)
    value = json.loads(run(*args, "--json"))
    assert (value["shared_a"], value["documents_a"]) == (2, 2)
    assert value["by"] == {"picture": 0, "text": 0, "both": 2}
    assert value["pairs"][0] == {"a": "train/11", "b": "test/11", "by": "both"}
    text = run(*args, "--limit", "1")
    assert "train/11" in text
    assert "and 1 more pairs" in text
