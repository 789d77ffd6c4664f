"""Object detectors: pictures in, boxes with scores, labels and a feature vector each out.

What describes a box is what the detector itself hands to its last layer: the decoder's state of the
query that found it (DETR, RT-DETR, Grounding DINO), or the embedding that is compared with the
phrases (OWL-ViT). Shapes: B batch, Q queries, K classes or text pieces, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForObjectDetection,
    AutoModelForZeroShotObjectDetection,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.image_processing_base import ImageProcessingMixin

from magpie.backbones.base import Backbone, load_local
from magpie.errors import ConfigError, ModelError
from magpie.vision import LoadedImage
from magpie.vision.pixels import CLIP, IMAGENET, Normalisation

__all__ = ["PHRASES", "Detections", "Detector", "DetectorPixels", "load_detector"]

#: what detectors by text are asked for, where nobody says otherwise
PHRASES = (
    "a person", "a face", "a logo", "a building", "a flag", "a poster", "a vehicle", "an animal",
    "a product", "a trophy", "a screen", "a sign",
)  # fmt: skip

#: families whose queries are compared with phrases
_BY_TEXT = ("owlvit", "grounding-dino")
#: families of which a class stands for "nothing"; the others judge every class by itself
_WITH_NOTHING = ("detr",)
_FAMILIES = ("detr", "rt_detr", "rt_detr_v2", *_BY_TEXT)

#: Pillow's number of bicubic scaling, as releases write it down
_BICUBIC = 3

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorPixels:
    """How a detector wants its pictures.

    ``longest`` 0 squashes a picture to ``shortest`` x ``shortest`` pixels; otherwise its shorter
    side becomes ``shortest``, or less where the longer one would pass ``longest``. Without
    ``normalisation`` values stay in [0, 1].
    """

    shortest: int = 800
    longest: int = 1333
    normalisation: Normalisation | None = IMAGENET
    resample: Literal["bilinear", "bicubic"] = "bilinear"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a picture is scaled to."""
        if not self.longest:
            return self.shortest, self.shortest
        factor = min(self.shortest / min(width, height), self.longest / max(width, height))
        return max(1, round(width * factor)), max(1, round(height * factor))

    def read(self, image: LoadedImage) -> Tensor:
        """[3, height, width] of one picture."""
        rows, columns = image.pixels.shape[:2]
        kind = Image.Resampling.BICUBIC if self.resample == "bicubic" else Image.Resampling.BILINEAR
        scaled = Image.fromarray(image.pixels).resize(self.size(columns, rows), kind)
        pixels = torch.from_numpy(np.array(scaled)).permute(2, 0, 1).float() / 255  # 3,H,W
        if self.normalisation is None:
            return pixels
        mean, std = (torch.tensor(part) for part in asdict(self.normalisation).values())
        return (pixels - mean[:, None, None]) / std[:, None, None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """What was found in one picture, best first.

    ``boxes`` [n, 4] are corners in pixels of the original, inside it; ``features`` [n, D];
    ``scores`` [n] in [0, 1]; ``labels`` are n class names or phrases.
    """

    boxes: Floats
    features: Floats
    scores: Floats
    labels: tuple[str, ...]


class Detector(Backbone):
    """DETR, RT-DETR (and its second version), OWL-ViT or Grounding DINO.

    Args:
        model: a transformers detector.
        name: what it was loaded as.
        pixels: how it reads pictures.
        tokenizer: of the families that look for phrases.
        phrases: what those look for.
    """

    kind = "detector"

    def __init__(
        self,
        model: PreTrainedModel,
        name: str,
        pixels: DetectorPixels,
        tokenizer: PreTrainedTokenizerFast | None = None,
        phrases: Sequence[str] = PHRASES,
    ) -> None:
        super().__init__(model, name)
        self.pixels = pixels
        self.tokenizer = tokenizer
        self.phrases = tuple(phrases)
        if self.family in _BY_TEXT and (tokenizer is None or not self.phrases):
            raise ConfigError(f"{name} looks for phrases, and none are given")

    @property
    def family(self) -> str:
        """transformers' name of the architecture."""
        return str(cast(PreTrainedModel, self.model).config.model_type)

    @property
    def width(self) -> int:
        config = cast(PreTrainedModel, self.model).config
        return int(config.text_config.hidden_size if self.family == "owlvit" else config.d_model)

    @torch.no_grad()
    def detect(
        self,
        images: Sequence[LoadedImage],
        *,
        limit: int = 100,
        min_score: float = 0.0,
        overlap: float = 0.8,
    ) -> list[Detections]:
        """What each picture shows, one box a query at most.

        Args:
            images: are read one at a time where their sizes differ.
            limit: most boxes of a picture.
            min_score: a box below it is dropped.
            overlap: of two boxes with a higher IoU only the better one is kept.
        """
        found: list[Detections] = []
        for image in images:
            pixels = self.pixels.read(image)[None].to(next(self.parameters()).device)
            boxes, scores, labels, states = self._queries(pixels)
            corners = _corners(boxes, image)
            kept = _kept(corners, scores, limit, min_score, overlap)
            found.append(
                Detections(
                    boxes=corners[kept],
                    features=states[kept],
                    scores=scores[kept],
                    labels=tuple(labels[index] for index in kept),
                )
            )
        return found

    def _queries(self, pixels: Tensor) -> tuple[Floats, Floats, list[str], Floats]:
        """Boxes [Q, 4] as centre and size in [0, 1], scores [Q], labels, states [Q, D]."""
        words = self._words()
        output = self.model(pixel_values=pixels, **words)
        logits = output.logits[0]  # Q,K
        nothing = self.family in _WITH_NOTHING
        chances = logits.softmax(-1)[:, :-1] if nothing else logits.sigmoid()
        scores, best = chances.max(-1)
        if self.family == "grounding-dino":
            places = self._phrase_of_piece(words["input_ids"].shape[1])
            inside = torch.tensor([place >= 0 for place in places])
            best = chances[:, : len(places)].cpu().masked_fill(~inside, -1.0).argmax(-1)
            names = [self.phrases[max(0, place)] for place in places]
        elif self.family == "owlvit":
            names = list(self.phrases)
        else:
            kinds: Any = cast(PreTrainedModel, self.model).config.id2label or {}
            names = [str(kinds.get(index, index)) for index in range(chances.shape[1])]
        states = output.class_embeds if self.family == "owlvit" else output.last_hidden_state
        arrays = (output.pred_boxes[0], scores, states[0])
        boxes, marks, vectors = (a.float().cpu().numpy().astype(np.float32) for a in arrays)
        return boxes, marks, [names[index] for index in best.tolist()], vectors

    def _words(self) -> dict[str, Tensor]:
        """The phrases as the family reads them: one row each, or one row of all."""
        if self.tokenizer is None:
            return {}
        texts = [self._prompt()] if self.family == "grounding-dino" else list(self.phrases)
        found = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        device = next(self.parameters()).device
        return {name: found[name].to(device) for name in ("input_ids", "attention_mask")}

    def _prompt(self) -> str:
        return "".join(f"{phrase.lower()}. " for phrase in self.phrases).strip()

    def _phrase_of_piece(self, count: int) -> list[int]:
        """For each piece of the prompt the phrase it belongs to; -1 for marks between phrases."""
        tokenizer = cast(PreTrainedTokenizerFast, self.tokenizer)
        offsets = tokenizer(self._prompt(), truncation=True, return_offsets_mapping=True)
        ends: list[int] = []
        for phrase in self.phrases:
            ends.append((ends[-1] + 2 if ends else 0) + len(phrase))
        found = []
        for start, end in offsets["offset_mapping"][:count]:
            owner = next((i for i, last in enumerate(ends) if end <= last), -1)
            begins = ends[owner] - len(self.phrases[owner])
            found.append(owner if end > start and owner >= 0 and start >= begins else -1)
        return found

    def describe(self) -> dict[str, Any]:
        return {
            "config": cast(PreTrainedModel, self.model).config.to_dict(),
            "pixels": asdict(self.pixels),
            "phrases": list(self.phrases),
        }

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder / "tokenizer")

    @classmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        config = AutoConfig.for_model(**value["config"])
        given = dict(value["pixels"])
        if given["normalisation"] is not None:
            colours = {name: tuple(part) for name, part in given["normalisation"].items()}
            given["normalisation"] = Normalisation(**colours)
        tokenizer: Any = None
        if config.model_type in _BY_TEXT:
            tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        with torch.random.fork_rng(devices=[]):
            model = _auto(config.model_type).from_config(config)
        pixels = DetectorPixels(**given)
        return cls(model.eval(), value["name"], pixels, tokenizer, value["phrases"])


