"""TMR's two heads against the public code's numbers on tiny configurations."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from safetensors.torch import load_file  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

from magpie.backbones import TextEncoder, VisionEncoder  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.tmr_ner import TmrNer, TmrNerConfig  # noqa: E402
from magpie.methods.relation.tmr_re import TmrRe, TmrReConfig  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from .stored import Folder, bert, check_gradients, shown  # noqa: E402

pytestmark = pytest.mark.parity

#: public name -> ours, in the order in which they are tried; None is never used
NAMES: dict[str, str | None] = {
    r"(?:sentence_encoder\.)?bert\.(?:pooler\..+|embeddings\.position_ids)": None,
    r"(?:sentence_encoder\.)?bert\.(.+)": r"backbones.text.model.\1",
    r"(?:sentence_encoder\.)?model_resnet50\.(.+)": r"backbones.vision.model.\1",
    r"(?:sentence_encoder\.)?linear_pic\.(.+)": r"project.\1",
    r"(?:sentence_encoder\.)?linear_q_fine\.(.+)": r"fusion.word_patch.query.\1",
    r"(?:sentence_encoder\.)?linear_k_fine\.(.+)": r"fusion.word_patch.key.\1",
    r"(?:sentence_encoder\.)?linear_v_fine\.(.+)": r"fusion.word_patch.value.\1",
    r"(?:sentence_encoder\.)?linear_q_coarse\.(.+)": r"fusion.phrase_region.query.\1",
    r"(?:sentence_encoder\.)?linear_k_coarse\.(.+)": r"fusion.phrase_region.key.\1",
    r"(?:sentence_encoder\.)?linear_v_coarse\.(.+)": r"fusion.phrase_region.value.\1",
    r"sentence_encoder\.linear_phrases\.(.+)": r"phrase_map.\1",
    r"sentence_encoder\.linear_extend_pic\.(.+)": r"picture_map.\1",
    r"sentence_encoder\.linear_final\.(.+)": r"final.\1",
    r"(?:sentence_encoder\.)?linear(?:_weights)?\.(.+)": None,
    r"linear_extend_pic\.(.+)": r"spread.\1",
    r"combine_linear\.(.+)": r"combine.\1",
    r"crf\.(start|end)_transitions": r"crf.\1",
    r"crf\.transitions": "crf.transitions",
}


def our_name(public: str, head: str) -> str | None:
    """Where a public weight goes; None for those that nothing reads."""
    for pattern, ours in {**NAMES, r"fc\.(.+)": head + r".\1"}.items():
        if match := re.fullmatch(pattern, public):
            return None if ours is None else match.expand(ours)
    raise AssertionError(f"no place for {public}")


class Convolution(nn.Module):
    """The picture encoder of the folders: one convolution and ReLU, no ResNet."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        channels, _, side, _ = weight.shape
        self.conv = nn.Conv2d(3, channels, side, stride=side)
        self.config = SimpleNamespace(model_type="resnet", hidden_sizes=[channels])

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=torch.relu(self.conv(pixel_values)))


