"""The acceptance test of every method: does the picture matter, and only the picture?

A method is trained on the controlled corpus with tiny backbones and scored three times on one test
split: with the true pictures, with every picture handed to another post, and without any. A method
that looks scores high with the true ones and falls to the best text-only score, which is known by
construction, with the shuffled ones. The shuffled score is the mean over several shuffles, because
chance hands some posts a picture that fits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from magpie.corpora.controlled import (
    ControlledConfig,
    controlled,
    shuffle_pictures,
    text_optimum,
    without_pictures,
)
from magpie.errors import NotFoundError
from magpie.features.supply import Supplier
from magpie.methods.base import Method
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import method_class
from magpie.metrics import items_of, score
from magpie.schema import Document
from magpie.training.examples import Examples
from magpie.training.loop import LoopConfig, Trainer
from magpie.training.optimisers import OptimiserConfig
from magpie.training.probe_plan import Probe
from magpie.training.probes_grounded import GROUNDED
from magpie.training.probes_relation import RELATION, SHAP_CA

__all__ = ["PROBES", "Probe", "ProbeResult", "predict_all", "probe"]

#: shuffles of the test pictures that are averaged
_SHUFFLES = 4
#: protocol that scores each task of the controlled corpus
_PROTOCOLS: dict[str, str] = {
    "ner": "ner-span-strict@1",
    "gmner": "gmner-iou50@1",
    "mre": "mre-no-none@1",
    "object-relation": "object-entity@1",
    "procedure": "procedure-gmper@1",
}


#: tiny settings by method
PROBES: dict[str, Probe] = {
    "bert-crf": Probe(
        config={"text": "tiny-bert"},
        loop=LoopConfig(epochs=24, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
    ),
    "basic-model": Probe(
        config={"text": "tiny-bert", "reduction": "mean"},
        loop=LoopConfig(epochs=24, batch=16, optimiser=OptimiserConfig(rate=1e-3, warmup=0.05)),
    ),
    "umt": Probe(
        config={
            "text": "tiny-bert",
            "visual": "pixels",
            "vision": "tiny-vit",
            "freeze_vision": False,
            "dropout": 0.0,
            "drop_image": 0.0,
            # 0.02 suits 768 channels; with 32 the picture hardly gets through five layers.
            "deviation": 0.12,
        },
        loop=LoopConfig(epochs=12, batch=16, optimiser=OptimiserConfig(rate=1e-3, warmup=0.1)),
    ),
    "mmner-model": Probe(
        config={
            "text": "tiny-bert",
            "vision": "tiny-vit",
            "freeze_vit": False,
            "vision_rate": None,
            "width": 64,
            "heads": 4,
            "inner": 64,
            "fusion_dropout": 0.0,
        }
    ),
}

# Pictures as text: the controlled corpus's own captions, which the three views move with them.
_READ = LoopConfig(epochs=24, batch=16, optimiser=OptimiserConfig(rate=1e-3, warmup=0.05))
PROBES["pgim"] = Probe(
    config={"text": "tiny-bert", "sources": ("controlled",)}, train=800, loop=_READ
)
PROBES["ita"] = Probe(
    config={
        "text": "tiny-bert",
        "parts": ("captions",),
        "captions": ("controlled",),
        "word_dropout": 0.0,
    },
    train=800,
    loop=dataclasses.replace(_READ, epochs=20),
)

# One cut-out of each size is enough: the controlled corpus has none, so it is the whole picture.
_TOWERS: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-clip",
    "fusion_layers": 1,
    "grounded_count": 1,
    "grounded_side": 64,
    "detector_count": 1,
    "detector_side": 32,
}
PROBES["mkgformer"] = Probe(config={**_TOWERS, "head_rate": None})
PROBES["mkgformer-re"] = Probe(
    task="mre",
    config=_TOWERS,
    loop=LoopConfig(epochs=28, batch=16, optimiser=OptimiserConfig(rate=1.5e-3, warmup=0.05)),
)

# A ResNet without pre-training: it is trained along, and needs the statistics of its batches.
_SHORT = LoopConfig(epochs=8, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05))
PROBES["umgf"] = Probe(
    config={
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "objects": "whole",
        "object_count": 1,
        "object_width": 64,
        "width": 64,
        "heads": 4,
        "inner": 64,
        "layers": 2,
        "dropout": 0.0,
        "reduction": "mean",
    },
    loop=_SHORT,
)
_PREFIX = {
    "text": "tiny-bert",
    "vision": "tiny-resnet",
    "crop_count": 0,
    "hidden": 64,
    "freeze_vision": False,
    "batch_norm": "batch",
}
# After eight epochs it still trusts misleading pictures now and then; after 24 it does not.
PROBES["hvpnet"] = Probe(
    config={**_PREFIX, "head_rate": None}, loop=dataclasses.replace(_SHORT, epochs=24)
)
PROBES["hvpnet-re"] = Probe(task="mre", config=_PREFIX, loop=_SHORT)
# More posts than its relation head needs, to learn those whose text tells.
PROBES["shap-ca-ner"] = Probe(
    config={**SHAP_CA, "crf_rate": None},
    train=1200,
    loop=LoopConfig(epochs=16, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.05)),
)
# Without a generated picture; every place of the text has weights of its own for the post's.
PROBES["tmr-ner"] = Probe(
    config={
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "objects": "whole",
        "generated_objects": "whole",
        "object_count": 1,
        "max_length": 48,
        "phrases": (),
        "mask_padding": True,
        "text_dropout": 0.0,
        "hidden": 64,
        "head_rate": None,
        "reduction": "mean",
    },
    train=1000,
    test=200,
    loop=LoopConfig(epochs=26, batch=16, optimiser=OptimiserConfig(rate=2e-3, warmup=0.1)),
)
PROBES.update(GROUNDED)
PROBES.update(RELATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """F1 in [0, 1] with true, shuffled and absent pictures, and the best from text alone."""

    method: str
    task: str
    true: float
    shuffled: float
    absent: float
    text_optimum: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie probe --json``."""
        return asdict(self)


