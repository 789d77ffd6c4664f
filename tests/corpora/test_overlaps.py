from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import HeldOut, Pair, compare, leaks, overlap, picture_key, text_key
from magpie.errors import NotFoundError
from magpie.schema import Document, Source

from .conftest import TWEETS

Write = Callable[..., Path]


def post(id: str, text: str, picture: str | None = None, split: str = "train") -> Document:
    document = Document.from_text(text, id=id, images=(picture,) if picture else ())
    return Document(
        id=id,
        blocks=document.blocks,
        media=document.media,
        source=Source(corpus="x@1", split=split),
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Rain over Turin", "rainoverturin"),
        ("RT : Rain , over Turin ! https://t.co/aB3", "rtrainoverturin"),
        ("rain http\u2026", "rain"),
        ("\u00c9t\u00e9 2017 \U0001f600", "\u00e9t\u00e92017"),
        ("https://t.co/a !!", ""),
        ("", ""),
    ],
)
def test_text_key(text: str, key: str) -> None:
    assert text_key(text) == key


@pytest.mark.parametrize(("name", "key"), [("O_17_1", "17_1"), ("17_1", "17_1"), ("xO_1", "xO_1")])
def test_picture_key(name: str, key: str) -> None:
    assert picture_key(name) == key


@given(st.lists(st.text(st.characters(whitelist_categories=["L", "N", "P"])), min_size=1))
def test_text_key_ignores_tokenisation_and_case(words: list[str]) -> None:
    words = [word for word in words if "http" not in word.lower()]
    key = text_key(" ".join(words))
    assert text_key(" , ".join(words)) == key
    assert key.isalnum() or not key
    if "http" not in key:
        assert text_key(key) == "".join(filter(str.isalnum, key.lower()))


A = [
    post("1", "Rain over Turin", "p/1.jpg"),
    post("2", "Sun over Turin", "p/2.jpg"),
    post("3", "Snow over Turin", "p/3.jpg"),
    post("4", "https://t.co/4", None),
]
B = [
    post("x", "RAIN over Turin !", "q/O_1.png", "test"),
    post("y", "Something else", "q/O_2.jpg", "test"),
    post("z", "snow , over turin http://t.co/x", "q/9.jpg", "test"),
    post("w", "https://t.co/5", None, "test"),
]


def test_pairs_say_what_is_shared() -> None:
    result = compare(A, B, names=("a", "b"))
    assert result.pairs == (
        Pair("train/1", "test/x", "both"),
        Pair("train/2", "test/y", "picture"),
        Pair("train/3", "test/z", "text"),
    )
    assert (result.documents_a, result.documents_b) == (4, 4)
    assert (result.shared_a, result.shared_b) == (3, 3)
    assert result.to_dict()["by"] == {"picture": 1, "text": 1, "both": 1}


def test_one_post_may_have_several_partners() -> None:
    result = compare(A[:1], [B[0], post("v", "rain over turin", None, "test")], names=("a", "b"))
    assert [(p.b, p.by) for p in result.pairs] == [("test/x", "both"), ("test/v", "text")]
    assert (result.shared_a, result.shared_b) == (1, 2)


def test_a_document_is_no_partner_of_itself() -> None:
    assert compare(A, A, names=("a", "a")).pairs == ()
    twin = post("5", "rain over turin")
    result = compare([*A, twin], [*A, twin], names=("a", "a"))
    assert [(p.a, p.b) for p in result.pairs] == [("train/1", "train/5"), ("train/5", "train/1")]


def test_leaks_flags_each_document_in_order() -> None:
    assert [leaked for _, leaked in leaks(A, B)] == [True, True, True, False]
    held_out = HeldOut(B[:1])
    assert [leaked for _, leaked in leaks(A, held_out)] == [True, False, False, False]
    held_out.update(B[1:2])
    assert A[1] in held_out
    assert held_out.has_text("rain over TURIN")
    assert not held_out.has_text("")
    assert not held_out.has_text("https://t.co/9")


def test_named_corpora_and_splits(gmner: Write, twitter2015: Write) -> None:
    root = gmner()
    assert twitter2015(TWEETS.replace("IMGID:11", "IMGID:99").replace("Ada", "Eva")) == root
    result = overlap("twitter2015:test", "gmner:test", root)
    assert [(p.a, p.b, p.by) for p in result.pairs] == [
        ("test/99", "test/11", "text"),
        ("test/12", "test/12", "picture"),
    ]
    with pytest.raises(NotFoundError, match=r"twitter2015/train\.txt"):
        overlap("twitter2015", "gmner:test", root)
    with pytest.raises(NotFoundError, match="format without splits"):
        overlap("conll", "gmner:test", root)
