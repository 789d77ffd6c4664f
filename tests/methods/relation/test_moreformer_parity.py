"""MOREformer against the public code's numbers, as published and with both masks on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel  # noqa: E402

from magpie.backbones import TextEncoder, VisionEncoder  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.moreformer import Moreformer, MoreformerConfig  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from ..public_names import moreformer_name  # noqa: E402
from ..stored import Folder, relative, shown  # noqa: E402
from ..test_mkgformer_parity import small_tokenizer  # noqa: E402

pytestmark = pytest.mark.parity

#: which switches of the method each stored variant has off
VARIANTS: dict[str, dict[str, bool]] = {
    "full": {},
    "nocap": {"use_cap": False},
    "nodepth": {"use_dep": False},
    "nobox": {"use_box": False},
}


class Stored(Folder):
    """The folder, and our method with its weights."""

    def encoders(self) -> tuple[TextEncoder, VisionEncoder]:
        text, vision = self.config["text"], self.config["vision"]
        assert text["activation"] == "gelu (erf)"
        bert = BertConfig(
            vocab_size=text["vocab"],
            hidden_size=text["hidden"],
            num_hidden_layers=text["layers"],
            num_attention_heads=text["heads"],
            intermediate_size=text["intermediate"],
            max_position_embeddings=text["max_positions"],
            type_vocab_size=text["token_types"],
            layer_norm_eps=text["layer_norm_eps"],
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        clip = CLIPVisionConfig(
            hidden_size=vision["hidden"],
            num_hidden_layers=vision["layers"],
            num_attention_heads=vision["heads"],
            intermediate_size=vision["intermediate"],
            patch_size=vision["patch"],
            hidden_act=vision["activation"],
            layer_norm_eps=vision["layer_norm_eps"],
            image_size=vision["crop"],
        )
        return (
            TextEncoder(BertModel(bert), small_tokenizer(), "stored"),
            VisionEncoder(CLIPVisionModel(clip), "stored", PixelSpec(side=vision["crop"])),
        )

    def method(self, **options: Any) -> Moreformer:
        layers, first = self.config["text"]["layers"], self.config["first_cross_modal_layer"]
        assert self.config["object_pool_after_layer"] == first - 1
        settings: dict[str, Any] = {
            "fusion_layers": layers - first,
            "max_length": self.inputs["input_ids"].shape[1],
            "object_slots": self.config["object_slots"],
            "object_side": self.config["vision"]["crop"],
            "place_dropout": 0.0,
            **options,
        }
        kinds = tuple(f"r{n}" for n in range(self.config["labels"]))
        labels = LabelSpace(relation_types=kinds)
        method = Moreformer(MoreformerConfig(**settings), labels, *self.encoders())
        named = {}
        for public, value in self.weights.items():
            if public.endswith("position_ids"):
                assert torch.equal(value, torch.arange(value.numel())[None])
            elif (ours := moreformer_name(public, first)) is not None:
                named[ours] = value
        # CLIP's own table of positions is ours alone: objects have one of their own.
        own = "backbones.vision.model.embeddings.position_embedding.weight"
        state = method.state_dict()
        named[own] = state[own]
        for switch, parts in {
            "use_cap": ("mm_linear.",),
            "use_dep": ("tokens.depth.",),
            "use_box": ("places.",),
        }.items():
            if not settings.get(switch, True):
                named = {n: v for n, v in named.items() if not n.startswith(parts)}
        method.load_state_dict(named)
        assert method.tokens.positions.shape[0] == self.config["vision"]["tokens_per_channel"]
        return method.eval()

    def batch(self, method: Moreformer, *, width: int | None = None) -> Batch:
        """Of the stored instances; the slots are cut to ``width``, those behind being empty."""
        i = self.inputs
        c = method.config
        prefix = "" if c.use_cap else "nocap_"
        ids = i[f"{prefix}input_ids"]
        marks = self.config["marker_ids"]
        opening = [marks["<s>"], marks["<o>"]] if c.use_cap else [marks["<s>"]]
        slots = slice(None, width)
        inputs = {
            "input_ids": ids,
            "attention_mask": i[f"{prefix}attention_mask"],
            "token_type_ids": i[f"{prefix}token_type_ids"],
            "ends": torch.stack([(ids == mark).int().argmax(1) for mark in opening], 1),
            "tail": i["ent_idx"],
            "owner": torch.arange(len(ids)),
            "pixels": i["ent_imgs"][:, slots, :3],
            "depth": i["ent_imgs"][:, slots, 3:],
            "places": i["position"][:, slots],
            "there": torch.arange(self.config["object_slots"])[None, slots]
            < i["num_objects"][:, None],
        }
        return Batch([], inputs, {"relations": i["labels"]})


@pytest.fixture(scope="module")
def stored(parity_dir: Path) -> Stored:
    return Stored(parity_dir / "moreformer")


def variants(numbers: Mapping[str, Tensor]) -> list[str]:
    return sorted({n.partition(".")[0] for n in numbers if n.endswith(".logits")})


def compared(
    stored: Stored, method: Moreformer, variant: str, numbers: Mapping[str, Tensor]
) -> dict[str, float]:
    """Differences of logits and loss; predictions must be equal."""
    with torch.no_grad():
        output = method(stored.batch(method))
    logits = output.scores["logits"]
    assert torch.equal(logits.argmax(1), numbers[f"{variant}.prediction"])
    return {
        "logits": float((logits - numbers[f"{variant}.logits"]).abs().max()),
        "loss": float((output.loss - numbers[f"{variant}.loss"]).abs()),
    }


@pytest.mark.parametrize("legacy", [True, False], ids=["published", "masked"])
def test_logits_and_losses_of_every_variant(stored: Stored, legacy: bool) -> None:
    numbers = stored.outputs if legacy else stored.fixed
    found = variants(numbers)
    assert found
    for variant in found:
        method = stored.method(legacy_no_mask=legacy, **VARIANTS[variant])
        differences = compared(stored, method, variant, numbers)
        shown(f"{variant} {'published' if legacy else 'masked'}", differences)
        assert max(differences.values()) < 2e-5, (variant, differences)


def test_every_stored_variant_is_known(stored: Stored) -> None:
    assert set(variants(stored.outputs)) == set(VARIANTS)


def test_intermediate_values(stored: Stored) -> None:
    method = stored.method(legacy_no_mask=True)
    first = method.lockstep.fusion_start
    heads = stored.config["text"]["heads"]
    seen: dict[str, Any] = {}
    bert, clip = method._towers

    def keep(name: str) -> Any:
        return lambda _, given, found: seen.__setitem__(name, (given, found))

    hooks = [
        bert.embeddings.register_forward_hook(keep("text_embedding")),
        clip.pre_layrnorm.register_forward_hook(keep("tokens")),
        method.places.register_forward_hook(keep("objects")),
        bert.encoder.layer[first - 1].attention.self.key.register_forward_hook(keep("key")),
        bert.encoder.layer[first - 1].attention.self.value.register_forward_hook(keep("value")),
        clip.encoder.layers[first].self_attn.q_proj.register_forward_hook(keep("query")),
        clip.encoder.layers[first].self_attn.k_proj.register_forward_hook(keep("own_key")),
        method.lockstep.fusions[0].dense.register_forward_hook(keep("fusion")),
    ]
    with torch.no_grad():
        states = method.states(stored.batch(method))
    for hook in hooks:
        hook.remove()

    def split(states: Tensor) -> Tensor:
        return states.unflatten(2, (heads, -1)).transpose(1, 2)

    key, value = split(seen["key"][1]), split(seen["value"][1])
    query, own = split(seen["query"][1]), split(seen["own_key"][1])
    scores = query @ torch.cat([key, own], 2).transpose(2, 3) / query.shape[3] ** 0.5
    ours = {
        "text_embedding": seen["text_embedding"][1],
        "objects_after_position": seen["objects"][1],
        f"text_layer{first - 1}": states.text[first - 1],
        f"text_layer{first - 1}_key": key,
        f"text_layer{first - 1}_value": value,
        f"vision_layer{first}": states.vision[first],
        f"vision_layer{first}_attention": scores.softmax(-1),
        f"fusion_layer{first}": seen["fusion"][0][0],
        f"text_layer{first}": states.text[first],
        "text_last": states.text[-1],
        "vision_last": states.vision[-1],
        # Of empty slots one is computed: tokens are compared where ours are.
        "vision_tokens": seen["tokens"][1],
        f"vision_layer{first - 1}": states.vision[first - 1],
    }
    wanted = {n.removeprefix("full."): v for n, v in stored.outputs.items() if "full." in n}
    for plain in ("loss", "logits", "prediction"):
        del wanted[plain]
    assert ours.keys() == wanted.keys()
    differences = {name: relative(ours[name], value) for name, value in wanted.items()}
    shown("intermediate values", differences)
    assert max(differences.values()) < 2e-5, differences


def test_intermediate_values_with_both_masks(stored: Stored) -> None:
    """Padded positions are zero in the stored tensors."""
    for variant in variants(stored.fixed):
        method = stored.method(**VARIANTS[variant])
        batch = stored.batch(method)
        with torch.no_grad():
            states = method.states(batch)
        pieces = batch.inputs["attention_mask"].unsqueeze(2)
        objects = batch.inputs["there"].unsqueeze(2)
        differences = {
            "text_last": relative(states.text[-1] * pieces, stored.fixed[f"{variant}.text_last"]),
            "vision_last": relative(
                states.vision[-1] * objects, stored.fixed[f"{variant}.vision_last"]
            ),
        }
        shown(f"{variant} masked states", differences)
        assert max(differences.values()) < 2e-5, differences


def test_gradients_of_the_training_mode(stored: Stored) -> None:
    method = stored.method(legacy_no_mask=True).train()
    parameters = dict(method.named_parameters())
    method(stored.batch(method)).loss.backward()
    first = stored.config["first_cross_modal_layer"]
    differences = {}
    for name, value in stored.outputs.items():
        if name.startswith("grad_norm."):
            ours = moreformer_name(name.removeprefix("grad_norm."), first)
            assert ours is not None
            gradient = parameters[ours].grad
            assert gradient is not None, name
            differences[name] = relative(gradient.norm(), value)
    shown("gradient norms", differences)
    assert len(differences) == sum(n.startswith("grad_norm.") for n in stored.outputs)
    assert max(differences.values()) < 1e-3, differences
    # What the public code makes without ever using it is not made here, or not trained.
    unused = [
        n
        for n in stored.weights
        if not n.endswith("position_ids")
        and ((ours := moreformer_name(n, first)) is None or parameters[ours].grad is None)
    ]
    assert len(unused) == int(stored.outputs["grad_none.count"])
    assert all(p.grad is not None for p in method.trainable())


@pytest.mark.parametrize("legacy", [True, False], ids=["published", "masked"])
def test_empty_slots_are_computed_once(stored: Stored, legacy: bool) -> None:
    """Handing over fewer empty slots, or none, changes no number."""
    method = stored.method(legacy_no_mask=legacy)
    most = int(stored.inputs["num_objects"].max())
    rows = [
        r
        for r in range(len(stored.inputs["labels"]))
        if int(stored.inputs["num_objects"][r]) < stored.config["object_slots"]
    ]
    assert rows, "no instance with an empty slot"
    for row in rows:
        count = int(stored.inputs["num_objects"][row])
        for width in {count, min(count + 1, most)}:
            cut, whole = stored.batch(method, width=width), stored.batch(method)
            for batch in (cut, whole):
                for name, value in batch.inputs.items():
                    batch.inputs[name] = value[row : row + 1]
                batch.inputs["owner"] = torch.zeros(1, dtype=torch.long)
                batch.targets.clear()
            with torch.no_grad():
                one, other = (method(batch).scores["logits"] for batch in (cut, whole))
            assert torch.allclose(one, other, atol=1e-5)
            assert functional.cosine_similarity(one, other).min() > 0.99999


def test_masks_matter(stored: Stored) -> None:
    published = stored.outputs["full.logits"]
    masked = stored.fixed["full.logits"]
    assert (published - masked).abs().max() > 1e-3


def test_a_leftover_name_is_an_error() -> None:
    for unknown in ("model.other", "fc2.weight", "model.encoder.other.0.weight"):
        with pytest.raises(AssertionError):
            moreformer_name(unknown, 8)
