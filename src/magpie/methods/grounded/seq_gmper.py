"""SeqGMPER: the things that a procedure handles, and where each step's picture shows them.

*Grounded Multimodal Procedural Entity Recognition for Procedural Documents: A New Dataset and
Baseline*, LREC-COLING 2024; its repository ``betterAndTogether/SeqGMPNER`` holds no code, so
everything beyond the list of modules follows the project's specification.

Every step reads the one before it (sequential element attention), words among words and regions
among regions. A BiLSTM and a chain tag the words, a classifier says from an entity's words whether
it shows, and a head scores each region by itself, so that an entity may have several boxes.

Unusual: a document is read whole, one step after the other, each beside its own picture. An
ordinary post is a procedure of one step. The corpus knows one type of entity, which makes the tags
B, I and O; with more types there are a B and an I of each. GLIP, whose two encoders the authors
use, is not to be had in transformers: ``text`` and ``vision`` name what stands in their place.

Shapes: B documents, S steps, T pieces, W words, K regions, P cells, F width of published features,
C channels, D width, L tags, E entities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Need, Pixels, RegionFeatures
from magpie.features.each import PerPicture
from magpie.methods._seq_gmper import (
    Found,
    StepNotes,
    choose,
    gold_of_steps,
    grounding,
    mentions,
    read_step,
    steps_of,
)
from magpie.methods.base import (
    Batch,
    Example,
    Method,
    MethodConfig,
    Output,
    ParameterGroup,
    Task,
    pad_stack,
)
from magpie.methods.grounding import region_candidates
from magpie.methods.labels import LabelSpace, tag_names
from magpie.methods.pictures import where_absent
from magpie.methods.words import word_tags
from magpie.nn.bert_layers import bert_init
from magpie.nn.crf import CRF
from magpie.nn.region_losses import region_bce
from magpie.nn.sequential_attention import SequentialAttention
from magpie.nn.step_heads import RegionHead, WordTagger
from magpie.schema import Annotations, Document, Provenance

__all__ = ["SeqGmper", "SeqGmperConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeqGmperConfig(MethodConfig):
    """Settings of SeqGMPER; few are published, the others are the specification's."""

    #: text encoder in place of GLIP's, which is a BERT of this size
    text: str = "bert-base-uncased"
    #: picture encoder in place of GLIP's; read with use_grid only
    vision: str = "clip-vit-base-patch32"
    #: side of the pictures; None takes the encoder's own
    image_side: int | None = None
    #: keep both encoders as they are
    frozen: bool = False
    #: longest step in pieces, with the special ones (T)
    max_length: int = 128
    #: who supplies the regions
    source: str = "vinvl"
    #: K
    region_count: int = 18
    #: F
    feature_width: int = 2048
    #: divide a picture's features by the Frobenius norm of them all, as H-Index does
    normalise: bool = True
    #: D; the BiLSTM has half of it in each direction
    width: int = 768
    #: of the attention from entities to regions
    heads: int = 8
    #: how many steps before it a step sees
    window: int = 1
    #: divide the scores between steps by the root of D
    scaled: bool = False
    #: look back at what the step before became, not at what it was
    recurrent: bool = False
    #: entities see the picture's cells beside its regions
    use_grid: bool = False
    #: what of an entity asks the regions: the mean of its pieces, or each, averaged behind
    query: Literal["mean", "tokens"] = "mean"
    #: pointwise: each region by its own vector; kway: one number a place in the list, as noted
    head: Literal["pointwise", "kway"] = "pointwise"
    #: probability from which on, exclusively, a region is chosen
    threshold: float = 0.5
    #: a visible entity without such a region has none; else it takes the best one
    allow_empty: bool = False
    #: on the inputs of both streams
    dropout: float = 0.1
    #: of the loss of the groundable classifier
    groundable_weight: float = 1.0
    #: of the loss of the regions
    region_weight: float = 1.0
    #: of the new linear layers' first weights, biases being 0; None starts as PyTorch does
    deviation: float | None = None
    #: of everything but the encoders; None takes the recipe's
    head_rate: float | None = 1e-3

    def __post_init__(self) -> None:
        least = {"max_length": 3, "width": 2, "heads": 1, "window": 1, "region_count": 1}
        for name, bound in {**least, "feature_width": 1}.items():
            if getattr(self, name) < bound:
                raise ConfigError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if self.width % 2 or self.width % self.heads:
            raise ConfigError(
                f"width must be even and heads divide it, got {self.width} and {self.heads}"
            )
        ends = {"threshold": 1.0, "dropout": 1.0, "groundable_weight": 1e9, "region_weight": 1e9}
        for name, end in {**ends, "deviation": 1e9}.items():
            if not 0 <= (getattr(self, name) or 0) < end:
                raise ConfigError(f"{name} must lie in [0, {end:g}), got {getattr(self, name)}")


