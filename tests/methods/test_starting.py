"""Weights of a trained checkpoint in a new method: what comes, what stays, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.methods.base import Method  # noqa: E402
from magpie.methods.checkpoint import read_card, save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.registry import method_class  # noqa: E402
from magpie.methods.starting import start_from  # noqa: E402
from magpie.methods.typed import Place, build  # noqa: E402

LABELS = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
#: settings of every tagger that can hold a BERT-CRF, and the name of that one's head in it
HOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "umt": ({"vision": "tiny-vit", "visual": "pixels"}, "text_classifier"),
    "mmner-model": ({"vision": "tiny-vit", "width": 32, "heads": 4, "inner": 32}, "text_head"),
    "umgf": (
        {"vision": "tiny-resnet", "objects": "whole", "object_count": 2, "object_width": 24}
        | {"width": 16, "heads": 2, "inner": 8, "layers": 2, "batch_norm": "running"},
        "text_head",
    ),
    "hvpnet": (
        {"vision": "tiny-resnet", "crops": "whole", "crop_count": 1, "hidden": 16},
        "text_head",
    ),
    "mkgformer": (
        {"vision": "tiny-clip", "fusion_layers": 1, "grounded_count": 1, "grounded_side": 32}
        | {"detector_count": 1, "detector_side": 16},
        "text_head",
    ),
}


def made(name: str = "bert-crf", labels: LabelSpace = LABELS, seed: int = 1, **config: Any) -> Any:
    torch.manual_seed(seed)
    cls = method_class(name)
    settings = {"text": "tiny-bert", "tag_order": "umgf", **config}
    return cls.build(build(cls.Config, settings, Place()), labels)


def saved(method: Method, folder: Path) -> Path:
    """With weights that no method is built with."""
    for number, parameter in enumerate(method.parameters()):
        parameter.data.fill_(0.01 * (number + 1))
    save_method(method, folder)
    return folder


@pytest.mark.parametrize("name", HOLDERS)
def test_bert_crf_goes_into_the_text_head_encoder_and_chain(name: str, tmp_path: Path) -> None:
    plain = made()
    folder = saved(plain, tmp_path / "c")
    settings, head = HOLDERS[name]
    method = made(name, ideas={"umt_compat": True}, **settings)
    before = {key: tensor.clone() for key, tensor in method.state_dict().items()}
    started = start_from(method, folder)
    expected = {
        **{f"backbones.text.{k}": v for k, v in plain.backbones["text"].state_dict().items()},
        **{f"{head}.{k}": v for k, v in plain.classifier.state_dict().items()},
        **{f"crf.{k}": v for k, v in plain.crf.state_dict().items()},
    }
    for key, tensor in method.state_dict().items():
        assert torch.equal(tensor, expected.get(key, before[key])), key
    assert len(expected) == len(plain.state_dict())
    assert set(started.laid) == {"backbones.text", head, "crf"}
    assert {"backbones.vision", "ideas.reliability"} <= set(started.new)
    assert not set(started.laid) & set(started.new)
    assert started.left == ()
    assert (started.method, started.digest) == ("bert-crf", read_card(folder).digest)


def test_without_a_text_head_only_the_encoder_comes(tmp_path: Path) -> None:
    settings, _ = HOLDERS["mmner-model"]
    started = start_from(made("mmner-model", **settings), saved(made(), tmp_path / "c"))
    assert started.laid == ("backbones.text",)
    assert set(started.left) == {"classifier", "crf"}


def test_what_all_taggers_have_comes_where_both_have_it(tmp_path: Path) -> None:
    folder = saved(made(casing=True), tmp_path / "c")
    settings, _ = HOLDERS["umt"]
    method = made("umt", casing=True, **settings)
    assert "casing" in start_from(method, folder).laid
    assert method.casing.weight.min() > 0
    assert start_from(made("umt", **settings), folder).left == ("casing",)


def test_one_method_brings_all_of_equal_name_and_shape(tmp_path: Path) -> None:
    settings, _ = HOLDERS["mmner-model"]
    trained = made("mmner-model", **settings)
    folder = saved(trained, tmp_path / "c")
    again = made("mmner-model", seed=2, **settings)
    assert start_from(again, folder).new == ()
    for key, tensor in again.state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[key]), key
    wider = made("mmner-model", seed=2, **settings | {"inner": 48})
    started = start_from(wider, folder)
    assert {"backbones.text", "backbones.vision", "crf", "head"} <= set(started.laid)
    own, theirs = wider.state_dict(), trained.state_dict()
    unlike = [name for name in own if own[name].shape != theirs[name].shape]
    assert unlike
    assert list(started.new) == unlike == list(started.left)
    assert torch.equal(wider.head.weight, trained.head.weight)
    chainless = start_from(made("mmner-model", chain=False, **settings), folder)
    assert chainless.new == ("crf",)  # what is no chain must not become one


def test_the_random_state_stays(tmp_path: Path) -> None:
    folder = saved(made(), tmp_path / "c")
    method = made()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    start_from(method, folder)
    assert torch.equal(torch.rand(3), expected)


def test_other_tags_are_refused(tmp_path: Path) -> None:
    folder = saved(made(), tmp_path / "c")
    labels = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
    settings, _ = HOLDERS["umt"]
    for method in (made(labels=labels), made("umt", labels, **settings)):
        before = method.crf.transitions.clone()
        with pytest.raises(ConfigError, match="B-OTHER, I-OTHER there against B-MISC, I-MISC here"):
            start_from(method, folder)
        assert torch.equal(method.crf.transitions, before)
    # As many tags of the same types: only their numbers are others.
    turned = LabelSpace(entity_types=("ORG", "LOC", "OTHER", "PER"))
    words = saved(made(subtoken="first_only"), tmp_path / "words")
    with pytest.raises(
        ConfigError, match=r"in another order: O, B-LOC.* against O, B-ORG"
    ) as caught:
        start_from(made(labels=turned, subtoken="first_only"), words)
    assert str(words) in caught.value.where
    assert "config.tag_order" in caught.value.mend


def test_other_relations_are_refused(tmp_path: Path) -> None:
    def relations(*types: str) -> Any:
        cls = method_class("bert-re")
        config = build(cls.Config, {"text": "tiny-bert"}, Place())
        return cls.build(config, LabelSpace(relation_types=types))

    folder = saved(relations("none", "parent", "peer"), tmp_path / "c")
    assert start_from(relations("none", "parent", "peer"), folder).new == ()
    with pytest.raises(ConfigError, match="other relation types: parent there against child here"):
        start_from(relations("none", "child", "peer"), folder)


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    settings, _ = HOLDERS["mmner-model"]
    folder = saved(made("mmner-model", **settings), tmp_path / "c")
    method = made("mmner-model", **settings | {"vision": "tiny-resnet"})
    with pytest.raises(ConfigError, match=r"vision backbone \(tiny-vit\) .*\(tiny-resnet\)") as one:
        start_from(method, folder)
    assert "against" in one.value.message
    # Equal shapes, but the pieces have other numbers.
    other = made()
    real = other.backbones["text"].tokenizer.get_vocab()
    names = sorted(real)
    turned = dict(zip(names, [real[name] for name in reversed(names)], strict=True))
    other.backbones["text"].tokenizer.get_vocab = lambda: turned
    with pytest.raises(ConfigError, match="number the pieces otherwise"):
        start_from(other, saved(made(), tmp_path / "d"))


def test_an_unlike_chain_and_no_place_at_all(tmp_path: Path) -> None:
    settings, _ = HOLDERS["umt"]
    folder = saved(made(), tmp_path / "c")
    with pytest.raises(ConfigError, match=r"crf.start of the checkpoint is learned \[13\].*fixed"):
        start_from(made("umt", chain=False, **settings), folder)
    with pytest.raises(ModelError, match="no checkpoint here"):
        start_from(made(), tmp_path / "nowhere")
    class_ = method_class("h-index")
    written = class_.build(build(class_.Config, {"seq2seq": "tiny-bart"}, Place()), LABELS)
    with pytest.raises(ConfigError, match="nothing of bert-crf has a place in h-index"):
        start_from(written, folder)


def test_pictures_that_settings_name_stay(tmp_path: Path) -> None:
    from PIL import Image

    settings, _ = HOLDERS["mmner-model"]
    pictures = []
    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{number}.png")
        picture: dict[str, Any] = {
            "missing": "default_image",
            "default_image": str(tmp_path / f"{number}.png"),
        }
        pictures.append(made("mmner-model", **settings, **picture))
    trained, method = pictures
    blue = method.default_image.clone()
    started = start_from(method, saved(trained, tmp_path / "c"))
    assert started.new == ("default_image",)
    assert torch.equal(method.default_image, blue)
    assert not torch.equal(blue, trained.default_image)
