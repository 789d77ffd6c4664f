"""Names of the public code's parameters -> ours; also read by ``benchmarks/training``.

A name without a place here is an AssertionError: nothing of a checkpoint is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from magpie.backbones.torchvision_names import resnet_names

__all__ = [
    "HVPNET_UNUSED",
    "camim_name",
    "hvpnet_names",
    "mkgformer_name",
    "moreformer_name",
    "resnet_map",
    "umt_name",
]

_CHAIN = {"start_transitions": "start", "end_transitions": "end", "transitions": "transitions"}

_UMT_LAYER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "norm_attended",
    "intermediate.dense": "inner",
    "output.dense": "outer",
    "output.LayerNorm": "norm_output",
}
_UMT_SELF = {"self_attention": "self_spans", "self_attention_v2": "self_text"}
_UMT_CROSS = {
    "txt2img_attention": "words_ask_image",
    "img2txt_attention": "image_asks_words",
    "txt2txt_attention": "words_ask_coupled",
}
_UMT_PLAIN = {
    "vismap2text": "image_as_keys",
    "vismap2text_v2": "image_as_queries",
    "gate": "gate",
    "classifier": "classifier",
    "aux_classifier": "span_classifier",
}
_UMT_CHAINS = {"crf": "crf", "aux_crf": "span_crf"}

_HVPNET = {
    "bert.": "backbones.text.model.",
    "encoder_conv.": "prefix.project.",
    "gates.": "prefix.gates.",
    "fc.": "head.",
    "classifier.": "classifier.",
}
#: ResNet's own classifier, which nothing reads, and the plain count of positions
HVPNET_UNUSED = (
    "image_model.resnet.fc.weight",
    "image_model.resnet.fc.bias",
    "bert.embeddings.position_ids",
)

_CLIP = "backbones.vision.model"
_BERT = "backbones.text.model"
#: public names, in the order in which they are tried
_MKGFORMER = {
    r"model\.vision_embeddings\.aux_position_embedding\.weight": "towers.crops.grounded_positions",
    r"model\.vision_embeddings\.rcnn_position_embedding\.weight": "towers.crops.detector_positions",
    r"model\.vision_embeddings\.(.+)": _CLIP + r".embeddings.\1",
    r"model\.vision_pre_layrnorm\.(.+)": _CLIP + r".pre_layrnorm.\1",
    r"model\.vision_post_layernorm\.(.+)": _CLIP + r".post_layernorm.\1",
    r"model\.encoder\.vision_layers\.(\d+\..+)": _CLIP + r".encoder.layers.\1",
    r"model\.encoder\.text_layer\.(\d+)\.intermediate\.fusion_dense\.(.+)": (
        r"towers.lockstep.fusions.\1.dense.\2"
    ),
    r"model\.encoder\.text_layer\.(\d+\..+)": _BERT + r".encoder.layer.\1",
    r"model\.text_embeddings\.(.+)": _BERT + r".embeddings.\1",
    r"model\.text_pooler\.(.+)": _BERT + r".pooler.\1",
    r"fc\.(\w+)": r"head.\1",
    r"classifier\.(\w+)": r"classifier.\1",
    r"crf\.(start|end)_transitions": r"crf.\1",
    r"crf\.transitions": "crf.transitions",
}
#: what MOREformer adds to MKGformer's names, or calls otherwise
_MOREFORMER = {
    r"model\.vision_embeddings\.depth_embedding\.(.+)": r"tokens.depth.\1",
    r"model\.vision_embeddings\.position_embedding\.weight": "tokens.positions",
    r"model\.encoder\.image_position_embeddings\.(.+)": r"places.place.\1",
    r"model\.encoder\.layernorm\.(.+)": r"places.norm.\1",
    r"mm_linear\.(.+)": r"mm_linear.\1",
}

#: CAMIM's names behind ``sentence_encoder.`` -> ours; None where nothing reads it
_CAMIM: dict[str, str | None] = {
    r"bert2?\.(?:pooler\..+|embeddings\.position_ids)": None,
    r"bert\.(.+)": r"backbones.text.model.\1",
    r"bert2\.(.+)": r"backbones.captions.model.\1",
    r"model_resnet50\.(.+)": r"backbones.vision.model.\1",
    r"linear_pic\.(.+)": r"project.\1",
    r"linear_q_fine\.(.+)": r"word_stream.query.\1",
    r"linear_k_fine\.(.+)": r"word_stream.key.\1",
    r"linear_v_fine\.(.+)": r"word_stream.value.\1",
    r"linear_q_coarse\.(.+)": r"phrase_stream.query.\1",
    r"linear_k_coarse\.(.+)": r"phrase_stream.key.\1",
    r"linear_v_coarse\.(.+)": r"phrase_stream.value.\1",
    r"linear_phrases\.(.+)": r"phrase_map.\1",
    r"linear_extend_pic\.(.+)": r"picture_map.\1",
    r"linear_final\.(.+)": r"final.\1",
    r"encoder_conv_sentence\.0\.(.+)": r"aware.join.\1",
    r"encoder_conv_back\.(.+)": r"aware.row_map.\1",
    r"encoder_conv_word\.(.+)": r"aware.word_map.\1",
    r"attention\.linear_q\.0\.(.+)": r"aware.row_query.\1",
    r"attention\.linear_k\.0\.(.+)": r"aware.row_key.\1",
    r"attention\.linear_v\.0\.(.+)": r"aware.row_value.\1",
    r"attention\.linear_q2\.0\.(.+)": r"aware.word_query.\1",
    r"attention\.linear_k2\.0\.(.+)": r"aware.word_key.\1",
    r"attention\.linear_v2\.0\.(.+)": r"aware.word_value.\1",
    r"attention\.merge_fr\.0\.(.+)": r"aware.merge.\1",
    r"linear(?:_weights|_x)?\.(.+)": None,
}


def umt_name(public: str) -> str:
    """UMT (jefferyYu/UMT)."""
    if public.startswith("bert."):
        return f"{_BERT}.{public.removeprefix('bert.')}"
    first, _, rest = public.partition(".")
    if first in _UMT_CHAINS:
        return f"{_UMT_CHAINS[first]}.{_CHAIN[rest]}"
    if first in _UMT_PLAIN:
        return f"{_UMT_PLAIN[first]}.{rest}"
    match = re.fullmatch(r"layer\.(\d+)\.(.+)\.(weight|bias)", rest)
    assert match, public
    inner = f"{_UMT_LAYER[match[2]]}.{match[3]}"
    if first in _UMT_SELF:
        assert match[1] == "0", public
        return f"{_UMT_SELF[first]}.{inner}"
    return f"{_UMT_CROSS[first]}.layers.{match[1]}.{inner}"


def hvpnet_names(public: Iterable[str], vision: nn.Module) -> dict[str, str]:
    """HVPNeT (zjunlp/HVPNeT), all names at once; ``vision`` is our picture encoder."""
    names = list(public)
    found = resnet_map(vision, "image_model.resnet.")
    found |= {f"crf.{theirs}": f"crf.{ours}" for theirs, ours in _CHAIN.items()}
    for name in names:
        if name in found or name in HVPNET_UNUSED:
            continue
        prefix = next((p for p in _HVPNET if name.startswith(p)), None)
        assert prefix is not None, name
        found[name] = _HVPNET[prefix] + name.removeprefix(prefix)
    return {name: found[name] for name in names if name not in HVPNET_UNUSED}


def mkgformer_name(public: str) -> str:
    """MKGformer (zjunlp/MKGformer, folders MNER and MRE)."""
    for pattern, ours in _MKGFORMER.items():
        match = re.fullmatch(pattern, public)
        if match:
            return match.expand(ours)
    raise AssertionError(public)


def camim_name(public: str) -> str | None:
    """CAMIM (zefanZhang-cn/CAMIM), its ResNet apart from that of the stored numbers; None for what
    nothing reads."""
    if match := re.fullmatch(r"fc\.(.+)", public):
        return f"classifier.{match[1]}"
    if re.fullmatch(r"linear\.(weight|bias)", public):
        return None
    for pattern, ours in _CAMIM.items():
        if match := re.fullmatch(r"sentence_encoder\." + pattern, public):
            return None if ours is None else match.expand(ours)
    raise AssertionError(f"no place for {public}")


def moreformer_name(public: str, first: int) -> str | None:
    """MOREformer (NJUNLP/MORE); None for what is made there and never used.

    Args:
        public: its name there.
        first: index of the first layer that exchanges.
    """
    for pattern, ours in _MOREFORMER.items():
        match = re.fullmatch(pattern, public)
        if match:
            return match.expand(ours)
    found = mkgformer_name(public)
    match = re.fullmatch(r"towers\.lockstep\.fusions\.(\d+)\.(.+)", found)
    if match is None:
        return found
    index = int(match[1]) - first
    return f"lockstep.fusions.{index}.{match[2]}" if index >= 0 else None


def resnet_map(vision: nn.Module, prefix: str) -> dict[str, str]:
    """A ResNet under ``prefix`` -> ours under ``backbones.vision.model.``."""
    names = resnet_names(vision.model.config)  # type: ignore[union-attr, arg-type]
    return {prefix + public: f"{_CLIP}.{ours}" for public, ours in names.items()}
