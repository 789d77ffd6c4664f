"""Five parts that a tagger can switch on, each exactly neutral when it is off.

A project design (think_ideas.md), no paper: a **dictionary** that speaks against misleading
pictures; a **text head** that takes over where there is no picture, exactly as BERT-CRF would; the
**kind of picture** lowering its weight; an **attention boost** for words that the picture is about;
and **compatibility**, emissions between the text head's and the multimodal ones. One weight a token
couples them::

    w = m k (1 - kappa c)                                                               (1)

m: there is a picture; k: weight of its kind; c: how sure the dictionary is of the word. It is
multiplied onto whatever a method takes from the picture right before that meets the text.

:class:`~magpie.methods.tagging.Tagging` uses the dictionary in every tagger by itself; methods with
pictures call :meth:`Ideas.image_weight`, :meth:`Ideas.combine` and :meth:`Ideas.boost`.

Shapes: B batch, T pieces, P patches, W chain positions, D width, V picture width, L tags.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Need, Pixels, Texts
from magpie.methods.components.dictionary import (
    KINDS,
    Dictionary,
    Match,
    confidence,
    distribution,
)
from magpie.methods.components.image_kind import KINDS as PICTURES
from magpie.methods.components.image_kind import kind_weight, statistics_bad
from magpie.nn.attention_boost import relevance, relevance_bias
from magpie.schema import Document
from magpie.vision import PixelSpec
from magpie.vision.pixels import HALF

__all__ = ["KIND_SOURCE", "Ideas", "IdeasConfig", "usable"]

#: source of ContextText notes that name the kind of a post's picture, for training
KIND_SOURCE = "picture-kind"

#: what statistics are taken from; its normalisation is undone without loss
_SMALL = Pixels(PixelSpec(side=64, fit="squash", normalisation=HALF))
_LABELS = Texts(sources=(KIND_SOURCE,))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeasConfig:
    """Switches and settings of the five parts; everything is off."""

    #: table or folder of names (Dictionary.read); empty: no dictionary
    dictionary: str = ""
    #: added to every count
    eps: float = 0.05
    #: (1): how far a sure word closes its eyes
    kappa: float = 1.0
    #: the dictionary lowers the picture's weight
    lower_image: bool = True
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

    #: what tells the kind of a picture
    image_kind: Literal["off", "stats", "linear"] = "off"
    #: k = max(k_min, 1 - kind_strength * p_bad)
    kind_strength: float = 0.8
    k_min: float = 0.0
    #: k is k_min where p_bad > 0.5, else 1
    kind_hard: bool = False
    #: the tagger's loss teaches the classifier, too
    kind_joint: bool = False
    #: weight of the classifier's loss on pictures whose kind is known
    kind_loss: float = 0.1

    #: where patches ask words: more attention for words that a patch resembles
    attn_boost: bool = False
    #: gamma of it
    gamma: float = 1.0

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
        for name in ("eps", "beta", "gamma", "aux_text_loss", "kind_loss", "compat_loss"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.drop_image < 1 or self.min_side < 0:
            raise ConfigError(
                f"need drop_image in [0, 1) and min_side >= 0, got {self.drop_image} and "
                f"{self.min_side}"
            )
        if self.learn_beta and not self.beta:
            raise ConfigError("a learned beta starts from a positive one, got 0")

    @property
    def about_pictures(self) -> tuple[str, ...]:
        """The parts that are on and that only a method with pictures has a place for."""
        return (
            *(n for n in ("missing_image", "attn_boost", "umt_compat") if getattr(self, n)),
            *(("image_kind",) if self.image_kind != "off" else ()),
        )

    @property
    def text_head(self) -> bool:
        """Whether a method with pictures needs a head that reads text alone."""
        return self.missing_image or self.umt_compat


def usable(document: Document, asset: Asset, min_side: int) -> bool:
    """m: the picture is there, not tiny, and not of one colour."""
    if not asset.present:
        return False
    for medium in document.media[:1]:
        if medium.width and medium.height and min(medium.width, medium.height) < min_side:
            return False
    pixels = asset.arrays.get("pixels")
    return pixels is None or bool((pixels.min((-2, -1)) < pixels.max((-2, -1))).any())


class Ideas(nn.Module):
    """The parts that are on, as one module of a tagger.

    Args:
        config: what is on.
        tags: names of the tags, in the order of the emissions.
        width: D of the text states.
    """

    def __init__(self, config: IdeasConfig, tags: Sequence[str], width: int) -> None:
        super().__init__()
        self.config = config
        self.begin: Tensor
        self.inside: Tensor
        self.register_buffer("begin", _spread(tags, "BS"), persistent=False)
        self.register_buffer("inside", _spread(tags, "IE"), persistent=False)
        if config.dictionary and config.learn_beta:
            # softplus(raw) = beta at the start.
            self.raw_beta = nn.Parameter(torch.tensor(math.log(math.expm1(config.beta))))
        if config.dictionary and config.dictionary_features:
            self.features = nn.Linear(1 + 2 * len(KINDS), width)
            nn.init.zeros_(self.features.weight)
            nn.init.zeros_(self.features.bias)
        self.kinds: nn.Linear | None = None
        self.reliability: nn.Linear | None = None

    def see(self, picture_width: int, evidence_width: int) -> None:
        """Called once by a method with pictures: makes the layers that read them.

        Args:
            picture_width: V, of the states that the kind of a picture is read from.
            evidence_width: of what the reliability reads.
        """
        if self.config.image_kind == "linear":
            self.kinds = nn.Linear(picture_width, len(PICTURES))
        if self.config.umt_compat and self.config.learn_reliability:
            self.reliability = nn.Linear(evidence_width, 1)
            nn.init.normal_(self.reliability.weight, std=0.02)
            nn.init.constant_(self.reliability.bias, self.config.reliability_bias)

    @cached_property
    def dictionary(self) -> Dictionary:
        """Read when it is first asked for."""
        return Dictionary.read(self.config.dictionary)

    def needs(self) -> frozenset[Need]:
        """What methods with pictures need beside their own."""
        return {
            "off": frozenset[Need](),
            "stats": frozenset[Need]({_SMALL}),
            "linear": frozenset[Need]({_LABELS}),
        }[self.config.image_kind]

    # Input

    def read_words(
        self,
        words: Sequence[str],
        first: Sequence[int],
        length: int,
        inputs: dict[str, Tensor],
        notes: dict[str, Any],
    ) -> None:
        """Adds what the dictionary says of each piece to a prepared example.

        ``kb_sure`` [T] is c on every piece of a matched word; ``kb_types`` [T, 4] is
        ln(p / 0.25) on the first piece of a match's first word, ``kb_inside`` on those of its
        following words; ``kb_features`` [T, 9]: no match, begins with a type, goes on with it.

        Args:
            words, first: of the text, and the position of each one's first piece or -1.
            length: pieces of the text with its special ones; others may stand behind it.
            inputs, notes: of the example.
        """
        if not self.config.dictionary:
            return
        count = len(inputs["input_ids"])
        starts = [place for place in first if place >= 0]
        following = dict(zip(starts, [*starts[1:], length - 1], strict=False))
        sure = torch.zeros(count)
        types, inside = torch.zeros(count, len(KINDS)), torch.zeros(count, len(KINDS))
        features = torch.zeros(count, 1 + 2 * len(KINDS))
        features[:, 0] = 1.0
        matches = self.dictionary.match(words)
        for match in matches:
            p = distribution(match.counts, self.config.eps)
            # With eps = 0 a type without an entry would move its emission to minus infinity.
            lift = torch.tensor([math.log(max(each, 1e-6) / 0.25) for each in p])
            some = torch.tensor([float(number > 0) for number in match.counts])
            for word in range(match.start, match.end):
                place = first[word]
                if place < 0:
                    continue
                pieces = slice(place, following[place])
                begins = word == match.start
                sure[pieces] = confidence(p)
                (types if begins else inside)[place] = lift
                features[pieces] = 0.0
                half = slice(1, 1 + len(KINDS)) if begins else slice(1 + len(KINDS), None)
                features[pieces, half] = some
        inputs.update(kb_sure=sure, kb_types=types, kb_inside=inside, kb_features=features)
        notes["kb"] = matches

    def read_picture(self, document: Document, assets: Assets, inputs: dict[str, Tensor]) -> None:
        """Adds ``p_bad`` or ``kind`` [] to a prepared example of a method with pictures."""
        if self.config.image_kind == "stats":
            small = assets[_SMALL]
            bad = 0.0
            if small.present:
                values = (small.arrays["pixels"].astype("float64") * 0.5 + 0.5) * 255
                bad = statistics_bad(values.round().clip(0, 255).astype("uint8").transpose(1, 2, 0))
            inputs["p_bad"] = torch.tensor(bad)
        if self.config.image_kind == "linear":
            name = assets[_LABELS].texts[0].strip() if assets[_LABELS].present else ""
            if name and name not in PICTURES:
                raise ConfigError(
                    f"the picture's kind must be one of {', '.join(PICTURES)}, got {name!r}",
                    where=document.id,
                )
            inputs["kind"] = torch.tensor(PICTURES.index(name) if name else -100)

    def there(self, has_image: Tensor, training: bool) -> Tensor:
        """m, [B]: in training some pictures are hidden where a text head can take over."""
        rate = self.config.drop_image
        if not training or not self.config.missing_image or not rate:
            return has_image
        return has_image & (torch.rand(has_image.shape, device=has_image.device) >= rate)

    # Scores

    def add_features(self, states: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """[B, T, D] with the dictionary's types added where that is on."""
        if not (self.config.dictionary and self.config.dictionary_features):
            return states
        mixed: Tensor = states + self.features(inputs["kb_features"])
        return mixed

    @property
    def strength(self) -> Tensor | float:
        """beta."""
        return functional.softplus(self.raw_beta) if self.config.learn_beta else self.config.beta

    @property
    def biases(self) -> bool:
        """Whether the dictionary moves emissions."""
        return bool(self.config.dictionary) and self.config.bias_emissions

    def bias(self, types: Tensor, inside: Tensor) -> Tensor:
        """beta ln(p / 0.25) on B-y, and I-y for following words: [B, W, 4] twice -> [B, W, L]."""
        return self.strength * (types @ self.begin + inside @ self.inside)

    def kind(self, pooled: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """k [B] and, with a linear classifier, its scores [B, kinds]; pooled: [B, V]."""
        c = self.config
        if c.image_kind == "off":
            return torch.ones_like(pooled[:, 0]), None
        scores = None
        if self.kinds is None:
            bad = inputs["p_bad"].to(pooled.dtype)
        else:
            scores = self.kinds(pooled)
            bad = 1 - scores.softmax(-1)[:, 0]
        bad = bad if c.kind_joint else bad.detach()
        return kind_weight(bad, c.kind_strength, c.k_min, hard=c.kind_hard), scores

    def image_weight(self, there: Tensor, k: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """w of (1): m [B], k [B] -> [B, T]."""
        sure = torch.zeros_like(inputs["input_ids"], dtype=k.dtype)
        if self.config.dictionary and self.config.lower_image:
            sure = inputs["kb_sure"].to(k.dtype)
        return (there.to(k.dtype) * k).unsqueeze(1) * (1 - self.config.kappa * sure)

    def boost(self, words: Tensor, patches: Tensor, mask: Tensor) -> Tensor | None:
        """ln(1 + gamma r) [B, T] for layers in which patches [B, P, D] ask words [B, T, D]."""
        if not self.config.attn_boost:
            return None
        return relevance_bias(relevance(words, patches, mask), self.config.gamma)

    def combine(
        self, text: Tensor, seen: Tensor, there: Tensor, w: Tensor, evidence: Tensor | None = None
    ) -> Tensor:
        """Emissions of the text head and of the multimodal one, [B, W, L] each -> [B, W, L].

        E = (1 - r) E_text + r E_seen with r = w rho where there is a picture, else E_text. This
        form is exact at r = 0 and at r = 1.

        Args:
            there: m, [B].
            w: of (1), at chain positions [B, W].
            evidence: [B, W, -], what the reliability rho reads.
        """
        if self.config.umt_compat:
            r = w
            if self.reliability is not None and evidence is not None:
                r = r * torch.sigmoid(self.reliability(evidence)).squeeze(2)
            r = r.unsqueeze(2)
            seen = (1 - r) * text + r * seen
        return torch.where(there[:, None, None], seen, text)

    def kind_term(self, scores: Tensor | None, kinds: Tensor) -> Tensor:
        """Weighted cross-entropy over the pictures whose kind is known; kinds [B], -100 unknown."""
        if scores is None or not bool((kinds >= 0).any()):
            return kinds.new_zeros((), dtype=torch.float32)
        return self.config.kind_loss * functional.cross_entropy(scores, kinds)


def _spread(tags: Sequence[str], places: str) -> Tensor:
    """[4, L]: 1 where a tag stands for the type at one of these places."""
    rows = []
    for kind in KINDS:
        names = {kind, "OTHER"} if kind == "MISC" else {kind}
        rows.append(
            [float(tag[1:2] == "-" and tag[0] in places and tag[2:] in names) for tag in tags]
        )
    return torch.tensor(rows)


def explain(matches: Sequence[Match], eps: float = 0.05) -> list[dict[str, Any]]:
    """Matched entries as JSON: surface, words, types and confidence."""
    return [
        {
            "surface": match.surface,
            "words": [match.start, match.end],
            "types": dict(zip(KINDS, distribution(match.counts, eps), strict=True)),
            "confidence": confidence(distribution(match.counts, eps)),
        }
        for match in matches
    ]
