"""Pictures of posts: by picture id in one folder, or absent with a reason. Never decoded here."""

from __future__ import annotations

import os
from pathlib import Path

from magpie.corpora.anomaly import Anomaly, Report
from magpie.errors import AccessError, NotFoundError
from magpie.schema import Media

__all__ = ["PICTURE", "Pictures", "picture_name"]

#: id of a post's only picture
PICTURE = "m0"


class Pictures:
    """The pictures folder of a corpus.

    Args:
        candidates: folders below the root that hold the corpus's pictures, the first wins.
        root: the corpus root.
        images: a folder that was given outright; then every picture that it lacks is reported.

    Raises:
        NotFoundError: ``images`` does not exist.
    """

    def __init__(
        self, candidates: tuple[str, ...], root: Path, images: str | os.PathLike[str] | None
    ) -> None:
        self.given = images is not None
        if images is not None:
            self.folder: Path | None = Path(images).absolute()
            if not self.folder.is_dir():
                raise NotFoundError("no such pictures folder", where=str(images))
        else:
            places = (root / name for name in candidates)
            self.folder = next((place for place in places if place.is_dir()), None)
        # One listing instead of a question per post; it also keeps ids from leading elsewhere.
        self._names = frozenset(os.listdir(self.folder)) if self.folder is not None else frozenset()

    def media(
        self,
        identifier: str,
        where: str,
        report: Report,
        *,
        size: tuple[int, int] | None = None,
    ) -> Media:
        """The picture ``<identifier>.jpg``; ``size`` is its width and height if known.

        A picture that is not there keeps its file name as ``uri``, so that its id is not lost.

        Raises:
            AccessError: the id is a path.
        """
        if identifier in ("", ".", "..") or any(mark in identifier for mark in "/\\\0"):
            raise AccessError(
                f"picture id {identifier!r} is not a file name",
                where=where,
                mend="Picture ids name files of the pictures folder.",
            )
        name = f"{identifier}.jpg"
        width, height = size if size is not None else (None, None)
        if self.folder is None:
            missing = "no pictures folder was given"
        elif name not in self._names:
            missing = "not in the pictures folder"
            if self.given:
                report(Anomaly("picture-missing", f"no picture {name}", where, identifier))
        else:
            return Media(id=PICTURE, uri=str(self.folder / name), width=width, height=height)
        return Media(id=PICTURE, uri=name, width=width, height=height, missing=missing)


def picture_name(media: Media) -> str | None:
    """The picture id: the file name of its ``uri`` without folders and suffix."""
    if media.uri is None:
        return None
    return media.uri.replace("\\", "/").rsplit("/", maxsplit=1)[-1].rsplit(".", maxsplit=1)[0]
