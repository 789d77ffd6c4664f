"""Pieces, words and characters: hand-made quirks, then real tokenisers trained here and now."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import FormatError, SchemaError
from magpie.text.subwords import absolute_offsets, align_pieces
from magpie.text.words import split_words

UNKNOWN = "[UNK]"

WORDS = [
    "Kevin",
    "🎉🎉",
    "met",
    "Zoë",
    "Zoe\u0308",
    "ﬁne",
    "don't",
    ",",
    "東京",
    "آدا",
    "👩‍🚀",
    "\ufe0f",
]


# by hand


def test_special_tokens_stand_for_nothing() -> None:
    aligned = align_pieces("Ada", [(0, 3)], [(0, 0), (0, 2), (2, 3), (3, 3)])
    assert aligned.ranges == (None, (0, 2), (2, 3), None)
    assert aligned.word_ids() == [None, 0, 0, None]
    assert aligned.pieces_of == ((1, 3),)
    assert aligned.truncation.whole == (0,)
    assert not aligned.truncation.happened


def test_the_space_before_a_word_is_no_part_of_it() -> None:
    text = "An 🎉 x"
    words = [(0, 2), (3, 4), (5, 6)]
    aligned = align_pieces(text, words, [(0, 2), (2, 4), (4, 5), (5, 6)])
    assert aligned.ranges == ((0, 2), (3, 4), None, (5, 6))
    assert aligned.first_pieces() == [0, 1, 3]


def test_a_lone_prefix_claims_no_letter() -> None:
    offsets = [(0, 1), (0, 1), (1, 3)]
    pieces = ["\u2581", "A", "da"]
    assert align_pieces("Ada", [(0, 3)], offsets, pieces=pieces).pieces_of == ((1, 3),)
    assert align_pieces("Ada", [(0, 3)], offsets).pieces_of == ((0, 3),)  # it cannot be told
    real = align_pieces("\u2581x", [(0, 1), (1, 2)], [(0, 1), (1, 2)], pieces=["\u2581", "x"])
    assert real.first_pieces() == [0, 1]


def test_pieces_of_bytes_share_their_character() -> None:
    aligned = align_pieces("a 🎉", [(0, 1), (2, 3)], [(0, 1), (1, 3), (2, 3), (2, 3), (2, 3)])
    assert aligned.pieces_of == ((0, 1), (1, 5))
    assert aligned.pieces_of_span(2, 3) == (1, 5)
    assert aligned.span_of_pieces(2, 4) == (2, 3)


def test_a_piece_over_several_words() -> None:
    words = [(0, 3), (3, 4), (4, 5), (6, 8)]
    aligned = align_pieces("don't go", words, [(0, 5), (5, 8)])
    assert aligned.words_of == ((0, 3), (3, 4))
    assert aligned.word_ids() == [0, 3]
    assert aligned.first_pieces() == [0, 0, 0, 1]


def test_truncation_names_the_word_that_was_cut() -> None:
    text = "Kevin Love plays"
    words = [(0, 5), (6, 10), (11, 16)]
    aligned = align_pieces(text, words, [(0, 0), (0, 5), (6, 8), (0, 0)])
    assert aligned.truncation.whole == (0,)
    assert aligned.truncation.cut == (1,)
    assert aligned.truncation.lost == (2,)
    assert aligned.truncation.happened
    left = align_pieces(text, words, [(8, 10), (11, 16)]).truncation
    assert (left.lost, left.cut, left.whole) == ((0,), (1,), (2,))


def test_a_word_that_the_normaliser_left_out_is_not_truncated() -> None:
    words = [(0, 1), (2, 3), (4, 5), (6, 7)]
    found = align_pieces("a \ufe0f b \u200b", words, [(0, 1), (4, 5)]).truncation
    assert (found.whole, found.silent, found.lost) == ((0, 2), (1, 3), ())
    assert not found.happened
    stripped = align_pieces("Zoe\u0308", [(0, 4)], [(0, 3)]).truncation
    assert (stripped.whole, stripped.cut) == ((0,), ())


def test_nothing_at_all() -> None:
    assert align_pieces("", [], []).truncation.happened is False
    aligned = align_pieces("a b", [(0, 1), (2, 3)], [(0, 0)])
    assert aligned.truncation.lost == (0, 1)
    assert aligned.span_of_pieces(0, 1) is None
    assert aligned.pieces_of_span(0, 3) is None


@pytest.mark.parametrize("bad", [(2, 1), (0, 4), (-1, 2)])
def test_offsets_of_another_text(bad: tuple[int, int]) -> None:
    with pytest.raises(SchemaError, match="piece 1 has the range") as caught:
        align_pieces("Ada", [(0, 3)], [(0, 1), bad])
    assert caught.value.code == "schema-span"


def test_lists_that_do_not_fit() -> None:
    with pytest.raises(FormatError, match="2 offsets, but 1 pieces"):
        align_pieces("Ada", [(0, 3)], [(0, 1), (1, 3)], pieces=["A"])
    with pytest.raises(FormatError, match="1 offsets, but 2 word ids"):
        absolute_offsets([(0, 3)], [0, 0], [(0, 1)])
    with pytest.raises(FormatError, match="word id 1, but there are 1 words"):
        absolute_offsets([(0, 3)], [1], [(0, 1)])


def test_offsets_within_words() -> None:
    words = [(0, 3), (4, 9)]
    assert absolute_offsets(words, [None, 0, 1, 1], [(0, 0), (0, 3), (0, 2), (2, 5)]) == [
        *((0, 0), (0, 3), (4, 6), (6, 9))
    ]
    assert absolute_offsets(words, [0, 1], [(0, 4), (9, 9)]) == [(0, 3), (9, 9)]


# with real tokenisers


@functools.cache
def trained(kind: str) -> Any:
    """A small vocabulary over this file's own words."""
    text = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))] * 20
    models, pre, trainers = tokenizers.models, tokenizers.pre_tokenizers, tokenizers.trainers
    special = [UNKNOWN, "<s>"]
    if kind.startswith("bytes"):
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre.ByteLevel(add_prefix_space=True)
        tokenizer.post_processor = tokenizers.processors.ByteLevel(trim_offsets="trim" in kind)
        trainer = trainers.BpeTrainer(
            vocab_size=290,
            initial_alphabet=pre.ByteLevel.alphabet(),
            special_tokens=special,
            show_progress=False,
        )
    elif kind == "sentencepiece":
        tokenizer = tokenizers.Tokenizer(models.Unigram())
        tokenizer.normalizer = tokenizers.normalizers.NFKC()
        tokenizer.pre_tokenizer = pre.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=60, unk_token=UNKNOWN, special_tokens=special, show_progress=False
        )
    else:
        tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=70, special_tokens=special, show_progress=False
        )
    tokenizer.train_from_iterator(text, trainer)
    if not kind.startswith("bytes"):
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A <s>", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    return tokenizer