def _corners(boxes: Floats, image: LoadedImage) -> Floats:
    """Centre and size in [0, 1] -> corners in pixels of the picture, clipped to it."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    limits = np.array([image.width, image.height] * 2, np.float32)
    return np.clip(corners * limits, 0, limits).astype(np.float32)


def _kept(boxes: Floats, scores: Floats, limit: int, min_score: float, overlap: float) -> list[int]:
    """Indices of the boxes to keep, best first; those without area are not."""
    kept: list[int] = []
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for index in np.argsort(-scores, kind="stable").tolist():
        if len(kept) == limit or not scores[index] >= min_score:
            break
        low = np.maximum(boxes[kept, :2], boxes[index, :2])
        high = np.minimum(boxes[kept, 2:], boxes[index, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        if (
            areas[index] > 0
            and not (shared > overlap * (areas[kept] + areas[index] - shared)).any()
        ):
            kept.append(index)
    return kept


def load_detector(name: str, *, phrases: Sequence[str] = PHRASES) -> Detector:
    """A detector by hub name, folder, or ``tiny-detr|rt-detr|owlvit|grounding-dino``.

    Args:
        name: see above.
        phrases: what OWL-ViT and Grounding DINO look for; the others know classes of their own.

    Raises:
        ModelError: it is not on this machine, or of another family.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny_detectors import tiny_detector

        return tiny_detector(name, phrases=phrases)
    config = load_local(name, AutoConfig.from_pretrained)
    family = config.model_type
    if family not in _FAMILIES:
        raise ModelError(
            f"{name} is a {family}, no detector that is known here",
            where=name,
            mend=f"There are: {', '.join(_FAMILIES)}.",
        )
    model = load_local(name, _auto(family).from_pretrained)
    tokenizer: Any = None
    if family in _BY_TEXT:
        tokenizer = load_local(name, AutoTokenizer.from_pretrained)
    return Detector(model.eval(), name, _pixels(name, family), tokenizer, phrases)


