"""PGIM's tagger: a text encoder reads the post and what a language model wrote about it.

Li, Li, Pan, Chen, Qin: Prompting ChatGPT in MNER: Enhanced Multimodal Named Entity Recognition with
Auxiliary Refined Knowledge, Findings of EMNLP 2023; public code JinYuanLi0012/PGIM (second stage).
Unusual: no picture reaches the network. A language model has seen a caption and similar worked
examples, and its answer stands behind the post: ``x </s> Z`` through the encoder, chain over the
words of x. This module is that second stage over knowledge already written, such as the published
files (``load("twitter2017", "train", context=("pgim",))``); choosing examples, prompting, and
parsing answers are no part of it. A post without knowledge is read as plain text.

The public code lets the chain run over separator and knowledge as well and counts entities that it
finds there as false positives: ``crf_over_context=True``, and ``score_rows(score_context=True)`` of
:mod:`magpie.methods.context`. It cuts the separator from the word ``<EOS>``: ``eos="literal"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from magpie.errors import ConfigError
from magpie.features import Need, Texts
from magpie.methods.context import ContextConfig, ContextTagging

__all__ = ["Pgim", "PgimConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PgimConfig(ContextConfig):
    """Settings of PGIM's tagger; ``views=(0.5, 0.5, 0.5)`` is the multi-view term it can have."""

    train_length: int = 300
    #: whose texts are the knowledge; those of several stand one behind the other
    sources: tuple[str, ...] = ("pgim",)

    def __post_init__(self) -> None:
        ContextConfig.__post_init__(self)
        if not self.sources:
            raise ConfigError("sources must name at least one side source", mend="Such as pgim.")


class Pgim(ContextTagging):
    """Encoder over text and knowledge, linear layer, chain over the text."""

    name: ClassVar[str] = "pgim"
    Config: ClassVar[type[PgimConfig]] = PgimConfig
    config: PgimConfig

    def context_needs(self) -> tuple[Need, ...]:
        return (Texts(sources=self.config.sources),)
