"""GVATT: a BiLSTM tagger that looks at one picture vector, admitted by a gate at every word.

Lu, Neves, Carvalho, Zhang, Ji: Visual Attention Model for Name Tagging in Multimodal Social Media,
ACL 2018; no public code. Unusual: no transformer; a word is its vector beside the last states of a
character BiLSTM; the sentence as a whole asks the cells of the picture once, and every word mixes
the one answer in through two gates. With ``image="none"`` the words go straight into the chain:
the HBiLSTM-CRF of the text-only rows.

Reconstructed from the published description (evg_baselines.md). Its attention, taken to the
letter, does not depend on the sentence (:class:`~magpie.nn.grid_attention.GridAttention`);
``attention="joint"`` is the form in which it does. Sizes are not stated in what we have.

Shapes: B batch, W words, L letters, P cells, C channels, D = 2u width of a word's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import VisionEncoder, WordVectors, load_vision, load_words
from magpie.errors import ConfigError
from magpie.features import Assets, Grid, Need, Pixels
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import where_absent
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.methods.words import document_words
from magpie.nn.bilstm import BiLSTM
from magpie.nn.grid_attention import GridAttention, ModulationGate
from magpie.schema import Document
from magpie.vision import PixelSpec

__all__ = ["Gvatt", "GvattConfig", "letter_ids"]

#: rows of the letters' table: Latin-1 one each, the rest share as many
_LETTERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class GvattConfig(TaggingConfig):
    """Settings of GVATT; ``max_length`` counts words."""

    #: word vectors: a file of them, hashed-<width> for random ones, or tiny-words
    text: str = "hashed-200"
    #: at most so many words of the file
    word_limit: int = 400_000
    #: keep the word vectors as they are
    freeze_words: bool = False
    subtoken: Literal["x_tag", "first_only"] = "first_only"
    dropout: float = 0.5
    #: of a letter's vector
    letter_width: int = 30
    #: of one direction over letters
    letter_hidden: int = 50
    #: letters read of a word, from its beginning
    longest_word: int = 24
    #: u, of one direction over words
    hidden: int = 200
    #: grid: cached features of a frozen encoder; pixels: the encoder is part of the method;
    #: none: HBiLSTM-CRF
    image: Literal["grid", "pixels", "none"] = "grid"
    #: picture encoder; the paper's is not stated
    vision: str = "resnet-152"
    #: side of the pictures; None takes the encoder's own
    image_side: int | None = None
    #: C of cached features
    grid_width: int = 2048
    #: cells a side of cached features; P is its square
    cells: int = 7
    #: image="pixels": keep the encoder as it is
    freeze_vision: bool = True
    #: of keys and query
    attention_width: int = 200
    #: sum: as published, where the sentence drops out; joint: the sentence says where to look
    attention: Literal["sum", "joint"] = "sum"
    #: without a picture: text leaves the words as they are (HBiLSTM-CRF); zeros goes through
    #: the gates with a picture of zeros
    missing: Literal["text", "zeros"] = "text"

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        if self.subtoken != "first_only":
            raise ConfigError("words are not cut into pieces here: use subtoken first_only")
        sizes = ("letter_width", "letter_hidden", "longest_word", "hidden", "attention_width")
        if small := [name for name in (*sizes, "word_limit") if getattr(self, name) < 1]:
            raise ConfigError(f"{', '.join(small)} must be at least 1")


class Gvatt(Tagging):
    """Letters, words, one look at the picture, a gate, a chain."""

    name: ClassVar[str] = "gvatt"
    Config: ClassVar[type[GvattConfig]] = GvattConfig
    config: GvattConfig

    def __init__(
        self,
        config: GvattConfig,
        labels: LabelSpace,
        text: WordVectors,
        vision: VisionEncoder | None = None,
    ) -> None:
        if (vision is None) != (config.image != "pixels"):
            raise ConfigError(f"image={config.image!r} does not fit the given picture encoder")
        parts: dict[str, Any] = {"text": text}
        if vision is not None:
            parts["vision"] = vision.freeze() if config.freeze_vision else vision
        super().__init__(config, labels, parts)
        c = config
        if c.freeze_words:
            text.freeze()
        self.dropout = nn.Dropout(c.dropout)
        self.letters = nn.Embedding(_LETTERS, c.letter_width)
        self.words_of_letters = BiLSTM(c.letter_width, c.letter_hidden)
        self.sentence = BiLSTM(text.width + 2 * c.letter_hidden, c.hidden)
        width = 2 * c.hidden
        if c.image != "none":
            channels = c.grid_width if vision is None else vision.width
            self.attention = GridAttention(
                width, channels, c.attention_width, joint=c.attention == "joint"
            )
            self.gate = ModulationGate(width, channels)
        self.classifier = nn.Linear(width, len(self.tag_names))

    @classmethod
    def build(cls, config: GvattConfig, labels: LabelSpace) -> Self:
        vision = None
        if config.image == "pixels":
            vision = load_vision(config.vision, side=config.image_side)
        return cls(config, labels, load_words(config.text, limit=config.word_limit), vision)

    @property
    def vectors(self) -> WordVectors:
        """The word vectors."""
        return cast(WordVectors, self.backbones["text"])

    @property
    def vision(self) -> VisionEncoder | None:
        """The picture encoder, where it is part of the method."""
        return cast(VisionEncoder, self.backbones["vision"]) if "vision" in self.backbones else None

    @property
    def room(self) -> int:
        """Words."""
        return self.config.max_length

    def piece_counts(self, document: Document) -> list[tuple[str, int, int, int]]:
        """Every word counts as one."""
        return [(*word, 1) for word in document_words(document)]

    @property
    def picture(self) -> Grid | Pixels | None:
        """What it reads of a picture."""
        c = self.config
        if c.image == "none":
            return None
        if self.vision is not None:
            return Pixels(self.vision.pixels)
        return Grid(c.vision, PixelSpec(side=c.image_side or 224, fit="crop"), c.cells)

    def needs(self) -> frozenset[Need]:
        return frozenset() if self.picture is None else frozenset({self.picture})

    def prepare(self, document: Document, assets: Assets) -> Example:
        c = self.config
        words = document_words(document)
        texts = {block.id: block.text for block in document.blocks}
        kept = [texts[block][start:end] for block, start, end in words[: c.max_length]]
        # A document without words has one place, so that the chain and the BiLSTM have one.
        read = kept or [""]
        letters = [letter_ids(word[: c.longest_word]) for word in read]
        longest = max(map(len, letters))
        first = [*range(len(kept)), *[-1] * (len(words) - len(kept))]
        example = Example(
            document,
            {
                "input_ids": torch.tensor(self.vectors.ids(read)),
                "attention_mask": torch.ones(len(read), dtype=torch.long),
                "first": torch.tensor(first, dtype=torch.long),
                "letters": torch.tensor([row + [0] * (longest - len(row)) for row in letters]),
                "letter_counts": torch.tensor([len(row) for row in letters]),
            },
            {"words": words, "cut": len(words) - len(kept)},
        )
        self.look_up(example, first, len(read) + 1)
        self._read_picture(example, assets)
        return example

    def _read_picture(self, example: Example, assets: Assets) -> None:
        need = self.picture
        if need is None:
            return
        asset = assets[need]
        c, vision = self.config, self.vision
        shape = (c.grid_width, c.cells, c.cells)
        if vision is not None:
            shape = (3, vision.pixels.side, vision.pixels.side)
        image = torch.zeros(shape)
        if asset.present:
            found = asset.arrays["grid" if vision is None else "pixels"]
            if found.shape != shape:
                raise ConfigError(
                    f"the picture's features must have shape {list(shape)}, got "
                    f"{list(found.shape)}",
                    where=example.document.id,
                    mend="Were they computed with another encoder? Build them again.",
                )
            image = torch.from_numpy(found.copy()).float()
        example.inputs["image"] = image
        example.inputs["has_image"] = torch.tensor(asset.present)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        inputs = batch.inputs
        lengths = inputs["attention_mask"].sum(1)  # B
        h, query = self.sentence(self.dropout(self.text_states(batch)), lengths)  # B,W,D  B,D
        found: dict[str, Tensor] = {}
        if self.config.image != "none":
            there = inputs["has_image"]
            cells = self._cells(where_absent(inputs["image"], there))  # B,P,C
            seen, found["shares"] = self.attention(query, cells)  # B,C  B,P
            z = self.gate(h, where_absent(seen, there))  # B,W,D
            keeps = there if self.config.missing == "text" else torch.ones_like(there)
            h = torch.where(keeps[:, None, None], z, h)
        words = self.chain_states(self.dropout(h), batch)
        return {"emissions": self.classifier(words), **found}  # B,W,tags

    def text_states(self, batch: Batch) -> Tensor:
        """Every word's vector beside the last states over its letters, [B, W, their widths]."""
        letters = batch.inputs["letters"]  # B,W,L
        counts = batch.inputs["letter_counts"].flatten().clamp(min=1)  # BW
        states = self.dropout(self.letters(letters.flatten(0, 1)))  # BW,L,letter_width
        _, last = self.words_of_letters(states, counts)  # BW,2 letter_hidden
        spelled = last.unflatten(0, tuple(letters.shape[:2]))
        return torch.cat([self.vectors(batch.inputs["input_ids"]), spelled], -1)

    def _cells(self, image: Tensor) -> Tensor:
        """V: [B, C, rows, columns] or pixels -> [B, P, C]."""
        if self.vision is None:
            return image.flatten(2).transpose(1, 2)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            return cast(Tensor, self.vision(image))


def letter_ids(word: str) -> list[int]:
    """A row for every letter, from 1 on: Latin-1 has rows of its own, the rest shares as many.

    Example:
        >>> letter_ids("aé")
        [98, 234]
    """
    half = _LETTERS // 2
    codes = [ord(letter) for letter in word] or [0]
    return [1 + (code if code < half else half + code % (half - 1)) for code in codes]
