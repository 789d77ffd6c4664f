"""H-Index's batched decoding against a loop of one text at a time; prints one JSON object.

    python -m benchmarks.generation [--width 768] [--layers 6] [--tweets 32] [--length 12] ...

Both write the index sequences of the same texts with the same random weights, by default those of a
BART-base in all but the vocabulary. The other side is written as the published greedy loop is: a
batch of one, the whole prefix through the decoder at every step, nothing kept. The sequences and
the regions must be equal before anything is timed. Random weights hardly ever write the end, so
every output is as long as ``--length`` allows (the start included): 12 is what a tweet of two
entities takes. Rounds alternate, so that a busy machine slows both; medians are compared, with the
encoder's share and without it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BartConfig, BartForConditionalGeneration

from magpie.backbones import Seq2Seq
from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer
from magpie.features import Asset
from magpie.methods._h_index import HIndexConfig, add_markers, marker_pieces
from magpie.methods.base import Batch, Example
from magpie.methods.grounded.h_index import HIndex
from magpie.methods.labels import LabelSpace
from magpie.schema import Block, Document, Media

LABELS = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
WORDS = ("the", "man", "and", "woman", "of", "city", "look", "today", "we", "met")
REGIONS = 18


def model(width: int, layers: int, length: int) -> HIndex:
    """An H-Index of this size with random weights, in evaluation mode."""
    torch.manual_seed(0)
    tokenizer = tiny_byte_tokenizer("bart")
    sizes = BartConfig(
        vocab_size=len(tokenizer),
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=max(1, width // 64),
        decoder_attention_heads=max(1, width // 64),
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        init_std=width**-0.5,
    )
    backbone = Seq2Seq(BartForConditionalGeneration(sizes), tokenizer, "random")
    add_markers(backbone, marker_pieces(LABELS))
    config = HIndexConfig(output_length=length, output_share=0.0, region_count=REGIONS)
    return HIndex(config, LABELS, backbone).eval()


def examples(method: HIndex, tweets: int, words: int) -> list[Example]:
    """Texts of half to all of ``words`` words, each with 6 to 18 regions."""
    random = np.random.default_rng(0)
    found = []
    for number in range(tweets):
        count = int(random.integers(words // 2, words + 1))
        regions = int(random.integers(6, REGIONS + 1))
        corners = random.random((regions, 2)) * 100
        arrays = {
            "features": random.random((regions, 2048), np.float32),
            "boxes": np.concatenate([corners, corners + 50], 1).astype(np.float32),
        }
        document = Document(
            id=str(number),
            blocks=(Block.from_words(list(random.choice(WORDS, count))),),
            media=(Media(uri="x.jpg"),),
        )
        found.append(method.prepare(document, {method.need: Asset(arrays)}))
    return found


Written = list[tuple[list[int], list[int]]]


def batched(method: HIndex, batches: list[Batch]) -> tuple[Written, float]:
    """Indices with the best region of every step, and seconds without the encoder."""
    found: Written = []
    seconds = 0.0
    for batch in batches:
        read = method(batch).scores
        begun = time.perf_counter()
        indices, states = method.generate(read, batch)
        regions = method.score_states(states, read, batch)["region_scores"].argmax(2)
        seconds += time.perf_counter() - begun
        for row, best in zip(indices.tolist(), regions.tolist(), strict=True):
            last = row.index(1) + 1
            found.append((row[:last], best[:last]))
    return found, seconds


def one_by_one(method: HIndex, batches: list[Batch]) -> tuple[Written, float]:
    """The same, written as the published loop is."""
    found: Written = []
    seconds = 0.0
    for batch in batches:
        read = method(batch).scores
        begun = time.perf_counter()
        limit = int(method.limits(read)[0])
        fed = torch.zeros(1, 1, dtype=torch.long)
        regions: list[int] = []
        while fed[0, -1] != 1:
            states: Tensor = method.seq2seq.decode(
                method.pieces(fed, batch), read["memory"], read["memory_mask"]
            )
            scored = method.score_states(states, read, batch)
            chosen = scored["logits"][:, -1].argmax(-1)
            if fed.shape[1] + 1 == limit:
                chosen = torch.ones_like(chosen)
            regions.append(int(scored["region_scores"][0, -1].argmax()))
            fed = torch.cat([fed, chosen[:, None]], 1)
        seconds += time.perf_counter() - begun
        found.append((fed[0, 1:].tolist(), regions))
    return found, seconds


@torch.inference_mode()
def measure(
    width: int, layers: int, tweets: int, words: int, length: int, batch: int, rounds: int
) -> dict[str, Any]:
    """Agreement, then times."""
    method = model(width, layers, length)
    ready = examples(method, tweets, words)
    together = [method.collate(ready[i : i + batch]) for i in range(0, tweets, batch)]
    alone = [method.collate([example]) for example in ready]
    assert batched(method, together)[0] == one_by_one(method, alone)[0]
    times: dict[str, list[float]] = {"ours": [], "ours_all": [], "loop": [], "loop_all": []}
    for _ in range(rounds):
        for name, work, batches in (("ours", batched, together), ("loop", one_by_one, alone)):
            begun = time.perf_counter()
            _, decoding = work(method, batches)
            times[f"{name}_all"].append(time.perf_counter() - begun)
            times[name].append(decoding)
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "width": width,
        "layers": layers,
        "tweets": tweets,
        "words": words,
        "length": length,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "equal": True,
        "decoding_seconds": {n: round(median[n], 3) for n in ("ours", "loop")},
        "decoding_ratio": round(median["loop"] / median["ours"], 2),
        "with_encoder_seconds": {n: round(median[f"{n}_all"], 3) for n in ("ours", "loop")},
        "with_encoder_ratio": round(median["loop_all"] / median["ours_all"], 2),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("width", 768),
        ("layers", 6),
        ("tweets", 32),
        ("words", 24),
        ("length", 12),
        ("batch", 32),
        ("rounds", 3),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
