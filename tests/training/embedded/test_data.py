"""The leak rule."""

from __future__ import annotations

import pytest

from magpie.training.embedded.data import HeldOut, Post, normalise, without_leaks


def post(identifier, text):
    return Post(identifier, text.split())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RT @ Bob : Pak is home !", "rt @Bob: pak is HOME"),
        ("Sunset http://t.co/abc in Rome", "Sunset in Rome https://t.co/xyz"),
        ("cut off http://t.c…", "cut off"),
        ("M &amp ; G", "M & G"),
        ("Beyoncé !", "beyoncé"),
    ],
)
def test_texts_that_count_as_the_same(one, other):
    assert normalise(one) == normalise(other)


def test_different_texts_stay_different():
    assert normalise("Rome 1") != normalise("Rome 2")
    assert normalise("東京") != normalise("大阪")


def test_posts_are_dropped_by_id_with_and_without_prefix_and_by_text():
    held_out = HeldOut()
    held_out.add([post("O_12", "a b"), post("77", "c d")], pictured=True)
    held_out.add([post("5", "e f")], pictured=False)
    posts = [
        post("12", "x1"),
        post("O_12", "x2"),
        post("77", "x3"),
        post("O_77", "x4"),
        post("5", "x5"),
        post("", "C, D!"),
        post("9", "E F"),
        post("", "free"),
    ]
    kept, count = without_leaks(posts, held_out)
    assert [p.words[0] for p in kept] == ["x5", "free"]
    assert (count.read, count.by_id, count.by_text, count.kept) == (8, 4, 2, 2)
    assert str(count) == "read 8, by_id 4, by_text 2, unfit 0, kept 2"


def test_the_corpus_of_a_split_is_wholly_removed_by_itself():
    posts = [post(str(i), f"word{i}") for i in range(5)]
    held_out = HeldOut()
    held_out.add(posts, pictured=True)
    assert without_leaks(posts, held_out)[0] == []
