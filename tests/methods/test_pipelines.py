"""Pipelines: parts that know nothing of each other, their stages, and what scores depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.pipelines import Pipeline  # noqa: E402
from magpie.methods.registry import method_class  # noqa: E402
from magpie.metrics import items_of, score  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)
from magpie.training.probes_grounded import GROUNDED  # noqa: E402

FOUR = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
NAMES = ("gvatt-evg", "umt-evg", "umgf-evg", "ita-evg")
POSTS = list(controlled("train", ControlledConfig(task="gmner", size=8, seed=1)))


def pipeline(name: str = "gvatt-evg", *, seed: int = 0, **settings: Any) -> Pipeline:
    """With the tiny settings of its probe; ``settings`` replace whole keys."""
    torch.manual_seed(seed)
    cls = method_class(name)
    plan: dict[str, Any] = {**GROUNDED[name].config, **settings}
    if plan.get("grounding") == "none":
        plan.pop("grounder")
    method = cls.build(cls.Config(**plan), FOUR)
    assert isinstance(method, Pipeline)
    return method.eval()


def batch_of(method: Pipeline, documents: Sequence[Document] = POSTS) -> Batch:
    supplied = Supplier().many(documents, method.needs())
    examples = [
        method.prepare(d.with_annotations(None), a)
        for d, a in zip(documents, supplied, strict=True)
    ]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, targets)


def predicted(method: Pipeline, documents: Sequence[Document] = POSTS) -> list[Document]:
    found = method.predict(documents, Supplier().many(documents, method.needs()))
    return [d.with_annotations(a) for d, a in zip(documents, found, strict=True)]


def learning(method: Pipeline, batch: Batch) -> set[str]:
    """Parts that a step would move."""
    method.zero_grad(set_to_none=True)
    method(batch).loss.backward()
    return {
        part
        for part in ("tagger", "grounder")
        for p in getattr(method, part).parameters()
        if p.grad is not None and bool(p.grad.any())
    }


# what a score can and cannot depend on


def worked() -> tuple[Document, dict[str, Entity]]:
    """The worked example of gmner_metrics.md, and its six predictions without places."""
    text = "Kevin Love left Cavs for Ohio in Nike with Oscar and Lakers"
    block = Block.from_words(text.split())
    places = {
        "A": ("PER", 0, 2, [(10, 10, 110, 210), (200, 10, 300, 210)]),
        "B": ("ORG", 3, 4, []),
        "C": ("LOC", 5, 6, [(300, 300, 400, 400)]),
        "D": ("ORG", 7, 8, [(50, 50, 90, 70)]),
        "E": ("OTHER", 9, 10, []),
        "F": ("ORG", 11, 12, []),
    }
    entities = {}
    for name, (kind, start, end, boxes) in places.items():
        regions = tuple(Region.of_box(Box(*box, media="m0")) for box in boxes)
        entities[name] = Entity(
            id=name,
            span=block.word_span(start, end),
            type=kind,
            grounding=Grounding.in_regions(*regions),
        )
    gold = Annotations(entities=tuple(entities[name] for name in "ABCDE"))
    document = Document(
        id="1", blocks=(block,), media=(Media(id="m0", missing="no file"),), annotations=gold
    )
    entities["D"] = dataclasses.replace(entities["D"], type="OTHER")
    return document, {
        name: dataclasses.replace(entity, grounding=Grounding())
        for name, entity in entities.items()
    }


def test_a_system_without_grounding_on_the_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    document, found = worked()
    method = pipeline(tagger={**GROUNDED["gvatt"].config, "image": "none"}, grounding="none")
    assert method.needs() == frozenset()
    assert method.grounder is None
    answer = Annotations(entities=tuple(found.values()))
    monkeypatch.setattr(method.tagger, "decode", lambda output, batch: [answer])
    (answered,) = predicted(method, [document])
    assert {entity.grounding.status for entity in answered.entities} == {"absent"}
    parts = score([items_of(document)], [items_of(answered)], "gmner-iou50@1").parts
    for name, correct in (("gmner", 2), ("eeg", 2), ("mner", 4)):
        counts = parts[name].micro
        assert (counts.correct, counts.predicted, counts.gold) == (correct, 6, 5), name
    main = parts["gmner"].micro
    numbers = [round(100 * value, 2) for value in (main.precision, main.recall, main.f1)]
    assert numbers == [33.33, 40.0, 36.36]


def test_mner_does_not_depend_on_the_grounder() -> None:
    method = pipeline("umt-evg")
    grounder = GROUNDED["umt-evg"].config["grounder"]
    others = [
        pipeline("umt-evg", grounder={**grounder, "theta": 0.0}),
        pipeline("umt-evg", grounder={**grounder, "theta": 1.0}),
        pipeline("umt-evg", grounder={**grounder, "count": 2, "order": "entity-post"}, seed=5),
        pipeline("umt-evg", grounding="none"),
    ]
    gold = [items_of(document) for document in POSTS]
    mner, gmner = [], []
    for each in (method, *others):
        each.tagger.load_state_dict(method.tagger.state_dict())
        parts = score(gold, map(items_of, predicted(each)), "gmner-iou50@1").parts
        mner.append(parts["mner"].micro)
        gmner.append(parts["gmner"].micro)
        assert [e.span for d in predicted(each) for e in d.entities] == [
            e.span for d in predicted(method) for e in d.entities
        ]
    assert mner[0].predicted > 0
    assert len(set(mner)) == 1
    # A threshold of one grounds nothing, as the system without a grounder.
    assert gmner[2] == gmner[4]


# the taggers inside, as their papers have them


def test_umt_inside_mixes_spans_into_types() -> None:
    method = pipeline("umt-evg")
    scores = method(batch_of(method)).scores
    spans = scores["tagger.spans"]
    shares = method.tagger.conversion
    assert isinstance(shares, torch.Tensor)
    # A B-score is spread over the four types in equal parts, O stays whole.
    assert shares[2].tolist() == [0, 0, *[0.25, 0] * 4, 0, 0, 0]
    assert shares[1].tolist() == [0, 1, *[0] * 11]
    torch.testing.assert_close(scores["tagger.converted"], spans @ shares)
    mean = (scores["tagger.main"] + scores["tagger.converted"]) / 2
    torch.testing.assert_close(scores["tagger.emissions"], mean)


def test_ita_inside_teaches_only_the_view_without_context() -> None:
    method = pipeline("ita-evg")
    tagger: Any = method.tagger
    example = method.prepare(POSTS[0].with_annotations(None), Supplier()(POSTS[0], method.needs()))
    inner = Batch(
        [],
        {
            name.removeprefix("tagger."): tensor.unsqueeze(0)
            for name, tensor in example.inputs.items()
        },
    )
    mask = tagger.chain_mask(inner)
    shape = (*mask.shape, len(tagger.tag_names))
    torch.manual_seed(0)
    rich = torch.randn(shape, requires_grad=True)
    poor = torch.randn(shape, requires_grad=True)
    loss = tagger._divergence(rich, poor, mask, inner)
    assert loss.item() > 0
    loss.backward()
    assert rich.grad is None or not rich.grad.any()
    assert poor.grad is not None
    assert poor.grad.any()
    same = tagger._divergence(rich, rich.detach().clone(), mask, inner)
    assert same.item() == pytest.approx(0.0, abs=1e-6)


# stages


@pytest.mark.parametrize("name", NAMES)
def test_each_part_learns_alone(name: str) -> None:
    method = pipeline(name).train()
    batch = batch_of(method)
    for stage, parts in (
        ("tagger", {"tagger"}),
        ("grounder", {"grounder"}),
        ("main", {"tagger", "grounder"}),
        ("", {"tagger", "grounder"}),
    ):
        method.begin(stage)
        assert learning(method, batch) == parts, stage
        assert {loss.partition(".")[0] for loss in method(batch).losses} == parts


def test_each_part_is_scored_alone() -> None:
    method = pipeline()
    method.begin("tagger")
    assert {e.grounding.status for d in predicted(method) for e in d.entities} <= {"absent"}
    method.begin("grounder")
    found = predicted(method)
    assert [[(e.id, e.span, e.type) for e in d.entities] for d in found] == [
        [(e.id, e.span, e.type) for e in d.entities] for d in POSTS
    ]
    method.begin("")
    whole = predicted(method)
    assert [d.annotations.provenance.method for d in whole if d.annotations] == ["gvatt-evg"] * 8


def test_the_whole_grounds_what_the_tagger_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grounder is asked for found entities, exactly as it would be for given ones."""
    method = pipeline(grounder={**GROUNDED["evg"].config, "theta": 0.0})
    gold = iter([d.annotations for d in POSTS])
    monkeypatch.setattr(
        method.tagger,
        "decode",
        lambda output, batch: [
            dataclasses.replace(
                a, entities=tuple(dataclasses.replace(e, grounding=Grounding()) for e in a.entities)
            )
            for a in gold
            if a is not None
        ],
    )
    whole = predicted(method)
    method.begin("grounder")
    for one, other in zip(whole, predicted(method), strict=True):
        assert [e.boxes for e in one.entities] == [e.boxes for e in other.entities]
        assert all(e.boxes for e in one.entities)


