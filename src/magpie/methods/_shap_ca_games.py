"""The two games of Shap-CA: what descriptions are worth to posts and to pictures, and back.

Luo et al., ACM MM 2024 (shap_ca.md, "Losses"): for a batch the similarity of every description to
every post is a game with one target a column, whose Shapley values (:mod:`magpie.nn.shapley`) are
contrasted: a description's worth to its own post is raised against that of the others, and the
other way round; the same with pictures in place of posts. The description plays in both games and
so bridges two gaps, that of meaning to the post and that of form to the picture.

Shapes: N posts or pairs, K width in which things are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from magpie.errors import ConfigError
from magpie.nn.contrast import pair_scores
from magpie.nn.shapley import Form, Game, Sides, alignment_loss

__all__ = ["AlignmentSettings", "align"]

#: whose players, as :func:`alignment_loss` calls them: descriptions are rows
_SIDES: dict[str, Sides] = {"both": "both", "context": "rows", "other": "columns"}


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings:
    """Settings of both games; all of it is reconstructed."""

    #: compare directions only
    normalise: bool = True
    #: tau_u: of the shares in what a set of players is worth
    utility_temperature: float = 1.0
    #: orders of the players that an estimate draws (M)
    samples: int = 8
    #: draw each order together with its reverse
    antithetic: bool = True
    #: players up to which all sets are enumerated instead
    exact_up_to: int = 6
    #: gradients do not pass through the shares
    detach_weights: bool = False
    #: of the orders: the same ones in every step; None draws on torch's own
    order_seed: int | None = None
    #: most players of a game; a larger batch plays several. None: all of the batch
    players: int | None = None
    #: whose players: descriptions, the other side, or the mean of both
    sides: Literal["both", "context", "other"] = "both"
    #: InfoNCE over values, or own value less the mean of the others
    contrast: Form = "info_nce"
    #: tau of InfoNCE
    contrast_temperature: float = 0.1
    #: lambda_s: of descriptions and posts; 0 leaves it out
    semantic_weight: float = 0.1
    #: lambda_m: of descriptions and pictures
    modality_weight: float = 0.1
    #: posts of the same picture are neither players nor rivals of each other
    mask_duplicates: bool = True

    def check_alignment(self) -> None:
        """Raises ConfigError for an impossible value."""
        if self.players is not None and self.players < 2:
            raise ConfigError(f"players must be at least 2, got {self.players}")
        if self.contrast_temperature <= 0:
            raise ConfigError(
                f"contrast_temperature must be above 0, got {self.contrast_temperature}"
            )
        if min(self.semantic_weight, self.modality_weight) < 0:
            raise ConfigError(
                f"weights must be from 0 on, got {self.semantic_weight} and {self.modality_weight}"
            )
        self.game()

    def game(self) -> Game:
        """How values are found."""
        return Game(
            temperature=self.utility_temperature,
            samples=self.samples,
            antithetic=self.antithetic,
            exact_up_to=self.exact_up_to,
            detach_weights=self.detach_weights,
        )


def align(
    c: AlignmentSettings, vectors: Mapping[str, Tensor], picture: Tensor
) -> dict[str, Tensor]:
    """``semantic`` and ``modality``, weighted; a game of fewer than two is left out.

    Args:
        c: settings.
        vectors: ``text_vector``, ``context_vector`` and ``picture_vector`` [N, K]; ``told`` and
            ``seen`` bool [N], whether there is a description, and a picture. Without them a row
            takes no part.
        picture: equal where pictures are, [N].
    """
    games = (
        ("semantic", c.semantic_weight, "text_vector", vectors["told"]),
        ("modality", c.modality_weight, "picture_vector", vectors["told"] & vectors["seen"]),
    )
    losses = {}
    for name, weight, other, plays in games:
        if not weight or int(plays.sum()) < 2:
            continue
        present = None
        if c.mask_duplicates:
            present = picture[plays].unsqueeze(0) != picture[plays].unsqueeze(1)
        # Differences of products decide: half precision would lose them.
        with torch.autocast(plays.device.type, enabled=False):
            similar = pair_scores(
                vectors["context_vector"][plays].float(),
                vectors[other][plays].float(),
                normalise=c.normalise,
            )
            losses[name] = weight * alignment_loss(
                similar,
                c.game(),
                form=c.contrast,
                temperature=c.contrast_temperature,
                sides=_SIDES[c.sides],
                players=c.players,
                present=present,
                seed=c.order_seed,
            )
    return losses
