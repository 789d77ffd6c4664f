"""Published predictions scored again: what the papers' scripts print, and why ours may differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magpie.corpora import load
from magpie.corpora.anomaly import ignore
from magpie.corpora.side.predictions import predictions
from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import items_of

pytestmark = pytest.mark.corpus


@pytest.mark.slow
def test_riveg(data_dir: Path) -> None:
    gold = [items_of(each) for each in load("gmner", "test", root=data_dir)]
    found = predictions("riveg-predictions", "test", root=data_dir, on_problem=ignore)
    predicted = [items_of(each) for each in found]
    ours = score(gold, predicted, "gmner-iou50@1", mode="riveg").parts["mner"].micro
    assert ours == Counts(gold=2543, predicted=2535, correct=2187)
    assert 100 * ours.score == pytest.approx(86.14, abs=0.005)
    # RiVEG's own gold file lacks one entity, which it did not predict.
    lacking = [
        replace(each, items=tuple(item for item in each.items if item.text != "Selena Quintanilla"))
        if each.id == "15772"
        else each
        for each in gold
    ]
    theirs = score(lacking, predicted, "gmner-iou50@1", mode="riveg").parts["mner"].micro
    assert theirs == Counts(gold=2542, predicted=2535, correct=2187)
    assert 100 * theirs.score == pytest.approx(86.15, abs=0.005)
    percent = theirs.to_dict()
    assert 100 * percent["precision"] == pytest.approx(86.27, abs=0.005)
    assert 100 * percent["recall"] == pytest.approx(86.03, abs=0.005)


def test_mnre_scores_itself(data_dir: Path) -> None:
    for release, positive, facts in (("mnre@1", 533, 1282), ("mnre@2", 640, 1614)):
        gold = [items_of(each) for each in load(release, "test", root=data_dir)]
        report = score(gold, gold, "mre-no-none@1")
        assert report.main.micro == Counts(positive, positive, positive)
        assert report.parts["accuracy"].micro.to_dict() == {"mean": 1.0, "n": facts}
        assert dict(report.notes) == {}
        assert [data.status for data in report.data] == ["known"]
