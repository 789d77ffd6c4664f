"""Odd mentions, labels and captions, through the commands as a user gives them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.training.data import read_documents
from magpie.training.recipe import DataConfig

TEXT = (
    "Kemi Varo and Anna Lee met the Red City Rowers in Palo Alto " + "and so on " * 12 + "in Oslo"
)
LONG = "x" * 60 + " met " + "y" * 60
CONFIGS: dict[str, dict[str, Any]] = {
    "bert-re": {"text": "tiny-bert", "max_length": 24},
    "camim": {
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "freeze_vision": True,
        "captions": ["controlled"],
        "max_caption_len": 16,
        "text_length": 24,
        "max_length": 24,
        "objects": "whole",
        "generated_objects": "whole",
        "object_count": 1,
        "phrases": [],
        "scores": "",
    },
}
KNOWN = "peer"


def entity(identifier: str, words: str, kind: str = "person", text: str = TEXT) -> dict[str, Any]:
    begin = text.index(words)
    span = {"block": "b0", "start": begin, "end": begin + len(words)}
    return {"id": identifier, "span": span, "type": kind}


ENTITIES = [
    entity("anna", "Anna Lee"),
    entity("rowers", "Red City Rowers", "group"),
    entity("city", "City", "place"),
    entity("oslo", "Oslo", "place"),
    entity("same", "Anna Lee"),
]


def post(
    identifier: str,
    *facts: tuple[str, str, str],
    text: str = TEXT,
    entities: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    relations = [
        {"id": f"f{n}", "head": head, "tail": tail, "type": kind}
        for n, (head, tail, kind) in enumerate(facts)
    ]
    given = ENTITIES if entities is None else entities
    return {
        "format": 1,
        "id": identifier,
        "blocks": [{"id": "b0", "text": text}],
        "annotations": {"entities": given, "relations": relations},
    }


ODD = [
    post("equal", ("anna", "same", KNOWN)),
    post("overlap", ("rowers", "city", KNOWN)),
    post("self", ("anna", "anna", KNOWN)),
    post("far", ("anna", "oslo", KNOWN)),
    post(
        "long",
        ("first", "second", KNOWN),
        text=LONG,
        entities=[entity("first", "x" * 60, text=LONG), entity("second", "y" * 60, text=LONG)],
    ),
    post("empty", entities=[]),
]


def lines(path: Path, *posts: dict[str, Any]) -> str:
    path.write_text("\n".join(map(json.dumps, posts)))
    return str(path)


def invoke(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def facts(path: Path) -> dict[str, list[tuple[str, str]]]:
    found = {}
    for line in path.read_text().splitlines():
        body = json.loads(line)
        assert body.get("status", "ok") == "ok"
        relations = body["annotations"].get("relations", [])
        found[body["id"]] = [(r["head"], r["tail"]) for r in relations]
    return found


@pytest.fixture(scope="module", params=["bert-re", pytest.param("camim", marks=pytest.mark.slow)])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    body = {
        "method": request.param,
        "config": CONFIGS[request.param],
        "data": {"corpus": "controlled@mre", "limit": 24, "limit_dev": 8},
        "loop": {"epochs": 1, "batch": 8},
    }
    (folder / "r.yaml").write_text(json.dumps(body))
    run = folder / "run"
    more = ["--set", "data.test=controlled@mre:dev", "--seed", "1", "--out", str(run)]
    invoke("train", str(folder / "r.yaml"), *more)
    return run


def test_odd_mentions_are_answered_and_cut_ones_named(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = lines(
        tmp_path / "odd.jsonl", *ODD, post("unlisted"), post("strange", ("anna", "city", "no/such"))
    )
    with caplog.at_level(logging.WARNING):
        invoke("predict", str(trained), source, "-o", str(tmp_path / "p.jsonl"))
    found = facts(tmp_path / "p.jsonl")
    listed = {p["id"]: [(r["head"], r["tail"]) for r in p["annotations"]["relations"]] for p in ODD}
    assert {name: found[name] for name in listed} == listed
    # A label nobody knows is gold, which no method looks at; the pair is answered all the same.
    assert found["strange"] == [("anna", "city")]
    # Both mentions of the long text lost pieces, and stayed; the far one lost words around it.
    said = [record.getMessage() for record in caplog.records if "pieces" in record.getMessage()]
    assert [line.split(" lost")[0] for line in said] == [
        "long: the head first of the pair first -> second",
        "long: the tail second of the pair first -> second",
    ]


def test_gold_with_odd_mentions_is_scored(trained: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "odd.jsonl", *ODD)
    arguments = ["evaluate", str(trained), "--corpus", "magpie", "--root", data, "--json"]
    body = json.loads(invoke(*arguments).stdout)
    assert body["evaluated_on"]["documents"] == len(ODD)
    assert body["protocol"].startswith("mre-no-none@")


def test_an_unknown_label_is_named(trained: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "odd.jsonl", *ODD, post("strange", ("anna", "city", "no/such")))
    arguments = ["evaluate", str(trained), "--corpus", "magpie", "--root", data, "--json"]
    error = json.loads(invoke(*arguments, code=2).stdout)["error"]
    assert error["code"] == "model-mismatch"
    assert error["message"].endswith("but the corpus has no/such")
    assert json.loads(invoke(*arguments, "--allow-other-labels").stdout)["protocol"]


def test_training_on_odd_mentions_and_on_pairs_nobody_judged(trained: Path, tmp_path: Path) -> None:
    method = trained.parent.name.rstrip("0123456789")
    recipe = {
        "method": method,
        "config": CONFIGS[method],
        "data": {"train": "magpie:train", "dev": "magpie:dev"},
        "loop": {"epochs": 1, "batch": 4},
    }
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    data = lines(tmp_path / "odd.jsonl", *ODD, post("none", ("anna", "oslo", "none")))
    more = ["train", str(tmp_path / "r.yaml"), "--json"]
    body = json.loads(
        invoke(*more, "--set", f"data.root={data}", "--out", str(tmp_path / "one")).stdout
    )
    assert body["runs"][0]["seed"] == 0
    data = lines(tmp_path / "unlisted.jsonl", *ODD, post("unlisted"))
    result = invoke(*more, "--set", f"data.root={data}", "--out", str(tmp_path / "two"), code=2)
    error = json.loads(result.stdout)["error"]
    assert error["where"] == "unlisted"
    assert error["message"].startswith("nobody says how anna and rowers relate")


def test_extract_relates_entities_found_or_given(trained: Path, tmp_path: Path) -> None:
    """Of a bare text the embedded model's entities are related, of a document its own."""
    text = "Barack Obama met Angela Merkel in Berlin and Anna Lee in Oslo"
    arguments = ["extract", text, "--model", str(trained), "--format", "json"]
    (body,) = json.loads(invoke(*arguments).stdout)
    found = body["annotations"]
    assert len(found["entities"]) >= 3
    known = {each["id"] for each in found["entities"]}
    assert all({r["head"], r["tail"]} <= known for r in found.get("relations", []))
    assert found["provenance"]["method"] in CONFIGS
    source = lines(tmp_path / "given.jsonl", *ODD)
    page = tmp_path / "page.html"
    invoke("extract", source, "--model", str(trained), "-o", str(page))
    shown = page.read_text()
    assert shown.count('class="triple"') == 5
    assert 'data-e="0 4"' in shown  # the two mentions of "equal"


