"""Both heads of MKGformer against the public code's numbers on a tiny configuration."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from safetensors.torch import load_file  # noqa: E402
from tokenizers import Tokenizer, models  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
)

from magpie.backbones import TextEncoder, VisionEncoder  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.mkgformer import Mkgformer, MkgformerConfig  # noqa: E402
from magpie.methods.relation.mkgformer_re import MkgformerRe, MkgformerReConfig  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from .public_names import mkgformer_name  # noqa: E402

pytestmark = pytest.mark.parity


def small_tokenizer() -> PreTrainedTokenizerFast:
    """Of so few pieces that the four markers fit into any stored vocabulary."""
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    made = Tokenizer(models.WordLevel({t: n for n, t in enumerate(special.values())}, "[UNK]"))
    names = {f"{name}_token": token for name, token in special.items()}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


class Stored:
    """The folder's manifest and tensors, our method with its weights, and its batch."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.relation = folder.name.endswith("-re")
        self.manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        self.sizes: dict[str, Any] = self.manifest["config"]
        self.inputs, self.outputs, self.fixed = (
            load_file(folder / f"{name}.safetensors")
            for name in ("inputs", "outputs", "outputs_fixed")
        )
        self.weights = load_file(folder / "weights.safetensors")
        self.method = self._method(mask_text_prefix=False)

    def _encoders(self) -> tuple[TextEncoder, VisionEncoder]:
        text, vision = self.sizes["text"], self.sizes["vision"]
        assert text["activation"] == "gelu (erf)"
        bert = BertConfig(
            vocab_size=text["vocab"],
            hidden_size=text["hidden"],
            num_hidden_layers=text["layers"],
            num_attention_heads=text["heads"],
            intermediate_size=text["ffn"],
            max_position_embeddings=text["max_positions"],
            layer_norm_eps=text["layer_norm_eps"],
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        side = self.inputs["images"].shape[-1]
        clip = CLIPVisionConfig(
            hidden_size=vision["hidden"],
            num_hidden_layers=vision["layers"],
            num_attention_heads=vision["heads"],
            intermediate_size=vision["mlp"],
            patch_size=vision["patch"],
            hidden_act=vision["activation"],
            layer_norm_eps=vision["layer_norm_eps"],
            image_size=side,
        )
        return (
            TextEncoder(BertModel(bert), small_tokenizer(), "stored"),
            VisionEncoder(CLIPVisionModel(clip), "stored", PixelSpec(side=side)),
        )

    def _method(self, **options: Any) -> Mkgformer | MkgformerRe:
        first, last = map(int, self.sizes["fusion_layers"].split(".."))
        depth = self.sizes["text"]["layers"]
        assert last == depth - 1
        crops: dict[str, Any] = {}
        for kind in ("grounded", "detector"):
            found = re.match(r"(\d+) of (\d+)x\2 ", self.sizes[f"{kind}_crops"])
            assert found
            crops |= {f"{kind}_count": int(found[1]), f"{kind}_side": int(found[2])}
        shared = {
            "fusion_layers": depth - first,
            "max_length": self.sizes["padded_length"],
            **crops,
            **options,
        }
        method: Mkgformer | MkgformerRe
        if self.relation:
            kinds = tuple(f"r{n}" for n in range(len(self.weights["classifier.bias"])))
            labels = LabelSpace(relation_types=kinds)
            method = MkgformerRe(MkgformerReConfig(**shared), labels, *self._encoders())
        else:
            labels = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
            method = Mkgformer(MkgformerConfig(dropout=0.0, **shared), labels, *self._encoders())
        named = {}
        for public, value in self.weights.items():
            if public.endswith("position_ids"):
                assert torch.equal(value, torch.arange(value.numel())[None])
            else:
                named[mkgformer_name(public)] = value
        # A load that leaves neither a public nor one of our parameters over.
        method.load_state_dict(named)
        assert method.towers.vision_tokens == self.sizes["vision_tokens"]
        return method.eval()

    def batch(self) -> Batch:
        i = self.inputs
        assert not i["token_type_ids"].any(), "segments are always 0 in this method"
        inputs = {
            "input_ids": i["input_ids"],
            "attention_mask": i["attention_mask"],
            "grounded": i["aux_imgs"],
            "detector": i["rcnn_imgs"],
        }
        if not self.relation:
            return Batch([], inputs, {"tags": i["labels"]})
        marks = re.search(
            r"rows (\d+)\.\.(\d+) are the markers", self.manifest["tensors"]["weights"]
        )
        assert marks
        opening = (int(marks[1]), int(marks[1]) + 2)
        inputs["owner"] = torch.arange(len(i["labels"]))
        inputs["ends"] = torch.stack([(i["input_ids"] == m).int().argmax(1) for m in opening], 1)
        return Batch([], inputs, {"relations": i["labels"]})

    def run(self, mask: bool) -> tuple[dict[str, Tensor], Any]:
        """Activations by their stored names, and the output."""
        seen: dict[str, Tensor] = {}
        method = self.method
        object.__setattr__(method.config, "mask_text_prefix", mask)
        bert, clip = method.text.transformer, method.vision.transformer
        heads = self.sizes["text"]["heads"]
        first = method.towers.lockstep.fusion_start
        hooks = []

        def keep(module: Any, name: str, *, given: bool = False, split: bool = False) -> None:
            def hook(_: Any, arguments: Any, found: Any) -> None:
                value = arguments[0] if given else found
                seen[name] = value.unflatten(2, (heads, -1)).transpose(1, 2) if split else value

            hooks.append(module.register_forward_hook(hook))

        keep(method.towers.crops, "act.vision_tokens")
        keep(clip.pre_layrnorm, "act.vision_in")
        keep(bert.embeddings, "act.text_in")
        keep(method.classifier if self.relation else method.head, "act.head_input", given=True)
        for index, layer in enumerate(bert.encoder.layer):
            keep(layer.attention.self.key, f"act.prefix_key.{index}", split=True)
            keep(layer.attention.self.value, f"act.prefix_value.{index}", split=True)
        for index, fusion in enumerate(method.towers.lockstep.fusions):
            if index >= first:
                keep(fusion, f"act.text_context.{index}", given=True)
                keep(fusion.dense, f"act.fusion.{index}", given=True)
        keep(method.towers, "states")
        with torch.no_grad():
            output = method(self.batch())
        for hook in hooks:
            hook.remove()
        states: Any = seen.pop("states")
        for index in range(len(states.text)):
            seen[f"act.text_layer.{index}"] = states.text[index]
            seen[f"act.vision_layer.{index}"] = states.vision[index]
        main = "logits" if self.relation else "emissions"
        seen[f"scores.{main}"] = output.scores[main]
        return seen, output


@pytest.fixture(scope="module", params=["mkgformer-ner", "mkgformer-re"])
def stored(request: pytest.FixtureRequest, parity_dir: Path) -> Stored:
    return Stored(parity_dir / request.param)


@pytest.fixture(params=["public", "fixed"])
def side(request: pytest.FixtureRequest, stored: Stored) -> tuple[bool, dict[str, Tensor]]:
    """Whether padding is hidden from the picture, and the stored numbers."""
    fixed = request.param == "fixed"
    return fixed, stored.fixed if fixed else stored.outputs


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest value of the stored tensor."""
    assert ours.shape == theirs.shape
    return float((ours.detach() - theirs).abs().max() / theirs.abs().max())


def shown(stored: Stored, fixed: bool, group: str, values: dict[str, float]) -> None:
    """With MAGPIE_PARITY_REPORT set, the figures that the method's page quotes."""
    if os.environ.get("MAGPIE_PARITY_REPORT"):
        where = f"{stored.name} {'fixed' if fixed else 'public'} {group}"
        print(f"\n{where}: max {max(values.values()):.1e} of {len(values)}")


def test_activations_and_scores(stored: Stored, side: tuple[bool, dict[str, Tensor]]) -> None:
    fixed, numbers = side
    seen, _ = stored.run(mask=fixed)
    wanted = {n for n in numbers if n.startswith(("act.", "scores."))}
    assert len(wanted) > 5
    differences = {name: relative(seen[name], numbers[name]) for name in sorted(wanted)}
    for group in ("act.", "scores."):
        shown(stored, fixed, group, {n: v for n, v in differences.items() if n.startswith(group)})
    assert max(differences.values()) < 2e-5, differences


def test_loss_and_answers(stored: Stored, side: tuple[bool, dict[str, Tensor]]) -> None:
    fixed, numbers = side
    seen, output = stored.run(mask=fixed)
    assert {n for n in numbers if n.startswith("loss")} == {"loss"}
    difference = relative(output.loss, numbers["loss"])
    shown(stored, fixed, "loss", {"loss": difference})
    assert difference < 1e-5
    if stored.relation:
        assert torch.equal(seen["scores.logits"].argmax(1), numbers["predicted"])
        return
    paths = stored.method.crf.decode(output.scores["emissions"], stored.inputs["attention_mask"])
    assert paths == [[tag for tag in row if tag >= 0] for row in numbers["decoded"].tolist()]
    assert [len(path) for path in paths] == stored.sizes["lengths"]


def test_gradients_of_the_training_mode(
    stored: Stored, side: tuple[bool, dict[str, Tensor]]
) -> None:
    fixed, numbers = side
    method = stored.method
    object.__setattr__(method.config, "mask_text_prefix", fixed)
    parameters = dict(method.named_parameters())
    differences: dict[str, float] = {}
    method.train()
    try:
        method.zero_grad(set_to_none=True)
        loss = method(stored.batch()).loss
        loss.backward()
    finally:
        method.eval()
    assert relative(loss, numbers["train.loss"]) < 1e-5
    for name, value in numbers.items():
        if name.startswith("train.grad_norm."):
            gradient = parameters[mkgformer_name(name.removeprefix("train.grad_norm."))].grad
            assert gradient is not None, name
            differences[name] = relative(gradient.norm(), value)
        elif name.startswith("train.grad."):
            gradient = parameters[mkgformer_name(name.removeprefix("train.grad."))].grad
            assert gradient is not None, name
            differences[name] = relative(gradient, value)
    shown(stored, fixed, "gradients", differences)
    assert len(differences) == sum(n.startswith("train.grad") for n in numbers)
    assert max(differences.values()) < 1e-4, differences
    # Exactly those that the manifest names receive none.
    without = {name for name, parameter in parameters.items() if parameter.grad is None}
    assert without == {mkgformer_name(n) for n in stored.manifest["parameters_without_gradient"]}


def test_padding_seen_by_the_picture_matters_only_where_there_is_padding(stored: Stored) -> None:
    public, _ = stored.run(mask=False)
    fixed, _ = stored.run(mask=True)
    name = f"act.vision_layer.{stored.sizes['vision']['layers'] - 1}"
    whole = [n == stored.sizes["padded_length"] for n in stored.sizes["lengths"]]
    for row, unpadded in enumerate(whole):
        gap = relative(fixed[name][row], public[name][row])
        assert gap < 1e-5 if unpadded else gap > 1e-4


def test_a_leftover_name_is_an_error() -> None:
    for unknown in ("model.other", "fc2.weight", "model.encoder.other.0.weight"):
        with pytest.raises(AssertionError):
            mkgformer_name(unknown)
