"""Pascal-VOC box files: names, boxes and the picture's size, read without trusting the file.

Document type declarations are refused before anything in them is looked at, so neither entity
expansion nor outside references can happen. Coordinates stay as written (labelImg's 1-based
corners): the public evaluators compare them with 0-based detector boxes, and so do we.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from xml.parsers import expat

from magpie.errors import FormatError

__all__ = ["MAX_XML_BYTES", "VocFile", "VocObject", "parse_voc"]

#: Largest box file; the largest published one has some 8 KB.
MAX_XML_BYTES = 1 << 20

_COORDINATES = ("xmin", "ymin", "xmax", "ymax")
_MAX_DEPTH = 32


@dataclass(slots=True)
class VocObject:
    """One ``<object>``: its name without surrounding spaces, its line, its corners if it has any.

    ``box`` is (x1, y1, x2, y2) as written, or None with the reason in ``problem``.
    """

    line: int
    name: str = ""
    box: tuple[float, float, float, float] | None = None
    problem: str = ""


@dataclass(slots=True)
class VocFile:
    """``size`` is (width, height) in pixels, None where the file does not say."""

    size: tuple[int, int] | None = None
    objects: list[VocObject] = field(default_factory=list)


def parse_voc(data: bytes, *, where: str) -> VocFile:
    """Reads one box file.

    Args:
        data: UTF-8 XML of at most :data:`MAX_XML_BYTES`.
        where: the file, for messages.

    Raises:
        FormatError: not well-formed, not an ``<annotation>``, or with a DOCTYPE.
    """
    if len(data) > MAX_XML_BYTES:
        raise FormatError(
            f"the file is larger than {MAX_XML_BYTES} bytes", code="format-too-long", where=where
        )
    builder = _Builder(where)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise FormatError(
            f"not well-formed XML: {expat.errors.messages[error.code]}",
            code="format-xml",
            where=f"{where}:{error.lineno}",
            mend="Fetch the file again, or mend it by hand.",
        ) from error
    return builder.result()


class _Builder:
    """Collects the few elements that matter while expat walks through the file."""

    def __init__(self, where: str) -> None:
        self.where = where
        # The encoding is fixed: a declaration cannot switch to one in which a DOCTYPE looks
        # different.
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.buffer_text = True
        self.path: list[str] = []
        self.text: list[str] = []
        self.file = VocFile()
        self.size: dict[str, str] = {}
        self.corners: dict[str, str] = {}

    def _refuse(self, *_: object) -> None:
        raise FormatError(
            "the file declares a document type, which box files never do",
            code="format-xml",
            where=f"{self.where}:{self.parser.CurrentLineNumber}",
            mend="Remove the DOCTYPE; entity declarations are not expanded.",
        )

    def _start(self, tag: str, _: object) -> None:
        line = self.parser.CurrentLineNumber
        if not self.path and tag != "annotation":
            raise FormatError(
                f"expected <annotation>, came <{tag[:40]}>",
                code="format-xml",
                where=f"{self.where}:{line}",
            )
        if len(self.path) >= _MAX_DEPTH:
            raise FormatError(
                "elements are nested too deeply", code="format-xml", where=f"{self.where}:{line}"
            )
        self.path.append(tag)
        self.text = []
        if self.path == ["annotation", "object"]:
            self.file.objects.append(VocObject(line))
            self.corners = {}

    def _characters(self, text: str) -> None:
        self.text.append(text)

    def _end(self, _: str) -> None:
        text = "".join(self.text).strip()
        match self.path:
            case ["annotation", "size", name]:
                self.size[name] = text
            case ["annotation", "object", "name"]:
                self.file.objects[-1].name = text
            case ["annotation", "object", "bndbox", name]:
                self.corners[name] = text
            case ["annotation", "object"]:
                self._finish(self.file.objects[-1])
        self.path.pop()
        self.text = []

    def _finish(self, item: VocObject) -> None:
        if not self.corners:
            item.problem = "it has no bndbox"
            return
        try:
            x1, y1, x2, y2 = (float(self.corners[name]) for name in _COORDINATES)
        except (KeyError, ValueError):
            item.problem = f"its corners are no four numbers: {self.corners!r:.80}"
            return
        if not all(map(math.isfinite, (x1, y1, x2, y2))) or x1 >= x2 or y1 >= y2:
            item.problem = f"its box {(x1, y1, x2, y2)} has no finite area"
            return
        item.box = (x1, y1, x2, y2)

    def result(self) -> VocFile:
        width, height = self.size.get("width", ""), self.size.get("height", "")
        if width.isdecimal() and height.isdecimal() and len(width + height) < 16:
            size = (int(width), int(height))
            # Zero is what labelling tools write when they could not open the picture.
            self.file.size = size if min(size) > 0 else None
        return self.file
