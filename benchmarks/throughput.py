"""Documents a second: magpie against the transformers pipeline over an encoder of the same size.

    python benchmarks/throughput.py [--texts FILE] [--repeats 3] [--limit N] > throughput.json

Both candidates read the same texts in the same process on the same cores and take turns, so that
whatever else the machine does hits both. The pipeline runs a BERT of MiniLM's size (6 layers, 384
wide) with random weights, which costs what trained ones cost; it is measured as users call it (one
text after the other) and at its best batch size. ``ratio_default`` and ``ratio_best`` divide
magpie's best rate by the pipeline's best of the same kind.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from magpie.engine import Extractor
from magpie.engine.model import available_cores
from magpie.schema import Block, Document

SIZES = (1, 8, 16, 32, 64)
DEFAULT = "twitter2017/test.txt"


def read_texts(path: Path) -> Iterator[list[str]]:
    """Word lists of a file in two columns with IMGID lines; blank lines end nothing else."""
    words: list[str] = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("IMGID:"):
                if words:
                    yield words
                words = []
            elif line.strip():
                words.append(line.split("\t")[0])
    if words:
        yield words


def pipeline(threads: int) -> Callable[..., Any]:
    """The token-classification pipeline over a random BERT of MiniLM's size."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    tokenizer_file = Path(__file__).parent.parent / "src/magpie/engine/embedded/tokenizer.json"
    special = {
        f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")
    }
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=os.environ.get("MAGPIE_TOKENIZER", str(tokenizer_file)), **special
    )
    config = transformers.BertConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        num_labels=9,
    )
    network = transformers.BertForTokenClassification(config).eval()
    made: Callable[..., Any] = transformers.pipeline(
        "token-classification",
        model=network,
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        device=-1,
    )
    return made


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(texts: list[list[str]], model: str, repeats: int) -> dict[str, Any]:
    """Rates of all candidates, documents a second; the best of the repeats counts for each."""
    threads = available_cores()
    joined = [" ".join(words) for words in texts]
    documents = [
        Document(id=str(index), blocks=(Block.from_words(words),))
        for index, words in enumerate(texts)
    ]
    raw = [Document(id=str(index), blocks=(Block(text=text),)) for index, text in enumerate(joined)]
    extractor = Extractor(model, threads=threads, ground=False)
    tagged = pipeline(threads)
    candidates: dict[str, Callable[[], object]] = {
        "magpie": lambda: list(extractor.stream(raw)),
        "magpie, corpus words": lambda: list(extractor.stream(documents)),
        "magpie, one call a text": lambda: [extractor(text) for text in joined],
        "pipeline, default": lambda: tagged(joined),
    }
    for size in SIZES:
        candidates[f"pipeline, batch {size}"] = lambda size=size: tagged(joined, batch_size=size)
    list(extractor.stream(raw[:50]))
    tagged(joined[:16], batch_size=8)
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, work in candidates.items():
            rates[name].append(len(texts) / seconds(work))
            print(f"{name}: {rates[name][-1]:.0f} documents/s", file=sys.stderr, flush=True)
    best = {name: max(values) for name, values in rates.items()}
    batches = {name: rate for name, rate in best.items() if name.startswith("pipeline, batch")}
    return {
        "documents": len(texts),
        "cores": threads,
        "machine": platform.processor() or platform.machine(),
        "documents_per_second": {name: round(rate, 1) for name, rate in best.items()},
        "all_runs": {name: [round(v, 1) for v in values] for name, values in rates.items()},
        "pipeline_best_batch": max(batches, key=lambda name: batches[name]),
        "ratio_default": round(best["magpie"] / best["pipeline, default"], 2),
        "ratio_best": round(best["magpie"] / max(batches.values()), 2),
    }


def main() -> None:
    data = Path(os.environ.get("MAGPIE_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--texts", type=Path, default=data / DEFAULT)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=int, default=None)
    options = parser.parse_args()
    texts = list(read_texts(options.texts))[: options.limit]
    print(json.dumps(measure(texts, options.model, options.repeats), indent=2))


if __name__ == "__main__":
    main()
