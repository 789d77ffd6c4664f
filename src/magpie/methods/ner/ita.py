"""ITA: the picture becomes words, and the view with them teaches the view without.

Wang et al.: ITA: Image-Text Alignments for Multi-Modal Named Entity Recognition, NAACL 2022; public
code Alibaba-NLP/KB-NER (folder ITA). Unusual: pictures are read as text, objects with attributes
(local alignment), captions (global alignment) and printed words (OCR), so that one encoder's
self-attention spans both; and two views are trained together, ``x </s> visual words`` and ``x``
alone, whose word posteriors are drawn together (cross-view alignment), so that the text view
serves where there is no picture (``view="text"``).

The paper sums the three terms: ``views=(1, 1, 1)``. The public code halves the first and the last
and trains the text view in batches of their own: ``views=(0.5, 1, 0.5)`` is the same sum, in one
step. The order of objects, captions and OCR is reconstructed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from magpie.errors import ConfigError
from magpie.features import Need, Texts
from magpie.methods.context import ContextConfig, ContextTagging

__all__ = ["Ita", "ItaConfig"]

Part = Literal["objects", "captions", "ocr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItaConfig(ContextConfig):
    """Settings of ITA; the temperature is 4 on Twitter-2015 and SNAP, 2 on Twitter-2017."""

    word_dropout: float = 0.1
    views: tuple[float, float, float] | None = (1.0, 1.0, 1.0)
    temperature: float = 4.0
    #: what the picture is read as, in this order
    parts: tuple[Part, ...] = ("objects", "captions", "ocr")
    #: side sources of object words, each a text such as "white dog, red car"
    objects: tuple[str, ...] = ("vinvl-objects",)
    #: side sources of captions; empty takes every caption of the document
    captions: tuple[str, ...] = ()
    #: side sources of printed words; empty takes every one of the document
    ocr: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ContextConfig.__post_init__(self)
        if not self.parts or len(set(self.parts)) != len(self.parts):
            raise ConfigError(f"parts must be different ones, at least one; got {self.parts}")
        if "objects" in self.parts and not self.objects:
            raise ConfigError("the part objects needs the side sources that have them")


class Ita(ContextTagging):
    """Encoder over text and visual words, linear layer, chain over the text; two views."""

    name: ClassVar[str] = "ita"
    Config: ClassVar[type[ItaConfig]] = ItaConfig
    config: ItaConfig

    def context_needs(self) -> tuple[Need, ...]:
        c = self.config
        named = {
            "objects": Texts(sources=c.objects),
            "captions": Texts(sources=c.captions, kinds=("caption",)),
            "ocr": Texts(sources=c.ocr, kinds=("ocr",)),
        }
        return tuple(named[part] for part in c.parts)
