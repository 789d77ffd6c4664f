"""Training of a divergence estimator on pictured texts of two sorts.

Zheng et al., ACL 2023, section 3.2 (TMR): captions strengthen their pictures, posts of the open web
complement theirs, and a pair whose picture was swapped is weakened by it. Drawing and loss are
those of :mod:`magpie.methods.divergence`. How much was drawn, and at which rate, was not published.
Some pictures of either sort are held out, and the three classes are told apart on them afterwards.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magpie.backbones.divergence import CLASSES, DivergenceEstimator, Stage, load_estimator
from magpie.engine.inputs import InputFile
from magpie.errors import ConfigError
from magpie.features import Pixels
from magpie.features.build import default_store
from magpie.features.supply import Supplier
from magpie.methods.divergence import Divergence, draw_pairs, fit_estimator
from magpie.schema import Document
from magpie.training.data import read_documents, supplier_for
from magpie.training.recipe import DataConfig

__all__ = ["EstimatorPlan", "FittedEstimator", "PairedTexts", "train_estimator"]

#: classes in the order of the logits; a source is of one of the last two
_SORTS = CLASSES[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorPlan:
    """How an estimator is trained.

    Raises:
        ConfigError: an impossible value.
    """

    #: a ViLT, or a trained estimator that goes on: hub name, folder, ``tiny-vilt``
    start: str = "dandelin/vilt-b32-mlm"
    #: batches
    steps: int = 1000
    #: pairs of each class in a batch
    draws: int = 8
    #: of AdamW
    rate: float = 1e-4
    #: both losses together, or one after the other (train ``contrast``, then ``classes`` from it)
    stage: Stage = "joint"
    #: share of the pictures of either sort that are held out
    held_out: float = 0.1
    #: decides initial weights of the head, what is held out and what is drawn
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.draws < 2 or self.rate <= 0 or not 0 < self.held_out < 1:
            raise ConfigError(
                "need steps >= 1, draws >= 2, rate > 0 and held_out in (0, 1), got "
                f"{self.steps}, {self.draws}, {self.rate} and {self.held_out}"
            )


@dataclass(slots=True)
class PairedTexts:
    """Texts of one sort beside their pictures.

    A text is a document's words, or each of its captions where it has no words of its own; its
    picture is the document's first.

    Attributes:
        name: file, folder or ``corpus:split``.
        pairs: (text, picture id).
        pictured: the document of every picture id.
        set_aside: (document id, reason) of those without words or a readable picture.
    """

    name: str
    supplier: Supplier
    pairs: list[tuple[str, str]] = field(default_factory=list)
    pictured: dict[str, Document] = field(default_factory=dict)
    set_aside: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, name: str, need: Pixels) -> PairedTexts:
        """Reads a file or folder of records, or ``corpus:split``.

        Raises:
            NotFoundError, FormatError: there is no such input, or it cannot be read.
        """
        if Path(name).exists() or ":" not in name:
            records = InputFile(name)
            made = cls(name, Supplier(root=records.root, store=default_store()))
            documents: Iterable[Document] = (record.document for record in records)
        else:
            made = cls(name, supplier_for(DataConfig(corpus=name.partition(":")[0]), name))
            documents = read_documents(name)
        for document in documents:
            made._take(document, need)
        return made

    def _take(self, document: Document, need: Pixels) -> None:
        problem = next((p.message for p in document.problems), None)
        texts = _texts(document)
        if not texts:
            self.set_aside.append((document.id, problem or "neither words nor a caption"))
            return
        asset = self.supplier(document, {need})[need]
        if not asset.present:
            self.set_aside.append((document.id, asset.reason))
            return
        picture = f"{self.name}#{document.id}"
        self.pictured[picture] = document
        self.pairs += [(text, picture) for text in texts]

    def split(self, share: float, seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Pairs to train with and pairs held out, without a picture in both.

        Raises:
            ConfigError: fewer than four pictures, so that none can be swapped in one of the two.
        """
        pictures = sorted(self.pictured)
        if len(pictures) < 4:
            reasons = Counter(reason for _, reason in self.set_aside)
            raise ConfigError(
                f"{len(pictures)} pictured texts here, at least 4 are needed"
                + "".join(f"; {count} set aside: {why}" for why, count in reasons.most_common(2)),
                where=self.name,
                mend="Give records with a text and a picture: JSON lines or a table with the "
                "columns id, text and image, or corpus:split.",
            )
        random.Random(f"held out:{seed}").shuffle(pictures)
        count = min(max(2, round(share * len(pictures))), len(pictures) - 2)
        apart = set(pictures[:count])
        train = [pair for pair in self.pairs if pair[1] not in apart]
        return train, [pair for pair in self.pairs if pair[1] in apart]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEstimator:
    """A trained estimator and what is known of it.

    Attributes:
        pairs, set_aside: by sort of text.
        losses: sums of the terms over the first and the last tenth of the steps.
        accuracy: on the held-out pairs, the three classes drawn equally often; chance is a third.
        by_class: recall of every class there.
    """

    folder: Path
    plan: EstimatorPlan
    pairs: dict[str, int]
    set_aside: dict[str, list[tuple[str, str]]]
    losses: tuple[float, float]
    accuracy: float
    by_class: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie features estimator --json``."""
        return {
            "folder": str(self.folder),
            "plan": asdict(self.plan),
            "pairs": self.pairs,
            "set_aside": {sort: len(aside) for sort, aside in self.set_aside.items()},
            "losses": [round(loss, 4) for loss in self.losses],
            "held_out": {
                "accuracy": round(self.accuracy, 4),
                "by_class": {name: round(value, 4) for name, value in self.by_class.items()},
            },
        }


def train_estimator(
    strengthen: str,
    complement: str,
    folder: Path,
    plan: EstimatorPlan,
    *,
    on_step: Callable[[int], None] = lambda _: None,
) -> FittedEstimator:
    """Trains an estimator on two sources and writes it.

    Args:
        strengthen: captions: a file or folder of records, or ``corpus:split``.
        complement: posts, likewise.
        folder: where it is saved.
        plan: how.
        on_step: told how many steps are done.

    Raises:
        ConfigError: a source has too few pictured texts.
        ModelError: the start is not on this machine.
    """
    torch.manual_seed(plan.seed)
    estimator = load_estimator(plan.start)
    need = Pixels(estimator.pixels)
    sources = dict(zip(_SORTS, (complement, strengthen), strict=True))
    read = {sort: PairedTexts.read(name, need) for sort, name in sources.items()}
    parts = {sort: each.split(plan.held_out, plan.seed) for sort, each in read.items()}

    def pixels(picture: str) -> Tensor:
        source = next(each for each in read.values() if picture in each.pictured)
        found = source.supplier(source.pictured[picture], {need})[need]
        return torch.from_numpy(found.arrays["pixels"].copy())

    estimator.to(plan.device)
    train, held = (
        draw_pairs(parts["strengthen"][at], parts["complement"][at], count, seed=plan.seed + at)
        for at, count in enumerate((plan.steps * plan.draws, 100))
    )
    losses = []
    fitting = fit_estimator(
        estimator, train, pixels, steps=plan.draws, rate=plan.rate, stage=plan.stage
    )
    for done, terms in enumerate(fitting, 1):
        losses.append(sum(terms.values()))
        on_step(done)
    by_class = _recalls(estimator, held, pixels)
    trained = {"strengthen": strengthen, "complement": complement, **asdict(plan)}
    estimator.to("cpu").save(folder, {"trained": trained, "held_out_accuracy": by_class})
    tenth = max(1, len(losses) // 10)
    return FittedEstimator(
        folder=folder,
        plan=plan,
        pairs={sort: len(each.pairs) for sort, each in read.items()},
        set_aside={sort: each.set_aside for sort, each in read.items()},
        losses=(sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth),
        accuracy=sum(by_class.values()) / len(by_class),
        by_class=by_class,
    )


def _texts(document: Document) -> list[str]:
    words = " ".join(block.text for block in document.blocks).strip()
    if words:
        return [words]
    return [c.text.strip() for c in document.context if c.kind == "caption" and c.text.strip()]


@torch.no_grad()
def _recalls(
    estimator: DivergenceEstimator, pairs: Sequence[Divergence], pixels: Callable[[str], Tensor]
) -> dict[str, float]:
    right: Counter[int] = Counter()
    for batch in _batches(pairs, 16):
        squares = torch.stack([pixels(pair.picture) for pair in batch])
        logits = estimator(
            *estimator.pieces([pair.text for pair in batch]), squares.to(estimator.model.device)
        )
        for pair, found in zip(batch, logits.argmax(1).tolist(), strict=True):
            right[pair.kind] += found == pair.kind
    count = Counter(pair.kind for pair in pairs)
    return {name: right[kind] / count[kind] for kind, name in enumerate(CLASSES)}


def _batches(pairs: Sequence[Divergence], size: int) -> Iterator[Sequence[Divergence]]:
    for begin in range(0, len(pairs), size):
        yield pairs[begin : begin + size]
