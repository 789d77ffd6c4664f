"""UMT against the public code's numbers on a tiny configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from safetensors.torch import load_file  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402

from magpie.backbones import TextEncoder  # noqa: E402
from magpie.backbones.tiny import tiny_tokenizer  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.umt import Umt, UmtConfig  # noqa: E402

from ..public_names import umt_name  # noqa: E402

pytestmark = pytest.mark.parity

#: stored activation -> (our module, whether its input is meant)
ACTIVATIONS = {
    "act.bert_last": ("dropout", True),
    "act.esd_self_layer": ("self_spans", False),
    "act.text_self_layer": ("self_text", False),
    "act.image_map_word_side": ("image_as_keys", False),
    "act.image_map_image_side": ("image_as_queries", False),
    "act.word_aware_visual": ("words_ask_image", False),
    "act.image_tokens_after_text": ("image_asks_words", False),
    "act.image_aware_word": ("words_ask_coupled", False),
    "act.gate_preactivation": ("gate", False),
    "act.fused": ("classifier", True),
}
SCORES = {
    "scores.aux": "spans",
    "scores.converted_aux": "converted",
    "scores.main": "main",
    "scores.final": "emissions",
}


class Stored:
    """The folder's manifest and tensors, our method with its weights, and its batch."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        self.inputs, self.outputs = (
            load_file(folder / f"{name}.safetensors") for name in ("inputs", "outputs")
        )
        self.sizes: dict[str, Any] = self.manifest["config"]
        self.method = self._method(load_file(folder / "weights.safetensors"))

    def _method(self, weights: dict[str, Tensor]) -> Umt:
        c = self.sizes
        assert c["activation"] == "gelu (erf)"
        bert = BertConfig(
            vocab_size=c["vocab"],
            hidden_size=c["hidden"],
            num_hidden_layers=c["bert_layers"],
            num_attention_heads=c["heads"],
            intermediate_size=c["ffn"],
            max_position_embeddings=c["max_positions"],
            layer_norm_eps=c["layer_norm_eps"],
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        cells = round(c["image_cells"] ** 0.5)
        assert cells**2 == c["image_cells"]
        config = UmtConfig(
            max_length=c["padded_length"],
            dropout=0.0,
            alpha=c["alpha"],
            beta=c["beta"],
            grid_width=c["image_channels"],
            cells=cells,
            layers_words_to_image=c["layers_word_to_image"],
            layers_image_to_words=c["layers_image_to_word"],
            layers_words_to_coupled=c["layers_word_to_coupled"],
            drop_image=0.0,
            missing="zeros",
        )
        labels = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
        method = Umt(config, labels, TextEncoder(BertModel(bert), tiny_tokenizer(), "stored"))
        assert len(method.tag_names) == c["main_tags"]
        assert len(method.span_names) == c["aux_tags"]
        # A load that leaves neither a public nor one of our parameters over.
        method.load_state_dict({umt_name(name): value for name, value in weights.items()})
        return method.eval()

    def batch(self) -> Batch:
        i = self.inputs
        assert not i["segment_ids"].any(), "segments are always 0 in this method"
        images = i["visual_embeds_att"]
        return Batch(
            [],
            {
                "input_ids": i["input_ids"],
                "attention_mask": i["input_mask"],
                "image": images,
                "has_image": torch.ones(len(images), dtype=torch.bool),
            },
            {"tags": i["labels"]},
        )


@pytest.fixture(scope="module")
def stored(parity_dir: Path) -> Stored:
    return Stored(parity_dir / "umt")


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest value of the stored tensor."""
    assert ours.shape == theirs.shape
    return float((ours.detach() - theirs).abs().max() / theirs.abs().max())


def shown(group: str, values: dict[str, float]) -> None:
    """With MAGPIE_PARITY_REPORT set, the figures that the method's page quotes."""
    if os.environ.get("MAGPIE_PARITY_REPORT"):
        print(f"\numt {group}: " + ", ".join(f"{k} {v:.1e}" for k, v in values.items()))


def test_the_matrix_the_span_targets_and_the_tags(stored: Stored) -> None:
    assert torch.equal(stored.method.conversion, stored.inputs["trans_matrix"].float())
    mask = stored.inputs["input_mask"].bool()
    ours = stored.method.span_targets(stored.inputs["labels"])
    assert torch.equal(ours[mask], stored.inputs["auxlabels"][mask])


def test_activations_and_scores(stored: Stored) -> None:
    seen: dict[str, Tensor] = {}
    hooks = []
    for name, (module, of_input) in ACTIVATIONS.items():

        def keep(_: Any, given: Any, found: Any, name: str = name, inp: bool = of_input) -> None:
            seen[name] = given[0] if inp else found

        hooks.append(stored.method.get_submodule(module).register_forward_hook(keep))
    with torch.no_grad():
        output = stored.method(stored.batch())
    for hook in hooks:
        hook.remove()
    seen |= {name: output.scores[ours] for name, ours in SCORES.items()}
    wanted = {n for n in stored.outputs if n.startswith(("act.", "scores."))}
    assert wanted == set(seen)
    differences = {name: relative(seen[name], stored.outputs[name]) for name in sorted(wanted)}
    shown("activations and scores", differences)
    assert max(differences.values()) < 2e-5, differences


def test_losses_and_paths(stored: Stored) -> None:
    with torch.no_grad():
        output = stored.method(stored.batch())
    beta = stored.sizes["beta"]
    ours = {
        "loss.main": output.losses["main"],
        "loss.aux": output.losses["spans"] / beta,
        "loss.total": output.loss,
    }
    assert set(ours) == {n for n in stored.outputs if n.startswith("loss.")}
    differences = {n: relative(value, stored.outputs[n]) for n, value in ours.items()}
    shown("losses", differences)
    assert max(differences.values()) < 1e-5, differences
    paths = stored.method.crf.decode(output.scores["emissions"], stored.inputs["input_mask"])
    theirs = [[tag for tag in row if tag >= 0] for row in stored.outputs["decoded"].tolist()]
    assert paths == theirs
    assert [len(path) for path in paths] == stored.sizes["lengths"]


def test_gradients_of_the_training_mode(stored: Stored) -> None:
    method = stored.method
    method.train()
    try:
        method.zero_grad(set_to_none=True)
        loss = method(stored.batch()).loss
        loss.backward()
        parameters = dict(method.named_parameters())
        differences: dict[str, float] = {}
        for name, value in stored.outputs.items():
            if name == "train.loss":
                assert relative(loss, value) < 1e-5
                differences[name] = relative(loss, value)
            elif name.startswith("train.grad_norm."):
                public = name.removeprefix("train.grad_norm.")
                norm = parameters[umt_name(public)].grad.norm()  # type: ignore[union-attr]
                differences[name] = relative(norm, value)
            elif name.startswith("train.grad."):
                public = name.removeprefix("train.grad.")
                differences[name] = relative(parameters[umt_name(public)].grad, value)
    finally:
        method.eval()
    shown("gradients", differences)
    assert len(differences) == sum(n.startswith("train.") for n in stored.outputs)
    assert max(differences.values()) < 1e-4, differences


def test_a_leftover_name_is_an_error() -> None:
    for unknown in ("pooler.weight", "self_attention.layer.1.output.dense.weight"):
        with pytest.raises(AssertionError):
            umt_name(unknown)
