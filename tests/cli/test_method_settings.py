"""Settings of a trained method that may differ from its training: ``--set`` of extract, predict."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.engine import Extractor
from magpie.errors import ConfigError, ModelError
from magpie.methods.checkpoint import load_method, read_card, save_method
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import METHODS, method_class
from magpie.methods.relation.bert_re import BertRe, BertReConfig
from magpie.methods.relation.camim import Camim, CamimConfig
from magpie.methods.type_constraint import path_types
from magpie.schema import Block, ContextText, Document

LABELS = ("None", "/loc/loc/contain", "/per/loc/place_of_birth", "/per/per/peer")
TEXT = "Barack Obama met Angela Merkel in Berlin"
MASK = {"type_constraint": "mask"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A relation method that finds every label likelier than the one before it in LABELS[1:],
    whatever it reads, and none the least likely."""
    method = BertRe.build(
        BertReConfig(text="tiny-bert"), LabelSpace(relation_types=LABELS, null_relation="None")
    )
    last = [module for module in method.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 3.0, 2.0, 1.0]))
    folder = tmp_path_factory.mktemp("checkpoint") / "best"
    save_method(method, folder)
    return folder


def invoke(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def triples(annotations: dict[str, Any]) -> set[tuple[str, str, str]]:
    kinds = {each["id"]: each["type"].lower() for each in annotations["entities"]}
    return {(kinds[r["head"]], r["type"], kinds[r["tail"]]) for r in annotations["relations"]}


def test_any_relation_model_can_be_held_to_the_types_found(checkpoint: Path) -> None:
    arguments = ["extract", TEXT, "--model", str(checkpoint), "--format", "json"]
    (free,) = json.loads(invoke(*arguments).stdout)
    (held,) = json.loads(invoke(*arguments, "--set", "type_constraint=mask").stdout)
    assert {kind for _, kind, _ in triples(free["annotations"])} == {"/loc/loc/contain"}
    assert triples(held["annotations"]) == {
        ("per", "/per/loc/place_of_birth", "loc"),
        ("per", "/per/per/peer", "per"),
    }
    # Who asks in another way gets answers signed in another way.
    digests = [each["annotations"]["provenance"]["config_digest"] for each in (free, held)]
    assert digests[0] == read_card(checkpoint).digest[:16] != digests[1]


def test_predict_takes_the_same(checkpoint: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"id": "d", "text": TEXT}) + "\n")
    arguments = ["predict", str(checkpoint), str(source), "-o", str(output)]
    invoke(*arguments, "--set", "type_constraint=mask")
    found = triples(json.loads(output.read_text())["annotations"])
    assert len(found) == 2
    assert all(path_types(kind) == (head, tail) for head, kind, tail in found)
    # Half a file of one way is not gone on with in the other.
    invoke(*arguments, "--resume", code=2)
    invoke(*arguments, "--resume", "--set", "type_constraint=mask")


def test_from_python(checkpoint: Path) -> None:
    free, held = (Extractor(checkpoint, ground=False, settings=s)(TEXT) for s in ({}, MASK))
    assert free.annotations is not None
    assert held.annotations is not None
    assert len(held.annotations.relations) < len(free.annotations.relations)
    assert load_method(checkpoint, settings=MASK).config.type_constraint == "mask"
    assert load_method(checkpoint).config.type_constraint == "off"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("read=cls", "read of bert-re cannot be set after training"),
        ("config.type_constraint=mask", "config.type_constraint of bert-re cannot be set"),
        ("type_constraint=gold", "expected one of off, mask, got 'gold'"),
        ("type_constraint", "expected name=value, got 'type_constraint'"),
    ],
)
def test_settings_that_cannot_be(checkpoint: Path, setting: str, message: str) -> None:
    arguments = ["extract", TEXT, "--model", str(checkpoint), "--set", setting, "--json"]
    error = json.loads(invoke(*arguments, code=2).stdout)["error"]
    assert message in error["message"]
    if "cannot be set" in message:
        assert error["mend"] == "What can: type_constraint."


def test_posts_without_the_caption_a_model_reads_may_be_refused(tmp_path: Path) -> None:
    """Of a file of captions that lacks some posts nobody would notice otherwise."""
    config = CamimConfig(
        text="tiny-bert",
        vision="tiny-resnet",
        captions=("minicpm",),
        objects="whole",
        generated_objects="whole",
        object_count=1,
        scores="",
    )
    labels = LabelSpace(relation_types=LABELS, null_relation="None")
    save_method(Camim.build(config, labels), tmp_path / "c")
    said = ContextText(kind="caption", text="two people", source="minicpm")
    posts = [
        Document(id="said", blocks=(Block(text=TEXT),), context=(said,)),
        Document(id="silent", blocks=(Block(text=TEXT),)),
    ]
    for settings, expected in (({}, "ok"), ({"missing_caption": "refuse"}, "failed")):
        extractor = Extractor(tmp_path / "c", ground=False, settings=settings)
        found = {each.id: each for each in extractor.stream(posts)}
        assert [found[each.id].status for each in posts] == ["ok", expected]
    (problem,) = found["silent"].problems
    assert problem.message.startswith("no caption")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_what_can_be_set_is_a_setting(name: str) -> None:
    cls = method_class(name)
    assert cls.adjustable <= {each.name for each in fields(cls.Config)}


def test_the_embedded_model_has_none() -> None:
    with pytest.raises(ConfigError, match="of this kind has no settings: type_constraint"):
        Extractor(settings=MASK)
    with pytest.raises(ModelError, match="no such model folder"):
        Extractor("no/such/run", settings=MASK)
