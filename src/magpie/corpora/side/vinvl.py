"""VinVL region files: one ``.npz`` a picture, read and written, never unpickled.

The layout is that of GMNER's and TIGER's inputs, for n boxes: ``num_boxes``, ``image_h``,
``image_w``; ``bounding_boxes`` (n, 4) as corners in pixels of the picture; ``box_features``
(n, 2048); ``scores`` (n,) of ``objects`` (n,) class names; ``attr_scores`` (n, 1) of ``attr_obj``
(n,), an attribute and a class each; ``scores_all`` (n, 1595) of all classes. Regions of another
detector have vectors of another width, and score other classes or none.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magpie._io import atomic_write
from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.pictures import PICTURE
from magpie.corpora.reader import Watch
from magpie.corpora.side.reading import picture_key
from magpie.corpora.side.rows import Places
from magpie.corpora.source import Found, open_folder
from magpie.errors import FormatError, MagpieError, NotFoundError, SchemaError
from magpie.schema import Box, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FEATURES",
    "MAX_VINVL_BYTES",
    "VinvlRegions",
    "read_vinvl",
    "vinvl_places",
    "write_vinvl",
]

#: width of a region's feature vector
FEATURES = 2048

#: largest file read; the published ones have about 0.6 MB
MAX_VINVL_BYTES = 64 << 20

#: most boxes of one picture (VinVL gives 10 to 100)
_MAX_BOXES = 10_000

_ROUNDING = 1e-3

#: array -> its shape behind n (None: any size), and whether it holds names
_ARRAYS: Mapping[str, tuple[tuple[int | None, ...], bool]] = {
    "bounding_boxes": ((4,), False),
    "box_features": ((None,), False),
    "scores": ((), False),
    "objects": ((), True),
    "attr_obj": ((), True),
    "attr_scores": ((1,), False),
    "scores_all": ((None,), False),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VinvlRegions:
    """The regions of one picture, in detector order.

    Shapes: ``boxes`` (n, 4), corners in pixels of a picture of ``width`` x ``height``;
    ``features`` (n, F), of VinVL (n, 2048); ``scores`` (n,); ``attribute_scores`` (n, 1);
    ``class_scores`` (n, C), of VinVL (n, 1595). ``objects`` and ``attributes`` are n names.

    Raises:
        SchemaError: a shape, a count, or a number that is not finite; a box without area or
            outside its picture.
    """

    width: int
    height: int
    boxes: NDArray[np.float32]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    objects: tuple[str, ...]
    attributes: tuple[str, ...]
    attribute_scores: NDArray[np.float32]
    class_scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check(self)

    def __len__(self) -> int:
        return len(self.objects)

    def regions(self, media: str = PICTURE) -> tuple[Region, ...]:
        """The boxes with class name and score, as proposals for the picture ``media``."""
        return tuple(
            Region.of_box(Box(x1, y1, x2, y2, media), label=name, score=score)
            for (x1, y1, x2, y2), name, score in zip(
                self.boxes.tolist(), self.objects, self.scores.tolist(), strict=True
            )
        )


def _check(value: VinvlRegions) -> None:
    import numpy as np

    if value.width < 1 or value.height < 1:
        raise SchemaError(f"a picture of {value.width} x {value.height} pixels")
    count = len(value.objects)
    for name, array in _arrays(value).items():
        _, names = _ARRAYS[name]
        _check_shape(name, array, count)
        if not names and not np.isfinite(array).all():
            raise SchemaError(f"{name} holds NaN or infinity", code="schema-number")
    for name in ("scores", "attribute_scores", "class_scores"):
        array = getattr(value, name)
        if array.size and not (array.min() >= 0 and array.max() <= 1 + 1e-6):
            raise SchemaError(f"{name} leave the range from 0 to 1", code="schema-number")
    for index, (x1, y1, x2, y2) in enumerate(value.boxes.tolist()):
        inside = -_ROUNDING <= x1 < x2 <= value.width + _ROUNDING
        if not (inside and -_ROUNDING <= y1 < y2 <= value.height + _ROUNDING):
            raise SchemaError(
                f"box {index} is ({x1}, {y1}, {x2}, {y2}): no area, or outside a picture of "
                f"{value.width} x {value.height}",
                code="schema-box",
            )


def _check_shape(name: str, array: NDArray[Any], count: int) -> None:
    wanted = (count, *_ARRAYS[name][0])
    sizes = zip(array.shape, wanted, strict=False)
    if array.ndim != len(wanted) or any(want not in (None, size) for size, want in sizes):
        shown = ", ".join("any" if size is None else str(size) for size in wanted)
        raise SchemaError(
            f"{name} has the shape {array.shape}, expected ({shown})",
            code="schema-number",
            mend="Every array has one row a box; num_boxes must equal their number.",
        )


def _arrays(value: VinvlRegions) -> dict[str, NDArray[Any]]:
    """The arrays under the names that the files use."""
    import numpy as np

    return {
        "bounding_boxes": value.boxes,
        "box_features": value.features,
        "scores": value.scores,
        "objects": np.asarray(value.objects, dtype=np.str_),
        "attr_obj": np.asarray(value.attributes, dtype=np.str_),
        "attr_scores": value.attribute_scores,
        "scores_all": value.class_scores,
    }


def read_vinvl(path: str | os.PathLike[str], *, on_problem: Report | None = None) -> VinvlRegions:
    """Reads one file.

    Args:
        path: of the file.
        on_problem: is called for each box that leaves its picture, which is then cut to it
            (``box-clipped``) or left out (``box-skipped``); without it such a file is refused.

    Raises:
        NotFoundError: it is not there.
        FormatError: it is no such archive, lacks an array, or holds one of another kind (one
            with Python objects is refused, never unpickled).
        SchemaError: see :class:`VinvlRegions`.
    """
    where = os.fspath(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_VINVL_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError("no such file", where=where) from error
    return _parse(data, where, on_problem)


def _parse(data: bytes, where: str, report: Report | None = None) -> VinvlRegions:
    import numpy as np

    if len(data) > MAX_VINVL_BYTES:
        raise FormatError(
            f"the file has more than {MAX_VINVL_BYTES} bytes", code="format-too-long", where=where
        )
    try:
        _refuse_bomb(data, where)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except FormatError:  # a ValueError as well
        raise
    # What numpy and zipfile raise for archives that are cut off, damaged, no archive, or pickled.
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, AttributeError) as error:
        raise FormatError(
            f"no readable archive of arrays: {error}",
            where=where,
            mend="Expected an .npz file as VinVL's feature extraction writes it.",
        ) from error
    try:
        return _build(found, where, report)
    except MagpieError as error:
        raise error.at(where) from None


def _refuse_bomb(data: bytes, where: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > 4 * MAX_VINVL_BYTES:
        raise FormatError(
            f"the arrays take {size} bytes, the limit is {4 * MAX_VINVL_BYTES}",
            code="format-too-long",
            where=where,
        )


def _build(found: Mapping[str, NDArray[Any]], where: str, report: Report | None) -> VinvlRegions:
    import numpy as np

    missing = [name for name in ("num_boxes", "image_h", "image_w", *_ARRAYS) if name not in found]
    if missing:
        raise FormatError(f"the archive lacks {', '.join(missing)}")
    count, height, width = (
        _integer(found[name], name) for name in ("num_boxes", "image_h", "image_w")
    )
    if not 0 <= count <= _MAX_BOXES:
        raise FormatError(f"num_boxes is {count}, expected 0 to {_MAX_BOXES}")
    arrays: dict[str, NDArray[Any]] = {}
    for name, (_, names) in _ARRAYS.items():
        array = found[name]
        if array.dtype.kind != ("U" if names else "f"):
            kind = "names" if names else "floating-point numbers"
            raise FormatError(f"{name} holds {array.dtype}, expected {kind}")
        _check_shape(name, array, count)
        arrays[name] = array
    if report is not None:
        kept, boxes = _inside(arrays["bounding_boxes"], width, height, where, report)
        arrays = {name: array[kept] for name, array in arrays.items()}
        arrays["bounding_boxes"] = boxes
    return VinvlRegions(
        width=width,
        height=height,
        boxes=arrays["bounding_boxes"].astype(np.float32, copy=False),
        features=arrays["box_features"].astype(np.float32, copy=False),
        scores=arrays["scores"].astype(np.float32, copy=False),
        objects=tuple(arrays["objects"].tolist()),
        attributes=tuple(arrays["attr_obj"].tolist()),
        attribute_scores=arrays["attr_scores"].astype(np.float32, copy=False),
        class_scores=arrays["scores_all"].astype(np.float64, copy=False),
    )


def _inside(
    boxes: NDArray[Any], width: int, height: int, where: str, report: Report
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Indices of the boxes that show anything of the picture, and those boxes cut to it."""
    import numpy as np

    kept, corners = [], boxes.astype(np.float32)
    for index, box in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (
            min(max(value, 0.0), float(limit))
            for value, limit in zip(box, (width, height, width, height), strict=True)
        )
        beyond = max(abs(a - b) for a, b in zip(box, (x1, y1, x2, y2), strict=True))
        if not (x1 < x2 and y1 < y2) and np.isfinite(box).all():
            message = f"box {index} {tuple(box)} shows nothing of a picture of {width} x {height}"
            report(Anomaly("box-skipped", message, where))
            continue
        if beyond > _ROUNDING:
            message = f"box {index} {tuple(box)} leaves a picture of {width} x {height}"
            report(Anomaly("box-clipped", message, where))
            corners[index] = (x1, y1, x2, y2)
        kept.append(index)
    rows = np.array(kept, np.int64)
    return rows, corners[rows]


