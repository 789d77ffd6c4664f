"""What every registered method must do; a new line in the registry is tested without a word here.

Methods are built with the tiny settings of their probe and fed posts of the controlled corpus.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib

import pytest

pytest.importorskip("torch", reason="methods need the extra 'train'")

import torch

from magpie._io import dump_json
from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.features import RegionFeatures
from magpie.features.depth import ObjectDepth
from magpie.features.each import inner
from magpie.features.object_captions import ObjectCaptions
from magpie.features.objects import ObjectCrops
from magpie.features.supply import Supplier
from magpie.methods.base import without_gold
from magpie.methods.checkpoint import load_method, save_method
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import METHODS, method_class
from magpie.schema import Annotations, Block, Document, Grounding, Media
from magpie.training.examples import Examples
from magpie.training.loop import LoopConfig, Trainer
from magpie.training.optimisers import OptimiserConfig
from magpie.training.probe import PROBES

ALL = pytest.mark.parametrize("name", sorted(METHODS))
pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def posts(task: str) -> tuple[Document, ...]:
    return tuple(controlled("train", ControlledConfig(task=task, size=8, seed=1)))


def build(name):
    torch.manual_seed(0)
    cls = method_class(name)
    plan = PROBES[name]
    return cls.build(cls.Config(**plan.config), LabelSpace.of(posts(plan.task)))


def supply(method, documents):
    supplier = Supplier()
    return [supplier(document, method.needs()) for document in documents]


def prepared(method, documents):
    return [
        method.prepare(method_input(method, document), assets)
        for document, assets in zip(documents, supply(method, documents), strict=True)
    ]


def method_input(method, document):
    """What a method may see: the mentions where its task hands them over, else nothing."""
    return without_gold(document, method.given)


def other_gold(method, gold):
    """Gold that differs in all that the method may not see: what it is given stays."""
    if "entities" not in method.given:
        return Annotations()
    typed = {} if "types" in method.given else {"type": "X"}
    return dataclasses.replace(
        gold,
        entities=tuple(
            dataclasses.replace(e, **typed, fine_type="Y", grounding=Grounding())
            for e in gold.entities
        ),
        regions=other_regions(gold) if "regions" in method.given else gold.regions,
        relations=tuple(dataclasses.replace(r, type="other") for r in gold.relations),
    )


def other_regions(gold):
    """The same places, in the same order, under other names and of no entity."""
    found = {region.id or region: region for region in gold.all_regions()}
    return tuple(dataclasses.replace(region, label="other", score=0.5) for region in found.values())


def scores(method, documents, *, gold=False):
    """Scores in evaluation mode; the first value of the name ``first``."""
    method.eval()
    examples = prepared(method, documents)
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    with torch.no_grad():
        return method(method.collate(examples, targets if gold else ()))


@ALL
def test_the_registry_tells_the_truth(name):
    line, cls = METHODS[name], method_class(name)
    assert cls.name == name
    assert {str(task) for task in cls.tasks} == set(line.tasks)
    assert line.module.startswith(f"magpie.methods.{line.family}.")
    assert cls.__doc__
    assert importlib.import_module(line.module).__doc__
    for field in dataclasses.fields(cls.Config):
        defaults = (field.default, field.default_factory)
        assert set(defaults) != {dataclasses.MISSING}, f"{field.name} has no default"


@ALL
def test_input_does_not_depend_on_gold(name):
    """Documents that differ in gold alone prepare to the same tensors."""
    method = build(name)
    documents = posts(PROBES[name].task)
    first = prepared(method, documents)
    stripped = [d.with_annotations(other_gold(method, d.annotations)) for d in documents]
    for one, other in zip(first, prepared(method, stripped), strict=True):
        assert one.inputs.keys() == other.inputs.keys()
        for key, value in one.inputs.items():
            assert torch.equal(value, other.inputs[key]), key


@ALL
def test_regions_are_cut_out_only_where_the_task_hands_them_over(name):
    """Sources see gold documents: elsewhere cut-outs of their regions would give gold away."""
    method = build(name)
    asked = any(
        isinstance(inner(need), ObjectCrops | ObjectDepth | ObjectCaptions)
        for need in method.needs()
    )
    assert asked <= ("regions" in method.given)


@ALL
def test_one_step_moves_the_weights_and_keeps_the_loss_finite(name):
    method = build(name)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    examples = Examples(method, posts(PROBES[name].task), Supplier())
    settings = LoopConfig(epochs=1, batch=8, optimiser=OptimiserConfig(rate=1e-3, warmup=0.0))
    (step,) = Trainer(method, examples, settings).steps()
    assert step.ends_epoch
    assert step.loss == pytest.approx(sum(step.losses.values()), rel=1e-4)
    after = method.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert all(torch.isfinite(value).all() for value in after.values() if value.is_floating_point())


@ALL
def test_every_trainable_weight_is_in_exactly_one_group(name):
    method = build(name)
    grouped = [id(p) for group in method.groups() for p in group.parameters if p.requires_grad]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in method.trainable()}


@ALL
def test_weights_reproduce_the_scores(name):
    method, twin = build(name), build(name)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.01)
    twin.load_state_dict(method.state_dict())
    documents = posts(PROBES[name].task)[:3]
    one, other = scores(method, documents), scores(twin, documents)
    for key, value in one.scores.items():
        assert torch.equal(value, other.scores[key]), key


@ALL
def test_a_checkpoint_reproduces_the_scores(name, tmp_path):
    method = build(name)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.01)
    save_method(method, tmp_path / "saved")
    twin = load_method(tmp_path / "saved")
    # Through JSON: a pipeline keeps its tagger's settings as they stand in a file.
    assert dump_json(twin.config.to_dict()) == dump_json(method.config.to_dict())
    documents = posts(PROBES[name].task)[:3]
    one, other = scores(method, documents), scores(twin, documents)
    assert one.scores.keys() == other.scores.keys()
    for key, value in one.scores.items():
        assert torch.equal(value, other.scores[key]), key


@ALL
def test_a_post_with_nothing_to_find_is_trained_on(name):
    method = build(name)
    full, empty = posts(PROBES[name].task)[:2]
    empty = empty.with_annotations(Annotations())
    for documents in ([empty], [full, empty]):
        method.zero_grad(set_to_none=True)
        method.train()
        pairs = Examples(method, documents, Supplier())
        loss = method(pairs.batch(range(len(documents)))).loss
        assert loss.isfinite()
        if loss.requires_grad:
            loss.backward()
        for key, parameter in method.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), key


@ALL
def test_alone_and_in_company(name):
    """A document's annotations do not depend on its neighbours."""
    method = build(name)
    documents = [method_input(method, document) for document in posts(PROBES[name].task)]
    together = method.predict(documents, supply(method, documents))
    for document, expected in zip(documents, together, strict=True):
        (alone,) = method.predict([document], supply(method, [document]))
        assert _plain(alone) == _plain(expected)


