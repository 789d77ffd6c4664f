"""ISE: screen what text and picture hold, and add the topics both share.

Wu et al., Information Screening whilst Exploiting! Multimodal Relation Extraction with Feature
Denoising and Multimodal Topic Modeling, ACL 2023; public code ChocoWu/MRE-ISE, which does not run
as a whole. The things of the text and of the picture are nodes of one graph, linked across where
they are alike. Gates under a graph information bottleneck decide which nodes stay and which edges
there are, edges between any two nodes included; what is left is compressed to a normal
distribution. Unusual: nothing reads the sentence as a sentence, a mention is a node among others;
and a topic model over two bags of words, trained along, lends the words of the likeliest topic to
the classifier.

:mod:`magpie.methods._ise_reading` makes nodes and edges, :mod:`magpie.methods._ise_network` screens
them, :mod:`magpie.nn.topics` holds the topics.

Shapes: B documents, N pairs, T pieces, M nodes, W pieces of a phrase, L labels or words of a
topic, D width of the graph, E of text states, G of picture vectors, C relation types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder, VisionEncoder, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need
from magpie.features.supply import Supplier
from magpie.methods._ise_evidence import with_evidence
from magpie.methods._ise_network import Graphs, Screened, ScreeningNetwork
from magpie.methods._ise_nodes import NodeMaking
from magpie.methods._ise_reading import GraphReader, GraphReadingConfig
from magpie.methods._ise_words import Vocabularies
from magpie.methods.base import Batch, Example, Output, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.text_settings import text_encoder
from magpie.methods.words import document_words
from magpie.nn.bottleneck import divergence_from_standard
from magpie.nn.topics import TopicAttention, TopicModel, Topics, weigh_words
from magpie.schema import Annotations, Document

__all__ = ["IseMre", "IseMreConfig"]

#: the stage that trains topics alone
TOPICS = "topics"


@dataclass(frozen=True, slots=True, kw_only=True)
class IseMreConfig(GraphReadingConfig):
    """Settings of ISE; the defaults are the published ones where those are known."""

    text: str = "openai/clip-vit-base-patch32"
    #: replaces the hidden and attention dropout of the text encoder
    text_dropout: float | None = None
    #: replaces the latter alone
    attention_dropout: float | None = None
    #: a text node: alone, its words by themselves; context, its pieces within the marked sentence
    node_text: Literal["alone", "context"] = "alone"
    #: of the states of a phrase's pieces
    phrase_pooling: Literal["sum", "mean"] = "sum"
    #: the mean state of the sentence stands beside the topics, too
    with_text: bool = False
    #: number and box of a thing in the picture's graph enter its node, for where nothing shows it
    placed: bool = False
    #: keep the picture encoder as it is
    freeze_vision: bool = False
    #: rate of the encoders; None takes the recipe's
    encoder_rate: float | None = 2e-5
    #: D
    width: int = 768
    #: of graph attention, before and behind the gates
    layers: int = 2
    #: neighbourhood of a node
    hops: int = 2
    #: cosine above which text and picture are linked
    threshold: float = 0.25
    #: tau of the gates
    temperature: float = 0.1
    #: of attention in the graph
    dropout: float = 0.5
    #: what both gates' last layers add at first: above 0 everything is kept at the beginning
    kept_first: float = 0.0
    #: K
    topics: int = 10
    #: words of a topic that are lent, of either bag
    topic_words: int = 10
    #: sizes of both vocabularies
    word_vocabulary: int = 2000
    visual_vocabulary: int = 2000
    #: widths of the inference network
    topic_hidden: tuple[int, ...] = (100, 100)
    topic_dropout: float = 0.2
    #: LDA's mixture in place of the product of experts
    mixture: bool = False
    #: weight of the divergence inside the bottleneck's loss
    beta: float = 0.01
    #: weight of the bottleneck's loss
    eta1: float = 0.8
    #: weight of the topic model's loss
    eta2: float = 0.7
    #: weight of the divergence inside the topic model's loss
    topic_beta: float = 1.0
    #: perspectives of the public edge learner
    perspectives: int = 16
    #: the public similarity of text and picture, which links everything, padding included
    legacy_cross_edges: bool = False
    #: a noisy mask over features and an edge learner that cuts nothing, in place of the gates
    legacy_refine: bool = False
    #: attention over the wrong axis, without labels
    legacy_attention: bool = False
    #: text nodes hear nobody while the graph is refined
    legacy_text_rows: bool = False
    #: head and tail are looked up by the numbers of words; the mean runs over padding
    legacy_ends: bool = False
    #: theta is drawn in evaluation, too, so that no two answers are alike
    legacy_drawn_topics: bool = False
    #: weights of topic words are sigmoids of their dot products with z
    legacy_sigmoid_topic: bool = False
    #: the bottleneck's divergence in bits, and the topics' loss summed over the batch
    legacy_units: bool = False

    def __post_init__(self) -> None:
        GraphReadingConfig.__post_init__(self)
        self.check_reading()
        for name in ("width", "layers", "hops", "topic_words", "word_vocabulary"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.mask_mentions and self.node_text == "alone" and not self.with_text:
            raise ConfigError(
                "mask_mentions hides mentions in the marked sentence, which nothing reads here",
                mend="Set node_text to context, or with_text.",
            )
        if self.temperature <= 0 or not -1 <= self.threshold <= 1:
            raise ConfigError(
                "need temperature > 0 and threshold in [-1, 1], got "
                f"{self.temperature} and {self.threshold}"
            )
        weights = (self.beta, self.eta1, self.eta2, self.topic_beta)
        if min(weights) < 0 or not 0 <= self.dropout < 1 or not 0 <= self.topic_dropout < 1:
            raise ConfigError(
                f"need weights >= 0 and dropout in [0, 1), got {weights}, {self.dropout} and "
                f"{self.topic_dropout}"
            )


class IseMre(NodeMaking):
    """Cross-modal graph, gates, bottleneck, topics, classifier on [z ; o_T ; o_I]."""

    name: ClassVar[str] = "ise-mre"
    Config: ClassVar[type[IseMreConfig]] = IseMreConfig
    by_pair: ClassVar[frozenset[str]] = NodeMaking.by_pair | {
        "text_words",
        "text_real",
        "text_spans",
        "text_edges",
        "label_words",
        "offsets",
    }
    padding: ClassVar[dict[str, float]] = {
        "text_words": -1,
        "label_words": -1,
        "visual_words": -1,
        "visual_cut": -1,
        "bag": -1,
    }
    config: IseMreConfig

    def __init__(
        self,
        config: IseMreConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder | None = None,
    ) -> None:
        parts: dict[str, Any] = {"text": text}
        if vision is not None:
            parts["vision"] = vision
            if config.freeze_vision:
                vision.freeze()
        super().__init__(config, labels, parts)
        c, width, seen = config, config.width, 0 if vision is None else vision.width
        self.add_nodes(text.width, seen)
        self.network = ScreeningNetwork(
            width,
            layers=c.layers,
            hops=c.hops,
            temperature=c.temperature,
            dropout=c.dropout,
            kept_first=c.kept_first,
            perspectives=c.perspectives,
            legacy_refine=c.legacy_refine,
            legacy_attention=c.legacy_attention,
            legacy_text_rows=c.legacy_text_rows,
        )
        self.vocabularies = Vocabularies(c.word_vocabulary, c.visual_vocabulary, seen)
        self.topics = TopicModel(
            c.word_vocabulary,
            c.visual_vocabulary,
            width,
            topics=c.topics,
            hidden=c.topic_hidden,
            dropout=c.topic_dropout,
            mixture=c.mixture,
            always_drawn=c.legacy_drawn_topics,
        )
        lent = {"text": text.width, **({"visual": seen} if seen else {})}
        asked = 3 * width
        self.topic_maps = nn.ModuleDict()
        self.topic_attention = nn.ModuleDict()
        for bag, size in lent.items():
            if c.legacy_sigmoid_topic:
                # u and z have to be of one width, which the public code does not see to.
                self.topic_maps[bag] = nn.Linear(size, asked)
            else:
                self.topic_attention[bag] = TopicAttention(size, asked, width)
        added = len(lent) * asked if c.legacy_sigmoid_topic else sum(lent.values())
        added += text.width if c.with_text else 0
        self.classifier = nn.Linear(asked + added, len(labels.relation_types))
        self.auxiliary = nn.Linear(asked, len(labels.relation_types))
        pixels = None if vision is None else vision.pixels
        self.reader = GraphReader(config, text, pixels, self.vocabularies)
        self._stage = ""

    @classmethod
    def build(cls, config: IseMreConfig, labels: LabelSpace) -> Self:
        text = text_encoder(config)
        vision = load_vision(config.vision, side=config.image_side) if config.vision else None
        return cls(config, labels, text, vision)

    def needs(self) -> frozenset[Need]:
        return self.reader.needs()

    def begin(self, stage: str) -> None:
        """In the stage ``topics`` the loss is that of the topic model alone."""
        self._stage = stage

    def groups(self) -> list[ParameterGroup]:
        """``encoders`` at their own rate, ``topics``, and ``main``, which is all else."""
        topics = [p for p in self.topics.parameters() if p.requires_grad]
        encoders = [p for p in self.backbones.parameters() if p.requires_grad]
        apart = {id(p) for p in (*topics, *encoders)}
        rest = [p for p in self.trainable() if id(p) not in apart]
        named = (
            ("main", rest, None),
            (TOPICS, topics, None),
            ("encoders", encoders, self.config.encoder_rate),
        )
        return [
            ParameterGroup(name=name, parameters=tuple(group), rate=rate)
            for name, group, rate in named
            if group
        ]

    @torch.no_grad()
    def study(self, documents: Sequence[Document], supplier: Supplier) -> None:
        """Counts both vocabularies on the training documents, unless a checkpoint brought them."""
        if bool(self.vocabularies.counted):
            return
        self.vocabularies.count_words((_words(d) for d in documents), self.text)
        if self.vision is None:
            return
        found = []
        for document in documents:
            pixels, seen = self.reader.pictures(supplier(document, self.needs()))
            if bool(seen.any()):
                found.append(self._looked_at(pixels[seen].to(self.device)).cpu())
        if found:
            self.vocabularies.count_pictures(torch.cat(found))

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.reader.read(self.prepare_pairs(document), assets, _words(document))

    def summary(self, screened: Screened, batch: Batch) -> Tensor:
        """a, [N, 3 D]."""
        if not self.config.legacy_ends:
            return screened.summary
        states = screened.refined
        places = batch.inputs["offsets"].clamp(max=states.shape[1] - 1)  # N,4
        found = states.gather(1, places.unsqueeze(2).expand(-1, -1, states.shape[2]))
        ends = found.unflatten(1, (2, 2)).amax(2).flatten(1)  # N,2D
        return torch.cat([ends, states.mean(1)], 1)

    def lent_words(self, topics: Topics, z: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """o_T and o_I [N, .], and the numbers of the words of either bag [N, L]."""
        count, known = self.config.topic_words, self.vocabularies
        found, chosen = [], {}
        for bag in ("text", *(("visual",) if self.vision is not None else ())):
            size = known.word_count if bag == "text" else int(known.visual_count)
            numbers = self.topics.top_words(topics.theta, count, cast(Any, bag), size)
            if bag == "text":
                there = (known.pieces[numbers] >= 0).any(2)
                # Looked up, not learnt along: the topics are trained by what they reconstruct.
                with torch.no_grad():
                    words = self.phrases(known.pieces[numbers])
            else:
                there = numbers < known.visual_count
                words = known.centres[numbers]
            words = words.to(z.dtype)
            if self.config.legacy_sigmoid_topic:
                words = self.topic_maps[bag](words)
                scores = (words * z.unsqueeze(1)).sum(2)
                lent = weigh_words(words, scores, there, sigmoid=True)[1]
            else:
                lent = self.topic_attention[bag](words, z, there)[1]
            found.append(lent)
            chosen[bag] = torch.where(there, numbers, -1)
        return found, chosen

    def topic_terms(
        self, batch: Batch, graphs: Graphs, encoded: Tensor, vectors: Tensor | None
    ) -> tuple[Topics, Tensor]:
        """Topics, and what they cost every pair [N]."""
        i = batch.inputs
        owner = i["owner"]
        counts = self.vocabularies.word_counts(i["bag"])[owner]
        if vectors is None:
            visual = counts.new_zeros(len(owner), self.config.visual_vocabulary)
        else:
            visual = self.vocabularies.visual_counts(vectors, i["seen"])[owner]
        share = graphs.real / graphs.real.sum(1, keepdim=True)
        mean = (share.unsqueeze(2) * encoded.float()).sum(1)
        # Distributions over thousands of words need float32.
        with torch.autocast(mean.device.type, enabled=False):
            topics = self.topics(counts, mean)
            kl, words, pictures = self.topics.losses(topics, counts, visual)
        return topics, self.config.topic_beta * kl + words + pictures

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.sentences(batch)
        vectors = self.looked_at(batch)
        graphs = self.graphs(batch, states, vectors)
        if self._stage == TOPICS:
            encoded = self.network.encode(graphs)
            _, cost = self.topic_terms(batch, graphs, encoded, vectors)
            empty = encoded.new_zeros(len(cost), len(self.labels.relation_types))
            return {"logits": empty, "topic_cost": cost}
        screened = self.network(graphs)
        topics, cost = self.topic_terms(batch, graphs, screened.encoded, vectors)
        compressed = self.network.compress(self.summary(screened, batch))
        z = compressed.z
        lent, chosen = self.lent_words(topics, z)
        parts = [z, *lent]
        if self.config.with_text and states is not None:
            mask = batch.inputs["attention_mask"].unsqueeze(2)
            parts.append((states * mask).sum(1) / mask.sum(1))
        bits = self.config.legacy_units
        divergence = divergence_from_standard(
            compressed.mean.float(), compressed.deviation.float(), bits=bits
        )
        return {
            "logits": self.classifier(torch.cat(parts, 1)),
            "auxiliary": self.auxiliary(z),
            "divergence": divergence,
            "topic_cost": cost,
            "theta": topics.theta,
            "nodes": screened.nodes,
            "edges": screened.edges,
            **{f"{bag}_topic_words": numbers for bag, numbers in chosen.items()},
        }

    def forward(self, batch: Batch) -> Output:
        output = super().forward(batch)
        if self._stage == TOPICS and "topics" in output.losses:
            del output.losses["main"]
        return output

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``bottleneck``, ``divergence`` and ``topics``."""
        c, cost = self.config, scores["topic_cost"]
        topics = {"topics": c.eta2 * (cost.sum() if c.legacy_units else cost.mean())}
        if self._stage == TOPICS:
            return topics
        label = functional.cross_entropy(scores["auxiliary"], batch.targets["relations"])
        return {
            "bottleneck": c.eta1 * label,
            "divergence": c.eta1 * c.beta * scores["divergence"].mean(),
            **topics,
        }

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """As every relation method; the evidence says what was kept and which words were lent."""
        found = super().decode(output, batch)
        if "nodes" not in output.scores:
            return found
        return with_evidence(found, output, batch, self.vocabularies.known)


def _words(document: Document) -> list[str]:
    """The document's words as they are written."""
    texts = {block.id: block.text for block in document.blocks}
    return [texts[block][start:end] for block, start, end in document_words(document)]
