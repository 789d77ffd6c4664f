"""What both heads of HVPNeT share: the pictures they read, and text states with a visual prefix.

Chen et al., Findings of NAACL 2022; public code zjunlp/HVPNeT. The whole picture and its cut-outs
go through one ResNet; :mod:`magpie.nn.visual_prefix` turns its blocks into keys and values for
every layer of BERT.

Shapes: B documents, M rows of text (B, or more where a document has several), T pieces, N pictures
of a document (the whole one first), S prefix slots, D width, C channels of all blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Crops, Need, Pixels, Pyramid
from magpie.features.pyramid import pyramid_of
from magpie.methods.base import Batch, Example, Method
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import check_default_image, default_pixels, where_absent
from magpie.nn.attention_boost import CalibratedAttention
from magpie.nn.visual_prefix import Layout, Prefix, VisualPrefix, prefixed_states
from magpie.nn.visual_prefix import Pyramid as PyramidKind
from magpie.vision import PixelSpec

__all__ = ["PrefixSettings", "Prefixed"]


# No slots, so that it can stand beside another config among the parents of one.
@dataclass(frozen=True, kw_only=True)
class PrefixSettings:
    """Settings of the visual prefix."""

    #: False: the text alone, exactly the plain encoder
    visual: bool = True
    #: picture encoder, a ResNet; frozen unless told otherwise
    vision: str = "resnet-50"
    #: inside: the picture encoder is part of the method; cached: its maps are computed beforehand,
    #: once for all epochs, and the checkpoint does not hold it
    encoder: Literal["inside", "cached"] = "inside"
    #: channels of its four blocks, where they are cached
    block_widths: tuple[int, ...] = (256, 512, 1024, 2048)
    #: side of the pictures; None takes the encoder's own
    image_side: int | None = None
    #: where cut-outs come from: media, whole (the picture itself), or a source of boxes
    crops: str = "media"
    #: cut-outs beside the whole picture; fewer are filled up with black ones
    crop_count: int = 3
    #: prefix slots of one picture
    slots: int = 4
    #: inner width of the map M
    hidden: int = 800
    #: reshape: keys and values as the public code lays them out, for its checkpoints; heads: split
    #: as the encoder splits its own
    prefix_layout: Layout = "reshape"
    #: joined: one map mixes all blocks, as the public code; per_block: a map each, as the paper
    pyramid: PyramidKind = "joined"
    #: hide the slots of cut-outs that are not there; published ones are attended to
    mask_missing: bool = False
    #: a post without any picture: text hides its whole prefix; zeros reads black pictures;
    #: default_image reads one fixed picture, as the public code does
    missing: Literal["text", "zeros", "default_image"] = "text"
    #: path of that picture
    default_image: str = ""
    #: keep the picture encoder as it is; the published optimiser leaves it out
    freeze_vision: bool = True
    #: batch: the public code's batch norms, which use and move batch statistics while training
    batch_norm: Literal["running", "batch"] = "running"

    def check_prefix(self) -> None:
        """Raises ConfigError for an impossible value."""
        check_default_image(self.missing, self.default_image)
        if self.crop_count < 0 or self.slots < 1 or self.hidden < 1:
            raise ConfigError(
                f"need crop_count >= 0, slots >= 1 and hidden >= 1, got {self.crop_count}, "
                f"{self.slots} and {self.hidden}"
            )
        if self.encoder == "cached" and (not self.freeze_vision or self.batch_norm != "running"):
            raise ConfigError(
                "encoder='cached' needs freeze_vision=true and batch_norm='running': cached maps "
                "stay as they are"
            )


class Prefixed(Method):
    """Reads pictures and text; a class beside it adds the head."""

    config: Any

    def add_prefix(self, text: TextEncoder, vision: VisionEncoder | None) -> None:
        """Builds the prefix; called at the end of the constructor."""
        c = self.config
        if (vision is None) == (c.visual and c.encoder == "inside"):
            raise ConfigError(
                f"visual={c.visual}, encoder={c.encoder!r} does not fit the given picture encoder"
            )
        self.prefix: VisualPrefix | None = None
        #: one a layer, where a head wants the attention corrected
        self.calibrations: nn.ModuleList | None = None
        if not c.visual:
            return
        widths = c.block_widths
        if vision is not None:
            if not vision.convolutional:
                raise ConfigError(
                    f"{self.name} reads the four blocks of a ResNet, {c.vision!r} is none",
                    mend="Name a ResNet, such as resnet-50.",
                )
            if c.freeze_vision:
                vision.freeze()
            widths = vision.transformer.config.hidden_sizes
        sizes = text.transformer.config
        self.prefix = VisualPrefix(
            widths,
            text.width,
            sizes.num_hidden_layers,
            sizes.num_attention_heads,
            slots=c.slots,
            hidden=c.hidden,
            layout=c.prefix_layout,
            pyramid=c.pyramid,
        )
        self.widths = tuple(widths)
        if vision is None:
            # What stands in for a post without pictures: nothing sees it where missing is text.
            self.absent_maps: Tensor
            self.register_buffer("absent_maps", torch.zeros(1 + c.crop_count, sum(widths), 2, 2))
        elif c.missing == "default_image":
            self.default_picture: Tensor
            side = vision.pixels.side
            self.register_buffer("default_picture", torch.zeros(3, side, side))

    @classmethod
    def build(cls, config: Any, labels: LabelSpace) -> Self:
        inside = config.visual and config.encoder == "inside"
        vision = load_vision(config.vision, side=config.image_side) if inside else None
        # Both heads take (config, labels, text, vision).
        made = cast(Any, cls)(config, labels, load_text(config.text), vision)
        if vision is not None and config.missing == "default_image":
            made.default_picture.copy_(default_pixels(config.default_image, vision.pixels))
        if config.visual and not inside and config.missing != "text":
            made.fill_absent_maps()
        return cast(Self, made)

    @torch.no_grad()
    def fill_absent_maps(self) -> None:
        """Maps of black pictures, or of the default picture and black cut-outs."""
        c, spec = self.config, self._spec
        encoder = load_vision(c.vision, side=spec.side).freeze()
        pictures = torch.zeros(1 + c.crop_count, 3, spec.side, spec.side)
        if c.missing == "default_image":
            pictures[0] = default_pixels(c.default_image, spec)
        self.absent_maps.copy_(pyramid_of(encoder, pictures))

    @property
    def vision(self) -> VisionEncoder:
        """The picture encoder."""
        return cast(VisionEncoder, self.backbones["vision"])

    def train(self, mode: bool = True) -> Self:
        """Batch norms follow ``batch_norm``, whether or not the encoder is frozen."""
        super().train(mode)
        if "vision" in self.backbones:
            for module in self.vision.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.train(mode and self.config.batch_norm == "batch")
        return self

    @property
    def _spec(self) -> PixelSpec:
        """Of the pictures as the encoder reads them."""
        if "vision" in self.backbones:
            return self.vision.pixels
        return PixelSpec(side=self.config.image_side or 224, fit="crop")

    @property
    def _pixels(self) -> Pixels:
        return Pixels(self._spec)

    @property
    def _crops(self) -> Crops:
        return Crops(self.config.crops, self.config.crop_count, self._spec)

    @property
    def _maps(self) -> Pyramid:
        c = self.config
        return Pyramid(c.vision, self._spec, c.crops, c.crop_count)

    def needs(self) -> frozenset[Need]:
        if not self.config.visual:
            return frozenset()
        if self.config.encoder == "cached":
            return frozenset({self._maps})
        return frozenset({self._pixels, *([self._crops] if self.config.crop_count else [])})

    def add_pictures(self, example: Example, assets: Assets) -> Example:
        """``pictures`` [N, 3, side, side] or ``maps`` [N, C, 2, 2], the whole one first, and
        ``there`` [N]."""
        if not self.config.visual:
            return example
        if self.config.encoder == "cached":
            return self._add_maps(example, assets)
        count, side = self.config.crop_count, self.vision.pixels.side
        pictures = torch.zeros(1 + count, 3, side, side)
        there = torch.zeros(1 + count, dtype=torch.bool)
        whole = assets[self._pixels]
        if whole.present:
            pictures[0] = torch.from_numpy(whole.arrays["pixels"].copy())
            there[0] = True
        crops = assets[self._crops] if count else None
        if crops is not None and crops.present:
            pictures[1:] = torch.from_numpy(crops.arrays["pixels"].copy())
            there[1:] = torch.from_numpy(crops.arrays["there"].copy())
        example.inputs["pictures"] = pictures
        example.inputs["there"] = there
        return example

    def _add_maps(self, example: Example, assets: Assets) -> Example:
        asset = assets[self._maps]
        maps = self.absent_maps.cpu()
        there = torch.zeros(len(maps), dtype=torch.bool)
        if asset.present:
            found = asset.arrays["maps"]
            if found.shape != maps.shape:
                raise ConfigError(
                    f"the pictures' maps must have shape {list(maps.shape)}, got "
                    f"{list(found.shape)}",
                    where=example.document.id,
                    mend="Set block_widths to the channels of the encoder's blocks.",
                )
            maps = torch.from_numpy(found.copy())
            there = torch.from_numpy(asset.arrays["there"].copy())
        example.inputs["maps"] = maps
        example.inputs["there"] = there
        return example

    def prefixed(
        self,
        batch: Batch,
        owner: Tensor | None = None,
        *,
        speaks: Tensor | None = None,
        weigh: Callable[[Tensor], Tensor | None] | None = None,
    ) -> Tensor:
        """Last states of the text, [M, T, D].

        Args:
            batch: with ``input_ids`` and ``attention_mask`` [M, T].
            owner: the document of each row, [M]; None where rows are documents.
            speaks: [B], documents whose pictures are read; all where it is None.
            weigh: is given the whole picture's last map, pooled [B, C_4], and says how much each
                piece takes of its prefix, [M, T].
        """
        ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        encoder = cast(TextEncoder, self.backbones["text"])
        if self.prefix is None:
            return cast(Tensor, encoder(ids, mask))
        there = batch.inputs["there"]
        if speaks is not None:
            there = there & speaks.unsqueeze(1)
        if self.config.encoder == "cached":
            blocks = self.cached_blocks(batch.inputs["maps"], there)
        else:
            blocks = self.blocks(batch.inputs["pictures"], there)
        prefixes = self.prefix(blocks, there.shape[1])
        seen = self.prefix_mask(there)  # B,S
        if owner is not None:
            prefixes = [Prefix(p.keys[owner], p.values[owner]) for p in prefixes]
            seen = seen[owner]
        weight = None
        if weigh is not None:
            weight = weigh(blocks[-1].unflatten(0, tuple(there.shape))[:, 0].mean((-2, -1)))
        parts = cast(list[CalibratedAttention], list(self.calibrations or ()))
        return prefixed_states(encoder.transformer, ids, mask, prefixes, seen, weight, parts)

    def blocks(self, pictures: Tensor, there: Tensor) -> list[Tensor]:
        """[B, N, 3, side, side] -> four maps [B N, C_k, rows, columns]."""
        pictures = where_absent(pictures.flatten(0, 1), there.flatten()).view_as(pictures)
        if self.config.missing == "default_image":
            absent = ~there[:, 0]
            whole = where_absent(pictures[:, 0], ~absent, self.default_picture)
            pictures = torch.cat([whole.unsqueeze(1), pictures[:, 1:]], 1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            if not (self.training and self.config.batch_norm == "batch"):
                return list(self.vision.stages(pictures.flatten(0, 1)))
            # The public code takes statistics over the n-th pictures of all posts at a time.
            runs = [self.vision.stages(pictures[:, n]) for n in range(pictures.shape[1])]
        return [torch.stack(maps, 1).flatten(0, 1) for maps in zip(*runs, strict=True)]

    def cached_blocks(self, maps: Tensor, there: Tensor) -> list[Tensor]:
        """[B, N, C, 2, 2] -> four maps [B N, C_k, 2, 2], as :meth:`blocks` after pooling."""
        if self.config.missing == "default_image":
            whole = where_absent(maps[:, 0], there[:, 0], self.absent_maps[0])
            maps = torch.cat([whole.unsqueeze(1), maps[:, 1:]], 1)
        return list(maps.flatten(0, 1).split(self.widths, 1))

    def prefix_mask(self, there: Tensor) -> Tensor:
        """[B, N] -> [B, S]: which slots are attended to."""
        seen = there if self.config.mask_missing else torch.ones_like(there)
        if self.config.missing == "text":
            seen = seen & there.any(1, keepdim=True)
        elif self.config.mask_missing:
            seen = torch.cat([torch.ones_like(seen[:, :1]), seen[:, 1:]], 1)
        return seen.repeat_interleave(self.config.slots, 1)
