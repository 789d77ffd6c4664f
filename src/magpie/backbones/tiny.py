"""Tiny twins of every kind of backbone: random weights from a fixed seed, built offline.

They make every method testable end to end without a download; a real backbone is a change of one
name. The vocabulary is characters plus the words of the controlled corpus, so that any text can be
cut and short words stay one piece.
"""

from __future__ import annotations

import string
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetModel,
    RobertaConfig,
    RobertaModel,
    ViTConfig,
    ViTModel,
)

from magpie.backbones.text import TextEncoder
from magpie.backbones.vision import VisionEncoder
from magpie.errors import NotFoundError
from magpie.vision import PixelSpec

__all__ = ["SEED", "TINY_WORDS", "tiny_text", "tiny_tokenizer", "tiny_vision"]

#: of every tiny twin's weights
SEED = 20260101
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

#: whole words of the tiny vocabulary beside single characters
TINY_WORDS: tuple[str, ...] = tuple(
    """
    the a an of in on at to and or is was with for from by this that it we i you he she they
    look here today again just now new big small good great see saw met meet visit visiting
    love my our your his her not no so very what who where when how all one two three more
    picture photo shows left right top bottom red green blue yellow purple orange grey black
    white circle square triangle cross star ring bar diamond next near beside above below
    person place group thing dog cat man woman city team show game day night
    """.split()  # noqa: SIM905 - ninety quoted words would be harder to read
)


def tiny_tokenizer(words: tuple[str, ...] = TINY_WORDS) -> PreTrainedTokenizerFast:
    """A lower-casing word-piece tokenizer of characters and these words."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = [*_SPECIAL, *characters, *(f"##{c}" for c in characters)]
    vocabulary += [word for word in words if word not in vocabulary]
    ids = {piece: index for index, piece in enumerate(dict.fromkeys(vocabulary))}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        mask_token="[MASK]",  # noqa: S106
    )


def tiny_text(
    name: str = "tiny-bert",
    *,
    dropout: float | None = None,
    attention_dropout: float | None = None,
) -> TextEncoder:
    """2 layers, 32 wide, 4 heads.

    Raises:
        NotFoundError: no tiny encoder of that name.
    """
    tokenizer = tiny_tokenizer()
    rate = 0.1 if dropout is None else dropout
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 160,
        "hidden_dropout_prob": rate,
        "attention_probs_dropout_prob": rate if attention_dropout is None else attention_dropout,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        if name == "tiny-bert":
            model: Any = BertModel(BertConfig(**sizes))
        elif name == "tiny-roberta":
            model = RobertaModel(RobertaConfig(**{**sizes, "type_vocab_size": 1}))
        else:
            raise NotFoundError(
                f"no tiny text encoder {name!r}", mend="There are tiny-bert and tiny-roberta."
            )
    return TextEncoder(model.eval(), tokenizer, name)


def tiny_vision(name: str = "tiny-vit", *, side: int | None = None) -> VisionEncoder:
    """``tiny-resnet`` (bottleneck blocks), ``tiny-vit``, ``tiny-clip``: 64-pixel pictures.

    Raises:
        NotFoundError: no tiny encoder of that name.
    """
    size = side or 64
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        if name == "tiny-resnet":
            model: Any = ResNetModel(
                ResNetConfig(
                    embedding_size=16,
                    hidden_sizes=[16, 32, 48, 64],
                    depths=[1, 1, 1, 1],
                    layer_type="bottleneck",
                )
            )
        elif name == "tiny-vit":
            model = ViTModel(ViTConfig(image_size=size, patch_size=8, **_TRANSFORMER))
        elif name == "tiny-clip":
            model = CLIPVisionModel(CLIPVisionConfig(image_size=size, patch_size=8, **_TRANSFORMER))
        else:
            raise NotFoundError(
                f"no tiny picture encoder {name!r}",
                mend="There are tiny-resnet, tiny-vit and tiny-clip.",
            )
    return VisionEncoder(model.eval(), name, PixelSpec(side=size))


_TRANSFORMER: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
