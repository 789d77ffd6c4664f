"""ITA-EVG: a tagger that reads the picture as words, then entity-aware grounding.

The system ITA-VinVL-EVG of Yu et al., Grounded Multimodal Named Entity Recognition on Social
Media, ACL 2023. The tagger never sees a pixel; the grounder sees regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from magpie.methods.pipelines import Pipeline, PipelineConfig

__all__ = ["ItaEvg", "ItaEvgConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItaEvgConfig(PipelineConfig):
    """Settings of ITA-EVG: ``tagger`` holds those of ``ita``, ``grounder`` those of ``evg``."""

    TAGGER: ClassVar[str] = "ita"


class ItaEvg(Pipeline):
    """``ita``, then ``evg``."""

    name: ClassVar[str] = "ita-evg"
    Config: ClassVar[type[ItaEvgConfig]] = ItaEvgConfig
    config: ItaEvgConfig
