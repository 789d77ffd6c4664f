"""Tiny T5 and BART, built offline: random weights of a fixed seed, a tokenizer losing nothing.

The tokenizer works on bytes, so any text comes back as it went in; the words of the tiny
vocabulary are one piece each.
"""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from magpie.backbones.seq2seq import Seq2Seq
from magpie.backbones.tiny import SEED, TINY_WORDS
from magpie.errors import NotFoundError

__all__ = ["tiny_byte_tokenizer", "tiny_seq2seq"]

#: special pieces by family, in the order of their ids; T5's sentinels stand last
_SPECIAL: dict[str, tuple[str, ...]] = {
    "t5": ("<pad>", "</s>", "<unk>"),
    "bart": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
}
_SENTINELS = tuple(f"<extra_id_{number}>" for number in range(10))
#: how bytes write a blank
_BLANK = "Ġ"


def tiny_byte_tokenizer(
    family: str, words: tuple[str, ...] = TINY_WORDS
) -> PreTrainedTokenizerFast:
    """Bytes and whole words, with the special pieces of ``t5`` or ``bart``."""
    special = _SPECIAL[family]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*special, *alphabet]
    merges: list[tuple[str, str]] = []
    # Every merge begins at the blank, so that no two words can get in each other's way.
    for word in words:
        left = _BLANK
        for character in word:
            if (left, character) not in merges:
                merges.append((left, character))
            left += character
            vocabulary.append(left)
    sentinels = _SENTINELS if family == "t5" else ()
    ids = {piece: index for index, piece in enumerate(dict.fromkeys((*vocabulary, *sentinels)))}
    made = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token="<unk>"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    single = "$A </s>" if family == "t5" else "<s> $A </s>"
    made.post_processor = processors.TemplateProcessing(
        single=single,
        pair=f"{single} $B </s>",
        special_tokens=[(piece, ids[piece]) for piece in special if piece in ("<s>", "</s>")],
    )
    options: dict[str, Any] = {"extra_special_tokens": list(sentinels)} if sentinels else {}
    if family == "bart":
        options |= {"bos_token": "<s>", "mask_token": "<mask>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        clean_up_tokenization_spaces=False,
        **options,
    )


def tiny_seq2seq(name: str = "tiny-t5", *, dropout: float | None = None) -> Seq2Seq:
    """2 + 2 layers, 32 wide, 4 heads.

    ``tiny-t5`` has gated feed-forward layers and a head of its own, as Flan-T5 has them;
    ``tiny-bart`` shares its embeddings.

    Raises:
        NotFoundError: no tiny encoder-decoder of that name.
    """
    rate = 0.1 if dropout is None else dropout
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        if name == "tiny-t5":
            tokenizer = tiny_byte_tokenizer("t5")
            model: Any = T5ForConditionalGeneration(
                T5Config(
                    d_kv=8,
                    d_ff=64,
                    num_layers=2,
                    num_heads=4,
                    dropout_rate=rate,
                    feed_forward_proj="gated-gelu",
                    **_shared(tokenizer, start=tokenizer.pad_token_id, tied=False),
                )
            )
        elif name == "tiny-bart":
            tokenizer = tiny_byte_tokenizer("bart")
            model = BartForConditionalGeneration(
                BartConfig(
                    encoder_layers=2,
                    decoder_layers=2,
                    encoder_attention_heads=4,
                    decoder_attention_heads=4,
                    encoder_ffn_dim=64,
                    decoder_ffn_dim=64,
                    max_position_embeddings=512,
                    dropout=rate,
                    # 0.02 suits 768 channels; with 32 nothing is learnt from scratch.
                    init_std=0.12,
                    bos_token_id=tokenizer.bos_token_id,
                    **_shared(tokenizer, start=tokenizer.eos_token_id, tied=True),
                )
            )
        else:
            raise NotFoundError(
                f"no tiny encoder-decoder {name!r}", mend="There are tiny-t5 and tiny-bart."
            )
    return Seq2Seq(model.eval(), tokenizer, name)


def _shared(tokenizer: PreTrainedTokenizerFast, *, start: int, tied: bool) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "tie_word_embeddings": tied,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": start,
    }
