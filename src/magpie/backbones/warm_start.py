"""A BART whose weights come from a BERT: a small generator where no pre-trained one can be had.

The layers of both are the same, post-norm with learned positions, so the encoder *is* the BERT (to
the rounding of its norms) and the decoder starts from some of its layers; only what the decoder
reads of the encoder has to be learned. Published BARTs are better generators: this is for machines
with a small encoder such as MiniLM and nothing else.

::

    python -m magpie.backbones.warm_start models/MiniLM models/minilm-bart --decoder-layers 3
    magpie train grounded/h-index_gmner --set config.seq2seq=models/minilm-bart
"""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import BartConfig, BartForConditionalGeneration, BertConfig

from magpie.backbones.seq2seq import Seq2Seq
from magpie.backbones.text import TextEncoder, load_text
from magpie.errors import ConfigError

__all__ = ["bart_from_bert", "main"]

#: BART's learned positions begin with two rows that no piece uses
_OFFSET = 2
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")
_PARTS = {
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "output.LayerNorm": "final_layer_norm",
}


def bart_from_bert(source: TextEncoder, *, decoder_layers: int = 3) -> Seq2Seq:
    """An encoder-decoder that begins where a BERT stands.

    The decoder's layers are the last ones of evenly spaced groups of the encoder's; what they ask
    the encoder starts as what they asked themselves.

    Args:
        source: a BERT (any ``model_type`` "bert", such as MiniLM).
        decoder_layers: at most as many as the encoder has.

    Raises:
        ConfigError: another kind of encoder, or an impossible number of layers.
    """
    own = source.transformer.config
    if not isinstance(own, BertConfig):
        raise ConfigError(
            f"a BART can be made of a BERT, not of {own.model_type!r}", where=source.name
        )
    if not 1 <= decoder_layers <= own.num_hidden_layers:
        raise ConfigError(
            f"decoder_layers must be 1 to {own.num_hidden_layers}, got {decoder_layers}"
        )
    tokenizer = copy.deepcopy(source.tokenizer)
    tokenizer.bos_token, tokenizer.eos_token = tokenizer.cls_token, tokenizer.sep_token
    with torch.random.fork_rng(devices=[]):
        model = BartForConditionalGeneration(_config(own, tokenizer, decoder_layers))
    state = model.state_dict()
    for name, tensor in _renamed(source.transformer.state_dict(), own, decoder_layers):
        state[name].copy_(tensor)
    # Buffers and tied weights of the state are those of the model itself.
    model.load_state_dict(state)
    return Seq2Seq(model.eval(), tokenizer, f"bart of {source.name}")


def _config(own: BertConfig, tokenizer: object, decoder_layers: int) -> BartConfig:
    begin, end = (getattr(tokenizer, f"{name}_token_id") for name in ("cls", "sep"))
    return BartConfig(
        vocab_size=own.vocab_size,
        d_model=own.hidden_size,
        encoder_layers=own.num_hidden_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=own.num_attention_heads,
        decoder_attention_heads=own.num_attention_heads,
        encoder_ffn_dim=own.intermediate_size,
        decoder_ffn_dim=own.intermediate_size,
        activation_function=own.hidden_act,
        max_position_embeddings=own.max_position_embeddings,
        dropout=own.hidden_dropout_prob,
        attention_dropout=own.attention_probs_dropout_prob,
        pad_token_id=own.pad_token_id,
        bos_token_id=begin,
        eos_token_id=end,
        decoder_start_token_id=begin,
        forced_eos_token_id=end,
    )


def _renamed(
    state: dict[str, Tensor], own: BertConfig, decoder_layers: int
) -> list[tuple[str, Tensor]]:
    positions = state["embeddings.position_embeddings.weight"]
    # Every piece is of the first segment, so its vector goes with the positions.
    positions = positions + state["embeddings.token_type_embeddings.weight"][0]
    blank = positions.new_zeros(_OFFSET, positions.shape[1])
    named = [("model.shared.weight", state["embeddings.word_embeddings.weight"])]
    for side in ("encoder", "decoder"):
        named.append((f"model.{side}.embed_positions.weight", torch.cat([blank, positions])))
        named += [
            (f"model.{side}.layernorm_embedding.{kind}", state[f"embeddings.LayerNorm.{kind}"])
            for kind in ("weight", "bias")
        ]
    count = own.num_hidden_layers
    copied = {(n + 1) * count // decoder_layers - 1: n for n in range(decoder_layers)}
    for name, tensor in state.items():
        found = _LAYER.fullmatch(name)
        if found is None:
            continue
        layer, part, kind = int(found[1]), _PARTS[found[2]], found[3]
        named.append((f"model.encoder.layers.{layer}.{part}.{kind}", tensor))
        if layer in copied:
            place = f"model.decoder.layers.{copied[layer]}"
            named.append((f"{place}.{part}.{kind}", tensor))
            if part.startswith("self_attn"):
                asked = part.replace("self_attn", "encoder_attn")
                named.append((f"{place}.{asked}.{kind}", tensor))
    return named


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the BART of a BERT as a folder that transformers and magpie load."""
    parser = argparse.ArgumentParser(prog="python -m magpie.backbones.warm_start")
    parser.add_argument("source", help="folder or name of a BERT")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--decoder-layers", type=int, default=3)
    given = parser.parse_args(arguments)
    made = bart_from_bert(load_text(given.source), decoder_layers=given.decoder_layers)
    made.transformer.save_pretrained(given.out)
    made.tokenizer.save_pretrained(given.out)


if __name__ == "__main__":
    main()
