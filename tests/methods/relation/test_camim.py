"""CAMIM: which words stand beside which picture, the bound between both, and what is missing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from magpie.corpora import side  # noqa: E402
from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Texts  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.camim import Camim, CamimConfig  # noqa: E402
from magpie.schema import Block, ContextText, Document  # noqa: E402
from magpie.training.data import read_documents  # noqa: E402
from magpie.training.recipe import DataConfig, read_recipe  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-resnet",
    "objects": "whole",
    "generated_objects": "whole",
    "object_count": 2,
    "captions": ("controlled",),
    "phrases": (),
    "scores": "",
    "max_length": 32,
    "text_length": 24,
    "max_caption_len": 16,
}
POSTS = list(controlled("train", ControlledConfig(task="mre", size=8, told=0.5, seed=2)))
LABELS = LabelSpace.of(POSTS)


def with_generated(documents: list[Document]) -> list[Document]:
    """Every post with the next one's picture as the one generated from its text."""
    turned = [*documents[1:], documents[0]]
    return [
        dataclasses.replace(
            one, media=(*one.media, dataclasses.replace(other.media[0], id="generated"))
        )
        for one, other in zip(documents, turned, strict=True)
    ]


FULL = with_generated(POSTS)


def made(**settings: Any) -> Camim:
    torch.manual_seed(0)
    method = Camim.build(CamimConfig(**{**TINY, **settings}), LABELS)
    with torch.no_grad():
        # Fresh weights let little through: larger ones show what depends on what.
        for name, parameter in method.named_parameters():
            if not name.startswith("backbones"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return method.eval()


def batch_of(method: Camim, documents: list[Document], *, gold: bool = False) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    if not gold:
        return method.collate(examples)
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims)


def scored(method: Camim, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        return method(batch).scores


def changed(batch: Batch, **inputs: Tensor) -> Batch:
    return Batch(batch.examples, {**batch.inputs, **inputs}, batch.targets)


def test_sizes() -> None:
    method = made()
    batch = batch_of(method, FULL)
    rows = method.image_rows(batch)
    cells = method.vision.cells
    assert rows.shape == (8, 2, 3, cells, 32)
    i = batch.inputs
    words = method.backbones["captions"](i["caption_ids"], i["caption_mask"])
    z, places = method.aware_of(rows[:, 0], words, i["caption_mask"])
    assert z.shape == (8, 3, cells + 16, 32)
    assert places.shape == (8, cells + 16)
    found = scored(method, batch)
    assert found["logits"].shape == (8, len(LABELS.relation_types))
    assert found["own"].shape == found["made"].shape == (8, 32)
    assert method.final.weight.shape == (64, 192)
    assert found["told"].all()


def test_captions_stand_beside_the_own_picture_and_the_post_beside_the_other() -> None:
    method = made()
    batch = batch_of(method, FULL)
    before = spied(method, batch)
    captions = batch.inputs["caption_ids"].roll(1, 0)
    masks = batch.inputs["caption_mask"].roll(1, 0)
    after = spied(method, changed(batch, caption_ids=captions, caption_mask=masks))
    assert not torch.allclose(before[0], after[0], atol=1e-3)
    assert torch.equal(before[1], after[1])
    ids = batch.inputs["input_ids"].clone()
    ids[:, 2] = method.text.tokenizer.convert_tokens_to_ids("star")
    after = spied(method, changed(batch, input_ids=ids))
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1], atol=1e-3)


def spied(method: Camim, batch: Batch) -> list[Tensor]:
    """Z of both branches."""
    seen: list[Tensor] = []
    hook = method.aware.register_forward_hook(lambda _, __, found: seen.append(found))
    scored(method, batch)
    hook.remove()
    return seen


