"""A trained method as a grounder: it says where the entities that somebody else found show.

Importing this module loads no library; torch comes with the checkpoint.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from magpie.engine.grounding.interface import (
    GroundingRequest,
    GroundingResult,
    apply_grounding,
)
from magpie.engine.pictures import only_sizes, with_bytes
from magpie.errors import ConfigError
from magpie.schema import Document, Grounding

if TYPE_CHECKING:
    from PIL import Image as PillowImage

    from magpie.vision import ImageLimits

__all__ = ["MethodGrounder"]


class MethodGrounder:
    """A checkpoint of a grounded method that takes entities from outside.

    It reads pictures and regions by itself, as it did in training.

    Args:
        folder: the checkpoint.
        root: folder that relative picture paths start from.
        limits: bytes and pixels one picture may cost.
        regions: folders of region features, by the name that the method gives them.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: the checkpoint is damaged or of another version.
        ConfigError: the method does not ground, finds its entities itself, or picks among regions
            that nobody gives.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: str | os.PathLike[str] | None = None,
        limits: ImageLimits | None = None,
        regions: Mapping[str, str | os.PathLike[str]] | None = None,
    ) -> None:
        from magpie.engine.trained import Trained

        self._trained = Trained(folder, root=root, limits=limits, regions=regions)
        name = self._trained.name
        if not self._trained.grounds:
            raise ConfigError(
                f"{name} does not say where entities show",
                where=str(folder),
                mend="Name a checkpoint of a grounded method, or local.",
            )
        if "entities" not in self._trained.given:
            raise ConfigError(
                f"{name} finds its entities itself and cannot ground those of another model",
                where=str(folder),
                mend=f"Use it as the model, which brings its boxes: --model {folder}",
            )
        self.digest = self._trained.digest

    @property
    def name(self) -> str:
        """The method."""
        return self._trained.name

    def ground(self, request: GroundingRequest) -> GroundingResult:
        """Grounds every entity of one document; what was not seen is a problem in the result."""
        ((result, _),) = self._ground([request.document])
        return result

    def write(
        self, documents: Sequence[Document], given: Mapping[str, PillowImage.Image] | None = None
    ) -> list[Document]:
        """The documents with their entities grounded; those of like length are read together.

        Args:
            documents: with entities.
            given: pictures in memory, by id of the medium, where there is one document.
        """
        seen = self._ground([with_bytes(document, given or {}) for document in documents])
        return [
            apply_grounding(only_sizes(document, read.media), result, {})
            for document, (result, read) in zip(documents, seen, strict=True)
        ]

    def _ground(self, documents: Sequence[Document]) -> list[tuple[GroundingResult, Document]]:
        bare = [dataclasses.replace(each, status="ok", problems=()) for each in documents]
        return [
            (self._result(document, seen), seen)
            for document, seen in zip(documents, self._trained(bare), strict=True)
        ]

    def _result(self, document: Document, seen: Document) -> GroundingResult:
        found = {entity.id: entity.grounding for entity in seen.entities}
        groundings = tuple(
            self._signed(found.get(entity.id, Grounding())) for entity in document.entities
        )
        regions = () if seen.annotations is None else seen.annotations.regions
        return GroundingResult(groundings=groundings, regions=regions, problems=seen.problems)

    def _signed(self, grounding: Grounding) -> Grounding:
        regions = tuple(
            dataclasses.replace(region, provenance=self._trained.provenance)
            for region in grounding.regions
        )
        return Grounding(grounding.status, regions)