class _Read(NamedTuple):
    """A batch behind both streams."""

    text: Tensor  # X': B,S,T,D
    objects: Tensor  # O': B,S,K,D
    keys: Tensor  # what entities ask: O', and with use_grid I' behind it
    keys_there: Tensor


class SeqGmper(Method):
    """Two streams of steps, a tagger, a classifier and a region head."""

    name: ClassVar[str] = "seq-gmper"
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.GMNER})
    Config: ClassVar[type[SeqGmperConfig]] = SeqGmperConfig
    reads_steps: ClassVar[bool] = True
    padding: ClassVar[Mapping[str, float]] = {"first": -1, "spans": -1, "groundable": -1}
    config: SeqGmperConfig

    def __init__(
        self,
        config: SeqGmperConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder | None = None,
    ) -> None:
        if (vision is None) == config.use_grid:
            raise ConfigError(f"use_grid={config.use_grid} does not fit the given picture encoder")
        super().__init__(
            config, labels, {"text": text, **({} if vision is None else {"vision": vision})}
        )
        if not labels.entity_types:
            raise ConfigError(
                f"{self.name} needs entity types", mend="Are there entities in the training data?"
            )
        if config.frozen:
            for backbone in self.backbones.values():
                backbone.freeze()  # type: ignore[operator]
        c, width = config, config.width
        self.tag_names = tag_names(labels.entity_types, "words")
        self.tag_ids = {name: index for index, name in enumerate(self.tag_names)}
        self.map_text = nn.Linear(text.width, width)
        self.map_objects = nn.Linear(c.feature_width, width)
        self.dropout = nn.Dropout(c.dropout)
        self.text_steps = self._stream()
        self.object_steps = self._stream()
        if vision is not None:
            self.map_cells = nn.Linear(vision.width, width)
            self.cell_steps = self._stream()
        self.tagger = WordTagger(width, len(self.tag_names))
        self.crf = CRF(self.tag_names)
        self.groundable = nn.Linear(width, 2)
        self.region_head = RegionHead(
            width, c.heads, c.dropout, places=c.region_count if c.head == "kway" else None
        )
        for name, part in self.named_children():
            if c.deviation is not None and name != "backbones":
                part.apply(partial(bert_init, deviation=c.deviation))

    def _stream(self) -> SequentialAttention:
        c = self.config
        return SequentialAttention(c.width, window=c.window, scaled=c.scaled, recurrent=c.recurrent)

    @classmethod
    def build(cls, config: SeqGmperConfig, labels: LabelSpace) -> Self:
        vision = load_vision(config.vision, side=config.image_side) if config.use_grid else None
        return cls(config, labels, load_text(config.text), vision)

    @property
    def text(self) -> TextEncoder:
        """The text encoder."""
        return cast(TextEncoder, self.backbones["text"])

    @property
    def vision(self) -> VisionEncoder | None:
        """The picture encoder, with ``use_grid``."""
        return cast(VisionEncoder, self.backbones["vision"]) if "vision" in self.backbones else None

    @property
    def regions(self) -> RegionFeatures:
        """What it reads of each picture."""
        c = self.config
        return RegionFeatures(c.source, c.region_count, c.feature_width)

    def needs(self) -> frozenset[Need]:
        wanted: set[Need] = {PerPicture(self.regions)}
        if self.vision is not None:
            wanted.add(PerPicture(Pixels(self.vision.pixels)))
        return frozenset(wanted)

    def prepare(self, document: Document, assets: Assets) -> Example:
        c, limit = self.config, min(self.config.max_length, self.text.max_positions)
        absent = Asset.absent("the step has no picture")
        notes: list[StepNotes] = []
        rows: list[dict[str, Tensor]] = []
        for alone, medium in steps_of(document):
            found = {
                need: absent if medium is None else assets[need].parts.get(medium.id, absent)
                for need in self.needs()
            }
            need, asset = self.regions, found[PerPicture(self.regions)]
            spots = region_candidates(document, asset, need, normalise=c.normalise, media=medium)
            note, row = read_step(alone, self.text, limit, spots)
            if self.vision is not None:
                pixels = found[PerPicture(Pixels(self.vision.pixels))]
                side = self.vision.pixels.side
                row["has_picture"] = torch.tensor(pixels.present)
                row["pixels"] = torch.zeros(3, side, side)
                if pixels.present:
                    row["pixels"] = torch.tensor(pixels.arrays["pixels"])
            notes.append(note)
            rows.append(row)
        return Example(document, self._stack(rows), {"steps": notes})

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``tags`` [S, W]; of M entities ``spans`` [M, 3], ``groundable`` [M] and ``covered``
        [M, K], as :func:`gold_of_steps` tells them."""
        steps: list[StepNotes] = example.notes["steps"]
        tags = [word_tags(document, step.words) or ["O"] for step in steps]
        ids = [torch.tensor([self.tag_ids[tag] for tag in row]) for row in tags]
        spans, groundable, covered = gold_of_steps(document, steps)
        gold = {"spans": spans, "groundable": groundable, "covered": covered}
        return {"tags": pad_stack(ids), **gold}

    def forward(self, batch: Batch) -> Output:
        """``emissions`` [B, S, W, L], ``text`` X' and ``objects`` O'; with targets the losses."""
        read = self.read(batch.inputs)
        scores = {"emissions": self.emissions(read.text, batch.inputs), **read._asdict()}
        return Output(scores, self._losses(scores, read, batch) if batch.targets else {})

    def read(self, inputs: Mapping[str, Tensor]) -> _Read:
        """Both streams, each step having seen those before it."""
        mask = inputs["attention_mask"] > 0  # B,S,T
        x = self.dropout(self.map_text(self._text_states(inputs, mask)))  # X: B,S,T,D
        x = self.text_steps(x, mask)  # X': B,S,T,D
        there = inputs["region_mask"]  # B,S,K
        o = self.dropout(self.map_objects(inputs["regions"]))  # O: B,S,K,D
        o = self.object_steps(o, there)  # O': B,S,K,D
        keys, keys_there = o, there
        if self.vision is not None:
            has = inputs["has_picture"]  # B,S
            cells = self.dropout(self.map_cells(self._cells(inputs["pixels"], has)))  # I: B,S,P,D
            seen = has.unsqueeze(2).expand(cells.shape[:3])
            keys = torch.cat([o, self.cell_steps(cells, seen)], 2)  # B,S,K+P,D
            keys_there = torch.cat([there, seen], 2)
        return _Read(x, o, keys, keys_there)

    def _text_states(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """[B, S, T, D of the encoder]; padded steps, which have no piece, are not encoded."""
        real = mask.any(2)  # B,S
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.frozen):
            states = self.text(inputs["input_ids"][real], inputs["attention_mask"][real])
        whole = states.new_zeros((*mask.shape, states.shape[-1]))
        whole[real] = states
        return whole

    def _cells(self, pixels: Tensor, has: Tensor) -> Tensor:
        """[B, S, 3, side, side] -> [B, S, P, C]; absent pictures are read as zeros."""
        vision = cast(VisionEncoder, self.vision)
        flat = where_absent(pixels.flatten(0, 1), has.flatten())
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.frozen):
            return cast(Tensor, vision(flat)).unflatten(0, tuple(has.shape))

    def emissions(self, text: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """X' [B, S, T, D] -> scores of the words' tags [B, S, W, L], zero where no word is."""
        mask, first = inputs["attention_mask"] > 0, inputs["first"]  # B,S,T  B,S,W
        real = mask.any(2)  # B,S
        scores = self.tagger(text[real], mask[real].sum(1), first[real])  # N,W,L
        whole = scores.new_zeros((*first.shape, scores.shape[-1]))
        whole[real] = scores
        return whole

    def ground(self, read: _Read, rows: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
        """Whether entities show, logits [E, 2], and which regions show them, logits [E, K].

        Args:
            read: the batch.
            rows: [E], the document of each entity.
            spans: [E, 3], its step, first piece and the piece after the last.
        """
        step = spans[:, 0]
        text = read.text[rows, step]  # E,T,D
        at = torch.arange(text.shape[1], device=text.device)
        inside = (at >= spans[:, 1:2]) & (at < spans[:, 2:3])  # E,T
        shares = inside.to(text.dtype) / inside.sum(1, keepdim=True).clamp(min=1)
        mean = (shares.unsqueeze(1) @ text).squeeze(1)  # E,D
        shows = self.groundable(mean)  # E,2
        keys, there = read.keys[rows, step], read.keys_there[rows, step]  # E,K+P,D
        queries = mean.unsqueeze(1) if self.config.query == "mean" else text  # E,1 or T,D
        m = self.region_head.attend(queries, keys, there)
        m = m.squeeze(1) if self.config.query == "mean" else (shares.unsqueeze(1) @ m).squeeze(1)
        return shows, self.region_head.scores(m, read.objects[rows, step])  # E,K

    def _losses(self, scores: dict[str, Tensor], read: _Read, batch: Batch) -> dict[str, Tensor]:
        c, targets = self.config, batch.targets
        words = batch.inputs["first"] >= 0  # B,S,W
        said = words[..., 0]  # steps with a word
        emissions = scores["emissions"]
        main = emissions.sum() * 0.0
        if bool(said.any()):
            main = self.crf(emissions[said], targets["tags"][said], words[said])
        rows, which = (targets["spans"][..., 0] >= 0).nonzero(as_tuple=True)
        spans = targets["spans"][rows, which]  # E,3
        shows, regions = self.ground(read, rows, spans)
        scores["groundable"], scores["region_logits"] = shows, regions
        flags = targets["groundable"][rows, which]  # E
        known, visible = flags >= 0, flags == 1
        per_entity = functional.cross_entropy(shows[known], flags[known], reduction="sum")
        there = batch.inputs["region_mask"][rows, spans[:, 0]]  # E,K
        covered = targets["covered"][rows, which]  # E,K
        per_region = region_bce(regions[visible], covered[visible], there[visible])
        return {
            "main": main,
            "groundable": c.groundable_weight * per_entity / known.sum().clamp(min=1),
            "regions": c.region_weight * per_region,
        }

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """Entities of the best paths step by step; an ``I`` that continues nothing opens one.

        An entity's score is the mean posterior of its words' tags, a region's its probability.
        """
        c, found = self.config, self._mentions(output, batch)
        places: dict[str, Any] = {"device": output.scores["text"].device, "dtype": torch.long}
        rows = torch.tensor([each.row for each in found], **places)
        spans = torch.tensor([each.span for each in found], **places).view(-1, 3)
        read = _Read(*(output.scores[name] for name in _Read._fields))
        shows, regions = self.ground(read, rows, spans)
        flags = (shows[:, 1] > shows[:, 0]).tolist()
        shares = regions.sigmoid().cpu()
        entities: list[list[Any]] = [[] for _ in batch.examples]
        for each, flag, p in zip(found, flags, shares, strict=True):
            step: StepNotes = batch.examples[each.row].notes["steps"][each.span[0]]
            chosen = choose(p, step.candidates.mask, c.threshold, allow_empty=c.allow_empty)
            place = grounding(step.candidates, chosen if flag else [], p)
            entities[each.row].append(each.entity(len(entities[each.row]), place))
        signed = Provenance(method=self.name)
        return [Annotations(entities=tuple(row), provenance=signed) for row in entities]

    def _mentions(self, output: Output, batch: Batch) -> list[Found]:
        """What the chain finds, documents and steps in order."""
        words = batch.inputs["first"] >= 0  # B,S,W
        said = words[..., 0]
        found: list[Found] = []
        if not bool(said.any()):
            return found
        emissions = output.scores["emissions"][said]
        paths = self.crf.decode(emissions, words[said])
        marginals = self.crf.marginals(emissions, words[said]).unary.tolist()
        places = said.nonzero().tolist()
        for (row, number), path, sure in zip(places, paths, marginals, strict=True):
            step: StepNotes = batch.examples[row].notes["steps"][number]
            scores = [posteriors[tag] for posteriors, tag in zip(sure, path, strict=False)]
            found += mentions(step, row, number, [self.tag_names[tag] for tag in path], scores)
        return found

    def groups(self) -> list[ParameterGroup]:
        encoders = tuple(p for p in self.backbones.parameters() if p.requires_grad)
        known = {id(p) for p in encoders}
        own = tuple(p for p in self.trainable() if id(p) not in known)
        return [
            ParameterGroup(name="encoders", parameters=encoders),
            ParameterGroup(name="new", parameters=own, rate=self.config.head_rate),
        ]
