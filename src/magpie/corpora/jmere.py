"""JMERE: every related pair of a tweet with a picture, with the types of both mentions.

Made from MNRE by joining the instances of a sentence. A file is a JSON list (as EEGA reads it) or
one JSON object a line (FGCL): ``{"token": [...], "img_id": ..., "label_list": [[{"beg_ent":
{"name": ..., "pos": [start, end], "tags": ...}, "sec_ent": {...}, "relation": ...}], ...]}``.

FGCL's files have ``entity_region`` besides: ``[text, type, [x1, y1, x2, y2]]``, found by a model,
in pixels. They are no gold: they become regions of their own with :data:`PSEUDO` as provenance. Its
files for pre-training have no ``label_list``; then nobody but the model annotated the document.
"""

from __future__ import annotations

from collections.abc import Iterator

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Card
from magpie.corpora.json_items import iter_json
from magpie.corpora.mnre import Mnre2, picture_id
from magpie.corpora.pairs import Words, check_relation, mention
from magpie.corpora.pictures import PICTURE
from magpie.corpora.records import Raw, Reading, RecordCorpus, field, word_list
from magpie.corpora.source import Found
from magpie.errors import FormatError, SchemaError
from magpie.schema import Annotations, Block, Box, Document, Entity, Provenance, Region, Relation

__all__ = ["PSEUDO", "Jmere"]

#: method of the regions that a model found for FGCL
PSEUDO = "fgcl-pseudo-label"

_TYPES = ("per", "org", "misc", "loc")


def _relations() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The last parts of MNRE's labels; alternate_names stands for persons and organisations."""
    merged: dict[str, tuple[list[str], list[str]]] = {"none": ([], [])}
    for label, (heads, tails) in Mnre2.card.relations.items():
        if label == "None":
            continue
        ends = merged.setdefault(label.rsplit("/", maxsplit=1)[-1], ([], []))
        for known, types in zip(ends, (heads, tails), strict=True):
            known.extend(kind for kind in types if kind not in known)
    return {name: (tuple(heads), tuple(tails)) for name, (heads, tails) in merged.items()}


class Jmere(RecordCorpus):
    """Give the file itself as root, or a folder with ``train.json`` and so on."""

    suffixes = (".json", ".jsonl", ".txt")
    card = Card(
        name="jmere",
        version="1",
        title="JMERE (format)",
        task="related mentions and their types in tweets with pictures",
        licence="that of the files; tweets under the terms of Twitter; research use",
        origin="YuanLi95/EEGA-for-JMERE @ be7a632, YuanLi95/FGCL_For_JMERE @ 26992ab (code only)",
        citation="Yuan et al., Joint Multimodal Entity-Relation Extraction Based on Edge-Enhanced "
        "Graph Alignment Network and Word-Pair Relation Tagging, AAAI 2023",
        types=_TYPES,
        coarse={"per": "PER", "org": "ORG", "misc": "OTHER", "loc": "LOC"},
        relations=_relations(),
        images=("images/mnre/train", "images/mnre/val", "images/mnre/test", "images/mnre"),
        defects=(
            "3617 / 495 / 474 sentences in the paper; a later version joins more of MNRE",
            "sentences without a related pair were dropped when the corpus was made",
            "alternate_names of persons and of organisations are one relation here",
        ),
    )

    def records(self, found: Found) -> Iterator[Raw]:
        return iter_json(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        words = word_list(field(raw.value, "token", list, where), "token", where)
        block = Block.from_words(words)
        picture = picture_id(field(raw.value, "img_id", object, where), where)
        regions = _regions(raw, reading)
        annotations = None
        if "label_list" in raw.value:
            annotations = _annotations(raw, words, block, regions, reading)
        elif regions:
            annotations = Annotations(regions=regions, provenance=Provenance(method=PSEUDO))
        return Document(
            id=reading.ids.take(f"{picture}-{raw.number or raw.line}", where),
            blocks=(block,),
            media=(reading.pictures.media(picture, where, reading.report),),
            annotations=annotations,
            source=reading.source(raw.line),
        )


def _annotations(
    raw: Raw, words: list[str], block: Block, regions: tuple[Region, ...], reading: Reading
) -> Annotations:
    where = raw.where
    entities: dict[Words, Entity] = {}
    relations: dict[tuple[str, str, str], Relation] = {}
    for entry in field(raw.value, "label_list", list, where):
        # A list of one triple in the release; more than one, or a bare one, means the same.
        for triple in entry if isinstance(entry, list) else [entry]:
            head = _entity(triple, "beg_ent", words, block, entities, reading, where)
            tail = _entity(triple, "sec_ent", words, block, entities, reading, where)
            if head == tail:
                raise FormatError("head and tail are the same words", where=where)
            label = field(triple, "relation", str, where).lower()
            check_relation(label, reading.card, where)
            key = (head, tail, label)
            if key in relations:
                message = f"{label} from {head} to {tail} stands twice"
                reading.report(Anomaly("relation-repeated", message, where))
                continue
            relations[key] = Relation(id=f"r{len(relations)}", head=head, tail=tail, type=label)
    return Annotations(
        entities=tuple(entities.values()),
        regions=regions,
        relations=tuple(relations.values()),
        provenance=reading.provenance(),
    )


def _entity(
    triple: object,
    name: str,
    words: list[str],
    block: Block,
    entities: dict[Words, Entity],
    reading: Reading,
    where: str,
) -> str:
    """The id of a mention, which is new unless another triple has it."""
    place = mention(triple, name, words, reading, where)
    kind = field(field(triple, name, dict, where), "tags", str, where).lower()
    if kind not in reading.card.types:
        raise FormatError(
            f"{reading.card.ref} has no type {kind[:40]!r}, its types are "
            f"{', '.join(reading.card.types)}",
            code="format-tags",
            where=where,
        )
    kind = reading.type_of(kind)
    known = entities.get(place)
    if known is None:
        identifier = f"e{len(entities)}"
        entities[place] = Entity(id=identifier, span=block.word_span(*place), type=kind)
        return identifier
    if known.type != kind:
        message = f"{name} at {place[0]} to {place[1]} is {known.type} and {kind}"
        reading.report(Anomaly("label-conflict", message, where))
    return known.id


def _regions(raw: Raw, reading: Reading) -> tuple[Region, ...]:
    """What a model found in the picture, where the file says so."""
    if not isinstance(raw.value, dict) or "entity_region" not in raw.value:
        return ()
    regions = []
    for item in field(raw.value, "entity_region", list, raw.where):
        try:
            text, kind, corners = item
            x1, y1, x2, y2 = (float(value) for value in corners)
        except (TypeError, ValueError) as error:
            raise FormatError(
                f"expected [text, type, [x1, y1, x2, y2]] in 'entity_region', came {item!r:.60}",
                where=raw.where,
            ) from error
        try:
            box = Box(x1, y1, x2, y2, media=PICTURE)
        except SchemaError as error:
            reading.report(Anomaly("box-skipped", f"{text!r}: {error.message}", raw.where))
            continue
        provenance = Provenance(method=PSEUDO, evidence=(str(kind).strip(),))
        regions.append(Region(media=PICTURE, box=box, label=str(text), provenance=provenance))
    return tuple(regions)
