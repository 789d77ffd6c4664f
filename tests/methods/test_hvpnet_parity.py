"""HVPNeT's two heads against the public code's numbers on tiny configurations."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.backbones.torchvision_names import resnet_from_torchvision  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.hvpnet import Hvpnet, HvpnetConfig  # noqa: E402
from magpie.methods.relation.hvpnet_re import HvpnetRe, HvpnetReConfig  # noqa: E402

from .public_names import hvpnet_names  # noqa: E402
from .stored import Folder, bert, norms_and_gradients, relative, shown  # noqa: E402

pytestmark = pytest.mark.parity


class Stored:
    """A folder, our method with its weights, and its batch."""

    def __init__(self, folder: Folder, layout: str = "reshape", visual: bool = True) -> None:
        self.folder, self.relations = folder, "classifier.weight" in folder.weights
        c = folder.config
        crops = folder.inputs["aux_imgs"].shape[1]
        assert c["images"] == f"1 full + {crops} crops"
        assert c["gates"] == c["bert"]["layers"]
        vision = resnet_from_torchvision(
            folder.weights, prefix="image_model.resnet.", side=c["resnet"]["image_side"]
        )
        self.names = hvpnet_names(folder.weights, vision)
        settings: dict[str, Any] = {
            "max_length": max(8, c["padded_length"]),
            "crop_count": crops,
            "slots": c["prefix_slots_per_image"],
            "hidden": c["projection_hidden"],
            "prefix_layout": layout,
            "visual": visual,
            "missing": "zeros",
            "freeze_vision": False,
        }
        text = bert(c["bert"])
        given = vision if visual else None
        self.method: Hvpnet | HvpnetRe
        if self.relations:
            count = folder.weights["classifier.weight"].shape[0]
            labels = LabelSpace(relation_types=tuple(f"r{n}" for n in range(count)))
            # The stored embedding has the markers' rows already, wherever they are.
            text.transformer.resize_token_embeddings(len(text.tokenizer) + 4, mean_resizing=False)
            self.method = HvpnetRe(HvpnetReConfig(**settings), labels, text, given)
            text.transformer.resize_token_embeddings(c["bert"]["vocab"], mean_resizing=False)
        else:
            labels = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
            config = HvpnetConfig(**settings, dropout=0.0)
            self.method = Hvpnet(config, labels, text, given)
            assert len(self.method.tag_names) == folder.weights["fc.bias"].shape[0]
        state = {ours: folder.weights[name] for name, ours in self.names.items()}
        if not visual:
            own = self.method.state_dict()
            gone = {n for n in state if n not in own}
            assert all(n.startswith(("prefix.", "backbones.vision.")) for n in gone)
            state = {n: v for n, v in state.items() if n in own}
        # A load that leaves neither a public nor one of our parameters over.
        self.method.load_state_dict(state)
        self.method.eval()

    def batch(self) -> Batch:
        i = self.folder.inputs
        assert not i["token_type_ids"].any(), "segments are always 0 in this method"
        pictures = torch.cat([i["images"].unsqueeze(1), i["aux_imgs"]], 1)
        # A missing crop is a black one that the public code attends to all the same.
        there = pictures.flatten(2).abs().amax(2) > 0
        assert not there.all(), "the folder has missing crops"
        inputs = {
            "input_ids": i["input_ids"],
            "attention_mask": i["attention_mask"],
            "pictures": pictures,
            "there": there,
        }
        if not self.relations:
            return Batch([], inputs, {"tags": i["labels"]})
        inputs["owner"] = torch.arange(len(pictures))
        inputs["ends"] = self.ends()
        return Batch([], inputs, {"relations": i["labels"]})

    def ends(self) -> Tensor:
        """Where the two opening markers stand; they are the first of the last four rows."""
        first = self.folder.config["bert"]["vocab"] - 4
        ids = self.folder.inputs["input_ids"]
        return torch.stack([(ids == first + offset).int().argmax(1) for offset in (0, 2)], 1)

    def answer(self, scores: dict[str, Tensor]) -> tuple[str, Tensor]:
        """Name and value of what is predicted; -1 on padding."""
        if self.relations:
            return "predicted", scores["logits"].argmax(1)
        mask = self.folder.inputs["attention_mask"].bool()
        found = torch.full(mask.shape, -1)
        for row, path in enumerate(self.method.crf.decode(scores["emissions"], mask)):
            found[row, : len(path)] = torch.tensor(path)
        return "decoded", found


@pytest.fixture(scope="module", params=["hvpnet-ner", "hvpnet-re"])
def folder(request: pytest.FixtureRequest, parity_dir: Path) -> Folder:
    return Folder(parity_dir / request.param)


def activations(stored: Stored, patch: pytest.MonkeyPatch) -> tuple[dict[str, Tensor], Any]:
    """What is stored of a pass, and its output."""
    seen: dict[str, Tensor] = {}
    method, c = stored.method, stored.folder.config
    assert method.prefix is not None
    images, batch = (
        1 + stored.folder.inputs["aux_imgs"].shape[1],
        len(stored.batch().inputs["there"]),
    )

    def by_image(values: Tensor) -> Tensor:
        """[B N, ...] -> [N, B, ...]."""
        return values.unflatten(0, (batch, images)).transpose(0, 1)

    blocks, slots = method.blocks, method.prefix.pyramid_slots

    def keep_blocks(*given: Any) -> Any:
        found = blocks(*given)
        for number, maps in enumerate(found, start=1):
            flat = by_image(maps).flatten(2)
            both = torch.stack([flat.mean(2), flat.std(2)], 2)
            seen[f"act.resnet_layer{number}_mean_std"] = both
        return found

    def keep_slots(*given: Any) -> Any:
        found = slots(*given)
        seen["act.pyramid_slots"] = by_image(found)
        return found

    patch.setattr(method, "blocks", keep_blocks)
    patch.setattr(method.prefix, "pyramid_slots", keep_slots)
    hooks = [
        method.prefix.project.register_forward_hook(
            lambda _, __, found: seen.update({"act.levels": by_image(found)})
        ),
        method.prefix.register_forward_hook(
            lambda _, __, found: seen.update(
                {
                    f"act.prefix_{kind}.{n}": value
                    for n, prefix in enumerate(found)
                    for kind, value in (("key", prefix.keys), ("value", prefix.values))
                }
            )
        ),
        (method.classifier if stored.relations else method.head).register_forward_hook(
            lambda _, given, __: seen.update({"act.head_input": given[0]})
        ),
    ]
    for n, gate in enumerate(method.prefix.gates):
        hooks.append(
            gate.register_forward_hook(
                lambda _, __, found, n=n: seen.update(
                    {f"act.gate_preactivation.{n}": by_image(found)}
                )
            )
        )
    layers = method.text.transformer.encoder.layer
    for name, n in (("act.bert_layer0", 0), ("act.bert_last", c["bert"]["layers"] - 1)):
        hooks.append(
            layers[n].register_forward_hook(
                lambda _, __, found, name=name: seen.update({name: found})
            )
        )
    with torch.no_grad():
        output = method(stored.batch())
    for hook in hooks:
        hook.remove()
    patch.undo()
    return seen, output


def compare(group: str, stored: Stored, theirs: dict[str, Tensor], seen: Any, output: Any) -> None:
    """Every activation, score, loss and answer of ``theirs``."""
    main = "logits" if stored.relations else "emissions"
    ours = {**seen, f"scores.{main}": output.scores[main]}
    values = {
        n: relative(ours[n], v) for n, v in theirs.items() if n.startswith(("act.", "scores."))
    }
    shown(f"{group} activations and scores", values)
    assert max(values.values()) < 2e-5, values
    loss = relative(output.loss, theirs["loss"])
    shown(f"{group} loss", {"loss": loss})
    assert loss < 1e-5
    name, answer = stored.answer(output.scores)
    assert torch.equal(answer, theirs[name])
    assert {*values, "loss", name} == set(theirs)


def without(values: dict[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    return {n: v for n, v in values.items() if not n.startswith(prefixes)}


def test_the_public_layout(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(folder)
    seen, output = activations(stored, monkeypatch)
    theirs = without(folder.outputs, "train.", "text_only.")
    assert set(seen) == {n for n in theirs if n.startswith("act.")}
    compare(folder.name, stored, theirs, seen, output)


def test_the_layout_by_heads(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(folder, "heads")
    seen, output = activations(stored, monkeypatch)
    compare(f"{folder.name} fixed", stored, without(folder.fixed, "train."), seen, output)


def test_the_text_alone(folder: Folder) -> None:
    stored = Stored(folder, visual=False)
    with torch.no_grad():
        output = stored.method(stored.batch())
    theirs = {
        n.removeprefix("text_only."): v
        for n, v in folder.outputs.items()
        if n.startswith("text_only.")
    }
    compare(f"{folder.name} text_only", stored, theirs, {}, output)


@pytest.mark.parametrize("layout", ["reshape", "heads"])
@pytest.mark.parametrize(("prefix", "batch_norm"), [("bn_eval", "running"), ("bn_batch", "batch")])
def test_losses_and_gradients_while_training(
    folder: Folder, layout: str, prefix: str, batch_norm: str
) -> None:
    stored = Stored(folder, layout)
    method = stored.method
    method.config = dataclasses.replace(method.config, batch_norm=batch_norm)
    method.train()
    loss = method(stored.batch()).loss
    loss.backward()
    theirs = folder.outputs if layout == "reshape" else folder.fixed
    mine = f"train.{prefix}."
    values = norms_and_gradients(theirs, mine, method, stored.names)
    group = f"{folder.name} {layout} {mine}"
    shown(f"{group} loss", {"loss": relative(loss, theirs[f"{mine}loss"])})
    shown(f"{group} gradients", values)
    assert relative(loss, theirs[f"{mine}loss"]) < 1e-5
    assert len(values) + 1 == sum(n.startswith(mine) for n in theirs)
    assert max(values.values()) < 1e-4, values


def test_a_leftover_name_is_an_error(folder: Folder) -> None:
    stored = Stored(folder)
    with pytest.raises(AssertionError):
        hvpnet_names({"pooler.weight": torch.zeros(1)}, stored.method.vision)
