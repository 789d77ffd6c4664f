"""A trained method behind the extractor: batches, long texts, steps, and one bad document alone.

Importing this module loads nothing; torch comes with the first checkpoint.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import magpie
from magpie._io import dump_json, text_digest
from magpie._optional import require
from magpie.engine.pieces import cut_document, join_annotations
from magpie.engine.sight import sight_of, with_sizes
from magpie.engine.steps import join_steps, split_steps
from magpie.errors import ConfigError, MagpieError
from magpie.schema import Annotations, Document, Grounding, Media, Problem, Provenance

if TYPE_CHECKING:
    from magpie.features import Asset, Assets, Need
    from magpie.vision import ImageLimits

__all__ = ["Trained", "checkpoint_folder"]

#: documents a forward pass
BATCH = 32
#: scores are rounded to this many decimals: what lies below depends on the neighbours in a batch
DECIMALS = 4
#: task whose methods say where entities show
_GROUNDED = "gmner"
#: tasks whose methods look for regions themselves
_LOOKING = frozenset({_GROUNDED, "object-relation"})


def checkpoint_folder(model: str | os.PathLike[str]) -> Path | None:
    """The checkpoint at that place, also where it names a run; None where there is none."""
    place = Path(model)
    for folder in (place, place / "best"):
        if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file():
            return folder
    return None


class _Answer(NamedTuple):
    """What a method says of a document, and which of its pictures could not be used."""

    annotations: Annotations
    problems: tuple[Problem, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """What the method left for scorers, such as the counts of its parser."""
        given = self.annotations.provenance
        return () if given is None else given.evidence


class Trained:
    """A checkpoint as the extractor asks for it. Calls take turns: torch has its own threads.

    Args:
        folder: of the checkpoint.
        root: folder that relative picture paths start from.
        limits: bytes and pixels one picture may cost.
        regions: folders of region features, by the name that the method gives them.
        boxes: say where entities show, where the method can. Without it they stay ``unknown``,
            and region features that nobody gives are done without.
        settings: of the method, in place of those it was trained with
            (:func:`magpie.methods.checkpoint.load_method`).

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: the checkpoint is damaged or of another version.
        ConfigError: the method picks among regions that nobody gives, or a setting cannot be had.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: str | os.PathLike[str] | None = None,
        limits: ImageLimits | None = None,
        regions: Mapping[str, str | os.PathLike[str]] | None = None,
        boxes: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        for package in ("torch", "transformers", "safetensors"):
            require(package, f"the trained model {folder}")
        from magpie.engine.grounding.proposals import local_boxes
        from magpie.features.supply import Supplier
        from magpie.methods.checkpoint import load_method, read_card
        from magpie.methods.registry import entry

        card = read_card(folder)
        self._method = load_method(folder, settings=settings)
        self._supplier = Supplier(root=root, limits=limits, boxes=local_boxes(), regions=regions)
        self._root, self._limits = root, limits
        self._lock = threading.Lock()
        self.name = card.method
        # Other settings, other answers: they sign them, too.
        own = dump_json({name: settings[name] for name in sorted(settings)}) if settings else ""
        self.digest = text_digest(card.digest + own) if own else card.digest
        #: what its task hands it beside text and pictures
        self.given = self._method.given
        tasks = entry(card.method).tasks
        self.looks = bool(_LOOKING.intersection(tasks))
        #: whether it says of entities where they show
        self.grounds = _GROUNDED in tasks and boxes
        self._hides = _GROUNDED in tasks and not boxes
        self._step_by_step = not self._method.reads_steps and (not self.given or _GROUNDED in tasks)
        self._refused = self._unsupplied(str(folder))
        self.provenance = Provenance(
            method=card.method, version=magpie.__version__, config_digest=self.digest[:16]
        )

    def _unsupplied(self, folder: str) -> dict[Need, ConfigError]:
        """The needs that nobody supplies; they are asked for once, before the first document."""
        from magpie.features import RegionFeatures
        from magpie.features.each import inner

        refused: dict[Need, ConfigError] = {}
        bare = Document(id="d", blocks=(), media=(Media(missing="asked ahead"),))
        for need in self._method.needs():
            source = self._supplier.source(need)
            if source is None or not isinstance(inner(need), RegionFeatures):
                continue
            try:
                source.ask(bare, inner(need))
            except ConfigError as error:
                if not self._hides:
                    raise error.at(folder) from None
                refused[need] = error
        return refused

    def __call__(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with what the method finds; long ones are read in overlapping parts."""
        with self._lock:
            order = sorted(range(len(documents)), key=lambda index: _length(documents[index]))
            found: dict[int, Document] = {}
            for begin in range(0, len(order), BATCH):
                rows = order[begin : begin + BATCH]
                results = self._batch([documents[row] for row in rows])
                found.update(zip(rows, results, strict=True))
        return [found[row] for row in range(len(documents))]

    def _batch(self, documents: Sequence[Document]) -> list[Document]:
        try:
            return self._predict(documents)
        except Exception as error:  # one document must not take the others with it
            if len(documents) > 1:
                return [done for document in documents for done in self._batch([document])]
            if isinstance(error, MagpieError):
                problem = Problem.from_error(error)
            else:
                problem = Problem(code="internal", message=f"{type(error).__name__}: {error}")
            return [documents[0].with_annotations(None).with_problem(problem, "failed")]

    def _predict(self, documents: Sequence[Document]) -> list[Document]:
        if self.grounds:
            documents = [with_sizes(each, self._root, self._limits) for each in documents]
        steps = [
            split_steps(document) if self._step_by_step else [document] for document in documents
        ]
        answers = iter(self._read([step for each in steps for step in each]))
        found = []
        for document, own in zip(documents, steps, strict=True):
            parts = [(step, next(answers)) for step in own]
            joined = join_steps(
                document,
                [(step, answer.annotations) for step, answer in parts],
                given="entities" in self.given,
            )
            evidence = tuple(line for _, answer in parts for line in answer.evidence)
            done = document.with_annotations(self._signed(joined, evidence))
            for problem in dict.fromkeys(p for _, answer in parts for p in answer.problems):
                done = done.with_problem(problem)
            found.append(done)
        return found

    def _read(self, documents: Sequence[Document]) -> list[_Answer]:
        """Posts and steps, long ones in parts."""
        parts = {}
        room = self._method.room
        if room is not None and not self.given:
            for row, document in enumerate(documents):
                cut = cut_document(document, self._method.piece_counts(document), room)
                if cut:
                    parts[row] = cut
        whole = [row for row in range(len(documents)) if row not in parts]
        found = dict(zip(whole, self._annotate([documents[row] for row in whole]), strict=True))
        for row, cut in parts.items():
            answers = self._annotate([part.document for part in cut])
            said = [answer.annotations for answer in answers]
            problems = dict.fromkeys(p for answer in answers for p in answer.problems)
            joined = join_annotations(list(zip(cut, said, strict=True)))
            evidence = tuple(line for answer in answers for line in answer.evidence)
            signed = dataclasses.replace(self.provenance, evidence=evidence)
            found[row] = _Answer(dataclasses.replace(joined, provenance=signed), tuple(problems))
        return [found[row] for row in range(len(documents))]

    def _annotate(self, documents: Sequence[Document]) -> list[_Answer]:
        answers: list[_Answer] = []
        for begin in range(0, len(documents), BATCH):
            rows = documents[begin : begin + BATCH]
            assets = self._supplied(rows)
            found = self._method.predict(rows, assets)
            answers += [
                self._answer(document, supplied, annotations)
                for document, supplied, annotations in zip(rows, assets, found, strict=True)
            ]
        return answers

    def _supplied(self, documents: Sequence[Document]) -> list[Assets]:
        needs = [need for need in self._method.needs() if need not in self._refused]
        supplied = self._supplier.many(documents, needs)
        if not self._refused:
            return supplied
        from magpie.features import Asset

        absent: dict[Need, Asset] = {
            need: Asset.absent(error.message) for need, error in self._refused.items()
        }
        return [{**assets, **absent} for assets in supplied]

    def _answer(self, document: Document, assets: Assets, found: Annotations) -> _Answer:
        sight = sight_of(document, assets, regions_wanted=not self._hides)
        if not (self.grounds or self._hides):
            return _Answer(found, sight.problems)
        pictures = {block.id: block.media for block in document.blocks}
        # Where nobody looked nothing is known, whatever a method makes of no regions.
        entities = tuple(
            entity
            if self.grounds and sight.sees(pictures[entity.span.block])
            else dataclasses.replace(entity, grounding=Grounding())
            for entity in found.entities
        )
        return _Answer(dataclasses.replace(found, entities=entities), sight.problems)

    def _signed(self, annotations: Annotations, evidence: tuple[str, ...]) -> Annotations:
        changes: dict[str, Any] = {
            name: tuple(_rounded(item) for item in getattr(annotations, name))
            for name in ("entities", "relations", "events")
        }
        signed = dataclasses.replace(self.provenance, evidence=evidence)
        return dataclasses.replace(annotations, provenance=signed, **changes)


def _rounded(item: Any) -> Any:
    if item.score is None:
        return item
    return dataclasses.replace(item, score=min(1.0, max(0.0, round(item.score, DECIMALS))))


def _length(document: Document) -> int:
    return sum(len(block.text) for block in document.blocks)
