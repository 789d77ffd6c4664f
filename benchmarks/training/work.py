"""What both sides work on: invented posts of realistic lengths with drawn pictures."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from magpie.backbones.tiny import TINY_WORDS
from magpie.schema import (
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Media,
    Region,
    Relation,
    Span,
)

__all__ = ["LENGTHS", "OBJECTS", "facts", "posts"]

#: share of posts (per mille) with that many pieces, special ones included: rounded from the
#: lengths of Twitter-2017's training posts (mean 20, longest 56)
LENGTHS = {9: 62, 13: 182, 17: 259, 21: 220, 25: 142, 29: 91, 33: 30, 37: 11, 42: 2, 56: 1}
#: share of pictures (per cent) with that many objects: invented, of MORE's mean of 3.8
OBJECTS = {1: 14, 2: 19, 3: 21, 4: 16, 5: 11, 6: 7, 7: 5, 8: 3, 9: 2, 10: 2}
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


def facts(
    count: int, *, objects: bool, seed: int, kinds: tuple[str, ...], pairs: Sequence[int] = (1,)
) -> list[Document]:
    """Facts, a row each, of posts with two pictures (the second as if generated from the text) and
    a note.

    Args:
        count: of facts.
        objects: the tail is one of the picture's objects, and the note a few words about it; else
            the tail is a mention, and the note as long as a model's description.
        seed: of everything.
        kinds: relations to draw from.
        pairs: so many facts a post, in turn; 1, or all pairs of a few mentions.
    """
    rng = random.Random(seed)
    found: list[Document] = []
    for rows in itertools.cycle(pairs):
        if len(found) >= count:
            return found[:count]
        (size,) = rng.choices(list(LENGTHS), list(LENGTHS.values()))
        words = rng.choices(_WORDS, k=max(4, size - 4))
        block = Block.from_words(words)
        regions = []
        if objects:
            for n in range(rng.choices(list(OBJECTS), list(OBJECTS.values()))[0]):
                x, y = rng.randrange(0, 220), rng.randrange(0, 160)
                wide, high = rng.randrange(20, 100), rng.randrange(20, 80)
                box = Box(x, y, x + wide, y + high, media="m0")
                regions.append(Region(media="m0", box=box, id=f"o{n}"))
        note = " ".join(rng.choices(_WORDS, k=8 if objects else 60))
        media = (
            Media(id="m0", data=_picture(rng), width=320, height=240),
            Media(id="generated", data=_picture(rng)),
        )
        mentions = 2 if rows == 1 else next(n for n in range(3, 9) if n * (n - 1) // 2 == rows)
        places = rng.sample(range(len(words)), mentions)
        for head, tail in itertools.combinations(places, 2):
            ends = (head,) if objects else (head, tail)
            entities = tuple(
                Entity(id=f"e{n}", span=block.word_span(at, at + 1), type="entity")
                for n, at in enumerate(ends)
            )
            end = (rng.choice(regions).id or "") if objects else "e1"
            relation = Relation(id="f0", head="e0", tail=end, type=rng.choice(kinds))
            found.append(
                Document(
                    id=f"f{len(found)}",
                    blocks=(block,),
                    media=media,
                    context=(ContextText(kind="caption", text=note, source="note", media="m0"),),
                    annotations=Annotations(
                        entities=entities, regions=tuple(regions), relations=(relation,)
                    ),
                )
            )
    return found


def _picture(rng: random.Random) -> bytes:
    """Soft blotches of colour, 320 x 240, as a JPEG."""
    drawn = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (6, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(drawn).resize((320, 240), Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()
