"""UMGF-EVG: gated graph fusion of words and cut-outs, then entity-aware grounding.

The system UMGF-VinVL-EVG of Yu et al., Grounded Multimodal Named Entity Recognition on Social
Media, ACL 2023. The cut-outs that its tagger reads and the regions that are answers are two things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from magpie.methods.pipelines import Pipeline, PipelineConfig

__all__ = ["UmgfEvg", "UmgfEvgConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UmgfEvgConfig(PipelineConfig):
    """Settings of UMGF-EVG: ``tagger`` holds those of ``umgf``, ``grounder`` those of ``evg``."""

    TAGGER: ClassVar[str] = "umgf"


class UmgfEvg(Pipeline):
    """``umgf``, then ``evg``."""

    name: ClassVar[str] = "umgf-evg"
    Config: ClassVar[type[UmgfEvgConfig]] = UmgfEvgConfig
    config: UmgfEvgConfig
