"""CAMIM against the public code's numbers on a tiny configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from safetensors.torch import load_file  # noqa: E402
from torch import Tensor  # noqa: E402

from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.camim import Camim, CamimConfig  # noqa: E402
from magpie.nn.caption_aware import normed  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from ..public_names import camim_name  # noqa: E402
from ..stored import Folder, bert, check_gradients, shown  # noqa: E402
from ..test_tmr_parity import Convolution, MapEncoder  # noqa: E402

pytestmark = pytest.mark.parity


class Stored:
    """The folder, our method with its weights, and its batch."""

    def __init__(self, folder: Folder, **options: Any) -> None:
        self.folder, c = folder, folder.config
        weight = folder.weights["sentence_encoder.model_resnet50.conv.weight"]
        side = folder.inputs["image_ori"].shape[2]
        vision = MapEncoder(Convolution(weight), "toy", PixelSpec(side=side))
        channels, *sides = c["map"]
        assert (vision.width, vision.cells) == (channels, sides[0] * sides[1])
        texts = [bert({**c["text"], "ffn": c["text"]["intermediate"]}) for _ in range(2)]
        for text in texts:
            # The stored embedding has the markers' rows already, wherever they are.
            text.transformer.resize_token_embeddings(len(text.tokenizer) + 4, mean_resizing=False)
        config = CamimConfig(
            max_length=c["max_length"],
            text_length=c["cam_text_length"],
            max_caption_len=c["caption_length"],
            phrase_length=c["phrase_length"],
            object_count=c["objects"],
            alpha=c["alpha"],
            missing="zeros",
            dropout=0.0,
            module_dropout=0.0,
            **options,
        )
        labels = LabelSpace(relation_types=tuple(f"r{n}" for n in range(c["labels"])))
        self.method = Camim(config, labels, *texts, vision)
        for text in texts:
            text.transformer.resize_token_embeddings(c["text"]["vocab"], mean_resizing=False)
        self.names = {
            public: ours for public in folder.weights if (ours := camim_name(public)) is not None
        }
        state = {ours: folder.weights[public] for public, ours in self.names.items()}
        # What the text encoders have beside: their poolers, which neither code reads.
        own = self.method.state_dict()
        poolers = {n: v for n, v in own.items() if ".pooler." in n}
        self.method.load_state_dict({**poolers, **state})
        assert set(own) == set(state) | set(poolers)
        self.method.eval()

    def batch(self, phrase_mask: Tensor | None = None) -> Batch:
        i, c = self.folder.inputs, self.folder.config
        assert not i["caption_token_type_ids"].any(), "segments are always 0 in this method"
        pictures = torch.stack([i["image_ori"], i["image_diff"]], 1)
        objects = [i[f"image_{k}_objects"].unflatten(0, (-1, c["objects"])) for k in VIEWS]
        mask = i["token_phrase"] != 0 if phrase_mask is None else phrase_mask
        inputs = {
            "input_ids": i["token"],
            "attention_mask": i["att_mask"],
            "ends": torch.cat([i["pos1"], i["pos2"]], 1),
            "owner": torch.arange(len(pictures)),
            "pictures": pictures,
            "objects": torch.stack(objects, 1),
            "seen": torch.ones(pictures.shape[:2], dtype=torch.bool),
            # Stored as (weak, strong) of either picture.
            "scores": i["weights"].unflatten(1, (2, 2)).flip(2),
            "phrase_ids": i["token_phrase"],
            "phrase_mask": mask.long(),
            "caption_ids": i["caption_input_ids"],
            "caption_mask": i["caption_attention_mask"],
            "captioned": torch.ones(len(pictures), dtype=torch.bool),
        }
        return Batch([], inputs, {"relations": i["label"]})


VIEWS = ("ori", "diff")


def activations(stored: Stored, batch: Batch, patch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Everything the folder stores of a pass, under its names."""
    method = stored.method
    calls: dict[str, list[Any]] = {}

    def keep(name: str) -> Any:
        return lambda _, __, found: calls.setdefault(name, []).append(found)

    def watch(owner: Any, name: str, label: str) -> None:
        inner = getattr(owner, name)

        def seen(*given: Any) -> Any:
            found = inner(*given)
            calls.setdefault(label, []).append(found)
            return found

        patch.setattr(owner, name, seen)

    watch(method.text, "both", "text")
    watch(method.backbones["captions"], "both", "captions")
    watch(method.aware, "joined", "rows")
    watch(method.aware, "cross", "crossed")
    watch(method, "fused_view", "fused")
    watch(method, "word_patch", "word_patch")
    hooks = [
        method.aware.register_forward_hook(keep("aware")),
        method.aware.word_map.register_forward_hook(keep("words")),
        method.phrase_stream.register_forward_hook(keep("phrase_region")),
        method.picture_map.register_forward_hook(keep("u")),
        method.final.register_forward_hook(keep("rep")),
        method.final.register_forward_hook(
            lambda _, given, __: calls.setdefault("concat", []).append(given[0])
        ),
    ]
    with torch.no_grad():
        output = method(batch)
    for hook in hooks:
        hook.remove()
    patch.undo()
    found = {
        "loss": output.loss,
        "loss_ce": output.losses["main"],
        "loss_mi": output.losses["mutual"] / method.config.alpha,
        "logits": output.scores["logits"],
        "prob": output.scores["logits"].softmax(1),
        "pred": output.scores["logits"].argmax(1),
        "rep": calls["rep"][0],
        "concat": calls["concat"][0],
        "cam_x_diff": calls["rows"][1][:, 0],
        "cam_y_diff": calls["words"][1],
        "cam_norm_a_diff": calls["crossed"][1].rows[:, 0],
        "cam_norm_b_diff": calls["crossed"][1].words[:, 0],
    }
    found["text_hidden"], found["phrase_hidden"] = calls["text"][0]
    found["caption_hidden"], found["text_cam_hidden"] = calls["captions"][0]
    found["u_ori"], found["u_diff"] = (torch.tanh(u) for u in calls["u"])
    for view, name in enumerate(VIEWS):
        z = calls["aware"][view]
        found[f"cam_{name}"], found[f"cam_object0_{name}"] = z[:, 0], z[:, 1]
        found[f"phrase_region_{name}"] = calls["phrase_region"][view]
        found[f"fused_{name}"] = calls["fused"][view]
        found[f"word_patch_{name}"] = calls["word_patch"][view]
    return found