class MapEncoder(VisionEncoder):
    """Counts the cells of its own map."""

    @property
    def cells(self) -> int:
        return (self.pixels.side // self.transformer.conv.stride[0]) ** 2


class Stored:
    """A folder, our method with its weights, and its batch."""

    def __init__(self, folder: Folder, **options: Any) -> None:
        self.folder, c = folder, folder.config
        self.relations = folder.name == "tmr-re"
        i = folder.inputs
        weight = next(w for n, w in folder.weights.items() if n.endswith("resnet50.conv.weight"))
        pictures = i["image_ori" if self.relations else "images"]
        vision = MapEncoder(Convolution(weight), "toy", PixelSpec(side=pictures.shape[2]))
        channels, *sides = c["map"]
        assert (vision.width, vision.cells) == (channels, sides[0] * sides[1])
        text = bert({**c["text"], "ffn": c["text"]["intermediate"]})
        settings: dict[str, Any] = {
            "max_length": c["max_length"],
            "phrase_length": c["phrase_length"],
            "object_count": c["objects"],
            "missing": "zeros",
            "dropout": 0.0,
            **options,
        }
        self.method: TmrRe | TmrNer
        if self.relations:
            labels = LabelSpace(relation_types=tuple(f"r{n}" for n in range(c["labels"])))
            # The stored embedding has the markers' rows already, wherever they are.
            text.transformer.resize_token_embeddings(len(text.tokenizer) + 4, mean_resizing=False)
            self.method = TmrRe(TmrReConfig(**settings), labels, text, vision)
            text.transformer.resize_token_embeddings(c["text"]["vocab"], mean_resizing=False)
        else:
            labels = LabelSpace(entity_types=("MISC", "PER", "ORG", "LOC"))
            config = TmrNerConfig(**settings, hidden=c["hidden_head"])
            self.method = TmrNer(config, labels, text, vision)
            assert list(self.method.tag_names) == folder.manifest["labels"]
        head = "classifier" if self.relations else "head"
        self.names = {
            public: ours
            for public in folder.weights
            if (ours := our_name(public, head)) is not None
        }
        state = {ours: folder.weights[public] for public, ours in self.names.items()}
        # What the text encoder has beside: its pooler, which neither code reads.
        own = self.method.state_dict()
        pooler = {n: v for n, v in own.items() if n.startswith("backbones.text.model.pooler.")}
        self.method.load_state_dict({**pooler, **state})
        assert set(own) == set(state) | set(pooler)
        self.method.eval()

    def batch(self, phrase_mask: Tensor | None = None, *, zero_objects: bool = False) -> Batch:
        i, c = self.folder.inputs, self.folder.config
        weights = i["weights" if self.relations else "weight"]
        # Stored as (weak, strong) of either picture.
        scores = weights.unflatten(1, (2, 2)).flip(2)
        if self.relations:
            pictures = torch.stack([i["image_ori"], i["image_diff"]], 1)
            objects = [i[f"image_{k}_objects"].unflatten(0, (-1, c["objects"])) for k in OWN_MADE]
            ids, mask = i["token_phrase"], i["token_phrase"] != 0
            text = {"input_ids": i["token"], "attention_mask": i["att_mask"]}
        else:
            pictures = torch.stack([i["images"], i["images_dif"]], 1)
            objects = [i["aux_imgs"], i["aux_images_dif"]]
            ids, mask = i["input_ids_phrase"], i["attention_mask_phrase"]
            text = {name: i[name] for name in ("input_ids", "attention_mask")}
        if zero_objects:
            objects[1] = torch.zeros_like(objects[1])
        inputs = {
            **text,
            "pictures": pictures,
            "objects": torch.stack(objects, 1),
            "seen": torch.ones(pictures.shape[:2], dtype=torch.bool),
            "scores": scores,
            "phrase_ids": ids,
            "phrase_mask": (mask if phrase_mask is None else phrase_mask).long(),
        }
        if not self.relations:
            return Batch([], inputs, {"tags": i["labels"]})
        inputs["ends"] = torch.cat([i["pos1"], i["pos2"]], 1)
        inputs["owner"] = torch.arange(len(pictures))
        return Batch([], inputs, {"relations": i["label"]})


OWN_MADE = ("ori", "diff")


@pytest.fixture(scope="module")
def relations(parity_dir: Path) -> Folder:
    return Folder(parity_dir / "tmr-re")


@pytest.fixture(scope="module")
def entities(parity_dir: Path) -> Folder:
    return Folder(parity_dir / "tmr-ner")


def further(parity_dir: Path, name: str, variant: str) -> dict[str, Tensor]:
    return load_file(parity_dir / name / f"{variant}.safetensors")


def activations(stored: Stored, batch: Batch) -> dict[str, Tensor]:
    """Everything the folders store of a pass, under their names."""
    seen: dict[str, Tensor] = {}
    method = stored.method
    made = "diff" if stored.relations else "dif"
    calls: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        return lambda _, __, found: calls.setdefault(name, []).append(found)

    both = method.text.both

    def in_one_pass(*texts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        calls["text"] = list(found := both(*texts))
        return found

    patch = pytest.MonkeyPatch()
    patch.setattr(method.text, "both", in_one_pass)
    hooks = [
        method.fusion.register_forward_hook(keep("fused")),
        method.fusion.word_patch.register_forward_hook(keep("word_patch")),
        method.fusion.phrase_region.register_forward_hook(keep("phrase_region")),
        method.text.register_forward_hook(keep("text")),
    ]
    layers = (
        {"u": method.picture_map, "final": method.final, "phrase_vector": method.phrase_map}
        if stored.relations
        else {"token_image": method.spread, "combine": method.combine}
    )
    hooks += [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    if stored.relations:
        hooks.append(
            method.final.register_forward_hook(lambda _, given, __: seen.update(concat=given[0]))
        )
    with torch.no_grad():
        output = method(batch)
        patches, regions = method.picture_rows(batch)
    for hook in hooks:
        hook.remove()
    patch.undo()
    for name in ("fused", "word_patch", "phrase_region"):
        seen[f"{name}_ori"], seen[f"{name}_{made}"] = calls[name]
    seen["text_hidden"], seen["phrase_hidden"] = calls["text"]
    seen["object_ori"], seen[f"object_{made}"] = regions[:, 0], regions[:, 1]
    seen["loss"] = output.loss
    if stored.relations:
        seen["patch_ori"] = patches[:, 0]
        cells = [method.cells(batch.inputs["pictures"][:, v]).detach() for v in range(2)]
        side = stored.folder.config["map"][1]
        for view, of_view in zip(("ori", made), cells, strict=True):
            seen[f"map_{view}"] = of_view.transpose(1, 2).unflatten(2, (side, -1))
        seen["u_ori"], seen["u_diff"] = (torch.tanh(found) for found in calls["u"])
        seen["phrase_vector"], seen["rep"] = calls["phrase_vector"][0], calls["final"][0]
        seen["logits"] = output.scores["logits"]
        seen["prob"] = seen["logits"].softmax(1)
        seen["pred"] = seen["logits"].argmax(1)
        return seen
    length = batch.inputs["input_ids"].shape[1]
    for view, found in zip(("ori", made), calls["token_image"], strict=True):
        seen[f"token_image_{view}"] = torch.tanh(found.unflatten(1, (length, -1)))
    seen["head_hidden"] = torch.relu(calls["combine"][0])
    seen["emissions"] = output.scores["emissions"]
    mask = method.chain_mask(batch)
    seen["log_likelihood"] = -method.crf(
        seen["emissions"], batch.targets["tags"], mask, reduction="none"
    )
    seen["tags"] = torch.full(mask.shape, -1)
    for row, path in enumerate(method.crf.decode(seen["emissions"], mask)):
        seen["tags"][row, : len(path)] = torch.tensor(path)
    return seen


def compare(group: str, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Every stored tensor but gradients and steps: whole numbers exactly, others by tolerance."""
    stored = {n: v for n, v in theirs.items() if not n.startswith(("grad", "after_step"))}
    assert set(stored) <= set(ours), set(stored) - set(ours)
    values = {}
    for name, value in stored.items():
        if value.dtype in (torch.int32, torch.int64):
            assert torch.equal(ours[name].long(), value.long()), name
            continue
        assert ours[name].shape == value.shape, name
        values[name] = float((ours[name].detach() - value).abs().max())
        assert torch.allclose(ours[name], value, rtol=1e-4, atol=1e-4), (name, values[name])
    shown(group, values)


def test_relations_with_the_default_mask(relations: Folder) -> None:
    stored = Stored(relations)
    compare("tmr-re fixed", activations(stored, stored.batch()), relations.fixed)
    check_gradients(
        stored.method, stored.batch(), stored.names, relations.fixed, "tmr-re fixed gradients"
    )


def test_relations_with_every_phrase_place_visible(relations: Folder, parity_dir: Path) -> None:
    stored = Stored(relations, legacy_all_visible=True)
    ones = torch.ones_like(relations.inputs["token_phrase"])
    theirs = further(parity_dir, "tmr-re", "outputs_all_visible")
    ours = activations(stored, stored.batch(ones))
    compare("tmr-re all visible", ours, theirs)
    check_gradients(
        stored.method, stored.batch(ones), stored.names, theirs, "tmr-re all visible gradients"
    )
    # The literal run adds -10000 to every place, which rounds: the same up to steps of 1e-3.
    literal = relations.outputs
    for name in ("logits", "loss", "phrase_hidden", "text_hidden"):
        assert torch.allclose(ours[name], literal[name], atol=2e-3), name
    assert torch.equal(ours["pred"], literal["pred"])


def test_entities(entities: Folder) -> None:
    stored = Stored(entities)
    compare("tmr-ner", activations(stored, stored.batch()), entities.outputs)
    check_gradients(
        stored.method, stored.batch(), stored.names, entities.outputs, "tmr-ner gradients"
    )


def test_entities_with_black_objects(entities: Folder, parity_dir: Path) -> None:
    stored = Stored(entities)
    theirs = further(parity_dir, "tmr-ner", "outputs_zero_objects")
    batch = stored.batch(zero_objects=True)
    compare("tmr-ner zero objects", activations(stored, batch), theirs)
    check_gradients(stored.method, batch, stored.names, theirs, "tmr-ner zero objects gradients")


def test_one_step_of_the_published_groups(entities: Folder) -> None:
    """Only text encoder, last layer and chain move, at two rates."""
    stored = Stored(entities, legacy_groups=True)
    method, published = stored.method.train(), entities.manifest["published_step"]
    before = {name: value.clone() for name, value in method.state_dict().items()}
    slow, fast = published["groups"].values()
    assert [g.rate for g in method.groups()] == [None, fast]
    groups = [
        {"params": list(g.parameters), "lr": g.rate or slow, "weight_decay": w}
        for g in method.groups()
        for w in (published["weight_decay"],)
    ]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    method(stored.batch()).loss.backward()
    optimiser.step()
    parameters, values = dict(method.named_parameters()), {}
    for key, value in entities.outputs.items():
        if key.startswith("after_step/"):
            name = key.removeprefix("after_step/")
            found = parameters[stored.names[name.removeprefix("norm/")]].detach()
            found = found.norm() if name.startswith("norm/") else found
            if name in entities.weights and torch.equal(value, entities.weights[name]):
                # The folder kept some tensors as they were before the step; their norms moved.
                assert not torch.equal(found, value), key
                continue
            values[key] = float((found - value).abs().max())
            assert torch.allclose(found, value, rtol=1e-4, atol=1e-4), (key, values[key])
    assert "after_step/norm/fc.weight" in values
    shown("tmr-ner after one step", values)
    still = [n for n in before if n.startswith(("backbones.vision", "project", "fusion"))]
    still += [n for n in before if n.startswith(("spread", "combine"))]
    assert still
    for name in still:
        assert torch.equal(before[name], method.state_dict()[name]), name


def test_phrases_as_the_public_loader_looks_them_up(relations: Folder) -> None:
    """Whole words, as written; proper pieces otherwise."""
    vocabulary = {piece: n for n, piece in enumerate(relations.manifest["vocabulary"])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="[UNK]",  # noqa: S106
        pad_token="[PAD]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
    )
    phrases = [item["phrase"].split() for item in relations.manifest["instances"]]
    found = {}
    for lookup in (True, False):
        stored = Stored(relations, legacy_phrase_lookup=lookup)
        text = stored.method.text
        stored.method.backbones["text"] = TextEncoder(text.transformer, tokenizer, "stored")
        found[lookup] = [stored.method.phrase_pieces(words)[0] for words in phrases]
    assert found[True] == relations.inputs["token_phrase"].tolist()
    unknown = vocabulary["[UNK]"]
    cased = [n for n, words in enumerate(phrases) if any(w.lower() != w for w in words)]
    for row in cased:
        assert found[False][row].count(unknown) < found[True][row].count(unknown)
    assert cased


def test_a_leftover_name_is_an_error() -> None:
    with pytest.raises(AssertionError):
        our_name("sentence_encoder.linear_other.weight", "classifier")
