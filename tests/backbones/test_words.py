"""Word vectors: files, digests, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.backbones import from_folder, load_words  # noqa: E402
from magpie.errors import FormatError, ModelError  # noqa: E402

LINES = "the 1 0 0\nRocky 0 2 0\nrocky 0 0 3\nd\u00e9j\u00e0\u00a0vu 4 4 4\n"


def file_of(folder: Path, text: str = LINES) -> str:
    path = folder / "vectors.txt"
    path.write_text(text, "utf-8")
    return str(path)


def test_words_of_a_file_as_written_then_in_lower_case(tmp_path: Path) -> None:
    found = load_words(file_of(tmp_path))
    assert found.width == 3
    assert found.ids(["the", "The", "Rocky", "ROCKY", "d\u00e9j\u00e0\u00a0vu", "x"]) == [
        1, 1, 2, 3, 4, 0,
    ]  # fmt: skip
    vectors = found(torch.tensor([[1, 2, 0]]))
    assert vectors[0, :2].tolist() == [[1, 0, 0], [0, 2, 0]]
    # What is not known is the average word.
    assert vectors[0, 2].tolist() == [1.25, 1.5, 1.75]
    assert found.table.weight.requires_grad


def test_a_limit_and_a_line_of_counts(tmp_path: Path) -> None:
    found = load_words(file_of(tmp_path, f"4 3\n{LINES}"), limit=2)
    assert found.words == ("the", "Rocky")
    assert found.table.num_embeddings == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 0\nof 1\n", r":2: expected 2 values, got 1"),
        ("the 1 0\nof 1 x\n", r":2: no line of word vectors"),
        ("the 1 nan\n", r":1: a value is not finite"),
        ("", "there are no word vectors"),
        ("the\n", "expected at least 1 values, got 0"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load_words(file_of(tmp_path, text))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="not on this machine"):
        load_words("glove.txt")


def test_without_a_list_digests_decide() -> None:
    one, other = load_words("hashed-7"), load_words("hashed-7")
    words = ["Rocky", "rocky", "dog", "\u0633\u0644\u0627\u0645", "", "\ud800"]
    ids = one.ids(words)
    assert ids == other.ids(words)
    assert ids[0] == ids[1] != ids[2]
    assert 0 < min(ids) <= max(ids) < one.table.num_embeddings
    assert one.width == 7
    # Fixed for ever: checkpoints depend on it.
    assert load_words("tiny-words").ids(["dog", "cat"]) == [160, 48]


def test_the_tiny_ones_are_always_the_same() -> None:
    state = torch.get_rng_state()
    one, other = load_words("tiny-words"), load_words("tiny-words")
    assert torch.equal(one.table.weight, other.table.weight)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", ["file", "tiny-words"])
def test_saved_and_described(tmp_path: Path, name: str) -> None:
    found = load_words(file_of(tmp_path) if name == "file" else name)
    found.save(tmp_path / "kept")
    again = from_folder(tmp_path / "kept")
    again.load_state_dict(found.state_dict())
    words = ["Rocky", "nothing", "the"]
    assert again.ids(words) == found.ids(words)
    ids = torch.tensor([found.ids(words)])
    assert torch.equal(again(ids), found(ids))


def test_an_incomplete_checkpoint(tmp_path: Path) -> None:
    load_words(file_of(tmp_path)).save(tmp_path / "kept")
    (tmp_path / "kept" / "words.json").unlink()
    with pytest.raises(ModelError, match="list of words is absent"):
        from_folder(tmp_path / "kept")
