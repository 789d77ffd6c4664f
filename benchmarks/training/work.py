"""What both sides work on: invented posts of realistic lengths with drawn pictures."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image

from magpie.backbones.tiny import TINY_WORDS
from magpie.schema import Annotations, Block, Document, Entity, Media, Span

__all__ = ["LENGTHS", "posts"]

#: share of posts (per mille) with that many pieces, special ones included: rounded from the
#: lengths of Twitter-2017's training posts (mean 20, longest 56)
LENGTHS = {9: 62, 13: 182, 17: 259, 21: 220, 25: 142, 29: 91, 33: 30, 37: 11, 42: 2, 56: 1}
_TYPES = ("LOC", "MISC", "ORG", "PER")
#: words that the tiny tokenizer keeps whole
_WORDS = tuple(word for word in TINY_WORDS if len(word) > 1)


def posts(count: int, *, pictures: int, seed: int) -> list[Document]:
    """Posts with that many pictures each, the whole one first; gold is drawn, too."""
    rng = random.Random(seed)
    sizes = rng.choices(list(LENGTHS), list(LENGTHS.values()), k=count)
    return [_post(f"p{n}", size - 2, pictures, rng) for n, size in enumerate(sizes)]


def _post(name: str, size: int, pictures: int, rng: random.Random) -> Document:
    words = rng.choices(_WORDS, k=size)
    text = " ".join(words)
    places, start = [], 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1
    entities = []
    first = rng.randrange(3)
    while first < size:
        last = min(size - 1, first + rng.randrange(2))
        span = Span("b0", places[first][0], places[last][1])
        entities.append(Entity(id=f"e{first}", span=span, type=rng.choice(_TYPES)))
        first = last + 2 + rng.randrange(8)
    return Document(
        id=name,
        blocks=(Block(id="b0", text=text, words=tuple(places)),),
        media=tuple(Media(id=f"m{n}", data=_picture(rng)) for n in range(pictures)),
        annotations=Annotations(entities=tuple(entities)),
    )


def _picture(rng: random.Random) -> bytes:
    """Soft blotches of colour, 320 x 240, as a JPEG."""
    drawn = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (6, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(drawn).resize((320, 240), Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()
