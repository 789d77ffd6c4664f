"""Seconds per picture of each part of the local grounder, and their ratio to reading lettering.

``python -m benchmarks.grounding [--pictures FOLDER] [--repeat N]`` prints one JSON object. Without
a folder it draws its own pictures (lettering of several sizes on plain ground), so that the ratio
can be compared between machines. Each part runs alone and single-threaded; the first picture warms
it up and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from PIL import Image, ImageDraw, ImageFont

from magpie.engine.grounding.coefficients import load_coefficients
from magpie.engine.grounding.features import Mention
from magpie.engine.grounding.matcher import PictureEvidence, link_mentions
from magpie.engine.grounding.ocr import TextReader
from magpie.engine.grounding.people import FaceFinder, PersonFinder
from magpie.vision import LoadedImage, load_image

WORDS = ("NASA", "SPACE LEGEND SERIES", "Manchester", "GIANTS WIN IT", "8 March 2026")


def drawn(count: int) -> list[LoadedImage]:
    """Pictures of 800x600 with one to five lines of lettering."""
    pictures = []
    for index in range(count):
        image = Image.new("RGB", (800, 600), (230, 230 - 10 * index, 220))
        pen = ImageDraw.Draw(image)
        for line in range(index % len(WORDS) + 1):
            font = ImageFont.load_default(size=24 + 8 * line)
            pen.text((40 + 20 * line, 40 + 100 * line), WORDS[line], font=font, fill="black")
        pictures.append(load_image(image))
    return pictures


def seconds(work: Callable[[LoadedImage], object], pictures: list[LoadedImage]) -> list[float]:
    """Processor seconds of each picture after the first; other load on the machine counts less."""
    work(pictures[0])
    times = []
    for picture in pictures:
        start = time.process_time()
        work(picture)
        times.append(time.process_time() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder of pictures to use instead")
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    if options.pictures is not None:
        pictures = [load_image(path) for path in sorted(options.pictures.glob("*.jpg"))]
    else:
        pictures = drawn(5)
    pictures *= options.repeat

    import cv2

    cv2.setNumThreads(1)
    coefficients = load_coefficients()
    reader = TextReader(threads=1)
    faces, people = FaceFinder(coefficients.face), PersonFinder()
    seen = {
        id(picture): PictureEvidence(
            media="m0",
            width=picture.width,
            height=picture.height,
            faces=[],
            persons=[],
            lines=reader.read(picture),
        )
        for picture in pictures
    }
    mentions = [Mention(word, "ORG", None, i, 5, 5, "") for i, word in enumerate(WORDS)]
    parts: dict[str, Callable[[LoadedImage], object]] = {
        "lettering": reader.read,
        "faces": faces.find,
        "people": people.find,
        "matcher": lambda picture: link_mentions(mentions, [seen[id(picture)]], coefficients),
    }
    times = {name: statistics.mean(seconds(work, pictures)) for name, work in parts.items()}
    report = {
        "pictures": len(pictures),
        "seconds": {name: round(value, 5) for name, value in times.items()},
        "ratio_to_lettering": {
            name: round(value / times["lettering"], 4) for name, value in times.items()
        },
    }
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
