"""What side files hold, one small value a record; ``key`` joins it to its post.

A key is a picture id (a file name without its ending), the words of a post joined by single
spaces, or the number of a row of the corpus's text file, counted from 0: the card of the source
says which. ``where`` is file:line of the record, or file#name where all stand in one line.
"""

from __future__ import annotations

from dataclasses import dataclass

from magpie.schema import Region

__all__ = [
    "Answer",
    "Crops",
    "Graph",
    "Mention",
    "Phrases",
    "Places",
    "Post",
    "Relatedness",
    "Row",
    "Tagged",
    "Target",
    "Text",
    "Weights",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of a side file."""

    key: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Row):
    """A caption, or what a language model said of a post."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged(Row):
    """A post with its BIO tags, as another project's training file repeats it."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Row):
    """An entity with its type, an explanation, and where it shows.

    ``visible`` says whether it does; ``regions`` are its boxes, where they are published.
    """

    text: str
    type: str
    expression: str
    visible: bool
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Places(Row):
    """Regions that a detector proposed; never gold."""

    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crops(Row):
    """File names of cut-out regions, in published order."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases(Row):
    """Phrases that were looked for in the picture."""

    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights(Row):
    """How text and picture correlate, from 0 to 1: ``strong`` the picture strengthens the text,
    ``weak`` it adds to it; the same for the picture that was generated from the text."""

    strong: float
    weak: float
    generated_strong: float
    generated_weak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Row):
    """Directed edges between numbered nodes."""

    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Row):
    """A target of sentiment in a post and where its picture shows it.

    ``number`` is the record's name in its file; ``sentence`` holds ``$T$`` in the target's place;
    ``sentiment`` is 0 negative, 1 neutral, 2 positive; ``relation`` is the corpus's own class of
    target and picture: 0 without boxes, 1 and 2 with them.
    """

    number: str
    sentence: str
    target: str
    sentiment: int
    relation: int
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """A pair of mentions of a raw post, each written ``text TYPE number``, and their relation."""

    head: str
    tail: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Post(Row):
    """A post before tokenisation; ``address`` is where its picture was, if that is known."""

    picture: str
    text: str
    address: str | None
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatedness(Row):
    """A tweet with two yes-or-no labels on text and picture, in the order of the file (which
    does not name them)."""

    words: tuple[str, ...]
    labels: tuple[bool, bool]
