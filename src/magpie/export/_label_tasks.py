"""Label Studio's tasks, as it exports them (JSON, not JSON-MIN), back into documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from magpie._io import parse_json
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.source import Found
from magpie.errors import ConfigError, FormatError, MagpieError, NotFoundError
from magpie.export._label_config import Objects, read_config
from magpie.export._label_results import Results, TextPlaces
from magpie.schema import Document, from_dict

__all__ = ["DAMAGED", "read"]

#: what values of wrong types and missing keys lead to; each ends as one unreadable record
DAMAGED = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError)

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"})


def read(
    path: Path,
    problem: Callable[[MagpieError], None],
    *,
    config: str | None = None,
    offsets: Literal["auto", "code-points", "utf-16"] = "auto",
) -> Iterator[Document]:
    """Streams the documents of an export.

    Of several annotations of one task the ground truth is taken, else the first that was not
    skipped; without annotations, the first prediction. A result that is nothing magpie knows (a
    polygon, a choice of one's own ...) becomes a problem of its document, which is then
    ``partial``.

    Args:
        path: Label Studio's JSON export, or the folder that was written for it.
        config: the project's labelling configuration; without it the keys of the text and of
            the pictures are guessed.
        offsets: how spans count; ``auto`` compares with the text that each result repeats.
    """
    if offsets not in ("auto", "code-points", "utf-16"):
        raise ConfigError(f"offsets must be auto, code-points or utf-16, got {offsets!r}")
    file = path / "tasks.json" if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError("no tasks.json in the folder", where=str(path))
    objects = Objects()
    if config is not None:
        objects = read_config(Path(config))
    elif path.is_dir() and (path / "config.xml").is_file():
        objects = read_config(path / "config.xml")
    for number, raw in enumerate(iter_json_items(Found(DataFile(file.name), file)), start=1):
        try:
            if raw.error is not None:
                raise raw.error
            document = _document(raw.value, objects, f"{file.stem}-{number}", offsets)
        except MagpieError as error:
            problem(error if raw.error is not None else error.at(raw.where))
            continue
        except DAMAGED as error:
            message = f"the task is not built as it should be: {type(error).__name__}: {error}"
            problem(FormatError(message, where=raw.where))
            continue
        yield document


def _document(task: Any, objects: Objects, name: str, offsets: str) -> Document:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise FormatError(
            "expected a task with the key data",
            mend="Export the project as JSON; JSON-MIN leaves out what magpie needs.",
        )
    results = _chosen(task)
    if isinstance(task["data"].get("magpie"), str):
        shown = _own(task["data"])
    else:
        shown = _foreign(task, results or [], objects, name)
    body = shown.body
    if results is not None:
        media = {medium["id"]: medium for medium in body.get("media", ())}
        reading = Results(shown.texts, shown.images, media, offsets)
        body["annotations"] = reading.annotations(results)
        if reading.problems:
            body["problems"] = [*body.get("problems", ()), *reading.problems]
            body["status"] = "failed" if body.get("status") == "failed" else "partial"
    return from_dict(body)


def _chosen(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The results to read; None where nobody annotated the task."""
    done = task.get("annotations") or task.get("completions") or []
    if not isinstance(done, list):
        raise FormatError(f"annotations must be a list, found {type(done).__name__}")
    valid = [a for a in done if isinstance(a, dict) and not a.get("was_cancelled")]
    valid.sort(key=lambda annotation: not annotation.get("ground_truth"))  # stable: first stays
    predicted = [p for p in task.get("predictions") or [] if isinstance(p, dict)]
    for chosen in (*valid, *predicted):
        results = chosen.get("result")
        if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
            raise FormatError("expected the key result with a list of objects")
        return results
    return None


@dataclass(slots=True)
class _Shown:
    """The document without annotations, and what the names in results refer to.

    ``images`` holds ids of media, in the order in which ``item_index`` counts them.
    """

    body: dict[str, Any]
    texts: dict[str, TextPlaces]
    images: dict[str, list[str]]


# tasks that magpie wrote


def _own(data: dict[str, Any]) -> _Shown:
    body = parse_json(data["magpie"], where="data.magpie")
    text = _string(data, "text")
    damaged = FormatError(
        "data.magpie does not fit data.text", mend="Remove the key, if the text was changed."
    )
    try:
        places, at = [], 0
        for block in body["blocks"]:
            length = block["text"]
            block["text"] = text[at : at + length]
            places.append((at, length, block.get("id", "b0")))
            at += length + 1
        for medium in body.get("media", ()):
            medium.setdefault("id", "m0")  # defaults are left out
        pictures = [m for m in body.get("media", ()) if m.get("kind", "image") == "image"]
        names = [medium["id"] for medium in pictures]
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged from error
    if at != len(text) + 1 and (at or text):
        raise damaged
    images = data.get("images")
    for medium, place in zip(pictures, images if isinstance(images, list) else (), strict=False):
        if "data" in medium:
            medium["data"] = _embedded(place) or ""
    return _Shown(body, {"text": TextPlaces(text, places)}, {"image": names})


# tasks of other origin


def _foreign(
    task: dict[str, Any], results: list[dict[str, Any]], objects: Objects, name: str
) -> _Shown:
    """Texts become blocks, pictures media."""
    data = task["data"]
    texts, images = dict(objects.texts), dict(objects.images)
    if not texts and not images:
        texts, images = _guessed(data, results)
    body: dict[str, Any] = {"id": str(task.get("id", name)), "blocks": [], "media": []}
    shown = _Shown(body, {}, {})
    for index, (target, key) in enumerate(texts.items()):
        text = _string(data, key)
        body["blocks"].append({"id": f"b{index}", "text": text})
        shown.texts[target] = TextPlaces(text, [(0, len(text), f"b{index}")])
    for target, key in images.items():
        place = data.get(key)
        shown.images[target] = []
        for each in place if isinstance(place, list) else [place]:
            medium: dict[str, Any] = {"id": f"m{len(body['media'])}"}
            content = _embedded(each)
            if content is not None:
                medium["data"] = content
            elif isinstance(each, str) and each:
                medium["uri"] = each
            body["media"].append(medium)
            shown.images[target].append(medium["id"])
    if not body["blocks"]:
        body["blocks"] = [{"text": ""}]
    return shown


def _guessed(
    data: dict[str, Any], results: list[dict[str, Any]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Keys of the texts and pictures by the names in the results, without a configuration."""
    texts: dict[str, str] = {}
    images: dict[str, str] = {}
    for result in results:
        target, kind = result.get("to_name"), str(result.get("type"))
        if isinstance(target, str) and kind.startswith("rectangle"):
            _assign(images, target, data, ("images", "image"), picture=True)
        elif isinstance(target, str) and kind == "labels":
            _assign(texts, target, data, ("text",), picture=False)
    if not texts:
        _assign(texts, "text", data, ("text",), picture=False)
    if not images:
        _assign(images, "image", data, ("images", "image"), picture=True)
    return texts, images


def _assign(
    found: dict[str, str],
    target: str,
    data: dict[str, Any],
    usual: tuple[str, ...],
    *,
    picture: bool,
) -> None:
    if target in found:
        return
    for key in (target, *usual):
        if key in data:
            found[target] = key
            return
    able = [
        key
        for key, value in data.items()
        if isinstance(value, str) and _is_picture(value) == picture
    ]
    if len(able) > 1:
        raise FormatError(
            f"data has {len(able)} keys that {target!r} may show: {', '.join(able)}",
            mend="Give the project's labelling configuration: config=FILE.",
        )
    if able:
        found[target] = able[0]


def _is_picture(value: str) -> bool:
    ending = PurePosixPath(value.split("?", maxsplit=1)[0]).suffix.lower()
    return value.startswith("data:image/") or ending in _PICTURES


def _embedded(place: Any) -> str | None:
    """The base64 text of a data URI."""
    if isinstance(place, str) and place.startswith("data:") and ";base64," in place[:100]:
        return place.partition(";base64,")[2]
    return None


def _string(data: dict[str, Any], key: str) -> str:
    text = data.get(key)
    if not isinstance(text, str):
        raise FormatError(f"expected text under data.{key}, found {text!r:.60}")
    return text
