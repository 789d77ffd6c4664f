"""supervision's ``Detections``: the boxes of one picture as arrays, to and fro.

Values in Python, not a file. Arrays run over the picture's regions, those that show no entity
first: ``xyxy`` (R, 4) float64 in pixels, ``mask`` (R, rows, columns) where any region has one,
``confidence`` (R,) where any has a score, ``class_id`` (R,), and in ``data`` one column a name:
``class_name``, ``label``, ``region`` and ``entity`` ids, and the entity's ``phrase``.
"""

from __future__ import annotations

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
            "entity": np.array([entity and entity.id for _, entity in items], dtype=object),
            "phrase": np.array(
                [entity and document.text_of(entity) for _, entity in items], dtype=object
            ),
        },
    )


def from_detections(
    detections: supervision.Detections,
    media: str,
    *,
    classes: list[str] | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[Region, ...]:
    """Regions of one picture, from any detector's output.

    Args:
        detections: with boxes, and masks if there are any; the label comes from ``data["label"]``,
            else from ``data["class_name"]``, else from ``classes`` by ``class_id``.
        media: id of the picture.
        classes: names by ``class_id``.
        size: width and height in pixels; boxes are cut there, and one wholly outside is left out.

    Raises:
        SchemaError: a box that is degenerate or holds NaN, a score outside [0, 1], a region id
            twice.
    """
    regions = []
    for row in range(len(detections)):
        region = _region(detections, row, media, classes)
        if region.box is not None and size is not None:
            box = region.box.clipped(*size)
            if box is None:
                continue
            region = Region(
                media=media, box=box, label=region.label, score=region.score, id=region.id
            )
        regions.append(region)
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
    import numpy as np

    if region.mask is not None:
        return _grid(region.mask)
    if width is None or height is None or region.box is None:
        raise SchemaError(
            f"picture {region.media!r} has masks and boxes, and no size",
            code="schema-box",
            mend="Set the medium's width and height.",
        )
    grid = np.zeros((height, width), dtype=np.bool_)
    x1, y1, x2, y2 = region.box.xyxy
    grid[int(y1) : int(-(-y2 // 1)), int(x1) : int(-(-x2 // 1))] = True
    return grid


def _region(
    detections: supervision.Detections, row: int, media: str, classes: list[str] | None
) -> Region:
    def column(name: str) -> Any:
        values = detections.data.get(name)
        value = None if values is None else values[row]
        return None if value is None else str(value)

    label = column("label")
    if label is None and "label" not in detections.data:
        label = column("class_name")
        if label is None and classes is not None and detections.class_id is not None:
            label = classes[int(detections.class_id[row])]
    score = None if detections.confidence is None else float(detections.confidence[row])
    if score is not None and score != score and "label" in detections.data:
        score = None  # to_detections writes NaN for a region without a score
    x1, y1, x2, y2 = (float(value) for value in detections.xyxy[row])
    box = Box(x1, y1, x2, y2, media)
    return Region(media=media, box=box, label=label, score=score, id=column("region"))
