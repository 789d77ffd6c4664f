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
    """The pictures folders of a corpus.

    Args:
        candidates: folders below the root that hold the corpus's pictures; a picture that lies
            in several is taken from the first.
        root: the corpus root.
        images: a folder that was given outright (folders in it that are named as the last part of
            a candidate count too); then every picture that is not there is reported.

    Raises:
        NotFoundError: ``images`` does not exist.
    """

    def __init__(
        self, candidates: tuple[str, ...], root: Path, images: str | os.PathLike[str] | None
    ) -> None:
        self.given = images is not None
        if images is not None:
            given = Path(images).absolute()
            if not given.is_dir():
                raise NotFoundError("no such pictures folder", where=str(images))
            leaves = (name.rsplit("/", maxsplit=1)[-1] for name in candidates)
            places = [given, *(given / leaf for leaf in leaves)]
        else:
            places = [root / name for name in candidates]
        self.folders = tuple(place for place in places if place.is_dir())
        # One listing instead of a question per post; it also keeps ids from leading elsewhere.
        self._places: dict[str, Path] = {}
        for folder in reversed(self.folders):
            self._places.update(dict.fromkeys(os.listdir(folder), folder))

    def media(
        self,
        identifier: str,
        where: str,
        report: Report,
        *,
        size: tuple[int, int] | None = None,
        suffix: str = ".jpg",
        medium: str = PICTURE,
    ) -> Media:
        """The picture ``<identifier><suffix>``; ``size`` is its width and height if known.

        A picture that is not there keeps its file name as ``uri``, so that its id is not lost.
        ``medium`` is the id it gets, for posts of several pictures.

        Raises:
            AccessError: the id is a path.
        """
        if identifier in ("", ".", "..") or any(mark in identifier for mark in "/\\\0"):
            raise AccessError(
                f"picture id {identifier!r} is not a file name",
                where=where,
                mend="Picture ids name files of the pictures folder.",
            )
        name = f"{identifier}{suffix}"
        width, height = size if size is not None else (None, None)
        folder = self._places.get(name)
        if folder is not None:
            return Media(id=medium, uri=str(folder / name), width=width, height=height)
        if not self.folders:
            missing = "no pictures folder was given"
        else:
            missing = "not in the pictures folder"
            if self.given:
                report(Anomaly("picture-missing", f"no picture {name}", where, identifier))
        return Media(id=medium, uri=name, width=width, height=height, missing=missing)


def picture_name(media: Media) -> str | None:
    """The picture id: the file name of its ``uri`` without folders and suffix."""
    if media.uri is None:
        return None
    return media.uri.replace("\\", "/").rsplit("/", maxsplit=1)[-1].rsplit(".", maxsplit=1)[0]
