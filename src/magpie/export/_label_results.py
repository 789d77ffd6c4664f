"""The results of one Label Studio annotation: spans, rectangles, choices on them, arrows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from magpie.errors import MagpieError, SchemaError
from magpie.export._label_config import ABSENT, CONTROLS
from magpie.schema import Box

__all__ = ["Results", "TextPlaces"]


class _UnusableError(Exception):
    """Why a result cannot become part of the document; ends as one of the document's problems."""


@dataclass(frozen=True, slots=True)
class TextPlaces:
    """A text that is shown as one, and the blocks in it: (start, length, id)."""

    text: str
    blocks: list[tuple[int, int, str]]

    def span(self, value: dict[str, Any], offsets: str) -> dict[str, Any]:
        """The span of a result, within its block."""
        start, end = value.get("start"), value.get("end")
        if not _is_whole(start) or not _is_whole(end):
            raise _UnusableError(f"start and end must be whole numbers, not {start!r} and {end!r}")
        assert isinstance(start, int)  # noqa: S101  checked above
        assert isinstance(end, int)  # noqa: S101
        start, end = self._points(start, end, value.get("text"), offsets)
        for at, length, block in self.blocks:
            if at <= start < end <= at + length:
                return {"block": block, "start": start - at, "end": end - at}
        raise _UnusableError(f"span [{start}, {end}) lies outside the text, or in two blocks")

    def _points(self, start: int, end: int, expected: Any, offsets: str) -> tuple[int, int]:
        """Offsets in code points."""
        if offsets == "code-points":
            return start, end
        units = self.text.encode("utf-16-le")
        converted = _code_points(units, start), _code_points(units, end)
        if offsets == "utf-16":
            return converted
        if not isinstance(expected, str):
            return start, end
        for a, b in ((start, end), converted):
            # Browsers may show, and so repeat, other blanks than the text has.
            if self.text[a:b].split() == expected.split():
                return a, b
        raise _UnusableError(
            f"at [{start}, {end}) stands {self.text[start:end]!r:.60}, not {expected!r:.60}"
        )


def _code_points(units: bytes, offset: int) -> int:
    """An offset in UTF-16 units as one in code points."""
    return len(units[: 2 * offset].decode("utf-16-le", "replace"))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclass(slots=True)
