"""Text and pictures in, grounded entities out.

::

    extractor = Extractor()
    document = extractor("Eileen Collins flew for NASA.", image="portrait.jpg")
    for document in extractor.stream(documents):
        ...

The result for a document depends on that document and on the settings alone: not on its
neighbours, the number of threads or the batch size.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import magpie
from magpie._io import dump_json, text_digest
from magpie.engine.looking import looking
from magpie.engine.model import EMBEDDED, check_threads
from magpie.engine.names import GROUNDER, LETTERING
from magpie.engine.pictures import (
    Picture,
    load_pictures,
    only_sizes,
    with_bytes,
    with_pictures,
    with_problems,
)
from magpie.engine.records import document_of, failed_document, unreadable
from magpie.engine.tagger import BUCKET, Tagger
from magpie.engine.trained import Trained, checkpoint_folder
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.schema import (
    Annotations,
    Block,
    ContextText,
    Document,
    Entity,
    Problem,
    Provenance,
)
from magpie.text.words import split_words

if TYPE_CHECKING:
    from PIL import Image as PillowImage

    from magpie.engine.grounding import Grounder
    from magpie.engine.looking import Ground
    from magpie.vision import ImageLimits

__all__ = ["MAX_CHARS", "METHOD", "Extractor"]

#: what stands in the provenance
METHOD = "magpie-embedded"
#: characters of one document's text that are accepted by default
MAX_CHARS = 100_000


class Extractor:
    """Finds entities in text and the regions of the pictures that show them.

    Args:
        model: ``"embedded"``, a folder with a tagger's three files, or a checkpoint (or run) of
            `magpie train`, for which torch is loaded. One that is given entities, to relate them,
            gets those of the document, else those that the embedded model finds.
        threads: documents worked on at once; by default the cores available to the process.
        ground: who looks for entities in pictures: True or "auto", the model where it grounds by
            itself, else :class:`LocalGrounder` (loaded when the first picture comes); "model",
            the model or nobody; "local"; False or "none", so that every grounding stays
            ``unknown``; the folder of a trained method that grounds the entities of others; or an
            object that implements :class:`Grounder`.
        regions: folders of region features that trained models pick among, by name.
        settings: of a trained model, in place of those it was trained with, where they may be
            others: ``{"type_constraint": "mask"}`` for relations that fit the types found.
        max_chars: longest text of one document, in code points.
        root: folder that relative picture paths start from and that no path may leave.
        allow_remote: fetch pictures given as http(s) addresses.
        limits: bytes, pixels and seconds one picture may cost.
        bucket: texts of like length that share one run of the model. It changes no result of the
            embedded model; 1 is for models with dynamically quantised activations.

    Raises:
        ModelError: the model is absent, damaged or of another version.
        ConfigError: an option has an impossible value.

    Instances may be used by several threads at once.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = EMBEDDED,
        *,
        threads: int | None = None,
        ground: Ground = True,
        regions: Mapping[str, str | os.PathLike[str]] | None = None,
        settings: Mapping[str, Any] | None = None,
        max_chars: int = MAX_CHARS,
        root: str | os.PathLike[str] | None = None,
        allow_remote: bool = False,
        limits: ImageLimits | None = None,
        bucket: int = BUCKET,
    ) -> None:
        for name, value in (("max_chars", max_chars), ("bucket", bucket)):
            if isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value!r}")
        self.threads = check_threads(threads)
        self.max_chars = max_chars
        self._root, self._allow_remote, self._limits = root, allow_remote, limits
        self._lock = threading.Lock()
        self._looking = looking(ground, root=root, limits=limits, regions=regions)
        self._local: Grounder | None = None
        folder = None if os.fspath(model) == EMBEDDED else checkpoint_folder(model)
        self._trained: Trained | None = None
        if folder is not None:
            boxes = self._looking.by_model
            self._trained = Trained(
                folder, root=root, limits=limits, regions=regions, boxes=boxes, settings=settings
            )
            self.provenance = self._trained.provenance
            if "entities" in self._trained.given:
                # For documents that bring none of their own.
                self._tagger = Tagger(EMBEDDED, bucket=bucket)
            return
        if regions and self._looking.kind != "method":
            raise ConfigError(
                f"nobody here reads region features: {', '.join(regions)}",
                mend="They are for trained models: model=RUN, or ground=RUN (--model, --grounder).",
            )
        self._tagger = Tagger(model, bucket=bucket)
        if settings:
            raise ConfigError(
                f"a tagger of this kind has no settings: {', '.join(settings)}",
                mend="They are for trained models: model=RUN (--model).",
            )
        config = self._tagger.config
        parts = {"model": config.digest, "ground": self._ground_name()}
        self.provenance = Provenance(
            method=METHOD,
            version=f"{magpie.__version__}+model.{config.version or config.digest[:8]}",
            config_digest=text_digest(dump_json(parts))[:16],
        )

    def __call__(
        self,
        text: str | Document,
        image: Picture | Sequence[Picture] | None = None,
        *,
        id: str = "d0",
        caption: str | None = None,
    ) -> Document:
        """Extracts from one text or document; annotations it already has are replaced.

        Args:
            text: the text, or a document with its own pictures.
            image: one picture or several: paths, addresses, encoded bytes or Pillow images. They
                come after those of the document.
            id: of the new document, where ``text`` is a string.
            caption: what somebody wrote about the picture; helps to link entities to regions.

        Returns:
            The document with annotations; offsets count code points of the text as given. A
            picture that cannot be used leaves its groundings ``unknown``, the status ``partial``
            and the reason in ``problems``.

        Raises:
            SchemaError: the text holds a NUL or a lone surrogate.
            FormatError: the text is longer than ``max_chars``.
        """
        document = (
            text if isinstance(text, Document) else Document(id=id, blocks=(Block(text=text),))
        )
        document, given = with_pictures(document, image)
        if caption is not None:
            note = ContextText(kind="caption", text=caption, source="user")
            document = dataclasses.replace(document, context=(*document.context, note))
        document = self._prepared(document)
        if self._trained is not None:
            done = self._tagged([with_bytes(document, given)])[0]
            media = only_sizes(document, done.media).media
            document = dataclasses.replace(done, media=media)
        else:
            document = self._tagged([document])[0]
        return self._grounded(document, given) if self._looks_at(document) else document

    def stream(
        self, documents: Iterable[Document | Mapping[str, Any]], batch_size: int = 32
    ) -> Iterator[Document]:
        """Extracts from many documents, in the order given, holding only a few batches.

        Args:
            documents: documents, or mappings with ``id``, ``text`` and perhaps ``image`` (a path
                or a list of paths) and ``caption``, or with the fields of a document.
            batch_size: documents handed to a thread at a time. It changes speed, never results.

        Yields:
            One document for each given. One that cannot be read at all comes back with status
            ``failed``, the reason in ``problems`` and no annotations; so does one that came in
            ``failed`` and without text.
        """
        if isinstance(batch_size, bool) or batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}")
        return self._stream(iter(documents), batch_size)

    def _stream(
        self, documents: Iterator[Document | Mapping[str, Any]], batch_size: int
    ) -> Iterator[Document]:
        waiting: deque[Future[list[Document]]] = deque()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="magpie")
        try:
            while batch := list(islice(documents, batch_size)):
                waiting.append(pool.submit(self._batch, batch))
                # One batch more than there are threads keeps all of them busy.
                if len(waiting) > self.threads:
                    yield from self._with_groundings(waiting.popleft().result(), pool)
            while waiting:
                yield from self._with_groundings(waiting.popleft().result(), pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _with_groundings(
        self, batch: Sequence[Document], pool: ThreadPoolExecutor
    ) -> Iterator[Document]:
        """Pictures cost a thousand times what texts do: each comes back as soon as it is done."""
        if self._looking.kind == "method":
            # A network reads many pictures in the time of a few.
            looked = [document for document in batch if self._looks_at(document)]
            written = iter(self._by_method(looked))
            yield from (next(written) if self._looks_at(each) else each for each in batch)
            return
        grounded = {
            index: pool.submit(self._grounded, document, {})
            for index, document in enumerate(batch)
            if self._looks_at(document)
        }
        for index, document in enumerate(batch):
            yield grounded.pop(index).result() if index in grounded else document

    def _batch(self, batch: Sequence[Document | Mapping[str, Any]]) -> list[Document]:
        results: list[Document | None] = [None] * len(batch)
        good: list[tuple[int, Document]] = []
        for index, given in enumerate(batch):
            try:
                document = given if isinstance(given, Document) else document_of(given)
                if unreadable(document):
                    results[index] = document
                    continue
                good.append((index, self._prepared(document)))
            except MagpieError as error:
                results[index] = failed_document(given, error)
        tagged = self._tagged([document for _, document in good])
        for (index, _), document in zip(good, tagged, strict=True):
            results[index] = document
        return [document for document in results if document is not None]

    def _prepared(self, document: Document) -> Document:
        """Without what an earlier run left; refused where the text is too long."""
        length = sum(len(block.text) for block in document.blocks)
        if length > self.max_chars:
            raise FormatError(
                f"the text has {length} characters, at most {self.max_chars} are read",
                code="format-too-long",
                where=f"document {document.id!r}",
                mend="Split it, or raise max_chars (--max-chars).",
            )
        # The lettering is read again where pictures are looked at; twice it would count double.
        again = {self._ground_name(), LETTERING} if self._looks_at(document) else set()
        context = tuple(
            note for note in document.context if note.kind != "ocr" or note.source not in again
        )
        # A method that is handed entities, to relate them, gets those of the document.
        handed = self._trained is not None and bool(self._trained.given)
        kept = document.annotations if handed else None
        return dataclasses.replace(
            document, annotations=kept, status="ok", problems=(), context=context
        )

    def _tagged(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with what the model finds; the embedded one names entities for a method
        that is given them, where a document brings no annotations."""
        if self._trained is None:
            return self._named(documents)
        if "entities" in self._trained.given:
            found = iter(self._named([each for each in documents if each.annotations is None]))
            documents = [next(found) if each.annotations is None else each for each in documents]
        return self._trained(documents)

    def _named(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with the entities of the tagger, all their blocks in one call of it."""
        blocks = [block for document in documents for block in document.blocks]
        offsets = [
            split_words(block.text) if block.words is None else list(block.words)
            for block in blocks
        ]
        texts = [
            [block.text[start:end] for start, end in words]
            for block, words in zip(blocks, offsets, strict=True)
        ]
        found = zip(blocks, offsets, self._tagger(texts), strict=True)
        tagged = []
        for document in documents:
            mentions = [
                (block.span(words[mention.start][0], words[mention.end - 1][1]), mention)
                for block, words, of_block in islice(found, len(document.blocks))
                for mention in of_block
            ]
            entities = tuple(
                Entity(
                    id=f"e{index}",
                    span=span,
                    type=mention.type,
                    fine_type=mention.fine_type,
                    score=mention.score,
                )
                for index, (span, mention) in enumerate(mentions)
            )
            annotations = Annotations(entities=entities, provenance=self.provenance)
            tagged.append(document.with_annotations(annotations))
        return tagged

    def _looks_at(self, document: Document) -> bool:
        by_itself = self._trained is not None and self._trained.looks
        if not self._looking.apart or (self._looking.kind == "auto" and by_itself):
            return False
        return document.status != "failed" and bool(document.media)

    def _grounded(self, document: Document, given: Mapping[str, PillowImage.Image]) -> Document:
        from magpie.engine.grounding import GroundingRequest, apply_grounding

        if self._looking.kind == "method":
            return self._by_method([document], given)[0]
        loaded = load_pictures(
            document,
            given,
            limits=self._limits,
            root=self._root,
            allow_remote=self._allow_remote,
        )
        document = with_problems(document, loaded.problems)
        if not loaded.images:
            return document
        try:
            grounder = self._looking.grounder or self._local_grounder()
            # LocalGrounder serves several threads; of others nobody knows, they take turns.
            turns = self._lock if grounder is not self._local else contextlib.nullcontext()
            with turns:
                result = grounder.ground(GroundingRequest(document, loaded.images))
            return apply_grounding(document, result, loaded.images)
        except Exception as error:  # a defect in a grounder must not take the batch with it
            problem = Problem(code="internal", message=f"{type(error).__name__}: {error}")
            return document.with_problem(problem)

    def _by_method(
        self, documents: Sequence[Document], given: Mapping[str, PillowImage.Image] | None = None
    ) -> list[Document]:
        """By a trained method, which reads what it was trained on; that need not be the picture."""
        from magpie.engine.grounding import MethodGrounder

        grounder = self._looking.grounder
        assert isinstance(grounder, MethodGrounder)  # noqa: S101  looking() saw to it
        return grounder.write(documents, given)

    def _local_grounder(self) -> Grounder:
        with self._lock:
            if self._local is None:
                from magpie.engine.grounding import LocalGrounder

                self._local = LocalGrounder()
            return self._local

    def _ground_name(self) -> str:
        """Name of the grounder without loading it; that of a checkpoint with its digest."""
        if not self._looking.apart:
            return ""
        grounder = self._looking.grounder
        if grounder is None:
            return GROUNDER
        digest = getattr(grounder, "digest", "")
        return f"{grounder.name}@{digest[:16]}" if self._looking.kind == "method" else grounder.name

    @property
    def ships(self) -> bool:
        """Whether the model is a tagger of the shipped kind, not a trained checkpoint."""
        return self._trained is None

    @property
    def grounder(self) -> str:
        """Who looks beside the model, "" for nobody; a checkpoint with its digest."""
        return self._ground_name()
