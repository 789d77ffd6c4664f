"""A method as a folder: what is written, what is refused, and what a full disk leaves."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import magpie.methods.checkpoint as module
from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.errors import ModelError, NotFoundError
from magpie.features.supply import Supplier
from magpie.methods.base import Method
from magpie.methods.checkpoint import (
    check_labels,
    load_method,
    read_card,
    same_labels,
    save_method,
)
from magpie.methods.labels import LabelSpace
from magpie.methods.predicting import predict_documents
from magpie.methods.registry import method_class
from magpie.schema import Block

DOCUMENTS = list(controlled("train", ControlledConfig(size=8)))
LABELS = LabelSpace.of(DOCUMENTS)


def made(name: str = "bert-crf", **config: Any) -> Method:
    cls = method_class(name)
    torch.manual_seed(0)
    return cls.build(cls.Config(text="tiny-bert", **config), LABELS).eval()


@pytest.fixture(scope="module")
def method() -> Method:
    return made(max_length=40)


def edited(folder: Path, change: Any) -> None:
    path = folder / "config.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("bert-crf", {}),
        ("bert-crf", {"subtoken": "first_only"}),
        ("mmner-model", {"vision": "tiny-vit", "width": 32, "heads": 4, "inner": 32}),
        ("mmner-model", {"vision": "tiny-resnet", "width": 32, "heads": 4, "inner": 32}),
    ],
)
def test_loaded_predicts_as_saved(name: str, config: Mapping[str, Any], tmp_path: Path) -> None:
    before = made(name, max_length=40, **config)
    save_method(before, tmp_path / "c", {"about": "a test"})
    after = load_method(tmp_path / "c")
    assert not after.training
    assert after.config == before.config
    assert after.labels == LABELS
    for key, tensor in before.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[key]), key
    supplier = Supplier()
    assert predict_documents(before, DOCUMENTS, supplier) == predict_documents(
        after, DOCUMENTS, supplier
    )


def test_loading_asks_for_no_name_and_keeps_the_random_state(
    method: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_method(method, tmp_path / "c")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a backbone was loaded by name")

    for place in ("text.load_local", "vision.load_local", "tiny.tiny_text"):
        monkeypatch.setattr(f"magpie.backbones.{place}", refuse)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_method(tmp_path / "c")
    assert torch.equal(torch.rand(3), expected)


def test_the_card_says_what_it_is(method: Method, tmp_path: Path) -> None:
    save_method(method, tmp_path / "c", {"seed": 3})
    card = read_card(tmp_path / "c")
    assert (card.method, card.notes, card.labels) == ("bert-crf", {"seed": 3}, LABELS)
    assert card.config["max_length"] == 40
    assert card.needs == ()
    assert card.folder == tmp_path / "c"
    digest = card.digest
    save_method(method, tmp_path / "d", {"seed": 3})
    assert read_card(tmp_path / "d").digest == digest
    weights = load_file(tmp_path / "c" / "model.safetensors")
    assert set(weights) == set(method.state_dict())


# what is refused


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint here") as caught:
        load_method(tmp_path)
    assert caught.value.code == "model-missing"


def test_damaged_checkpoints(method: Method, tmp_path: Path) -> None:
    folder = tmp_path / "c"

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        save_method(method, folder)

    def refused(message: str, code: str = "model-damaged") -> None:
        with pytest.raises(ModelError, match=message) as caught:
            load_method(folder)
        assert caught.value.code == code
        assert caught.value.where
        assert caught.value.mend
        fresh()

    fresh()
    (folder / "config.json").write_text("{")
    refused("not valid JSON")
    edited(folder, lambda value: value.update(format="magpie-checkpoint@2"))
    refused("expected magpie-checkpoint@1, got 'magpie-checkpoint@2'")
    edited(folder, lambda value: value.pop("labels"))
    refused("KeyError: 'labels'")
    edited(folder, lambda value: value["labels"]["entity_types"].append("EXTRA"))
    refused("size mismatch")
    (folder / "model.safetensors").unlink()
    refused("the weights are absent", "model-missing")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    refused("cannot be used")
    weights = load_file(path)
    weights["stranger"] = weights.pop("classifier.weight")
    save_file(weights, path)
    refused("classifier.weight")
    shutil.rmtree(folder / "backbones")
    refused("its backbones do not fit bert-crf")
    (folder / "backbones" / "text" / "backbone.json").unlink()
    refused("description is absent", "model-missing")
    edited(folder, lambda value: value.update(method="of-tomorrow"))
    with pytest.raises(NotFoundError, match="of-tomorrow"):
        load_method(folder)


def test_another_picture_size_than_it_was_trained_with(tmp_path: Path) -> None:
    save_method(made("mmner-model", vision="tiny-resnet", width=32, heads=4), tmp_path / "c")
    path = tmp_path / "c" / "backbones" / "vision" / "backbone.json"
    value = json.loads(path.read_text())
    value["pixels"]["side"] = 96
    path.write_text(json.dumps(value))
    with pytest.raises(ModelError, match="was trained with") as caught:
        load_method(tmp_path / "c")
    assert caught.value.code == "model-mismatch"


def test_labels_of_other_data(method: Method, tmp_path: Path) -> None:
    save_method(method, tmp_path / "c")
    card = read_card(tmp_path / "c")
    check_labels(card, DOCUMENTS)
    same_labels(card, LABELS)
    entity = DOCUMENTS[0].entities[0]
    strange = DOCUMENTS[0].with_annotations(
        dataclasses.replace(
            DOCUMENTS[0].annotations,  # type: ignore[type-var]
            entities=(dataclasses.replace(entity, type="MISC"),),
        )
    )
    with pytest.raises(ModelError, match=r"LOC, ORG, OTHER, PER, but the corpus has MISC") as one:
        check_labels(card, [strange])
    assert one.value.code == "model-mismatch"
    other = dataclasses.replace(LABELS, entity_types=LABELS.entity_types[::-1])
    with pytest.raises(ModelError, match="has the entity types") as two:
        same_labels(card, other)
    assert two.value.code == "model-mismatch"


# writing


def test_a_full_disk_leaves_the_previous_checkpoint(
    method: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "c"
    save_method(method, folder, {"number": 1})
    before = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    real = module.atomic_write

    def full(path: Path, data: str) -> None:
        if path.name == "config.json":
            real(path, data[:10])
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(module, "atomic_write", full)
    with pytest.raises(ModelError, match="No space left on device") as caught:
        save_method(method, folder, {"number": 2})
    assert caught.value.code == "model-unwritten"
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    monkeypatch.undo()
    save_method(method, folder, {"number": 3})
    assert read_card(folder).notes == {"number": 3}


def test_a_really_full_device_is_reported(method: Method) -> None:
    folder = Path("/dev/full/c")
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(ModelError, match="could not be written"):
        save_method(method, folder)


def test_tensors_with_two_names_are_written_once(method: Method, tmp_path: Path) -> None:
    tied = made(max_length=40)
    tied.second = tied.classifier  # type: ignore[assignment]
    save_method(tied, tmp_path / "c")
    names = load_file(tmp_path / "c" / "model.safetensors").keys()
    assert sum("bias" in name and name.startswith(("second", "classifier")) for name in names) == 1
    other = made(max_length=40)
    with torch.no_grad():
        other.classifier.bias.fill_(9.0)  # type: ignore[union-attr,operator]
    other.second = other.classifier  # type: ignore[assignment]
    module.load_weights(other, tmp_path / "c")
    assert torch.equal(other.classifier.bias, tied.classifier.bias)  # type: ignore[arg-type,union-attr]


# predicting


def test_batches_give_each_document_its_own_answer(method: Method) -> None:
    supplier = Supplier()
    long = DOCUMENTS[0].blocks[0]
    many = [
        *DOCUMENTS,
        dataclasses.replace(
            DOCUMENTS[0],
            blocks=(Block(text=long.text + " " + long.text),),
            annotations=None,
        ),
    ]
    together = predict_documents(method, many, supplier, batch=3)
    for document, answer in zip(many, together, strict=True):
        (alone,) = predict_documents(method, [document], supplier)
        assert [(e.span, e.type) for e in alone.entities] == [
            (e.span, e.type) for e in answer.entities
        ]
    assert predict_documents(method, [], supplier) == []
