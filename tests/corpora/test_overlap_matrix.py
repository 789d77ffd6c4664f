from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magpie.corpora import compare, load
from magpie.corpora.overlap_matrix import matrix_page, overlap_matrix
from magpie.errors import ConfigError, NotFoundError
from magpie.schema import Document

Write = Callable[..., Path]


def write(path: Path, posts: list[tuple[str, str | None]]) -> str:
    lines = []
    for number, (text, image) in enumerate(posts):
        images = (image,) if image else ()
        lines.append(Document.from_text(text, id=f"d{number}", images=images).to_json() + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def test_values(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [("Rain", "1.jpg"), ("sun", "1.jpg"), ("x", None)])
    b = write(tmp_path / "b.jsonl", [("RAIN !", "9.jpg"), ("fog", "O_1.png")])
    c = write(tmp_path / "c.jsonl", [("https://t.co/x", None), ("snow", None)])
    matrix = overlap_matrix([a, b, c])
    assert matrix.names == ("a.jsonl", "b.jsonl", "c.jsonl")
    assert matrix.documents == (3, 2, 2)
    # Two posts of a share a picture; one of them also has a text of b, the other only the picture.
    assert matrix.shared == ((2, 2, 0), (2, 0, 0), (0, 0, 0))
    assert matrix.pairs() == [("a.jsonl", "b.jsonl", 2, 2)]
    assert matrix.to_dict() == {
        "names": ["a.jsonl", "b.jsonl", "c.jsonl"],
        "documents": [3, 2, 2],
        "shared": [[2, 2, 0], [2, 0, 0], [0, 0, 0]],
        "unreadable": [],
    }


POSTS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from([None, "1.jpg", "2.jpg", "O_2.jpg"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25)
@given(POSTS, POSTS, POSTS)
def test_every_cell_is_what_a_comparison_of_two_finds(
    tmp_path_factory: pytest.TempPathFactory,
    a: list[tuple[str, str | None]],
    b: list[tuple[str, str | None]],
    c: list[tuple[str, str | None]],
) -> None:
    folder = tmp_path_factory.mktemp("splits")
    paths = [write(folder / f"{name}.jsonl", posts) for name, posts in zip("abc", (a, b, c))]  # noqa: B905
    matrix = overlap_matrix(paths)
    for row, first in enumerate(paths):
        for column, second in enumerate(paths):
            one, two = (load("magpie", Path(path).stem, path) for path in (first, second))
            found = compare(one, two, names=("1", "2"))
            assert matrix.shared[row][column] == found.shared_a


def test_what_cannot_be_read_is_named(twitter2015: Write) -> None:
    root = twitter2015()
    twitter2015("no format at all", "train.txt")
    matrix = overlap_matrix(["twitter2015:train", "twitter2015:test", "twitter2015:test"], root)
    assert matrix.names == ("twitter2015@umt:test",)
    ((name, error),) = matrix.unreadable
    assert name == "twitter2015@umt:train"
    assert error.code == "format-unknown"
    assert matrix.to_dict()["unreadable"][0]["error"]["code"] == "format-unknown"
    assert "twitter2015@umt:train" in matrix_page(matrix)


def test_all_that_is_there_without_names(twitter2015: Write) -> None:
    root = twitter2015()
    twitter2015(name="train.txt")
    matrix = overlap_matrix(root=root)
    assert matrix.names == ("twitter2015@umt:train", "twitter2015@umt:test")
    assert matrix.shared == ((0, 2), (2, 0))


def test_one_alone_is_refused(twitter2015: Write) -> None:
    with pytest.raises(ConfigError, match="alone"):
        overlap_matrix(["twitter2015:test"], twitter2015())
    with pytest.raises(NotFoundError):
        overlap_matrix(["twiter2015"], twitter2015())


@pytest.mark.slow
def test_several_processes_find_the_same(twitter2015: Write) -> None:
    root = twitter2015()
    twitter2015(name="train.txt")
    assert overlap_matrix(root=root, workers=2) == overlap_matrix(root=root)


def test_page(twitter2015: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = twitter2015()
    twitter2015(name="train.txt")
    matrix = overlap_matrix(root=root)
    text = matrix_page(matrix, title="<i>")
    assert text == matrix_page(matrix, title="<i>")
    assert text.count("<img ") == 1
    assert "100.0%" in text
    assert "<i>" not in text
    monkeypatch.setattr("magpie.viz.plots.available", lambda _: False)
    bare = matrix_page(matrix)
    assert "<img " not in bare
    assert "magpie-ie[plots]" in bare