def test_captions_that_lack_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing passes for captioned because a caption file, or a captioner, was named."""
    said = {"kind": "caption", "text": "two people", "source": "captioner:tiny-blip"}
    root = lines(tmp_path / "odd.jsonl", {**ODD[0], "context": [said]}, *ODD[1:])
    data = DataConfig(corpus="magpie", root=root, context=("captioner:tiny-blip",))
    with caplog.at_level(logging.WARNING):
        documents = read_documents("magpie:train", data)
    assert [len(document.context) for document in documents] == [1, 0, 0, 0, 0, 0]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "magpie:train: 5 of 6 documents have no text of captioner:tiny-blip, the first is overlap"
    )


def test_relations_that_break_the_constraint_of_their_label_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are gold, so they are read as they are."""
    kinds = {"anna": "PER", "rowers": "ORG", "city": "LOC", "oslo": "LOC", "same": "PER"}
    entities = [{**each, "type": kinds[each["id"]]} for each in ENTITIES]
    posts = [
        post("good", ("anna", "rowers", "/per/org/member_of"), entities=entities),
        post("bad", ("anna", "oslo", "/per/org/member_of"), entities=entities),
        post("worse", ("oslo", "anna", "/org/org/subsidiary"), entities=entities),
    ]
    root = lines(tmp_path / "odd.jsonl", *posts)
    with caplog.at_level(logging.WARNING):
        documents = read_documents("magpie:train", DataConfig(corpus="magpie", root=root))
    assert [len(each.annotations.relations) for each in documents if each.annotations] == [1, 1, 1]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "magpie:train: 2 relations do not fit the types of their mentions, the first is f0 of bad: "
        "/per/org/member_of between PER and LOC"
    )


@pytest.mark.corpus
def test_a_caption_file_that_lacks_ids(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """MNRE's captions were published for all posts but few: as many are named as lack."""
    data = DataConfig(corpus="mnre@2", root=str(data_dir), context=("minicpm",))
    with caplog.at_level(logging.WARNING):
        documents = read_documents("mnre@2:dev", data)
    silent = sum(not document.context for document in documents)
    said = [r.getMessage() for r in caplog.records if "have no text of minicpm" in r.getMessage()]
    assert len(said) == (silent > 0)
