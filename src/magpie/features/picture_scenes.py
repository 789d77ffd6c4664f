"""Supplies scene graphs of pictures: published ones, or relations of boxes by where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np

from magpie.features.box_relations import Corners, scene_from_boxes
from magpie.features.boxes import SideBoxes
from magpie.features.needs import Asset, Need
from magpie.features.region_names import RegionNames
from magpie.features.regions import RegionSource
from magpie.features.scene_graph import PictureScene, SceneGraph, SceneObject, SceneRelation
from magpie.features.side_graphs import OBJECTS, SCENES, SideGraphs
from magpie.features.source import Arrays, Ask, Source
from magpie.schema import Document

__all__ = ["PictureSceneSource"]


class PictureSceneSource(Source):
    """Reads graphs of pictures, or makes them of boxes.

    Boxes that were published as fractions need no picture; all others are made from it, and named
    as their detector names them.

    Args:
        regions: makes regions.
        names: finds boxes by name.
        published: reads graphs beside corpora.
    """

    kind: ClassVar[type[Need]] = PictureScene

    def __init__(
        self,
        regions: RegionSource,
        names: RegionNames,
        published: SideGraphs,
    ) -> None:
        self.regions = regions
        self.names = names
        self.published = published

    def ask(self, document: Document, need: PictureScene) -> Ask | Asset:
        if not any(medium.kind == "image" for medium in document.media):
            return Asset.absent("the document has no picture")
        if need.source == SCENES:
            edges = self.published.edges(SCENES, document)
            return edges if isinstance(edges, Asset) else Ask({"edges": edges}, edges)
        boxes = self._boxes(need.source)
        if boxes is not None:
            rows = boxes.fractions(document)
            return Ask({"fractions": rows}, rows)
        return self.regions.bare_ask(document, need.source)

    def compute(self, asks: Sequence[Ask], need: PictureScene) -> list[Arrays | Asset]:
        if need.source == SCENES:
            return [_graph(ask.payload).to_arrays() for ask in asks]
        if self._boxes(need.source) is not None:
            return [_of_boxes([_corners(row) for row in ask.payload], (), need) for ask in asks]
        made: list[Arrays | Asset] = []
        for found in self.regions.bare_regions(asks, need.source):
            if isinstance(found, Asset):
                made.append(found)
                continue
            sides = np.array([found.width, found.height] * 2, np.float64)
            rows = [cast(Corners, tuple(row)) for row in (found.boxes / sides).tolist()]
            made.append(_of_boxes(rows, found.labels, need))
        return made

    def fingerprint(self, need: PictureScene) -> dict[str, Any]:
        found: dict[str, Any] = {"version": self.version}
        if need.source != SCENES and self._boxes(need.source) is None:
            found["regions"] = self.regions.bare_fingerprint(need.source)
        return found

    def _boxes(self, name: str) -> SideBoxes | None:
        """Boxes in fractions of that name."""
        if name in self.regions.folders:
            return None
        boxes = self.names.boxes(name)
        return boxes if isinstance(boxes, SideBoxes) and boxes.in_fractions else None


def _graph(edges: Sequence[tuple[int, int]]) -> SceneGraph:
    count = max([OBJECTS, *(max(edge) + 1 for edge in edges)])
    things = tuple(SceneObject() for _ in range(count))
    return SceneGraph(things, tuple(SceneRelation(a, b) for a, b in edges), SCENES)


def _corners(row: Sequence[float]) -> Corners:
    x, y, width, height = row
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _of_boxes(rows: Sequence[Corners], names: Sequence[str], need: PictureScene) -> Arrays:
    count = need.count
    return scene_from_boxes(
        rows[:count], names[:count], reach=need.reach, source=need.source
    ).to_arrays()
