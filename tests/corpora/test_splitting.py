from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.overlaps import document_keys
from magpie.corpora.splitting import sample, split, split_documents
from magpie.errors import ConfigError, NotFoundError
from magpie.schema import Annotations, Block, Document, Entity, Media, Span, from_json

from .conftest import TWEETS

Write = Callable[..., Path]


def post(number: int, text: str = "", picture: str | None = None, *types: str) -> Document:
    text = text or f"text number {number}"
    return Document(
        id=f"d{number}",
        blocks=(Block(text=text),),
        media=(Media(uri=picture),) if picture else (),
        annotations=Annotations(
            entities=tuple(
                Entity(id=f"e{n}", span=Span("b0", 0, 1), type=kind) for n, kind in enumerate(types)
            )
        ),
    )


def write(path: Path, documents: list[Document]) -> str:
    lines = "".join(document.to_json() + "\n" for document in documents)
    path.write_text(lines, encoding="utf-8")
    return str(path)


def read(path: str | Path) -> list[Document]:
    return [from_json(line) for line in Path(path).read_bytes().splitlines()]


def test_shares_are_met_to_the_document_where_nothing_is_grouped() -> None:
    documents = [post(number) for number in range(103)]
    parts, groups, largest = split_documents(documents, {"train": 0.8, "dev": 0.1, "test": 0.1})
    assert Counter(parts) == {"train": 83, "dev": 10, "test": 10}  # 82.4, 10.3, 10.3
    assert (groups, largest) == (103, 1)


def test_counts_leave_the_rest_out() -> None:
    parts, _, _ = split_documents([post(n) for n in range(50)], {"train": 30, "test": 5})
    assert Counter(parts) == {"train": 30, "test": 5, None: 15}


def test_groups_are_transitive_and_stay_together() -> None:
    documents = [
        post(0, "a", "1.jpg"),
        post(1, "b", "O_1.jpg"),  # the picture of 0
        post(2, "B !", "2.jpg"),  # the text of 1
        post(3, "c", "2.png"),  # the picture of 2
        *(post(number) for number in range(4, 20)),
    ]
    for seed in range(10):
        parts, groups, largest = split_documents(documents, {"a": 0.5, "b": 0.5}, seed=seed)
        assert len(set(parts[:4])) == 1
        assert (groups, largest) == (17, 4)
        assert Counter(parts) == {"a": 10, "b": 10}


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("XYZ")),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, 3),
    st.booleans(),
)
def test_no_key_stands_in_two_parts(
    posts: list[tuple[int, int, str]], seed: int, stratify: bool
) -> None:
    documents = [
        post(number, f"text {text}", f"{picture}.jpg", kind)
        for number, (text, picture, kind) in enumerate(posts)
    ]
    parts, _, _ = split_documents(documents, {"a": 0.6, "b": 0.3}, seed=seed, stratify=stratify)
    seen: dict[str, str | None] = {}
    for document, part in zip(documents, parts, strict=True):
        pictures, text = document_keys(document)
        for key in (*pictures, f"text {text}"):
            assert seen.setdefault(key, part) == part


def test_same_seed_same_parts_another_seed_others() -> None:
    documents = [post(number) for number in range(60)]
    wanted = {"a": 0.5, "b": 0.5}
    first = split_documents(documents, wanted, seed=1)
    assert first == split_documents(documents, wanted, seed=1)
    assert first != split_documents(documents, wanted, seed=2)


