"""Word vectors: one row a word, for taggers that do not cut words into pieces.

From a file of published vectors (GloVe's text form, word2vec's with its line of counts in front),
or without any list of words: then a word's row is decided by a digest of its letters, and a few
words share one.

Shapes: B batch, W words, D width.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from magpie._io import atomic_write, dump_json, parse_json
from magpie.backbones.base import Backbone
from magpie.backbones.tiny import SEED
from magpie.errors import FormatError, ModelError

__all__ = ["WordVectors", "load_words"]

_WORDS = "words.json"
#: rows of a table without a list of words
_ROWS = 1 << 15
_TINY = (1 << 10, 16)
#: of random rows: about that of published vectors
_DEVIATION = 0.4


class WordVectors(Backbone):
    """Row numbers in, one vector a word out. Row 0 stands for words that are not known.

    Args:
        model: the table, one row more than there are words.
        name: what it was loaded as.
        words: in the order of the rows from 1 on; None where digests decide.
    """

    kind = "words"

    def __init__(self, model: nn.Embedding, name: str, words: Sequence[str] | None = None) -> None:
        super().__init__(model, name)
        self.words = None if words is None else tuple(words)

    @property
    def table(self) -> nn.Embedding:
        """The vectors."""
        return cast(nn.Embedding, self.model)

    @property
    def width(self) -> int:
        return int(self.table.embedding_dim)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words or (), 1)}

    def ids(self, words: Sequence[str]) -> list[int]:
        """Row of every word: as it is written, else in lower case, else 0."""
        if self.words is None:
            return [_digest_row(word.lower(), self.table.num_embeddings) for word in words]
        rows = self._rows
        return [rows.get(word) or rows.get(word.lower(), 0) for word in words]

    def forward(self, ids: Tensor) -> Tensor:
        """[B, W] rows -> [B, W, D]."""
        return cast(Tensor, self.table(ids))

    def describe(self) -> dict[str, Any]:
        return {
            "rows": self.table.num_embeddings,
            "width": self.width,
            "listed": self.words is not None,
        }

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.words is not None:
            atomic_write(folder / _WORDS, dump_json(list(self.words)))

    @classmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        words = None
        if value["listed"]:
            path = folder / _WORDS
            if not path.is_file():
                raise ModelError(
                    "the list of words is absent",
                    where=str(path),
                    mend="The checkpoint is incomplete; copy its whole folder.",
                )
            words = parse_json(path.read_text("utf-8"), where=str(path))
        return cls(nn.Embedding(value["rows"], value["width"]), value["name"], words)


def _digest_row(word: str, rows: int) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "big") % (rows - 1)


def load_words(name: str, *, limit: int | None = None) -> WordVectors:
    """Word vectors by name.

    Args:
        name: a file of vectors; ``hashed-200`` for random ones, 200 wide, without a list of words;
            or ``tiny-words``.
        limit: at most so many words of a file, whose order is by frequency.

    Raises:
        ModelError: there is no such file.
        FormatError: a line of it has another number of values than the first.
    """
    if name == "tiny-words":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return _hashed(*_TINY, name)
    if found := re.fullmatch(r"hashed-([1-9]\d{0,3})", name):
        return _hashed(_ROWS, int(found[1]), name)
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelError(
            f"the word vectors {name!r} are not on this machine",
            mend="Name a file of vectors (GloVe's .txt), or hashed-200 for random ones.",
        )
    return _read(path, name, limit)


def _hashed(rows: int, width: int, name: str) -> WordVectors:
    table = nn.Embedding(rows + 1, width)
    nn.init.normal_(table.weight, std=_DEVIATION)
    return WordVectors(table.eval(), name)


def _read(path: Path, name: str, limit: int | None) -> WordVectors:
    words: dict[str, int] = {}
    vectors: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    # Lines end with \n alone: some words of published files are exotic line separators.
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            word, *values = line.rstrip(b"\r\n").rstrip(b" ").split(b" ")
            if number == 1 and len(values) == 1:
                continue  # word2vec's numbers of words and values
            if limit is not None and len(words) >= limit:
                break
            try:
                vector = np.array(values, dtype=np.float32)
                text = word.decode("utf-8")
            except ValueError as error:
                raise FormatError("no line of word vectors", where=f"{path}:{number}") from error
            if not values or (vectors and len(vector) != len(vectors[0])):
                expected = len(vectors[0]) if vectors else "at least 1"
                raise FormatError(
                    f"expected {expected} values, got {len(values)}", where=f"{path}:{number}"
                )
            if not np.isfinite(vector).all():
                raise FormatError("a value is not finite", where=f"{path}:{number}")
            if text not in words:
                words[text] = len(words)
                vectors.append(vector)
    if not vectors:
        raise FormatError("there are no word vectors", where=str(path))
    known = torch.from_numpy(np.stack(vectors))
    # What is not known looks like the average word.
    table = nn.Embedding.from_pretrained(torch.cat([known.mean(0, keepdim=True), known]))
    table.weight.requires_grad_(True)
    return WordVectors(table.eval(), name, tuple(words))
