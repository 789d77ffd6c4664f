"""ISE's vocabularies: which words count, clusters of vectors, and bags."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.backbones import load_text  # noqa: E402
from magpie.methods._ise_words import (  # noqa: E402
    Vocabularies,
    content_word,
    k_means,
    nearest_centre,
    phrase_ids,
)


@pytest.mark.parametrize(
    ("word", "counted"),
    [
        ("Game", "game"),
        ("#NBA", "nba"),
        ("@Rocky", "rocky"),
        ("the", None),
        ("RT", None),
        ("a", None),
        ("42", None),
        ("https://t.co/x", None),
        ("Straße", "straße"),
    ],
)
def test_content_words(word: str, counted: str | None) -> None:
    assert content_word(word) == counted


def test_pieces_of_phrases() -> None:
    text = load_text("tiny-bert")
    first, last = text.ends
    found = phrase_ids(text, ["red dog", "", "red red red red red"], 5)
    assert found.shape == (3, 5)
    assert found[0, 0] == first
    assert found[0, 3] == last
    assert found[0, 4] == -1
    assert (found[1] == -1).all()
    assert found[2, 4] == last
    assert phrase_ids(text, [], 5).shape == (0, 5)


def test_clusters_are_found_and_repeat() -> None:
    torch.manual_seed(0)
    middle = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    vectors = torch.cat([m + 0.1 * torch.randn(20, 2) for m in middle])
    centres = k_means(vectors, 3, seed=3)
    assert torch.equal(centres, k_means(vectors, 3, seed=3))
    means = vectors.view(3, 20, 2).mean(1)
    assert torch.cdist(centres, means).amin(0).max() < 1e-4
    assert len(nearest_centre(vectors, centres).view(3, 20).unique(dim=1)[0]) == 1
    assert torch.equal(k_means(vectors[:2], 5), torch.unique(vectors[:2], dim=0))


def test_words_by_frequency_then_alphabet() -> None:
    known = Vocabularies(3, 2, 4)
    assert known.known == []
    assert known.word_count == 0
    posts = [["big", "dog", "and", "cat"], ["dog", "cat", "x" * 30], ["zebra"]]
    known.count_words(posts, load_text("tiny-bert"))
    assert known.known == ["cat", "dog", "big"]
    assert known.word_count == 3
    assert known.number("dog") == 1
    assert known.number("zebra") is None
    assert known.bag(["Dog", "the", "dog", "zebra", "big"]).tolist() == [1, 1, 2]
    bags = torch.tensor([[1, 1, 2], [0, -1, -1]])
    assert known.word_counts(bags).tolist() == [[0, 2, 1], [1, 0, 0]]


def test_visual_words_are_the_nearest_centres() -> None:
    known = Vocabularies(3, 4, 2)
    vectors = torch.tensor([[[0.0, 0.1], [5.0, 5.0], [0.1, 0.0]]])
    there = torch.tensor([[True, True, False]])
    assert not known.visual_counts(vectors, there).any()
    known.count_pictures(torch.tensor([[0.0, 0.0], [5.0, 5.0]]))
    assert int(known.visual_count) == 2
    assert known.visual_counts(vectors, there).tolist() == [[1, 1, 0, 0]]


def test_a_checkpoint_brings_the_words() -> None:
    known, twin = Vocabularies(3, 2, 4), Vocabularies(3, 2, 4)
    known.count_words([["straße", "dog"]], load_text("tiny-bert"))
    assert twin.number("dog") is None
    twin.load_state_dict(known.state_dict())
    assert twin.known == ["dog", "straße"]
    assert twin.number("dog") == 0
    assert bool(twin.counted)
