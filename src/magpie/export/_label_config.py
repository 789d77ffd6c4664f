"""Label Studio's labelling configuration: the XML that says which labels a project has.

Made with the labels of the documents at hand, and read to learn which key of a task's data holds
the text and which the pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from magpie.errors import FormatError, NotFoundError

__all__ = [
    "ABSENT",
    "CONTROLS",
    "MAX_CONFIG_BYTES",
    "LabelSets",
    "Objects",
    "config_xml",
    "fits_xml",
    "read_config",
]

#: our names of the controls, by what they hold
CONTROLS = {
    "entity": "entity",
    "fine_type": "fine_type",
    "absent": "grounding",
    "region": "region",
    "rectangle": "rectangle",
}

#: choice of the control ``grounding``
ABSENT = "absent"

#: Largest configuration that is read; one of a thousand labels has some 50 KB.
MAX_CONFIG_BYTES = 4 << 20

_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fits_xml(label: str) -> bool:
    """Whether XML can hold the label: most control characters cannot even be escaped."""
    return _UNFIT.search(label) is None


@dataclass(slots=True)
class LabelSets:
    """Labels in order of appearance (dicts, because sets have no order)."""

    types: dict[str, None] = field(default_factory=dict)
    fine_types: dict[str, None] = field(default_factory=dict)
    regions: dict[str, None] = field(default_factory=dict)
    relations: dict[str, None] = field(default_factory=dict)
    absent: bool = False  # some entity is known not to be in the pictures
    pictures: int = 0  # most pictures of one document


def config_xml(labels: LabelSets) -> str:
    """The configuration: spans of the text, boxes on the pictures and arrows among both."""
    from xml.etree import ElementTree as ET

    view = ET.Element("View")

    def control(
        tag: str, item: str, values: Iterable[str], name: str = "", target: str = "text"
    ) -> ET.Element:
        parent = ET.SubElement(view, tag)
        if name:
            parent.attrib.update(name=CONTROLS[name], toName=target)
        for value in values:
            ET.SubElement(parent, item, value=value)
        return parent

    if labels.relations:
        control("Relations", "Relation", labels.relations)
    if labels.types:
        control("Labels", "Label", labels.types, "entity")
    ET.SubElement(view, "Text", name="text", value="$text", granularity="symbol")
    if labels.fine_types:
        control("Choices", "Choice", labels.fine_types, "fine_type").set("perRegion", "true")
    if labels.absent or labels.pictures:
        control("Choices", "Choice", [ABSENT], "absent").set("perRegion", "true")
    if labels.pictures:
        if labels.regions:
            control("RectangleLabels", "Label", labels.regions, "region", "image")
        control("Rectangle", "", (), "rectangle", "image")
        key, shown = ("valueList", "$images") if labels.pictures > 1 else ("value", "$image")
        ET.SubElement(view, "Image", {"name": "image", key: shown})
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


@dataclass(slots=True)
class Objects:
    """Names of the Text and Image tags, each with the key of the data that it shows."""

    texts: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


def read_config(path: Path) -> Objects:
    """The objects of a labelling configuration.

    Raises:
        NotFoundError: no such file.
        FormatError: not well-formed, with a DOCTYPE, or larger than :data:`MAX_CONFIG_BYTES`.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError("no such file", where=str(path)) from error
    if len(data) > MAX_CONFIG_BYTES:
        raise FormatError(
            f"the file is larger than {MAX_CONFIG_BYTES} bytes",
            code="format-too-long",
            where=str(path),
        )
    objects = Objects()
    # The encoding is fixed, so that no declaration can hide a DOCTYPE behind another one.
    parser = expat.ParserCreate("UTF-8")

    def refuse(*_: object) -> None:
        raise FormatError(
            "the file declares a document type, which configurations never do",
            code="format-xml",
            where=f"{path}:{parser.CurrentLineNumber}",
            mend="Remove the DOCTYPE; entity declarations are not expanded.",
        )

    def start(tag: str, attributes: dict[str, str]) -> None:
        shown = attributes.get("value") or attributes.get("valueList") or ""
        if "name" in attributes and shown.startswith("$"):
            if tag in ("Text", "HyperText"):
                objects.texts[attributes["name"]] = shown[1:]
            elif tag == "Image":
                objects.images[attributes["name"]] = shown[1:]

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise FormatError(
            f"not well-formed XML: {expat.errors.messages[error.code]}",
            code="format-xml",
            where=f"{path}:{error.lineno}",
        ) from error
    return objects
