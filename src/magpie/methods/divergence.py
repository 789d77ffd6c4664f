"""TMR's multimodal divergence estimator: does a picture strengthen, complement or weaken a text?

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023, section 3.2. A ViLT reads words and patches in one transformer; its pooled state is
trained with a supervised contrastive loss, because the classes come from different collections
(captions strengthen, pairs of the open web complement, swapped pictures weaken) and a plain
classifier would learn the collections. The public fragment cannot be run, and weights and amounts
were not published: what is reconstructed is said where it stands.

Frozen, it supplies :class:`magpie.features.divergence.DivergenceScores`::

    Supplier(suppliers={DivergenceScores: EstimatedScores(estimator, Supplier(root=...))})

Shapes: B pairs, T pieces, P patches with the summary token, D width.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedTokenizerFast, ViltConfig, ViltModel

from magpie._io import atomic_write, dump_json, parse_json
from magpie.backbones.base import load_local
from magpie.backbones.tiny import SEED, tiny_tokenizer
from magpie.errors import ConfigError, ModelError
from magpie.features import Asset, Need, Pixels
from magpie.features.generated import Generated
from magpie.features.supply import Supplier
from magpie.nn.contrast import supervised_contrast
from magpie.nn.multigrained import divergence_scores
from magpie.schema import Document
from magpie.vision import PixelSpec
from magpie.vision.pixels import HALF

__all__ = [
    "CLASSES",
    "Divergence",
    "DivergenceConfig",
    "DivergenceEstimator",
    "EstimatedScores",
    "balanced_batches",
    "draw_pairs",
    "fit_estimator",
    "load_estimator",
]

#: in the order of the logits
CLASSES = ("weaken", "complement", "strengthen")
_CONFIG, _WEIGHTS = "estimator.json", "model.safetensors"

Stage = Literal["joint", "contrast", "classes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceConfig:
    """Settings of the estimator.

    Raises:
        ConfigError: an impossible value.
    """

    #: longest text in pieces (T); ViLT has 40 positions
    max_length: int = 40
    #: tau of the contrastive loss
    temperature: float = 0.1
    #: of the classes' cross-entropy beside it; not published
    class_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.max_length < 3 or self.temperature <= 0 or self.class_weight < 0:
            raise ConfigError(
                "need max_length >= 3, temperature > 0 and class_weight >= 0, got "
                f"{self.max_length}, {self.temperature} and {self.class_weight}"
            )


class DivergenceEstimator(nn.Module):
    """ViLT, its pooler, and Linear, LayerNorm, GELU, Linear into three classes.

    Args:
        model: a ViLT.
        tokenizer: of its words.
        config: settings.
    """

    def __init__(
        self,
        model: ViltModel,
        tokenizer: PreTrainedTokenizerFast,
        config: DivergenceConfig | None = None,
    ) -> None:
        super().__init__()
        self.config = config or DivergenceConfig()
        self.model = model
        self.tokenizer = tokenizer
        width = int(model.config.hidden_size)
        self.head = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.LayerNorm(2 * width),
            nn.GELU(),
            nn.Linear(2 * width, len(CLASSES)),
        )

    @property
    def pixels(self) -> PixelSpec:
        """Of the pictures it reads."""
        return PixelSpec(side=int(cast(int, self.model.config.image_size)), normalisation=HALF)

    def pieces(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and 1/0 mask [B, T] of texts, cut at ``max_length``."""
        cut = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.config.max_length,
            return_tensors="pt",
        )
        return cast(Tensor, cut["input_ids"]), cast(Tensor, cut["attention_mask"])

    def pooled(self, input_ids: Tensor, attention_mask: Tensor, pixels: Tensor) -> Tensor:
        """tanh(W x_0), [B, D], of ids and mask [B, T] and pixels [B, 3, side, side]."""
        embeddings = self.model.embeddings
        patches = embeddings.patch_embeddings(pixels).flatten(2).transpose(1, 2)
        first = embeddings.cls_token.expand(len(patches), -1, -1)
        # Handed over embedded: the library would shuffle the patches of squares, for nothing.
        seen = torch.cat([first, patches], 1) + embeddings.position_embeddings  # B,P,D
        found = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            image_embeds=seen,
            pixel_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
        )
        return cast(Tensor, found.pooler_output)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, pixels: Tensor) -> Tensor:
        """Logits over :data:`CLASSES`, [B, 3]."""
        found: Tensor = self.head(self.pooled(input_ids, attention_mask, pixels))
        return found

    def losses(
        self, texts: Sequence[str], pixels: Tensor, classes: Tensor, stage: Stage = "joint"
    ) -> dict[str, Tensor]:
        """The contrastive loss of the pooled states, and the classes' cross-entropy.

        Args:
            texts: B of them.
            pixels: [B, 3, side, side].
            classes: [B], places in :data:`CLASSES`.
            stage: both together; or one after the other, the classes then on fixed states.
        """
        pooled = self.pooled(*self.pieces(texts), pixels)
        terms: dict[str, Tensor] = {}
        if stage != "classes":
            terms["contrast"] = supervised_contrast(pooled, classes, self.config.temperature)
        if stage != "contrast":
            states = pooled.detach() if stage == "classes" else pooled
            loss = functional.cross_entropy(self.head(states), classes)
            terms["classes"] = self.config.class_weight * loss
        return terms

    @torch.no_grad()
    def scores(self, texts: Sequence[str], pixels: Tensor) -> Tensor:
        """(strong, weak) of pairs, [B, 2], in evaluation mode; each row adds up to 1."""
        training = self.training
        self.eval()
        try:
            return divergence_scores(self(*self.pieces(texts), pixels))
        finally:
            self.train(training)

    def save(self, folder: Path) -> None:
        """Writes settings, tokenizer and weights."""
        folder.mkdir(parents=True, exist_ok=True)
        body = {"config": asdict(self.config), "vilt": self.model.config.to_dict()}
        self.tokenizer.save_pretrained(folder / "tokenizer")
        save_file(
            {n: v.detach().contiguous() for n, v in self.state_dict().items()}, folder / _WEIGHTS
        )
        atomic_write(folder / _CONFIG, dump_json(body, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what :meth:`save` wrote.

        Raises:
            ModelError: the folder holds no estimator.
        """
        if not (folder / _CONFIG).is_file() or not (folder / _WEIGHTS).is_file():
            raise ModelError(
                "no divergence estimator in this folder",
                where=str(folder),
                mend="Train one with magpie.methods.divergence.fit_estimator, and save it there.",
            )
        body = parse_json((folder / _CONFIG).read_text("utf-8"), where=str(folder))
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        made = cls(
            _empty(body["vilt"]),
            cast(PreTrainedTokenizerFast, tokenizer),
            DivergenceConfig(**body["config"]),
        )
        made.load_state_dict(load_file(folder / _WEIGHTS))
        return made.eval()


def load_estimator(name: str, config: DivergenceConfig | None = None) -> DivergenceEstimator:
    """An untrained head on a ViLT: hub name, folder, or ``tiny-vilt``.

    Raises:
        ModelError: it is not on this machine.
    """
    if name == "tiny-vilt":
        tokenizer = tiny_tokenizer()
        sizes = {
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "image_size": 64,
            "patch_size": 16,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return DivergenceEstimator(_empty(sizes), tokenizer, config)
    published = cast(PreTrainedTokenizerFast, load_local(name, AutoTokenizer.from_pretrained))
    model = load_local(name, ViltModel.from_pretrained)
    return DivergenceEstimator(model, published, config)


def _empty(sizes: dict[str, Any]) -> ViltModel:
    return ViltModel(ViltConfig(**{k: v for k, v in sizes.items() if k != "model_type"}))


@dataclass(frozen=True, slots=True)
class Divergence:
    """A text beside a picture, and the place of its class in :data:`CLASSES`."""

    text: str
    picture: str
    kind: int


def draw_pairs(
    strengthen: Sequence[tuple[str, str]],
    complement: Sequence[tuple[str, str]],
    steps: int,
    *,
    seed: int = 0,
) -> list[Divergence]:
    """Training pairs, three a step: one of each source, and one whose picture was swapped.

    Args:
        strengthen: (text, picture id) of captions, such as those of MSCOCO.
        complement: of pairs from the open web, such as LAION's.
        steps: how often all three are drawn.
        seed: decides what is drawn.

    Raises:
        ConfigError: a source has not two different pictures, so none can be swapped.
    """
    sources = (complement, strengthen)
    for source in sources:
        if len({picture for _, picture in source}) < 2:
            raise ConfigError("a source of pairs needs at least two different pictures")
    rng = random.Random(f"divergence:{seed}")
    found = []
    for _ in range(steps):
        for kind, source in ((2, strengthen), (1, complement)):
            found.append(Divergence(*rng.choice(source), kind))
        source = rng.choice(sources)
        text, own = rng.choice(source)
        other = own
        while other == own:
            other = rng.choice(source)[1]
        found.append(Divergence(text, other, 0))
    return found


def balanced_batches(pairs: Sequence[Divergence], steps: int = 2) -> Iterator[list[Divergence]]:
    """Batches of so many steps of :func:`draw_pairs`; an incomplete last one is left out.

    Each holds every class at least twice, so that every anchor has a positive.

    Raises:
        ConfigError: fewer than two steps a batch.
    """
    if steps < 2:
        raise ConfigError(f"a batch needs at least 2 steps, got {steps}")
    size = steps * len(CLASSES)
    for begin in range(0, len(pairs) - size + 1, size):
        yield list(pairs[begin : begin + size])


def fit_estimator(
    estimator: DivergenceEstimator,
    pairs: Sequence[Divergence],
    read: Callable[[str], Tensor],
    *,
    steps: int = 8,
    rate: float = 1e-4,
    stage: Stage = "joint",
) -> Iterator[dict[str, float]]:
    """Trains in place, a batch at a time; yields the terms of its loss.

    Args:
        estimator: trained in place.
        pairs: as drawn.
        read: picture id -> pixels [3, side, side] as :attr:`DivergenceEstimator.pixels` has them.
        steps: of :func:`draw_pairs` in a batch.
        rate: of AdamW; none was published.
        stage: see :meth:`DivergenceEstimator.losses`.
    """
    estimator.train()
    optimiser = torch.optim.AdamW(estimator.parameters(), lr=rate)
    for batch in balanced_batches(pairs, steps):
        pixels = torch.stack([read(pair.picture) for pair in batch])
        classes = torch.tensor([pair.kind for pair in batch])
        terms = estimator.losses([pair.text for pair in batch], pixels, classes, stage)
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        yield {name: float(term.detach()) for name, term in terms.items()}
    estimator.eval()


class EstimatedScores:
    """Scores of a trained estimator for a document's own and generated picture.

    Args:
        estimator: frozen from here on.
        supplier: of pictures.
        folder: of generated pictures, as :class:`magpie.features.generated.Generated` has it.
    """

    def __init__(
        self, estimator: DivergenceEstimator, supplier: Supplier, folder: str = ""
    ) -> None:
        self.estimator = estimator.requires_grad_(False).eval()
        self._supplier = supplier
        own = Pixels(estimator.pixels)
        self._needs: tuple[Need, Need] = (own, Generated(own, folder))

    def __call__(self, document: Document, need: Need) -> Asset:
        """``scores`` [2, 2]; halves for a picture that is absent; absent where both are."""
        assets = self._supplier(document, self._needs)
        there = [n for n, each in enumerate(self._needs) if assets[each].present]
        if not there:
            return Asset.absent(assets[self._needs[0]].reason)
        text = " ".join(block.text for block in document.blocks)
        found = np.full((len(self._needs), 2), 0.5, np.float32)
        pixels = np.stack([assets[self._needs[n]].arrays["pixels"] for n in there])
        scores = self.estimator.scores([text] * len(there), torch.from_numpy(pixels))
        found[there] = scores.numpy()
        return Asset({"scores": found})
