"""Readers of texts that are files, alone or in a folder, with their pictures beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from magpie._io import MAX_LINE_BYTES
from magpie.engine.procedures import (
    PICTURES,
    TEXTS,
    Step,
    StepPictures,
    numbered_steps,
    procedure,
    step_number,
    with_found,
)
from magpie.engine.readers import TO_UTF8
from magpie.engine.records import Record, failed_record, made_record
from magpie.errors import AccessError, FormatError, MagpieError

__all__ = [
    "Item",
    "items_in",
    "pictures_beside",
    "pictures_of_steps",
    "read_folder",
    "read_numbered",
    "read_text",
    "shows_steps",
]

#: the text of this name beside a file a step heads the procedure
_TITLE = "title"


class Item(NamedTuple):
    """What gives one record of a folder: its id, and the files it is made of.

    ``kind`` is ``post`` (a text and the pictures of its name), ``numbered`` (a text with numbered
    steps) or ``files`` (a text a step).
    """

    id: str
    kind: Literal["post", "numbered", "files"]
    texts: tuple[Path, ...]
    pictures: tuple[Path, ...]


def decoded(stream: BinaryIO, name: str) -> str:
    """A whole text; only a byte order mark is dropped.

    Raises:
        FormatError: it is too long, or not UTF-8.
    """
    data = stream.read(MAX_LINE_BYTES + 1)
    if len(data) > MAX_LINE_BYTES:
        raise FormatError(
            f"text is longer than {MAX_LINE_BYTES} bytes",
            code="format-too-long",
            where=name,
            mend="Split it.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"byte {error.start} is not valid UTF-8",
            code="format-encoding",
            where=name,
            mend=TO_UTF8,
        ) from error


def _text_of(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return decoded(stream, str(path))
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", where=str(path)) from error


def read_text(
    stream: BinaryIO, name: str, identifier: str, images: list[str], number: int = 1
) -> Record:
    """The record of one whole text file."""
    try:
        text = decoded(stream, name)
    except FormatError as error:
        return failed_record(number, identifier, error)
    value = {"id": identifier, "text": text, "image": images}
    return made_record(number, value, name)


def read_numbered(path: Path, root: Path, identifier: str, number: int = 1) -> Record:
    """The record of a text with numbered steps, its pictures found by number."""
    try:
        title, steps = numbered_steps(_text_of(path), str(path))
        found = pictures_of_steps(path)
        named = {step: _relative(picture, root) for step, picture in found.items()}
        # What the text names lies beside the text, not beside the folder's root.
        own = [step._replace(image=step.image and _named(path, step.image, root)) for step in steps]
        steps = with_found(own, named, str(path))
        document = procedure(identifier, steps, title=title, where=str(path))
    except MagpieError as error:
        return failed_record(number, identifier, error)
    return Record(number, identifier, document)


def _named(path: Path, image: str, root: Path) -> str:
    """A path in a text as seen from the root; addresses stay, and so does what leads outside."""
    if "://" in image or Path(image).is_absolute():
        return image
    folder = _relative(path.parent, root)
    return image if folder in ("", ".") else f"{folder}/{image}"


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def pictures_of_steps(path: Path) -> dict[int, Path]:
    """The pictures of the steps in a text, found beside it by number."""
    return StepPictures([other for other in path.parent.iterdir() if other.is_file()]).of(path)


def shows_steps(path: Path, *, by_name: bool | None = None) -> bool:
    """Whether a text holds numbered steps with pictures of their own.

    Args:
        path: of the text.
        by_name: whether pictures of steps lie beside it; None looks.
    """
    by_name = bool(pictures_of_steps(path)) if by_name is None else by_name
    if not by_name and path.suffix.lower() != ".md":
        return False
    try:
        _, steps = numbered_steps(_text_of(path))
    except MagpieError:
        # Its own reader says what is wrong with it.
        return by_name
    return bool(steps) and (by_name or any(step.image for step in steps))


def items_in(root: Path) -> list[Item]:
    """What the texts below a folder give, in a fixed order of their ids' parts.

    Files called ``step-N`` are one procedure a folder. A text with numbered steps and pictures of
    steps is one, too; any other ``.txt`` is a post, and any other ``.md`` is passed over.
    """
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in root.rglob("*"):
        if path.is_file():
            folders[path.parent].append(path)
    items = []
    for folder, files in folders.items():
        files.sort()
        texts = [path for path in files if path.suffix.lower() in TEXTS]
        steps = [path for path in texts if step_number(path) is not None]
        if steps:
            title = [path for path in texts if path.stem.lower() == _TITLE]
            items.append(_files_item(root, folder, [*title[:1], *steps]))
            texts = [path for path in texts if path not in (*steps, *title[:1])]
        pictures = StepPictures(files)
        for path in texts:
            identifier = _relative(path.with_suffix(""), root)
            found = tuple(pictures.of(path).values())
            if shows_steps(path, by_name=bool(found)):
                items.append(Item(identifier, "numbered", (path,), found))
            elif path.suffix == ".txt":
                items.append(Item(identifier, "post", (path,), pictures_beside(path)))
    return sorted(items, key=lambda item: item.texts[0].relative_to(root).parts)


def _files_item(root: Path, folder: Path, texts: list[Path]) -> Item:
    identifier = _relative(folder, root) if folder != root else root.resolve().name
    pictures = tuple(picture for path in texts for picture in pictures_beside(path))
    return Item(identifier or "steps", "files", tuple(texts), pictures)


def read_folder(root: Path) -> Iterator[Record]:
    """A record for each text or procedure below ``root``; ids are paths.

    Raises:
        FormatError: there is none.
    """
    items = items_in(root)
    if not items:
        raise FormatError(
            "no text in this folder: it holds no .txt file, and no steps with pictures",
            where=str(root),
            mend="Put each text in a .txt file and its picture beside it under the same name.",
        )
    for number, item in enumerate(items, start=1):
        stray = next((path for path in item.texts if not _inside(path, root)), None)
        if stray is not None:
            outside = AccessError("the link leads out of the folder", where=str(stray))
            yield failed_record(number, item.id, outside)
        elif item.kind == "files":
            yield _read_files(item, root, number)
        elif item.kind == "numbered":
            yield read_numbered(item.texts[0], root, item.id, number)
        else:
            yield _read_post(item, root, number)


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _read_post(item: Item, root: Path, number: int) -> Record:
    (path,) = item.texts
    images = [_relative(picture, root) for picture in item.pictures]
    try:
        with open(path, "rb") as stream:
            return read_text(stream, str(path), item.id, images, number)
    except OSError as error:
        closed = FormatError(f"cannot be read: {error.strerror}", where=str(path))
        return failed_record(number, item.id, closed)


def _read_files(item: Item, root: Path, number: int) -> Record:
    """A file a step, ordered by number, each with the first picture of its name."""
    folder = str(item.texts[0].parent)
    title = ""
    steps: dict[int, Step] = {}
    try:
        for path in item.texts:
            step, text = step_number(path), _text_of(path).strip()
            if step is None:
                title = text
                continue
            if step in steps:
                raise FormatError(
                    f"step {step} stands twice", where=folder, mend="Give each step one file."
                )
            pictures = pictures_beside(path)
            steps[step] = Step(step, text, _relative(pictures[0], root) if pictures else None)
        document = procedure(
            item.id, [steps[step] for step in sorted(steps)], title=title, where=folder
        )
    except MagpieError as error:
        return failed_record(number, item.id, error)
    return Record(number, item.id, document)


def pictures_beside(path: Path) -> tuple[Path, ...]:
    """The pictures beside a text, under the same name."""
    return tuple(picture for suffix in PICTURES if (picture := path.with_suffix(suffix)).is_file())
