"""Detectors: boxes inside the picture, scores and labels by hand, folders, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from magpie.backbones import from_folder
from magpie.backbones.detector import (
    Detector,
    DetectorPixels,
    _kept,
    load_detector,
)
from magpie.errors import ConfigError, ModelError, NotFoundError
from magpie.vision import LoadedImage
from magpie.vision.pixels import CLIP, HALF, IMAGENET

NAMES = ("tiny-detr", "tiny-rt-detr", "tiny-owlvit", "tiny-grounding-dino")


def picture(width: int = 90, height: int = 60, seed: int = 0) -> LoadedImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return LoadedImage(pixels, width, height)


@pytest.mark.parametrize("name", NAMES)
def test_every_family_finds_boxes_inside_the_picture(name: str) -> None:
    detector = load_detector(name).freeze()
    one, two = picture(), picture(50, 120, seed=1)
    first, second = detector.detect([one, two], overlap=1.0)
    assert detector.width == first.features.shape[1] == 32
    assert len(first.boxes) == len(first.scores) == len(first.labels) > 0
    for found, image in ((first, one), (second, two)):
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [image.width, image.height] * 2).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
        assert (np.diff(found.scores) <= 0).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
    # a picture is found alike alone and beside another
    (alone,) = detector.detect([two], overlap=1.0)
    np.testing.assert_array_equal(alone.features, second.features)
    # and alike by the same name
    (again,) = load_detector(name).detect([one], overlap=1.0)
    np.testing.assert_array_equal(again.boxes, first.boxes)
    assert detector.weights_digest() == load_detector(name).weights_digest()


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_built_anew_from_the_description(name: str, tmp_path: Path) -> None:
    detector = load_detector(name, phrases=("a dog", "a small cat"))
    detector.save(tmp_path)
    built = from_folder(tmp_path)
    assert isinstance(built, Detector)
    assert (built.name, built.pixels) == (name, detector.pixels)
    built.load_state_dict(detector.state_dict())
    (wanted,), (found,) = detector.detect([picture()]), built.detect([picture()])
    np.testing.assert_array_equal(found.boxes, wanted.boxes)
    assert found.labels == wanted.labels


class Scripted(torch.nn.Module):
    """Gives the numbers it was given, whatever it sees."""

    def __init__(self, family: str, **output: Any) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            model_type=family, id2label={0: "dog", 1: "cat"}, d_model=2, text_config=None
        )
        self.output = SimpleNamespace(**output)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[str, Any] = {}

    def forward(self, **given: Any) -> Any:
        self.seen = given
        return self.output


BOXES = torch.tensor([[[0.5, 0.5, 0.5, 0.5], [0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.0, 0.2]]])
STATES = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])


def scripted(family: str, logits: Any, **more: Any) -> Detector:
    model = Scripted(
        family, logits=torch.tensor([logits]), pred_boxes=BOXES, last_hidden_state=STATES, **more
    )
    return Detector(model, family, DetectorPixels(shortest=8, longest=16))  # type: ignore[arg-type]


def test_classes_of_detr_leave_nothing_out() -> None:
    # softmax over dog, cat, nothing
    detector = scripted("detr", [[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    (found,) = detector.detect([picture(100, 50)])
    e = np.e
    np.testing.assert_allclose(found.scores, [e**2 / (e**2 + 2), e / (e + 2)], rtol=1e-6)
    assert found.labels == ("dog", "cat")
    # centre and size as fractions, cut to the picture; the box without width is none
    np.testing.assert_allclose(found.boxes, [[0, 0, 30, 15], [25, 12.5, 75, 37.5]], atol=1e-4)
    np.testing.assert_array_equal(found.features, [[3, 4], [1, 2]])


def test_classes_of_rt_detr_stand_alone() -> None:
    detector = scripted("rt_detr", [[0.0, 1.0], [2.0, 0.0], [9.0, 0.0]])
    (found,) = detector.detect([picture(100, 50)], limit=1)
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-2.0))], rtol=1e-6)
    assert found.labels == ("dog",)
    (none,) = detector.detect([picture(100, 50)], min_score=0.9)
    assert len(none.boxes) == 0
    assert none.features.shape == (0, 2)


def test_pieces_of_grounding_dino_lead_to_phrases() -> None:
    detector = load_detector("tiny-grounding-dino", phrases=("a dog", "the small cat"))
    words = detector._words()["input_ids"]
    pieces = detector.tokenizer.convert_ids_to_tokens(words[0])  # type: ignore[union-attr]
    assert pieces == ["[CLS]", "a", "dog", ".", "the", "small", "cat", ".", "[SEP]"]
    assert detector._phrase_of_piece(len(pieces)) == [-1, 0, 0, -1, 1, 1, 1, -1, -1]
    logits = torch.full((1, 3, 64), -torch.inf)
    logits[0, 0, 6], logits[0, 0, 7] = 1.0, 3.0  # cat, and the mark behind it
    logits[0, 1, 1] = 2.0
    model = Scripted("grounding-dino", logits=logits, pred_boxes=BOXES, last_hidden_state=STATES)
    asked = Detector(
        model,  # type: ignore[arg-type]
        "scripted",
        DetectorPixels(shortest=8, longest=16),
        detector.tokenizer,
        detector.phrases,
    )
    (found,) = asked.detect([picture()])
    assert found.labels == ("the small cat", "a dog")
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-3.0, -2.0])), rtol=1e-6)


def test_owlvit_reads_a_phrase_a_row() -> None:
    detector = load_detector("tiny-owlvit", phrases=("a dog", "cat"))
    (found,) = detector.detect([picture()], overlap=1.0)
    assert set(found.labels) <= {"a dog", "cat"}
    assert detector._words()["input_ids"].shape[0] == 2


def test_of_two_overlapping_boxes_the_better_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 5], [3, 3, 3, 9]], np.float32)
    scores = np.array([0.5, 0.9, 0.7, 1.0], np.float32)
    assert _kept(boxes, scores, 10, 0.0, 0.8) == [1, 2]  # IoU 0.9 goes, 5/9 stays, no area goes
    assert _kept(boxes, scores, 10, 0.0, 1.0) == [1, 2, 0]
    assert _kept(boxes, scores, 1, 0.0, 0.8) == [1]
    assert _kept(boxes, scores, 10, 0.8, 0.8) == [1]


def test_a_score_that_is_no_number_is_not_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    assert _kept(boxes, np.array([np.nan, 0.5], np.float32), 9, 0.0, 0.8) == [1]


@pytest.mark.parametrize(
    ("spec", "size", "wanted"),
    [
        (DetectorPixels(), (640, 480), (1067, 800)),
        (DetectorPixels(), (2000, 500), (1333, 333)),
        (DetectorPixels(), (10000, 5), (1333, 1)),
        (DetectorPixels(shortest=640, longest=0), (2000, 500), (640, 640)),
    ],
)
def test_sizes(spec: DetectorPixels, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert spec.size(*size) == wanted


def test_pixels_with_and_without_normalisation() -> None:
    white = LoadedImage(np.full((4, 4, 3), 255, np.uint8), 4, 4)
    plain = DetectorPixels(shortest=2, longest=0, normalisation=None).read(white)
    assert plain.shape == (3, 2, 2)
    assert (plain == 1).all()
    assert (DetectorPixels(shortest=2, longest=0, normalisation=HALF).read(white) == 1).all()
    colours = DetectorPixels(shortest=2, longest=0).read(white)[:, 0, 0]
    torch.testing.assert_close(
        colours, (1 - torch.tensor(IMAGENET.mean)) / torch.tensor(IMAGENET.std)
    )


@pytest.mark.parametrize(
    ("name", "settings", "wanted"),
    [
        ("tiny-detr", None, DetectorPixels()),
        (
            "tiny-detr",
            {"size": 640, "max_size": 900, "do_normalize": True},
            DetectorPixels(shortest=640, longest=900),
        ),
        (
            "tiny-detr",
            {
                "size": {"shortest_edge": 96, "longest_edge": 128},
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
                "do_normalize": True,
            },
            DetectorPixels(shortest=96, longest=128, normalisation=HALF),
        ),
        ("tiny-rt-detr", None, DetectorPixels(shortest=640, longest=0, normalisation=None)),
        (
            "tiny-rt-detr",
            {"size": {"height": 320, "width": 320}, "do_normalize": False},
            DetectorPixels(shortest=320, longest=0, normalisation=None),
        ),
        (
            "tiny-owlvit",
            None,
            DetectorPixels(shortest=768, longest=0, normalisation=CLIP, resample="bicubic"),
        ),
        (
            "tiny-owlvit",
            {"size": [64, 64], "do_normalize": True},
            DetectorPixels(shortest=64, longest=0, normalisation=CLIP, resample="bicubic"),
        ),
        (
            "tiny-owlvit",
            {"size": {"height": 64, "width": 64}, "do_normalize": True, "resample": 2},
            DetectorPixels(shortest=64, longest=0, normalisation=CLIP),
        ),
    ],
)
def test_a_folder_of_transformers(
    tmp_path: Path, name: str, settings: Any, wanted: DetectorPixels
) -> None:
    tiny = load_detector(name, phrases=("a dog",))
    tiny.model.save_pretrained(tmp_path)  # type: ignore[operator]
    if tiny.tokenizer is not None:
        tiny.tokenizer.save_pretrained(tmp_path)
    if settings is not None:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    found = load_detector(str(tmp_path), phrases=("a dog",))
    assert found.pixels == wanted
    assert found.weights_digest() == tiny.weights_digest()


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no tiny detector 'tiny-yolo'"):
        load_detector("tiny-yolo")
    with pytest.raises(ModelError, match="not on this machine"):
        load_detector("facebook/detr-resnet-50")
    with pytest.raises(ConfigError, match="looks for phrases"):
        load_detector("tiny-owlvit", phrases=())
    BertModel(
        BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    ).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is a bert, no detector"):
        load_detector(str(tmp_path))
    tiny = load_detector("tiny-detr")
    tiny.model.save_pretrained(tmp_path)  # type: ignore[operator]
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 3, "width": 4}}')
    with pytest.raises(ModelError, match="expected a square"):
        load_detector(str(tmp_path))


#: sizes as releases write them down, of the tiny twins
SIZES: dict[str, dict[str, int]] = {
    "detr": {"shortest_edge": 64, "longest_edge": 128},
    "rt_detr": {"height": 64, "width": 64},
    "owlvit": {"height": 64, "width": 64},
    "grounding_dino": {"shortest_edge": 64, "longest_edge": 128},
}


def reference(family: str) -> Any:
    """transformers' own reading of pictures and of answers, without torchvision."""
    module = pytest.importorskip(
        f"transformers.models.{family}.image_processing_pil_{family}",
        reason="this transformers has no processors on Pillow",
    )
    (name,) = [n for n in vars(module) if n.endswith("ImageProcessorPil") and n != "_"]
    return getattr(module, name)(size=SIZES[family])


