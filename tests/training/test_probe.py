"""Every method is trained where only the picture can tell, then loses its pictures."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

import torch

from magpie.corpora.controlled import ControlledConfig, controlled, text_optimum
from magpie.errors import NotFoundError
from magpie.methods.registry import METHODS
from magpie.training.loop import LoopConfig
from magpie.training.probe import PROBES, Probe, probe

#: F1 with the true pictures that a method must reach
_REACH = 0.90
#: the same where entities have boxes, and what they may keep without the right picture
_REACH_GROUNDED = 0.80
_LOST_GROUNDED = 0.45
#: how far the shuffled score may lie from the best text-only score
_NEAR = 0.05
#: methods that see text only
_BLIND = {"bert-crf", "basic-model", "bert-re"}


def test_every_method_has_a_probe():
    assert set(PROBES) == set(METHODS)


def test_a_short_probe_reports_what_the_command_promises():
    short = Probe(
        config={"text": "tiny-bert"}, train=16, test=8, loop=LoopConfig(epochs=1, batch=8)
    )
    before = torch.get_num_threads()
    result = probe("bert-crf", settings=short)
    assert torch.get_num_threads() == before
    assert list(result.to_dict()) == [
        "method", "task", "true", "shuffled", "absent", "text_optimum", "seconds",
    ]  # fmt: skip
    again = probe("bert-crf", settings=short)
    assert {**result.to_dict(), "seconds": 0} == {**again.to_dict(), "seconds": 0}
    # A method without eyes scores the same whatever is shown.
    assert result.true == result.shuffled == result.absent


def test_the_optimum_is_that_of_the_test_split():
    short = Probe(
        config={"text": "tiny-bert"}, train=8, test=40, loop=LoopConfig(epochs=1, batch=8)
    )
    test = controlled("test", ControlledConfig(size=40, seed=3))
    assert probe("bert-crf", settings=short, seed=3).text_optimum == text_optimum(test, "ner")


def test_a_method_without_settings_says_so(monkeypatch):
    monkeypatch.delitem(PROBES, "bert-crf")
    with pytest.raises(NotFoundError, match="bert-crf"):
        probe("bert-crf")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_picture_matters(name):
    result = probe(name)
    if PROBES[name].task in ("gmner", "procedure"):
        # With a strange picture boxes are lost, too: no guess from the text makes up for that.
        assert result.true >= _REACH_GROUNDED
        assert max(result.shuffled, result.absent) <= _LOST_GROUNDED
        return
    assert abs(result.shuffled - result.text_optimum) <= _NEAR
    if name in _BLIND:
        assert result.true == result.shuffled
    else:
        assert result.true >= _REACH
        assert result.absent <= result.text_optimum + _NEAR
