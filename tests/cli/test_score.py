"""`magpie score`: JSON for scripts, a table for people, errors with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from magpie.cli.app import app
from magpie.cli.score import _labels
from magpie.schema import Annotations, Block, Document, Entity, Media, Relation, Span


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def flat(id: str, *entities: tuple[int, int, str]) -> dict[str, Any]:
    return {"id": id, "entities": [{"start": a, "end": b, "type": t} for a, b, t in entities]}


def spelled(line: dict[str, Any]) -> dict[str, Any]:
    """With the text of each mention, which flat lines may leave out."""
    entities = [{**each, "text": f"word{each['start']}"} for each in line["entities"]]
    return {**line, "entities": entities}


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two gold posts with three entities, of which two are found and one is invented."""
    entities = tuple(
        Entity(id=f"e{n}", span=Span("b0", a, b), type=t)
        for n, (a, b, t) in enumerate([(4, 7, "PER"), (11, 16, "LOC")])
    )
    full = Document.from_text("Met Ada in Porto", id="1").with_annotations(
        Annotations(entities=entities)
    )
    gold = tmp_path / "gold.jsonl"
    write(gold, json.loads(full.to_json()), spelled(flat("2", (0, 4, "ORG"))))
    predicted = write(
        tmp_path / "predicted.jsonl",
        spelled(flat("2", (0, 4, "ORG"), (6, 9, "PER"))),
        flat("1", (4, 7, "PER")),
    )
    return gold, predicted


RATIO = pytest.approx(2 / 3)
MICRO = {"precision": RATIO, "recall": RATIO, "f1": RATIO, "gold": 3, "predicted": 3, "correct": 2}


def test_json(files: tuple[Path, Path]) -> None:
    result = run(*files, "--task", "ner", "--protocol", "ner-span-conll@1", "--json")
    assert result.exit_code == 0
    body = json.loads(result.stdout)
    assert body["protocol"] == "ner-span-conll@1"
    assert body["micro"] == MICRO
    assert {
        kind: (c["gold"], c["predicted"], c["correct"]) for kind, c in body["per_type"].items()
    } == {
        "LOC": (1, 0, 0),
        "ORG": (1, 1, 1),
        "PER": (1, 2, 1),
    }


def test_grounded_scores_stand_together(files: tuple[Path, Path]) -> None:
    body = json.loads(run(*files, "--task", "gmner", "--json", "--bootstrap", "20").stdout)
    assert body["protocol"] == "gmner-iou50@1"
    assert set(body["parts"]) == {"gmner", "mner", "eeg"}
    assert body["micro"] == body["parts"]["gmner"]["micro"] == MICRO
    low, high = body["f1_interval_95"]
    assert 0 <= low <= 2 / 3 <= high <= 1


def test_modes_are_named_in_the_result(files: tuple[Path, Path]) -> None:
    result = run(*files, "--task", "gmner", "--mode", "riveg", "--iou-inclusive", "--json")
    assert json.loads(result.stdout)["options"] == {"inclusive": True, "mode": "riveg"}


def test_switches_by_name(files: tuple[Path, Path]) -> None:
    flags = run(*files, "--task", "gmner", "--mode", "fmnerg", "--legacy-train-scorer", "--json")
    options = {"mode": "fmnerg", "legacy_train_scorer": True}
    assert json.loads(flags.stdout)["options"] == options
    named = ["--option", "mode=fmnerg", "--option", "legacy_train_scorer=true"]
    assert run(*files, "--task", "gmner", *named, "--json").stdout == flags.stdout
    fine = run(*files, "--option", "level=fine_type", "--json")
    assert json.loads(fine.stdout)["level"] == "fine_type"


