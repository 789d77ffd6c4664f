"""The pictures of a report: shrunk, embedded, with the places drawn over them as SVG."""

from __future__ import annotations

import base64
import io
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

from magpie.errors import MagpieError
from magpie.schema import Document, Media
from magpie.vision import ImageSource, LoadedImage, load_image, resize_within
from magpie.viz._html import Html, element, join, void
from magpie.viz._places import Place, fit_text, label_positions, places
from magpie.viz._text import describe_entity, type_class

if TYPE_CHECKING:
    import os

__all__ = ["Images", "encode_picture", "figure", "folder_images"]

#: Where the pictures come from: a function of the document and the medium (None: there is none),
#: or a table by (document id, media id).
Images: TypeAlias = (
    Callable[[Document, Media], "ImageSource | LoadedImage | None"]
    | Mapping[tuple[str, str], "ImageSource | LoadedImage"]
)

#: Space, in CSS pixels, that a picture usually gets on the page; sizes the labels.
_SHOWN_WIDTH, _SHOWN_HEIGHT = 460.0, 560.0
_JPEG_QUALITY = 85


def folder_images(
    root: str | os.PathLike[str], *, allow_remote: bool = False
) -> Callable[[Document, Media], LoadedImage | None]:
    """Loads each medium's own path below ``root``, or its bytes; see ``vision.load_image``."""

    def load(document: Document, medium: Media) -> LoadedImage | None:
        if not medium.present:
            return None
        return load_image(medium, root=root, allow_remote=allow_remote)

    return load


def encode_picture(
    document: Document, medium: Media, images: Images | None, max_side: int
) -> tuple[bytes, tuple[int, int]] | None:
    """A shrunk JPEG and the size that the boxes refer to; None where there is no picture.

    Raises:
        MagpieError: the picture cannot be loaded.
    """
    from PIL import Image

    source: ImageSource | LoadedImage | None
    if images is None:
        source = medium.data
    elif isinstance(images, Mapping):
        source = images.get((document.id, medium.id))
    else:
        source = images(document, medium)
    if source is None:
        return None
    loaded = source if isinstance(source, LoadedImage) else load_image(source, max_side=max_side)
    pixels, _ = resize_within(loaded, max_side)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue(), (medium.width or loaded.width, medium.height or loaded.height)


def figure(document: Document, medium: Media, images: Images | None, max_side: int) -> Html:
    """The picture with its places and a caption; where it cannot be shown, the reason."""
    name = "" if medium.uri is None else PurePath(medium.uri).name or medium.uri
    caption = [element("bdi", medium.id)]
    if name:
        caption += [join(" "), element("bdi", name, class_="file")]
    picture: Html
    try:
        encoded = None
        if medium.kind == "image":
            encoded = encode_picture(document, medium, images, max_side)
        if encoded is None:
            picture = element("p", _why_not(medium), class_="nopicture")
        else:
            data, size = encoded
            caption.append(join(f" {size[0]} × {size[1]}"))
            picture = _framed(document, medium, data, size)
    except MagpieError as error:
        picture = element("p", f"not shown: {error.message} [{error.code}]", class_="nopicture")
    return element("figure", picture, element("figcaption", *caption))


def _why_not(medium: Media) -> str:
    if medium.missing is not None:
        return f"not there: {medium.missing}"
    if medium.kind != "image":
        return f"{medium.kind}: not shown here"
    return "no picture was handed to this report"


def _framed(document: Document, medium: Media, data: bytes, size: tuple[int, int]) -> Html:
    width, height = size
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
    image = void(
        "img", src=uri, width=width, height=height, alt=f"picture {medium.id} of {document.id}"
    )
    return element("div", image, _overlay(document, medium.id, size), class_="frame")


def _overlay(document: Document, media: str, size: tuple[int, int]) -> Html:
    width, height = size
    found = places(document, media, width, height)
    scale = min(_SHOWN_WIDTH / width, _SHOWN_HEIGHT / height)
    letter = 12.0 / scale
    chips = [_chip_texts(document, place, letter, width) for place in found]
    sizes = [
        (max((wide for _, _, wide in lines), default=0.0), 1.5 * letter * len(lines))
        for lines in chips
    ]
    positions = label_positions([place.box for place in found], sizes, width, height)
    groups = [
        _group(document, place, lines, position, letter)
        for place, lines, position in zip(found, chips, positions, strict=True)
    ]
    return element(
        "svg",
        *groups,
        **{
            "viewBox": f"0 0 {width} {height}",
            "role": "group",
            "aria-label": f"{len(found)} places on picture {media}",
            "class": "many" if len(found) > 12 else None,
        },
    )


#: (type class and position of the entity, text, width) of one line of a place's label
_Line: TypeAlias = tuple[tuple[str, int | None], str, float]


def _chip_texts(document: Document, place: Place, letter: float, width: float) -> list[_Line]:
    """A line an entity, else the free-standing regions' labels."""
    names: list[tuple[tuple[str, int | None], str]] = [
        ((type_class(entity.type), index), document.text_of(entity))
        for index, entity in place.entities
    ]
    if not names:
        labels = dict.fromkeys(region.label for region in place.regions if region.label)
        names = [(("t-region", None), label) for label in labels]
    lines = []
    for key, name in names:
        text = fit_text(" ".join(name.split()), 0.9 * width, lambda t: _text_width(t) * letter)
        if text:
            lines.append((key, text, (_text_width(text) + 1.0) * letter))
    return lines


def _text_width(text: str) -> float:
    """Estimated width in units of the letter height; the browser's font is not known here."""
    total = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WF":
            total += 1.05
        elif unicodedata.combining(character) == 0:
            total += 0.72 if character.isupper() else 0.57
    return total


def _group(
    document: Document,
    place: Place,
    lines: list[_Line],
    position: tuple[float, float],
    letter: float,
) -> Html:
    """One place: its outline, then its label; focus and pointer light up the entities."""
    x1, y1, x2, y2 = place.box
    corners = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    kind = type_class(place.entities[0][1].type) if place.entities else "t-region"
    descriptions = [describe_entity(document, entity) for _, entity in place.entities]
    if not descriptions:
        descriptions = [region.label or "region" for region in place.regions]
    chips = [
        _chip(line, position[0], position[1] + 1.5 * letter * row, letter)
        for row, line in enumerate(lines)
    ]
    described = "; ".join(descriptions)
    return element(
        "g",
        element("title", described),
        element("rect", class_="under", **corners),
        element("rect", class_=f"line {kind} {place.kind}", **corners),
        *chips,
        class_="place" if place.entities else "place free",
        tabindex=0,
        role="button",
        aria_pressed="false",
        aria_label=described,
        data_e=" ".join(str(index) for index, _ in place.entities) or None,
    )


def _chip(line: _Line, x: float, y: float, letter: float) -> Html:
    (kind, index), text, wide = line
    back = element("rect", x=x, y=y, width=wide, height=1.5 * letter, rx=0.3 * letter)
    label = element(
        "text", text, x=x + wide / 2, y=y + 1.07 * letter, font_size=letter, text_anchor="middle"
    )
    return element("g", back, label, class_=f"chip {kind}", data_e=index)
