"""The question sets of MQA: four test sets of other corpora, re-written as JSON lists.

The two entity sets are Twitter-2015 (in the labels of TMR) and Twitter-2017, with words and
half-open positions. The two relation sets are MNRE's, version 1 and 2, with text instead of
positions: a mention is put at the first place where its words stand, reported if there are several.

**A leak.** Relation rows carry types of head and tail: ``known_*`` of related pairs, read off the
gold label, and ``pred_*`` of all, which for related pairs repeat them (always in version 1, in 476
of 640 in version 2) and for unrelated ones say something else (in version 1 the same pair for all).
The type constraint of MQA takes the known ones where there are any: that tells which pairs are
related. So none of them is part of a document's context; they stand in the provenance of the gold
mentions (``known-type:per``, ``predicted-type:per``), for measuring the leak.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.mnre import Mnre1, Mnre2
from magpie.corpora.pairs import UNTYPED, Words, check_relation, pair_document, place, word_windows
from magpie.corpora.records import Raw, Reading, RecordCorpus, field, word_list
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import Annotations, Block, Document, Entity

__all__ = [
    "KNOWN",
    "PREDICTED",
    "MqaMnre1",
    "MqaMnre2",
    "MqaTwitter2015",
    "MqaTwitter2017",
    "TypedPair",
    "typed_pair",
]

#: what stands before a type in the provenance of a mention
KNOWN = "known-type:"
PREDICTED = "predicted-type:"

_COARSE = {"per": "PER", "loc": "LOC", "org": "ORG", "other": "OTHER", "misc": "OTHER"}
_LICENCE = "none stated; tweets under the terms of Twitter; research use"
_ORIGIN = "OSU-NLP-Group/MQA @ 8f5d1a9"
_CITATION = "Sun et al., Multimodal Question Answering for Unified Information Extraction, 2023"


_EMPTY = (
    "the fields relations, org_id, ltokens and rtokens are empty everywhere; pos repeats tokens"
)


class TypedPair(NamedTuple):
    """The types of head and tail that a row of a relation set carries; None where it has none."""

    known: tuple[str, str] | None
    predicted: tuple[str, str] | None


def typed_pair(document: Document) -> TypedPair:
    """The types that the relation sets of MQA give with a document. They leak its gold label."""
    found: dict[str, list[str]] = {KNOWN: [], PREDICTED: []}
    for entity in document.entities[:2]:
        for note in entity.provenance.evidence if entity.provenance is not None else ():
            for prefix, types in found.items():
                if note.startswith(prefix):
                    types.append(note.removeprefix(prefix))
    known, predicted = ((v[0], v[1]) if len(v) == 2 else None for v in found.values())
    return TypedPair(known, predicted)


class _Entities(RecordCorpus):
    def records(self, found: Found) -> Iterator[Raw]:
        return iter_json_items(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        words = word_list(field(raw.value, "tokens", list, where), "tokens", where)
        picture = field(raw.value, "img_id", str, where)
        block = Block.from_words(words)
        entities = []
        for index, item in enumerate(field(raw.value, "entities", list, where)):
            kind = field(item, "type", str, where)
            if kind not in reading.card.types:
                raise FormatError(
                    f"{reading.card.ref} has no type {kind[:40]!r}, its types are "
                    f"{', '.join(reading.card.types)}",
                    code="format-tags",
                    where=where,
                )
            ends = [field(item, "start", int, where), field(item, "end", int, where)]
            start, end = place(ends, f"entities[{index}]", words, where)
            span = block.word_span(start, end)
            entities.append(Entity(id=f"e{index}", span=span, type=reading.type_of(kind)))
        return Document(
            id=reading.ids.take(picture, where),
            blocks=(block,),
            media=(reading.pictures.media(picture, where, reading.report),),
            annotations=Annotations(entities=tuple(entities), provenance=reading.provenance()),
            source=reading.source(raw.line),
        )


class _Pairs(RecordCorpus):
    def records(self, found: Found) -> Iterator[Raw]:
        return iter_json_items(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        # The corpora join words by one space, so the words come back exactly.
        words = word_list(field(raw.value, "text", str, where).split(), "text", where)
        label = check_relation(field(raw.value, "relation", str, where), reading.card, where)
        head = _find(raw, "head", words, reading, taken=None)
        tail = _find(raw, "tail", words, reading, taken=head)
        path = field(raw.value, "img_path", str, where)
        picture = path.replace("\\", "/").rsplit("/", maxsplit=1)[-1].removesuffix(".jpg")
        return pair_document(
            reading,
            id=f"{picture}-{raw.number}",
            where=where,
            line=raw.line,
            words=words,
            head=head,
            tail=tail,
            relation=label,
            media=(reading.pictures.media(picture, where, reading.report),),
            evidence=(_types(raw, "h"), _types(raw, "t")),
        )


def _find(raw: Raw, name: str, words: list[str], reading: Reading, taken: Words | None) -> Words:
    """The first place that is not the other mention's, one with the same blanks before others."""
    text = field(raw.value, name, str, raw.where)
    places = [window for window in word_windows(words, text) if window != taken]
    exact = [(start, end) for start, end in places if " ".join(words[start:end]) == text]
    places = exact or places
    if not places:
        raise FormatError(f"{name} {text[:60]!r} is not in the text", where=raw.where)
    if len(places) > 1:
        message = f"{name} {text[:60]!r} stands at {len(places)} places"
        reading.report(Anomaly("mention-ambiguous", message, raw.where))
    return places[0]


