"""From words to typed mentions: features, the session, stitching, decoding.

Shape letters: B texts, T pieces, W words, L labels, F fine types.

Texts of like length share a run of the model. The embedded model quantises its activations with
ranges fixed at export, so its scores do not depend on who shares the run, to the last bit (a test
holds it to that). A model with dynamic quantisation takes one range per run; ``bucket=1`` then
keeps every result independent of its neighbours.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from magpie.engine.embedded.decode import chunks, fine_type, marginals, viterbi
from magpie.engine.embedded.features import Encoded, Featuriser, pad
from magpie.engine.model import (
    EMBEDDED,
    load_config,
    load_tokenizer,
    model_folder,
    open_session,
)
from magpie.engine.windows import Window, cut, plan

__all__ = ["BUCKET", "Mention", "Tagger"]

#: scores are rounded to this many decimals: what lies below is noise of the arithmetic
DECIMALS = 4
#: texts that share a run; more gains nothing and costs memory (benchmarks/throughput.py)
BUCKET = 8
#: words remembered by the featuriser, a few megabytes
_REMEMBER = 20_000
#: cells of the arrays that are decoded together, so that a very long text comes alone
_DECODE = 4096
_UNCUT = 1 << 60


class Mention(NamedTuple):
    """Words ``start`` up to but excluding ``end`` are an entity."""

    start: int
    end: int
    type: str
    fine_type: str | None
    score: float


class _Piece(NamedTuple):
    """One window of one text: a run of the model."""

    text: int
    window: Window
    encoded: Encoded


def _groups(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cuts texts, sorted by length, into groups whose padded words are at most ``_DECODE``."""
    group: list[int] = []
    for index in order:
        if group and (len(group) + 1) * lengths[index] > _DECODE:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


class Tagger:
    """The compact tagger. Thread-safe: the session runs in the calling thread, without a lock.

    Args:
        model: ``"embedded"`` or a folder with ``model.onnx``, ``tokenizer.json``, ``config.json``.
        bucket: texts of like length that share one run at most; see the module's notes.

    Raises:
        ModelError: a file is absent, damaged or of another version.
    """

    def __init__(self, model: str | os.PathLike[str] = EMBEDDED, *, bucket: int = BUCKET) -> None:
        folder = model_folder(model)
        self.config = load_config(folder)
        self.bucket = bucket
        self._session = open_session(folder)
        self._featurise = Featuriser(load_tokenizer(folder), max_pieces=_UNCUT, remember=_REMEMBER)
        self._parents = np.array([fine.coarse for fine in self.config.fine_types])

    def __call__(self, texts: Sequence[Sequence[str]]) -> list[list[Mention]]:
        """Mentions of each text, in order, not overlapping.

        Args:
            texts: the words of each text; a text may be empty and of any length.
        """
        found: list[list[Mention]] = [[] for _ in texts]
        order = [index for index, words in enumerate(texts) if words]
        # Like lengths stand together, so that sharing arrays wastes little on padding.
        order.sort(key=lambda index: len(texts[index]))
        for group in _groups(order, [len(words) for words in texts]):
            scores = self._scores([texts[index] for index in group])
            for index, mentions in zip(group, self._decode(scores), strict=True):
                found[index] = mentions
        return found

    def _scores(
        self, texts: Sequence[Sequence[str]]
    ) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]:
        """Emissions [W, L] and fine logits [W, F] of every text, none of them empty."""
        pieces: list[_Piece] = []
        for index, words in enumerate(texts):
            encoded = self._featurise(words)
            if len(encoded.pieces) <= self.config.max_pieces:
                whole = Window(0, len(words), 0, len(words))
                pieces.append(_Piece(index, whole, encoded))
                continue
            bounds = [*encoded.first, len(encoded.pieces) - 1]
            lengths = [after - before for before, after in itertools.pairwise(bounds)]
            pieces.extend(
                _Piece(index, window, cut(encoded, window))
                for window in plan(lengths, self.config.max_pieces)
            )
        parts: list[list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]]
        parts = [[] for _ in texts]
        for piece, emissions, fine in self._run(pieces):
            keep = slice(
                piece.window.keep_start - piece.window.start,
                piece.window.keep_end - piece.window.start,
            )
            parts[piece.text].append((emissions[keep], fine[keep]))
        return [
            (
                np.concatenate([part[0] for part in of_text]).astype(np.float64),
                np.concatenate([part[1] for part in of_text]),
            )
            for of_text in parts
        ]

    def _run(
        self, pieces: Sequence[_Piece]
    ) -> Iterator[tuple[_Piece, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Each window with its emissions [W, L] and fine logits [W, F], in the order given."""
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index].encoded.pieces))
        results: dict[int, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}
        for begin in range(0, len(order), self.bucket):
            bucket = order[begin : begin + self.bucket]
            inputs, _ = pad([pieces[index].encoded for index in bucket])
            emissions, fine = self._session.run(["emissions", "fine_logits"], inputs)
            for row, index in enumerate(bucket):
                width = len(pieces[index].encoded.first)
                results[index] = (emissions[row, :width], fine[row, :width])
        for index, piece in enumerate(pieces):
            yield (piece, *results[index])

    def _decode(
        self,
        scores: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]],
    ) -> list[list[Mention]]:
        """Decodes all texts at once, in doubles, so that the others leave no trace in a score."""
        config = self.config
        widths = [len(emissions) for emissions, _ in scores]
        stacked = np.zeros((len(scores), max(widths), len(config.labels)))  # B,W,L
        mask = np.zeros(stacked.shape[:2], np.bool_)
        for row, (emissions, _) in enumerate(scores):
            stacked[row, : widths[row]] = emissions
            mask[row, : widths[row]] = True
        paths = viterbi(stacked, mask, config.chain)
        probability = marginals(stacked, mask, config.chain, temperature=config.score_temperature)
        return [
            self._mentions(path, probability[row], fine)
            for row, (path, (_, fine)) in enumerate(zip(paths, scores, strict=True))
        ]

    def _mentions(
        self,
        path: Sequence[int],
        probability: npt.NDArray[np.floating],
        fine: npt.NDArray[np.float32],
    ) -> list[Mention]:
        config = self.config
        mentions = []
        for chunk in chunks([config.labels[index] for index in path]):
            words = np.arange(chunk.start, chunk.end)
            score = float(probability[words, path[chunk.start : chunk.end]].mean())
            name = None
            if (self._parents == chunk.type).any():
                best, confidence = fine_type(
                    fine[chunk.start : chunk.end].astype(np.float64),
                    self._parents,
                    chunk.type,
                    temperature=config.fine_temperature,
                )
                if confidence >= config.fine_threshold:
                    name = config.fine_types[best].name
            rounded = min(1.0, max(0.0, round(score, DECIMALS)))
            mentions.append(Mention(chunk.start, chunk.end, chunk.type, name, rounded))
        return mentions
