"""Continued masked-word training of the encoder on posts, with the casing inputs in place.

Whole words are hidden, capitalised ones twice as often as others: those are the words a name
tagger must understand from their surroundings. The casing inputs stay visible, so the model
learns what kind of word a hidden ``Title`` or ``UPPER`` word tends to be.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from magpie.engine.embedded.features import CASE_IDS, MASK, URL_PIECE, Encoded, pad
from magpie.training.embedded.network import Encoder, Inputs, MaskedWords

__all__ = ["hide_words", "pretrain"]

log = logging.getLogger(__name__)

_HIDE_NAME_LIKE, _HIDE_OTHER = 0.27, 0.13
_POOL = 6000
_NAME_LIKE = np.zeros(CASE_IDS, bool)
for _kind in (2, 3, 5, 8):  # Title, UPPER, MiXed, UPPER with digits
    _NAME_LIKE[1 + (_kind - 1) * 6 : 1 + _kind * 6] = True


def hide_words(
    texts: Sequence[Encoded], rng: np.random.Generator, vocabulary: int
) -> tuple[Inputs, Tensor]:
    """Hides words of a batch.

    Returns:
        The inputs, and targets [B, T]: the original id where hidden, -1 elsewhere.
    """
    arrays, _ = pad(texts)
    ids = arrays["input_ids"]
    targets = np.full(ids.shape, -1)
    for row, text in enumerate(texts):
        ends = [*text.first[1:], len(text.pieces) - 1]
        for begin, end in zip(text.first, ends, strict=True):
            rate = _HIDE_NAME_LIKE if _NAME_LIKE[text.case[begin]] else _HIDE_OTHER
            if text.pieces[begin] == URL_PIECE or rng.random() >= rate:
                continue
            targets[row, begin:end] = ids[row, begin:end]
            choice = rng.random()
            if choice < 0.8:
                ids[row, begin:end] = MASK
            elif choice < 0.9:
                low = min(1000, vocabulary - 1)
                ids[row, begin:end] = rng.integers(low, vocabulary, end - begin)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, torch.from_numpy(
        targets
    )


def token_batches(
    texts: Sequence[Encoded], tokens: int, rng: random.Random
) -> Iterator[list[Encoded]]:
    """One shuffled pass in batches of about ``tokens`` pieces of similar length."""
    order = list(texts)
    rng.shuffle(order)
    for begin in range(0, len(order), _POOL):
        pool = sorted(order[begin : begin + _POOL], key=lambda text: len(text.pieces))
        found: list[list[Encoded]] = [[]]
        for text in pool:
            if found[-1] and (len(found[-1]) + 1) * len(text.pieces) > tokens:
                found.append([])
            found[-1].append(text)
        rng.shuffle(found)
        yield from found


def pretrain(
    encoder: Encoder,
    texts: Sequence[Encoded],
    *,
    seconds: float,
    rate: float,
    tokens: int,
    seed: int,
    checkpoint: Path | None = None,
) -> dict[str, float]:
    """Trains in place until the time is up; the learning rate follows the clock.

    Returns:
        Steps, pieces seen and the loss over the last fifty steps.
    """
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    head = MaskedWords(encoder)
    new = [encoder.case.weight, encoder.shape.weight, *head.dense.parameters(), head.bias]
    fresh = {id(parameter) for parameter in new}
    everything = [*encoder.parameters(), *head.parameters()]
    old = [parameter for parameter in everything if id(parameter) not in fresh]
    optimiser = torch.optim.AdamW(
        [{"params": old, "scale": 1.0}, {"params": new, "scale": 2.0}],
        lr=rate,
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    encoder.train()
    begun = saved = time.monotonic()
    steps = pieces = 0
    losses: list[float] = []
    done = False
    while not done:
        for batch in token_batches(texts, tokens, rng):
            share = (time.monotonic() - begun) / seconds
            if share >= 1:
                done = True
                break
            factor = min(share / 0.05, 1 - (share - 0.05) / 0.95 * 0.98)
            for group in optimiser.param_groups:
                group["lr"] = rate * group["scale"] * factor
            inputs, targets = hide_words(batch, noise, encoder.size.vocabulary)
            hidden = targets >= 0
            if not bool(hidden.any()):
                continue
            with torch.autocast("cpu", torch.bfloat16):
                guesses = head(encoder(inputs)[hidden], encoder.word.weight)
            loss = F.cross_entropy(guesses.float(), targets[hidden])
            loss.backward()
            nn.utils.clip_grad_norm_(everything, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            steps += 1
            pieces += int(inputs["attention_mask"].sum())
            losses = [*losses[-49:], loss.item()]
            if steps % 50 == 0:
                log.info("step %d, %d pieces, loss %.3f", steps, pieces, np.mean(losses))
            if checkpoint is not None and time.monotonic() - saved > 600:
                torch.save(encoder.state_dict(), checkpoint)
                saved = time.monotonic()
    if checkpoint is not None:
        torch.save(encoder.state_dict(), checkpoint)
    return {"steps": steps, "pieces": pieces, "loss": float(np.mean(losses)) if losses else 0.0}
