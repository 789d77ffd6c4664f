"""Windows cover every word once, fit, and give each word the most context there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.embedded.features import CLS, SEP, Encoded
from magpie.engine.windows import Window, cut, plan

lengths_strategy = st.lists(st.integers(1, 8), max_size=300)


def test_no_words_need_no_window() -> None:
    assert plan([], 128) == []


def test_what_fits_is_one_window() -> None:
    assert plan([1] * 126, 128) == [Window(0, 126, 0, 126)]


def test_the_first_word_too_many_makes_two_halves_that_overlap() -> None:
    first, second = plan([1] * 127, 128)
    assert first == Window(0, 126, 0, 95)
    # 63 words, half of the room, are read twice; words 63..125 are shared, their middle is 95.
    assert second == Window(63, 127, 95, 127)


def test_long_words_shorten_a_window() -> None:
    windows = plan([8] * 10, 34)  # room for 32 pieces: four words
    assert windows[0] == Window(0, 4, 0, 3)
    assert windows[-1].end == 10


@given(lengths_strategy, st.integers(16, 128))
def test_kept_parts_cover_every_word_once(lengths: list[int], max_pieces: int) -> None:
    kept = [
        word
        for window in plan(lengths, max_pieces)
        for word in range(window.keep_start, window.keep_end)
    ]
    assert kept == list(range(len(lengths)))


@given(lengths_strategy, st.integers(16, 128))
def test_windows_fit_and_hold_what_they_keep(lengths: list[int], max_pieces: int) -> None:
    for window in plan(lengths, max_pieces):
        assert sum(lengths[window.start : window.end]) <= max_pieces - 2
        assert window.start <= window.keep_start < window.keep_end <= window.end


@given(st.integers(1, 400), st.integers(16, 128))
def test_each_word_is_decided_where_it_lies_deepest(count: int, max_pieces: int) -> None:
    windows = plan([1] * count, max_pieces)

    def depth(window: Window, word: int) -> int:
        # The ends of the text are no cuts: nothing is missing there.
        left = word - window.start if window.start else count
        right = window.end - 1 - word if window.end < count else count
        return min(left, right)

    for chosen in windows:
        for word in range(chosen.keep_start, chosen.keep_end):
            best = max(depth(w, word) for w in windows if w.start <= word < w.end)
            assert depth(chosen, word) >= best - 1


def test_cutting_rebases_pieces_and_keeps_the_ends() -> None:
    text = Encoded(
        [CLS, 11, 12, 21, 31, 32, 33, SEP],
        [80, 1, 2, 3, 4, 5, 5, 0],
        [0, 7, 7, 8, 9, 9, 9, 0],
        [1, 3, 4],
    )
    part = cut(text, Window(1, 3, 1, 3))
    assert part == Encoded(
        [CLS, 21, 31, 32, 33, SEP], [80, 3, 4, 5, 5, 0], [0, 8, 9, 9, 9, 0], [1, 2]
    )
    assert cut(text, Window(0, 1, 0, 1)).pieces == [CLS, 11, 12, SEP]
    assert cut(text, Window(0, 3, 0, 3)) == text
