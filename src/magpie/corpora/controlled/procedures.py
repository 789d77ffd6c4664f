"""Procedures of the controlled corpus: three steps with a picture each, things without a type.

Procedures come in groups of four that share their text to the letter. A picture shows all four
glyphs, one in each quarter. What a step's text asks for stands in another quarter in every
procedure of a group, and whether it is asked for at all does not depend on the picture.

1. ``here is the ring``: the text says which glyph is meant. Or ``here is no ring``: none.
2. ``look at it again``: only the step before says which one, and whether it shows at all.
3. ``now add the cross``, or ``now add no cross``.

So no fixed box is right for more than one procedure of a group: quarters do not overlap, and a box
cannot share more than half of its union with two boxes that are apart. With one box a thing, the
best score from text alone is a quarter where things show and all where they do not. Told
procedures are those in which nothing shows; their pictures show glyphs all the same, or clutter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from magpie.corpora.controlled.scene import KINDS, SHAPES, Scene, SceneStyle, draw_quarters
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Provenance,
    Region,
    Source,
)

__all__ = ["STEPS", "THING", "procedure_group"]

#: type of every entity
THING = "THING"
#: of every procedure
STEPS = 3
#: words that have nothing to do with the answer
_ASIDE = ("today", "we", "you", "they", "he", "she", "i", "man", "woman", "team", "city", "dog")
_FIRST = ("{a} , here is {x}", "{a} saw {x}", "look {a} , {x}", "{a} see {x}")
_AGAIN = ("look at it again", "now we see it", "so it is here", "here it is again")
_LAST = ("now look at {x} , {a}", "and {x} for {a}", "{a} , so see {x}", "here is {x} again , {a}")


def procedure_group(
    split: str,
    number: int,
    rng: random.Random,
    style: SceneStyle,
    *,
    tells: bool,
    misleading: float,
) -> Iterator[Document]:
    """Four procedures of one text.

    Args:
        split: of the documents' ids.
        number: how many procedures there were before.
        rng: decides everything.
        style: of the pictures.
        tells: nothing shows, and the text says so.
        misleading: share of such procedures whose pictures show glyphs all the same.
    """
    first, last = rng.randrange(KINDS), rng.randrange(KINDS)
    # What each step asks for: the second goes on with the first.
    asked = (first, first, last)
    things = (SHAPES[first], "it", SHAPES[last])
    asides = rng.sample(_ASIDE, 2)
    texts = [
        rng.choice(patterns).format(a=aside, x=f"{'no' if tells else 'the'} {thing}").split()
        for patterns, aside, thing in zip(
            (_FIRST, _AGAIN, _LAST), (asides[0], "", asides[1]), things, strict=True
        )
    ]
    quarters = [rng.sample(range(KINDS), KINDS) for _ in range(STEPS)]
    for member in range(KINDS):
        bare = tells and rng.random() >= misleading
        scenes = [
            _scene(None if bare else asked[step], quarters[step][member], rng, style)
            for step in range(STEPS)
        ]
        blocks = tuple(
            Block.from_words(words, id=f"b{step + 1}", step=step + 1, media=f"m{step}")
            for step, words in enumerate(texts)
        )
        entities = []
        for step, (block, (_, boxes)) in enumerate(zip(blocks, scenes, strict=True)):
            at = block.word_texts().index(things[step])
            place = Grounding("absent")
            if not tells:
                box = Box(*boxes[asked[step]], media=f"m{step}")
                place = Grounding.in_regions(Region.of_box(box))
            entities.append(
                Entity(id=f"e{step}", span=block.word_span(at, at + 1), type=THING, grounding=place)
            )
        yield Document(
            id=f"{split}-{number + member + 1}",
            blocks=blocks,
            media=tuple(
                Media(id=f"m{step}", data=scene.png, width=scene.side, height=scene.side)
                for step, (scene, _) in enumerate(scenes)
            ),
            annotations=Annotations(
                entities=tuple(entities),
                provenance=Provenance(method="controlled", version="1"),
            ),
            source=Source(corpus="controlled@1", split=split),
        )


def _scene(
    asked: int | None, quarter: int, rng: random.Random, style: SceneStyle
) -> tuple[Scene, dict[int, tuple[int, int, int, int]]]:
    """All glyphs, the asked one in this quarter; clutter alone where none is asked for."""
    if asked is None:
        return draw_quarters((), rng, style)
    others = [kind for kind in range(KINDS) if kind != asked]
    rng.shuffle(others)
    return draw_quarters((*others[:quarter], asked, *others[quarter:]), rng, style)