KINDS = ("bytes", "bytes-trimmed", "sentencepiece", "wordpiece")
TEXTS = st.lists(st.sampled_from([*WORDS, "xq", "2014"]), max_size=8)


@pytest.mark.parametrize("kind", KINDS)
@given(words=TEXTS, spaces=st.sampled_from([" ", "  ", " \n"]))
def test_every_visible_word_has_its_pieces(kind: str, words: list[str], spaces: str) -> None:
    text = spaces.join(words)
    ranges = split_words(text)
    encoded = trained(kind).encode(text)
    aligned = align_pieces(text, ranges, encoded.offsets, pieces=encoded.tokens)
    assert not aligned.truncation.happened
    assert set(aligned.truncation.silent) <= {
        i for i, (a, b) in enumerate(ranges) if text[a:b] in ("\ufe0f", "\u200d")
    }
    for index, (a, b) in enumerate(ranges):
        pieces = aligned.pieces_of[index]
        if pieces is not None:
            assert aligned.pieces_of_span(a, b) == pieces
            covered = aligned.span_of_pieces(*pieces)
            assert covered is not None
            assert max(covered[0], a) < min(covered[1], b)
    for piece, found in zip(aligned.ranges, aligned.words_of, strict=True):
        if piece is not None:
            assert text[slice(*piece)] == text[slice(*piece)].strip() != ""
            assert found is not None


@pytest.mark.parametrize("kind", KINDS)
@given(words=TEXTS, keep=st.integers(0, 12))
def test_cutting_the_pieces_is_told_word_by_word(kind: str, words: list[str], keep: int) -> None:
    text = " ".join(words)
    ranges = split_words(text)
    encoded = trained(kind).encode(text, add_special_tokens=False)
    everything = align_pieces(text, ranges, encoded.offsets, pieces=encoded.tokens)
    offsets = encoded.offsets[:keep]
    found = align_pieces(text, ranges, offsets, pieces=encoded.tokens[:keep]).truncation
    for index, pieces in enumerate(everything.pieces_of):
        if pieces is None:
            assert index in found.silent
        elif pieces[0] >= keep:
            assert index in found.lost or index in found.silent
        elif pieces[1] <= keep:
            assert index in found.whole
        else:
            assert index in found.cut or index in found.whole  # further bytes of one character
    together = sorted((*found.whole, *found.cut, *found.lost, *found.silent))
    assert together == list(range(len(ranges)))


@pytest.mark.parametrize("kind", KINDS)
@given(words=st.lists(st.sampled_from(["Kevin", "met", "Zoë", "🎉🎉", "東京"]), max_size=6))
def test_a_list_of_words_gives_the_words_back(kind: str, words: list[str]) -> None:
    text = " ".join(words)
    ranges = [(m, m + len(w)) for m, w in zip(_starts(words), words, strict=True)]
    encoded = trained(kind).encode(words, is_pretokenized=True)
    offsets = absolute_offsets(ranges, encoded.word_ids, encoded.offsets)
    aligned = align_pieces(text, ranges, offsets, pieces=encoded.tokens)
    assert all(pieces is not None for pieces in aligned.pieces_of)
    for ours, theirs in zip(aligned.word_ids(), encoded.word_ids, strict=True):
        assert ours in (theirs, None)


def _starts(words: list[str]) -> list[int]:
    return [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
