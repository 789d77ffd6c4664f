"""From needs to assets: for each kind of need a source, and one cache for all of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from magpie._io import dump_json, parse_json
from magpie.errors import ConfigError, ModelError
from magpie.features.boxes import Boxes
from magpie.features.captions import (
    CaptionSource,
    caption_needs,
    is_captioner,
    with_captions,
)
from magpie.features.depth import DepthSource
from magpie.features.divergence import (
    DivergenceScores,
    PairScoreSource,
    PublishedScores,
    both_scores,
    pair_needs,
)
from magpie.features.drawn import DrawnSource, drawn_need, generated_views
from magpie.features.each import PerPicture, gather, inner, picture_views
from magpie.features.frames import FrameSource
from magpie.features.generated import Generated
from magpie.features.geometry import GeometrySource
from magpie.features.graphs import AlignmentSource, TextSceneSource, WordGraphSource
from magpie.features.needs import Asset, Assets, Crops, Grid, Need, Pixels, Pyramid, Texts
from magpie.features.noun_chunks import ChunkSource, NounChunks, chunk_names, phrases_of
from magpie.features.object_captions import ObjectCaptionSource
from magpie.features.objects import ObjectSource
from magpie.features.parsing import Parser, Parsers
from magpie.features.phrases import Phrases, SidePhrases
from magpie.features.picture_kinds import PictureKindSource
from magpie.features.picture_scenes import PictureSceneSource
from magpie.features.pixels import CropSource, PixelSource
from magpie.features.proposals import Proposer
from magpie.features.region_names import RegionNames
from magpie.features.regions import RegionSource
from magpie.features.side_graphs import SideGraphs
from magpie.features.source import Arrays, Ask, Pictures, Source, undisturbed
from magpie.schema import Document

if TYPE_CHECKING:
    from magpie.features.store import Store
    from magpie.vision import ImageLimits

__all__ = ["Kept", "Supplier", "texts_of"]

_log = logging.getLogger(__name__)

#: supplies a need without any cache
Supply = Callable[[Document, Need], Asset]


class Supplier:
    """Supplies needs document by document, or many at a time.

    Args:
        root: folder that relative picture paths start from.
        limits: bytes and pixels one picture may cost.
        store: where results are kept; without one they are computed each time.
        boxes: sources of boxes for :class:`~magpie.features.Crops`, by name, beside those of
            :mod:`magpie.features.region_names`.
        regions: folders of published region features, by name.
        proposers: further makers of regions with features, by name.
        parsers: of texts, by name, beside those of :mod:`magpie.features.parsing`.
        corpora: the folder of all corpora, for boxes and graphs that were published beside them
            (default: ``MAGPIE_DATA``).
        device: that frozen backbones run on.
        sources: further or other sources by kind of need.
        suppliers: plain functions by kind of need; their results are not kept.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str] | None = None,
        limits: ImageLimits | None = None,
        store: Store | None = None,
        boxes: Mapping[str, Boxes] | None = None,
        regions: Mapping[str, str | os.PathLike[str]] | None = None,
        proposers: Mapping[str, Proposer] | None = None,
        parsers: Mapping[str, Parser] | None = None,
        corpora: str | os.PathLike[str] | None = None,
        device: str = "cpu",
        sources: Sequence[Source] = (),
        suppliers: Mapping[type[Need], Supply] | None = None,
    ) -> None:
        pictures = Pictures(root, limits)
        names = RegionNames(boxes, proposers, corpora=corpora, device=device)
        parsed, graphs = Parsers(parsers), SideGraphs(corpora)
        seen = RegionSource(regions, pictures, names)
        words = WordGraphSource(parsed, graphs)
        scenes = PictureSceneSource(seen, names, graphs)
        own = [
            PixelSource(pictures),
            CropSource(pictures, names),
            seen,
            words,
            TextSceneSource(parsed),
            ChunkSource(parsed),
            scenes,
            AlignmentSource(words, scenes),
            CaptionSource(pictures, device=device),
            PictureKindSource(pictures, device=device),
            PairScoreSource(pictures, device=device),
            DrawnSource(device=device),
            ObjectSource(pictures),
            DepthSource(pictures, device=device),
            ObjectCaptionSource(pictures, device=device),
            FrameSource(pictures, names),
            GeometrySource(pictures, names),
        ]
        self.store = store
        self._pictures = pictures
        self._parsers = parsed
        self._device = device
        self._sources: dict[type[Need], Source] = {s.kind: s for s in (*own, *sources)}
        self._kept: dict[Need, Kept] = {}
        self._plain: dict[type[Need], Supply] = {
            Texts: texts_of,
            DivergenceScores: PublishedScores(corpora),
            Phrases: SidePhrases(corpora),
            **(suppliers or {}),
        }

    def __call__(self, document: Document, needs: Iterable[Need]) -> Assets:
        """Every need of one document; what cannot be had is an absent asset with its reason.

        Raises:
            ConfigError: nobody supplies a need of this kind, or under the name it gives.
            ModelError: a backbone is not on this machine.
        """
        return self.many([document], needs)[0]

    def many(self, documents: Sequence[Document], needs: Iterable[Need]) -> list[Assets]:
        """As :meth:`__call__` for several documents at once, which frozen backbones like better."""
        found: list[dict[Need, Asset]] = [{} for _ in documents]
        with undisturbed():
            for need in needs:
                for row, asset in zip(found, self._supply(documents, need), strict=True):
                    row[need] = asset
        return list(found)

    def stream(
        self, documents: Iterable[Document], needs: Iterable[Need]
    ) -> Iterator[tuple[Document, Assets]]:
        """Documents with their assets, one at a time."""
        wanted = frozenset(needs)
        for document in documents:
            yield document, self(document, wanted)

    def source(self, need: Need) -> Source | None:
        """Who computes a need; None where it is read off the document itself.

        Raises:
            ConfigError: nobody supplies a need of this kind.
        """
        need = inner(need)
        if type(need) in self._plain:
            return None
        found = self._sources.get(type(need))
        if found is None and type(need) is Grid:
            # Here, because it brings transformers, which pixels and texts do without.
            from magpie.features.grid import GridSource

            found = self._sources[Grid] = GridSource(self._pictures, device=self._device)
        if found is None and type(need) is Pyramid:
            from magpie.features.pyramid import PyramidSource

            found = self._sources[Pyramid] = PyramidSource(
                cast(PixelSource, self._sources[Pixels]),
                cast(CropSource, self._sources[Crops]),
                device=self._device,
            )
        if found is None:
            raise ConfigError(
                f"nobody supplies {type(need).__name__}: {need.describe()}",
                mend="Pass a source or a supplier for it.",
            )
        return found

    def computed(self, need: Need) -> list[tuple[Source, Need]]:
        """What is computed for a need, and by whom; nothing where documents bring it along.

        Raises:
            ConfigError: nobody supplies a need of this kind.
        """
        if pair := pair_needs(need):
            return [part for each in pair for part in self.computed(each)]
        drawn = drawn_need(need.folder) if isinstance(need, Generated) else None
        parts: tuple[Need, ...] = caption_needs(need) or (
            (need,) if drawn is None else (drawn, need)
        )
        if names := chunk_names(need, self._parsers):
            parts = tuple(NounChunks(name) for name in names)
        found = ((self.source(part), part) for part in parts)
        return [(source, part) for source, part in found if source is not None]

    def captioned(
        self, documents: Sequence[Document], names: Sequence[str]
    ) -> tuple[list[Document], list[tuple[str, ...]]]:
        """The documents with the captions of ``captioner:NAME`` among their context.

        Returns:
            the documents, and for each the reasons of the captions that could not be had.

        Raises:
            ModelError: a captioner is not on this machine.
        """
        with undisturbed():
            return with_captions(documents, names, self._supply)

    def generated(self, documents: Sequence[Document], need: Generated) -> list[Document | Asset]:
        """Each document as if its generated picture were its only one; else why it has none."""
        with undisturbed():
            return generated_views(documents, need, self._supply)

    def fingerprints(self, needs: Iterable[Need]) -> dict[str, dict[str, Any]]:
        """What decides the features, by digest of the need: kept in checkpoints."""
        found = {}
        with undisturbed():
            for source, need in (part for each in needs for part in self.computed(each)):
                body = {**source.fingerprint(inner(need)), "need": need.describe()}
                # As it comes back from a file: tuples are lists there.
                found[need.digest] = parse_json(dump_json(body))
        return found

    def check(self, expected: Mapping[str, Mapping[str, Any]], needs: Iterable[Need]) -> None:
        """Refuses features that are not those a checkpoint was trained on.

        Args:
            expected: what :meth:`fingerprints` said when it was trained.
            needs: of the method.

        Raises:
            ModelError: a backbone under the same name has other weights, or a source another
                version.
        """
        for digest, now in self.fingerprints(needs).items():
            then = expected.get(digest)
            if then is None or dict(then) == now:
                continue
            differing = sorted(k for k in {*then, *now} if then.get(k) != now.get(k))
            raise ModelError(
                f"features of another {' and '.join(differing)}: trained on "
                f"{_short(then, differing)}, here is {_short(now, differing)}",
                code="model-mismatch",
                where=str(now["need"].get("backbone", now["need"]["kind"])),
                mend="Use the very backbone the checkpoint was trained with, or train anew.",
            )

    def _supply(self, documents: Sequence[Document], need: Need) -> list[Asset]:
        if isinstance(need, PerPicture):
            views = [picture_views(document) for document in documents]
            parts = iter(self._supply([view for row in views for view in row], need.of))
            return [gather({view.media[0].id: next(parts) for view in row}) for row in views]
        if isinstance(need, Generated):
            seen = self.generated(documents, need)
            found = iter(self._supply([v for v in seen if isinstance(v, Document)], need.of))
            return [view if isinstance(view, Asset) else next(found) for view in seen]
        if pair := pair_needs(need):
            sides = [self._supply(documents, each) for each in pair]
            return [both_scores(*row) for row in zip(*sides, strict=True)]
        if caption_needs(need):
            return self._texts(documents, cast(Texts, need))
        if names := chunk_names(need, self._parsers):
            published = self._plain[Phrases]
            return phrases_of(documents, cast(Phrases, need), names, self._supply, published)
        source = self.source(need)
        if source is None:
            return [self._plain[type(need)](document, need) for document in documents]
        asks = [source.ask(document, need) for document in documents]
        if self.store is None:
            made = iter(compute(source, [a for a in asks if isinstance(a, Ask)], need))
            return [
                a if isinstance(a, Asset) else _finished(source, next(made), need) for a in asks
            ]
        if need not in self._kept:
            self._kept[need] = Kept(self.store, source, need)
        return [_finished(source, r, need) for r in self._kept[need].arrays(asks)]

    def _texts(self, documents: Sequence[Document], need: Texts) -> list[Asset]:
        names = [name for name in need.sources if is_captioner(name)]
        rows, reasons = self.captioned(documents, names)
        found = [self._plain[Texts](row, need) for row in rows]
        return [
            asset if asset.present or not why else Asset.absent("; ".join(why))
            for asset, why in zip(found, reasons, strict=True)
        ]


