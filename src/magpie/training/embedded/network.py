"""The tagger's network: a small encoder with casing inputs, tag and fine-type heads, a chain.

The encoder is MiniLM-L6 (Apache-2.0), written out plainly so that its weights can be copied one by
one into the shipped graph. Shapes: B posts, T pieces, W words, D width, L tags, F fine types.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from magpie.engine.embedded.features import CASE_IDS, SHAPE_IDS
from magpie.nn.crf import CRF
from magpie.training.embedded.settings import HEADS, LABELS

__all__ = ["Encoder", "EncoderSize", "Inputs", "Tagger"]

Inputs = dict[str, Tensor]

_FORBIDDEN = -2.0
_HIDDEN = -1e4


class EncoderSize:
    """Sizes of the encoder; the defaults are MiniLM-L6's.

    Args:
        vocabulary: pieces.
        width: D.
        layers: how many.
        heads: attention heads; must divide the width.
        inner: width of the feed-forward layer.
        positions: longest text in pieces.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 30522,
        width: int = 384,
        layers: int = 6,
        heads: int = 12,
        inner: int = 1536,
        positions: int = 512,
    ) -> None:
        self.vocabulary, self.width, self.layers = vocabulary, width, layers
        self.heads, self.inner, self.positions = heads, inner, positions


class Layer(nn.Module):
    """One post-norm transformer layer."""

    def __init__(self, size: EncoderSize, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = size.heads, dropout
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.out = nn.Linear(size.width, size.width)
        self.norm_attention = nn.LayerNorm(size.width, eps=1e-12)
        self.inner = nn.Linear(size.width, size.inner)
        self.outer = nn.Linear(size.inner, size.width)
        self.norm_output = nn.LayerNorm(size.width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, T, D], bias [B, 1, 1, T] -> [B, T, D]."""
        B, T, D = x.shape
        split = self.qkv(x).view(B, T, 3, self.heads, D // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # 3 x [B, heads, T, D / heads]
        attended = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=bias.to(query.dtype),
            dropout_p=self.dropout if self.training else 0.0,
        )
        attended = self.out(attended.transpose(1, 2).reshape(B, T, D))
        x = self.norm_attention(x + F.dropout(attended, self.dropout, self.training))
        inner = self.outer(F.gelu(self.inner(x)))
        return self.norm_output(x + F.dropout(inner, self.dropout, self.training))


class Encoder(nn.Module):
    """Pieces with casing inputs -> contextual states.

    The case and shape tables start at zero: a freshly loaded encoder computes what the published
    one does, and learns casing from there.
    """

    def __init__(self, size: EncoderSize | None = None, *, dropout: float = 0.1) -> None:
        super().__init__()
        size = size or EncoderSize()
        self.size, self.dropout = size, dropout
        self.word = nn.Embedding(size.vocabulary, size.width)
        self.position = nn.Embedding(size.positions, size.width)
        self.case = nn.Embedding(CASE_IDS, size.width)
        self.shape = nn.Embedding(SHAPE_IDS, size.width)
        nn.init.normal_(self.word.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)
        nn.init.zeros_(self.case.weight)
        nn.init.zeros_(self.shape.weight)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(size, dropout) for _ in range(size.layers))

    def forward(self, inputs: Inputs) -> Tensor:
        """Inputs as ``features.pad`` lays them out, [B, T] -> [B, T, D]."""
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        x = self.word(ids) + self.position.weight[: ids.shape[1]]
        x = x + self.case(inputs["case_ids"]) + self.shape(inputs["shape_ids"])
        x = F.dropout(self.norm(x), self.dropout, self.training)
        bias = torch.zeros(mask.shape, device=x.device).masked_fill(mask == 0, _HIDDEN)
        for layer in self.layers:
            x = layer(x, bias[:, None, None, :])
        return x

    def load_published(self, weights: Path) -> None:
        """Copies the weights of a BERT-shaped ``model.safetensors``."""
        from safetensors.torch import load_file

        stored = load_file(weights)
        mine = {
            "word.weight": stored["embeddings.word_embeddings.weight"],
            # All posts are one segment: its embedding is a constant and folds into the positions.
            "position.weight": stored["embeddings.position_embeddings.weight"]
            + stored["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": stored["embeddings.LayerNorm.weight"],
            "norm.bias": stored["embeddings.LayerNorm.bias"],
        }
        names = {
            "out": "attention.output.dense",
            "norm_attention": "attention.output.LayerNorm",
            "inner": "intermediate.dense",
            "outer": "output.dense",
            "norm_output": "output.LayerNorm",
        }
        for i in range(self.size.layers):
            theirs = f"encoder.layer.{i}."
            for part in ("weight", "bias"):
                mine[f"layers.{i}.qkv.{part}"] = torch.cat(
                    [
                        stored[f"{theirs}attention.self.{n}.{part}"]
                        for n in ("query", "key", "value")
                    ]
                )
                for name, source in names.items():
                    mine[f"layers.{i}.{name}.{part}"] = stored[f"{theirs}{source}.{part}"]
        missing, unexpected = self.load_state_dict(mine, strict=False)
        if unexpected or set(missing) != {"case.weight", "shape.weight"}:
            raise ValueError(f"{weights}: not a MiniLM-L6 checkpoint: {missing} {unexpected}")


class Tagger(nn.Module):
    """Encoder, one emission head a guideline, a fine-type head and one chain for all.

    Args:
        fine_types: F.
        size: of the encoder.
        dropout: inside the encoder.
        head_dropout: on the word states.
    """

    def __init__(
        self,
        fine_types: int,
        *,
        size: EncoderSize | None = None,
        dropout: float = 0.1,
        head_dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(size, dropout=dropout)
        width = self.encoder.size.width
        self.head_dropout = head_dropout
        self.head = nn.Linear(width, len(HEADS) * len(LABELS))
        self.fine = nn.Linear(width, fine_types)
        for layer in (self.head, self.fine):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        self.chain = CRF(LABELS)
        _discourage_orphans(self.chain)

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Inputs of a batch -> emissions [B, W, heads, L] and fine logits [B, W, F], float32."""
        states = self.encoder(inputs)
        first = inputs["first_piece"].unsqueeze(2).expand(-1, -1, states.shape[2])
        words = F.dropout(states.gather(1, first), self.head_dropout, self.training)  # [B, W, D]
        emissions = self.head(words).float().unflatten(2, (len(HEADS), len(LABELS)))
        return emissions, self.fine(words).float()

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the learning rate they take."""
        groups: dict[str, list[nn.Parameter]] = {
            "encoder": [],
            "feature": [],
            "head": [],
            "chain": [],
        }
        for name, parameter in self.named_parameters():
            if name.startswith("chain"):
                groups["chain"].append(parameter)
            elif name.startswith(("head", "fine")):
                groups["head"].append(parameter)
            elif name.startswith(("encoder.case", "encoder.shape")):
                groups["feature"].append(parameter)
            else:
                groups["encoder"].append(parameter)
        return groups


@torch.no_grad()
def _discourage_orphans(chain: CRF) -> None:
    """A mild prior, free to be unlearnt: an inside tag rarely follows anything but its own type.

    A hard rule would be wrong here: Twitter-2015 holds inside tags without a beginning.
    """
    chain.start.zero_()
    chain.end.zero_()
    chain.transitions.zero_()
    for j, label in enumerate(LABELS):
        if not label.startswith("I-"):
            continue
        chain.start[j] = _FORBIDDEN
        for i, before in enumerate(LABELS):
            if before[1:] != label[1:]:
                chain.transitions[i, j] = _FORBIDDEN
