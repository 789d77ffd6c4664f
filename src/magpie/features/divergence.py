"""How far a text and its pictures say the same: scores of a divergence estimator, by post.

TMR's scores were published (``tmr-weights``), for the post's own picture and the one generated
from its text. Any other road, such as :class:`magpie.methods.divergence.EstimatedScores`, is handed
to a :class:`magpie.features.supply.Supplier` as a supplier of :class:`DivergenceScores`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from magpie.corpora import side
from magpie.corpora.pictures import picture_name
from magpie.corpora.side import Weights
from magpie.errors import ConfigError
from magpie.features.needs import Asset, Need
from magpie.schema import Document

__all__ = ["DivergenceScores", "PublishedScores", "renormalised"]

_Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DivergenceScores(Need):
    """``scores`` float32 [2, 2]: (strong, weak) of the post's own picture, then of the generated
    one; each row adds up to 1.

    ``source`` is a side source of weights; a supplier of its own may read it as it likes.
    """

    source: str = "tmr-weights"


def renormalised(rows: npt.ArrayLike) -> _Rows:
    """[..., 2] weights -> shares that add up to 1; a pair of zeros becomes two halves.

    The weights published for the Twitter corpora do not add up.
    """
    values = np.asarray(rows, np.float64)
    total = values.sum(-1, keepdims=True)
    shares = np.where(total > 0, values / np.where(total > 0, total, 1.0), 0.5)
    return shares.astype(np.float32)


class PublishedScores:
    """Reads the weights of a side source when the first document of a split asks.

    A picture that has several (those of MNRE do not say which pair they are of) gets their mean.

    Args:
        root: the folder of all corpora (default: ``MAGPIE_DATA``).
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self._root = root
        self._tables: dict[tuple[str, str], Mapping[str, _Rows]] = {}

    def __call__(self, document: Document, need: Need) -> Asset:
        """The scores, or an absent asset.

        Raises:
            ConfigError: the source holds no weights.
        """
        name = cast(DivergenceScores, need).source
        place = document.source
        picture = next((picture_name(m) for m in document.media if m.kind == "image"), None)
        if not name or place is None or place.split is None or picture is None:
            return Asset.absent("the document is of no corpus that weights were published for")
        source = side.source(name)
        split = f"{place.corpus}:{place.split}"
        if not source.parts_of(place.corpus, place.split):
            return Asset.absent(f"{name} says nothing of {split}")
        if (name, split) not in self._tables:
            self._tables[name, split] = self._read(name, split)
        found = self._tables[name, split].get(picture)
        if found is None:
            return Asset.absent(f"{name} has no weights of {picture}")
        return Asset({"scores": found})

    def _read(self, name: str, split: str) -> dict[str, _Rows]:
        gathered: dict[str, list[_Rows]] = {}
        for row in side.read(name, split, self._root):
            if not isinstance(row, Weights):
                raise ConfigError(f"{name} holds no weights: {side.source(name).title}")
            own, made = (row.strong, row.weak), (row.generated_strong, row.generated_weak)
            gathered.setdefault(row.key, []).append(renormalised([own, made]))
        return {key: np.mean(rows, axis=0, dtype=np.float32) for key, rows in gathered.items()}
