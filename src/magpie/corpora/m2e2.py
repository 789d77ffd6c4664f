"""M2E2: events of news articles in their sentences, in their pictures, and in both.

Three parts, read as splits. ``text``: a document a sentence, with entities and the events that
words trigger. ``image``: a document a picture, with the one event that it shows and a region an
argument. ``multimedia``: a document an article (its sentences are the blocks, its pictures the
media) with one event for each pair of a sentence and a picture that tell of the same event: it
has the sentence's trigger, the picture, and the arguments of both.

38 sentences stand in both text files with different events; they are one document with the
events of both, otherwise predictions on them would count twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.m2e2_card import CARD, COREF, PICTURES, SENTENCES
from magpie.corpora.m2e2_parts import (
    PictureEvent,
    Sentence,
    article_of,
    entities_of,
    read_picture,
    read_sentence,
    regions_of,
    text_arguments,
)
from magpie.corpora.pictures import PICTURE, Pictures
from magpie.corpora.reader import METHOD, Corpus, ReadOptions, UniqueIds, Watch
from magpie.corpora.records import Raw
from magpie.corpora.source import Found, find, iter_found_lines
from magpie.errors import FormatError, MagpieError, NotFoundError
from magpie.schema import (
    Annotations,
    Argument,
    Document,
    Entity,
    Event,
    Media,
    Provenance,
    Region,
    Source,
)

__all__ = ["M2e2"]


class _Pair(NamedTuple):
    """A line of the coreference file."""

    sentence: str
    image: str
    type: str
    where: str
    line: int


class M2e2(Corpus):
    """The benchmark; there are no pictures and no training data in its archive."""

    card = CARD

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if root.is_file() and root.suffix != ".zip":
            raise NotFoundError(
                "M2E2 consists of five files, came one",
                where=str(root),
                mend="Pass their folder or the archive with root.",
            )
        card = self.card.splits[split]
        found = {file: find(file, root) for file in (card.file, *card.more)}
        main = found[card.file]
        pictures = Pictures(self.card.images, root, options.images)
        reading = _Reading(split, found, pictures, options, Watch(main.name, report))
        return {"text": reading.text, "image": reading.image, "multimedia": reading.multimedia}[
            split
        ]()


class _Reading:
    """One split while it is read."""

    def __init__(
        self,
        split: str,
        found: dict[DataFile, Found],
        pictures: Pictures,
        options: ReadOptions,
        watch: Watch,
    ) -> None:
        self.split = split
        self.found = found
        self.pictures = pictures
        self.kinds = CARD.coarse if options.types == "coarse" else {}
        self.watch = watch
        self.ids = UniqueIds(watch.take)

    # what the files hold

    def sentences(self, file: DataFile) -> Iterator[Sentence]:
        """The readable sentences of a file, in file order."""
        for raw in iter_json_items(self.found[file]):
            try:
                yield read_sentence(
                    _value(raw),
                    types=CARD.event_types,
                    where=raw.where,
                    line=raw.line,
                    report=self.watch.take,
                )
            except MagpieError as error:
                self.lose(error, raw.where)

    def picture_events(self, file: DataFile) -> Iterator[PictureEvent]:
        """The readable pictures of a file, in file order."""
        for raw in iter_json_items(self.found[file]):
            try:
                yield read_picture(
                    raw.key,
                    _value(raw),
                    types=CARD.event_types,
                    where=raw.where,
                    line=raw.line,
                    report=self.watch.take,
                )
            except MagpieError as error:
                self.lose(error, raw.where, raw.key)

    def pairs(self) -> Iterator[_Pair]:
        """The readable lines of the coreference file."""
        found = self.found[COREF]
        for line in iter_found_lines(found):
            where = f"{found.name}:{line.number}"
            columns = [column.strip() for column in line.text.split("\t")]
            if line.error is not None:
                self.lose(line.error, where)
            elif len(columns) == 3 and columns[2] in CARD.event_types:
                sentence, image, kind = columns
                yield _Pair(sentence, image, kind, where, line.number)
            elif line.text.strip():
                message = f"expected sentence, picture and event type, came {line.text[:60]!r}"
                self.lose(FormatError(message, where=where), where)

    def lose(self, error: MagpieError, where: str, record: str | None = None) -> None:
        located = error if error.where else error.at(where)
        self.watch.take(Anomaly.lost(located, record=record))

    # the three parts

    def text(self) -> Iterator[Document]:
        only, both = SENTENCES
        extra: dict[str, Sentence] = {}
        for sentence in self.sentences(both):
            extra.setdefault(sentence.id, sentence)
        for sentence in self.sentences(only):
            merged = sentence
            if sentence.id in extra and extra[sentence.id].words == sentence.words:
                events = (*sentence.events, *extra.pop(sentence.id).events)
                merged = dataclasses.replace(sentence, events=events)
            yield from self.sentence_document(merged, only)
        for sentence in extra.values():
            yield from self.sentence_document(sentence, both)
        self.watch.close()

    def sentence_document(self, sentence: Sentence, file: DataFile) -> Iterator[Document]:
        try:
            block = sentence.block()
            entities = entities_of(sentence, block, self.kinds)
            events = tuple(
                Event(
                    id=f"v{number}",
                    type=event.type,
                    trigger=block.word_span(event.start, event.end),
                    arguments=text_arguments(event, sentence, entities),
                )
                for number, event in enumerate(sentence.events)
            )
            document = Document(
                id=self.ids.take(sentence.id, sentence.where),
                blocks=(block,),
                media=tuple(self.media(sentence.images, sentence.where).values()),
                annotations=self.annotations(entities, events),
                source=self.source(file, sentence.line),
            )
        except MagpieError as error:
            self.lose(error, sentence.where, sentence.id)
            return
        self.watch.good += 1
        yield document

    def image(self) -> Iterator[Document]:
        for file in PICTURES:
            for picture in self.picture_events(file):
                regions, arguments = regions_of(picture, PICTURE)
                event = Event(id="v0", type=picture.type, media=PICTURE, arguments=arguments)
                try:
                    medium = self.pictures.media(picture.id, picture.where, self.watch.take)
                    document = Document(
                        id=self.ids.take(picture.id, picture.where),
                        blocks=(),
                        media=(medium,),
                        annotations=self.annotations((), (event,), regions),
                        source=self.source(file, picture.line),
                    )
                except MagpieError as error:
                    self.lose(error, picture.where, picture.id)
                    continue
                self.watch.good += 1
                yield document
        self.watch.close()

    def multimedia(self) -> Iterator[Document]:
        only, both = SENTENCES
        pairs: dict[str, list[_Pair]] = {}
        for pair in self.pairs():
            pairs.setdefault(article_of(pair.sentence), []).append(pair)
        shown = {picture.id: picture for picture in self.picture_events(PICTURES[1])}
        told = {sentence.id: sentence for sentence in self.sentences(both)}
        articles: dict[str, dict[str, Sentence]] = {article: {} for article in pairs}
        for sentence in (*told.values(), *self.sentences(only)):
            article = articles.get(article_of(sentence.id))
            if article is not None:
                article.setdefault(sentence.id, sentence)
        for name, sentences in articles.items():
            try:
                document = self.article(name, sentences, pairs[name], told, shown)
            except MagpieError as error:
                self.lose(error, pairs[name][0].where, name)
                continue
            self.watch.good += 1
            yield document
        self.watch.close()

    def article(
        self,
        name: str,
        sentences: dict[str, Sentence],
        pairs: list[_Pair],
        told: dict[str, Sentence],
        shown: dict[str, PictureEvent],
    ) -> Document:
        """An article with the events that one of its sentences and one of its pictures share."""
        ordered = sorted(sentences.values(), key=lambda s: (_number(s.id), s.id))
        blocks = {each.id: each.block(f"b{index}") for index, each in enumerate(ordered)}
        entities: list[Entity] = []
        own: dict[str, list[Entity]] = {}
        for each in ordered:
            own[each.id] = entities_of(each, blocks[each.id], self.kinds, len(entities))
            entities.extend(own[each.id])
        names = dict.fromkeys(image for each in ordered for image in each.images)
        media = self.media((*names, *(pair.image for pair in pairs)), pairs[0].where)
        regions: dict[str, list[Region]] = {}
        roles: dict[str, tuple[Argument, ...]] = {}
        events: list[Event] = []
        for pair in pairs:
            sentence = told.get(pair.sentence)
            picture = shown.get(_stem(pair.image))
            event = sentence.event(pair.type) if sentence is not None else None
            if sentence is None or picture is None or event is None:
                message = f"no such event in sentence {pair.sentence} and picture {pair.image}"
                self.watch.take(Anomaly("link-dangling", message, pair.where, name))
                continue
            if picture.type != pair.type:
                message = f"{pair.type} in {pair.sentence}, {picture.type} in {pair.image}"
                self.watch.take(Anomaly("type-mismatch", message, pair.where, name))
            medium = media[pair.image].id
            if pair.image not in regions:
                first = sum(map(len, regions.values()))
                regions[pair.image], roles[pair.image] = regions_of(picture, medium, first)
            in_text = text_arguments(event, sentence, own[sentence.id])
            events.append(
                Event(
                    id=f"v{len(events)}",
                    type=pair.type,
                    trigger=blocks[sentence.id].word_span(event.start, event.end),
                    media=medium,
                    arguments=(*in_text, *roles[pair.image]),
                )
            )
        return Document(
            id=self.ids.take(name, pairs[0].where),
            blocks=tuple(blocks.values()),
            media=tuple(media.values()),
            annotations=self.annotations(entities, events, chain(*regions.values())),
            source=self.source(COREF, pairs[0].line),
        )

    # what the parts share

    def media(self, names: Iterable[str], where: str) -> dict[str, Media]:
        """The pictures of those file names, m0, m1 and so on."""
        media: dict[str, Media] = {}
        for name in dict.fromkeys(names):
            stem, dot, ending = name.rpartition(".")
            media[name] = self.pictures.media(
                stem if dot else name,
                where,
                self.watch.take,
                suffix=f"{dot}{ending}" if dot else "",
                medium=f"m{len(media)}",
            )
        return media

    def annotations(
        self, entities: Iterable[Entity], events: Iterable[Event], regions: Iterable[Region] = ()
    ) -> Annotations:
        return Annotations(
            entities=tuple(entities),
            regions=tuple(regions),
            events=tuple(events),
            provenance=Provenance(method=METHOD, version=CARD.ref),
        )

    def source(self, file: DataFile, line: int) -> Source:
        return Source(corpus=CARD.ref, split=self.split, file=file.label, line=line)


def _value(raw: Raw) -> object:
    if raw.error is not None:
        raise raw.error
    return raw.value


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _number(identifier: str) -> int:
    """The number behind an article's id; articles' sentences count from 0."""
    number = identifier.rpartition("_")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