def _plain(annotations):
    return (
        [(e.span, e.type, round(e.score or 0, 4)) for e in annotations.entities],
        [(r.head, r.tail, r.type) for r in annotations.relations],
        [(e.trigger, e.type) for e in annotations.events],
    )


@ALL
def test_loss_needs_targets(name):
    method = build(name)
    output = scores(method, posts(PROBES[name].task)[:2])
    assert output.losses == {}
    assert scores(method, posts(PROBES[name].task)[:2], gold=True).loss.isfinite()


ODD = {
    "empty text": Document(id="a", blocks=(Block(text=""),)),
    "blank text": Document(id="b", blocks=(Block(text=" \u00a0 "),)),
    "no picture": Document(id="c", blocks=(Block(text="Rocky and Jordan today"),)),
    "absent picture": Document(
        id="d", blocks=(Block(text="Rocky"),), media=(Media(missing="lost"),)
    ),
    "broken picture": Document(
        id="e", blocks=(Block(text="Rocky"),), media=(Media(data=b"no picture"),)
    ),
    "emoji and Arabic": Document(id="f", blocks=(Block(text="Rocky 👩‍👩‍👧 سلام x́"),)),
    "two blocks": Document(id="g", blocks=(Block(text="Rocky"), Block(id="b1", text="Jordan"))),
    "far too long": Document(id="h", blocks=(Block(text="Rocky saw it " * 400),)),
}


@ALL
@pytest.mark.parametrize("odd", sorted(ODD))
def test_bare_and_odd_documents_are_read(name, odd):
    method = build(name)
    document = ODD[odd]
    (found,) = method.predict([document], supply(method, [document]))
    # Whatever is found stands in the text: a Document checks every reference and span.
    assert document.with_annotations(found).annotations is found


@ALL
def test_several_pictures_are_read(name):
    method = build(name)
    post = posts(PROBES[name].task)[0]
    other = dataclasses.replace(post.media[0], id="further")
    document = dataclasses.replace(post, media=(*post.media, other))
    (found,) = method.predict([method_input(method, document)], supply(method, [document]))
    assert isinstance(found, Annotations)


def with_rows(asset, rows):
    """The regions at ``rows``, a slice; of every picture where there are more."""
    parts = {medium: with_rows(part, rows) for medium, part in asset.parts.items()}
    arrays = dict(asset.arrays)
    if "boxes" in arrays:
        for key in ("boxes", "features", "scores"):
            arrays[key] = arrays[key][rows].copy()
    return dataclasses.replace(asset, arrays=arrays, parts=parts)


def reads_regions(method):
    return any(isinstance(inner(need), RegionFeatures) for need in method.needs())


def grounded(method, documents, rows=None):
    """Spans, types and boxes that are predicted from these rows of the regions."""
    assets = supply(method, documents)
    if rows is not None:
        assets = [
            {
                need: with_rows(asset, rows) if isinstance(inner(need), RegionFeatures) else asset
                for need, asset in row.items()
            }
            for row in assets
        ]
    found = method.predict([method_input(method, d) for d in documents], assets)
    return [
        [(e.span, e.type, sorted(box.xyxy for box in e.boxes)) for e in each.entities]
        for each in found
    ]


@ALL
def test_the_order_of_regions_does_not_matter(name):
    method = build(name)
    if not reads_regions(method):
        pytest.skip("reads no regions")
    documents = list(posts(PROBES[name].task))
    assert grounded(method, documents) == grounded(method, documents, slice(None, None, -1))


@ALL
def test_a_picture_without_any_region_is_read(name):
    method = build(name)
    if not reads_regions(method):
        pytest.skip("reads no regions")
    found = grounded(method, list(posts(PROBES[name].task)), slice(0))
    assert not any(boxes for entities in found for _, _, boxes in entities)


@ALL
def test_no_document_is_no_work(name):
    assert build(name).predict([], []) == []
