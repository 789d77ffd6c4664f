"""The grounder that ships: lettering, faces and people found on this machine, and a small matcher.

It finds faces; it never says whose they are. See docs/grounding.md for what it sees and what it
cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from magpie.engine.grounding.coefficients import Coefficients, load_coefficients
from magpie.engine.grounding.features import mentions_of
from magpie.engine.grounding.geometry import Corners, area, clip, intersection_over_union
from magpie.engine.grounding.interface import GroundingRequest, GroundingResult
from magpie.engine.grounding.matcher import Link, PictureEvidence, link_mentions
from magpie.engine.grounding.ocr import TextLine, shared_reader
from magpie.engine.grounding.people import Detection, FaceFinder, PersonFinder
from magpie.engine.names import GROUNDER, LETTERING
from magpie.engine.steps import split_steps
from magpie.errors import ConfigError, MagpieError
from magpie.schema import (
    Box,
    ContextText,
    Document,
    Grounding,
    Media,
    Problem,
    Provenance,
    Region,
)
from magpie.vision import LoadedImage

__all__ = ["METHOD", "LocalGrounder"]

#: what stands in the provenance of regions
METHOD = GROUNDER
_VERSION = "1"

Found = TypeVar("Found")


class LocalGrounder:
    """Grounds entities without any network.

    Args:
        threads: of the lettering's inference engine; 0 leaves the choice to it.
        ocr: read lettering.
        faces: find faces.
        people: find people seen from head to foot.
        guess: let a person whom the text names, but whom no detector found, stand where persons in
            posts usually stand (and so for the other types) when that is more probable than their
            absence. Off by default: then every region rests on something
            seen, or on a caption that names the entity.
        min_score: drop links whose probability is lower.
        extras: also return what belongs to no entity, and the lettering as context.

    Raises:
        ConfigError: an option has an impossible value.
        ModelError: the matcher's coefficients are absent or damaged.

    One instance may serve several threads; the lettering is then read by one after the other.
    """

    def __init__(
        self,
        *,
        threads: int = 0,
        ocr: bool = True,
        faces: bool = True,
        people: bool = True,
        guess: bool = False,
        min_score: float = 0.0,
        extras: bool = True,
        coefficients: Coefficients | None = None,
    ) -> None:
        if threads < 0:
            raise ConfigError(f"threads must be at least 0, got {threads}")
        if not 0.0 <= min_score <= 1.0:
            raise ConfigError(f"min_score must be between 0 and 1, got {min_score}")
        self.coefficients = coefficients or load_coefficients()
        self.guess = guess
        self.min_score = min_score
        self.extras = extras
        self._reader = shared_reader(threads) if ocr else None
        self._faces = FaceFinder(self.coefficients.face) if faces else None
        self._people = PersonFinder() if people else None
        self._provenance = Provenance(
            method=METHOD, version=_VERSION, config_digest=self.coefficients.digest
        )

    @property
    def name(self) -> str:
        """What stands in the provenance of its regions."""
        return METHOD

    def ground(self, request: GroundingRequest) -> GroundingResult:
        """Grounds every entity of one document; never fails because of a picture.

        In a procedure an entity is looked for in the picture of its own step.
        """
        document = request.document
        problems: dict[str, list[Problem]] = {medium.id: [] for medium in document.media}
        seen = {
            medium.id: self.look(document, medium, request.images[medium.id], problems[medium.id])
            for medium in document.media
            if medium.id in request.images
        }
        links: list[Link | None] = []
        found: dict[str, Grounding] = {}
        for step in split_steps(document):
            pictures = [medium.id for medium in step.media]
            own = link_mentions(
                mentions_of(step),
                [seen[name] for name in pictures if name in seen],
                self.coefficients,
                min_score=self.min_score,
                guess=self.guess,
            )
            looked = GroundingRequest(step, request.images).complete
            looked = looked and not any(problems[name] for name in pictures)
            # What was not found may still be in a picture that could not be seen.
            missing = Grounding("absent" if looked else "unknown")
            for entity, link in zip(step.entities, own, strict=True):
                found[entity.id] = Grounding.in_regions(self._region(link)) if link else missing
            links += own
        groundings = tuple(found[entity.id] for entity in document.entities)
        troubles = tuple(problem for each in problems.values() for problem in each)
        if not self.extras:
            return GroundingResult(groundings=groundings, problems=troubles)
        return GroundingResult(
            groundings=groundings,
            regions=tuple(_unlinked(list(seen.values()), links, self._provenance)),
            context=tuple(_texts(list(seen.values()))),
            problems=troubles,
        )

    def look(
        self,
        document: Document,
        medium: Media,
        image: LoadedImage,
        problems: list[Problem],
    ) -> PictureEvidence:
        """Runs the detectors on one picture; one that fails adds a problem and found nothing."""

        def run(find: Callable[[LoadedImage], list[Found]] | None) -> list[Found] | None:
            if find is None:
                return None
            try:
                return find(image)
            except Exception as error:  # third-party detectors raise anything; the rest goes on
                problems.append(_failed(medium, error))
                return None

        return PictureEvidence(
            media=medium.id,
            width=image.width,
            height=image.height,
            faces=run(self._faces.find if self._faces else None),
            persons=run(self._people.find if self._people else None),
            lines=run(self._reader.read if self._reader else None),
            captions=[
                text.text
                for text in document.context
                if text.kind == "caption" and text.media in (None, medium.id)
            ],
        )

    def _region(self, link: Link) -> Region:
        return Region(
            media=link.media,
            box=Box(*link.box, media=link.media),
            label=link.label,
            score=link.score,
            provenance=Provenance(
                method=METHOD,
                version=_VERSION,
                config_digest=self.coefficients.digest,
                evidence=link.evidence,
            ),
        )


def _failed(medium: Media, error: Exception) -> Problem:
    if isinstance(error, MagpieError):
        return Problem.from_error(error.at(f"medium {medium.id!r}"))
    return Problem(
        code="internal",
        message=f"a detector failed: {type(error).__name__}: {error}",
        where=f"medium {medium.id!r}",
        mend="The other detectors were used; report the picture if you can share it.",
    )


def _unlinked(
    seen: Sequence[PictureEvidence], links: Sequence[Link | None], provenance: Provenance
) -> list[Region]:
    """Faces, people and lines of lettering that no entity was linked to, as free regions."""
    regions: list[Region] = []
    for picture in seen:
        taken = [link.box for link in links if link is not None and link.media == picture.media]
        for label, found in (("face", picture.faces), ("person", picture.persons)):
            regions += [
                region
                for item in sorted(found or (), key=_by_place)
                if not _shown(item.box, taken)
                and (region := _free(picture, item.box, label, item.score, provenance))
            ]
        regions += [
            region
            for line in picture.lines or ()
            if not _shown(line.box, taken)
            and (region := _free(picture, line.box, "lettering", line.score, provenance))
        ]
    return regions


def _by_place(item: Detection) -> Corners:
    return item.box


def _shown(box: Corners, taken: Sequence[Corners]) -> bool:
    """Whether a linked box already shows this one: the same place, or a face in its body."""
    for other in taken:
        share = area(_inside(box, other)) / area(box) if area(box) else 1.0
        if share > 0.9 and intersection_over_union(box, other) > 0.02:
            return True
    return False


def _inside(box: Corners, frame: Corners) -> Corners:
    """The part of ``box`` inside ``frame`` (possibly without extent)."""
    moved = (box[0] - frame[0], box[1] - frame[1], box[2] - frame[0], box[3] - frame[1])
    return clip(moved, frame[2] - frame[0], frame[3] - frame[1])


def _free(
    picture: PictureEvidence, box: Corners, label: str, score: float, provenance: Provenance
) -> Region | None:
    if area(box) <= 0:
        return None
    return Region(
        media=picture.media,
        box=Box(*box, media=picture.media),
        label=label,
        score=min(1.0, max(0.0, score)),
        provenance=provenance,
    )


def _texts(seen: Sequence[PictureEvidence]) -> list[ContextText]:
    """Each picture's lettering, its lines joined by line breaks."""
    return [
        ContextText(
            kind="ocr",
            text=_readable(picture.lines),
            source=LETTERING,
            media=picture.media,
        )
        for picture in seen
        if picture.lines
    ]


def _readable(lines: Sequence[TextLine]) -> str:
    return "\n".join(line.text.replace("\0", " ") for line in lines)