def _types(raw: Raw, end: str) -> tuple[str, ...]:
    notes = []
    for prefix, name in ((KNOWN, f"known_{end}"), (PREDICTED, f"pred_{end}")):
        kind = field(raw.value, name, str, raw.where)
        if kind != "None":
            notes.append(prefix + kind)
    return tuple(notes)


class MqaTwitter2015(_Entities):
    """Twitter-2015, test, in the labels of TMR."""

    card = Card(
        name="mqa",
        version="twitter2015",
        title="MQA, entities of Twitter-2015",
        task="named entities in tweets with pictures",
        licence=_LICENCE,
        origin=_ORIGIN,
        citation=_CITATION,
        types=("per", "loc", "org", "other"),
        coarse={kind: _COARSE[kind] for kind in ("per", "loc", "org", "other")},
        images=("images/twitter2015",),
        splits={
            "test": SplitCard(
                DataFile(
                    "mqa/mner_twitter2015_test.json",
                    "6ebf1586c40c4f311d5f57e7baec9dcef0320664c3a444ca1d5db48c2b0f732d",
                ),
                Counts(
                    documents=3257,
                    words=52822,
                    entities=5237,
                    entities_lenient=5237,
                    types={"loc": 1750, "org": 859, "other": 748, "per": 1880},
                    pictures=3257,
                ),
            )
        },
        defects=(
            (
                "the labels are those of twitter2015@tmr read leniently (5237), not of "
                "twitter2015@umt (5207)"
            ),
            _EMPTY,
        ),
    )


class MqaTwitter2017(_Entities):
    """Twitter-2017, test."""

    card = Card(
        name="mqa",
        version="twitter2017",
        title="MQA, entities of Twitter-2017",
        task="named entities in tweets with pictures",
        licence=_LICENCE,
        origin=_ORIGIN,
        citation=_CITATION,
        types=("per", "loc", "org", "misc"),
        coarse={kind: _COARSE[kind] for kind in ("per", "loc", "org", "misc")},
        images=("images/twitter2017",),
        splits={
            "test": SplitCard(
                DataFile(
                    "mqa/mner_twitter2017_test.json",
                    "0553979d783dade2e89e1b6f4c4d2c9be95b8dfa5b798a961d3a6487b44bd4f2",
                ),
                Counts(
                    documents=723,
                    words=11330,
                    entities=1351,
                    entities_lenient=1351,
                    types={"loc": 178, "misc": 157, "org": 395, "per": 621},
                    pictures=723,
                ),
            )
        },
        defects=(_EMPTY,),
    )


_LEAK = (
    "known_h and known_t are read off the gold label and stand at related pairs only: a method "
    "that is given them is given the label"
)


def _pair_counts(words: int, pictures: int, relations: Mapping[str, int]) -> Counts:
    """As MNRE's, except that the null relation is spelt as in version 2 everywhere."""
    spelt = {"None" if label == "none" else label: n for label, n in relations.items()}
    documents = sum(spelt.values())
    return Counts(
        documents=documents,
        words=words,
        entities=2 * documents,
        entities_lenient=2 * documents,
        types={UNTYPED: 2 * documents},
        pictures=pictures,
        relations=documents,
        relation_types=spelt,
    )


class MqaMnre1(_Pairs):
    """MNRE 1, test."""

    card = Card(
        name="mqa",
        version="mnre1",
        title="MQA, relations of MNRE 1",
        task="the relation between two given mentions of a tweet with a picture",
        licence=_LICENCE,
        origin=_ORIGIN,
        citation=_CITATION,
        types=(UNTYPED,),
        # The null relation is spelt as in version 2.
        relations={
            "None" if label == "none" else label: ends
            for label, ends in Mnre1.card.relations.items()
        },
        images=("images/mnre1",),
        splits={
            "test": SplitCard(
                DataFile(
                    "mqa/mre_v1_test_type.json",
                    "99f38e6d4723c3a87f852e653d19e3267ea52ac7dd19dd98c195c514a8289144",
                ),
                _pair_counts(22042, 675, Mnre1.card.splits["test"].counts.relation_types),
                {"mention-ambiguous": 49},
            )
        },
        defects=(
            _LEAK,
            (
                "all 749 unrelated instances have the same predicted types (misc, loc), and the "
                "533 related ones those of their label: the most frequent label per pair of types "
                "reaches F1 76.08 without text or picture"
            ),
            "text instead of positions: 49 mentions stand at several places; the first is MNRE's",
        ),
    )


class MqaMnre2(_Pairs):
    """MNRE 2, test, in another order."""

    card = Card(
        name="mqa",
        version="mnre2",
        title="MQA, relations of MNRE 2",
        task="the relation between two given mentions of a tweet with a picture",
        licence=_LICENCE,
        origin=_ORIGIN,
        citation=_CITATION,
        types=(UNTYPED,),
        relations=Mnre2.card.relations,
        images=("images/mnre/train", "images/mnre/val", "images/mnre/test", "images/mnre"),
        splits={
            "test": SplitCard(
                DataFile(
                    "mqa/mre_v2_test_type.json",
                    "adcfa539deea11a652a44b9294dfe8fb0d51ebed6595a2421e3066ef7a3eb48f",
                ),
                _pair_counts(27165, 914, Mnre2.card.splits["test"].counts.relation_types),
                {"mention-ambiguous": 44},
            )
        },
        defects=(
            _LEAK,
            (
                "the most frequent label per pair of known, else predicted, types reaches F1 34.06 "
                "without text or picture"
            ),
            "text instead of positions: 44 mentions stand at several places; the first is MNRE's",
        ),
    )
