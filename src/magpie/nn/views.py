"""Agreement of two views of one text: the view that knows more teaches the other one.

Wang et al., ACL 2021 and NAACL 2022 (ITA), and the retrieval experts built on them: every word has
one posterior a view, and the poorer view is drawn towards the richer one's.
"""

from __future__ import annotations

from torch import Tensor

from magpie.nn.crf import CRF

__all__ = ["chain_log_posteriors", "view_divergence"]

#: posteriors below it count as it, so that their logarithm stays finite
_SMALLEST = 1e-30


def chain_log_posteriors(crf: CRF, emissions: Tensor, mask: Tensor) -> Tensor:
    """log q_t(k) of every word by forward-backward, [B, T, L]; differentiable."""
    return crf.marginals(emissions, mask).unary.clamp_min(_SMALLEST).log()


def view_divergence(
    teacher: Tensor, student: Tensor, mask: Tensor, temperature: float = 1.0
) -> Tensor:
    """(1/B) sum over words of T^2 KL(softmax(teacher / T) || softmax(student / T)), a scalar.

    Args:
        teacher, student: [B, T, L] log posteriors, or any scores that differ from them by a
            constant a word (the softmax takes it out: log Z need not be subtracted).
        mask: [B, T], words that count.
        temperature: T.

    The caller detaches whatever of the teacher must not learn.
    """
    p = (teacher / temperature).log_softmax(-1)
    q = (student / temperature).log_softmax(-1)
    each = (p.exp() * (p - q)).sum(-1)  # B,T
    return temperature**2 * each.masked_fill(~mask.bool(), 0.0).sum() / mask.shape[0]