def test_stages_that_there_are_not() -> None:
    with pytest.raises(ConfigError, match="no stage 'taggr'"):
        pipeline().begin("taggr")
    with pytest.raises(ConfigError, match="no stage 'grounder'"):
        pipeline(grounding="none").begin("grounder")


# checkpoints


def test_a_checkpoint_of_the_whole(tmp_path: Path) -> None:
    method = pipeline("umgf-evg")
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.01)
    save_method(method, tmp_path / "kept")
    again = load_method(tmp_path / "kept")
    assert isinstance(again, Pipeline)
    assert again.config == load_method(tmp_path / "kept").config
    for one, other in zip(predicted(method), predicted(again), strict=True):
        assert one.entities == other.entities
    assert sorted(p.name for p in (tmp_path / "kept" / "backbones").iterdir()) == [
        "grounder-text", "tagger-text", "tagger-vision",
    ]  # fmt: skip


def test_parts_that_come_ready(tmp_path: Path) -> None:
    method = pipeline(seed=3)
    assert method.grounder is not None
    save_method(method.tagger, tmp_path / "tagger")
    save_method(method.grounder, tmp_path / "grounder")
    joined = pipeline(
        tagger={},
        grounder={},
        tagger_checkpoint=str(tmp_path / "tagger"),
        grounder_checkpoint=str(tmp_path / "grounder"),
    )
    assert joined.tagger.config == method.tagger.config
    for one, other in zip(predicted(method), predicted(joined), strict=True):
        assert one.entities == other.entities
    with pytest.raises(ModelError, match="expected a checkpoint of gvatt, got one of evg"):
        pipeline(tagger_checkpoint=str(tmp_path / "grounder"))
    cls = method_class("gvatt-evg")
    config = cls.Config(
        **{**GROUNDED["gvatt-evg"].config, "tagger_checkpoint": str(tmp_path / "tagger")}
    )
    with pytest.raises(ModelError, match="entity types"):
        cls.build(config, LabelSpace(entity_types=("LOC", "PER")))


# settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tagger": {"hiden": 3}}, r"tagger\.hiden: unknown key.*Did you mean 'hidden'"),
        ({"tagger": {"hidden": 0}}, "hidden must be at least 1"),
        ({"grounder": {"theta": 2}}, "theta in"),
        ({"grounding": "none", "grounder": {"theta": 0.5}}, "has no grounder"),
    ],
)
def test_settings_of_parts_are_checked_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        method_class("gvatt-evg").Config(**settings)


def test_groups_are_named_by_part() -> None:
    names = [group.name for group in pipeline("ita-evg").groups()]
    assert names == [
        "tagger.text", "tagger.head", "tagger.chain", "grounder.text", "grounder.head",
    ]  # fmt: skip