def test_the_tags_of_column_files_stay_as_they_are(tmp_path: Path) -> None:
    gold, predicted = tmp_path / "gold.conll", tmp_path / "predicted.conll"
    gold.write_text("so\tO\nAda\tB-PER\nL\tI-PER\n##o\tO\nRio\tB-LOC\n", encoding="utf-8")
    predicted.write_text("so\tO\nAda\tB-PER\nL\tI-PER\n##o\tX\nRio\tB-LOC\n", encoding="utf-8")
    body = json.loads(run(gold, predicted, "--protocol", "ner-umt@1", "--json").stdout)
    assert body["per_type"]["X"]["predicted"] == 1
    assert body["micro"]["f1"] == pytest.approx(0.8)
    body = json.loads(run(gold, predicted, "--protocol", "ner-umgf@1", "--json").stdout)
    assert body["micro"]["f1"] == 1.0


def test_the_table(files: tuple[Path, Path]) -> None:
    result = run(*files)
    assert result.exit_code == 0
    assert "ner-span-conll@1" in result.stdout
    assert "66.67" in result.stdout
    assert "2 documents" in result.stdout


def test_documents_that_do_not_match(files: tuple[Path, Path], tmp_path: Path) -> None:
    short = write(tmp_path / "short.jsonl", flat("1", (4, 7, "PER")))
    result = run(files[0], short, "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "compare-alignment"
    assert "'2'" in error["message"]
    body = json.loads(run(files[0], short, "--json", "--allow-missing").stdout)
    assert (body["micro"]["gold"], body["micro"]["predicted"]) == (3, 1)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--protocol", "ner-span@9"], "not-found"),
        (["--task", "gmner", "--protocol", "ner-span-conll@1"], "config-value"),
        (["--mode", "riveg"], "config-value"),
        (["--task", "poetry"], "not-found"),
        (["--option", "level"], "config-value"),
        (["--option", "size=3"], "config-value"),
        (["--option", "level=middle"], "config-value"),
        (["--legacy-train-scorer", "--task", "gmner"], "config-value"),
        (["--protocol", "mre-no-none@1"], "compare-protocol"),
    ],
)
def test_bad_options(files: tuple[Path, Path], options: list[str], code: str) -> None:
    result = run(*files, *options, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == code


def test_a_bad_line_is_located(files: tuple[Path, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "1", "entities": []}\n{"id": "2",\n', encoding="utf-8")
    error = json.loads(run(files[0], bad, "--json").stdout)["error"]
    assert error["code"] == "format-json"
    assert error["where"] == f"{bad}:2"


def conll(path: Path, *sentences: str) -> Path:
    """Each sentence as "word/tag word/tag"."""
    rows = ["\n".join(pair.replace("/", "\t") for pair in s.split()) + "\n" for s in sentences]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_column_files_on_both_sides(tmp_path: Path) -> None:
    gold = conll(tmp_path / "gold.conll", "Met/O Ada/B-PER Byron/I-PER", "In/O Porto/B-LOC")
    predicted = conll(tmp_path / "out.conll", "Met/O Ada/B-PER Byron/O", "In/O Porto/B-LOC")
    body = json.loads(run(gold, predicted, "--json").stdout)
    assert body["documents"] == 2
    micro = body["micro"]
    assert (micro["gold"], micro["predicted"], micro["correct"]) == (2, 2, 1)
    assert body["per_type"]["LOC"]["f1"] == 1.0


def test_orphan_tags_count_under_one_protocol_and_not_under_the_other(tmp_path: Path) -> None:
    # Without the second sentence the file would be IOB1, where an opening I- is no defect.
    gold = conll(tmp_path / "gold.conll", "Met/O Ada/I-PER Byron/I-PER", "In/O Porto/B-LOC")
    for name, count in (("ner-span-conll@1", 2), ("ner-span-strict@1", 1)):
        body = json.loads(run(gold, gold, "--protocol", name, "--json").stdout)
        assert (body["micro"]["gold"], body["micro"]["correct"]) == (count, count)


def test_column_files_of_other_words_are_refused(tmp_path: Path) -> None:
    gold = conll(tmp_path / "gold.conll", "Met/O Ada/B-PER")
    predicted = conll(tmp_path / "out.conll", "Saw/O Ada/B-PER")
    result = run(gold, predicted, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "compare-alignment"


def test_the_protocol_says_what_is_scored(files: tuple[Path, Path]) -> None:
    body = json.loads(run(*files, "--protocol", "gmner-iou50@1", "--json").stdout)
    assert body["task"] == "gmner"
    assert set(body["parts"]) == {"gmner", "mner", "eeg"}


def test_intervals_by_type(files: tuple[Path, Path]) -> None:
    body = json.loads(run(*files, "--bootstrap", "200", "--json").stdout)
    low, high = body["f1_interval_95"]
    assert 0 <= low <= body["micro"]["f1"] <= high <= 1
    # ORG stands in one document and is right there: every draw gives the same.
    assert body["per_type"]["ORG"]["f1_interval_95"] == [1.0, 1.0]
    assert body["per_type"]["LOC"]["f1_interval_95"] == [0.0, 0.0]


def test_column_files_that_carry_ids_of_posts(tmp_path: Path) -> None:
    gold, predicted = tmp_path / "gold.txt", tmp_path / "predicted.txt"
    gold.write_text(
        "IMGID:7\nMet\tO\nAda\tI-PER\n\nIMGID:9\nPorto\tB-LOC\nso\tO\nIMGID:7\nRio\tB-LOC\n",
        encoding="utf-8",
    )
    predicted.write_text(gold.read_text("utf-8").replace("Rio\tB-LOC", "Rio\tO"), encoding="utf-8")
    # An I- that nothing opens is an entity for one protocol only; every protocol reads the files.
    for name, count in (("ner-span-strict@1", 2), ("ner-span-conll@1", 3), ("ner-umt@1", 3)):
        body = json.loads(run(gold, predicted, "--protocol", name, "--json").stdout)
        assert body["documents"] == 3
        micro = body["micro"]
        assert (micro["gold"], micro["predicted"], micro["correct"]) == (
            count,
            count - 1,
            count - 1,
        )


# several systems, and what lies behind a score


def test_several_systems_are_compared(files: tuple[Path, Path]) -> None:
    gold, predicted = files
    result = run(gold, predicted, gold, "--json", "--samples", "99", "--seed", "4")
    body = json.loads(result.stdout)
    assert [each["name"] for each in body["systems"]] == [str(predicted), str(gold)]
    assert body["systems"][0]["micro"] == MICRO
    assert "errors" not in body["systems"][0]
    (found,) = body["comparisons"]
    assert (found["first"], found["second"]) == (str(predicted), str(gold))
    assert (found["protocol"], found["documents"]) == ("ner-span-conll@1", 2)
    assert (found["samples"], found["seed"]) == (99, 4)
    part = found["parts"]["mner"]
    assert part["first"] == RATIO
    assert part["second"] == 1.0
    assert part["difference"] == pytest.approx(-1 / 3)
    low, high = part["difference_interval_95"]
    # Both documents differ alike: every drawn set has the same difference.
    assert (low, high) == (pytest.approx(-1 / 3, abs=0.2), pytest.approx(-1 / 3, abs=0.2))
    assert 0 < part["p_randomisation"] <= 1
    assert part["differing"] == 2
    assert "p_randomisation_holm" not in part


def test_every_two_of_three_systems(files: tuple[Path, Path]) -> None:
    gold, predicted = files
    body = json.loads(run(gold, predicted, gold, predicted, "--json", "--samples", "50").stdout)
    parts = [each["parts"]["mner"] for each in body["comparisons"]]
    assert [part["difference"] for part in parts] == pytest.approx([-1 / 3, 0, 1 / 3])
    assert parts[1]["p_randomisation"] == parts[1]["p_randomisation_holm"] == 1.0
    assert all(part["p_randomisation_holm"] >= part["p_randomisation"] for part in parts)
    table = run(gold, predicted, gold, predicted, "--samples", "50").stdout
    assert "+33.33" in table
    assert "Holm" in table


def test_systems_are_called_by_what_sets_their_paths_apart(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    gold, predicted = files
    paths = [tmp_path / "runs" / name / "test.predictions.jsonl" for name in ("umt", "ita/seed-2")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(predicted.read_bytes())
    shown = run(gold, *paths).stdout.splitlines()
    assert [line.strip() for line in shown if line.strip() in ("umt", "ita/seed-2")] == [
        "umt",
        "ita/seed-2",
    ]
    assert not any("test.predictions" in line for line in shown)
    # nothing would be left of the first one's name
    inner = paths[0].parent / "test.predictions.jsonl" / "test.predictions.jsonl"
    assert [str(each) for each in (paths[0], inner)] == _labels([paths[0], inner], short=True)
    assert _labels(paths[:1], short=True) == [str(paths[0])]
    assert _labels(paths, short=False) == [str(each) for each in paths]


def test_a_system_of_other_documents_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", flat("1", (4, 7, "PER")), flat("3", (0, 4, "ORG")))
    error = json.loads(run(*files, other, "--json").stdout)["error"]
    assert error["code"] == "compare-alignment"
    assert "'3'" in error["message"]


def test_analysis(files: tuple[Path, Path], tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", spelled(flat("t", (0, 4, "ORG"))))
    body = json.loads(run(*files, "--train", train, "--examples", "1", "--json").stdout)
    assert body["micro"] == MICRO
    counted = {
        each["category"]: (each["gold"], each["predicted"]) for each in body["errors"]["categories"]
    }
    assert counted == {"correct": (2, 2), "missing": (1, 0), "spurious": (0, 1)}
    tables = {each["name"]: each["rows"] for each in body["breakdowns"]}
    assert [(row["name"], row["gold"], row["predicted"]) for row in tables["seen"]] == [
        ("seen", 1, 1),
        ("unseen", 2, 2),
    ]
    assert [(row["name"], row["gold"]) for row in tables["type-frequency"]] == [
        ("0", 2),
        ("1-9", 1),
    ]
    assert body["definition"]["options"]["level"]["value"] == "type"
    shown = run(*files, "--analyse").stdout
    assert "where every item stands" in shown
    assert "breakdowns" not in json.loads(run(*files, "--json").stdout)


def test_the_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    result = run(*files, files[0], "--html", target, "--json", "--samples", "20")
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) == {"systems", "comparisons", "changes"}
    assert json.loads(result.stdout)["systems"][0]["errors"]["part"] == "mner"
    page = target.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "ner-span-conll@1 on unnamed data" in page
    assert "mner: gold items that one system has right, or both, or neither." in page
    assert 'Met <mark class="gold">Ada</mark>' not in page  # that one is right
    assert '<mark class="gold">Porto</mark>' in page


def test_texts_that_no_page_can_carry_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(
        '{"id": "1", "entities": []}\n'
        '{"id": "2", "entities": [{"start": 0, "end": 1, "type": "\\ud800"}]}\n'
    )
    error = json.loads(run(files[0], bad, "--json").stdout)["error"]
    assert (error["code"], error["where"]) == ("schema-text", f"{bad}:2")


def pictured(folder: Path) -> tuple[Path, Path, Path]:
    """Gold of three posts, two with a picture, and two systems that find one entity and two."""
    for name, colour in (("red", (250, 0, 0)), ("grey", (90, 90, 90))):
        Image.new("RGB", (40, 30), colour).save(folder / f"{name}.png")
    lines = []
    for name in ("red", "grey", "none"):
        media = () if name == "none" else (Media(uri=f"{name}.png"),)
        entity = Entity(id="e0", span=Span("b0", 0, 3), type="PER")
        document = Document(id=name, blocks=(Block(text="Ada here"),), media=media)
        noted = document.with_annotations(Annotations(entities=(entity,)))
        lines.append(json.loads(noted.to_json()))
    names = ("red", "grey", "none")
    found = [
        write(folder / f"{system}.jsonl", *(
            spelled(flat(name, *[(0, 3, "PER")] * (name in right))) for name in names
        ))
        for system, right in (("text", ("red",)), ("seen", ("grey", "none")))
    ]  # fmt: skip
    return write(folder / "gold.jsonl", *lines), found[0], found[1]


def test_scores_and_changes_by_kinds_of_pictures(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="kinds of pictures need the extra 'train'")
    gold, text, seen = pictured(tmp_path)
    options = ("--kinds", "tiny-clip", "--images", tmp_path, "--samples", 10)
    body = json.loads(run(gold, text, seen, *options, "--json").stdout)
    (change,) = body["changes"]
    assert (change["reference"], change["system"]) == (str(text), str(seen))
    assert change["groups"]["all"] == {"corrected": 2, "spoiled": 1, "both": 0, "neither": 0}
    none = {"corrected": 1, "spoiled": 0, "both": 0, "neither": 0}
    assert change["groups"]["no picture"] == none
    tables = {each["name"]: each["rows"] for each in body["systems"][0]["breakdowns"]}
    kinds = {row["name"]: row["gold"] for row in tables["picture-kind"]}
    assert kinds["no picture"] == 1
    assert sum(kinds.values()) == 3
    assert "not told" not in kinds
    assert {row["name"].split(": ")[1] for row in tables["picture-kind-type"]} == {"PER"}
    shown = run(gold, text, seen, *options).stdout
    assert "kind of picture and type" in shown
    assert "corrected" in shown


def test_changes_of_several_systems_stand_in_the_analysis_alone(tmp_path: Path) -> None:
    gold, text, seen = pictured(tmp_path)
    plain = json.loads(run(gold, text, seen, "--samples", 10, "--json").stdout)
    assert "changes" not in plain
    full = json.loads(run(gold, text, seen, text, "--samples", 10, "--analyse", "--json").stdout)
    counts = [each["groups"]["all"] for each in full["changes"]]
    assert [(c["corrected"], c["spoiled"]) for c in counts] == [(2, 1), (0, 0), (1, 2)]
    # No kind is told, yet who has no picture is known.
    assert set(full["changes"][0]["groups"]) == {"all", "no picture", "not told"}


def test_kinds_need_documents(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="kinds of pictures need the extra 'train'")
    lines = write(tmp_path / "flat.jsonl", spelled(flat("1", (0, 3, "PER"))))
    failed = run(lines, lines, "--kinds", "tiny-clip", "--json")
    assert failed.exit_code == 2
    assert "holds no documents" in failed.output
    gold, text, _ = pictured(tmp_path)
    absent = run(gold, text, "--kinds", "somebody/clip-of-mine", "--images", tmp_path)
    assert absent.exit_code != 0
    assert "hf download somebody/clip-of-mine" in " ".join(absent.output.split())


def test_kinds_need_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="kinds of pictures need the extra 'train'")
    gold, text, _ = pictured(tmp_path)
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    failed = run(gold, text, "--kinds", "tiny-clip", "--images", empty, "--json")
    assert failed.exit_code == 2
    error = json.loads(failed.stdout)["error"]
    assert error["message"] == "--kinds found no picture of the gold's 3 documents"
    assert "--images" in error["mend"]


def test_gold_with_more_than_mentions_must_say_what_is_scored(tmp_path: Path) -> None:
    """Mentions that a relation corpus gives away would be scored as perfect."""
    mentions = [Entity(id="e0", span=Span("b0", 0, 3), type="PER")]
    mentions.append(Entity(id="e1", span=Span("b0", 7, 12), type="LOC"))
    relation = Relation(id="r0", head="e0", tail="e1", type="/per/loc/place_of_residence")
    said = Annotations(entities=tuple(mentions), relations=(relation,))
    document = Document.from_text("Ada in Porto", id="1").with_annotations(said)
    path = write(tmp_path / "gold.jsonl", json.loads(document.to_json()))
    refused = run(path, path)
    assert refused.exit_code == 2
    assert "relations beside its mentions" in refused.stderr
    assert "--task mre" in refused.stderr
    for task, name in (("mre", "mre-no-none@1"), ("ner", "ner-span-conll@1")):
        assert json.loads(run(path, path, "--task", task, "--json").stdout)["protocol"] == name
