"""Scores of checkpoints, several seeds, and the data of a run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from magpie.errors import ConfigError, MissingExtraError, ModelError, NotFoundError
from magpie.methods.checkpoint import load_method, read_card
from magpie.methods.labels import LabelSpace
from magpie.schema import Annotations, Document, Grounding, Media
from magpie.training import evaluate as module
from magpie.training.data import (
    check_task,
    count_pictures,
    fingerprint,
    fits_memory,
    read_documents,
    supplier_for,
)
from magpie.training.evaluate import evaluate, final_test, recipe_data
from magpie.training.journal import Journal, read_metrics
from magpie.training.recipe import DataConfig, parse_recipe
from magpie.training.scoring import score_method, spread
from magpie.training.seeds import train


def test_a_report_says_all_that_makes_it_comparable(trained_run: Path) -> None:
    result = evaluate(trained_run / "best", "controlled@ner:test", limit=20)
    body = result.to_dict()
    assert body["protocol"] == "ner-span-conll@1"
    assert body["documents"] == 20
    assert body["method"] == "bert-crf"
    assert body["checkpoint"]["seed"] == 7
    assert body["checkpoint"]["selected"]["split"] == "dev"
    assert body["checkpoint"]["trained_on"]["train"]["documents"] == 48
    assert body["evaluated_on"]["ref"] == "controlled@ner:test"
    assert len(body["evaluated_on"]["digest"]) == 64
    assert body["pictures"]["share"] == 1.0
    assert [d.id for d in result.scores.predictions] == [f"test-{n}" for n in range(1, 21)]


def test_dev_is_scored_as_in_training(trained_run: Path) -> None:
    result = evaluate(trained_run / "best", "controlled@ner:dev", limit=16)
    assert result.scores.value == read_card(trained_run / "best").notes["selected"]["score"]


def test_protocols_and_their_parts(trained_run: Path) -> None:
    result = evaluate(
        trained_run / "best", "controlled@ner:test", protocol="ner-span-strict@1", limit=8
    )
    assert result.scores.report.protocol == "ner-span-strict@1"
    with pytest.raises(ConfigError, match="bert-crf does ner, but gmner-iou50@1 scores gmner"):
        evaluate(trained_run / "best", "controlled@ner:test", protocol="gmner-iou50@1")
    documents = read_documents("controlled@ner:dev", limit=4)
    method = load_method(trained_run / "best")
    supplier = supplier_for(DataConfig(corpus="controlled@ner"), "controlled@ner:dev")
    with pytest.raises(ConfigError, match="has no part 'x'"):
        score_method(method, documents, supplier, "ner-span-strict@1", part="x")


def test_gold_with_other_labels(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.read_documents

    def renamed(*args: object, **more: object) -> object:
        found = real(*args, **more)  # type: ignore[arg-type]
        return [
            d.with_annotations(
                dataclasses.replace(
                    d.annotations,  # type: ignore[type-var]
                    entities=tuple(dataclasses.replace(e, type="MISC") for e in d.entities),
                )
            )
            for d in found
        ]

    monkeypatch.setattr(module, "read_documents", renamed)
    with pytest.raises(ModelError, match="MISC") as caught:
        evaluate(trained_run / "best", "controlled@ner:test", limit=8)
    assert caught.value.code == "model-mismatch"
    assert "--allow-other-labels" in caught.value.mend
    result = evaluate(trained_run / "best", "controlled@ner:test", limit=8, allow_other_labels=True)
    assert result.scores.value == 0.0
    # A run's own test split may have them: hours of training do not end in an error.
    again = module.final_test(shutil.copytree(trained_run, tmp_path / "run"))
    assert again is not None
    for report in (result.scores.report, again.scores.report):
        assert report.notes["labels never trained, counted as missed"] == "MISC"


def test_features_of_another_backbone_are_refused(tmp_path: Path, trained_run: Path) -> None:
    import torch

    from magpie.methods.checkpoint import save_method
    from magpie.methods.registry import method_class

    documents = read_documents("controlled@ner:train", limit=8)
    cls = method_class("mmner-model")
    torch.manual_seed(0)
    config = cls.Config(text="tiny-bert", vision="tiny-vit", width=32, heads=4, inner=32)
    method = cls.build(config, LabelSpace.of(documents))
    supplier = supplier_for(DataConfig(corpus="controlled@ner"), "controlled@ner:test")
    features = supplier.fingerprints(method.needs())
    notes = {
        "features": json.loads(json.dumps(features)),
        "recipe": {"data": {"corpus": "controlled@ner"}},
    }
    save_method(method, tmp_path / "c", notes)
    evaluate(tmp_path / "c", "controlled@ner:test", limit=4)
    for body in notes["features"].values():
        body["version"] = "other"
    save_method(method, tmp_path / "c", notes)
    with pytest.raises(ModelError, match="features of another version"):
        evaluate(tmp_path / "c", "controlled@ner:test", limit=4)


def test_the_test_split_is_scored_once_from_best(trained_run: Path, tmp_path: Path) -> None:
    report = json.loads((trained_run / "test.report.json").read_text())
    assert report["evaluated_on"]["ref"] == "controlled@ner:test"
    assert report["checkpoint"]["folder"] == str(trained_run / "best")
    summary = json.loads((trained_run / "summary.json").read_text())
    assert summary["runs"][0]["test"]["score"] == report["main_score"]
    assert summary["test"] == {"n": 1, "mean": report["main_score"], "deviation": None}
    assert summary["selection"] == "best epoch on dev"
    with pytest.raises(NotFoundError, match="no best/ yet"):
        final_test(tmp_path)


def test_the_test_split_is_scored_by_the_part_that_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def right_but_blind(
        method: object, documents: list[Document], *_: object, **__: object
    ) -> list[Annotations]:
        return [
            dataclasses.replace(
                document.annotations,
                entities=tuple(
                    dataclasses.replace(each, grounding=Grounding()) for each in document.entities
                ),
            )
            for document in documents
        ]

    monkeypatch.setattr("magpie.training.scoring.predict_documents", right_but_blind)
    recipe = """\