def _integer(array: NDArray[Any], name: str) -> int:
    if array.shape != () or array.dtype.kind not in "iu":
        raise FormatError(f"{name} must be one whole number, got {array.dtype} {array.shape}")
    return int(array)


def write_vinvl(path: str | os.PathLike[str], value: VinvlRegions) -> None:
    """Writes one file, which :func:`read_vinvl` and numpy read back bit by bit; atomic."""
    import numpy as np

    buffer = io.BytesIO()
    numbers = {"num_boxes": len(value), "image_h": value.height, "image_w": value.width}
    arrays = {name: np.asarray(number, dtype=np.int64) for name, number in numbers.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **_arrays(value))
    atomic_write(path, buffer.getvalue())


def vinvl_places(files: Sequence[Found], part: str, report: Report) -> Iterator[Places]:
    """The regions of a folder of such files, named ``<picture>.jpg.npz``."""
    (found,) = files
    watch = Watch(found.name, report)
    with open_folder(found) as folder:
        for name in folder.names():
            if not name.endswith(".npz"):
                continue
            where = f"{folder.name}!{name}"
            try:
                data = folder.read(name, limit=MAX_VINVL_BYTES) or b""
                regions = _parse(data, where).regions()
            except MagpieError as error:
                watch.take(Anomaly.lost(error, record=name))
                continue
            watch.good += 1
            key = picture_key(name.removesuffix(".npz"))
            yield Places(key=key, where=where, regions=regions)
    watch.close()
