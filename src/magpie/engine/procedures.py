"""Procedures as people keep them: a list of steps in JSON, numbered lines, or a file a step.

Each becomes one document: a block a step, numbered, beside its own picture. Pictures are found by
name (``tea-1.jpg`` or ``step-1.jpg`` for step 1), or named in the text as Markdown does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from magpie.errors import FormatError, SchemaError
from magpie.schema import Block, ContextText, Document, Media

__all__ = [
    "PICTURES",
    "TEXTS",
    "Step",
    "StepPictures",
    "numbered_steps",
    "procedure",
    "step_number",
    "steps_of_record",
    "with_found",
]

#: endings of the pictures that belong to a text of the same name, in the order they are taken
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
#: endings of texts with numbered steps
TEXTS = (".txt", ".md")

#: "1. Boil", "2) Pour", "### Step 3: Wait", "Step 4"; "1.5 cups" is none
_NUMBERED = re.compile(
    r"^ {0,3}(?:#{1,6} *)?(?:\*\*)?(?:(?P<word>step) *)?(?P<number>\d{1,3})"
    r"(?P<mark> *[.):](?=\s|\*|$))?(?:\*\*)?(?P<rest>(?:\s.*)?)$",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*<?(?P<path>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_FILE = re.compile(r"step[-_ ]?0*(\d{1,3})", re.IGNORECASE)
_OWN = re.compile(r"(.+?)[-_ ](?:step[-_ ]?)?0*(\d{1,3})", re.IGNORECASE)


class Step(NamedTuple):
    """One step: its number, text, the path or address of its picture, and what is said of that."""

    number: int
    text: str
    image: str | None = None
    caption: str | None = None


def procedure(
    identifier: str, steps: Sequence[Step], *, title: str = "", where: str = ""
) -> Document:
    """The document of a procedure.

    Args:
        identifier: id of the document.
        steps: in order, each number once.
        title: becomes a block of its own in front, with no picture.
        where: file and line, for messages.

    Raises:
        FormatError: there is no step.
        SchemaError: a text or id that no document may hold.
    """
    if not steps:
        raise FormatError(
            "no step in this procedure",
            where=where,
            mend="Begin each step on a line of its own with its number: 1. Boil the water.",
        )
    try:
        blocks = [
            Block(
                id=f"step-{step.number}",
                text=step.text,
                step=step.number,
                media=f"step-{step.number}" if step.image else None,
            )
            for step in steps
        ]
        if title:
            blocks.insert(0, Block(id="title", text=title))
        shown = [step for step in steps if step.image]
        return Document(
            id=identifier,
            blocks=tuple(blocks),
            media=tuple(Media(id=f"step-{step.number}", uri=step.image) for step in shown),
            context=tuple(
                ContextText(
                    kind="caption", text=step.caption, source="input", media=f"step-{step.number}"
                )
                for step in shown
                if step.caption
            ),
        )
    except SchemaError as error:
        raise error.at(where) if where else error from None


def steps_of_record(value: Any, names: tuple[str, str, str], where: str) -> list[Step]:
    """The steps of a JSON record: texts, or objects with a text and perhaps picture and caption.

    Args:
        value: what stands under ``steps``.
        names: keys of text, picture and caption.
        where: file and line, for messages.

    Raises:
        FormatError: naming the step.
    """
    if not isinstance(value, list | tuple):
        raise FormatError(
            f"expected a list of steps, found {type(value).__name__}",
            where=where,
            mend='For example "steps": [{"text": "Boil water", "image": "1.jpg"}].',
        )
    return [_of_item(item, number, names, where) for number, item in enumerate(value, start=1)]


def _of_item(item: Any, number: int, names: tuple[str, str, str], where: str) -> Step:
    if isinstance(item, str):
        return Step(number, item)
    found = [item.get(name) for name in names] if isinstance(item, Mapping) else [None] * 3
    text, image, caption = found
    if isinstance(image, list | tuple) and len(image) < 2:
        image = image[0] if image else None
    place = f"{where}: step {number}" if where else f"step {number}"
    if not isinstance(text, str):
        raise FormatError(
            f"expected a text or an object with {names[0]!r}, found {item!r:.60}", where=place
        )
    if image is not None and not isinstance(image, str):
        raise FormatError(
            f"expected one path as {names[1]!r}, found {image!r:.60}",
            where=place,
            mend="A step has one picture; split it where it has several.",
        )
    return Step(number, text, image or None, caption if isinstance(caption, str) else None)


def numbered_steps(text: str, where: str = "") -> tuple[str, list[Step]]:
    """What stands before the first step, and the steps of a text with numbered lines.

    A step begins with a line like ``1. Boil``, ``2) Pour`` or ``### Step 3: Wait``, numbered on
    from 1 (or 0); any other line goes on with the step it stands in. ``![...](boil.jpg)`` names
    the step's picture and is no part of its text.

    Raises:
        FormatError: a step names several pictures.
    """
    front: list[str] = []
    parts: list[tuple[int, list[str]]] = []
    for line in text.splitlines():
        match = _NUMBERED.match(line)
        if match is not None and (match["mark"] or match["word"]):
            number = int(match["number"])
            if number == parts[-1][0] + 1 if parts else number in (0, 1):
                parts.append((number, [match["rest"]]))
                continue
        (parts[-1][1] if parts else front).append(line)
    steps = []
    for number, lines in parts:
        body = "\n".join(line.strip() for line in lines)
        images = [match["path"] for match in _IMAGE.finditer(body)]
        if len(images) > 1:
            raise FormatError(
                f"step {number} names {len(images)} pictures, {', '.join(images)[:200]}",
                where=where,
                mend="A step has one picture; split it where it has several.",
            )
        steps.append(Step(number, _IMAGE.sub("", body).strip(), images[0] if images else None))
    title = "\n".join(line.strip().lstrip("#").strip() for line in front).strip()
    return title, steps


def step_number(path: Path) -> int | None:
    """N of a file called ``step-N``; None of any other."""
    match = _FILE.fullmatch(path.stem)
    return None if match is None else int(match[1])


class StepPictures:
    """The pictures of one folder by the text they belong to and the number of the step.

    ``tea.md`` has ``tea-1.jpg``, ``tea_01.jpg`` or ``tea-step-1.jpg``; the only text of a folder
    also has ``step-1.jpg``.

    Args:
        files: all files of the folder.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._of_text: dict[str, dict[int, Path]] = {}
        self._plain: dict[int, Path] = {}
        order = {suffix: rank for rank, suffix in enumerate(PICTURES)}
        pictures = [path for path in files if path.suffix.lower() in order]
        for path in sorted(pictures, key=lambda path: (order[path.suffix.lower()], path)):
            number, match = step_number(path), _OWN.fullmatch(path.stem)
            if number is not None:
                self._plain.setdefault(number, path)
            if match is not None:
                self._of_text.setdefault(match[1], {}).setdefault(int(match[2]), path)
        texts = [path for path in files if path.suffix.lower() in TEXTS]
        self._alone = sum(step_number(path) is None for path in texts) == 1

    def of(self, text: Path) -> dict[int, Path]:
        """The pictures of a text in this folder, by number."""
        plain = self._plain if self._alone else {}
        return {**plain, **self._of_text.get(text.stem, {})}


def with_found(steps: Sequence[Step], pictures: Mapping[int, str], where: str) -> list[Step]:
    """The steps with the pictures found beside the text; one that the text names counts more.

    Raises:
        FormatError: a picture's number is that of no step.
    """
    strange = sorted(set(pictures) - {step.number for step in steps})
    if strange:
        raise FormatError(
            f"{pictures[strange[0]]} belongs to step {strange[0]}, and there is none",
            where=where,
            mend="Number steps and pictures alike, on from 1.",
        )
    return [step._replace(image=step.image or pictures.get(step.number)) for step in steps]
