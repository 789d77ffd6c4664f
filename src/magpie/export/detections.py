"""supervision's ``Detections``: the boxes of one picture as arrays, to and fro.

Values in Python, not a file. Arrays run over the picture's regions, those that show no entity
first: ``xyxy`` (R, 4) float64 in pixels, ``mask`` (R, rows, columns) where any region has one,
``confidence`` (R,) where any has a score, ``class_id`` (R,), and in ``data`` one column a name:
``class_name``, ``label``, ``region`` and ``entity`` ids, and the entity's ``phrase``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magpie._optional import require
from magpie.errors import ConfigError, SchemaError
from magpie.schema import Box, Document, Entity, Mask, Region

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import supervision

__all__ = ["from_detections", "to_detections"]

#: category of a box that shows no entity and has no label
UNLABELLED = "object"


def to_detections(
    document: Document, media: str | None = None, *, classes: list[str] | None = None
) -> supervision.Detections:
    """The regions of one picture.

    Args:
        document: regions that are whole pictures or time ranges are no detections, and left out.
        media: id of the picture; None takes the document's only one.
        classes: names by ``class_id``, shared by many pictures; new names are appended. Without
            it ids count this picture's names in alphabetical order.

    Raises:
        MissingExtraError: supervision is not installed.
        ConfigError: no id was given and there is not exactly one picture.
        SchemaError: no such medium, or masks without the picture's size.
    """
    import numpy as np

    sv: Any = require("supervision", "Detections")
    medium = document.medium(_only_picture(document) if media is None else media)
    items = [
        (region, entity)
        for region, entity in _regions(document)
        if region.media == medium.id and (region.box is not None or region.mask is not None)
    ]
    if not items:
        return sv.Detections.empty()  # type: ignore[no-any-return]
    masks = any(region.mask is not None for region, _ in items)
    names = [_name(region, entity) for region, entity in items]
    known = sorted(set(names)) if classes is None else classes
    known.extend(name for name in dict.fromkeys(names) if name not in known)
    scores = [region.score for region, _ in items]
    pixels = [_pixels(region, medium.width, medium.height) for region, _ in items] if masks else []
    return sv.Detections(  # type: ignore[no-any-return]
        xyxy=np.array([_corners(region) for region, _ in items], dtype=np.float64),
        mask=np.stack(pixels) if pixels else None,
        confidence=None
        if all(score is None for score in scores)
        else np.array([np.nan if score is None else score for score in scores]),
        class_id=np.array([known.index(name) for name in names], dtype=np.int64),
        data={
            "class_name": np.array(names, dtype=object),
            "label": np.array([region.label for region, _ in items], dtype=object),
            "region": np.array([region.id for region, _ in items], dtype=object),
            "entity": np.array(
                [None if entity is None else entity.id for _, entity in items], dtype=object
            ),
            "phrase": np.array(
                [None if entity is None else document.text_of(entity) for _, entity in items],
                dtype=object,
            ),
        },
    )


def from_detections(
    detections: supervision.Detections,
    media: str,
    *,
    classes: list[str] | None = None,
    size: tuple[int, int] | None = None,
    masks: bool = False,
) -> tuple[Region, ...]:
    """Regions of one picture, from any detector's output.

    Args:
        detections: the label comes from ``data["label"]``, else from ``data["class_name"]``,
            else from ``classes`` by ``class_id``.
        media: id of the picture.
        classes: names by ``class_id``.
        size: width and height in pixels; boxes are cut there, and one wholly outside is left out.
        masks: take masks where there are any; one that fills its box stays a box.

    Raises:
        SchemaError: a box that is degenerate or holds NaN, a score outside [0, 1].
    """
    import numpy as np

    regions = []
    for row in range(len(detections)):
        x1, y1, x2, y2 = (float(value) for value in detections.xyxy[row])
        box: Box | None = Box(x1, y1, x2, y2, media)
        if box is not None and size is not None:
            box = box.clipped(*size)
        if box is None:
            continue
        mask = None
        if masks and detections.mask is not None:
            grid = detections.mask[row]
            if not np.array_equal(grid, _filled(box, *grid.shape)):
                mask = _runs(grid)
        regions.append(
            Region(
                media=media,
                box=box if mask is None else None,
                mask=mask,
                label=_label(detections, row, classes),
                score=_score(detections, row),
                id=_column(detections, row, "region"),
            )
        )
    return tuple(regions)


def _only_picture(document: Document) -> str:
    pictures = [medium.id for medium in document.media if medium.kind == "image"]
    if len(pictures) != 1:
        raise ConfigError(
            f"document {document.id!r} has {len(pictures)} pictures",
            mend="Name one by its id: media=...",
        )
    return pictures[0]


def _regions(document: Document) -> list[tuple[Region, Entity | None]]:
    annotations = document.annotations
    if annotations is None:
        return []
    shown = [(r, entity) for entity in annotations.entities for r in entity.grounding.regions]
    return [*((region, None) for region in annotations.regions), *shown]


def _name(region: Region, entity: Entity | None) -> str:
    return entity.type if entity is not None else region.label or UNLABELLED


def _corners(region: Region) -> tuple[float, float, float, float]:
    if region.box is not None:
        return region.box.xyxy
    assert region.mask is not None  # noqa: S101  the caller takes no others
    rows, columns = _grid(region.mask).nonzero()
    if not rows.size:
        raise SchemaError("a mask without any pixel has no box", code="schema-box")
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def _grid(mask: Mask) -> npt.NDArray[np.bool_]:
    """(rows, columns) from column-major runs."""
    import numpy as np

    values = np.arange(len(mask.counts)) % 2 == 1
    return np.repeat(values, mask.counts).reshape(mask.width, mask.height).T


def _pixels(region: Region, width: int | None, height: int | None) -> npt.NDArray[np.bool_]:
    """The region's mask; a box without one is full inside, edges rounded outwards."""
    if region.mask is not None:
        return _grid(region.mask)
    if width is None or height is None or region.box is None:
        raise SchemaError(
            f"picture {region.media!r} has masks and boxes, and no size",
            code="schema-box",
            mend="Set the medium's width and height.",
        )
    return _filled(region.box, height, width)


def _filled(box: Box, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """The pixels that a box touches."""
    import numpy as np

    grid = np.zeros((rows, columns), dtype=np.bool_)
    grid[math.floor(box.y1) : math.ceil(box.y2), math.floor(box.x1) : math.ceil(box.x2)] = True
    return grid


def _runs(grid: npt.NDArray[np.bool_]) -> Mask:
    """Column-major run lengths, beginning with a run of zeros."""
    import numpy as np

    flat = np.asarray(grid, dtype=np.int8).T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    rows, columns = grid.shape
    return Mask(columns, rows, tuple([0, *runs] if flat.size and flat[0] else runs))


def _column(detections: supervision.Detections, row: int, name: str) -> str | None:
    values = detections.data.get(name)
    value = None if values is None else values[row]
    return None if value is None else str(value)


def _label(detections: supervision.Detections, row: int, classes: list[str] | None) -> str | None:
    for name in ("label", "class_name"):
        if name in detections.data:
            return _column(detections, row, name)
    if classes is None or detections.class_id is None:
        return None
    return classes[int(detections.class_id[row])]


def _score(detections: supervision.Detections, row: int) -> float | None:
    """Other tools' NaN is refused by the region; to_detections writes it for "no score"."""
    if detections.confidence is None:
        return None
    score = float(detections.confidence[row])
    return None if math.isnan(score) and "region" in detections.data else score
