"""What kind of picture a picture is, by how CLIP's vector of it lies to those of prompts.

Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, ICML 2021,
section 3.1 (zero-shot transfer with an ensemble of prompts). No picture has to be labelled.

Shapes: B pictures, N kinds, K prompts a kind, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from magpie.errors import ConfigError, MagpieError
from magpie.features.needs import Asset, Need
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source, first_picture
from magpie.schema import ContextText, Document
from magpie.vision.kinds import KIND_SOURCE, KINDS

if TYPE_CHECKING:
    from magpie.backbones.contrastive import DualEncoder

__all__ = [
    "PROMPTS",
    "TEMPERATURE",
    "PictureKindSource",
    "PictureKinds",
    "with_kinds",
    "zero_shot",
]

#: prompts of each kind; their vectors are averaged
PROMPTS: Mapping[str, tuple[str, ...]] = {
    "photo": ("a photo", "a photograph of a real scene", "a snapshot taken with a phone"),
    "meme_or_sticker": ("a meme with text over a picture", "a reaction image", "a sticker"),
    "cartoon_or_drawing": ("a cartoon", "a drawing", "an illustration of a character"),
    "abstract_or_graphic": ("a logo", "a chart", "a screenshot", "an abstract pattern"),
}

#: what cosines are multiplied by before the softmax; CLIP ended its training there
TEMPERATURE = 100.0

_Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PictureKinds(Need):
    """Of the first picture: ``kinds`` float32 [N], probabilities in the order of :data:`KINDS`.

    Raises:
        ConfigError: no backbone, a kind without prompts, or another number of kinds.
    """

    #: CLIP or its like, with both encoders (:func:`magpie.backbones.contrastive.load_dual`)
    backbone: str = "clip-vit-base-patch32"
    #: of each kind
    prompts: tuple[tuple[str, ...], ...] = tuple(PROMPTS[kind] for kind in KINDS)
    temperature: float = TEMPERATURE

    def __post_init__(self) -> None:
        if not self.backbone or len(self.prompts) != len(KINDS) or not all(self.prompts):
            raise ConfigError(
                f"kinds of pictures need a backbone and prompts of each of {', '.join(KINDS)}, "
                f"got {self.backbone!r} and {[len(each) for each in self.prompts]} prompts"
            )


class PictureKindSource(Source):
    """Zero-shot probabilities by models that are loaded when first asked for.

    A picture that cannot be read is set aside with its reason.

    Args:
        pictures: where pictures are read from.
        device: that the models run on.
        batch: pictures at once.
        load: finds both encoders by name; replaced by those who hold them already.
    """

    kind: ClassVar[type[Need]] = PictureKinds

    def __init__(
        self,
        pictures: Pictures,
        *,
        device: str = "cpu",
        batch: int = 16,
        load: Callable[[str], DualEncoder] | None = None,
    ) -> None:
        self.pictures = pictures
        self.device = device
        self.batch = batch
        self._load = load
        self._encoders: dict[str, DualEncoder] = {}
        self._known: dict[PictureKinds, tuple[_Rows, dict[str, str]]] = {}

    def ask(self, document: Document, need: PictureKinds) -> Ask | Asset:
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        return Ask({"picture": picture.digest}, picture)

    def compute(self, asks: Sequence[Ask], need: PictureKinds) -> list[Arrays | Asset]:
        made: list[Arrays | Asset] = []
        images = []
        for ask in asks:
            try:
                images.append(cast(Picture, ask.payload).load())
                made.append({})
            except MagpieError as error:
                made.append(Asset.absent(str(error)))
        if not images:
            return made
        prompts = self._prompted(need)[0]
        vectors = self._encoder(need.backbone).pictures(images).cpu().numpy()  # B,D
        rows = iter(zero_shot(vectors, _by_kind(prompts, need), need.temperature))
        return [m if isinstance(m, Asset) else {"kinds": next(rows).copy()} for m in made]

    def fingerprint(self, need: PictureKinds) -> dict[str, Any]:
        return {"version": self.version, "backbone": self._prompted(need)[1]}

    def _encoder(self, name: str) -> DualEncoder:
        if name not in self._encoders:
            from magpie.backbones.contrastive import load_dual

            self._encoders[name] = (self._load or load_dual)(name).to(self.device)
        return self._encoders[name]

    def _prompted(self, need: PictureKinds) -> tuple[_Rows, dict[str, str]]:
        """Vectors of all prompts one after the other, and what they and the pictures rest on."""
        if need not in self._known:
            encoder = self._encoder(need.backbone)
            prompts = [prompt for each in need.prompts for prompt in each]
            vectors = encoder.texts(prompts).cpu().numpy()
            self._known[need] = (vectors, encoder.fingerprint(prompts))
        return self._known[need]


def with_kinds(
    documents: Sequence[Document],
    backbone: str,
    supply: Callable[[Sequence[Document], PictureKinds], Sequence[Asset]],
) -> list[Document]:
    """The documents with a note of the likeliest kind of their picture, where they have none.

    Args:
        documents: those whose picture cannot be read stay as they are.
        backbone: see :class:`PictureKinds`.
        supply: the kinds of some documents.
    """
    need = PictureKinds(backbone)
    told = [any(text.source == KIND_SOURCE for text in each.context) for each in documents]
    lacking = [document for document, known in zip(documents, told, strict=True) if not known]
    found = iter(supply(lacking, need) if lacking else ())
    noted = []
    for document, known in zip(documents, told, strict=True):
        asset = None if known else next(found)
        medium = first_picture(document)
        if asset is not None and asset.present and medium is not None:
            kind = KINDS[int(asset.arrays["kinds"].argmax())]
            note = ContextText(kind="note", text=kind, source=KIND_SOURCE, media=medium.id)
            noted.append(replace(document, context=(*document.context, note)))
        else:
            noted.append(document)
    return noted


def _by_kind(vectors: _Rows, need: PictureKinds) -> list[_Rows]:
    ends = np.cumsum([len(each) for each in need.prompts])
    return np.split(vectors, ends[:-1])


def zero_shot(pictures: _Rows, prompts: Sequence[_Rows], temperature: float = TEMPERATURE) -> _Rows:
    """Probabilities of the kinds from vectors of one space, whatever their lengths.

    A kind's vector is the mean of its prompts' directions; its score is the cosine.

    Args:
        pictures: [B, D].
        prompts: N arrays [K, D]; K may differ.
        temperature: factor of the cosines.

    Returns:
        [B, N]; rows add up to 1.
    """
    kinds = _directions(np.stack([_directions(each).mean(0) for each in prompts]))  # N,D
    scores = temperature * (_directions(pictures) @ kinds.T)
    shares = np.exp(scores - scores.max(1, keepdims=True))
    found: _Rows = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return found


def _directions(vectors: _Rows) -> npt.NDArray[np.float64]:
    values = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