method: h-index
config: {seq2seq: tiny-bart, source: none}
data: {corpus: controlled@gmner, pictures: none, limit: 8}
loop: {epochs: 1, batch: 4}
selection: {protocol: gmner-iou50@1, part: mner}
"""
    summary = train(parse_recipe(recipe), tmp_path)
    assert summary["part"] == "mner"
    assert summary["runs"][0]["dev"] == summary["runs"][0]["test"]["score"] == 1.0
    report = json.loads((tmp_path / "test.report.json").read_text())
    assert report["main_score"] == 1.0
    assert report["micro"]["f1"] < 0.9
    assert evaluate(tmp_path / "best", "controlled@gmner:test", limit=40).scores.value < 0.9


def test_several_seeds_give_mean_and_deviation(tiny_recipe: str, tmp_path: Path) -> None:
    recipe = parse_recipe(
        tiny_recipe,
        [
            "seeds=[1, 2]",
            "loop.epochs=1",
            "data.corpus=null",
            "data.train=controlled@ner",
            "data.dev=controlled@ner",
        ],
    )
    summary = train(recipe, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "seed-1",
        "seed-2",
        "summary.json",
    }
    scores = [each["dev"] for each in summary["runs"]]
    assert summary["dev"]["mean"] == pytest.approx(sum(scores) / 2)
    assert summary["dev"]["deviation"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert summary["test"] is None  # the recipe names no test split
    assert [each["seed"] for each in summary["runs"]] == [1, 2]
    assert train(recipe, tmp_path / "out", resume=True)["dev"] == summary["dev"]


def test_spread_of_one_and_of_three() -> None:
    assert spread([0.5]) == {"n": 1, "mean": 0.5, "deviation": None}
    three = spread([0.1, 0.2, 0.3])
    assert (three["n"], three["mean"]) == (3, pytest.approx(0.2))
    assert three["deviation"] == pytest.approx(0.1)


# data


def test_the_controlled_corpus_is_a_reference() -> None:
    found = read_documents("controlled@ner:dev", limit=8)
    assert [document.id for document in found] == [f"dev-{n}" for n in range(1, 9)]
    again = read_documents("controlled@ner:dev", limit=8)
    assert fingerprint("r", found) == fingerprint("r", again)
    assert fingerprint("r", found)["digest"] != fingerprint("r", found[:4])["digest"]
    with pytest.raises(ConfigError, match="has no task 'poetry'"):
        read_documents("controlled@poetry:dev")


def test_pictures_can_be_taken_away_and_are_counted() -> None:
    data = DataConfig(corpus="controlled@ner", pictures="none")
    bare = read_documents("controlled@ner:dev", data, limit=4)
    assert count_pictures(bare).to_dict() == {"documents": 4, "present": 0, "share": 0.0}
    full = read_documents("controlled@ner:dev", limit=4)
    gone = Media(id="m0", uri="17.jpg", missing="not in the pictures folder")
    mixed = [dataclasses.replace(full[0], media=(gone,)), *full[1:]]
    counted = count_pictures(mixed)
    assert (counted.present, counted.share, counted.missing) == (3, 0.75, "17.jpg")
    assert count_pictures([]).share == 1.0


def test_tasks_need_their_labels() -> None:
    check_task("bert-crf", ["ner"], LabelSpace(entity_types=("PER",)), "x:train")
    with pytest.raises(ConfigError, match="no relation annotations"):
        check_task("some", ["mre"], LabelSpace(entity_types=("PER",)), "x:train")


def test_memory_decides_by_the_first_example(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = load_method(trained_run / "best")
    documents = read_documents("controlled@ner:dev", limit=8)
    supplier = supplier_for(recipe_data(read_card(trained_run / "best")), "controlled@ner:dev")
    assert fits_memory(method, documents, supplier)
    monkeypatch.setattr("magpie.training.data._MEMORY", 100)
    assert not fits_memory(method, documents, supplier)


# the journal


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind":"step","stage":0,"step":1}\n{"kind":"step","stage":0,"step":2}\n{"kind":"st'
    )
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2]
    told: list[object] = []
    journal = Journal(tmp_path, told.append, write=True, tensorboard=False)
    journal.begin(0, 1, {"seed": 1})
    journal.close()
    assert [(line["kind"], line["step"]) for line in read_metrics(tmp_path)] == [
        ("step", 1),
        ("begin", 1),
    ]
    assert told == [{"kind": "begin", "stage": 0, "step": 1, "seed": 1}]


def test_a_missing_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match="pip install tensorboard"):
        Journal(tmp_path, lambda _: None, write=True, tensorboard=True)
