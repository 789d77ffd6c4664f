"""Encoder-decoders: T5, BART and whatever transformers loads as one, with their tokenizer.

Methods put regions beside the text embeddings, read the decoder's states step by step, or replace
its output layer; so encoder, decoder and head are separate calls here.

Shapes: B batch, S source positions, L target positions, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from magpie.backbones.base import Backbone, load_local
from magpie.errors import ConfigError, ModelError

__all__ = ["Seq2Seq", "load_seq2seq"]

#: what a label has where the loss does not look
IGNORED = -100


class Seq2Seq(Backbone):
    """Pieces in, pieces out.

    Args:
        model: a transformers encoder-decoder with its language-model head.
        tokenizer: its fast tokenizer.
        name: what it was loaded as.
    """

    kind = "seq2seq"

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
        config = self.transformer.config
        return int(config.d_model)

    @property
    def max_positions(self) -> int | None:
        """Longest input and output in pieces; None where positions are relative (T5)."""
        found = getattr(self.transformer.config, "max_position_embeddings", None)
        return None if found is None else int(found)

    @property
    def pad_id(self) -> int:
        return int(self.transformer.config.pad_token_id)

    @property
    def start_id(self) -> int:
        """What the decoder is fed first."""
        return int(self.transformer.config.decoder_start_token_id)

    @property
    def end_id(self) -> int:
        return int(self.tokenizer.eos_token_id or self.transformer.config.eos_token_id)

    def embed(self, ids: Tensor) -> Tensor:
        """[B, S] ids -> [B, S, D], as the encoder takes them (BART's scale included)."""
        return cast(Tensor, self.transformer.get_encoder().embed_tokens(ids))

    def encode(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Embeddings [B, S, D] and 1/0 mask [B, S] -> memory [B, S, D].

        Absolute positions are added and relative ones counted over all S, whatever stands there.
        """
        found = self.transformer.get_encoder()(inputs_embeds=embedded, attention_mask=mask)
        return cast(Tensor, found.last_hidden_state)

    def decode(
        self, ids: Tensor, memory: Tensor, mask: Tensor, target_mask: Tensor | None = None
    ) -> Tensor:
        """Decoder states, causal.

        Args:
            ids: [B, L], what the decoder is fed (:meth:`shift` makes it of labels).
            memory: [B, S, D].
            mask: [B, S], 1 where the memory may be looked at.
            target_mask: [B, L], 1 where ``ids`` may be looked at; None means everywhere.

        Returns:
            [B, L, D].
        """
        found = self.transformer.get_decoder()(
            input_ids=ids,
            attention_mask=target_mask,
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            use_cache=False,
        )
        return cast(Tensor, found.last_hidden_state)

    def logits(self, states: Tensor) -> Tensor:
        """Decoder states [B, L, D] -> scores [B, L, V], as the language-model head computes them.

        T5 scales states by D^-0.5 where it shares its embeddings with the head; BART adds a bias.
        """
        if getattr(self.transformer.config, "scale_decoder_outputs", False):
            states = states * self.width**-0.5
        scores = cast(Tensor, self.transformer.get_output_embeddings()(states))
        bias = getattr(self.transformer, "final_logits_bias", None)
        return scores if bias is None else scores + bias

    def shift(self, labels: Tensor) -> Tensor:
        """Labels [B, L] -> what the decoder is fed: the start piece, then all labels but the last.

        Ignored labels become padding.
        """
        fed = labels.new_full(labels.shape, self.start_id)
        fed[:, 1:] = labels[:, :-1]
        return fed.masked_fill(fed == IGNORED, self.pad_id)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        """[B, S] ids and mask, [B, L] labels -> scores [B, L, V] with the labels fed."""
        memory = self.encode(self.embed(input_ids), attention_mask)
        return self.logits(self.decode(self.shift(labels), memory, attention_mask))

    @torch.no_grad()
    def generate(
        self,
        memory: Tensor,
        mask: Tensor,
        *,
        max_length: int,
        choose: Callable[[Tensor, Tensor], Tensor] | None = None,
        feed: Callable[[Tensor], Tensor] | None = None,
        start: int | None = None,
        end: int | None = None,
        pad: int | None = None,
        limits: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Greedy decoding; keys and values of earlier steps are kept.

        Args:
            memory: [B, S, D].
            mask: [B, S].
            max_length: pieces at most, the end piece included.
            choose: (states [B, D] of a step, symbols [B, t] chosen so far) -> symbols [B];
                in place of the largest score.
            feed: symbols [B] -> piece ids [B] to feed next, where symbols are no pieces.
            start: the piece fed first; the decoder's own unless given.
            end: the symbol that ends a row; the end piece unless given.
            pad: the symbol behind the end; the padding piece unless given.
            limits: [B], symbols of each row at most: the last one that it may have is the end,
                whatever the scores say.

        Returns:
            symbols [B, L], padded behind the end, and the decoder's states [B, L, D] that chose
            them.
        """
        if max_length < 1:
            raise ConfigError(f"max_length must be at least 1, got {max_length}")
        decoder = self.transformer.get_decoder()
        last = self.end_id if end is None else end
        behind = self.pad_id if pad is None else pad
        first = self.start_id if start is None else start
        fed = memory.new_full((len(memory), 1), first, dtype=torch.long)
        symbols = fed[:, :0]
        states: list[Tensor] = []
        done = torch.zeros(len(memory), dtype=torch.bool, device=memory.device)
        past: Any = None
        for step in range(max_length):
            found = decoder(
                input_ids=fed,
                encoder_hidden_states=memory,
                encoder_attention_mask=mask,
                past_key_values=past,
                use_cache=True,
            )
            past, state = found.past_key_values, found.last_hidden_state[:, -1]  # B,D
            states.append(state)
            if choose is None:
                chosen = self.logits(state[:, None])[:, 0].argmax(-1)  # B
            else:
                chosen = choose(state, symbols)
            if limits is not None:
                chosen = chosen.masked_fill(limits <= step + 1, last)
            chosen = chosen.masked_fill(done, behind)
            symbols = torch.cat([symbols, chosen[:, None]], 1)
            done = done | (chosen == last)
            if bool(done.all()):
                break
            fed = (chosen if feed is None else feed(chosen))[:, None]
        return symbols, torch.stack(states, 1)

    def add_pieces(self, pieces: Sequence[str], *, special: bool = True) -> list[int]:
        """Adds whole pieces to the vocabulary, as grammars of special tokens need them.

        New rows of the embeddings are the mean of the rows of the pieces' own text.

        Returns:
            an id a piece; one that is known already keeps its own.

        Raises:
            ConfigError: the tokenizer still cuts one of them.
        """
        own = self.tokenizer
        known = own.get_vocab()
        new = [piece for piece in dict.fromkeys(pieces) if piece not in known]
        inner = {
            piece: own(piece.strip("<>|"), add_special_tokens=False)["input_ids"] for piece in new
        }
        own.add_tokens(new, special_tokens=special)
        rows = cast(Tensor, self.transformer.get_input_embeddings().weight)
        if len(own) > len(rows):
            # Models may have more rows than their tokenizer has pieces; those stay.
            self.transformer.resize_token_embeddings(len(own), mean_resizing=False)
        places = own.get_vocab()
        with torch.no_grad():
            for table in (
                self.transformer.get_input_embeddings().weight,
                self.transformer.get_output_embeddings().weight,
            ):
                weight = cast(Tensor, table)
                for piece in new:
                    if inner[piece]:
                        weight[places[piece]] = weight[inner[piece]].mean(0)
        for piece in pieces:
            if own(piece, add_special_tokens=False)["input_ids"] != [places[piece]]:
                raise ConfigError(f"the tokenizer of {self.name} cuts {piece!r} in several pieces")
        return [places[piece] for piece in pieces]

    def describe(self) -> dict[str, Any]:
        return {"config": self.transformer.config.to_dict()}

    def save(self, folder: Path) -> None:
        super().save(folder)
        self.tokenizer.save_pretrained(folder / "tokenizer")

    @classmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        config = AutoConfig.for_model(**value["config"])
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        with torch.random.fork_rng(devices=[]):
            model: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config)
        return cls(model.eval(), cast(PreTrainedTokenizerFast, tokenizer), value["name"])


def load_seq2seq(name: str, *, dropout: float | None = None) -> Seq2Seq:
    """An encoder-decoder by hub name, folder, or ``tiny-t5`` / ``tiny-bart``.

    Args:
        name: see above.
        dropout: replaces that of its configuration.

    Raises:
        ModelError: it is not on this machine, or has no fast tokenizer.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny_seq2seq import tiny_seq2seq

        return tiny_seq2seq(name, dropout=dropout)
    tokenizer = load_local(name, AutoTokenizer.from_pretrained)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"{name!r} has no fast tokenizer, which aligns pieces with words",
            code="model-damaged",
            mend="Use a model that ships a tokenizer.json.",
        )
    options: dict[str, Any] = {}
    if dropout is not None:
        config = load_local(name, AutoConfig.from_pretrained)
        rate = "dropout_rate" if hasattr(config, "dropout_rate") else "dropout"
        options = {rate: dropout}
    model = load_local(
        name, lambda place, **kw: AutoModelForSeq2SeqLM.from_pretrained(place, **kw, **options)
    )
    return Seq2Seq(model, tokenizer, name)
