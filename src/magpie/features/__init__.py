"""Everything frozen that methods read beside words: computed once, cached by content."""

from magpie.features.needs import (
    Asset,
    Assets,
    Crops,
    Grid,
    Need,
    Pixels,
    RegionFeatures,
    Texts,
)

__all__ = ["Asset", "Assets", "Crops", "Grid", "Need", "Pixels", "RegionFeatures", "Texts"]
