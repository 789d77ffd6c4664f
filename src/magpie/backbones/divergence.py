"""TMR's multimodal divergence estimator: does a picture strengthen, complement or weaken a text?

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023, section 3.2. A ViLT reads words and patches in one transformer; its pooled state is
trained with a supervised contrastive loss, because the classes come from different collections
(captions strengthen, pairs of the open web complement, swapped pictures weaken) and a plain
classifier would learn the collections. The public fragment cannot be run, and weights and amounts
were not published: what is reconstructed is said where it stands.

:mod:`magpie.methods.divergence` trains one; :mod:`magpie.features.divergence` asks it by name.

Shapes: B pairs, T pieces, P patches with the summary token, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedTokenizerFast, ViltConfig, ViltModel

from magpie._io import atomic_write, dump_json, parse_json, text_digest
from magpie.backbones.base import load_local, weights_digest
from magpie.backbones.tiny import SEED, tiny_tokenizer
from magpie.errors import ConfigError, ModelError
from magpie.nn.contrast import supervised_contrast
from magpie.nn.multigrained import divergence_scores
from magpie.vision import PixelSpec
from magpie.vision.pixels import HALF

__all__ = ["CLASSES", "DivergenceConfig", "DivergenceEstimator", "Stage", "load_estimator"]

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
        ids, mask = (cast(Tensor, cut[name]) for name in ("input_ids", "attention_mask"))
        return ids.to(self.model.device), mask.to(self.model.device)

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

    def fingerprint(self) -> dict[str, str]:
        """Digests of the weights and of all else that decides the scores."""
        vocabulary = dump_json(sorted(self.tokenizer.get_vocab().items()))
        return {
            "weights": weights_digest(self),
            "config": text_digest(dump_json(asdict(self.config))),
            "vocabulary": text_digest(vocabulary),
        }

    def save(self, folder: Path, notes: Mapping[str, Any] | None = None) -> None:
        """Writes settings, tokenizer, weights and what there is to say of their training."""
        folder.mkdir(parents=True, exist_ok=True)
        body = {
            "config": asdict(self.config),
            "vilt": self.model.config.to_dict(),
            "notes": dict(notes or {}),
        }
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
                mend="Train one there with `magpie features estimator`.",
            )
        body = parse_json((folder / _CONFIG).read_text("utf-8"), where=str(folder))
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        with torch.random.fork_rng(devices=[]):
            made = cls(
                _empty(body["vilt"]),
                cast(PreTrainedTokenizerFast, tokenizer),
                DivergenceConfig(**body["config"]),
            )
        made.load_state_dict(load_file(folder / _WEIGHTS))
        return made.eval()


def load_estimator(name: str, config: DivergenceConfig | None = None) -> DivergenceEstimator:
    """A trained estimator by its folder; or an untrained head on a ViLT: hub name, folder, or
    ``tiny-vilt``.

    Args:
        name: see above.
        config: of an untrained one; a trained one has its own.

    Raises:
        ModelError: it is not on this machine.
    """
    if (Path(name) / _CONFIG).is_file():
        return DivergenceEstimator.load(Path(name))
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