class Kept:
    """One need through a store: what is there is read, the rest computed once and kept.

    Args:
        store: of the results.
        source: that computes them.
        need: what is asked for.
        strict: raise where a result cannot be kept.
    """

    def __init__(self, store: Store, source: Source, need: Need, *, strict: bool = False) -> None:
        self.store = store
        self.source = source
        self.need = need
        self.strict = strict
        self._warned = False

    def arrays(self, asks: Sequence[Ask | Asset]) -> list[Arrays | Asset]:
        """The kept arrays of each ask, in order; absent assets pass through."""
        keys = [None if isinstance(ask, Asset) else self.source.key(ask, self.need) for ask in asks]
        found: dict[str, Arrays | Asset] = {}
        lacking: dict[str, tuple[Ask, dict[str, Any]]] = {}
        for ask, key in zip(asks, keys, strict=True):
            if key is None or key[0] in found or key[0] in lacking:
                continue
            arrays = self.store.get(key[0])
            if arrays is None:
                lacking[key[0]] = (cast(Ask, ask), key[1])
            else:
                found[key[0]] = arrays
        found |= self.fill(lacking)
        return [
            cast(Asset, ask) if key is None else found[key[0]]
            for ask, key in zip(asks, keys, strict=True)
        ]

    def fill(self, lacking: Mapping[str, tuple[Ask, dict[str, Any]]]) -> dict[str, Arrays | Asset]:
        """Computes and keeps what is lacking, by key."""
        made = compute(self.source, [ask for ask, _ in lacking.values()], self.need)
        found: dict[str, Arrays | Asset] = {}
        for (key, (_, made_of)), arrays in zip(lacking.items(), made, strict=True):
            if not isinstance(arrays, Asset):
                self._keep(key, arrays, made_of)
            found[key] = arrays
        return found

    def _keep(self, key: str, arrays: Arrays, made_of: dict[str, Any]) -> None:
        try:
            self.store.put(key, arrays, made_of)
        except ModelError as error:
            # A full disk makes a run slower, not wrong; a build, which is for keeping, ends.
            if self.strict:
                raise
            if not self._warned:
                _log.warning("features are computed anew each time: %s", error)
            self._warned = True


def compute(source: Source, asks: Sequence[Ask], need: Need) -> list[Arrays | Asset]:
    """In portions of the source's liking."""
    made: list[Arrays | Asset] = []
    for begin in range(0, len(asks), source.batch):
        made += source.compute(asks[begin : begin + source.batch], need)
    return made


def _finished(source: Source, made: Arrays | Asset, need: Need) -> Asset:
    return made if isinstance(made, Asset) else source.finish(made, need)


def _short(value: Mapping[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {str(value.get(key))[:16]}" for key in keys)


def texts_of(document: Document, need: Need) -> Asset:
    """Texts of the document's context that the need asks for, in the order it names them."""
    need = cast(Texts, need)
    if need.sources:
        found = [
            text.text
            for source in need.sources
            for text in document.context
            if text.source == source
        ]
    else:
        found = [text.text for text in document.context if text.kind in need.kinds]
    if not found:
        wanted = ", ".join(need.sources or need.kinds)
        return Asset.absent(f"the document has no text of {wanted}")
    return Asset(texts=tuple(found))
