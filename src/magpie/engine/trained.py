"""A trained method behind the extractor: batches, long texts, and one bad document alone.

Importing this module loads nothing; torch comes with the first checkpoint.
"""

from __future__ import annotations

import dataclasses
import io
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import magpie
from magpie._optional import require
from magpie.engine.pieces import cut_document, join_annotations
from magpie.errors import MagpieError
from magpie.schema import Annotations, Document, Media, Problem, Provenance

if TYPE_CHECKING:
    from PIL import Image as PillowImage

    from magpie.vision import ImageLimits

__all__ = ["Trained", "checkpoint_folder"]

#: documents a forward pass
BATCH = 32
#: scores are rounded to this many decimals: what lies below depends on the neighbours in a batch
DECIMALS = 4
#: tasks whose methods look into the pictures themselves
_GROUNDED = frozenset({"gmner", "object-relation"})


def checkpoint_folder(model: str | os.PathLike[str]) -> Path | None:
    """The checkpoint at that place, also where it names a run; None where there is none."""
    place = Path(model)
    for folder in (place, place / "best"):
        if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file():
            return folder
    return None


class Trained:
    """A checkpoint as the extractor asks for it. Calls take turns: torch has its own threads.

    Args:
        folder: of the checkpoint.
        root: folder that relative picture paths start from.
        limits: bytes and pixels one picture may cost.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: the checkpoint is damaged or of another version.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: str | os.PathLike[str] | None = None,
        limits: ImageLimits | None = None,
    ) -> None:
        for package in ("torch", "transformers", "safetensors"):
            require(package, f"the trained model {folder}")
        from magpie.features.supply import Supplier
        from magpie.methods.checkpoint import load_method, read_card
        from magpie.methods.registry import entry

        card = read_card(folder)
        self._method = load_method(folder)
        self._supplier = Supplier(root=root, limits=limits)
        self._lock = threading.Lock()
        self.digest = card.digest
        #: what its task hands it beside text and pictures
        self.given = self._method.given
        self.grounds = bool(_GROUNDED.intersection(entry(card.method).tasks))
        self.provenance = Provenance(
            method=card.method, version=magpie.__version__, config_digest=card.digest[:16]
        )

    def __call__(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with what the method finds; long ones are read in overlapping parts."""
        with self._lock:
            order = sorted(range(len(documents)), key=lambda index: _length(documents[index]))
            found: dict[int, Document] = {}
            for begin in range(0, len(order), BATCH):
                rows = order[begin : begin + BATCH]
                results = self._batch([documents[row] for row in rows])
                found.update(zip(rows, results, strict=True))
        return [found[row] for row in range(len(documents))]

    def _batch(self, documents: Sequence[Document]) -> list[Document]:
        try:
            return self._predict(documents)
        except Exception as error:  # one document must not take the others with it
            if len(documents) > 1:
                return [done for document in documents for done in self._batch([document])]
            if isinstance(error, MagpieError):
                problem = Problem.from_error(error)
            else:
                problem = Problem(code="internal", message=f"{type(error).__name__}: {error}")
            return [documents[0].with_annotations(None).with_problem(problem, "failed")]

    def _predict(self, documents: Sequence[Document]) -> list[Document]:
        parts = {}
        room = self._method.room
        if room is not None and not self.given:
            for row, document in enumerate(documents):
                cut = cut_document(document, self._method.piece_counts(document), room)
                if cut:
                    parts[row] = cut
        whole = [row for row in range(len(documents)) if row not in parts]
        found = dict(zip(whole, self._annotate([documents[row] for row in whole]), strict=True))
        for row, cut in parts.items():
            answers = self._annotate([part.document for part in cut])
            found[row] = join_annotations(list(zip(cut, answers, strict=True)))
        return [
            document.with_annotations(self._signed(found[row]))
            for row, document in enumerate(documents)
        ]

    def _annotate(self, documents: Sequence[Document]) -> list[Annotations]:
        needs = self._method.needs()
        answers: list[Annotations] = []
        for begin in range(0, len(documents), BATCH):
            rows = documents[begin : begin + BATCH]
            answers += self._method.predict(rows, self._supplier.many(rows, needs))
        return answers

    def _signed(self, annotations: Annotations) -> Annotations:
        changes: dict[str, Any] = {
            name: tuple(_rounded(item) for item in getattr(annotations, name))
            for name in ("entities", "relations", "events")
        }
        return dataclasses.replace(annotations, provenance=self.provenance, **changes)

    def with_pictures(self, document: Document, given: Mapping[str, PillowImage.Image]) -> Document:
        """The document with pictures that were given as objects put in as bytes."""
        if not given:
            return document
        media = tuple(
            Media(id=medium.id, data=_png(given[medium.id])) if medium.id in given else medium
            for medium in document.media
        )
        return dataclasses.replace(document, media=media)


def _rounded(item: Any) -> Any:
    if item.score is None:
        return item
    return dataclasses.replace(item, score=min(1.0, max(0.0, round(item.score, DECIMALS))))


def _length(document: Document) -> int:
    return sum(len(block.text) for block in document.blocks)


def _png(picture: PillowImage.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()
