"""Fine-tuning on tags and fine types, from gold labels, a teacher's beliefs, or both."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from magpie.nn.crf import Marginals
from magpie.training.embedded.batches import Item, Targets, batches, inputs_of, targets_of
from magpie.training.embedded.evaluate import Scores, score
from magpie.training.embedded.network import Tagger
from magpie.training.embedded.settings import HEADS, LABELS, Fit

__all__ = ["DevResult", "beliefs", "fit", "predict_tags"]

log = logging.getLogger(__name__)

_CLIP = 5.0


@dataclass(frozen=True, slots=True)
class DevResult:
    """Development scores of the weights kept."""

    mean_f1: float
    by_set: dict[str, Scores]


def fit(
    tagger: Tagger,
    sources: Mapping[str, Sequence[Item]],
    dev: Mapping[str, Sequence[Item]],
    settings: Fit,
    *,
    soft: Sequence[Item] = (),
) -> DevResult:
    """Trains in place and leaves the weights with the best mean F1 over the ``dev`` sets.

    Candidates are the averaged weights after each of the last two epochs and the plain weights at
    the end.

    Args:
        tagger: starts from whatever weights it holds.
        sources: items by head name.
        dev: items by set name; all are scored with the head that ships.
        settings: see there.
        soft: items with a teacher's beliefs; a window of them joins each epoch.
    """
    torch.manual_seed(settings.seed)
    rng = random.Random(settings.seed)
    plan = [_epoch(sources, soft, settings, epoch) for epoch in range(settings.epochs)]
    total = sum(-(-len(items) // settings.batch) for items in plan)
    scale = {
        "encoder": 1.0,
        "feature": settings.feature_rate,
        "head": settings.head_rate,
        "chain": settings.chain_rate,
    }
    optimiser = torch.optim.AdamW(
        [
            # The chain's scores are few and must not shrink towards "anything may follow".
            {"params": p, "scale": scale[name], "weight_decay": 0.0 if name == "chain" else 0.01}
            for name, p in tagger.groups().items()
        ],
        lr=settings.rate,
        fused=True,
    )
    average: dict[str, Tensor] | None = None
    best: tuple[DevResult, dict[str, Tensor]] | None = None
    step = 0
    for epoch, items in enumerate(plan):
        tagger.train()
        losses = []
        for batch in batches(items, settings.batch, rng):
            share = step / max(total, 1)
            factor = min(share / settings.warmup, (1 - share) / (1 - settings.warmup))
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * group["scale"] * max(factor, 0.002)
            loss = _loss(tagger, batch, settings)
            loss.backward()
            nn.utils.clip_grad_norm_(tagger.parameters(), _CLIP)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(loss.item())
            step += 1
            if step >= total * settings.average_from:
                average = _averaged(average, tagger, settings.average_decay)
        log.info("epoch %d, loss %.3f", epoch, sum(losses) / max(len(losses), 1))
        if epoch < settings.epochs - 2:
            continue
        for state in (average, _copy(tagger) if epoch == settings.epochs - 1 else None):
            if state is None:
                continue
            result = _dev_result(tagger, state, dev)
            log.info("epoch %d, dev mean F1 %.2f", epoch, result.mean_f1)
            if best is None or result.mean_f1 > best[0].mean_f1:
                best = result, copy.deepcopy(state)
    if best is None:
        raise ValueError("nothing was trained: settings.epochs is 0")
    tagger.load_state_dict(best[1])
    return best[0]


def _epoch(
    sources: Mapping[str, Sequence[Item]], soft: Sequence[Item], settings: Fit, epoch: int
) -> list[Item]:
    items: list[Item] = []
    for name, its in sources.items():
        if epoch < settings.epochs_of.get(name, settings.epochs):
            items += its
    if soft and settings.soft_per_epoch:
        count = min(settings.soft_per_epoch, len(soft))
        begin = epoch * count % len(soft)
        items += [*soft, *soft][begin : begin + count]
    return items


def _loss(tagger: Tagger, batch: Sequence[Item], settings: Fit) -> Tensor:
    inputs, mask = inputs_of(batch)
    targets = targets_of(batch, mask.shape[1], tagger.fine.out_features)
    with torch.autocast("cpu", torch.bfloat16):
        emissions, fine = tagger(inputs)
    rows = torch.arange(len(batch))
    own = emissions[rows, :, torch.tensor([item.head for item in batch])]
    names = {index: name for name, index in HEADS.items()}
    weight = torch.tensor([settings.weights.get(names[item.head], 1.0) for item in batch])
    loss = (tagger.chain.soft_loss(own, targets.tags, mask) * weight).sum() / len(batch)
    return loss + settings.fine_weight * _fine_loss(fine, targets) / len(batch)


def _fine_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Summed over words: gold fine types, and a teacher's where it believes in an entity."""
    loss = logits.sum() * 0.0
    known = targets.fine >= 0
    if bool(known.any()):
        loss = loss + F.cross_entropy(
            logits[known], targets.fine[known], label_smoothing=0.05, reduction="sum"
        )
    if targets.soft_fine is not None:
        entity = 1.0 - targets.tags.unary[:, :, :1]
        believed = targets.soft_fine.sum(2, keepdim=True)
        weighted = entity * believed * targets.soft_fine * F.log_softmax(logits, -1)
        loss = loss - weighted.sum()
    return loss


