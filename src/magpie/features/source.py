"""What supplies one kind of need, and how it finds a document's picture."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy.typing as npt

from magpie._io import dump_json, text_digest
from magpie.errors import MagpieError
from magpie.features.needs import Asset, Need
from magpie.schema import Document, Media
from magpie.vision import LoadedImage, load_image, read_picture

if TYPE_CHECKING:
    from magpie.vision import ImageLimits

__all__ = ["Arrays", "Ask", "Picture", "Pictures", "Source", "first_picture", "undisturbed"]

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Ask:
    """One document's part of a need.

    ``depends`` is what the result depends on beside need and source (a picture's digest, boxes),
    as JSON; ``payload`` is what :meth:`Source.compute` works from.
    """

    depends: Mapping[str, Any]
    payload: Any


class Source(ABC):
    """Supplies one kind of need in three steps, so that the costly one is done once.

    :meth:`ask` says cheaply what the result depends on; :meth:`compute` makes the arrays that are
    kept; :meth:`finish` turns kept arrays into what the need's docstring promises.
    """

    kind: ClassVar[type[Need]]
    #: raised whenever the same input gives other arrays
    version: ClassVar[int] = 1
    #: documents at once that :meth:`compute` likes best
    batch: int = 1

    @abstractmethod
    def ask(self, document: Document, need: Any) -> Ask | Asset:
        """What the need comes to for this document, or an absent asset with its reason."""

    @abstractmethod
    def compute(self, asks: Sequence[Ask], need: Any) -> list[Arrays | Asset]:
        """Arrays to keep, one set an ask; an absent asset where one cannot be computed."""

    def finish(self, arrays: Arrays, need: Any) -> Asset:
        """The asset made of kept arrays; they may be read-only."""
        return Asset(arrays)

    def fingerprint(self, need: Any) -> dict[str, Any]:
        """Whatever of this source decides the result, as JSON: its version, a backbone's digest.

        Raises:
            ModelError: a backbone is not on this machine.
        """
        return {"version": self.version}

    def key(self, ask: Ask, need: Need) -> tuple[str, dict[str, Any]]:
        """The address of the result, ``<group of the need>/<digest>``, and what it is made of."""
        made_of = {
            "need": need.describe(),
            "source": self.fingerprint(need),
            "of": dict(ask.depends),
        }
        kind = made_of["need"]["kind"]
        return f"{kind}-{need.digest}/{text_digest(dump_json(made_of))}", made_of


def first_picture(document: Document) -> Media | None:
    """The first picture that is there."""
    return next((m for m in document.media if m.kind == "image" and m.present), None)


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture that was read, not yet decoded."""

    media: str
    data: bytes
    digest: str
    limits: ImageLimits | None = None

    def load(self) -> LoadedImage:
        """Decodes it.

        Raises:
            MediaError: it is damaged, too large or no picture.
        """
        try:
            return load_image(self.data, limits=self.limits)
        except MagpieError as error:
            raise error.at(self.media) from None


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where pictures are read from.

    Args:
        root: folder that relative paths start from, and that none may leave.
        limits: bytes and pixels one picture may cost.
    """

    root: str | os.PathLike[str] | None = None
    limits: ImageLimits | None = None

    def first(self, document: Document) -> Picture | Asset:
        """The document's first picture, or an absent asset."""
        medium = first_picture(document)
        if medium is None:
            reasons = [medium.missing for medium in document.media if medium.missing]
            return Asset.absent(reasons[0] if reasons else "the document has no picture")
        return self.read(medium)

    def read(self, medium: Media) -> Picture | Asset:
        """One picture, or an absent asset."""
        try:
            data = read_picture(medium, root=self.root, limits=self.limits)
        except MagpieError as error:
            return Asset.absent(str(error))
        return Picture(medium.id, data, hashlib.sha256(data).hexdigest(), self.limits)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps torch's random numbers as they were.

    A source that loads a model when it is first asked draws numbers; a run that was killed goes on
    in another place than it began, and would train with other ones ever after.
    """
    if "torch" not in sys.modules:
        yield
        return
    from torch.random import fork_rng

    with fork_rng(devices=[]):
        yield
