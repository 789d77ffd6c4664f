"""WikiDiverse: captions of news pictures with mentions that are linked to Wikipedia.

A JSON list of ``[sentence, picture address, topic, [[mention, type, start, end, page], ...]]`` with
half-open character offsets, as its repository describes; the data was not at hand. The page that
a mention is linked to is the evidence in its entity's provenance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Card
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.pictures import PICTURE
from magpie.corpora.reader import METHOD
from magpie.corpora.records import Raw, Reading, RecordCorpus
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import (
    Annotations,
    Block,
    ContextText,
    Document,
    Entity,
    Media,
    Provenance,
)

__all__ = ["TOPIC", "WikiDiverse"]

#: source of the context that holds the topic
TOPIC = "wikidiverse-topic"

_MEND = "Is the file of another corpus?"


class WikiDiverse(RecordCorpus):
    """Give the file itself as root, or a folder with ``train.json`` and so on.

    Pictures are addresses, which are not fetched; one whose file name lies in ``images`` is taken
    from there.
    """

    suffixes = (".json",)
    card = Card(
        name="wikidiverse",
        version="1",
        title="WikiDiverse (file format)",
        task="mentions in picture captions of news, linked to Wikipedia",
        licence="CC BY-SA 4.0 (annotations)",
        origin="wangxw5/wikiDiverse @ b0acfe2",
        citation="Wang et al., WikiDiverse: A Multimodal Entity Linking Dataset with Diversified "
        "Contextual Topics and Entity Types, ACL 2022",
        images=("images/wikidiverse",),
        defects=(
            "the release has a first and a second version with other splits; name yours",
            "magpie has read no published file, so no count here is checked",
        ),
    )

    def records(self, found: Found) -> Iterator[Raw]:
        """Records have no id: they are numbered from 1, unreadable ones included."""
        for number, raw in enumerate(iter_json_items(found), start=1):
            yield dataclasses.replace(raw, key=str(number))

    def document(self, raw: Raw, reading: Reading) -> Document:
        sentence, address, topic, mentions = _parts(raw)
        block = Block(text=sentence)
        medium = _medium(address, raw, reading)
        entities = tuple(
            _entity(item, f"e{number}", block, raw, reading) for number, item in enumerate(mentions)
        )
        context = (ContextText(kind="note", text=topic, source=TOPIC),) if topic else ()
        return Document(
            id=reading.ids.take(f"{reading.split}-{raw.key}", raw.where),
            blocks=(block,),
            media=(medium,) if medium is not None else (),
            context=context,
            annotations=Annotations(entities=entities, provenance=reading.provenance()),
            source=reading.source(raw.line),
        )


def _parts(raw: Raw) -> tuple[str, str, str, list[Any]]:
    value = raw.value
    if not isinstance(value, list) or len(value) != 4:
        raise FormatError(
            f"expected [sentence, picture, topic, mentions], came {str(value)[:60]!r}",
            where=raw.where,
            mend=_MEND,
        )
    sentence, address, topic, mentions = value
    texts = (sentence, address, topic)
    if not all(isinstance(text, str) for text in texts) or not isinstance(mentions, list):
        raise FormatError(
            f"expected three texts and a list of mentions, came {str(value)[:60]!r}",
            where=raw.where,
            mend=_MEND,
        )
    return sentence, address, topic, mentions


def _entity(item: Any, identifier: str, block: Block, raw: Raw, reading: Reading) -> Entity:
    if not isinstance(item, list) or len(item) < 4:
        raise FormatError(
            f"expected [mention, type, start, end, page], came {str(item)[:60]!r}",
            where=raw.where,
            mend=_MEND,
        )
    text, kind, start, end = item[:4]
    page = item[4] if len(item) > 4 else None
    numbers = all(isinstance(n, int) and not isinstance(n, bool) for n in (start, end))
    if not isinstance(text, str) or not isinstance(kind, str) or not numbers:
        raise FormatError(f"unusable mention {str(item)[:60]!r}", where=raw.where, mend=_MEND)
    span = block.span(start, end)
    there = block.text[start:end]
    if there != text:
        message = f"{text[:40]!r} is said to stand where {there[:40]!r} stands"
        reading.report(Anomaly("name-mismatch", message, raw.where))
    evidence = (page,) if isinstance(page, str) and page else ()
    provenance = Provenance(method=METHOD, version=reading.card.ref, evidence=evidence)
    return Entity(id=identifier, span=span, type=kind, provenance=provenance)


def _medium(address: str, raw: Raw, reading: Reading) -> Media | None:
    """The picture from the pictures folder, or its address; None where there is neither."""
    if not address:
        return None
    name = unquote(urlsplit(address).path).rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    if reading.pictures.folders and stem:
        medium = reading.pictures.media(stem, raw.where, reading.report, suffix=f"{dot}{ending}")
        if medium.present or reading.pictures.given:
            return medium
    return Media(id=PICTURE, uri=address)
