"""What the detectors that ship can see, as region proposals for methods that pick among them."""

from __future__ import annotations

from typing import Any

from magpie.engine.grounding.coefficients import Coefficients
from magpie.engine.grounding.geometry import Corners, area, union
from magpie.engine.grounding.local import METHOD, LocalGrounder
from magpie.engine.grounding.matcher import PictureEvidence, people_of
from magpie.errors import MediaError
from magpie.schema import Box, Document, Media, Problem, Region
from magpie.vision import LoadedImage

__all__ = ["PROPOSALS", "LocalProposals", "local_boxes"]

#: the name under which methods ask for them
PROPOSALS = "proposals"
_VERSION = 1


class LocalProposals:
    """People, faces and lettering of a picture, and the whole of it, as regions.

    A person is what surrounds a face, or was found from head to foot. Lettering is each line, and
    all lines together where there are several. The score is the detector's; the whole picture comes
    last, with 0.

    Args:
        threads: of the lettering's inference engine; 0 leaves the choice to it.
        ocr: read lettering.
        people: find faces and people.
        coefficients: of the face finder.

    Raises:
        ModelError: the coefficients are absent or damaged.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        ocr: bool = True,
        people: bool = True,
        coefficients: Coefficients | None = None,
    ) -> None:
        self._settings = {"ocr": ocr, "people": people}
        self._look = LocalGrounder(
            threads=threads, ocr=ocr, faces=people, people=people, coefficients=coefficients
        )

    def depends(self, document: Document) -> Any:
        """Version and settings: the same picture gives the same proposals."""
        digest = self._look.coefficients.digest
        return {"method": METHOD, "version": _VERSION, "fit": digest, **self._settings}

    def __call__(self, document: Document, media: str, image: LoadedImage) -> list[Box]:
        """The boxes of :meth:`regions`."""
        return [region.box for region in self.regions(document, media, image) if region.box]

    def regions(self, document: Document, media: str, image: LoadedImage) -> list[Region]:
        """Labelled ``person``, ``face``, ``lettering`` or ``picture``, the best score first.

        Raises:
            MediaError: a detector failed on the picture.
        """
        problems: list[Problem] = []
        seen = self._look.look(document, Media(id=media), image, problems)
        if problems:
            raise MediaError(problems[0].message, where=media)
        found = [
            Region.of_box(Box(*box, media), label=label, score=min(1.0, max(0.0, score)))
            for box, label, score in self._found(seen)
            if area(box) > 0
        ]
        found.sort(key=lambda region: -(region.score or 0.0))
        whole = Box(0, 0, image.width, image.height, media)
        return [*found, Region.of_box(whole, label="picture", score=0.0)]

    def _found(self, seen: PictureEvidence) -> list[tuple[Corners, str, float]]:
        found = [(p.box, "person", p.score) for p in people_of(seen, self._look.coefficients)]
        found += [(face.box, "face", face.score) for face in seen.faces or ()]
        lines = seen.lines or ()
        found += [(line.box, "lettering", line.score) for line in lines]
        if len(lines) > 1:
            mean = sum(line.score for line in lines) / len(lines)
            found.append((union(line.box for line in lines), "lettering", mean))
        return found


def local_boxes(threads: int = 1) -> dict[str, LocalProposals]:
    """The boxes that this room hands to :class:`magpie.features.supply.Supplier`."""
    return {PROPOSALS: LocalProposals(threads=threads)}
