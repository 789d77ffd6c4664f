"""MOREformer: tokens of objects, what is seen, what is trained, pairs with objects, the answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch.nn import functional  # noqa: E402
from transformers import CLIPVisionConfig, CLIPVisionModel  # noqa: E402

from magpie.backbones import VisionEncoder, load_text  # noqa: E402
from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.engine import Extractor  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.checkpoint import save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.moreformer import Moreformer, MoreformerConfig  # noqa: E402
from magpie.metrics import items_of, score  # noqa: E402
from magpie.nn.lockstep import correlated  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Media,
    Region,
    Relation,
)
from magpie.training.examples import Examples  # noqa: E402
from magpie.training.loop import LoopConfig, Trainer  # noqa: E402
from magpie.training.optimisers import OptimiserConfig  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-clip",
    "fusion_layers": 1,
    "object_side": 16,
    "max_length": 40,
    "depth": "tiny-depth",
    "depth_scale": -0.4,
    "depth_shift": 1.0,
    "captions": ("note",),
}
LABELS = LabelSpace(
    relation_types=("held_on", "member_of", "none", "parent", "peer"), null_relation="none"
)
OBJECTS = {"o0": (0, 0, 30, 40), "o1": (20, 10, 60, 60), "o2": (5, 30, 25, 64)}


def shaken(method: Moreformer, scale: float = 0.2) -> Moreformer:
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return method.eval()


def moreformer(**settings: Any) -> Moreformer:
    torch.manual_seed(0)
    return shaken(Moreformer.build(MoreformerConfig(**{**TINY, **settings}), LABELS))


def post(
    objects: dict[str, tuple[float, ...]] | None = None,
    facts: tuple[tuple[str, str, str], ...] = (("e0", "o1", "peer"),),
    words: str = "Rocky met Jordan today",
    captions: tuple[tuple[str, str], ...] = (("note", "a red ring"),),
) -> Document:
    """A picture with objects, two mentions, and the facts (mention, object, relation)."""
    drawn = next(iter(controlled("train", ControlledConfig(task="ner", size=4, seed=3)))).media[0]
    block = Block.from_words(words.split())
    entities = tuple(
        Entity(id=name, span=block.word_span(n, n + 1), type="PER")
        for name, n in (("e0", 0), ("e1", 2))
    )
    regions = tuple(
        Region(media=drawn.id, box=Box(*corners, media=drawn.id), id=name, label=f"thing {name}")
        for name, corners in (OBJECTS if objects is None else objects).items()
    )
    relations = tuple(
        Relation(id=f"f{n}", head=head, tail=tail, type=kind)
        for n, (head, tail, kind) in enumerate(facts)
    )
    return Document(
        id="post",
        blocks=(block,),
        media=(drawn,),
        context=tuple(ContextText(kind="caption", text=t, source=s) for s, t in captions),
        annotations=Annotations(entities=entities, regions=regions, relations=relations),
    )


def examples_of(method: Moreformer, *documents: Document) -> list[Any]:
    supplier, needs = Supplier(), method.needs()
    return [method.prepare(without_gold(d, method.given), supplier(d, needs)) for d in documents]


def batch_of(method: Moreformer, *documents: Document) -> Batch:
    found = examples_of(method, *documents)
    return method.collate(
        found, [method.targets(d, e) for d, e in zip(documents, found, strict=True)]
    )


def logits(method: Moreformer, *documents: Document) -> Any:
    with torch.no_grad():
        return method(batch_of(method, *documents)).scores["logits"]


def test_published_settings() -> None:
    c = MoreformerConfig()
    assert (c.text, c.vision, c.max_length) == ("bert-base-uncased", "clip-vit-base-patch32", 96)
    assert (c.fusion_layers, c.object_slots, c.object_side) == (4, 10, 64)
    assert (c.use_cap, c.use_dep, c.use_box, c.place_dropout) == (True, True, True, 0.1)
    assert [c.legacy_frozen_head, c.legacy_depth_resize, c.legacy_no_mask] == [False] * 3


def wide(**settings: Any) -> Moreformer:
    """Twelve layers of twelve heads, patches of 32, otherwise small."""
    torch.manual_seed(0)
    text = load_text("tiny-bert")
    sizes = {
        "hidden_size": 48,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 48,
    }
    text.transformer.config.update({**sizes, "vocab_size": 300})
    bert = type(text.transformer)(text.transformer.config)
    text.model = bert
    clip = CLIPVisionModel(CLIPVisionConfig(image_size=64, patch_size=32, **sizes))
    vision = VisionEncoder(clip, "small", PixelSpec(side=64))
    config = MoreformerConfig(
        **{**TINY, "fusion_layers": 4, "object_side": 64, "max_length": 96, **settings}
    )
    return Moreformer(config, LABELS, text, vision).eval()


@pytest.mark.parametrize("use_dep", [True, False])
def test_tokens_and_attention_have_the_published_shapes(
    monkeypatch: pytest.MonkeyPatch, use_dep: bool
) -> None:
    """80 (40 without depth) tokens enter, 10 objects leave the position step; maps of layers 0..7
    are 80 x 80, of 8..11 10 x (96 + 10)."""
    method = wide(legacy_no_mask=True, use_dep=use_dep)
    ten = {f"o{n}": (n, n, n + 20, n + 30) for n in range(10)}
    batch = batch_of(method, post(ten), post(ten, (("e0", "o7", "none"),)))
    shapes: list[tuple[int, ...]] = []
    plain = functional.scaled_dot_product_attention

    def watched(query: Any, key: Any, value: Any, **options: Any) -> Any:
        shapes.append((*query.shape[:3], key.shape[2]))
        return plain(query, key, value, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", watched)
    with torch.no_grad():
        states = method.states(batch)
    tokens = 80 if use_dep else 40
    assert [tuple(s.shape) for s in states.vision] == [(2, tokens, 48)] * 8 + [(2, 10, 48)] * 4
    assert shapes[0::2] == [(2, 12, tokens, tokens)] * 8 + [(2, 12, 10, 106)] * 4
    assert shapes[1::2] == [(2, 12, 96, 96)] * 12


def test_fusion_is_not_scaled() -> None:
    found = correlated(torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.eye(2)[None])
    assert found[0].flatten().tolist() == pytest.approx(
        [0.731059, 0.268941, 0.119203, 0.880797], abs=1e-6
    )


def test_prefix_attention_by_hand() -> None:
    """q = 2, keys 0.5 (text) and 1 (picture), values 10 and 20, heads one wide: no scale."""
    query, keys, values = (
        torch.tensor(v).view(1, 1, -1, 1) for v in ([2.0], [0.5, 1.0], [10.0, 20.0])
    )
    weights = (query @ keys.transpose(2, 3)).softmax(-1)
    assert weights.flatten().tolist() == pytest.approx([0.268941, 0.731059], abs=1e-6)
    found = functional.scaled_dot_product_attention(query, keys, values)
    assert found.item() == pytest.approx(17.310587, abs=1e-5)


def test_the_depth_channel_by_hand() -> None:
    method = moreformer(depth_scale=-100.0, depth_shift=255.0)
    assert method.depth_channel(torch.tensor([1.2, 0.0])).tolist() == pytest.approx([135.0, 255.0])
    assert (MoreformerConfig().depth_scale, MoreformerConfig().depth_shift) == (-100.0, 255.0)


def test_the_order_of_objects_enters_through_the_tail_alone() -> None:
    objects = [("o0", OBJECTS["o0"]), ("o1", OBJECTS["o1"]), ("o2", OBJECTS["o2"])]
    swapped = dict([objects[0], objects[2], objects[1]])
    for legacy in (False, True):
        method = moreformer(legacy_no_mask=legacy)
        one, other = post(dict(objects)), post(swapped)
        assert examples_of(method, one)[0].inputs["tail"].tolist() == [1]
        assert examples_of(method, other)[0].inputs["tail"].tolist() == [2]
        assert torch.allclose(logits(method, one), logits(method, other), atol=1e-5)
        # The mention asked beside another object is another question.
        asked = post(dict(objects), (("e0", "o2", "peer"),))
        assert not torch.allclose(logits(method, one), logits(method, asked), atol=1e-3)


def test_what_takes_part_gets_a_gradient_and_what_is_frozen_does_not() -> None:
    method = moreformer()
    method.train()
    method(batch_of(method, post())).loss.backward()
    named = dict(method.named_parameters())
    parts = ("lockstep.fusions.0.dense", "classifier", "mm_linear", "tokens.depth", "places.place")
    for part in parts:
        assert named[f"{part}.weight"].grad.abs().max() > 0, part
    assert all(p.grad is not None for p in method.trainable())
    assert len(method.lockstep.fusions) == 1
    unused = {n for n, p in named.items() if not p.requires_grad}
    clip, bert = "backbones.vision.model", "backbones.text.model"
    assert unused == {
        f"{clip}.embeddings.class_embedding",
        f"{clip}.embeddings.position_embedding.weight",
        f"{clip}.post_layernorm.weight",
        f"{clip}.post_layernorm.bias",
        f"{bert}.pooler.dense.weight",
        f"{bert}.pooler.dense.bias",
    }


@pytest.mark.parametrize("frozen", [False, True])
def test_legacy_frozen_head(frozen: bool) -> None:
    method = moreformer(legacy_frozen_head=frozen)
    before = {n: p.detach().clone() for n, p in method.named_parameters()}
    settings = LoopConfig(epochs=1, batch=2, optimiser=OptimiserConfig(rate=1e-2, warmup=0.0))
    list(Trainer(method, Examples(method, [post()], Supplier()), settings).steps())
    moved = {n for n, p in method.named_parameters() if not torch.equal(p, before[n])}
    assert ("classifier.weight" in moved) is not frozen
    assert ("mm_linear.weight" in moved) is not frozen
    assert "lockstep.fusions.0.dense.weight" in moved


def test_without_depth_there_is_no_depth_kernel() -> None:
    method = moreformer(use_dep=False)
    assert method.tokens.depth is None
    assert "depth" not in examples_of(method, post())[0].inputs
    assert method.tokens_each * 2 == moreformer().tokens_each


def test_without_fusion_weights_the_text_is_plain_bert() -> None:
    method = moreformer()
    with torch.no_grad():
        for fusion in method.lockstep.fusions:
            fusion.dense.weight.zero_()
            fusion.dense.bias.zero_()
    batch = batch_of(method, post())
    i = batch.inputs
    with torch.no_grad():
        ours = method.states(batch).text[-1]
        plain = method.text.transformer(
            input_ids=i["input_ids"],
            token_type_ids=i["token_type_ids"],
            attention_mask=i["attention_mask"],
        ).last_hidden_state
        read = method.states(batch, i["ends"]).text[-1]
    assert torch.allclose(ours, plain, atol=1e-5)
    assert torch.allclose(read[0], ours[0, i["ends"][0]], atol=1e-6)


def test_colours_and_depth_of_an_object_share_a_geometry_by_default() -> None:
    by_default, legacy = moreformer(), moreformer(legacy_depth_resize=True)
    tall = post({"o1": (0, 0, 20, 60)})
    one, other = (examples_of(method, tall)[0].inputs for method in (by_default, legacy))
    assert torch.equal(one["pixels"], other["pixels"])
    assert not torch.equal(one["depth"], other["depth"])


def test_padding_and_empty_slots_are_seen_in_legacy_no_mask_alone() -> None:
    alone, long = post(), post(words="Rocky met Jordan today " + "again " * 12)
    many = post({f"o{n}": (n, 0, n + 9, 40) for n in range(8)}, (("e0", "o5", "peer"),))
    method = moreformer()
    expected = logits(method, alone)
    assert torch.allclose(logits(method, alone, long, many)[:1], expected, atol=1e-5)
    legacy = moreformer(legacy_no_mask=True)
    published = logits(legacy, alone)
    assert torch.allclose(logits(legacy, alone, long, many)[:1], published, atol=1e-5)
    assert not torch.allclose(published, expected, atol=1e-3)
    assert legacy.text.transformer.get_input_embeddings().padding_idx is None
    # All slots filled and no padding: both are the same.
    full = post({f"o{n}": (n, 0, n + 9, 40) for n in range(10)}, (("e0", "o5", "peer"),))
    length = examples_of(method, full)[0].inputs["input_ids"].shape[1]
    exact = moreformer(legacy_no_mask=True, max_length=length)
    assert torch.allclose(logits(exact, full), logits(method, full), atol=1e-5)


def test_pairs_that_nobody_listed_are_every_mention_with_every_object() -> None:
    method = moreformer()
    (example,) = examples_of(method, post(facts=()))
    assert example.notes["pairs"] == [(e, o) for e in ("e0", "e1") for o in ("o0", "o1", "o2")]
    (found,) = method.predict([post(facts=())], [Supplier()(post(facts=()), method.needs())])
    assert all(relation.type != "none" for relation in found.relations)
    # Relations among mentions are no pairs of this task, and are not answered.
    (example,) = examples_of(method, post(facts=(("e0", "e1", "peer"), ("e1", "o0", "none"))))
    assert example.notes["pairs"] == [("e1", "o0")]


def test_facts_of_one_picture_share_its_objects() -> None:
    method = moreformer()
    facts = (("e0", "o1", "peer"), ("e1", "o2", "none"), ("e1", "o1", "parent"))
    batch = batch_of(method, post(facts=facts))
    assert batch.inputs["pixels"].shape[:2] == (1, 3)
    assert batch.inputs["owner"].tolist() == [0, 0, 0]
    with torch.no_grad():
        together = method(batch).scores["logits"]
    for row, fact in enumerate(facts):
        assert torch.allclose(
            logits(method, post(facts=(fact,))), together[row : row + 1], atol=1e-5
        )


def test_captions_are_those_of_the_object() -> None:
    captions = (("note", "a ring"), ("note#o1", "red"), ("note#o2", "blue"), ("other", "no"))
    facts = (("e0", "o0", "peer"), ("e0", "o1", "peer"), ("e0", "o2", "peer"))
    method = moreformer()
    (example,) = examples_of(method, post(facts=facts, captions=captions))
    known = method.text.tokenizer
    for row, said in enumerate(("a ring", "red", "blue")):
        ids = example.inputs["input_ids"][row]
        inside = example.inputs["token_type_ids"][row].bool()
        place = int(example.inputs["ends"][row, 1])
        assert int(ids[place]) == method.markers["<o>"]
        assert known.decode(ids[inside], skip_special_tokens=True).split() == said.split()
    # Without any: an empty one between its markers, or a refusal.
    (bare,) = examples_of(method, post(captions=()))
    assert int(bare.inputs["token_type_ids"].sum()) == 3
    with pytest.raises(ConfigError, match="no caption of the object o1"):
        examples_of(moreformer(missing_caption="refuse"), post(captions=()))
    assert moreformer(use_cap=False).needs() == {
        n for n in moreformer().needs() if "texts" not in n.describe()["kind"]
    }


def test_a_captioner_describes_each_object_where_nobody_did() -> None:
    method = moreformer(captions=("note", "captioner:tiny-blip"))
    (need,) = method._spoken
    facts = (("e0", "o0", "peer"), ("e0", "o2", "peer"))
    document = post(facts=facts, captions=(("note#o2", "blue"),))
    assets = Supplier()(document, method.needs())
    assert len(assets[need].texts) == 3
    spoken = {**assets, need: Asset(texts=("a ring", "red", "green"))}
    found = method.prepare(without_gold(document, method.given), spoken).inputs
    for row, said in enumerate(("a ring", "blue")):
        inside = found["input_ids"][row][found["token_type_ids"][row].bool()]
        words = method.text.tokenizer.decode(inside, skip_special_tokens=True)
        assert words.split() == said.split()
    # What the document's sources say goes first.
    told = post(facts=facts)
    found = method.prepare(without_gold(told, method.given), {**spoken, **texts_of(method, told)})
    inside = found.inputs["input_ids"][0][found.inputs["token_type_ids"][0].bool()]
    assert "red ring" in method.text.tokenizer.decode(inside, skip_special_tokens=True)


def texts_of(method: Moreformer, document: Document) -> dict[Any, Any]:
    return {method._texts: Supplier()(document, {method._texts})[method._texts]}


def test_a_picture_that_is_absent_leaves_places_and_words() -> None:
    method = moreformer()
    lost = dataclasses.replace(
        post(), media=(Media(id=post().media[0].id, missing="lost", width=64, height=64),)
    )
    (example,) = examples_of(method, lost)
    assert not example.inputs["pixels"].any()
    assert not example.inputs["depth"].any()
    seen = examples_of(method, post())[0].inputs["places"]
    assert torch.allclose(example.inputs["places"], seen)
    assert torch.isfinite(logits(method, lost)).all()


def test_a_map_that_is_absent_is_a_channel_of_zeros() -> None:
    method = moreformer()
    needs = method.needs()
    assets = Supplier()(post(), needs)
    without = {n: Asset.absent("none") if n == method._depth else a for n, a in assets.items()}
    found = method.prepare(without_gold(post(), method.given), without)
    assert not found.inputs["depth"].any()
    assert found.inputs["pixels"].any()


def test_documents_without_objects_take_no_part() -> None:
    method = moreformer()
    bare = post({}, ())
    batch = batch_of(method, post(), bare)
    method(batch).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.trainable() if p.grad is not None)
    (found,) = method.predict([bare], [Supplier()(bare, method.needs())])
    assert found.relations == ()


def test_the_answer_keeps_regions_and_the_scorer_reads_it(tmp_path: Path) -> None:
    method = moreformer()
    document = post(facts=(("e0", "o1", "peer"), ("e1", "o2", "none")))
    (found,) = method.predict([document], [Supplier()(document, method.needs())])
    assert found.regions == document.annotations.regions
    assert [(r.head, r.tail) for r in found.relations] == [("e0", "o1"), ("e1", "o2")]
    answered = document.with_annotations(found)
    report = score([items_of(document)], [items_of(answered)], "object-entity@1")
    assert "gold pairs without prediction" not in report.notes
    # The same through a checkpoint and the extractor.
    save_method(method, tmp_path / "run")
    broken = dataclasses.replace(
        document,
        id="broken",
        media=(Media(id=document.media[0].id, data=b"none", width=64, height=64),),
    )
    extracted, partial = Extractor(tmp_path / "run").stream([document, broken])
    assert (extracted.status, partial.status) == ("ok", "partial")
    assert [problem.code.partition("-")[0] for problem in partial.problems] == ["media"]
    assert len(partial.annotations.relations) == 2
    assert extracted.annotations.regions == document.annotations.regions
    ours = [(r.head, r.tail, r.type, round(r.score, 4)) for r in found.relations]
    theirs = [(r.head, r.tail, r.type, r.score) for r in extracted.annotations.relations]
    assert [o[:3] for o in ours] == [t[:3] for t in theirs]
    assert [o[3] for o in ours] == pytest.approx([t[3] for t in theirs], abs=2e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vision": "tiny-vit"}, "picture tower must be of type clip_vision_model"),
        ({"text": "tiny-roberta"}, "text tower must be of type bert"),
        ({"object_side": 12}, "multiple of 8"),
        ({"object_slots": 0}, "object_slots"),
        ({"markers": "public"}, "markers must be fixed"),
        ({"place_dropout": 1.0}, "place_dropout"),
        ({"captions": ()}, "use_cap needs a source"),
        ({"fusion_layers": 2}, "fusion_layers must lie"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        moreformer(**settings)


def test_texts_and_captions_that_spell_markers_write_unknown_words() -> None:
    method = moreformer()
    batch = batch_of(
        method, post(words="Rocky <o> <s> Jordan", captions=(("note", "a </o> ring"),))
    )
    ids = batch.inputs["input_ids"][0]
    assert [int((ids == marker).sum()) for marker in method.markers.values()] == [1, 1, 1, 1]
    assert int((ids == method.text.tokenizer.unk_token_id).sum()) >= 3


def test_an_unknown_relation_is_refused() -> None:
    method = moreformer()
    with pytest.raises(ConfigError, match="'sibling' is not among the types"):
        batch_of(method, post(facts=(("e0", "o1", "sibling"),)))
