"""Pictures drawn from a post's text, where nobody published generated ones.

``pipeline:NAME`` stands where a folder of generated pictures is named
(:class:`magpie.features.generated.Generated`). The prompt is the post's text; the seed follows from
it, so the same words have the same picture in every document, on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from magpie._io import text_digest
from magpie.corpora.side import GENERATED
from magpie.errors import ConfigError
from magpie.features.generated import Generated, generated_view, view_of
from magpie.features.needs import Asset, Need
from magpie.features.source import Arrays, Ask, Source
from magpie.features.spelled import name_and_settings
from magpie.schema import Document, Media

if TYPE_CHECKING:
    from magpie.backbones.diffusion import TextToImage

__all__ = ["PIPELINE", "Drawn", "DrawnSource", "drawn_need", "generated_views"]

#: what a pipeline's name begins with, where a folder of generated pictures is named
PIPELINE = "pipeline:"


@dataclass(frozen=True, slots=True)
class Drawn(Need):
    """The picture that a text-to-image pipeline draws of the post's text: ``png`` uint8 [n], an
    encoded file.

    ``side`` is its width and height in pixels, ``guidance`` the weight of the prompt, ``seed`` is
    mixed with the text to make that of the noise.

    Raises:
        ConfigError: no pipeline, or a size or number of steps below 1.
    """

    pipeline: str
    side: int = 512
    steps: int = 30
    guidance: float = 7.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.pipeline or self.side < 1 or self.steps < 1:
            raise ConfigError(
                f"a pipeline needs a name, a side and steps of at least 1, got "
                f"{self.pipeline!r}, {self.side} and {self.steps}",
                mend=f"For example {PIPELINE}models/stable-diffusion.",
            )

    def seed_of(self, prompt: str) -> int:
        """The seed of the noise for these words, below 2^63."""
        digest = hashlib.sha256(f"{self.seed}\n{prompt}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1


class DrawnSource(Source):
    """Pictures by pipelines that are loaded when first asked for, one at a time.

    Args:
        device: that pipelines run on.
        load: finds a pipeline by name; replaced by those who hold it already.
    """

    kind: ClassVar[type[Need]] = Drawn

    def __init__(
        self, *, device: str = "cpu", load: Callable[[str], TextToImage] | None = None
    ) -> None:
        self.device = device
        self._load = load
        self._loaded: dict[str, tuple[TextToImage, dict[str, str]]] = {}

    def ask(self, document: Document, need: Drawn) -> Ask | Asset:
        prompt = " ".join(" ".join(block.text for block in document.blocks).split())
        if not prompt:
            return Asset.absent("the document has no text to draw a picture of")
        return Ask({"prompt": text_digest(prompt)}, prompt)

    def compute(self, asks: Sequence[Ask], need: Drawn) -> list[Arrays | Asset]:
        pipeline, _ = self._pipeline(need)
        made: list[Arrays | Asset] = []
        for ask in asks:
            prompt = cast(str, ask.payload)
            how: dict[str, Any] = {
                "side": need.side, "steps": need.steps, "guidance": need.guidance,
            }  # fmt: skip
            png = pipeline.draw(prompt, seed=need.seed_of(prompt), **how)
            if png is None:
                made.append(Asset.absent(f"{need.pipeline} held its picture back as unsafe"))
            else:
                made.append({"png": np.frombuffer(png, np.uint8)})
        return made

    def fingerprint(self, need: Drawn) -> dict[str, Any]:
        return {"version": self.version, "pipeline": self._pipeline(need)[1]}

    def _pipeline(self, need: Drawn) -> tuple[TextToImage, dict[str, str]]:
        if need.pipeline not in self._loaded:
            from magpie.backbones.diffusion import load_text_to_image

            found = (self._load or load_text_to_image)(need.pipeline).to(self.device)
            self._loaded[need.pipeline] = (found, found.fingerprint())
        return self._loaded[need.pipeline]


def drawn_need(folder: str) -> Drawn | None:
    """What has to be drawn where a folder of generated pictures is named; None for a folder.

    ``pipeline:NAME?side=256&steps=20`` changes settings of :class:`Drawn`.

    Raises:
        ConfigError: an unknown setting, or one without a number.
    """
    if not folder.startswith(PIPELINE):
        return None
    kinds = {"side": int, "steps": int, "guidance": float, "seed": int}
    name, settings = name_and_settings(folder, PIPELINE, kinds, "side=256&steps=20")
    return Drawn(name, **settings)


def generated_views(
    documents: Sequence[Document],
    need: Generated,
    supply: Callable[[Sequence[Document], Need], Sequence[Asset]],
) -> list[Document | Asset]:
    """Each document as if its generated picture were its only one.

    A medium ``generated`` of the document goes before whatever its folder or pipeline has.

    Args:
        documents: of posts.
        need: names folder or pipeline.
        supply: what a pipeline draws for some documents.

    Returns:
        a document each; an absent asset where there is no such picture.
    """
    drawn = drawn_need(need.folder)
    folder = need.folder if drawn is None else ""
    found: list[Document | Asset] = [
        generated_view(document, folder) or Asset.absent("no picture was generated from the text")
        for document in documents
    ]
    if drawn is None:
        return found
    rows = [row for row, view in enumerate(found) if isinstance(view, Asset)]
    assets = supply([documents[row] for row in rows], drawn)
    for row, asset in zip(rows, assets, strict=True):
        found[row] = asset
        if asset.present:
            # The address says who drew it; the content is what counts.
            png = asset.arrays["png"].tobytes()
            medium = Media(id=GENERATED, uri=PIPELINE + drawn.pipeline, data=png)
            found[row] = view_of(documents[row], medium)
    return found
