"""Reading the corpora, and the rule that keeps held-out posts out of training.

The tweet corpora overlap: GMNER re-splits Twitter-2015 and Twitter-2017, and unlabelled
collections hold some of the same posts. A post is dropped from everything that is learnt from,
unlabelled posts included, when it occurs in any development or test split of any of them, by
picture id or by normalised text.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from magpie.corpora.reader import ReadOptions
from magpie.corpora.registry import corpus
from magpie.schema import Document

__all__ = [
    "CORPORA",
    "HeldOut",
    "Labelled",
    "LeakCount",
    "Post",
    "digest",
    "normalise",
    "read_labelled",
    "read_posts",
    "without_leaks",
]

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"(?:https?://?\S*|www\.\S+|pic\.twitter\.com/\S*)", re.IGNORECASE)
_CUT_ADDRESS = re.compile(r"\bh(?:t(?:t(?:p(?:s)?)?)?)?:?/{0,2}…")
_ENTITY = re.compile(r"&(?:amp|lt|gt)")

#: head that learns from it -> corpora; FMNERG holds GMNER's spans and the fine types besides
CORPORA: dict[str, tuple[str, ...]] = {
    "twitter": ("twitter2015@umt", "twitter2017@umt"),
    "gmner": ("fmnerg@1.0",),
    "btc": ("broad-twitter@1.0",),
    "wnut17": ("wnut17@1.0",),
}
#: held out as well, though nothing is learnt from them
_ALSO_HELD_OUT = ("twitter2015@tmr", "gmner@2.0")


@dataclass(frozen=True, slots=True)
class Post:
    """One post of a corpus."""

    #: picture id; empty where the corpus has none
    id: str
    words: list[str]
    #: PER, LOC, ORG, OTHER as BIO
    tags: list[str] | None = None
    #: FMNERG's fine types as BIO
    fine: list[str] | None = None


@dataclass(slots=True)
class LeakCount:
    """What became of the posts of one source."""

    read: int = 0
    by_id: int = 0
    by_text: int = 0
    #: repetitions, scraps and other languages; of unlabelled posts only
    unfit: int = 0
    kept: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items())


@dataclass(slots=True)
class HeldOut:
    """Ids and texts that no training data may hold."""

    ids: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def add(self, posts: Iterable[Post], *, pictured: bool) -> None:
        """Adds a development or test split; ids count only where they are picture ids."""
        for post in posts:
            if pictured and post.id:
                self.ids.update((post.id, _bare(post.id)))
            self.texts.add(normalise(" ".join(post.words)))


def normalise(text: str) -> str:
    """Letters and digits only, lower-cased, addresses dropped.

    Example:
        >>> normalise("RT @Bob: Pak&amp;co is… http://t.co/x")
        'rtbobpakcois'
    """
    text = _CUT_ADDRESS.sub(" ", _ADDRESS.sub(" ", text))
    return "".join(char for char in _ENTITY.sub(" ", text).lower() if char.isalnum())


def without_leaks(posts: Sequence[Post], held_out: HeldOut) -> tuple[list[Post], LeakCount]:
    """The posts that occur in no held-out split, and the count of the others."""
    count = LeakCount(read=len(posts))
    kept = []
    for post in posts:
        if post.id and (post.id in held_out.ids or _bare(post.id) in held_out.ids):
            count.by_id += 1
        elif normalise(" ".join(post.words)) in held_out.texts:
            count.by_text += 1
        else:
            kept.append(post)
    count.kept = len(kept)
    return kept, count


def _bare(picture: str) -> str:
    """GMNER marks pictures of Twitter-2017 whose number Twitter-2015 uses too with ``O_``."""
    return picture.removeprefix("O_")


@dataclass(slots=True)
class Labelled:
    """All labelled corpora by reference: clean training posts, and the other splits as they are."""

    train: dict[str, list[Post]]
    dev: dict[str, list[Post]]
    test: dict[str, list[Post]]
    held_out: HeldOut
    counts: dict[str, LeakCount]


def read_labelled(data: Path) -> Labelled:
    """Reads every labelled corpus and applies the leak rule to its training split."""
    refs = [ref for group in CORPORA.values() for ref in group]
    dev = {ref: read_posts(ref, "dev", data) for ref in (*refs, *_ALSO_HELD_OUT)}
    test = {ref: read_posts(ref, "test", data) for ref in (*refs, *_ALSO_HELD_OUT)}
    held_out = HeldOut()
    for split in (dev, test):
        for ref, posts in split.items():
            held_out.add(posts, pictured=_pictured(ref))
    train, counts = {}, {}
    for ref in refs:
        train[ref], counts[ref] = without_leaks(read_posts(ref, "train", data), held_out)
        log.info("%s train: %s", ref, counts[ref])
    return Labelled(train, dev, test, held_out, counts)


def read_posts(ref: str, split: str, data: Path) -> list[Post]:
    """One split of a corpus, with the four coarse types.

    Spans are re-tagged: an inside tag without its beginning, which opens a chunk by the lenient
    rule, becomes a beginning.
    """
    reader = corpus(ref)
    options = ReadOptions(types="coarse" if reader.card.coarse else "own")
    names = {split, "valid"} if split == "dev" else {split}
    name = next(iter(names & set(reader.card.splits)), split)
    documents = reader.read(name, data, options, lambda anomaly: log.debug("%s", anomaly))
    return [_post(document, pictured=_pictured(ref)) for document in documents]


def digest(posts: Sequence[Post]) -> str:
    """SHA-256 over words and tags, order included."""
    lines = (f"{chr(9).join(post.words)}\n{chr(9).join(post.tags or ())}\n" for post in posts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _pictured(ref: str) -> bool:
    """Whether the corpus's ids are picture ids, shared with the other pictured corpora."""
    return ref.startswith(("twitter", "gmner", "fmnerg"))


def _post(document: Document, *, pictured: bool) -> Post:
    block = document.blocks[0]
    words = block.words or ()
    starts = {begin: index for index, (begin, _) in enumerate(words)}
    ends = {end: index + 1 for index, (_, end) in enumerate(words)}
    tags, fine = ["O"] * len(words), ["O"] * len(words)
    has_fine = False
    annotations = document.annotations
    for entity in annotations.entities if annotations else ():
        first, last = starts[entity.span.start], ends[entity.span.end]
        for row, kind in ((tags, entity.type), (fine, entity.fine_type)):
            if kind is not None:
                row[first:last] = [f"B-{kind}", *[f"I-{kind}"] * (last - first - 1)]
        has_fine = has_fine or entity.fine_type is not None
    # A repeated id was made unique by a counter behind it.
    picture = document.id.partition("#")[0] if pictured else ""
    return Post(picture, block.word_texts(), tags, fine if has_fine else None)
