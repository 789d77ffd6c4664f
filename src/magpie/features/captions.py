"""Captions that a model writes, where nobody published any.

``captioner:NAME`` is the name of a source of captions as ``minicpm`` is: methods name it among
their sources, recipes in ``data.context``. A document that already carries a text of that source is
not looked at again. Settings of :class:`Captions` follow a question mark:
``captioner:NAME?length=128&prompt=Describe the picture.``
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from magpie.errors import ConfigError, MagpieError
from magpie.features.needs import Asset, Need, Texts
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source, first_picture
from magpie.features.spelled import name_and_settings
from magpie.schema import ContextText, Document

if TYPE_CHECKING:
    from magpie.backbones.captioner import Captioner

__all__ = [
    "CAPTIONER",
    "CaptionSource",
    "Captions",
    "caption_need",
    "caption_needs",
    "is_captioner",
    "with_captions",
]

#: what a captioner's name begins with, among sources of text
CAPTIONER = "captioner:"


@dataclass(frozen=True, slots=True)
class Captions(Need):
    """What a captioner says of the first picture: ``texts`` holds one caption.

    ``prompt`` is empty for the captioner's own; ``length`` counts new pieces; one of ``beams`` is
    greedy.

    Raises:
        ConfigError: no captioner, or a length or number of beams below 1.
    """

    captioner: str
    prompt: str = ""
    length: int = 40
    beams: int = 1

    def __post_init__(self) -> None:
        if not self.captioner or self.length < 1 or self.beams < 1:
            raise ConfigError(
                f"a captioner needs a name, a length and beams of at least 1, got "
                f"{self.captioner!r}, {self.length} and {self.beams}",
                mend=f"For example {CAPTIONER}Salesforce/blip-image-captioning-base.",
            )


class CaptionSource(Source):
    """Captions by models that are loaded when first asked for.

    A picture that cannot be read is set aside with its reason; so is one of which the model says
    nothing.

    Args:
        pictures: where pictures are read from.
        device: that captioners run on.
        batch: pictures at once.
        load: finds a captioner by name; replaced by those who hold it already.
    """

    kind: ClassVar[type[Need]] = Captions

    def __init__(
        self,
        pictures: Pictures,
        *,
        device: str = "cpu",
        batch: int = 8,
        load: Callable[[str], Captioner] | None = None,
    ) -> None:
        self.pictures = pictures
        self.device = device
        self.batch = batch
        self._load = load
        self._loaded: dict[str, tuple[Captioner, dict[str, str]]] = {}

    def ask(self, document: Document, need: Captions) -> Ask | Asset:
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        return Ask({"picture": picture.digest}, picture)

    def compute(self, asks: Sequence[Ask], need: Captions) -> list[Arrays | Asset]:
        made: list[Arrays | Asset] = []
        images = []
        for ask in asks:
            try:
                images.append(cast(Picture, ask.payload).load())
                made.append({})
            except MagpieError as error:
                made.append(Asset.absent(str(error)))
        captioner, _ = self._captioner(need)
        how: dict[str, Any] = {"prompt": need.prompt, "length": need.length, "beams": need.beams}
        texts = iter(captioner.caption(images, **how))
        return [part if isinstance(part, Asset) else _kept(next(texts), need) for part in made]

    def finish(self, arrays: Arrays, need: Captions) -> Asset:
        return Asset(texts=(arrays["utf8"].tobytes().decode(),))

    def fingerprint(self, need: Captions) -> dict[str, Any]:
        return {"version": self.version, "captioner": self._captioner(need)[1]}

    def _captioner(self, need: Captions) -> tuple[Captioner, dict[str, str]]:
        if need.captioner not in self._loaded:
            from magpie.backbones.captioner import load_captioner

            found = (self._load or load_captioner)(need.captioner).to(self.device)
            self._loaded[need.captioner] = (found, found.fingerprint())
        return self._loaded[need.captioner]


def _kept(text: str, need: Captions) -> Arrays | Asset:
    if not text:
        return Asset.absent(f"{need.captioner} says nothing of the picture")
    return {"utf8": np.frombuffer(text.encode(), np.uint8)}


def is_captioner(name: str) -> bool:
    """Whether a source of text is a captioner by name."""
    return name.startswith(CAPTIONER)


def caption_needs(need: Need) -> tuple[Captions, ...]:
    """What has to be computed for texts: a need a captioner among their sources."""
    if not isinstance(need, Texts):
        return ()
    return tuple(caption_need(name) for name in need.sources if is_captioner(name))


def with_captions(
    documents: Sequence[Document],
    names: Sequence[str],
    supply: Callable[[Sequence[Document], Captions], Sequence[Asset]],
) -> tuple[list[Document], list[tuple[str, ...]]]:
    """The documents with a context text a captioner, and why there is none, for each document.

    Args:
        documents: those that have a text of a captioner keep it.
        names: of captioners, ``captioner:NAME``.
        supply: the captions of some documents.
    """
    found = list(documents)
    reasons: list[tuple[str, ...]] = [()] * len(found)
    for name in dict.fromkeys(names):
        lacking = [
            row
            for row, document in enumerate(found)
            if all(text.source != name for text in document.context)
        ]
        assets = supply([found[row] for row in lacking], caption_need(name)) if lacking else ()
        for row, asset in zip(lacking, assets, strict=True):
            if not asset.present:
                reasons[row] += (asset.reason,)
                continue
            medium = first_picture(found[row])
            text = ContextText(
                kind="caption",
                text=asset.texts[0],
                source=name,
                media=None if medium is None else medium.id,
            )
            found[row] = dataclasses.replace(found[row], context=(*found[row].context, text))
    return found, reasons


def caption_need(name: str) -> Captions:
    """What ``captioner:NAME?key=value&...`` asks for.

    Raises:
        ConfigError: an unknown setting, or a length or number of beams that is no whole number.

    Example:
        >>> caption_need("captioner:llava?length=128&prompt=Who is there?")
        Captions(captioner='llava', prompt='Who is there?', length=128, beams=1)
    """
    kinds = {"prompt": str, "length": int, "beams": int}
    captioner, settings = name_and_settings(name, CAPTIONER, kinds, "length=128&beams=3")
    return Captions(captioner, **settings)