@pytest.mark.parametrize("family", SIZES)
def test_pixels_are_those_of_transformers(family: str) -> None:
    image = picture()
    wanted = reference(family)(images=image.pixels, return_tensors="pt")["pixel_values"][0]
    found = load_detector(f"tiny-{family.replace('_', '-')}").pixels.read(image)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["detr", "rt_detr", "owlvit"])
def test_answers_are_those_of_transformers(family: str) -> None:
    image = picture()
    detector = load_detector(f"tiny-{family.replace('_', '-')}")
    (found,) = detector.detect([image], overlap=1.0)
    with torch.no_grad():
        output = detector.model(pixel_values=detector.pixels.read(image)[None], **detector._words())
    size = torch.tensor([[image.height, image.width]])
    (wanted,) = reference(family).post_process_object_detection(
        output, threshold=0.0, target_sizes=size
    )
    kinds = detector.model.config.id2label  # type: ignore[union-attr]
    names = dict(enumerate(detector.phrases)) if family == "owlvit" else kinds
    labels = [names[label] for label in wanted["labels"].tolist()]
    limits = torch.tensor([image.width, image.height] * 2)
    boxes = wanted["boxes"].clamp(min=0).minimum(limits).numpy()
    scores = wanted["scores"].numpy()
    # RT-DETR keeps as many answers as queries, several of one query included, so fewer queries.
    lowest = scores.min() + 1e-5 if family == "rt_detr" else 0.0
    kept = int((found.scores > lowest).sum())
    assert kept > 3
    for score, label, box in list(zip(found.scores, found.labels, found.boxes, strict=True))[:kept]:
        same = (np.abs(scores - score) < 1e-5) & (np.abs(boxes - box).max(axis=1) < 1e-3)
        assert label in {labels[index] for index in np.flatnonzero(same)}
