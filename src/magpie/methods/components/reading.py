"""What the parts of :mod:`magpie.methods.components.ideas` read of a document, as tensors.

Shapes: T pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Need, Pixels, Texts
from magpie.features.picture_kinds import PictureKinds
from magpie.methods.components.dictionary import KINDS, Match, confidence, distribution
from magpie.methods.components.image_kind import statistics_bad
from magpie.methods.components.switches import IdeasConfig
from magpie.schema import Document
from magpie.vision import PixelSpec
from magpie.vision.kinds import KIND_SOURCE
from magpie.vision.kinds import KINDS as PICTURES
from magpie.vision.pixels import HALF

__all__ = ["kind_inputs", "kind_needs", "name_inputs", "usable"]

#: what statistics are taken from; its normalisation is undone without loss
_SMALL = Pixels(PixelSpec(side=64, fit="squash", normalisation=HALF))
_LABELS = Texts(sources=(KIND_SOURCE,))


def name_inputs(
    matches: Sequence[Match], first: Sequence[int], length: int, count: int, eps: float
) -> dict[str, Tensor]:
    """What a dictionary says of each piece.

    Args:
        matches: in the words of the text.
        first: the position of each word's first piece, or -1.
        length: pieces of the text with its special ones; others may stand behind it.
        count: T, all pieces.
        eps: added to every count of an entry.

    Returns:
        ``kb_sure`` [T], c on every piece of a matched word; ``kb_types`` [T, 4], ln(p / 0.25) on
        the first piece of a match's first word, ``kb_inside`` on those of its following words;
        ``kb_features`` [T, 9]: no match, begins with a type, goes on with it.
    """
    starts = [place for place in first if place >= 0]
    following = dict(zip(starts, [*starts[1:], length - 1], strict=False))
    sure = torch.zeros(count)
    types, inside = torch.zeros(count, len(KINDS)), torch.zeros(count, len(KINDS))
    features = torch.zeros(count, 1 + 2 * len(KINDS))
    features[:, 0] = 1.0
    for match in matches:
        p = distribution(match.counts, eps)
        # With eps = 0 a type without an entry would move its emission to minus infinity.
        lift = torch.tensor([math.log(max(each, 1e-6) / 0.25) for each in p])
        some = torch.tensor([float(number > 0) for number in match.counts])
        for word in range(match.start, match.end):
            place = first[word]
            if place < 0:
                continue
            pieces = slice(place, following[place])
            begins = word == match.start
            sure[pieces] = confidence(p)
            (types if begins else inside)[place] = lift
            features[pieces] = 0.0
            half = slice(1, 1 + len(KINDS)) if begins else slice(1 + len(KINDS), None)
            features[pieces, half] = some
    return {"kb_sure": sure, "kb_types": types, "kb_inside": inside, "kb_features": features}


def usable(document: Document, asset: Asset, min_side: int) -> bool:
    """Whether a picture is there, and neither tiny nor of one colour."""
    if not asset.present:
        return False
    for medium in document.media[:1]:
        sides = (medium.width, medium.height)
        if all(sides) and min(side for side in sides if side) < min_side:
            return False
    pixels = asset.arrays.get("pixels")
    return pixels is None or bool((pixels.min((-2, -1)) < pixels.max((-2, -1))).any())


def kind_needs(config: IdeasConfig) -> frozenset[Need]:
    """What the kind of a picture is told from, beside a method's own needs."""
    found: dict[str, tuple[Need, ...]] = {
        "stats": (_SMALL,),
        "linear": (_LABELS,),
        "clip_zero_shot": (PictureKinds(config.kind_model),),
    }
    return frozenset(found.get(config.image_kind, ()))


def kind_inputs(config: IdeasConfig, document: Document, assets: Assets) -> dict[str, Tensor]:
    """``p_bad`` [], the probability that the picture is no photo (0 where it cannot be seen); of a
    linear classifier ``kind`` [], its target, or -100.

    Raises:
        ConfigError: the document names a kind that there is not.
    """
    if config.image_kind == "off":
        return {}
    (asset,) = (assets[need] for need in kind_needs(config))
    if config.image_kind == "linear":
        name = asset.texts[0].strip() if asset.present else ""
        if name and name not in PICTURES:
            raise ConfigError(
                f"the picture's kind must be one of {', '.join(PICTURES)}, got {name!r}",
                where=document.id,
            )
        return {"kind": torch.tensor(PICTURES.index(name) if name else -100)}
    bad = 0.0
    if asset.present and config.image_kind == "stats":
        values = (asset.arrays["pixels"].astype("float64") * 0.5 + 0.5) * 255
        bad = statistics_bad(values.round().clip(0, 255).astype("uint8").transpose(1, 2, 0))
    elif asset.present:
        bad = float(asset.arrays["kinds"][1:].sum())
    return {"p_bad": torch.tensor(bad)}