def probe(name: str, *, settings: Probe | None = None, seed: int = 0) -> ProbeResult:
    """Trains and scores; deterministic but for ``seconds``.

    Args:
        name: a method of the registry.
        settings: in place of the method's own.
        seed: of corpus, initial weights and order.

    Raises:
        NotFoundError: no such method.
    """
    begun = time.monotonic()
    cls = method_class(name)
    plan = settings or _plan(name)
    train, test = (
        list(controlled(split, ControlledConfig(task=plan.task, size=size, seed=seed)))
        for split, size in (("train", plan.train), ("test", plan.test))
    )
    views = {
        "true": [test],
        "shuffled": [shuffle_pictures(test, seed + number) for number in range(_SHUFFLES)],
        "absent": [without_pictures(test)],
    }
    supplier = Supplier()
    # Two threads share a step of a tiny network badly: waiting for each other costs more.
    with _threads(1):
        torch.manual_seed(seed)
        method = cls.build(cls.Config(**plan.config), LabelSpace.of(train))
        for _ in Trainer(method, Examples(method, train, supplier), plan.loop).steps():
            pass
        scores = {
            view: [
                _f1(test, predict_all(method, documents, supplier), plan.task)
                for documents in of_view
            ]
            for view, of_view in views.items()
        }
    return ProbeResult(
        method=name,
        task=plan.task,
        text_optimum=text_optimum(test, plan.task),
        seconds=round(time.monotonic() - begun, 1),
        **{view: sum(values) / len(values) for view, values in scores.items()},
    )


def _plan(name: str) -> Probe:
    found = PROBES.get(name)
    if found is None:
        raise NotFoundError(
            f"no probe settings for {name}",
            mend="Pass settings, or add a line to magpie.training.probe.PROBES.",
        )
    return found


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict_all(
    method: Method, documents: Sequence[Document], supplier: Supplier, *, batch: int = 32
) -> list[Document]:
    """The documents with the method's annotations in place of gold, in their order."""
    needs = method.needs()
    found = []
    for begin in range(0, len(documents), batch):
        rows = documents[begin : begin + batch]
        assets = [supplier(document, needs) for document in rows]
        annotations = method.predict(rows, assets)
        found += [d.with_annotations(a) for d, a in zip(rows, annotations, strict=True)]
    return found


def _f1(gold: Sequence[Document], predicted: Sequence[Document], task: str) -> float:
    report = score(map(items_of, gold), map(items_of, predicted), _PROTOCOLS[task])
    return report.main.micro.score
