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
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.features import Asset, Assets, Need
from magpie.methods.base import ParameterGroup
from magpie.methods.components.dictionary import (
    KINDS,
    Dictionary,
    confidence,
    distribution,
)
from magpie.methods.components.image_kind import kind_weight
from magpie.methods.components.reading import (
    kind_inputs,
    kind_needs,
    name_inputs,
    usable,
)
from magpie.methods.components.switches import IdeasConfig
from magpie.nn.attention_boost import CalibratedAttention, relevance, relevance_bias
from magpie.nn.crf import CRF
from magpie.nn.views import chain_log_posteriors, view_divergence
from magpie.schema import Document
from magpie.vision.kinds import KINDS as PICTURES

__all__ = ["Ideas", "IdeasConfig"]


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
        return kind_needs(self.config)

    # Input

    def read_words(
        self,
        words: Sequence[str],
        first: Sequence[int],
        length: int,
        inputs: dict[str, Tensor],
        notes: dict[str, Any],
    ) -> None:
        """Adds what the dictionary says of each piece to a prepared example (see
        :func:`~magpie.methods.components.reading.name_inputs`), and its matches to the notes.

        Args:
            words, first: of the text, and the position of each one's first piece or -1.
            length: pieces of the text with its special ones; others may stand behind it.
            inputs, notes: of the example.
        """
        if not self.config.dictionary:
            return
        notes["kb"] = self.dictionary.match(words)
        count = len(inputs["input_ids"])
        inputs.update(name_inputs(notes["kb"], first, length, count, self.config.eps))

    def usable(self, document: Document, asset: Asset) -> bool:
        """m: the picture is there; with ``missing_image`` also neither tiny nor of one colour."""
        if not self.config.missing_image:
            return asset.present
        return usable(document, asset, self.config.min_side)

    def read_picture(self, document: Document, assets: Assets, inputs: dict[str, Tensor]) -> None:
        """Adds ``p_bad`` or ``kind`` [] to a prepared example of a method with pictures."""
        inputs.update(kind_inputs(self.config, document, assets))

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
        if self._lowers:
            sure = inputs["kb_sure"].to(k.dtype)
        return (there.to(k.dtype) * k).unsqueeze(1) * (1 - self.config.kappa * sure)

    def calibration(self, width: int) -> CalibratedAttention | None:
        """What corrects one attention between words and picture; None where that is off.

        Args:
            width: of a head.
        """
        return self.calibrated(width) if self.config.attn_boost == "calibrated" else None

    def calibrated(self, width: int) -> CalibratedAttention:
        """As :meth:`calibration`, asked only where it is on."""
        c = self.config
        return CalibratedAttention(width, c.boost_merge, share=c.boost_share, steps=c.boost_steps)

    def calibration_groups(
        self, method: nn.Module, rate: float | None = None
    ) -> list[ParameterGroup]:
        """The parameters of all calibrations of a method as one group; none where that is off."""
        parts = [m for m in method.modules() if isinstance(m, CalibratedAttention)]
        found = tuple(p for part in parts for p in part.parameters())
        return [ParameterGroup(name="calibration", parameters=found, rate=rate)] if found else []

    def disturbance(self, method: nn.Module, batch: Any) -> dict[str, Tensor]:
        """L_p = -L(disturbed) + rho mean((1 - m)^2), whose gradient reaches the masks alone.

        Args:
            method: has calibrations, and calls this from its further losses.
            batch: with targets.
        """
        parts = [m for m in method.modules() if isinstance(m, CalibratedAttention)]
        if not parts or parts[0].disturbing or not torch.is_grad_enabled():
            return {}
        masks = {id(p) for part in parts for p in part.masks()}
        rest = {n: p.detach() for n, p in method.named_parameters() if id(p) not in masks}
        for part in parts:
            part.disturbing, part.last = True, None
        try:
            harm = torch.func.functional_call(method, rest, (batch,)).losses["main"]
        finally:
            for part in parts:
                part.disturbing = False
        small = [
            part.penalty(part.last, self.config.boost_penalty)
            for part in parts
            if part.last is not None
        ]
        # Where no picture of the batch is there, nothing was asked of any.
        return {"disturbance": torch.stack(small).mean() - harm} if small else {}

    def boost(self, words: Tensor, patches: Tensor, mask: Tensor) -> Tensor | None:
        """ln(1 + gamma r) [B, T] for layers in which patches [B, P, D] ask words [B, T, D]."""
        if self.config.attn_boost != "relevance" or not self.config.gamma:
            return None
        return relevance_bias(relevance(words, patches, mask), self.config.gamma)

    @property
    def weighs(self) -> bool:
        """Whether w can differ from m."""
        return self._lowers or self.config.image_kind != "off"

    @property
    def _lowers(self) -> bool:
        """Whether the dictionary lowers w; asked by methods that have one."""
        return bool(self.config.dictionary) and self.config.lower_image is not False

    def combine(
        self,
        found: dict[str, Tensor],
        there: Tensor,
        w: Tensor,
        evidence: Tensor | None = None,
    ) -> Tensor:
        """Emissions of the text head and of the multimodal one -> [B, W, L].

        E = (1 - r) E_text + r E_seen with r = w rho where there is a picture, else E_text. This
        form is exact at r = 0 and at r = 1.

        Args:
            found: ``text`` and ``seen``, emissions [B, W, L]; r joins it as ``share`` [B, W].
            there: m, [B].
            w: of (1), at chain positions [B, W].
            evidence: [B, W, -], what the reliability rho reads.
        """
        text, seen = found["text"], found["seen"]
        if self.config.umt_compat:
            r = w
            if self.reliability is not None and evidence is not None:
                r = r * torch.sigmoid(self.reliability(evidence)).squeeze(2)
            found["share"] = r
            seen = (1 - r.unsqueeze(2)) * text + r.unsqueeze(2) * seen
        return torch.where(there[:, None, None], seen, text)

    def losses(
        self,
        crf: CRF,
        found: Mapping[str, Tensor],
        tags: Tensor,
        mask: Tensor,
        inputs: Mapping[str, Tensor],
        reduction: Literal["mean", "sum"],
    ) -> dict[str, Tensor]:
        """The terms of the parts about pictures, already weighted.

        Args:
            crf: the one chain of both heads.
            found: named scores of the method: ``text`` and ``seen`` emissions, ``kind`` scores.
            tags, mask: [B, W].
            inputs: of the batch.
            reduction: over the sentences, for the text head's loss.
        """
        c = self.config
        terms: dict[str, Tensor] = {}
        if c.missing_image and c.aux_text_loss:
            loss = crf(found["text"], tags, mask, reduction=reduction)
            terms["text"] = c.aux_text_loss * loss
        if c.umt_compat and c.compat_loss:
            text = chain_log_posteriors(crf, found["text"], mask).detach()
            seen = chain_log_posteriors(crf, found["seen"], mask)
            sure = text.amax(2).exp() >= c.compat_sure
            terms["compat"] = c.compat_loss * view_divergence(text, seen, mask & sure)
        if "kind" in found and bool((inputs["kind"] >= 0).any()):
            terms["kind"] = c.kind_loss * functional.cross_entropy(found["kind"], inputs["kind"])
        return terms

    def explain(
        self, found: Mapping[str, Tensor], inputs: Mapping[str, Tensor], row: int, notes: Any
    ) -> dict[str, Any]:
        """What the parts made of one document of a batch, as JSON.

        ``matches``: what the dictionary knew; and as far as the method has them ``m``, ``k``, and a
        list a piece ``c`` and ``w``, a list a chain position ``r``.
        """
        length = int(inputs["attention_mask"][row].sum())
        told: dict[str, Any] = {
            "matches": [
                {
                    "surface": match.surface,
                    "words": [match.start, match.end],
                    "types": dict(
                        zip(KINDS, distribution(match.counts, self.config.eps), strict=True)
                    ),
                    "confidence": confidence(distribution(match.counts, self.config.eps)),
                }
                for match in notes.get("kb", ())
            ]
        }
        if "kb_sure" in inputs:
            told["c"] = inputs["kb_sure"][row, :length].tolist()
        for letter, name in (("m", "there"), ("k", "kind_weight"), ("w", "image_weight")):
            if name in found:
                value = found[name][row]
                told[letter] = value[:length].tolist() if value.dim() else value.item()
        if "share" in found:
            told["r"] = found["share"][row].tolist()
        return told


def _spread(tags: Sequence[str], places: str) -> Tensor:
    """[4, L]: 1 where a tag stands for the type at one of these places."""
    rows = []
    for kind in KINDS:
        names = {kind, "OTHER"} if kind == "MISC" else {kind}
        rows.append(
            [float(tag[1:2] == "-" and tag[0] in places and tag[2:] in names) for tag in tags]
        )
    return torch.tensor(rows)
