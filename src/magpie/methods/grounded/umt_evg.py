"""UMT-EVG: the unified multimodal transformer, then entity-aware grounding.

The systems UMT-RCNN-EVG and UMT-VinVL-EVG of Yu et al., Grounded Multimodal Named Entity
Recognition on Social Media, ACL 2023; the two differ in ``grounder.source`` alone, so their MNER is
the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from magpie.methods.pipelines import Pipeline, PipelineConfig

__all__ = ["UmtEvg", "UmtEvgConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UmtEvgConfig(PipelineConfig):
    """Settings of UMT-EVG: ``tagger`` holds those of ``umt``, ``grounder`` those of ``evg``."""

    TAGGER: ClassVar[str] = "umt"


class UmtEvg(Pipeline):
    """``umt``, then ``evg``."""

    name: ClassVar[str] = "umt-evg"
    Config: ClassVar[type[UmtEvgConfig]] = UmtEvgConfig
    config: UmtEvgConfig
