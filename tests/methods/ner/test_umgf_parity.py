"""UMGF against the public code's numbers on a tiny configuration."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor, nn  # noqa: E402

from magpie.backbones.torchvision_names import resnet_from_torchvision  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.umgf import Umgf, UmgfConfig  # noqa: E402

from ..public_names import resnet_map  # noqa: E402
from ..stored import Folder, bert, norms_and_gradients, relative, shown  # noqa: E402

pytestmark = pytest.mark.parity

#: public module (its list index is the fusion layer) -> ours
LAYER = {
    "mhatt_x": "attention_text",
    "mhatt_o": "attention_objects",
    "mhatt_x2o": "gate_for_words",
    "mhatt_o2x": "gate_for_objects",
    "ffn_x": "ffn_text",
    "ffn_o": "ffn_objects",
    "res4mes_x": "norm_attention_text",
    "res4mes_o": "norm_attention_objects",
    "xgate": "norm_gate_text",
    "ogate": "norm_gate_objects",
    "res4ffn_x": "norm_ffn_text",
    "res4ffn_o": "norm_ffn_objects",
}
PART = {
    "linears.0": "query",
    "linears.1": "key",
    "linears.2": "value",
    "linears.3": "output",
    "w_1": "inner",
    "w_2": "outer",
    "norm": "norm",
}
PLAIN = {
    "crf.start_transitions": "crf.start",
    "crf.end_transitions": "crf.end",
    "crf.transitions": "crf.transitions",
}
PREFIX = {
    "bert.": "backbones.text.model.",
    "hidden2tag.": "head.",
    "trans_txt.": "map_text.",
    "trans_obj.": "map_objects.",
    "resnet.fc.": "object_vector.",
}


def our_names(weights: dict[str, Tensor], vision: nn.Module) -> dict[str, str]:
    """Public name -> ours; a name without a place is an error."""
    convolutions = resnet_map(vision, "resnet.")
    found = {}
    for name in weights:
        prefix = next((p for p in PREFIX if name.startswith(p)), None)
        if prefix is not None:
            found[name] = PREFIX[prefix] + name.removeprefix(prefix)
        elif name in PLAIN:
            found[name] = PLAIN[name]
        elif name in convolutions:
            found[name] = convolutions[name]
        else:
            match = re.fullmatch(r"(\w+)\.(\d+)\.(?:(.+)\.)?(weight|bias)", name)
            assert match, name
            inner = [PART[match[3]]] if match[3] else []
            found[name] = ".".join(["fusion", match[2], LAYER[match[1]], *inner, match[4]])
    return found


class Stored:
    """The folder, our method with its weights, and its batches."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        c = folder.config
        vision = resnet_from_torchvision(
            folder.weights, prefix="resnet.", side=c["resnet"]["image_side"]
        )
        config = UmgfConfig(
            max_length=c["padded_length"],
            dropout=0.0,
            object_count=c["objects"],
            object_width=c["object_vector"],
            width=c["d_model"],
            heads=c["heads"],
            inner=c["ffn_hidden"],
            layers=c["layers"],
        )
        labels = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
        self.method = Umgf(config, labels, bert(c["bert"]), vision)
        assert len(self.method.tag_names) == c["tags"]
        assert self.method.fusion[0].norm_ffn_text.norm.eps == c["layer_norm_eps_fusion"]
        self.names = our_names(folder.weights, vision)
        # A load that leaves neither a public nor one of our parameters over.
        self.method.load_state_dict({self.names[n]: v for n, v in folder.weights.items()})
        self.method.eval()

    def batch(self, edges: str = "inter_matrix", rows: slice = slice(None)) -> Batch:
        i, count = self.folder.inputs, self.folder.config["objects"]
        assert not i["token_type_ids"].any(), "segments are always 0 in this method"
        objects = i["b_img"].unflatten(0, (-1, count))[rows]
        return Batch(
            [],
            {
                "input_ids": i["input_ids"][rows],
                "attention_mask": i["attention_mask"][rows].long(),
                "objects": objects,
                "there": torch.ones(objects.shape[:2], dtype=torch.bool),
                "edges": i[edges][rows].bool(),
            },
            {"tags": i["tags"][rows]},
        )

    def paths(self, emissions: Tensor) -> Tensor:
        """Best paths, -1 on padding."""
        mask = self.folder.inputs["attention_mask"].bool()
        found = torch.full(mask.shape, -1)
        for row, path in enumerate(self.method.crf.decode(emissions, mask)):
            found[row, : len(path)] = torch.tensor(path)
        return found


@pytest.fixture(scope="module")
def stored(parity_dir: Path) -> Stored:
    return Stored(Folder(parity_dir / "umgf"))


