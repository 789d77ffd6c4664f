"""The switches and settings of the parts that any tagger can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from magpie.errors import ConfigError

__all__ = ["IdeasConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeasConfig:
    """Switches and settings of the five parts; everything is off."""

    #: table or folder of names (Dictionary.read); empty: no dictionary
    dictionary: str = ""
    #: added to every count
    eps: float = 0.05
    #: (1): how far a sure word closes its eyes
    kappa: float = 1.0
    #: the dictionary lowers the picture's weight; None does so where the method weighs pictures
    lower_image: bool | None = None
    #: the dictionary moves the emissions
    bias_emissions: bool = True
    #: how far
    beta: float = 0.5
    #: beta is learned, kept positive
    learn_beta: bool = False
    #: the dictionary's types are added to the text states, from zero on
    dictionary_features: bool = False

    #: a text head of its own where there is no picture
    missing_image: bool = False
    #: share of training posts whose picture is hidden, so that the text head learns
    drop_image: float = 0.1
    #: weight of the text head's own loss
    aux_text_loss: float = 0.5
    #: pictures with a shorter side in pixels, or of one colour, count as absent
    min_side: int = 32

    #: what tells the kind of a picture: its colours; a layer that learns from named kinds; or
    #: prompts that CLIP compares it with
    image_kind: Literal["off", "stats", "linear", "clip_zero_shot"] = "off"
    #: clip_zero_shot: CLIP or its like, by name or folder
    kind_model: str = "clip-vit-base-patch32"
    #: k = max(k_min, 1 - kind_strength * p_bad)
    kind_strength: float = 0.8
    k_min: float = 0.0
    #: k is k_min where p_bad > 0.5, else 1
    kind_hard: bool = False
    #: the tagger's loss teaches the classifier, too
    kind_joint: bool = False
    #: weight of the classifier's loss on pictures whose kind is known
    kind_loss: float = 0.1

    #: relevance: where patches ask words, more attention for words that a patch resembles;
    #: calibrated: in all attention between words and picture, more for what must not be disturbed
    attn_boost: Literal["off", "relevance", "calibrated"] = "off"
    #: gamma of relevance
    gamma: float = 1.0
    #: how calibrated attention meets the original: by boost_share, a gate, or over boost_steps
    boost_merge: Literal["fixed", "gate", "anneal"] = "fixed"
    boost_share: float = 0.5
    boost_steps: int = 10_000
    #: rho, that keeps the disturbance small
    boost_penalty: float = 1.0

    #: emissions between the text head's (r = 0) and the multimodal ones (r = 1)
    umt_compat: bool = False
    #: r = w times a learned reliability; else r = w
    learn_reliability: bool = True
    #: bias of the reliability at the start; -4 starts near BERT-CRF
    reliability_bias: float = 2.0
    #: weight of the divergence on tokens where the text is sure
    compat_loss: float = 0.0
    #: sure: the largest posterior is at least this
    compat_sure: float = 0.9

    def __post_init__(self) -> None:
        shares = ("kappa", "k_min", "kind_strength", "compat_sure")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in (
            "eps",
            "beta",
            "gamma",
            "aux_text_loss",
            "kind_loss",
            "compat_loss",
            "boost_penalty",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.drop_image < 1 or self.min_side < 0:
            raise ConfigError(
                f"need drop_image in [0, 1) and min_side >= 0, got {self.drop_image} and "
                f"{self.min_side}"
            )
        if self.image_kind == "clip_zero_shot" and not self.kind_model:
            raise ConfigError(
                "image_kind clip_zero_shot needs a kind_model",
                mend="For example clip-vit-base-patch32, or a folder that holds it.",
            )
        if self.learn_beta and not self.beta:
            raise ConfigError("a learned beta starts from a positive one, got 0")

    @property
    def placed(self) -> tuple[str, ...]:
        """The parts that are on and that a method must have a place for."""
        plain = ("missing_image", "umt_compat", "dictionary_features")
        return (
            *(name for name in plain if getattr(self, name)),
            *(("lower_image",) if self.dictionary and self.lower_image else ()),
            *((f"attn_boost={self.attn_boost}",) if self.attn_boost != "off" else ()),
            *(("image_kind",) if self.image_kind != "off" else ()),
        )

    @property
    def text_head(self) -> bool:
        """Whether a method with pictures needs a head that reads text alone."""
        return self.missing_image or self.umt_compat
