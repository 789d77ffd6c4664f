"""The controlled corpus: posts whose answer lies in the picture, with a known best text-only score.

Posts come in groups of four that share their text to the letter and differ in the picture's kind
alone, once each. Whoever reads only the text must answer all four alike and is right at most once:
the best text-only score is a quarter on these posts, exactly, on every split. A set share of posts
(``told``) carries the answer in the text instead, beside an irrelevant picture: clutter alone, or
a glyph that has nothing to do with the post. So a method has to learn when to look. The same seed
gives the same corpus on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from magpie.corpora.controlled.procedures import procedure_group
from magpie.corpora.controlled.scene import KINDS, SHAPES, Scene, SceneStyle, draw_scene
from magpie.errors import ConfigError
from magpie.schema import (
    Annotations,
    Argument,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Event,
    Grounding,
    Media,
    Provenance,
    Region,
    Relation,
    Source,
)

__all__ = [
    "CAPTION_SOURCE",
    "EVENTS",
    "RELATIONS",
    "TASKS",
    "TYPES",
    "ControlledConfig",
    "ControlledTask",
    "controlled",
]

ControlledTask = Literal["ner", "gmner", "mre", "jmere", "object-relation", "events", "procedure"]
TASKS: tuple[ControlledTask, ...] = (
    "ner",
    "gmner",
    "mre",
    "jmere",
    "object-relation",
    "events",
    "procedure",
)

#: what each kind of picture means, task by task
TYPES = ("PER", "LOC", "ORG", "OTHER")
RELATIONS = ("peer", "parent", "member_of", "held_on")
EVENTS = ("Meet", "Attack", "Transport", "Demonstrate")
NO_RELATION = "none"

#: who "wrote" the captions, for methods that read text instead of pixels
CAPTION_SOURCE = "controlled"

_NAMES = (
    "Rocky", "Jordan", "Apple", "Lincoln", "Madison", "Orion", "Phoenix", "Mercury", "Amazon",
    "Delta", "Jaguar", "Victoria", "Sahara", "Titan", "Nike", "Paris", "Austin", "Savannah",
)  # fmt: skip
#: the same names in every split: a split tests pictures, not vocabulary
_OPENINGS = ("look ,", "again", "just now", "so good :", "today", "we saw", "my day :")
_CLOSINGS = ("!", ".", "today", "again", "so good", "one more")
_VERBS = {"ner": "{a}", "pair": "{a} and {b}", "event": "{a} moves"}
#: what the text says of a told post
_TOLD = {
    "PER": "{a} the man",
    "LOC": "{a} the city",
    "ORG": "{a} the team",
    "OTHER": "{a} the game",
}
_CAPTIONS = ("a {c} {s} on the picture", "one {s} , {c} , near small things", "we see a {s}")
_NOTHING = ("small things , no more", "a picture of small things", "not very much here")
_CAPTION_COLOURS = ("red", "green", "blue", "yellow", "purple", "grey")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledConfig:
    """Settings of a corpus.

    Raises:
        ConfigError: an impossible value.
    """

    task: ControlledTask = "ner"
    #: posts in the split; rounded up to whole groups of four
    size: int = 400
    #: of everything; splits have different seeds of their own
    seed: int = 0
    #: share of posts that carry their answer in the text, beside an irrelevant picture
    told: float = 0.25
    #: share of the irrelevant pictures that show a glyph all the same
    misleading: float = 0.7
    style: SceneStyle = field(default_factory=SceneStyle)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {self.task!r}")
        if self.size < KINDS or not (0 <= self.told <= 1 and 0 <= self.misleading <= 1):
            raise ConfigError(
                f"need size >= {KINDS} and shares from 0 to 1, got size {self.size}, "
                f"told {self.told}, misleading {self.misleading}"
            )


def controlled(split: str, config: ControlledConfig | None = None) -> Iterator[Document]:
    """Streams one split, with gold annotations, a picture and a caption a post.

    Procedures have a picture a step and no captions; see :mod:`.procedures`.

    Args:
        split: its name enters the seed, so splits never share a picture.
        config: settings.
    """
    config = config or ControlledConfig()
    rng = random.Random(f"controlled@1:{config.task}:{split}:{config.seed}")
    groups = -(-config.size // KINDS)
    told = round(groups * config.told)
    plan = [index < told for index in range(groups)]
    rng.shuffle(plan)
    number = 0
    for tells in plan:
        if config.task == "procedure":
            yield from procedure_group(
                split,
                number,
                rng,
                config.style,
                tells=tells,
                misleading=config.misleading,
            )
            number += KINDS
            continue
        post = _Post(config.task, rng)
        for kind in rng.sample(range(KINDS), KINDS):
            seen: int | None = kind
            if tells:
                seen = rng.randrange(KINDS) if rng.random() < config.misleading else None
            scene = draw_scene(seen, rng, config.style)
            words, annotations = post.told(kind) if tells else post.shown(kind, scene)
            number += 1
            yield Document(
                id=f"{split}-{number}",
                blocks=(Block.from_words(words),),
                media=(Media(data=scene.png, width=scene.side, height=scene.side),),
                context=(_caption(seen, rng),),
                annotations=annotations,
                source=Source(corpus="controlled@1", split=split),
            )


def _caption(kind: int | None, rng: random.Random) -> ContextText:
    if kind is None:
        text = rng.choice(_NOTHING)
    else:
        text = rng.choice(_CAPTIONS).format(c=rng.choice(_CAPTION_COLOURS), s=SHAPES[kind])
    return ContextText(kind="caption", text=text, source=CAPTION_SOURCE, media="m0")


class _Post:
    """The words that a group shares, and the gold that a kind gives them."""

    def __init__(self, task: ControlledTask, rng: random.Random) -> None:
        self.task = task
        self.opening = rng.choice(_OPENINGS).split()
        self.closing = rng.choice(_CLOSINGS).split()
        self.a, self.b = rng.sample(_NAMES, 2)

    def shown(self, kind: int, scene: Scene) -> tuple[list[str], Annotations]:
        """The picture tells."""
        pattern = {"mre": "pair", "jmere": "pair", "events": "event"}.get(self.task, "ner")
        words = self._words(_VERBS[pattern])
        box = Box(*(scene.box or (0, 0, 1, 1)), media="m0")
        return words, self._gold(words, kind, Region(media="m0", box=box, id="r0"))

    def told(self, kind: int) -> tuple[list[str], Annotations]:
        """The text tells, in a way of its own for every kind; the picture shows clutter."""
        if self.task in ("mre", "jmere"):
            words = self._words("{a} not with {b}")
            return words, self._gold(words, None, None)
        if self.task == "events":
            words = self._words("{a} , no more")
            return words, self._gold(words, None, None)
        words = self._words(_TOLD[TYPES[kind]])
        return words, self._gold(words, kind, None)

    def _words(self, pattern: str) -> list[str]:
        body = pattern.format(a=self.a, b=self.b).split()
        return [*self.opening, *body, *self.closing]

    def _gold(self, words: list[str], kind: int | None, region: Region | None) -> Annotations:
        block = Block.from_words(words)
        first = words.index(self.a)
        # In a pair the types follow the kind only where they are asked for (jmere).
        typed = kind if kind is not None and self.task != "mre" else 0
        entities = [
            Entity(
                id="e0",
                span=block.word_span(first, first + 1),
                type=TYPES[typed],
                grounding=Grounding("regions", (region,)) if region else Grounding("absent"),
            )
        ]
        if self.task in ("mre", "jmere"):
            second = words.index(self.b)
            other = (typed + 1) % KINDS if self.task == "jmere" else 0
            entities.append(
                Entity(
                    id="e1",
                    span=block.word_span(second, second + 1),
                    type=TYPES[other],
                    grounding=Grounding("absent"),
                )
            )
        return Annotations(
            entities=tuple(entities),
            relations=self._relations(kind, region),
            events=self._events(block, words, kind, region),
            provenance=Provenance(method="controlled", version="1"),
        )

    def _relations(self, kind: int | None, region: Region | None) -> tuple[Relation, ...]:
        if self.task in ("mre", "jmere"):
            name = NO_RELATION if kind is None else RELATIONS[kind]
            return (Relation(id="f0", head="e0", tail="e1", type=name),)
        if self.task == "object-relation" and region is not None and kind is not None:
            return (Relation(id="f0", head="e0", tail="r0", type=RELATIONS[kind]),)
        return ()

    def _events(
        self, block: Block, words: list[str], kind: int | None, region: Region | None
    ) -> tuple[Event, ...]:
        if self.task != "events" or kind is None or region is None:
            return ()
        at = words.index("moves")
        roles = (("Agent", "e0"), ("Place", "r0"))
        return (
            Event(
                id="v0",
                type=EVENTS[kind],
                trigger=block.word_span(at, at + 1),
                media="m0",
                arguments=tuple(Argument(role=role, target=end) for role, end in roles),
            ),
        )
