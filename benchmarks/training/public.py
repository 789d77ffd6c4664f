"""The public code of five methods, read from a folder and made to run beside today's libraries.

Nothing of it is kept here. The folder holds ``UMT`` (jefferyYu/UMT), ``HVPNeT`` (zjunlp/HVPNeT),
``MKGformer`` (zjunlp/MKGformer), ``MORE`` (NJUNLP/MORE) and ``CAMIM`` (zefanZhang-cn/CAMIM); one
that is absent is not compared. What has gone from the
libraries since is put back while the modules are imported: names that nothing on the way calls are
empty, the rest does what it did.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, CLIPVisionConfig

__all__ = ["camim", "hvpnet", "mkgformer", "moreformer", "umt"]

#: pieces that every text is padded to, in all three
LENGTH = 128
_ABSENT = object()


def _package(name: str, folder: Path) -> None:
    """A package under a name of our own: two of the repositories call theirs ``models``."""
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    made = types.ModuleType(name)
    made.__path__ = [str(folder)]
    sys.modules[name] = made


@contextlib.contextmanager
def _stubs(**modules: dict[str, Any]) -> Iterator[None]:
    """Modules with these names in them while the block runs; afterwards all is as it was."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    before = {name: sys.modules.get(name) for name in modules}
    kept: list[tuple[types.ModuleType, str, Any]] = []
    for name, names in modules.items():
        module = before[name]
        if module is None:
            module = sys.modules[name] = types.ModuleType(name)
        for key, value in names.items():
            kept.append((module, key, getattr(module, key, _ABSENT)))
            setattr(module, key, value)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
        for module, key, value in kept:
            if value is _ABSENT:
                delattr(module, key)
            else:
                setattr(module, key, value)


def _undecorated(*_: Any, **__: Any) -> Any:
    """In the place of decorators that only write docstrings."""
    return lambda function: function


