"""The topic model over two bags: its numbers, its distributions, and the words it lends."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.topics import (  # noqa: E402
    TopicAttention,
    TopicModel,
    TopicNorm,
    reconstruction,
    topic_divergence,
    weigh_words,
)


def model(**settings) -> TopicModel:
    torch.manual_seed(0)
    return TopicModel(12, 9, 6, **{"topics": 4, "hidden": (8, 7), "dropout": 0.0, **settings})


def bags(rows: int = 5):
    torch.manual_seed(1)
    return torch.randint(0, 3, (rows, 12)).float(), torch.randint(0, 3, (rows, 9)).float()


def test_the_divergence_has_its_number() -> None:
    prior = torch.zeros(2), torch.full((2,), 0.5)
    found = topic_divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.5]]).log(), *prior)
    assert found.tolist() == pytest.approx([1.1534], abs=1e-4)
    same = topic_divergence(torch.zeros(3, 2), prior[1].log().expand(3, 2), *prior)
    assert torch.allclose(same, torch.zeros(3), atol=1e-6)


def test_the_reconstruction_has_its_number() -> None:
    found = reconstruction(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[0.5, 0.25, 0.25]]))
    assert found.tolist() == pytest.approx([2.7726], abs=1e-4)
    assert float(reconstruction(torch.zeros(1, 3), torch.ones(1, 3) / 3)) == 0


def test_the_weights_of_words_have_their_numbers() -> None:
    words = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [2.0, 1.0]]])
    scores = (words * torch.tensor([1.0, -1.0])).sum(2)
    weights, found = weigh_words(words, scores)
    assert weights[0].tolist() == pytest.approx([0.4879, 0.0243, 0.4879], abs=1e-4)
    assert found[0].tolist() == pytest.approx([1.4636, 0.5364], abs=1e-4)
    weights, found = weigh_words(words, scores, sigmoid=True)
    assert weights[0].tolist() == pytest.approx([0.7311, 0.1192, 0.7311], abs=1e-4)
    assert found[0].tolist() == pytest.approx([2.1932, 0.9695], abs=1e-4)


def test_words_that_are_not_there_have_no_weight() -> None:
    words = torch.randn(2, 3, 4)
    there = torch.tensor([[True, False, True], [False, False, False]])
    weights, found = weigh_words(words, torch.randn(2, 3), there)
    assert weights[0, 1] == 0
    assert float(weights[0].sum()) == pytest.approx(1)
    assert torch.equal(found[1], torch.zeros(4))


def test_shapes_and_distributions() -> None:
    topics = model()(bags()[0], torch.randn(5, 6))
    assert topics.mean.shape == topics.theta.shape == (5, 4)
    assert topics.words.shape == (5, 12)
    assert topics.visual.shape == (5, 9)
    for shares in (topics.theta, topics.words, topics.visual):
        assert torch.allclose(shares.sum(1), torch.ones(5), atol=1e-5)
        assert (shares >= 0).all()


def test_published_sizes() -> None:
    ours = TopicModel(2000, 2000, 768)
    topics = ours(torch.randint(0, 2, (3, 2000)).float(), torch.randn(3, 768))
    assert topics.theta.shape == (3, 10)
    for shares in (topics.words, topics.visual):
        assert shares.shape == (3, 2000)
        assert torch.allclose(shares.sum(1), torch.ones(3), atol=1e-5)


def test_a_mixture_is_a_mean_of_topics() -> None:
    mixed = model(mixture=True).eval()
    topics = mixed(bags()[0], torch.randn(5, 6))
    each = mixed.beta_norm(mixed.beta).softmax(1)
    assert torch.allclose(topics.words, topics.theta @ each, atol=1e-6)
    assert not torch.allclose(
        topics.words, mixed.beta_norm(topics.theta @ mixed.beta).softmax(1), atol=1e-3
    )


def test_nothing_is_drawn_in_evaluation() -> None:
    ours = model().eval()
    counts, vector = bags()[0], torch.randn(5, 6)
    one, other = ours(counts, vector), ours(counts, vector)
    assert torch.equal(one.theta, other.theta)
    assert torch.equal(one.theta, one.mean.softmax(1))
    ours.train()
    assert not torch.equal(ours(counts, vector).theta, ours(counts, vector).theta)
    public = model(always_drawn=True).eval()
    assert not torch.equal(public(counts, vector).theta, public(counts, vector).theta)


def test_losses_are_those_of_the_functions_and_reach_topics_and_prior() -> None:
    ours = model()
    counts, visual = bags()
    topics = ours(counts, torch.randn(5, 6))
    kl, words, pictures = ours.losses(topics, counts, visual)
    assert kl.shape == words.shape == pictures.shape == (5,)
    assert torch.equal(words, reconstruction(counts, topics.words))
    assert torch.equal(pictures, reconstruction(visual, topics.visual))
    (kl + words + pictures).mean().backward()
    for weight in (ours.beta, ours.gamma, ours.prior_mean, ours.prior_log_variance):
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0
    assert ours.prior_variance.tolist() == pytest.approx([0.75] * 4)


def test_the_words_of_the_likeliest_topic() -> None:
    ours = model()
    with torch.no_grad():
        ours.beta.zero_()
        ours.beta[2, 5], ours.beta[2, 7] = 3.0, 2.0
        ours.gamma.zero_()
        ours.gamma[2, 1] = 1.0
    theta = torch.tensor([[0.1, 0.2, 0.6, 0.1]])
    assert ours.top_words(theta, 2, "text").tolist() == [[5, 7]]
    assert ours.top_words(theta, 1, "visual").tolist() == [[1]]
    assert ours.top_words(theta, 50, "visual").shape == (1, 9)
    assert ours.top_words(theta, 1, "text", known=6).tolist() == [[5]]
    assert ours.top_words(theta, 9, "text", known=6).shape == (1, 6)


def test_a_single_row_can_be_trained_on() -> None:
    norm = TopicNorm(3).train()
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.allclose(norm(row), row / math.sqrt(1 + norm.eps))
    assert torch.equal(norm.running_mean, torch.zeros(3))
    two = norm(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    assert torch.allclose(two.mean(0), torch.zeros(3), atol=1e-6)
    assert norm.running_mean[0] != 0


def test_attention_asks_words_beside_the_vector() -> None:
    torch.manual_seed(0)
    attention = TopicAttention(4, 6, 5)
    words, asking = torch.randn(3, 7, 4), torch.randn(3, 6)
    weights, found = attention(words, asking)
    assert weights.shape == (3, 7)
    assert torch.allclose(weights.sum(1), torch.ones(3), atol=1e-6)
    assert torch.allclose(found, (weights.unsqueeze(2) * words).sum(1))
    assert not torch.allclose(weights, attention(words, asking + 1)[0], atol=1e-3)


@pytest.mark.parametrize("wrong", [{"topics": 1}, {"hidden": ()}, {"hidden": (0,)}])
def test_impossible_sizes_are_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="topic model needs"):
        model(**wrong)
