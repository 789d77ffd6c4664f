"""The threshold: chosen where most entities are answered rightly, and kept in a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.entity_grounding import EntityGrounding, best_threshold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.registry import method_class  # noqa: E402


def test_worked_thresholds() -> None:
    yes, no = True, False
    assert best_threshold([0.9, 0.4, 0.3], [yes, yes, no], [no, no, yes], 0.5) == 0.35
    # Nothing to choose between: the given one stays.
    assert best_threshold([], [], [], 0.4) == 0.4
    assert best_threshold([0.9, 0.1], [yes, no], [no, yes], 0.5) == 0.5
    # An entity that no region covers is wrong under every threshold.
    assert best_threshold([0.2, 0.8], [no, no], [no, no], 0.5) == 0.5
    # All are in the picture: below every probability, and still above none.
    assert 0 <= best_threshold([0.2, 0.01], [yes, yes], [no, no], 0.5) < 0.01


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=12))
def test_no_other_threshold_is_better(rows: list[tuple[float, bool, bool]]) -> None:
    rows = [(p, right and not absent, absent) for p, right, absent in rows]

    def score(theta: float) -> int:
        return sum(right if p > theta else absent for p, right, absent in rows)

    best, right, absent = ([row[i] for row in rows] for i in range(3))
    found = best_threshold(best, right, absent, 0.5)  # type: ignore[arg-type]
    assert 0 <= found <= 1
    tried = {0.0, 0.5, 1.0, *(p for p, _, _ in rows)}
    assert all(score(found) >= score(theta) for theta in tried)


def build(**settings: object) -> EntityGrounding:
    cls = method_class("evg")
    torch.manual_seed(0)
    tiny = {"text": "tiny-bert", "source": "blobs", "count": 6, "width": 768}
    method = cls.build(cls.Config(**{**tiny, **settings}), LabelSpace(entity_types=("LOC", "PER")))
    assert isinstance(method, EntityGrounding)
    return method


def test_tuning_looks_only_where_it_is_asked_to(tmp_path: Path) -> None:
    documents = list(controlled("dev", ControlledConfig(task="gmner", size=8, told=0.5)))
    still, tuned = build(), build(tune_theta=True)
    for method in (still, tuned):
        method.train()
        method.tune(documents, Supplier())
        assert method.training
    assert float(still.theta) == 0.5
    probabilities = tuned.eval()
    needs = tuned.needs()
    supplied = Supplier().many(documents, needs)
    batch = probabilities.collate(
        [
            tuned.prepare(document, assets)
            for document, assets in zip(documents, supplied, strict=True)
        ]
    )
    best = tuned(batch).scores["probabilities"].max(1).values.tolist()
    # An untrained network is right about those alone that are not in the picture.
    assert float(tuned.theta) not in best
    save_method(tuned, tmp_path / "kept")
    again = load_method(tmp_path / "kept")
    assert isinstance(again, EntityGrounding)
    assert torch.equal(again.theta, tuned.theta)
