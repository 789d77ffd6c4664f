"""What taggers with pictures share: how much the picture may say, and who speaks without one.

The places that :mod:`magpie.methods.components.ideas` needs in a method: a head that reads the
text alone, on the same chain; the weight of each piece's picture; and what both heads come to. A
method calls :meth:`Seeing.add_text_head` in its constructor, :meth:`Seeing.judge` when it has read
the picture, and :meth:`Seeing.join` at its end.

Shapes: B batch, T pieces, W chain positions, D text width, V picture width, L tags.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from magpie.features import Asset, Assets
from magpie.methods.base import Batch, Example, Method
from magpie.methods.tagging import Tagging

__all__ = ["Seeing", "text_parts"]


class Seeing(Tagging):
    """A tagger whose emissions come from text and picture."""

    places: ClassVar[frozenset[str]] = frozenset(
        {"dictionary_features", "lower_image", "missing_image", "image_kind", "umt_compat"}
    )

    def add_text_head(self, picture_width: int, evidence_width: int, dropout: float) -> None:
        """Makes the layers that the parts need; none where they are off.

        Args:
            picture_width: V, of the states that the kind of a picture is read from.
            evidence_width: of what the reliability reads.
            dropout: in front of the text head.
        """
        if self.config.ideas.text_head:
            self.text_dropout = nn.Dropout(dropout)
            self.text_head = nn.Linear(self.text.width, len(self.tag_names))
        self.ideas.see(picture_width, evidence_width)

    def matching(self, other: Method) -> dict[str, str]:
        """BERT-CRF's for the text head."""
        return text_parts(other, "text_head") if self.config.ideas.text_head else {}

    @property
    def judges(self) -> bool:
        """Whether a part is on that asks how much a picture may say."""
        return self.config.ideas.text_head or self.ideas.weighs

    def read_picture(self, example: Example, assets: Assets, asset: Asset) -> None:
        """Adds ``has_image`` [], and what tells the kind of the picture, where a part asks."""
        if self.judges:
            document = example.document
            example.inputs["has_image"] = torch.tensor(self.ideas.usable(document, asset))
            self.ideas.read_picture(document, assets, example.inputs)

    def seen(self, batch: Batch) -> Tensor:
        """m, [B]: which pictures speak; some are hidden in training."""
        return self.ideas.there(batch.inputs["has_image"], self.training)

    def judge(self, batch: Batch, there: Tensor, pooled: Tensor) -> dict[str, Tensor]:
        """m [B] and pooled picture states [B, V] -> ``there``, ``kind_weight`` [B],
        ``image_weight`` [B, T], and ``kind`` scores where a classifier is learned."""
        k, kinds = self.ideas.kind(pooled, batch.inputs)  # B
        w = self.ideas.image_weight(there, k, batch.inputs)  # B,T
        found = {"there": there, "kind_weight": k, "image_weight": w}
        return found if kinds is None else {**found, "kind": kinds}

    def join(
        self,
        found: dict[str, Tensor],
        emissions: Tensor,
        alone: Tensor,
        evidence: Tensor,
        batch: Batch,
    ) -> dict[str, Tensor]:
        """Emissions of both heads -> the scores of the method.

        Args:
            found: by :meth:`judge`.
            emissions: with the picture, [B, W, L].
            alone: states of the text that know nothing of the picture, [B, T, D].
            evidence: what the reliability reads, [B, W, -].
            batch: of these.
        """
        if self.config.ideas.text_head:
            found["seen"] = emissions
            states = self.chain_states(self.text_dropout(alone), batch)
            found["text"] = self.text_head(states)  # B,W,L
            at = self.chain_states(found["image_weight"].unsqueeze(2), batch).squeeze(2)  # B,W
            emissions = self.ideas.combine(found, found["there"], at, evidence)
        return {"emissions": emissions, **found}

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        mask, tags = self.chain_mask(batch), batch.targets["tags"]
        reduction = self.config.reduction
        terms = self.ideas.losses(self.crf, scores, tags, mask, batch.inputs, reduction)
        return {**terms, **self.ideas.disturbance(self, batch)}

    def new_parameters(self) -> tuple[nn.Parameter, ...]:
        """Of the parts that are on: they move at the rate of the method's head."""
        heads = self.text_head.parameters() if self.config.ideas.text_head else ()
        return (*heads, *self.ideas.parameters())


def text_parts(other: Method, head: str) -> dict[str, str]:
    """What a trained BERT-CRF brings a tagger that contains one (:meth:`Method.matching`).

    Args:
        other: the trained method; of any but BERT-CRF nothing matches.
        head: name of the part that reads the text alone.
    """
    if other.name != "bert-crf":
        return {}
    return {head: "classifier", **{part: part for part in ("crf", "casing", "ideas")}}
