"""Shap-CA's tagger: its chain, and the casing of its words."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.methods.ner.shap_ca_ner import ShapCaNer  # noqa: E402

from ..shap_cas import POSTS, batch_of, made, reading_of, said  # noqa: E402


def test_the_chain_runs_over_the_post_alone() -> None:
    for subtoken in ("x_tag", "first_only"):
        method = made("ner", subtoken=subtoken)
        assert isinstance(method, ShapCaNer)
        batch = batch_of(method, POSTS["ner"][:1], gold=True)
        places = batch.inputs["first" if subtoken == "first_only" else "input_ids"]
        output = method(batch)
        assert output.scores["emissions"].shape[1] == places.shape[1]
        assert output.loss.isfinite()


def test_casing_reaches_the_posts_own_pieces() -> None:
    method = made("ner", casing=True)
    assert isinstance(method, ShapCaNer)
    batch = batch_of(method, [said(POSTS["ner"][0], "a red dog")])
    before = reading_of(method, batch)
    assert method.casing is not None
    with torch.no_grad():
        method.casing.weight[1:].normal_()
    seen: list[Tensor] = []
    hook = method.backbones["text"].register_forward_pre_hook(lambda _, g: seen.append(g[2]))
    after = reading_of(method, batch)
    hook.remove()
    cased = seen[0][0].any(1).long().tolist()
    description = 1 + int(after.context_mask.sum()) + 1
    assert not any(cased[:description])
    assert cased[description:] == (batch.inputs["case"][0] > 0).long().tolist()[1:]
    assert any(cased)
    assert not torch.allclose(before.text, after.text, atol=1e-3)