def test_padding_of_captions_is_seen_by_the_public_code_only() -> None:
    for public in (False, True):
        method = made(legacy_no_mask=public)
        assert method.config.mask_padding is not public
        batch = batch_of(method, FULL)
        ids, mask = batch.inputs["caption_ids"], batch.inputs["caption_mask"]
        assert not mask.all()
        other = torch.where(mask.bool(), ids, torch.full_like(ids, 7))
        same = torch.allclose(
            scored(method, batch)["own"],
            scored(method, changed(batch, caption_ids=other))["own"],
            atol=1e-6,
        )
        assert same is not public


def test_padding_of_the_text_changes_nothing_by_default() -> None:
    method = made()
    batch = batch_of(method, FULL)
    wider = {
        name: functional.pad(batch.inputs[name], (0, 3)) for name in ("input_ids", "attention_mask")
    }
    one, other = scored(method, batch), scored(method, changed(batch, **wider))
    for name in ("own", "made", "logits"):
        assert torch.allclose(one[name], other[name], atol=1e-5)


def test_weak_pairs_do_not_see_the_whole_picture() -> None:
    method = made()
    batch = batch_of(method, FULL)
    weak = torch.tensor([0.0, 1.0]).expand(8, 2, 2)
    pictures = batch.inputs["pictures"].flip(0)
    for scores, same in ((weak, True), (weak.flip(2), False)):
        one = scored(method, changed(batch, scores=scores))["own"]
        other = scored(method, changed(batch, scores=scores, pictures=pictures))["own"]
        assert torch.allclose(one, other, atol=1e-6) is same
    objects = batch.inputs["objects"].flip(0)
    strong = weak.flip(2)
    one = scored(method, changed(batch, scores=strong))["own"]
    other = scored(method, changed(batch, scores=strong, objects=objects))["own"]
    assert torch.allclose(one, other, atol=1e-6)


def test_the_bound_has_its_number_and_its_direction() -> None:
    method = made(alpha=0.1)
    own = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    generated = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    told = torch.ones(2, dtype=torch.bool)
    apart = Batch([], {"owner": torch.arange(2)})
    scores = {"own": own, "made": generated, "told": told}
    assert float(method.extra_losses(scores, apart)["mutual"]) == pytest.approx(0.05032, abs=1e-5)
    scores = {"own": generated, "made": own, "told": told}
    assert float(method.extra_losses(scores, apart)["mutual"]) == pytest.approx(0.04791, abs=1e-5)
    one = {"own": own[:1], "made": generated[:1], "told": told[:1]}
    alone = Batch([], {"owner": torch.zeros(1, dtype=torch.long)})
    assert float(method.extra_losses(one, alone)["mutual"]) == 0.0
    # Two pairs of one post have the same pictures: neither is the other's rival.
    together = Batch([], {"owner": torch.zeros(2, dtype=torch.long)})
    assert float(method.extra_losses(scores, together)["mutual"]) == 0.0


def test_the_bound_pulls_at_both_sides() -> None:
    method = made().train()
    output = method(batch_of(method, FULL, gold=True))
    grads = torch.autograd.grad(
        output.losses["mutual"], [output.scores["own"], output.scores["made"]]
    )
    assert all(gradient.abs().max() > 0 for gradient in grads)
    assert set(output.losses) == {"main", "mutual"}


