"""The documents of a run: read by reference, counted, and named by what they were read from.

Training asks for ``train`` and ``dev`` through :func:`training_data`, which knows no other split;
only :mod:`magpie.training.evaluate` opens a test split, unless a recipe names it in dev's place
(``selection.legacy_on_test``).
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from magpie._io import text_digest
from magpie.corpora import load
from magpie.corpora.controlled import TASKS, ControlledConfig, controlled
from magpie.corpora.posts import whole_posts
from magpie.engine.grounding.proposals import local_boxes
from magpie.errors import ConfigError, MediaError
from magpie.features.build import default_store
from magpie.features.captions import is_captioner
from magpie.features.supply import Supplier
from magpie.methods.base import Method, Task
from magpie.methods.labels import LabelSpace
from magpie.methods.type_constraint import misfits
from magpie.schema import Document
from magpie.training.examples import Examples
from magpie.training.recipe import DataConfig

__all__ = [
    "Pictured",
    "TrainingData",
    "check_task",
    "count_pictures",
    "fingerprint",
    "fits_memory",
    "read_documents",
    "require_pictures",
    "supplier_for",
    "training_data",
]

_log = logging.getLogger(__name__)

#: the corpus that is drawn, not read
_CONTROLLED = "controlled"
#: its size where the recipe sets no limit
_SIZES = {"train": 400, "dev": 100, "test": 200}
#: prepared examples are kept in memory up to so many bytes
_MEMORY = 2 << 30
#: labels without which a task cannot be learnt
_REQUIRED: dict[str, str] = {
    Task.NER: "entity_types",
    Task.GMNER: "entity_types",
    Task.MRE: "relation_types",
    Task.JMERE: "relation_types",
    Task.OBJECT_RELATION: "relation_types",
    Task.EVENTS: "event_types",
}


def read_documents(
    ref: str, data: DataConfig | None = None, *, limit: int | None = None
) -> list[Document]:
    """The documents of ``corpus:split``.

    Args:
        ref: ``twitter2017:dev``, ``magpie:train`` (with ``root`` a folder or file of JSON lines),
            or ``controlled@ner:train``.
        data: where the corpora lie and how they are read.
        limit: at most so many; the size of the controlled corpus.

    Raises:
        NotFoundError, FormatError, ConfigError: as :func:`magpie.corpora.load`.
    """
    data = data or DataConfig(corpus=ref.partition(":")[0])
    name, _, split = ref.partition(":")
    if name.partition("@")[0] == _CONTROLLED:
        task = name.partition("@")[2] or "ner"
        if task not in TASKS:
            raise ConfigError(
                f"the controlled corpus has no task {task!r}",
                mend=f"Its tasks are: {', '.join(TASKS)}.",
            )
        size = limit or _SIZES.get(split, _SIZES["test"])
        found = list(controlled(split, ControlledConfig(task=task, size=size)))
    else:
        documents = load(
            name,
            split,
            root=data.root,
            images=None if _carries_pictures(name) else data.images,
            types=data.types,
            orphans=data.orphans,
            context=tuple(name for name in data.context if not is_captioner(name)),
        )
        found = []
        for document in documents:
            found.append(document)
            if limit is not None and len(found) == limit:
                break
    if written := [name for name in data.context if is_captioner(name)]:
        found, _ = supplier_for(data, ref).captioned(found, written)
    _warn_of_missing(ref, found, data.context)
    _warn_of_misfits(ref, found)
    return [_bare(document) for document in found] if data.pictures == "none" else found


def _warn_of_missing(ref: str, documents: Sequence[Document], sources: Sequence[str]) -> None:
    """A source that is silent about documents must not pass for one that speaks."""
    for name in sources:
        silent = [d.id for d in documents if all(text.source != name for text in d.context)]
        if silent:
            _log.warning(
                "%s: %d of %d documents have no text of %s, the first is %s",
                ref, len(silent), len(documents), name, silent[0],
            )  # fmt: skip


def _warn_of_misfits(ref: str, documents: Sequence[Document]) -> None:
    """Relations whose label asks for other types than their ends have are read as they are."""
    odd = [(document, each) for document in documents for each in misfits(document)]
    if not odd:
        return
    document, first = odd[0]
    kinds = {each.id: each.type for each in document.entities}
    _log.warning(
        "%s: %d relations do not fit the types of their mentions, the first is %s of %s: "
        "%s between %s and %s",
        ref, len(odd), first.id, document.id, first.type,
        kinds.get(first.head, first.head), kinds.get(first.tail, first.tail),
    )  # fmt: skip


def _carries_pictures(name: str) -> bool:
    """JSON lines name their own pictures; the folder is where those paths start."""
    return name.partition("@")[0] == "magpie"


def _bare(document: Document) -> Document:
    from dataclasses import replace

    why = "the recipe takes pictures away"
    media = tuple(replace(m, data=None, uri=None, missing=why) for m in document.media)
    return replace(document, media=media)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """How many documents had their picture; ``missing`` is the first that had not."""

    documents: int
    present: int
    missing: str = ""

    @property
    def share(self) -> float:
        """From 0 to 1; 1 of no documents."""
        return self.present / self.documents if self.documents else 1.0

    def to_dict(self) -> dict[str, Any]:
        """As in ``run.json``."""
        return {"documents": self.documents, "present": self.present, "share": round(self.share, 4)}


def count_pictures(documents: Sequence[Document]) -> Pictured:
    """Counts the documents that have at least one picture which is there."""
    missing = ""
    present = 0
    for document in documents:
        images = [medium for medium in document.media if medium.kind == "image"]
        if any(_there(medium.uri) for medium in images if medium.present):
            present += 1
        elif not missing:
            name = next((medium.uri for medium in images if medium.uri), None)
            missing = name or f"the picture of document {document.id}"
    return Pictured(documents=len(documents), present=present, missing=missing)


def _there(uri: str | None) -> bool:
    """Absolute paths are looked up; what is in memory or relative is taken at its word."""
    return uri is None or not os.path.isabs(uri) or os.path.isfile(uri)


def require_pictures(counted: Pictured, ref: str, folder: str | None) -> None:
    """Stops where a picture is absent.

    Raises:
        MediaError: naming the folder, the first absent file and the number of absent ones.
    """
    absent = counted.documents - counted.present
    if absent:
        raise MediaError(
            f"{absent} of {counted.documents} documents of {ref} have no picture; the first is "
            f"{counted.missing}",
            code="media-absent",
            where=folder or "no pictures folder was given",
            mend="Give the right folder with --set data.images=FOLDER, or train with what is "
            "there: --set data.pictures=optional.",
        )


def fingerprint(ref: str, documents: Sequence[Document]) -> dict[str, Any]:
    """What the documents were: reference, number, and the digest of files or of the content."""
    digests = {d.source.digest for d in documents if d.source is not None and d.source.digest}
    if len(digests) == 1:
        (digest,) = digests
    else:
        digest = text_digest("".join(text_digest(document.to_json()) for document in documents))
    sources = sorted({d.source.corpus for d in documents if d.source is not None})
    return {"ref": ref, "corpora": sources, "documents": len(documents), "digest": digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What training may see."""

    train: list[Document]
    dev: list[Document]
    labels: LabelSpace
    fingerprint: dict[str, Any]
    pictures: dict[str, Pictured]


