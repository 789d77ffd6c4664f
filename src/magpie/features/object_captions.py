"""Captions of the given objects, written by a model that is shown each cut-out by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from magpie._io import dump_json, parse_json
from magpie.errors import ConfigError, MagpieError
from magpie.features.captions import caption_need
from magpie.features.cuts import cut_out
from magpie.features.needs import Asset, Need
from magpie.features.objects import GivenObjects, box_in, load_pictures
from magpie.features.source import Arrays, Ask, Picture, Pictures
from magpie.schema import Region

if TYPE_CHECKING:
    from magpie.backbones.captioner import Captioner

__all__ = ["ObjectCaptionSource", "ObjectCaptions", "object_captions"]


@dataclass(frozen=True, slots=True)
class ObjectCaptions(Need):
    """What a captioner says of each given object: ``texts``, one an object, in their order, empty
    where the object's own picture cannot be read; at most ``count``, see
    :class:`~magpie.features.objects.ObjectCrops`.

    Raises:
        ConfigError: no captioner, or a length or count below 1.
    """

    captioner: str
    count: int = 10
    #: new pieces of a caption
    length: int = 40

    def __post_init__(self) -> None:
        if not self.captioner or self.length < 1 or self.count < 1:
            raise ConfigError(
                "captions of objects need a captioner, a length and a count of at least 1, got "
                f"{self.captioner!r}, {self.length} and {self.count}"
            )


def object_captions(name: str, count: int) -> ObjectCaptions:
    """What ``captioner:NAME`` or ``captioner:NAME?length=20`` asks for of ``count`` objects.

    Raises:
        ConfigError: another setting: objects are described in the captioner's own way.
    """
    asked = caption_need(name)
    if asked.prompt or asked.beams != 1:
        raise ConfigError(
            f"captions of objects have no prompt and no beams, got {name}",
            mend="The length can be set: captioner:NAME?length=20.",
        )
    return ObjectCaptions(asked.captioner, count, asked.length)


class ObjectCaptionSource(GivenObjects):
    """Captions by models that are loaded when first asked for.

    Args:
        pictures: where pictures are read from.
        device: that captioners run on.
        load: finds a captioner by name; replaced by those who hold it already.
    """

    kind: ClassVar[type[Need]] = ObjectCaptions

    def __init__(
        self,
        pictures: Pictures,
        *,
        device: str = "cpu",
        load: Callable[[str], Captioner] | None = None,
    ) -> None:
        super().__init__(pictures)
        self._device = device
        self._load = load
        self._loaded: dict[str, tuple[Captioner, dict[str, str]]] = {}

    def compute(self, asks: Sequence[Ask], need: ObjectCaptions) -> list[Arrays | Asset]:
        return [self._said(ask, need) for ask in asks]

    def finish(self, arrays: Arrays, need: ObjectCaptions) -> Asset:
        return Asset(texts=tuple(cast(list[str], parse_json(arrays["utf8"].tobytes()))))

    def fingerprint(self, need: ObjectCaptions) -> dict[str, Any]:
        return {"version": self.version, "captioner": self._captioner(need.captioner)[1]}

    def _said(self, ask: Ask, need: ObjectCaptions) -> Arrays | Asset:
        regions: list[Region] = ask.payload[1]
        read: dict[str, Picture] = ask.payload[2]
        try:
            images = load_pictures(read)
        except MagpieError as error:
            return Asset.absent(str(error))
        texts, cuts, rows = [""] * len(regions), [], []
        for row, region in enumerate(regions):
            image = images.get(region.media)
            box = None if image is None else box_in(region, image.width, image.height)
            cut = None if image is None or box is None else cut_out(image, box)
            if cut is not None:
                cuts.append(cut)
                rows.append(row)
        captioner, _ = self._captioner(need.captioner)
        for row, text in zip(rows, captioner.caption(cuts, length=need.length), strict=True):
            texts[row] = text
        return {"utf8": np.frombuffer(dump_json(texts).encode(), np.uint8)}

    def _captioner(self, name: str) -> tuple[Captioner, dict[str, str]]:
        if name not in self._loaded:
            from magpie.backbones.captioner import load_captioner

            found = (self._load or load_captioner)(name).to(self._device)
            self._loaded[name] = (found, found.fingerprint())
        return self._loaded[name]
