"""Emissions between BERT-CRF's and a method's: exact at both ends."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.components.ideas import Ideas, IdeasConfig  # noqa: E402

from .samples import batch_of, bert, like_bert, posts, umt  # noqa: E402


@pytest.mark.parametrize("r", [0.0, 0.5, 1.0])
def test_the_limits_of_compatibility(r: float) -> None:
    ideas = Ideas(IdeasConfig(umt_compat=True, learn_reliability=False), ("O",), 4)
    text, seen = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    found = {"text": text, "seen": seen}
    mixed = ideas.combine(found, torch.tensor([True, False]), torch.full((2, 3), r))
    if r == 0.5:
        torch.testing.assert_close(mixed[0], (text[0] + seen[0]) / 2)
    else:
        assert torch.equal(mixed[0], (seen if r else text)[0])
    assert torch.equal(mixed[1], text[1])


def test_a_start_near_bert_crf_predicts_what_bert_crf_predicts() -> None:
    method = umt(umt_compat=True, reliability_bias=-100.0)
    plain = like_bert(method)
    ours, theirs = batch_of(method, posts(8)), batch_of(plain, posts(8))
    mine, other = method(ours), plain(theirs)
    assert mine.scores["share"].max() < 1e-30
    assert torch.equal(mine.scores["emissions"], other.scores["emissions"])
    assert [a.entities for a in method.decode(mine, ours)] == [
        a.entities for a in plain.decode(other, theirs)
    ]


def test_the_scores_of_a_trained_bert_crf_stay_to_the_digit(tmp_path: Path) -> None:
    """Begun with its checkpoint and r = 0 forced: whatever the rest of UMT says."""
    from magpie.methods.checkpoint import save_method
    from magpie.methods.starting import start_from
    from magpie.training.scoring import score_method

    plain = bert().train()
    documents = posts(12)
    batch = batch_of(plain, documents)
    optimiser = torch.optim.Adam(plain.parameters(), 5e-3)
    for _ in range(12):
        optimiser.zero_grad()
        plain(batch).loss.backward()
        optimiser.step()
    method = umt(umt_compat=True, reliability_bias=-1000.0)
    save_method(plain, tmp_path / "c")
    start_from(method, tmp_path / "c")
    mine, other = method.eval()(batch_of(method, documents)), plain.eval()(batch)
    assert torch.equal(mine.scores["emissions"], other.scores["emissions"])
    assert torch.equal(mine.losses["main"], other.losses["main"])
    ours, theirs = (
        score_method(each.eval(), documents, Supplier(), "ner-span-conll@1").report
        for each in (method, plain)
    )
    assert ours.parts["mner"].micro == theirs.parts["mner"].micro
    assert ours.parts["mner"].per_document == theirs.parts["mner"].per_document
    assert theirs.parts["mner"].micro.to_dict()["predicted"] > 0
    far = umt(umt_compat=True, reliability_bias=1000.0)
    far.load_state_dict(method.state_dict(), strict=False)
    far.ideas.reliability.bias.data.fill_(1000.0)
    seen = score_method(far.eval(), documents, Supplier(), "ner-span-conll@1").report
    assert seen.parts["mner"].per_document != theirs.parts["mner"].per_document


def test_reliability_starts_at_its_bias() -> None:
    scores = umt(umt_compat=True)
    scores.ideas.reliability.weight.data.zero_()
    share = scores(batch_of(scores, posts())).scores["share"]
    assert share.unique().tolist() == pytest.approx([1 / (1 + math.exp(-2))])


def test_spoiling_what_the_text_is_sure_of_costs() -> None:
    method = umt(umt_compat=True, compat_loss=0.1, compat_sure=0.0)
    batch = batch_of(method, posts())
    loss = method(batch).losses["compat"]
    assert loss.item() > 0
    loss.backward()
    assert method.text_classifier.weight.grad is None  # the text teaches, it does not learn
    assert method.classifier.weight.grad.abs().sum() > 0
    never = umt(umt_compat=True, compat_loss=0.1, compat_sure=1.0)
    assert never(batch).losses["compat"].item() == 0.0