def run(stored: Stored, edges: str) -> tuple[dict[str, Tensor], Any]:
    """Every stored activation of a pass, and its output."""
    seen: dict[str, Tensor] = {}
    method, last = stored.method, len(stored.method.fusion) - 1
    first = method.fusion[0]

    def keep(module: nn.Module, name: str, which: Any = None) -> Any:
        def hook(_: Any, given: Any, found: Any) -> None:
            seen[name] = found if which is None else which(given, found)

        return module.register_forward_hook(hook)

    hooks = [
        keep(method.backbones["text"], "act.bert_last"),
        keep(method.object_vector, "act.resnet_out"),
        keep(method.map_objects, "act.objects_in"),
        keep(method.map_text, "act.text_in"),
        keep(first.norm_attention_text, "act.layer0.text_after_self"),
        keep(first.attention_objects, "act.layer0.objects_attention"),
        keep(first.norm_attention_objects, "act.layer0.objects_after_self"),
        keep(first.gate_for_words, "act.layer0.gate_preact_word"),
        keep(first.norm_gate_text, "act.layer0.text_after_gate"),
        keep(first.norm_gate_text, "act.layer0.m", lambda given, _: given[1]),
        keep(first.norm_gate_objects, "act.layer0.objects_after_gate"),
        keep(first.norm_gate_objects, "act.layer0.n", lambda given, _: given[1]),
        keep(method.fusion[last], "act.last.text", lambda _, found: found[0]),
        keep(method.fusion[last], "act.last.objects", lambda _, found: found[1]),
    ]
    with torch.no_grad():
        output = method(stored.batch(edges))
    for hook in hooks:
        hook.remove()
    seen["scores.emissions"] = output.scores["emissions"]
    return seen, output


@pytest.mark.parametrize(("edges", "prefix"), [("", ""), ("_sparse", "sparse.")])
def test_activations_scores_losses_and_paths(stored: Stored, edges: str, prefix: str) -> None:
    seen, output = run(stored, f"inter_matrix{edges}")
    theirs = {
        name.removeprefix(prefix): value
        for name, value in stored.folder.outputs.items()
        if name.startswith(prefix)
        and not name.startswith("train.")
        and (prefix or not name.startswith("sparse."))
    }
    values = {
        n: relative(seen[n], v) for n, v in theirs.items() if n.startswith(("act.", "scores."))
    }
    assert set(seen) == set(values) or prefix
    shown(f"umgf {prefix}activations and scores", values)
    assert max(values.values()) < 2e-5, values
    losses = {"loss.sum": relative(output.loss, theirs["loss.sum"])}
    if not prefix:
        rows = torch.stack(
            [
                stored.method(stored.batch(rows=slice(row, row + 1))).loss
                for row in range(len(theirs["loss.per_sentence"]))
            ]
        )
        losses["loss.per_sentence"] = relative(rows, theirs["loss.per_sentence"])
        # Spec: the loss of a batch is the sum of the losses of its sentences.
        assert relative(rows.sum(), theirs["loss.sum"]) < 1e-5
    shown(f"umgf {prefix}losses", losses)
    assert max(losses.values()) < 1e-5, losses
    assert torch.equal(stored.paths(output.scores["emissions"]), theirs["decoded"])
    checked = {*values, *losses, "decoded"}
    assert checked == set(theirs), set(theirs) - checked


@pytest.mark.parametrize(("prefix", "batch_norm"), [("bn_eval", "running"), ("bn_batch", "batch")])
def test_losses_and_gradients_while_training(stored: Stored, prefix: str, batch_norm: str) -> None:
    method, before = stored.method, stored.method.config
    state = {name: value.clone() for name, value in method.state_dict().items()}
    method.config = dataclasses.replace(before, batch_norm=batch_norm)  # type: ignore[arg-type]
    try:
        method.train()
        method.zero_grad(set_to_none=True)
        loss = method(stored.batch()).loss
        loss.backward()
        mine = f"train.{prefix}."
        values = norms_and_gradients(stored.folder.outputs, mine, method, stored.names)
        assert relative(loss, stored.folder.outputs[f"{mine}loss"]) < 1e-5
        shown(f"umgf {mine} loss", {"loss": relative(loss, stored.folder.outputs[f"{mine}loss"])})
        # Batch statistics, and only they, move the averages of the batch norms.
        moved = any(
            not torch.equal(value, state[name])
            for name, value in method.state_dict().items()
            if "running_" in name
        )
        assert moved == (batch_norm == "batch")
    finally:
        method.config = before
        method.load_state_dict(state)
        method.eval()
    shown(f"umgf {mine} gradients", values)
    assert len(values) + 1 == sum(n.startswith(mine) for n in stored.folder.outputs)
    assert max(values.values()) < 1e-4, values


def test_a_leftover_name_is_an_error(stored: Stored) -> None:
    for unknown in ("pooler.0.weight", "mhatt_x.0.linears.4.weight", "extra.weight"):
        with pytest.raises((AssertionError, KeyError)):
            our_names({unknown: torch.zeros(1)}, stored.method.vision)
