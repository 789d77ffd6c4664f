"""Where markers stand, and how a marked text is cut."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from magpie.backbones.tiny import tiny_text  # noqa: E402
from magpie.methods.marking import (  # noqa: E402
    add_markers,
    add_masks,
    mark_pair,
    mark_words,
    masked_words,
)

IDS = {"<s>": 901, "</s>": 902, "<o>": 903, "</o>": 904}
ENDS = (900, 999)


def shown(words: list[str], head: tuple[int, int], tail: tuple[int, int], how: str) -> str:
    return " ".join(
        item if isinstance(item, str) else words[item]
        for item in mark_words(len(words), head, tail, how)
    )


def test_the_sentence_of_the_specification() -> None:
    text = "The latest Arkham Horror LCG expansion Circle Undone has sold"
    words = text.split()
    for how in ("fixed", "public"):
        assert shown(words, (6, 8), (2, 5), how) == (
            "The latest <o> Arkham Horror LCG </o> expansion <s> Circle Undone </s> has sold"
        )


def test_a_mention_at_the_end_is_closed_only_when_fixed() -> None:
    assert shown(["a", "b"], (0, 1), (1, 2), "public") == "<s> a </s> <o> b"
    assert shown(["a", "b"], (0, 1), (1, 2), "fixed") == "<s> a </s> <o> b </o>"


def test_a_head_right_behind_the_tail() -> None:
    assert shown(["a", "b", "c"], (1, 2), (0, 1), "public") == "<o> a <s> </o> b </s> c"
    assert shown(["a", "b", "c"], (1, 2), (0, 1), "fixed") == "<o> a </o> <s> b </s> c"


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        ((0, 2), (0, 2), "<s> <o> a b </o> </s> c"),  # equal
        ((0, 3), (1, 2), "<s> a <o> b </o> c </s>"),  # tail inside
        ((1, 2), (0, 3), "<o> a <s> b </s> c </o>"),  # head inside
        ((0, 1), (0, 3), "<o> <s> a </s> b c </o>"),  # begin together
        ((2, 3), (0, 3), "<o> a b <s> c </s> </o>"),  # end together
        ((0, 2), (1, 3), "<s> a <o> b </s> c </o>"),  # crossing
    ],
)
def test_mentions_that_overlap(head: tuple[int, int], tail: tuple[int, int], expected: str) -> None:
    assert shown(["a", "b", "c"], head, tail, "fixed") == expected


def cut(words: list[list[int]], head: tuple[int, int], tail: tuple[int, int], length: int):  # type: ignore[no-untyped-def]
    return mark_pair(words, head, tail, IDS, ENDS, length)


def test_words_outside_go_first_from_the_end() -> None:
    words = [[1], [2, 20], [3], [4], [5]]
    whole = cut(words, (0, 1), (3, 4), 20)
    assert whole.ids == [900, 901, 1, 902, 2, 20, 3, 903, 4, 904, 5, 999]
    assert (whole.head, whole.tail, whole.cut, whole.shortened) == (1, 7, 0, ())
    less = cut(words, (0, 1), (3, 4), 10)
    assert less.ids == [900, 901, 1, 902, 2, 20, 903, 4, 904, 999]
    assert (less.tail, less.cut, less.shortened) == (6, 2, ())


def test_a_mention_behind_the_limit_stays() -> None:
    words = [[n] for n in range(100)]
    found = cut(words, (98, 99), (99, 100), 12)
    assert found.ids == [900, 0, 1, 2, 3, 901, 98, 902, 903, 99, 904, 999]
    assert found.cut == 94


def test_the_longer_mention_loses_pieces_where_both_do_not_fit() -> None:
    words = [[1, 2, 3, 4, 5], [6], [7, 8]]
    found = cut(words, (0, 1), (2, 3), 10)
    assert found.ids == [900, 901, 1, 2, 902, 903, 7, 8, 904, 999]
    assert found.shortened == ("head",)
    assert cut(words, (0, 1), (2, 3), 8).shortened == ("head", "tail")


@st.composite
def _sentences(draw):  # type: ignore[no-untyped-def]
    words = draw(st.lists(st.lists(st.integers(1, 800), max_size=3), min_size=1, max_size=12))
    spans = []
    for _ in range(2):
        first = draw(st.integers(0, len(words) - 1))
        spans.append((first, draw(st.integers(first + 1, len(words)))))
    return words, *spans, draw(st.integers(8, 40)), draw(st.sampled_from(["fixed", "public"]))


@given(_sentences())
def test_whatever_is_cut_the_pair_stays_marked(case) -> None:  # type: ignore[no-untyped-def]
    words, head, tail, length, how = case
    found = mark_pair(words, head, tail, IDS, ENDS, length, how)
    assert len(found.ids) <= length
    assert found.ids[0] == ENDS[0]
    assert found.ids[-1] == ENDS[1]
    assert found.ids[found.head] == IDS["<s>"]
    assert found.ids[found.tail] == IDS["<o>"]
    pieces = [piece for word in words for piece in word]
    inside = [piece for piece in found.ids[1:-1] if piece < 900]
    rest = iter(pieces)
    assert all(piece in rest for piece in inside), "the order of pieces is kept"
    if not found.cut and not found.shortened:
        assert inside == pieces
    if how == "fixed":
        assert sorted(i for i in found.ids if 900 < i < 905) == [901, 902, 903, 904]


def test_markers_are_added_once_and_have_rows() -> None:
    encoder = tiny_text("tiny-bert")
    before = encoder.transformer.get_input_embeddings().weight.clone()
    ids = add_markers(encoder)
    assert add_markers(encoder) == ids
    assert sorted(ids.values()) == list(range(len(before), len(before) + 4))
    after = encoder.transformer.get_input_embeddings().weight
    assert len(after) == len(before) + 4 == encoder.transformer.config.vocab_size
    assert torch.equal(after[: len(before)], before)
    assert encoder.tokenizer("<s> a </s>", add_special_tokens=False)["input_ids"] == [
        ids["<s>"],
        encoder.tokenizer.convert_tokens_to_ids("a"),
        ids["</s>"],
    ]


def test_an_encoder_with_such_tokens_of_its_own_gets_others() -> None:
    encoder = tiny_text("tiny-roberta")
    encoder.tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    own = encoder.tokenizer.convert_tokens_to_ids(["<s>", "</s>"])
    ids = add_markers(encoder)
    assert not {ids["<s>"], ids["</s>"]} & set(own)
    assert encoder.tokenizer.convert_ids_to_tokens(ids["<s>"]) == "<head>"


def test_pieces_that_stand_for_mentions() -> None:
    words = [[1], [2, 3], [4], [5]]
    assert masked_words(words, [((1, 3), 90), ((3, 4), 91)]) == [[1], [90], [], [91]]
    # A mention inside the first has no word left to show.
    assert masked_words(words, [((0, 3), 90), ((1, 2), 91)]) == [[90], [], [], [5]]
    assert masked_words(words, [((1, 2), 90), ((0, 3), 91)]) == [[91], [90], [], [5]]
    assert words == [[1], [2, 3], [4], [5]]


def test_masks_are_added_behind_the_markers() -> None:
    encoder = tiny_text("tiny-bert")
    markers = add_markers(encoder)
    masks = add_masks(encoder)
    assert masks == (max(markers.values()) + 1, max(markers.values()) + 2)
    assert (add_masks(encoder), add_markers(encoder)) == (masks, markers)
    assert len(encoder.transformer.get_input_embeddings().weight) == masks[1] + 1


def test_where_every_word_stands() -> None:
    words = [[1], [2, 3], [], [4]]
    row = mark_pair(words, (1, 2), (3, 4), IDS, ENDS, 20)
    assert row.ids == [900, 1, 901, 2, 3, 902, 903, 4, 904, 999]
    assert row.words == ((1, 2), (3, 5), (0, 0), (7, 8))
    shorter = mark_pair(words, (1, 2), (3, 4), IDS, ENDS, 9)
    assert shorter.words == ((0, 0), (2, 4), (0, 0), (6, 7))
