"""The divergence estimator: its pairs, its losses, and what it supplies."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from magpie.backbones.divergence import (  # noqa: E402
    DivergenceConfig,
    DivergenceEstimator,
    load_estimator,
)
from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.features.divergence import (  # noqa: E402
    DivergenceScores,
    PairScore,
    PairScoreSource,
)
from magpie.features.source import Pictures  # noqa: E402
from magpie.features.store import Store  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.divergence import (  # noqa: E402
    balanced_batches,
    draw_pairs,
    fit_estimator,
)
from magpie.nn.contrast import supervised_contrast  # noqa: E402
from magpie.schema import Document  # noqa: E402

CAPTIONS = [("a red dog", "c1"), ("a blue cat", "c2"), ("a green city", "c3")]
WEB = [("great day", "w1"), ("see this", "w2"), ("more today", "w2")]


def test_the_contrastive_loss_by_hand() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
    classes = torch.tensor([0, 0, 1, 1])
    each = supervised_contrast(vectors, classes, 0.1, each=True)
    expected = torch.tensor([0.000337, 0.127223, 0.127223, 0.000337])
    assert torch.allclose(each, expected, atol=1e-6)
    assert supervised_contrast(vectors, classes, 0.1).item() == pytest.approx(0.063780, abs=1e-6)


@given(st.integers(0, 1000), st.integers(1, 12))
def test_a_swapped_picture_is_another_one_and_weakens(seed: int, steps: int) -> None:
    pairs = draw_pairs(CAPTIONS, WEB, steps, seed=seed)
    assert len(pairs) == 3 * steps
    known = {*CAPTIONS, *WEB}
    for pair in pairs:
        own = (pair.text, pair.picture)
        if pair.kind == 0:
            assert own not in known
            source = next(s for s in (CAPTIONS, WEB) if pair.text in dict(s))
            assert pair.picture in {picture for _, picture in source}
        else:
            assert own in (CAPTIONS if pair.kind == 2 else WEB)
    assert pairs == draw_pairs(CAPTIONS, WEB, steps, seed=seed)


@given(st.integers(2, 5), st.integers(0, 12))
def test_every_anchor_of_a_batch_has_a_positive(steps: int, drawn: int) -> None:
    batches = list(balanced_batches(draw_pairs(CAPTIONS, WEB, drawn), steps))
    assert len(batches) == drawn // steps
    for batch in batches:
        kinds = [pair.kind for pair in batch]
        assert all(kinds.count(kind) >= 2 for kind in range(3))


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ConfigError, match="two different pictures"):
        draw_pairs([("a", "p"), ("b", "p")], WEB, 1)
    with pytest.raises(ConfigError, match="at least 2 steps"):
        list(balanced_batches([], 1))
    with pytest.raises(ConfigError, match="temperature"):
        DivergenceConfig(temperature=0.0)


def colours(picture: str) -> Any:
    """A plain square for every id."""
    values = {"c1": (1, -1, -1), "c2": (-1, -1, 1), "c3": (-1, 1, -1), "w1": (1, 1, 1)}
    colour = torch.tensor(values.get(picture, (0, 0, 0)), dtype=torch.float32)
    return colour.view(3, 1, 1).expand(3, 64, 64)


def test_scores_add_up_and_patches_are_read() -> None:
    estimator = load_estimator("tiny-vilt")
    texts = ["a red dog", "a much longer text about a big red dog of the city"]
    pixels = torch.stack([colours("c1"), colours("c2")])
    found = estimator.scores(texts, pixels)
    assert found.shape == (2, 2)
    assert torch.allclose(found.sum(1), torch.ones(2), atol=1e-6)
    assert torch.equal(found, estimator.scores(texts, pixels))
    assert not torch.allclose(found, estimator.scores(texts, pixels.flip(0)), atol=1e-7)
    # Neither order nor company of the pairs matters.
    alone = torch.cat([estimator.scores(texts[n : n + 1], pixels[n : n + 1]) for n in range(2)])
    assert torch.allclose(found, alone, atol=1e-5)
    half = torch.cat([colours("c1")[:, :32], colours("c2")[:, 32:]], 1)
    upside = torch.cat([colours("c2")[:, 32:], colours("c1")[:, :32]], 1)

    @torch.no_grad()
    def apart() -> float:
        pieces = estimator.pieces(texts[:1])
        one, two = (estimator.pooled(*pieces, torch.stack([each])) for each in (half, upside))
        return float((one - two).abs().max())

    assert apart() < 1e-6  # untrained places are all alike
    torch.manual_seed(0)
    with torch.no_grad():
        estimator.model.embeddings.position_embeddings.normal_()
    assert apart() > 2e-5


def test_stages_train_what_they_say() -> None:
    estimator = load_estimator("tiny-vilt")
    pairs = draw_pairs(CAPTIONS, WEB, 2)
    pixels = torch.stack([colours(pair.picture) for pair in pairs])
    texts, classes = [p.text for p in pairs], torch.tensor([p.kind for p in pairs])
    for stage, terms, body, head in (
        ("joint", {"contrast", "classes"}, True, True),
        ("contrast", {"contrast"}, True, False),
        ("classes", {"classes"}, False, True),
    ):
        estimator.zero_grad()
        found = estimator.losses(texts, pixels, classes, stage)
        assert set(found) == terms
        sum(found.values()).backward()
        assert (estimator.model.pooler.dense.weight.grad is not None) == body, stage
        assert (estimator.head[0].weight.grad is not None) == head, stage
        estimator.zero_grad(set_to_none=True)


def test_training_separates_the_classes() -> None:
    """Captions name the colour; swapped ones do not: only text and picture together tell."""
    torch.manual_seed(0)
    estimator = load_estimator("tiny-vilt")
    pairs = draw_pairs(CAPTIONS, WEB, 160)
    losses = list(fit_estimator(estimator, pairs, colours, steps=4, rate=3e-3))
    assert len(losses) == 40
    begin, end = (
        sum(sum(terms.values()) for terms in part) / 5 for part in (losses[:5], losses[-5:])
    )
    assert end < 0.8 * begin
    assert not estimator.training


def test_saved_and_read_back(tmp_path: Path) -> None:
    estimator = load_estimator("tiny-vilt", DivergenceConfig(max_length=12))
    with torch.no_grad():
        estimator.head[0].weight.add_(0.1)
    estimator.save(tmp_path)
    again = DivergenceEstimator.load(tmp_path)
    assert again.config == estimator.config
    pixels = torch.stack([colours("c1")])
    assert torch.equal(again.scores(["a dog"], pixels), estimator.scores(["a dog"], pixels))
    with pytest.raises(ModelError, match="no divergence estimator"):
        DivergenceEstimator.load(tmp_path / "elsewhere")


POSTS = list(controlled("test", ControlledConfig(task="mre", size=4, told=0.0)))
NEED = DivergenceScores("estimator:mine")


def supplied(estimator: DivergenceEstimator, store: Store | None = None) -> Supplier:
    source = PairScoreSource(Pictures(), load=lambda name: estimator)
    return Supplier(store=store, sources=[source])


def test_it_supplies_scores() -> None:
    supplier = supplied(load_estimator("tiny-vilt"))
    one, two = (asset[NEED].arrays["scores"] for asset in supplier.many(POSTS[:2], {NEED}))
    assert one.shape == (2, 2)
    assert one[0].sum() == pytest.approx(1, abs=1e-6)
    assert one[1].tolist() == [0.5, 0.5]  # nothing was generated
    assert one[0].tolist() != two[0].tolist()
    medium = dataclasses.replace(POSTS[1].media[0], id="generated")
    both = dataclasses.replace(POSTS[0], media=(*POSTS[0].media, medium))
    found = supplier(both, {NEED})[NEED].arrays["scores"]
    assert found[0].tolist() == pytest.approx(one[0].tolist(), abs=1e-6)
    # The words of these posts are the same: the generated picture counts as the other's own.
    assert POSTS[0].text == POSTS[1].text
    assert found[1].tolist() == pytest.approx(two[0].tolist(), abs=1e-6)
    bare = Document(id="bare", blocks=POSTS[0].blocks)
    assert not supplier(bare, {NEED})[NEED].present


def test_a_damaged_picture_is_set_aside() -> None:
    broken = dataclasses.replace(POSTS[0].media[0], data=b"no picture")
    posts = [dataclasses.replace(POSTS[0], media=(broken,)), POSTS[1]]
    first, second = supplied(load_estimator("tiny-vilt")).many(posts, {NEED})
    assert not first[NEED].present
    assert second[NEED].present


def test_scores_are_kept_by_the_weights_the_words_and_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    scores = DivergenceEstimator.scores

    def counted(self: DivergenceEstimator, texts: Any, pixels: Any) -> Any:
        asked.append(len(texts))
        return scores(self, texts, pixels)

    monkeypatch.setattr(DivergenceEstimator, "scores", counted)
    estimator = load_estimator("tiny-vilt")
    store = Store(tmp_path)
    for _ in range(2):
        supplied(estimator, store).many(POSTS, {NEED})
    assert asked == [len(POSTS)]
    words = Document.from_text("something else", id="other")
    other = dataclasses.replace(words, media=POSTS[0].media)
    supplied(estimator, store).many([other], {NEED})
    assert asked[1:] == [1]
    before = supplied(estimator).fingerprints({NEED})
    with torch.no_grad():
        estimator.head[0].bias.add_(1.0)
    supplied(estimator, store).many(POSTS, {NEED})
    assert asked[2:] == [len(POSTS)]
    assert supplied(estimator).fingerprints({NEED}) != before


def test_a_saved_estimator_by_its_folder(tmp_path: Path) -> None:
    estimator = load_estimator("tiny-vilt")
    with torch.no_grad():
        estimator.head[3].bias.copy_(torch.tensor([0.0, 0.0, 9.0]))
    estimator.save(tmp_path / "mine")
    need = DivergenceScores(f"estimator:{tmp_path / 'mine'}")
    found = Supplier()(POSTS[0], {need})[need].arrays["scores"]
    ours = supplied(estimator)(POSTS[0], {NEED})[NEED].arrays["scores"]
    assert found.tolist() == ours.tolist()
    assert found[0, 0] > 0.99  # the bias strengthens
    missing = DivergenceScores(f"estimator:{tmp_path / 'none'}")
    with pytest.raises(ModelError, match="none"):
        Supplier()(POSTS[0], {missing})
    with pytest.raises(ConfigError, match="need an estimator's name"):
        PairScore("")