def _copy(tagger: Tagger) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tagger.state_dict().items()}


def _averaged(average: dict[str, Tensor] | None, tagger: Tagger, decay: float) -> dict[str, Tensor]:
    if average is None:
        return _copy(tagger)
    for name, value in tagger.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - decay)
    return average


def _dev_result(
    tagger: Tagger,
    state: Mapping[str, Tensor],
    dev: Mapping[str, Sequence[Item]],
) -> DevResult:
    before = _copy(tagger)
    tagger.load_state_dict(state)
    by_set = {}
    for name, items in dev.items():
        gold = [item.tags or [] for item in items]
        by_set[name] = score(gold, predict_tags(tagger, items))
    tagger.load_state_dict(before)
    return DevResult(sum(s.f1 for s in by_set.values()) / len(by_set), by_set)


@torch.no_grad()
def beliefs(
    tagger: Tagger, items: Sequence[Item], *, head: str = "twitter"
) -> list[tuple[Tensor, Marginals, Tensor]]:
    """Emissions [w, L], marginals and fine probabilities [w, F] of every item, in order."""
    tagger.eval()
    order = sorted(range(len(items)), key=lambda i: len(items[i].encoded.pieces))
    found: dict[int, tuple[Tensor, Marginals, Tensor]] = {}
    for begin in range(0, len(order), 64):
        rows = order[begin : begin + 64]
        inputs, mask = inputs_of([items[i] for i in rows])
        with torch.autocast("cpu", torch.bfloat16):
            emissions, fine = tagger(inputs)
        emissions = emissions[:, :, HEADS[head]]
        # A post of which nothing fitted has no chain; its rows are cut to nothing below.
        mask[:, 0] = True
        unary, pairwise = tagger.chain.marginals(emissions, mask)
        for row, index in enumerate(rows):
            w = items[index].width
            found[index] = (
                emissions[row, :w],
                Marginals(unary[row, :w], pairwise[row, : max(w - 1, 0)]),
                fine[row, :w].softmax(-1),
            )
    return [found[i] for i in range(len(items))]


def predict_tags(
    tagger: Tagger, items: Sequence[Item], *, head: str = "twitter"
) -> list[list[str]]:
    """Best tags of every item; words cut off at the piece limit are ``O``."""
    tags = []
    for item, (emissions, _, _) in zip(items, beliefs(tagger, items, head=head), strict=True):
        best = tagger.chain.decode(emissions[None])[0] if item.width else []
        tags.append([LABELS[i] for i in best] + ["O"] * (len(item.words) - item.width))
    return tags
