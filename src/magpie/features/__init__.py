"""Everything frozen that methods read beside words: computed once, cached by content.

What a method wants is a need (:mod:`magpie.features.needs`); who supplies it is in
:mod:`magpie.features.supply`, where it is kept in :mod:`magpie.features.store`.
"""

from magpie.features.needs import (
    Asset,
    Assets,
    Crops,
    Grid,
    Need,
    Pixels,
    Pyramid,
    RegionFeatures,
    Texts,
)

__all__ = [
    "Asset",
    "Assets",
    "Crops",
    "Grid",
    "Need",
    "Pixels",
    "Pyramid",
    "RegionFeatures",
    "Texts",
]
