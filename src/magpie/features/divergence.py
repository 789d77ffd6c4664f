"""How far a text and its pictures say the same: scores of a divergence estimator, by post.

TMR's scores were published (``tmr-weights``), for the post's own picture and the one generated
from its text. ``estimator:FOLDER`` in place of their name asks a trained estimator
(:mod:`magpie.backbones.divergence`) about any post, and keeps what it said of a pair.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from magpie._io import text_digest
from magpie.corpora import side
from magpie.corpora.pictures import picture_name
from magpie.corpora.side import Weights
from magpie.errors import ConfigError, MagpieError
from magpie.features.generated import Generated
from magpie.features.needs import Asset, Need
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source
from magpie.schema import Document
from magpie.vision import network_square, normalise

if TYPE_CHECKING:
    from magpie.backbones.divergence import DivergenceEstimator

__all__ = [
    "ESTIMATOR",
    "DivergenceScores",
    "PairScore",
    "PairScoreSource",
    "PublishedScores",
    "both_scores",
    "pair_needs",
    "renormalised",
]

#: what an estimator's name begins with, where a source of scores is named
ESTIMATOR = "estimator:"

_Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DivergenceScores(Need):
    """``scores`` float32 [2, 2]: (strong, weak) of the post's own picture, then of the generated
    one; each row adds up to 1.

    ``source`` is a side source of weights, or ``estimator:NAME``; ``folder`` holds the generated
    pictures that an estimator looks at, as :class:`magpie.features.generated.Generated` has it.
    """

    source: str = "tmr-weights"
    folder: str = ""

    def describe(self) -> dict[str, Any]:
        # The folder says where a picture lies, not what is seen in it.
        return {"kind": "divergencescores", "source": self.source}


@dataclass(frozen=True, slots=True)
class PairScore(Need):
    """``score`` float32 [2]: (strong, weak) of the document's text beside its first picture.

    Raises:
        ConfigError: no estimator is named.
    """

    estimator: str

    def __post_init__(self) -> None:
        if not self.estimator:
            raise ConfigError(
                "scores of pairs need an estimator's name",
                mend=f"For example {ESTIMATOR}models/divergence.",
            )


def pair_needs(need: Need) -> tuple[PairScore, Generated] | None:
    """What is asked of an estimator for both pictures; None where no estimator is named."""
    if not isinstance(need, DivergenceScores) or not need.source.startswith(ESTIMATOR):
        return None
    own = PairScore(need.source.removeprefix(ESTIMATOR))
    return own, Generated(own, need.folder)


def both_scores(own: Asset, made: Asset) -> Asset:
    """``scores`` [2, 2] of the two pairs: halves for a picture that is absent; absent where both
    are."""
    if not own.present and not made.present:
        return Asset.absent(own.reason)
    half = np.full(2, 0.5, np.float32)
    rows = [each.arrays["score"] if each.present else half for each in (own, made)]
    return Asset({"scores": np.stack(rows)})


class PairScoreSource(Source):
    """Scores by estimators that are loaded when first asked for.

    A picture that cannot be read is set aside with its reason.

    Args:
        pictures: where pictures are read from.
        device: that estimators run on.
        batch: pairs at once.
        load: finds an estimator by name; replaced by those who hold one already.
    """

    kind: ClassVar[type[Need]] = PairScore

    def __init__(
        self,
        pictures: Pictures,
        *,
        device: str = "cpu",
        batch: int = 16,
        load: Callable[[str], DivergenceEstimator] | None = None,
    ) -> None:
        self.pictures = pictures
        self.device = device
        self.batch = batch
        self._load = load
        self._loaded: dict[str, tuple[DivergenceEstimator, dict[str, str]]] = {}

    def ask(self, document: Document, need: PairScore) -> Ask | Asset:
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        text = " ".join(block.text for block in document.blocks)
        depends = {"picture": picture.digest, "text": text_digest(text)}
        return Ask(depends, (text, picture))

    def compute(self, asks: Sequence[Ask], need: PairScore) -> list[Arrays | Asset]:
        import torch

        estimator, _ = self._estimator(need.estimator)
        spec = estimator.pixels
        made: list[Arrays | Asset] = []
        texts, squares = [], []
        for ask in asks:
            text, picture = cast("tuple[str, Picture]", ask.payload)
            try:
                squares.append(normalise(network_square(picture.load(), spec)[0], spec))
            except MagpieError as error:
                made.append(Asset.absent(str(error)))
                continue
            texts.append(text)
            made.append({})
        if not texts:
            return made
        pixels = torch.from_numpy(np.stack(squares)).to(self.device)
        rows = iter(estimator.scores(texts, pixels).cpu().numpy())
        return [m if isinstance(m, Asset) else {"score": next(rows).copy()} for m in made]

    def fingerprint(self, need: PairScore) -> dict[str, Any]:
        return {"version": self.version, "estimator": self._estimator(need.estimator)[1]}

    def _estimator(self, name: str) -> tuple[DivergenceEstimator, dict[str, str]]:
        if name not in self._loaded:
            from magpie.backbones.divergence import load_estimator

            found = (self._load or load_estimator)(name)
            found.requires_grad_(False).eval().to(self.device)
            self._loaded[name] = (found, found.fingerprint())
        return self._loaded[name]


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
