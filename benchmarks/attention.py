"""Fused against plain attention in a bf16 training step on a CPU, by length; one JSON object.

    python -m benchmarks.attention [--tokens 640] [--rounds 7]

A random encoder of MiniLM's size runs forward and backward over batches of as many tokens, in few
long texts or many short ones. Both kernels must agree on the states first. Rounds alternate, so
that a busy machine slows both; a ratio above 1 says that plain products are faster. The trainer
takes them below ``short_below`` pieces.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import BertConfig, BertModel

from magpie.training.loop import SHORT_BELOW

_LENGTHS = (24, 48, 96, 192, 320)
#: bf16 keeps eight bits; twelve layer norms behind them
_TOLERANCE = 0.1


def encoder() -> BertModel:
    """MiniLM-L6's sizes, random weights, no dropout."""
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="sdpa",
    )
    return BertModel(config, add_pooling_layer=False).train()


def step(model: BertModel, ids: torch.Tensor, mask: torch.Tensor, backend: SDPBackend) -> Any:
    """States of a forward pass, after its backward pass."""
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(backend):
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        states.float().square().mean().backward()
    model.zero_grad()
    return states.detach().float()


def measure(tokens: int, rounds: int) -> dict[str, Any]:
    """Agreement, then the ratio of processor seconds at every length."""
    model = encoder()
    kinds = (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH)
    ratios = {}
    for length in _LENGTHS:
        ids = torch.randint(1000, 20000, (max(1, tokens // length), length))
        mask = torch.ones_like(ids)
        mask[0, length * 3 // 4 :] = 0
        fused, plain = (step(model, ids, mask, kind) for kind in kinds)
        there = mask.bool()
        apart = float((fused[there] - plain[there]).norm() / plain[there].norm())
        assert apart < _TOLERANCE, f"the kernels differ by {apart} at {length} pieces"
        seconds: dict[SDPBackend, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind in kinds:
                begun = time.process_time()
                step(model, ids, mask, kind)
                seconds[kind].append(time.process_time() - begun)
        one, other = (statistics.median(seconds[kind]) for kind in kinds)
        ratios[length] = round(one / other, 2)
    return {"short_below": SHORT_BELOW, "fused_over_plain": ratios}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tokens", 640), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