def test_without_the_bound_training_is_that_of_the_cross_entropy() -> None:
    losses: list[list[float]] = []
    for mine in (True, False):
        method = made(alpha=0.0 if mine else 0.1).train()
        batch = batch_of(method, FULL[:2], gold=True)
        optimiser = torch.optim.SGD(method.trainable(), lr=0.1)
        torch.manual_seed(3)
        run = []
        for _ in range(3):
            output = method(batch)
            loss = output.loss if mine else output.losses["main"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            run.append(float(loss.detach()))
        losses.append(run)
    assert losses[0] == losses[1]


def test_a_post_without_its_caption() -> None:
    bare = dataclasses.replace(FULL[0], context=())
    method = made()
    batch = batch_of(method, [bare, FULL[1]])
    special = (method.text.tokenizer.cls_token_id, method.text.tokenizer.sep_token_id)
    assert batch.inputs["caption_ids"][0].tolist() == [*special, *[method.text.pad_id] * 14]
    assert batch.inputs["caption_mask"].sum(1).tolist()[0] == 2
    assert batch.inputs["captioned"].tolist() == [False, True]
    assert torch.allclose(
        scored(method, batch)["logits"][1:],
        scored(method, batch_of(method, [FULL[1]]))["logits"],
        atol=1e-5,
    )
    assert scored(method, batch)["told"].all()  # its picture is there
    strict = made(missing_caption="refuse")
    with pytest.raises(ConfigError, match=r"no caption: .*controlled") as caught:
        batch_of(strict, [FULL[1], bare])
    assert caught.value.where == bare.id
    blank = dataclasses.replace(
        bare, context=(ContextText(kind="caption", text="  ", source="controlled", media="m0"),)
    )
    with pytest.raises(ConfigError, match="its text is empty"):
        batch_of(strict, [blank])


def test_captions_are_taken_by_source() -> None:
    texts = (
        ContextText(kind="caption", text="a red star", source="one", media="m0"),
        ContextText(kind="caption", text="a blue ring", source="two", media="m0"),
    )
    post = dataclasses.replace(POSTS[0], context=texts)

    def read(*sources: str) -> str:
        method = made(captions=sources)
        ids = batch_of(method, [post]).inputs["caption_ids"][0]
        return str(method.text.tokenizer.decode(ids, skip_special_tokens=True))

    assert read("two") == "a blue ring"
    assert read("two", "one") == "a blue ring a red star"
    assert read() == "a red star a blue ring"
    assert read("three") == ""


def test_a_long_caption_is_cut() -> None:
    text = " ".join(["star"] * 60)
    caption = ContextText(kind="caption", text=text, source="controlled", media="m0")
    post = dataclasses.replace(POSTS[0], context=(caption,))
    for length in (5, 16, 40):
        method = made(max_caption_len=length)
        batch = batch_of(method, [post])
        assert batch.inputs["caption_ids"].shape == (1, length)
        assert batch.inputs["caption_mask"].sum() == length


def test_batch_norms_see_one_kind_of_picture_at_a_time() -> None:
    method = made()
    batch = batch_of(method, FULL)
    i = batch.inputs
    method.train()

    def rows(**inputs: Tensor) -> tuple[Tensor, ...]:
        """The post's own picture and its objects, the generated picture and its objects."""
        with torch.no_grad():
            found = method.image_rows(changed(batch, **inputs))
        return found[:, 0, 0], found[:, 0, 1:], found[:, 1, 0], found[:, 1, 1:]

    before = rows()
    pictures, objects = i["pictures"].clone(), i["objects"].clone()
    pictures[:, 1] *= 0.5  # the generated pictures, paler
    same = [torch.equal(a, b) for a, b in zip(before, rows(pictures=pictures), strict=True)]
    assert same == [True, True, False, True]
    objects[:, 0] *= 0.5
    same = [torch.equal(a, b) for a, b in zip(before, rows(objects=objects), strict=True)]
    assert same == [True, False, True, True]


def test_an_absent_picture_leaves_its_branch_to_the_words() -> None:
    method = made()
    bare = [
        dataclasses.replace(bare, context=post.context)
        for post, bare in zip(POSTS, without_pictures(POSTS), strict=True)
    ]
    batch = batch_of(method, bare)
    assert not batch.inputs["seen"].any()
    assert not method.image_rows(batch).any()
    found = scored(method, batch)
    assert found["told"].all()
    captions = batch.inputs["caption_ids"].roll(1, 0)
    masks = batch.inputs["caption_mask"].roll(1, 0)
    other = scored(method, changed(batch, caption_ids=captions, caption_mask=masks))
    assert not torch.allclose(found["own"], other["own"], atol=1e-4)
    assert torch.equal(found["made"], other["made"])


def test_a_post_without_picture_and_caption_takes_no_part_in_the_bound() -> None:
    method = made()
    (bare,) = without_pictures(POSTS[:1])
    documents = [bare, *FULL[1:4]]
    batch = batch_of(method, documents, gold=True)
    with torch.no_grad():
        output = method(batch)
        rest = method(batch_of(method, documents[1:], gold=True))
    assert output.scores["told"].tolist() == [False, True, True, True]
    assert torch.allclose(output.losses["mutual"], rest.losses["mutual"], atol=1e-5)
    silent = torch.tanh(method.picture_map.bias)
    assert torch.allclose(output.scores["own"][0], silent, atol=1e-6)
    alone = method(batch_of(method, [bare], gold=True))
    assert set(alone.losses) == {"main"}


def test_black_pictures_on_request() -> None:
    method = made(missing="zeros")
    batch = batch_of(method, without_pictures(POSTS[:2]))
    assert method.image_rows(batch).any()
    assert scored(method, batch)["told"].all()


def test_several_pairs_share_one_caption() -> None:
    post = FULL[0]
    gold = post.annotations
    assert gold is not None
    free = post.with_annotations(dataclasses.replace(gold, relations=()))
    method = made()
    batch = batch_of(method, [FULL[1], free])
    assert batch.inputs["owner"].tolist() == [0, 1, 1]
    assert batch.inputs["caption_ids"].shape[0] == 2
    one, other = scored(method, batch)["logits"], scored(method, batch_of(method, [free]))["logits"]
    assert torch.allclose(one[1:], other, atol=1e-5)


def test_the_published_look_up_of_phrases_and_colours() -> None:
    text = ContextText(kind="note", text="Star of the zzz", source="p")
    post = dataclasses.replace(POSTS[0], context=(*POSTS[0].context, text))
    unknown = made().text.tokenizer.unk_token_id
    proper = batch_of(made(phrases=("p",)), [post]).inputs
    public = batch_of(made(phrases=("p",), legacy_phrase_lookup=True), [post]).inputs
    assert unknown not in proper["phrase_ids"][0].tolist()
    assert public["phrase_ids"][0].tolist().count(unknown) == 2
    everywhere = batch_of(made(phrases=("p",), legacy_all_visible=True), [post]).inputs
    assert everywhere["phrase_mask"].tolist() == [[1] * 6]
    blue = batch_of(made(legacy_bgr=True), [post]).inputs["pictures"]
    red = batch_of(made(), [post]).inputs["pictures"]
    assert blue.max() > 100
    assert red.max() < 5
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    assert torch.allclose((blue[0, 0].flip(0) / 255 - mean) / std, red[0, 0], atol=1e-4)
    assert made(legacy_bootstrap=True).draws_with_replacement
    assert not made().draws_with_replacement


def test_both_encoders_learn_apart_and_everything_moves() -> None:
    method = made(text_dropout=0.0, module_dropout=0.0, dropout=0.0).train()
    batch = batch_of(method, FULL[:4], gold=True)
    optimiser = torch.optim.AdamW(method.trainable(), lr=2e-3)
    losses = []
    for _ in range(6):
        optimiser.zero_grad()
        loss = method(batch).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    still = {n for n, p in method.named_parameters() if p.grad is None or not p.grad.any()}
    # Poolers are read by nobody, and a softmax does not see what all its keys share.
    keys = ("key.bias", "row_key.bias", "word_key.bias")
    assert all("pooler" in n or n.endswith(keys) for n in still), still
    one, other = (method.backbones[name].model for name in ("text", "captions"))
    assert not torch.equal(
        one.embeddings.word_embeddings.weight, other.embeddings.word_embeddings.weight
    )


def test_encoders_that_cut_differently_are_refused() -> None:
    from magpie.backbones import load_text, load_vision

    text, other = load_text("tiny-bert"), load_text("tiny-bert")
    other.tokenizer.add_tokens(["magpie"])
    with pytest.raises(ConfigError, match="another way"):
        Camim(CamimConfig(**TINY), LABELS, text, other, load_vision("tiny-resnet"))


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": -0.1},
        {"module_dropout": 1.0},
        {"dropout": 1.0},
        {"max_caption_len": 2},
        {"text_length": 0},
        {"object_count": 0},
        {"strong": 1.5},
        {"max_length": 4},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        CamimConfig(**settings)


def test_a_post_without_a_pair_is_no_work() -> None:
    method = made()
    empty = Document(id="none", blocks=(Block(id="b0", text="no mention"),))
    batch = batch_of(method, [empty, FULL[0]])
    assert torch.allclose(
        scored(method, batch)["logits"],
        scored(method, batch_of(method, [FULL[0]]))["logits"],
        atol=1e-5,
    )
    (found,) = method.predict([empty], [Supplier()(empty, method.needs())])
    assert found.relations == ()


def test_recipes() -> None:
    recipe = read_recipe("relation/camim_mnre")
    (stage,) = recipe.stages
    loop, moves, config = stage.loop, stage.loop.optimiser, recipe.config.to_dict()
    assert (loop.epochs, loop.batch, recipe.seeds) == (8, 16, (666,))
    assert (moves.name, moves.rate, moves.decay, moves.schedule) == (
        "bert-adam", 2e-5, 0.01, "linear",
    )  # fmt: skip
    steps = loop.epochs * -(-12247 // loop.batch)
    assert moves.warmup == pytest.approx(300 / steps, abs=1e-4)
    assert (config["max_length"], config["text_length"], config["max_caption_len"]) == (128, 40, 40)
    assert (config["alpha"], config["dropout"], config["module_dropout"]) == (0.1, 0.5, 0.3)
    assert (config["captions"], recipe.data.context[0]) == (("minicpm",), "minicpm")
    assert not any(value for name, value in config.items() if name.startswith("legacy_"))
    small = read_recipe("relation/camim_mnre_minilm")
    assert small.config.to_dict()["text"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert small.data.pictures == "none"
    for each in (recipe, small):
        assert each.config.to_dict()["captions"] == tuple(each.data.context)
        assert each.config.to_dict()["phrases"] == ()


@pytest.mark.corpus
@pytest.mark.parametrize("source", ["minicpm", "cogvlm", "llava-next"])
def test_published_captions_reach_the_method(data_dir: Path, source: str) -> None:
    data = DataConfig(corpus="mnre@2", root=str(data_dir), context=(source,), pictures="none")
    documents = read_documents("mnre@2:dev", data, limit=12)
    method = made(captions=(source,), max_caption_len=40)
    supplied = Supplier()
    needs = [need for need in method.needs() if isinstance(need, Texts)]
    for document in documents:
        (asset,) = supplied(document, needs).values()
        assert asset.present
        (own,) = [text.text for text in document.context if text.source == source]
        assert asset.texts == (own,)
    batch = batch_of(method, documents[:2])
    assert batch.inputs["captioned"].all()
    assert not batch.inputs["seen"].any()


@pytest.mark.corpus
def test_published_phrases_give_gold_away(data_dir: Path) -> None:
    """Why they are not read by default: words for types end them where there is a relation."""
    data = DataConfig(corpus="mnre@2", root=str(data_dir), pictures="none")
    documents = read_documents("mnre@2:test", data)
    rows = side.read("tmr-phrases-mnre", "mnre@2:test", data_dir)
    phrases = {row.key: row.phrases[0].lower().split() for row in rows}
    assert len(phrases) == len(documents) == 1614
    types = {"person", "organization", "location", "miscellaneous", "misc"}
    counted = [0, 0]
    for number, document in enumerate(documents):
        assert document.annotations is not None
        (relation,) = document.annotations.relations
        counted[relation.type != "None"] += bool(types & set(phrases[str(number)][-2:]))
    assert sum(r.type != "None" for d in documents for r in d.annotations.relations) == 640  # type: ignore[union-attr]
    assert counted[1] > 600
    assert counted[0] < 10
    assert CamimConfig().phrases == ()