def compare(group: str, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Every stored tensor but gradients: whole numbers exactly, others by the stated tolerance."""
    stored = {n: v for n, v in theirs.items() if not n.startswith("grad")}
    assert set(stored) == set(ours)
    values = {}
    for name, value in stored.items():
        if value.dtype in (torch.int32, torch.int64):
            assert torch.equal(ours[name].long(), value.long()), name
            continue
        assert ours[name].shape == value.shape, name
        values[name] = float((ours[name].detach() - value).abs().max())
        assert torch.allclose(ours[name], value, rtol=1e-4, atol=1e-4), (name, values[name])
    shown(group, values)
    shown(f"{group}, answers", {n: values[n] for n in ("logits", "loss", "loss_mi", "prob")})


@pytest.fixture(scope="module")
def folder(parity_dir: Path) -> Folder:
    return Folder(parity_dir / "camim")


def test_the_repaired_attention_without_masks(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Stored(folder, legacy_no_mask=True)
    batch = stored.batch()
    compare("camim fixed", activations(stored, batch, monkeypatch), folder.fixed)
    check_gradients(stored.method, batch, stored.names, folder.fixed, "camim fixed gradients")


def test_the_public_code(folder: Folder, parity_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(folder, legacy_no_mask=True, legacy_swap=True, legacy_all_visible=True)
    batch = stored.batch(torch.ones_like(folder.inputs["token_phrase"]))
    theirs = load_file(parity_dir / folder.name / "outputs_all_visible.safetensors")
    ours = activations(stored, batch, monkeypatch)
    compare("camim all visible", ours, theirs)
    check_gradients(stored.method, batch, stored.names, theirs, "camim all visible gradients")
    # The literal run adds -10000 to every place, which rounds: the same up to steps of 1e-3.
    literal = folder.outputs
    values = {}
    for name in ("logits", "loss", "loss_mi", "phrase_hidden", "text_hidden", "u_ori", "rep"):
        values[name] = float((ours[name] - literal[name]).abs().max())
        assert values[name] < 2e-3, name
    shown("camim literal run", values)
    assert torch.equal(ours["pred"], literal["pred"])


def test_stored_blocks_are_normalised_without_parameters(folder: Folder) -> None:
    for name in ("cam_norm_a_diff", "cam_norm_b_diff"):
        block = folder.fixed[name]
        assert torch.allclose(normed(block), block, atol=1e-4)
        assert torch.allclose(block.mean(2), torch.zeros(block.shape[:2]), atol=1e-5)


def test_the_masks_change_the_numbers(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The full default has no public counterpart; it must differ where there is padding."""
    assert not folder.inputs["caption_attention_mask"].all(1).all()
    ours = activations(Stored(folder), Stored(folder).batch(), monkeypatch)
    assert not torch.allclose(ours["u_ori"], folder.fixed["u_ori"], atol=1e-3)
    assert torch.allclose(ours["text_hidden"], folder.fixed["text_hidden"], atol=1e-4)


def test_a_leftover_name_is_an_error() -> None:
    with pytest.raises(AssertionError):
        camim_name("sentence_encoder.linear_other.weight")
