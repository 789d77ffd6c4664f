"""Features of the embedded tagger: fixed values (a change needs a new SPEC) and alignment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magpie.engine.embedded import features


class Pieces(NamedTuple):
    ids: list[int]


class LetterTokenizer:
    """One piece a character; drops what is no letter, digit or punctuation, as BERT's does."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Pieces:
        assert not add_special_tokens
        return Pieces([1000 + ord(c) % 1000 for c in sequence if c.isprintable() and c != " "])


@pytest.fixture
def featurise():
    return features.Featuriser(LetterTokenizer(), max_pieces=32)


def test_shapes_are_stable_and_compressed():
    assert features.shape_id("NBA2017") == features.shape_id("UEFA16")
    assert features.shape_id("Paris") != features.shape_id("paris")
    # Fixed numbers: other values would silently break every model trained before.
    assert [features.shape_id(w) for w in ("Paris", "paris", "#NBA", "🔥")] == SHAPES


SHAPES = [379, 243, 10, 428]


def test_one_text(featurise):
    encoded = featurise(["RT", "@", "Bob", "#Go", "http://t.co/x", "\u00a0", "ok"])
    assert encoded.first == [1, 3, 4, 7, 10, 11, 12]
    assert encoded.pieces[0] == features.CLS
    assert encoded.pieces[-1] == features.SEP
    assert encoded.pieces[10] == features.URL_PIECE
    assert encoded.pieces[11] == features.UNK
    base = lambda kind, prefix: 1 + (kind - 1) * 6 + prefix * 2  # noqa: E731
    assert encoded.case[1:3] == [base(3, 0), base(3, 0) + 1]
    assert encoded.case[4:7] == [base(2, 2), base(2, 2) + 1, base(2, 2) + 1]  # after "@"
    assert encoded.case[7] == base(2, 1)  # its own "#"
    assert encoded.case[-1] == encoded.shape[0] == encoded.shape[-1] == 0


@pytest.mark.parametrize(
    ("words", "text_case"),
    [
        ("too few Words", 0),
        ("all of it lower", 1),
        ("BREAKING NEWS FROM Rome", 2),
        ("Stars Toast Nick At dinner", 3),
        ("Nick is at the dinner", 0),
    ],
)
def test_case_of_the_whole_text_stands_at_the_start(featurise, words, text_case):
    assert featurise(words.split()).case[0] == features.CASE_IDS - 4 + text_case


def test_a_long_text_loses_whole_words(featurise):
    encoded = featurise(["abc"] * 20)
    assert len(encoded.pieces) == 32
    assert len(encoded.first) == 10
    assert featurise([]).first == []


def test_a_monstrous_word_is_cut(featurise):
    encoded = featurise(["x" * 1_000_000, "y"])
    assert encoded.first == [1, 1 + features.MAX_WORD_PIECES]


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12), max_size=12))
def test_every_word_keeps_its_place(words):
    encoded = features.Featuriser(LetterTokenizer(), max_pieces=1000)(words)
    assert len(encoded.first) == len(words)
    assert len(encoded.pieces) == len(encoded.case) == len(encoded.shape)
    assert encoded.first == sorted(set(encoded.first))
    assert 0 <= min(encoded.case) <= max(encoded.case) < features.CASE_IDS
    assert 0 <= min(encoded.shape) <= max(encoded.shape) < features.SHAPE_IDS


def test_remembering_changes_nothing():
    words = ["Paris", "#", "Paris", "x"]
    forgetful = features.Featuriser(LetterTokenizer(), remember=0)
    keen = features.Featuriser(LetterTokenizer())
    assert keen(words) == keen(words) == forgetful(words)


def test_padding(featurise):
    arrays, mask = features.pad([featurise(["Bob", "ok"]), featurise([]), featurise(["http://a"])])
    assert set(arrays) == {
        "input_ids", "attention_mask", "case_ids", "shape_ids", "first_piece",
    }  # fmt: skip
    assert all(array.dtype == np.int64 for array in arrays.values())
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
    assert arrays["attention_mask"].sum(1).tolist() == [7, 2, 3]
    assert arrays["input_ids"][2].tolist() == [
        features.CLS,
        features.URL_PIECE,
        features.SEP,
        0,
        0,
        0,
        0,
    ]