def _auto(family: str) -> Any:
    return (
        AutoModelForZeroShotObjectDetection if family in _BY_TEXT else AutoModelForObjectDetection
    )


def _pixels(name: str, family: str) -> DetectorPixels:
    """From the release's own settings; where it brings none, what its family was trained with."""
    place = Path(name).expanduser()
    try:
        read = ImageProcessingMixin.get_image_processor_dict
        given = read(str(place) if place.is_dir() else name, local_files_only=True)[0]
    except OSError:
        if family == "owlvit":
            return DetectorPixels(shortest=768, longest=0, normalisation=CLIP, resample="bicubic")
        if family.startswith("rt_detr"):
            return DetectorPixels(shortest=640, longest=0, normalisation=None)
        return DetectorPixels()
    colours = None
    if given.get("do_normalize", not family.startswith("rt_detr")):
        mean, std = given.get("image_mean"), given.get("image_std")
        own = CLIP if family == "owlvit" else IMAGENET
        colours = Normalisation(tuple(mean), tuple(std)) if mean and std else own
    code = given.get("resample", _BICUBIC if family == "owlvit" else None)
    how: dict[str, Any] = {
        "normalisation": colours,
        "resample": "bicubic" if code == _BICUBIC else "bilinear",
    }
    size = given.get("size")
    if isinstance(size, dict) and "shortest_edge" in size:
        longest = int(size.get("longest_edge") or given.get("max_size") or 1333)
        return DetectorPixels(shortest=int(size["shortest_edge"]), longest=longest, **how)
    if isinstance(size, int):  # as older releases wrote it
        return DetectorPixels(shortest=size, longest=int(given.get("max_size") or 1333), **how)
    sides = list(size.values()) if isinstance(size, dict) else list(size or ())
    if len(sides) != 2 or sides[0] != sides[1]:
        raise ModelError(
            f"its pictures have the size {size!r}, expected a square or a shortest edge",
            code="model-damaged",
            where=name,
        )
    return DetectorPixels(shortest=int(sides[0]), longest=0, **how)
