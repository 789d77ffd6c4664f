"""Losses of methods that pick one of a picture's candidate regions.

Yu et al., Grounded Multimodal Named Entity Recognition on Social Media, ACL 2023: gold boxes are
spread over the detector's candidates by their overlap, and the scores of the candidates are drawn
towards that distribution. TIGER, the multi-level pre-training and SeqGMPER use the same targets.

Shapes: G gold boxes of one entity, R candidates, N entities with a covered gold box in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from magpie.errors import ConfigError

__all__ = ["box_ious", "mask_regions", "region_bce", "region_kl", "soft_target"]

#: what replaces the score of a candidate that is not there
_HIDDEN = -1e32


def box_ious(gold: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union of every gold box with every candidate, without "+1 pixel".

    Args:
        gold: [G, 4], corners (x1, y1, x2, y2).
        boxes: [R, 4], in the same pixels.

    Returns:
        [G, R] in [0, 1], double precision: whether an overlap is above one half should not
        depend on rounding. 0 with a box that has no area.
    """
    a, b = gold.double().unsqueeze(1), boxes.double().unsqueeze(0)  # G,1,4  1,R,4
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)  # G,R
    joint = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return torch.where(shared > 0, shared / joint.clamp(min=1e-30), 0.0)


def soft_target(
    ious: Tensor, threshold: float = 0.5, *, legacy_half: bool = False
) -> tuple[Tensor, bool]:
    """The distribution over candidates that an entity's gold boxes ask for.

    A candidate counts where its best overlap with any gold box is strictly above ``threshold``,
    and its weight is that overlap.

    Args:
        ious: [G, R].
        threshold: see above.
        legacy_half: as released, an entity whose best overlap is exactly the threshold is
            covered, and its target is 0/0, not a number.

    Returns:
        q [R], which sums to 1 or is zero throughout, and whether any candidate covers the entity.

    Raises:
        ConfigError: ``ious`` has another shape.
    """
    if ious.dim() != 2:
        raise ConfigError(f"overlaps must be [gold, candidates], got shape {tuple(ious.shape)}")
    if not ious.numel():
        return ious.new_zeros(ious.shape[1]), False
    best = ious.max(0).values  # R
    weights = torch.where(best > threshold, best, 0.0)
    covered = bool((best > threshold).any())
    if legacy_half and not covered and bool((best >= threshold).any()):
        return weights / weights.sum(), True
    return (weights / weights.sum() if covered else weights), covered


def mask_regions(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Scores [..., R] with those of candidates that are not there (``mask`` false) at -1e32."""
    return scores if mask is None else scores.masked_fill(~mask.bool(), _HIDDEN)


def region_kl(scores: Tensor, q: Tensor, mask: Tensor | None = None) -> Tensor:
    """KL(q || softmax(scores)), summed over candidates, averaged over entities.

    Args:
        scores: [N, R]; N may be 0, and the loss then is 0.
        q: [N, R], see :func:`soft_target`.
        mask: [N, R], true where a candidate is there; None means everywhere.

    Returns:
        a scalar.
    """
    if not len(scores):
        return scores.sum()
    log_p = mask_regions(scores, mask).log_softmax(-1)  # N,R
    return functional.kl_div(log_p, q.to(log_p.dtype), reduction="batchmean")


def region_bce(
    scores: Tensor, q: Tensor, mask: Tensor | None = None, *, positive_weight: float = 1.0
) -> Tensor:
    """Binary cross-entropy of every candidate's score against 1[q > 0], averaged over them all.

    Args:
        scores: [N, R]; N may be 0, and the loss then is 0.
        q: [N, R], see :func:`soft_target`.
        mask: [N, R], true where a candidate is there: the others do not enter the average.
        positive_weight: of the terms of candidates with q > 0.

    Returns:
        a scalar.
    """
    wanted = (q > 0).to(scores.dtype)
    each = functional.binary_cross_entropy_with_logits(
        scores, wanted, reduction="none", pos_weight=scores.new_tensor(positive_weight)
    )  # N,R
    counted = torch.ones_like(each) if mask is None else mask.to(each.dtype)
    return (each * counted).sum() / counted.sum().clamp(min=1)
