"""FocalMRE against the public code's numbers on a tiny configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402
from transformers import CLIPVisionConfig, CLIPVisionModel  # noqa: E402

from magpie.backbones import VisionEncoder  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.focal_mre import FocalMre, FocalMreConfig  # noqa: E402
from magpie.nn.focal_attention import FocalFusion, slot_shares  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from ..stored import Folder, bert, norms_and_gradients, shown  # noqa: E402

pytestmark = pytest.mark.parity

#: public name -> ours; None is never used
NAMES: dict[str, str | None] = {
    r"model\.text_model\.pooler\..+": None,
    r"model\.vision_model\.vision_model\.post_layernorm\..+": None,
    r"model\.(?:v_projection|t_projection|gate_out1?|gate_out2|gate_final)\..+": None,
    r".+\.position_ids": None,
    r"model\.text_model\.(.+)": r"backbones.text.model.\1",
    r"model\.vision_model\.vision_model\.(.+)": r"backbones.vision.model.\1",
    r"model\.selective_attns\.(\d+)\.q_proj\.(.+)": r"fusion.attentions.\1.query.\2",
    r"model\.selective_attns\.(\d+)\.k_proj\.(.+)": r"fusion.attentions.\1.key.\2",
    r"model\.selective_attns\.(\d+)\.v_proj\.(.+)": r"fusion.attentions.\1.value.\2",
    r"model\.selective_attns\.(\d+)\.proj\.(.+)": r"fusion.attentions.\1.out.\2",
    r"model\.gate_denses\.(\d+)\.(.+)": r"fusion.gates.\1.linear.\2",
    r"model\.weights1": "fusion.weights.0",
    r"model\.weights2": "fusion.weights.1",
    r"classifier\.(.+)": r"classifier.\1",
}


def our_name(public: str) -> str | None:
    """Where a public weight goes; None for those that nothing reads."""
    for pattern, ours in NAMES.items():
        if match := re.fullmatch(pattern, public):
            return None if ours is None else match.expand(ours)
    raise AssertionError(f"no place for {public}")


class Stored:
    """The folder, our method with its weights, and its batch."""

    def __init__(self, folder: Folder, **options: Any) -> None:
        self.folder, c = folder, folder.config
        sizes = c["vision"]
        clip = CLIPVisionConfig(
            hidden_size=sizes["hidden"],
            num_hidden_layers=sizes["layers"],
            num_attention_heads=sizes["heads"],
            intermediate_size=sizes["intermediate"],
            patch_size=sizes["patch"],
            image_size=sizes["image"],
            hidden_act=sizes["activation"],
            layer_norm_eps=sizes["layer_norm_eps"],
        )
        vision = VisionEncoder(CLIPVisionModel(clip), "stored", PixelSpec(side=sizes["image"]))
        text = bert({**c["text"], "ffn": c["text"]["intermediate"]})
        # The stored embedding has the markers' rows already, wherever they are.
        text.transformer.resize_token_embeddings(len(text.tokenizer) + 4, mean_resizing=False)
        config = FocalMreConfig(
            grounded_count=c["aux_num"],
            detector_count=c["rcnn_num"],
            slot_norm=c["slot_norm"],
            dropout=0.0,
            **options,
        )
        labels = LabelSpace(relation_types=tuple(f"r{n}" for n in range(c["labels"])))
        self.method = FocalMre(config, labels, text, vision)
        text.transformer.resize_token_embeddings(c["text"]["vocab"], mean_resizing=False)
        assert c["attention_heads"] == 1
        assert c["attention_scale"] == "width ** -0.5"
        self.names = {
            public: ours for public in folder.weights if (ours := our_name(public)) is not None
        }
        state = {ours: folder.weights[public] for public, ours in self.names.items()}
        own = self.method.state_dict()
        for name in ("fusion.weights.0", "fusion.weights.1"):
            state[name] = state[name].flatten()
        # What the encoders have beside: pooler and last norm, which neither code reads.
        unread = {n: v for n, v in own.items() if ".pooler." in n or ".post_layernorm." in n}
        self.method.load_state_dict({**unread, **state})
        assert set(own) == set(state) | set(unread)
        self.method.eval()

    def batch(self) -> Batch:
        i, marks = self.folder.inputs, self.folder.config["marker_ids"]
        assert not i["token_type_ids"].any(), "segments are always 0 in this method"
        there = i["slot_mask"].bool()
        frames = i["box_imgs"]
        # An empty slot is a picture of zeros.
        assert torch.equal(frames.flatten(2).any(2), there)
        inputs = {
            "input_ids": i["input_ids"],
            "attention_mask": i["attention_mask"],
            "ends": torch.stack(
                [(i["input_ids"] == marks[m]).int().argmax(1) for m in ("<s>", "<o>")], 1
            ),
            "frames": frames[there],
            "there": there,
            "owner": torch.arange(len(frames)),
        }
        return Batch([], inputs, {"relations": i["labels"]})

    def seen(self) -> dict[str, Tensor]:
        """Our numbers by their stored names; slots 0, 3 and 6 where the folder holds them."""
        method, batch = self.method, self.batch()
        i = batch.inputs
        with torch.no_grad():
            output = method(batch)
            states = method.text(i["input_ids"], i["attention_mask"])
            views, there, mask = method.seen(batch)
            fused = method.fusion(states, views, there, mask)
        assert mask is None
        found = {
            "loss": output.loss,
            "logits": output.scores["logits"],
            "prediction": output.scores["logits"].argmax(1),
            "text_states": states,
            "vision_states": views,
            "H_vg": fused[0],
            "H_od": fused[1],
        }
        pair = [method.pair_states(h, batch) for h in fused]
        found["pair_vector"] = torch.cat(pair, 1)
        for number in range(views.shape[1]):
            attention: Any = method.fusion.attentions[number]
            gate: Any = method.fusion.gates[number]
            with torch.no_grad():
                attended = attention(states, views[:, number])
                found[f"slot{number}.attended"] = attended
                found[f"slot{number}.attention"] = attention.weights(states, views[:, number])
                found[f"slot{number}.gate"] = gate.gate(attended, states)
        return found


@pytest.fixture(scope="module")
def folder(parity_dir: Path) -> Folder:
    return Folder(parity_dir / "focal-mre")


def differences(found: dict[str, Tensor], numbers: dict[str, Tensor]) -> dict[str, float]:
    names = [n for n in numbers if not n.startswith(("grad_", "prediction"))]
    for name in names:
        assert found[name].shape == numbers[name].shape, name
    return {n: float((found[n] - numbers[n]).abs().max()) for n in names}


@pytest.mark.parametrize("masked", [False, True])
def test_every_stored_number(folder: Folder, masked: bool) -> None:
    numbers = folder.fixed if masked else folder.outputs
    found = Stored(folder, legacy_no_mask=not masked).seen()
    apart = differences(found, numbers)
    assert len(apart) == len(folder.manifest["fixed_shapes" if masked else "output_shapes"]) - sum(
        n.startswith(("grad_", "prediction")) for n in numbers
    )
    shown(f"focal-mre {'masked' if masked else 'public'}", apart)
    assert max(apart.values()) < folder.manifest["tolerance"]["abs"], apart
    assert torch.equal(found["prediction"], numbers["prediction"])


def test_gradients_with_every_dropout_at_zero(folder: Folder) -> None:
    stored = Stored(folder, legacy_no_mask=True)
    method = stored.method.train()
    method(stored.batch()).loss.backward()
    apart = norms_and_gradients(folder.outputs, "", method, stored.names)
    assert len(apart) == sum(n.startswith("grad_norm.") for n in folder.outputs)
    shown("focal-mre gradients", apart)
    assert max(apart.values()) < folder.manifest["tolerance"]["grad_norm_rel"], apart
    # All that has no gradient is what we read nowhere, and did not make.
    without = {n for n, p in method.named_parameters() if p.grad is None}
    assert all(".pooler." in n or ".post_layernorm." in n for n in without)
    unused = [n for n in folder.weights if our_name(n) is None and "position_ids" not in n]
    assert len(unused) == int(folder.outputs["grad_none.count"])


def test_empty_slots_make_the_difference(folder: Folder) -> None:
    public, masked = (Stored(folder, legacy_no_mask=legacy).seen() for legacy in (True, False))
    there = folder.inputs["slot_mask"].bool()
    first = folder.config["aux_num"]
    for name, part in (("H_vg", there[:, :first]), ("H_od", there[:, first:])):
        for row, full in enumerate(part.all(1).tolist()):
            gap = float((public[name][row] - masked[name][row]).abs().max())
            assert gap < 1e-6 if full else gap > 1e-2


def test_stored_slot_weights_are_used_as_they_are(folder: Folder) -> None:
    fusion: FocalFusion = Stored(folder).method.fusion
    for weights in fusion.weights:
        everywhere = torch.ones(1, len(weights), dtype=torch.bool)
        assert torch.equal(slot_shares(weights, everywhere)[0], weights)
        assert not torch.allclose(weights, torch.ones_like(weights))


def test_a_leftover_name_is_an_error() -> None:
    for unknown in ("model.other", "model.selective_attns.0.r_proj.weight", "fc.weight"):
        with pytest.raises(AssertionError):
            our_name(unknown)