class Results:
    """Collects the annotations of one document as JSON values.

    Args:
        texts: by the name that results give in ``to_name``.
        images: ids of media, likewise, in the order of ``item_index``.
        media: the media by id; one without a size gets the one its rectangles state.
        offsets: see :func:`magpie.export.label_studio.read`.
    """

    texts: dict[str, TextPlaces]
    images: dict[str, list[str]]
    media: dict[str, dict[str, Any]]
    offsets: str
    problems: list[dict[str, str]] = field(default_factory=list)
    _entities: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _regions: dict[str, dict[str, Any]] = field(default_factory=dict)
    _shown: set[str] = field(default_factory=set)
    _named: set[str] = field(default_factory=set)

    def annotations(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        """The whole; what cannot be read is among the ``problems`` afterwards."""
        relations: list[dict[str, Any]] = []
        links: list[dict[str, Any]] = []
        # Choices and arrows refer to spans and rectangles, wherever those stand in the list.
        for result in sorted(results, key=_step):
            try:
                match _step(result):
                    case 0:
                        self._place(result)
                    case 1:
                        self._choice(result)
                    case 2:
                        self._arrow(result, relations, links)
                    case _:
                        raise _UnusableError(f"type {result.get('type')!r} is not read")
            except (_UnusableError, MagpieError) as error:
                self._note(result, str(error))
        entities = [entity for group in self._entities.values() for entity in group]
        taken = {entity["id"] for entity in entities} | self._regions.keys()
        free = (name for n in range(len(taken) + len(relations)) if (name := f"r{n}") not in taken)
        for relation, name in zip(relations, free, strict=False):
            relation["id"] = name
        for name, region in self._regions.items():
            # A name that magpie made up for a rectangle goes, unless somebody drew an arrow to it.
            if name.startswith("~") and name not in self._named:
                del region["id"]
        return {
            "entities": entities,
            "regions": [r for name, r in self._regions.items() if name not in self._shown],
            "relations": relations,
            "links": links,
        }

    def _note(self, result: dict[str, Any], message: str) -> None:
        where = str(result.get("id") or f"{result.get('from_id')}->{result.get('to_id')}")
        self.problems.append({"code": "format-record", "message": message, "where": where})

    # spans and rectangles

    def _place(self, result: dict[str, Any]) -> None:
        name, value = result.get("id"), result.get("value")
        if not isinstance(name, str) or not name or not isinstance(value, dict):
            raise _UnusableError("a result without an id or a value")
        if name in self._entities or name in self._regions:
            raise _UnusableError("two results have the same id")
        if result["type"] == "labels":
            self._span(name, result, value)
        else:
            self._rectangle(name, result, value)

    def _span(self, name: str, result: dict[str, Any], value: dict[str, Any]) -> None:
        text = self.texts.get(str(result.get("to_name")))
        if text is None:
            raise _UnusableError(f"no text is named {result.get('to_name')!r}")
        labels = _names(value.get("labels"))
        if not labels:
            raise _UnusableError("a span without a label")
        span = text.span(value, self.offsets)
        self._entities[name] = [
            {
                "id": name if number == 0 else f"{name}/{number}",
                "span": dict(span),
                "type": label,
                **_score(result),
            }
            for number, label in enumerate(labels)
        ]

    def _rectangle(self, name: str, result: dict[str, Any], value: dict[str, Any]) -> None:
        names = self.images.get(str(result.get("to_name")), [])
        index = result.get("item_index", 0)
        if not _is_whole(index) or index >= len(names):
            raise _UnusableError(f"no picture {index!r} is named {result.get('to_name')!r}")
        medium = self.media[names[index]]
        region: dict[str, Any] = {"id": name, "media": medium["id"], **_score(result)}
        box, turned = _box(medium, result, value)
        region["box"] = {key: getattr(box, key) for key in ("x1", "y1", "x2", "y2", "media")}
        labels = _names(value.get("rectanglelabels"))
        if labels:
            region["label"] = labels[0]
        self._regions[name] = region
        if len(labels) > 1:
            self._note(result, f"of {len(labels)} labels the first is kept")
        if turned:
            self._note(result, "a turned rectangle became the upright one around it")

    # choices on them

    def _choice(self, result: dict[str, Any]) -> None:
        group = self._entities.get(str(result.get("id")))
        value = result.get("value")
        choices = _names(value.get("choices")) if isinstance(value, dict) else []
        control = result.get("from_name")
        if group is None or not choices:
            raise _UnusableError("a choice that belongs to no span")
        if control == CONTROLS["fine_type"]:
            group[0]["fine_type"] = choices[0]
        elif control == CONTROLS["absent"] and choices == [ABSENT]:
            group[0]["grounding"] = {"status": "absent"}
        else:
            raise _UnusableError(f"the control {control!r} is none of magpie's")

    # arrows

    def _arrow(
        self,
        result: dict[str, Any],
        relations: list[dict[str, Any]],
        links: list[dict[str, Any]],
    ) -> None:
        head, tail = str(result.get("from_id")), str(result.get("to_id"))
        if result.get("direction") == "left":
            head, tail = tail, head
        for name in (head, tail):
            if name not in self._entities and name not in self._regions:
                raise _UnusableError(f"an arrow to {name!r}, which is not there")
        labels = _names(result.get("labels"))
        ends = [(head, tail)]
        if result.get("direction") == "bi" and labels:
            ends.append((tail, head))
        for label in labels:
            relations += [{"head": a, "tail": b, "type": label} for a, b in ends]
        if labels:
            self._named |= {head, tail}
        elif head in self._entities and tail in self._entities:
            links.append({"head": head, "tail": tail})
        elif head in self._entities or tail in self._entities:
            self._show(*((head, tail) if head in self._entities else (tail, head)))
        else:
            raise _UnusableError("an arrow without a label between two rectangles")

    def _show(self, entity: str, region: str) -> None:
        grounding = self._entities[entity][0].setdefault("grounding", {"status": "regions"})
        if grounding["status"] == "absent":
            raise _UnusableError("a rectangle for an entity that is said to be absent")
        grounding.setdefault("regions", []).append(self._regions[region])
        self._shown.add(region)


def _step(result: dict[str, Any]) -> int:
    """When a result is looked at."""
    kinds = {"labels": 0, "rectanglelabels": 0, "rectangle": 0, "choices": 1, "relation": 2}
    return kinds.get(str(result.get("type")), 3)


def _names(labels: Any) -> list[str]:
    """The labels, choices or types of a result; none where the key is not there."""
    if labels is None:
        return []
    if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
        raise _UnusableError(f"expected a list of names, found {labels!r:.60}")
    return [name for name in labels if name]


def _score(result: dict[str, Any]) -> dict[str, float]:
    score = result.get("score")
    return {} if score is None else {"score": score}


def _box(medium: dict[str, Any], result: dict[str, Any], value: dict[str, Any]) -> tuple[Box, bool]:
    """The box in pixels, cut at the picture's edges, and whether it had been turned.

    Percentages refer to the picture's own size, whatever size it was shown in.
    """
    for key in ("width", "height"):
        if medium.get(key) is None:
            stated = result.get(f"original_{key}")
            if not _is_whole(stated) or stated == 0:
                raise _UnusableError("the size of the picture is not known")
            medium[key] = stated
    width, height = medium["width"], medium["height"]
    try:
        x, y, wide, high = (float(value[key]) for key in ("x", "y", "width", "height"))
        angle = math.radians(float(value.get("rotation") or 0))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _UnusableError("x, y, width and height must be numbers") from error
    x, y, wide, high = x * width / 100, y * height / 100, wide * width / 100, high * height / 100
    x1, y1, x2, y2 = x, y, x + wide, y + high
    if angle:
        # Rectangles turn clockwise round their top-left corner.
        xs = [x + a * math.cos(angle) - b * math.sin(angle) for a in (0, wide) for b in (0, high)]
        ys = [y + a * math.sin(angle) + b * math.cos(angle) for a in (0, wide) for b in (0, high)]
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
    box = Box(x1, y1, x2, y2, medium["id"]).clipped(width, height)
    if box is None:
        raise SchemaError("the box lies outside the picture", code="schema-box")
    return box, bool(angle)
