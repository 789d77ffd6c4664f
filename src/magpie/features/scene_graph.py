"""Scene graphs: things, what is said of them, and how they stand to each other.

Text and picture give graphs of one shape, so that methods can join them. A text's things are words
of the document, a picture's are boxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from magpie._io import dump_json, parse_json
from magpie.errors import ConfigError, FormatError
from magpie.features.needs import Asset, Need
from magpie.features.source import Arrays

__all__ = ["SceneGraph", "SceneObject", "SceneRelation", "scene_of"]

_ARRAY = "graph"


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A thing: its name (empty where nobody named it) and its attributes.

    ``words`` is its half-open range of the document's words, counted over all blocks; ``box`` are
    its corners (x1, y1, x2, y2) as fractions of the picture.
    """

    name: str = ""
    attributes: tuple[str, ...] = ()
    words: tuple[int, int] | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class SceneRelation:
    """``subject`` stands to ``object`` (numbers of things) as ``name`` says; it may be empty."""

    subject: int
    object: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class SceneGraph:
    """The graph of a text or picture; ``source`` says what it was made by.

    Raises:
        FormatError: a relation between things that are not there.
    """

    objects: tuple[SceneObject, ...] = ()
    relations: tuple[SceneRelation, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        count = len(self.objects)
        for relation in self.relations:
            if not (0 <= relation.subject < count and 0 <= relation.object < count):
                raise FormatError(
                    f"a relation of the things {relation.subject} and {relation.object}, but the "
                    f"graph has {count}"
                )

    @property
    def edges(self) -> npt.NDArray[np.int64]:
        """(subject, object) of each relation, [E, 2]."""
        rows = [(relation.subject, relation.object) for relation in self.relations]
        return np.array(rows, np.int64).reshape(-1, 2)

    def to_arrays(self) -> Arrays:
        """As a store keeps it."""
        body = dump_json(asdict(self)).encode()
        return {_ARRAY: np.frombuffer(body, np.uint8).copy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> SceneGraph:
        """What :meth:`to_arrays` wrote.

        Raises:
            FormatError: something else.
        """
        if _ARRAY not in arrays:
            raise FormatError(f"expected the array {_ARRAY!r}, came {', '.join(arrays) or 'none'}")
        value: Any = parse_json(arrays[_ARRAY].tobytes().decode())
        return cls(
            tuple(
                SceneObject(
                    name=thing["name"],
                    attributes=tuple(thing["attributes"]),
                    words=None if thing["words"] is None else tuple(thing["words"]),
                    box=None if thing["box"] is None else tuple(thing["box"]),
                )
                for thing in value["objects"]
            ),
            tuple(SceneRelation(**relation) for relation in value["relations"]),
            value["source"],
        )


def scene_of(asset: Asset) -> SceneGraph:
    """The graph in an asset of :class:`TextScene` or :class:`PictureScene`; empty where absent."""
    return SceneGraph.from_arrays(asset.arrays) if asset.present else SceneGraph()


@dataclass(frozen=True, slots=True)
class TextScene(Need):
    """What a text says of things (see :func:`scene_of`).

    ``parser`` is a name of :mod:`magpie.features.parsing`.
    """

    parser: str = "chunks"


@dataclass(frozen=True, slots=True)
class PictureScene(Need):
    """How the things of the first picture stand to each other (see :func:`scene_of`).

    ``source`` is ``"mega-scene"``, published for MNRE 1 (ten things without name or box), or a name
    of boxes (:mod:`magpie.features.region_names`), whose first ``count`` are related by where they
    lie (:mod:`magpie.features.box_relations`); ``reach`` is how far apart two of them may be.

    Raises:
        ConfigError: a count below 1 or a reach below 0.
    """

    source: str = "mega-scene"
    count: int = 10
    reach: float = 0.25

    def __post_init__(self) -> None:
        if self.count < 1 or not self.reach >= 0:
            raise ConfigError(f"need count >= 1 and reach >= 0, got {self.count} and {self.reach}")