def training_data(data: DataConfig) -> TrainingData:
    """Reads the training and the development split.

    Raises:
        MediaError: pictures are required, and one is absent.
        ConfigError: a split is empty.
    """
    splits: dict[str, list[Document]] = {}
    refs = {"train": data.ref("train"), "dev": data.ref("dev")}
    limits = {"train": data.limit, "dev": data.limit_dev}
    pictures = {}
    for split, ref in refs.items():
        assert ref is not None  # DataConfig saw to it
        splits[split] = read_documents(ref, data, limit=limits[split])
        if not splits[split]:
            raise ConfigError(f"{ref} holds no documents")
        if split == "train" and data.whole_posts:
            splits[split] = whole_posts(splits[split])
        if split == "train" and data.sample_ratio is not None:
            splits[split] = _sampled(splits[split], data.sample_ratio)
        pictures[split] = count_pictures(splits[split])
        if data.pictures == "required":
            require_pictures(pictures[split], ref, data.images or data.root)
    return TrainingData(
        train=splits["train"],
        dev=splits["dev"],
        labels=LabelSpace.of(splits["train"]),
        fingerprint={s: fingerprint(str(refs[s]), documents) for s, documents in splits.items()},
        pictures=pictures,
    )


def _sampled(documents: list[Document], share: float) -> list[Document]:
    """With replacement, and at least one; the same ones every time."""
    drawn = random.Random(f"sample:{len(documents)}:{share}")
    return drawn.choices(documents, k=max(1, round(share * len(documents))))


def check_task(name: str, tasks: Sequence[str], labels: LabelSpace, ref: str) -> None:
    """Refuses data without what the method's first task is about.

    Raises:
        ConfigError: naming both.
    """
    needed = _REQUIRED.get(tasks[0])
    if needed is not None and not getattr(labels, needed):
        raise ConfigError(
            f"{name} does {tasks[0]}, and {ref} holds no {needed.partition('_')[0]} annotations",
            mend="Take a recipe of another task, or a corpus that is annotated for this one.",
        )


def supplier_for(data: DataConfig, ref: str, device: str = "cpu") -> Supplier:
    """Supplies a method's needs for documents of ``ref``."""
    root = None
    if _carries_pictures(ref.partition(":")[0]) and (place := data.images or data.root):
        root = place if os.path.isdir(place) else os.path.dirname(place) or "."
    return Supplier(
        root=root,
        store=default_store(),
        boxes=local_boxes(),
        regions=dict(data.regions),
        corpora=data.root,
        device=device,
    )


def fits_memory(method: Method, documents: Sequence[Document], supplier: Supplier) -> bool:
    """Whether all prepared examples together stay below two gigabytes, judged by the first."""
    example, targets = Examples(method, documents[:1], supplier)[0]
    tensors = (*example.inputs.values(), *targets.values())
    return len(documents) * sum(t.numel() * t.element_size() for t in tensors) <= _MEMORY
