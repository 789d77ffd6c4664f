"""Text encoders: any transformers encoder, with its tokenizer.

Shapes: B batch, T pieces, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    CLIPTextModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from magpie.backbones.base import Backbone, load_local
from magpie.errors import ModelError

__all__ = ["TextEncoder", "load_text"]

#: what BERT's own code adds to the scores of hidden positions
HIDDEN = -10000.0


class TextEncoder(Backbone):
    """Pieces in, one state a piece out.

    Args:
        model: a transformers encoder without head.
        tokenizer: its fast tokenizer.
        name: what it was loaded as.
    """

    kind = "text"

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str
    ) -> None:
        super().__init__(model, name)
        self.tokenizer = tokenizer

    @property
    def transformer(self) -> PreTrainedModel:
        """The transformers model, for methods that work layer by layer."""
        return cast(PreTrainedModel, self.model)

    @property
    def width(self) -> int:
        return int(self.transformer.config.hidden_size)

    @property
    def max_positions(self) -> int:
        """Longest input in pieces, special ones included."""
        config = self.transformer.config
        positions = int(getattr(config, "max_position_embeddings", 512))
        # RoBERTa numbers positions from padding_idx + 1 on.
        roberta = config.model_type in ("roberta", "xlm-roberta", "camembert")
        return positions - (config.pad_token_id + 1 if roberta else 0)

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id or 0)

    @property
    def ends(self) -> tuple[int, int]:
        """Ids of what stands before and behind a text: [CLS] and [SEP], or whatever stands there
        where there are none, as in CLIP."""
        known = self.tokenizer
        first = known.bos_token_id if known.cls_token_id is None else known.cls_token_id
        last = known.eos_token_id if known.sep_token_id is None else known.sep_token_id
        return int(cast(int, first)), int(cast(int, last))

    @property
    def embedding_width(self) -> int:
        """Of the piece embeddings; narrower than the states in ALBERT."""
        return int(self._embeddings.weight.shape[1])

    @property
    def _embeddings(self) -> torch.nn.Embedding:
        return cast(torch.nn.Embedding, self.transformer.get_input_embeddings())

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, added: Tensor | None = None
    ) -> Tensor:
        """[B, T] ids and 1/0 mask -> last hidden states [B, T, D].

        ``added`` [B, T, embedding width] is summed into the piece embeddings.
        """
        if added is None:
            states = self.transformer(input_ids=input_ids, attention_mask=attention_mask)
        else:
            states = self.transformer(
                inputs_embeds=self._embeddings(input_ids) + added, attention_mask=attention_mask
            )
        return cast(Tensor, states.last_hidden_state)

    def both(
        self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """States of two lists of texts, each as :meth:`forward` returns them.

        As many texts on either side go through BERT in one pass, in pairs that do not see each
        other: its weights are read once, and every gradient is written once.

        Args:
            first, second: ids and 1/0 mask, [B, T] and [C, L].
        """
        (ids, mask), (other, hidden) = first, second
        config = self.transformer.config
        sdpa = getattr(config, "_attn_implementation", None) == "sdpa"
        if len(ids) != len(other) or config.model_type != "bert" or not sdpa:
            return self(ids, mask), self(other, hidden)
        length, rest = ids.shape[1], other.shape[1]
        seen = mask.new_zeros((len(ids), 1, length + rest, length + rest), dtype=torch.bool)
        seen[:, 0, :length, :length] = mask.bool().unsqueeze(1)
        seen[:, 0, length:, length:] = hidden.bool().unsqueeze(1)
        places = torch.cat([torch.arange(n, device=ids.device) for n in (length, rest)])
        found = self.transformer(
            input_ids=torch.cat([ids, other], 1),
            attention_mask=seen,
            position_ids=places.unsqueeze(0),
        )
        one, two = cast(Tensor, found.last_hidden_state).split((length, rest), 1)
        return one, two

    def describe(self) -> dict[str, Any]:
        return {"config": self.transformer.config.to_dict()}

    def save(self, folder: Path) -> None:
        super().save(folder)
        self.tokenizer.save_pretrained(folder / "tokenizer")

    @classmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        config = AutoConfig.for_model(**value["config"])
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        return cls(_empty(config), cast(PreTrainedTokenizerFast, tokenizer), value["name"])


def load_text(
    name: str, *, dropout: float | None = None, attention_dropout: float | None = None
) -> TextEncoder:
    """An encoder by hub name, folder, or ``tiny-bert`` / ``tiny-roberta``.

    Args:
        name: see above.
        dropout: replaces the hidden and attention dropout of its configuration.
        attention_dropout: replaces the latter alone.

    Raises:
        ModelError: it is not on this machine, or has no fast tokenizer.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny import tiny_text

        return tiny_text(name, dropout=dropout, attention_dropout=attention_dropout)
    options: dict[str, Any] = {}
    if dropout is not None:
        options = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if attention_dropout is not None:
        options["attention_probs_dropout_prob"] = attention_dropout
    tokenizer = load_local(name, AutoTokenizer.from_pretrained)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"{name!r} has no fast tokenizer, which aligns pieces with words",
            code="model-damaged",
            mend="Use an encoder that ships a tokenizer.json.",
        )
    if load_local(name, AutoConfig.from_pretrained).model_type in ("clip", "clip_text_model"):
        # Its text tower alone; there is no hidden dropout, and the other has a name of its own.
        rate = options.get("attention_probs_dropout_prob")
        rates = {} if rate is None else {"attention_dropout": rate}
        model: Any = load_local(
            name, lambda place, **kw: CLIPTextModel.from_pretrained(place, **kw, **rates)
        )
    else:
        model = load_local(
            name, lambda place, **kw: AutoModel.from_pretrained(place, **kw, **options)
        )
    return TextEncoder(model, tokenizer, name)


def _empty(config: Any) -> PreTrainedModel:
    """A model of this configuration; its weights come from the checkpoint."""
    with torch.random.fork_rng(devices=[]):
        model: PreTrainedModel = AutoModel.from_config(config)
    return model.eval()
