"""What the fits and the measurements read: boxes, captions, the few pictures, people of COCO."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magpie.corpora import Anomaly, load, side
from magpie.engine.grounding.features import Mention, mentions_of
from magpie.engine.grounding.geometry import Corners
from magpie.errors import NotFoundError
from magpie.schema import Document
from magpie.vision import LoadedImage, load_image

__all__ = [
    "Case",
    "Person",
    "cases",
    "coco_pictures",
    "itm_targets",
    "published_captions",
    "tweet_pictures",
]

#: Keypoints of COCO's person annotation that lie on the face: nose, eyes, ears.
_FACE_POINTS = 5
_VISIBLE = 2


@dataclass(frozen=True, slots=True)
class Case:
    """One entity with its gold boxes; none means that it does not show.

    ``size`` is the picture's, known where any entity of the tweet has a box.
    """

    document: str
    mention: Mention
    captions: tuple[str, ...]
    size: tuple[int, int] | None
    boxes: tuple[Corners, ...]


def published_captions(data: Path) -> dict[str, tuple[str, ...]]:
    """Picture id -> BLIP-2 captions; they cover every tweet of Twitter-2015 and 2017."""
    captions: dict[str, list[str]] = {}
    for part in ("2015", "2017"):
        for row in side.read("blip2", part, data, on_problem=_pass):
            if isinstance(row, side.Text):
                captions.setdefault(row.key, []).append(row.text)
    return {name: tuple(dict.fromkeys(texts)) for name, texts in captions.items()}


def _pass(anomaly: Anomaly) -> None:
    """A caption that cannot be read is one caption less."""


def documents(data: Path, split: str) -> Iterator[Document]:
    """FMNERG's tweets with the four types, the fine types and GMNER's boxes."""
    return load("fmnerg", split, data, types="coarse")


def cases(data: Path, split: str, captions: dict[str, tuple[str, ...]]) -> list[Case]:
    """Every entity of a split, in file order."""
    found = []
    for document in documents(data, split):
        medium = document.media[0]
        size = None
        if medium.width is not None and medium.height is not None:
            size = (medium.width, medium.height)
        for entity, mention in zip(document.entities, mentions_of(document), strict=True):
            boxes = tuple(box.xyxy for box in entity.boxes)
            found.append(Case(document.id, mention, captions.get(document.id, ()), size, boxes))
    return found


def tweet_pictures(data: Path) -> dict[str, bytes]:
    """Document id -> encoded picture, for the tweets of FMNERG whose picture lies here.

    Those of the toy archive are numbered; they are joined by identical words.
    """
    pictures: dict[str, bytes] = {}
    for folder in ("gmner", "twitter2015"):
        for path in sorted((data / "images" / folder).glob("*.jpg")):
            pictures[path.stem] = path.read_bytes()
    by_words: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        for document in documents(data, split):
            by_words[" ".join(document.blocks[0].word_texts())] = document.id
    with _archive(data / "images" / "ritual_toy.zip") as archive:
        for name in sorted(archive.namelist()):
            year, _, rest = name.partition("/")
            if not rest.startswith("texts/") or not name.endswith(".json"):
                continue
            part = rest.split("/")[1]
            for line in archive.read(name).decode("utf-8").splitlines():
                row = json.loads(line)
                stem = row["image_id"].removesuffix(".jpg")
                known = by_words.get(" ".join(row["tokens"])) if year.endswith("2017") else stem
                if known is not None:
                    member = f"{year}/images/{part}/{row['image_id']}"
                    pictures.setdefault(known, archive.read(member))
    wanted = set(by_words.values())
    return {name: picture for name, picture in pictures.items() if name in wanted}


def itm_targets(data: Path) -> Iterator[tuple[str, str, tuple[Corners, ...]]]:
    """(picture id, target, boxes) of the image-target matching corpus, all splits."""
    for split in ("train", "dev", "test"):
        for row in side.read("itm", split, data):
            if isinstance(row, side.Target):
                boxes = tuple(region.box.xyxy for region in row.regions if region.box is not None)
                yield row.key, row.target, boxes


@dataclass(frozen=True, slots=True)
class Person:
    """A person annotated in COCO.

    ``points`` are the visible keypoints of the face; ``face`` is the box a cascade would draw,
    computed from the eyes, where both are visible.
    """

    box: Corners
    points: tuple[tuple[float, float], ...]
    face: Corners | None


def coco_pictures(data: Path) -> Iterator[tuple[LoadedImage, list[Person]]]:
    """The 100 photographs of tiny_coco with their people (crowds left out)."""
    with _archive(data / "photos" / "tiny_coco.zip") as archive:
        for split in ("train", "val"):
            table = json.loads(archive.read(f"annotations/person_keypoints_{split}2017.json"))
            people: dict[int, list[Person]] = {}
            for row in table["annotations"]:
                if not row["iscrowd"]:
                    people.setdefault(row["image_id"], []).append(_person(row))
            for row in table["images"]:
                data_of = archive.read(f"{split}2017/{row['file_name']}")
                yield load_image(data_of), people.get(row["id"], [])


def _person(row: dict[str, list[float]]) -> Person:
    x, y, width, height = row["bbox"]
    points = np.asarray(row["keypoints"], dtype=float).reshape(-1, 3)[:_FACE_POINTS]
    visible = tuple((float(px), float(py)) for px, py, seen in points if seen == _VISIBLE)
    face = None
    if all(points[i, 2] == _VISIBLE for i in range(3)):
        (left, right) = points[1, :2], points[2, :2]
        distance = float(np.hypot(*(left - right)))
        if distance >= 5.0:
            # A cascade's box is 2.5 times as wide as the eyes are apart, with the eyes at 0.38.
            side = distance / 0.4
            middle, level = (left + right) / 2
            x1, y1 = float(middle) - side / 2, float(level) - 0.38 * side
            face = (x1, y1, x1 + side, y1 + side)
    return Person((x, y, x + width, y + height), visible, face)


def _archive(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise NotFoundError("no such archive", where=str(path), mend="Check --data.")
    return zipfile.ZipFile(io.BytesIO(path.read_bytes()))