def test_stratified_parts_have_their_share_of_rare_types() -> None:
    documents = [post(n, "", None, "rare" if n % 20 == 0 else "common") for n in range(200)]
    for seed in range(5):
        parts, _, _ = split_documents(
            documents, {"train": 0.8, "test": 0.2}, seed=seed, stratify=True
        )
        rare = Counter(part for part, d in zip(parts, documents, strict=True)
                       if d.entities[0].type == "rare")  # fmt: skip
        assert rare == {"train": 8, "test": 2}
        assert Counter(parts) == {"train": 160, "test": 40}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "no part"),
        ({"a": 0.8, "b": 0.3}, "add up to 1.1"),
        ({"a": 0}, "above 0"),
        ({"a": -1}, "above 0"),
        ({"a": float("nan")}, "above 0"),
        ({"a": 0.5, "b": 1}, "whole numbers"),
        ({"a": 2.5}, "add up to 2.5"),
        ({"a": 11}, "11 documents are wanted, there are 10"),
        ({"../x": 0.5}, "no name of a file"),
        ({"": 0.5}, "no name of a file"),
    ],
)
def test_impossible_parts(parts: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_documents([post(n) for n in range(10)], parts)


def test_files(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015("".join(f"IMGID:{n}\nword{n}\tB-PER\n\n" for n in range(20)))
    result = split(["twitter2015:test"], {"a": 0.75, "b": 0.25}, tmp_path / "out", root, seed=3)
    a, b = (read(tmp_path / "out" / f"{name}.jsonl") for name in "ab")
    assert (len(a), len(b)) == (15, 5)
    assert sorted(int(d.id) for d in a + b) == list(range(20))
    # in the order of the corpus
    assert [int(d.id) for d in a] == sorted(int(d.id) for d in a)
    value = result.to_dict()
    assert value["parts"][1] == {
        "name": "b",
        "output": str(tmp_path / "out" / "b.jsonl"),
        "documents": 5,
        "labels": {"PER": 5},
    }
    assert value["inputs"] == {"twitter2015@umt:test": 20}
    assert (value["left_out"], value["groups"], value["largest"]) == (0, 20, 1)
    assert "does not know" in value["warnings"][0]
    before = (tmp_path / "out" / "a.jsonl").read_bytes()
    split(["twitter2015:test"], {"a": 0.75, "b": 0.25}, tmp_path / "out", root, seed=3)
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == before


def test_nothing_is_half_written(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015()
    with pytest.raises(NotFoundError):
        split(["twitter2015:test", "twitter2015:train"], {"a": 0.5}, tmp_path / "out", root)
    with pytest.raises(ConfigError, match="named twice"):
        split(["twitter2015:test", "twitter2015:test"], {"a": 0.5}, tmp_path / "out", root)
    with pytest.raises(ConfigError, match="no corpus"):
        split([], {"a": 0.5}, tmp_path / "out", root)
    assert list(tmp_path.glob("out/*")) == []


def test_ids_of_several_inputs_stay_apart(tmp_path: Path) -> None:
    one = write(tmp_path / "1.jsonl", [post(0, "a"), post(1, "b")])
    two = write(tmp_path / "2.jsonl", [post(0, "c")])
    result = split([one, two], {"all": 1.0}, tmp_path / "out")
    assert [d.id for d in read(result.parts[0].output)] == ["d0", "d1", "d0#2"]
    assert result.to_dict()["renamed"] == {"number": 1, "examples": ["d0#2"]}


# sampling


def test_sample_draws_in_order_without_repeating(tmp_path: Path) -> None:
    path = write(tmp_path / "all.jsonl", [post(number) for number in range(100)])
    result = sample([path], 10, tmp_path / "s.jsonl", seed=5)
    drawn = [int(d.id[1:]) for d in read(tmp_path / "s.jsonl")]
    assert len(drawn) == 10
    assert drawn == sorted(set(drawn))
    assert (result.documents, result.seen) == (10, 100)
    sample([path], 10, tmp_path / "t.jsonl", seed=5)
    assert (tmp_path / "t.jsonl").read_bytes() == (tmp_path / "s.jsonl").read_bytes()
    sample([path], 10, tmp_path / "t.jsonl", seed=6)
    assert (tmp_path / "t.jsonl").read_bytes() != (tmp_path / "s.jsonl").read_bytes()


def test_sample_is_even(tmp_path: Path) -> None:
    path = write(tmp_path / "all.jsonl", [post(number) for number in range(10)])
    counts: Counter[str] = Counter()
    for seed in range(300):
        sample([path], 3, tmp_path / "s.jsonl", seed=seed)
        counts.update(d.id for d in read(tmp_path / "s.jsonl"))
    assert len(counts) == 10
    assert min(counts.values()) > 60  # 90 expected, standard deviation 8
    assert max(counts.values()) < 120


def test_small_corpora_are_taken_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "all.jsonl", [post(0), post(1)])
    assert sample([path], 10, tmp_path / "s.jsonl").documents == 2
    with pytest.raises(ConfigError, match="at least 1"):
        sample([path], 0, tmp_path / "s.jsonl")


def test_pictures_are_found_from_the_new_place(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in" / "all.jsonl", [post(0, "", "pictures/1.jpg")])
    result = sample([path], 1, tmp_path / "s.jsonl")
    assert read(tmp_path / "s.jsonl")[0].media[0].uri == "in/pictures/1.jpg"
    assert result.gathering.pictures_root == ""
    result = sample([path], 1, tmp_path / "out" / "s.jsonl")
    assert read(tmp_path / "out" / "s.jsonl")[0].media[0].uri == str(tmp_path / "in/pictures/1.jpg")
    assert result.gathering.pictures_root == str(tmp_path / "in" / "pictures")


def test_unreadable_records_are_counted(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015(TWEETS + "\nIMGID:13\ncut\n")
    result = sample(["twitter2015:test"], 5, tmp_path / "s.jsonl", root)
    value = result.to_dict()
    assert (value["documents"], value["unreadable"]) == (2, 1)
    assert value["errors"][0]["code"] == "format-record"
