"""GVATT-EVG: a BiLSTM tagger with visual attention, then entity-aware grounding.

The system GVATT-RCNN-EVG of Yu et al., Grounded Multimodal Named Entity Recognition on Social
Media, ACL 2023, over the tagger of Lu et al., ACL 2018. Neither has public code. With
``tagger={image: none}`` and ``grounding="none"`` it is the row HBiLSTM-CRF-None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from magpie.methods.pipelines import Pipeline, PipelineConfig

__all__ = ["GvattEvg", "GvattEvgConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GvattEvgConfig(PipelineConfig):
    """Settings of GVATT-EVG: ``tagger`` holds those of ``gvatt``, ``grounder`` those of ``evg``."""

    TAGGER: ClassVar[str] = "gvatt"


class GvattEvg(Pipeline):
    """``gvatt``, then ``evg``."""

    name: ClassVar[str] = "gvatt-evg"
    Config: ClassVar[type[GvattEvgConfig]] = GvattEvgConfig
    config: GvattEvgConfig