def _unused(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("not needed to train or to predict")


def umt(folder: Path, bert: BertConfig, tags: int, span_tags: int) -> SimpleNamespace:
    """``model`` (UMT's tagger), ``encoder`` (its ResNet-152), ``adam`` (its optimiser's class)."""
    _package("public_umt", folder / "UMT" / "my_bert")
    _package("public_umt_resnet", folder / "UMT" / "resnet")
    # Their loader of files asks a cloud store; weights are handed over in memory here.
    clouds = {"boto3": {}, "botocore": {}, "botocore.exceptions": {"ClientError": OSError}}
    with _stubs(**clouds), contextlib.redirect_stderr(io.StringIO()):
        modeling = importlib.import_module("public_umt.mner_modeling")
        optimisation = importlib.import_module("public_umt.optimization")
    resnet = importlib.import_module("public_umt_resnet.resnet")
    utils = importlib.import_module("public_umt_resnet.resnet_utils")
    config = modeling.BertConfig(bert.vocab_size, hidden_size=bert.hidden_size)
    model = modeling.MTCCMBertForMMTokenClassificationCRF(
        config, num_labels=tags, auxnum_labels=span_tags
    )
    encoder = utils.myResnet(resnet.resnet152(), False, torch.device("cpu"))
    return SimpleNamespace(model=model, encoder=encoder, adam=optimisation.BertAdam)


def hvpnet(folder: Path, bert: BertConfig, tags: int) -> Any:
    """HVPNeT's tagger; torchvision's ResNet-50 is that of UMT's copy of torchvision's code."""
    _package("public_hvpnet", folder / "HVPNeT" / "models")
    from transformers import pytorch_utils

    gone = {
        "apply_chunking_to_forward": pytorch_utils.apply_chunking_to_forward,
        "prune_linear_layer": pytorch_utils.prune_linear_layer,
        "find_pruneable_heads_and_indices": _unused,
    }
    written = dict.fromkeys(
        ("add_code_sample_docstrings", "replace_return_docstrings"), _undecorated
    )
    networks = {"torchvision": {}, "torchvision.models": {"resnet50": _resnet50(folder)}}
    late = {"transformers.modeling_utils": gone, "transformers.file_utils": written}
    with _stubs(**late, **networks):
        modeling = importlib.import_module("public_hvpnet.modeling_bert")
        public = importlib.import_module("public_hvpnet.bert_model")
    encoder = modeling.BertModel
    encoder.init_weights = lambda own: own.apply(own._init_weights)
    encoder.get_head_mask = lambda _, __, count: [None] * count
    encoder.get_extended_attention_mask = lambda _, mask, *__: _hidden(mask)
    # The weights come from the twin; a configuration stands for the name of a folder.
    public.BertModel = SimpleNamespace(from_pretrained=encoder)
    plain = BertConfig(**{**bert.to_dict(), "attn_implementation": "eager"})
    settings = SimpleNamespace(
        bert_name=plain, use_prompt=True, prompt_len=4, prompt_dim=800, device="cpu"
    )
    with contextlib.redirect_stdout(io.StringIO()):
        return public.HMNeTNERModel(range(tags), settings)


def _resnet50(folder: Path) -> Any:
    _package("public_umt_resnet", folder / "UMT" / "resnet")
    resnet = importlib.import_module("public_umt_resnet.resnet")
    return lambda pretrained=False: resnet.resnet50()


def _hidden(mask: Tensor) -> Tensor:
    """1/0 [B, T] -> what is added to the scores, [B, 1, 1, T]."""
    return (1.0 - mask[:, None, None, :].float()) * -10000.0


def mkgformer(folder: Path, bert: BertConfig, clip: CLIPVisionConfig, tags: int) -> nn.Module:
    """MKGformer's tagger."""
    _package("public_mkgformer", folder / "MKGformer" / "MNER" / "models")
    from transformers import pytorch_utils

    gone = {"apply_chunking_to_forward": pytorch_utils.apply_chunking_to_forward}
    with _stubs(**{"transformers.modeling_utils": gone}):
        public = importlib.import_module("public_mkgformer.unimo_model")
    with contextlib.redirect_stdout(io.StringIO()):
        # It counts the padding label itself.
        model: nn.Module = public.UnimoCRFModel(range(tags - 1), None, clip, bert)
    return model


def moreformer(
    folder: Path, bert: BertConfig, clip: CLIPVisionConfig, labels: int, markers: dict[str, int]
) -> nn.Module:
    """MOREformer's classifier; ``markers`` are the ids of its special tokens."""
    _package("public_more", folder / "MORE" / "models")
    from transformers import pytorch_utils

    gone = {"apply_chunking_to_forward": pytorch_utils.apply_chunking_to_forward}
    written = dict.fromkeys(
        (
            "add_start_docstrings",
            "add_start_docstrings_to_model_forward",
            "replace_return_docstrings",
        ),
        _undecorated,
    )
    late = {"transformers.modeling_utils": gone, "transformers.file_utils": written}
    with _stubs(**late):
        public = importlib.import_module("public_more.unimo_model")
        layers = importlib.import_module("public_more.modeling_clip")
    # Configurations stand for names of folders: the weights come from the twin.
    vision = layers.CLIPVisionTransformer(clip)
    public.CLIPModel = SimpleNamespace(
        from_pretrained=lambda *_, **__: SimpleNamespace(vision_model=vision)
    )
    public.CLIPConfig = SimpleNamespace(
        from_pretrained=lambda own: SimpleNamespace(vision_config=own)
    )
    public.BertConfig = SimpleNamespace(from_pretrained=lambda own: own)
    public.BertModel = SimpleNamespace(from_pretrained=BertModel)
    words = _Words(bert.vocab_size, markers)
    settings = SimpleNamespace(vit_name=clip, bert_name=bert, device="cpu", use_cap=True)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: nn.Module = public.UnimoREModel(labels, words, settings)
    return model


class _Words:
    """As much of a tokenizer as a model asks for."""

    def __init__(self, size: int, markers: dict[str, int]) -> None:
        self._size, self._markers = size, markers

    def __len__(self) -> int:
        return self._size

    def convert_tokens_to_ids(self, token: str) -> int:
        """Of a marker."""
        return self._markers[token]


def camim(folder: Path, bert: BertConfig, labels: int, length: int) -> nn.Module:
    """CAMIM's classifier; ResNet-50 is that of UMT's copy of torchvision's code."""
    place = (
        folder / "CAMIM" / "CAMIM" if (folder / "CAMIM" / "CAMIM").is_dir() else folder / "CAMIM"
    )
    _package("public_camim", place / "opennre" / "encoder")
    _package("public_camim_model", place / "opennre" / "model")
    from transformers import pytorch_utils

    resnet = _resnet50(folder)

    class Grid(nn.Module):
        """A ResNet that answers with its last map, as timm's does."""

        def __init__(self) -> None:
            super().__init__()
            made = resnet()
            for name, part in made.named_children():
                if name not in ("avgpool", "fc"):
                    self.add_module(name, part)

        def forward_features(self, pixels: Tensor) -> Tensor:
            """[B, 3, side, side] -> [B, 2048, rows, columns]."""
            for part in self.children():
                pixels = part(pixels)
            return pixels

    gone = {
        "apply_chunking_to_forward": pytorch_utils.apply_chunking_to_forward,
        "prune_linear_layer": pytorch_utils.prune_linear_layer,
        "find_pruneable_heads_and_indices": _unused,
    }
    written = dict.fromkeys(
        (
            "add_code_sample_docstrings",
            "add_start_docstrings",
            "add_start_docstrings_to_model_forward",
            "replace_return_docstrings",
        ),
        _undecorated,
    )
    networks = dict.fromkeys(("resnet50", "resnet101", "resnet152"), resnet)
    late: dict[str, dict[str, Any]] = {
        "transformers.modeling_utils": gone,
        "transformers.file_utils": written,
        "torchvision": {},
        "torchvision.models": networks,
        "timm": {"create_model": lambda *_, **__: Grid()},
    }
    with _stubs(**late):
        modeling = importlib.import_module("public_camim.modeling_bert")
        public = importlib.import_module("public_camim.bert_encoder")
        softmax = importlib.import_module("public_camim_model.softmax_nn")
        public.timm = SimpleNamespace(create_model=lambda *_, **__: Grid())
    encoder = modeling.BertModel
    encoder.init_weights = lambda own: own.apply(own._init_weights)
    encoder.get_head_mask = lambda _, __, count: [None] * count
    encoder.get_extended_attention_mask = lambda _, mask, *__: _hidden(mask)
    plain = BertConfig(**{**bert.to_dict(), "attn_implementation": "eager"})
    public.BertModel = SimpleNamespace(from_pretrained=lambda _: encoder(plain))
    public.transformers = SimpleNamespace(
        BertModel=SimpleNamespace(from_pretrained=lambda _: BertModel(bert))
    )
    public.BertTokenizer = SimpleNamespace(from_pretrained=lambda _: None)
    network = public.CAMIM(length, "")
    found: nn.Module = softmax.SoftmaxNN(network, labels, {str(n): n for n in range(labels)})
    return found
