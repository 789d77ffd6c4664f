"""Shap-CA's relation head: where it reads, and pairs of one document."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.methods.relation.shap_ca_re import ShapCaRe  # noqa: E402
from magpie.schema import Entity, Relation  # noqa: E402

from ..shap_cas import POSTS, batch_of, made, number, reading_of  # noqa: E402


def test_relations_are_read_at_both_markers_of_the_fused_states() -> None:
    method = made("mre")
    assert isinstance(method, ShapCaRe)
    batch = batch_of(method, POSTS["mre"][:2])
    ends = batch.inputs["ends"]
    markers = [method.markers["<s>"], method.markers["<o>"]]
    assert batch.inputs["input_ids"].gather(1, ends).tolist() == [markers, markers]
    fused = method.fuse(reading_of(method, batch))
    rows = torch.arange(2)
    read = torch.cat([fused[rows, ends[:, 0]], fused[rows, ends[:, 1]]], 1)
    assert torch.allclose(method(batch).scores["logits"], method.classifier(read), atol=1e-6)
    assert method.classifier.in_features == 2 * method.text.width


def test_pairs_of_a_document_are_no_rivals() -> None:
    """Two pairs of one post share picture and description; only the other post is a rival."""
    post = POSTS["mre"][0]
    gold = post.annotations
    assert gold is not None
    entities: tuple[Entity, ...] = gold.entities[:2]
    kind = gold.relations[0].type
    both = tuple(
        Relation(id=f"p{n}", head=a.id, tail=b.id, type=kind)
        for n, (a, b) in enumerate((entities, entities[::-1]))
    )
    double = post.with_annotations(dataclasses.replace(gold, entities=entities, relations=both))
    method = made("mre", exact_up_to=8)
    alone = method(batch_of(method, [double], gold=True))
    assert len(alone.scores["logits"]) == 2
    assert number(alone.losses["semantic"]) == 0.0
    rivals = made("mre", exact_up_to=8, mask_duplicates=False)
    assert number(rivals(batch_of(rivals, [double], gold=True)).losses["semantic"]) > 0.0
