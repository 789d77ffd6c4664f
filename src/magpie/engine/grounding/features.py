"""What the matcher knows of an entity and of the scene, as named numbers.

The same function serves running and fitting: ``magpie.training.grounding`` fills a
:class:`Scene` from published captions (which say whether people and lettering show), the running
grounder from its detectors, and from captions where the document has some.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from magpie.engine.grounding.similarity import mention_tokens, text_similarity
from magpie.schema import Document, Entity

__all__ = ["TYPES", "Mention", "Scene", "coarse", "describe", "mentions_of", "read_caption"]

TYPES = ("PER", "ORG", "LOC", "OTHER")

#: Names that other corpora give to the four types.
_SYNONYMS = {
    "PERSON": "PER",
    "ORGANIZATION": "ORG",
    "ORGANISATION": "ORG",
    "LOCATION": "LOC",
    "BUILDING": "LOC",
    "GPE": "LOC",
}

# What captions say when somebody, several people or lettering show.
_ONE = """
    man woman person boy girl player singer actor actress guy lady child kid baby coach president
    politician celebrity model musician rapper athlete driver wrestler fighter boxer quarterback
    goalkeeper bride groom he she him her his wearing someone officer soldier dancer speaker mayor
    pope king queen prince princess artist guitarist drummer
"""
_MANY = """
    men women people boys girls players singers actors guys ladies children kids fans couple group
    crowd team band members soldiers students teammates cheerleaders dancers musicians actresses
    celebrities officers family friends crew audience both they
"""
_WRITTEN = """
    logo logos poster sign signs text words word screenshot cover flyer newspaper screen tweet
    quote banner letters letter advertisement ad map card book magazine album ticket jersey shirt
    brand badge emblem label page website message caption billboard title
"""
_ONE_PERSON = frozenset(_ONE.split())
_MANY_PEOPLE = frozenset(_MANY.split())
_LETTERING = frozenset(_WRITTEN.split())

_LETTERS = re.compile(r"[a-z]+")


def coarse(type_name: str) -> str:
    """One of :data:`TYPES`; what is none of the first three is OTHER."""
    name = type_name.upper()
    name = _SYNONYMS.get(name, name)
    return name if name in TYPES else "OTHER"


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity as the matcher sees it: its text, types, and how it stands in the document.

    ``rank`` counts the earlier entities of its type; ``same_type`` and ``total`` count all of
    them. ``mark`` is the ``#`` or ``@`` before it, or "".
    """

    text: str
    type: str
    fine_type: str | None
    rank: int
    same_type: int
    total: int
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the picture shows, each as a probability in [0, 1].

    Args:
        person: at least one person.
        people: more than one.
        lettering: words, a sign, a logo.
        named: how much of the mention is read or captioned (the similarity, not a probability).
    """

    person: float
    people: float
    lettering: float
    named: float = 0.0


def mentions_of(document: Document) -> list[Mention]:
    """The document's entities in its order, ranked by position within their type."""
    types = [coarse(entity.type) for entity in document.entities]
    blocks = {block.id: index for index, block in enumerate(document.blocks)}

    def place(entity: Entity) -> tuple[int, int, int]:
        return (blocks[entity.span.block], entity.span.start, entity.span.end)

    places = [place(entity) for entity in document.entities]
    mentions = []
    for entity, kind, own in zip(document.entities, types, places, strict=True):
        text = document.block(entity.span.block).text
        before = text[: entity.span.start].rstrip()[-1:]
        same = [other for other, name in zip(places, types, strict=True) if name == kind]
        mentions.append(
            Mention(
                text=document.text_of(entity),
                type=kind,
                fine_type=entity.fine_type,
                rank=sum(other < own for other in same),
                same_type=len(same),
                total=len(types),
                mark=before if before in ("#", "@") else "",
            )
        )
    return mentions


def read_caption(captions: Sequence[str], mention: str = "") -> Scene:
    """What captions say of the scene; several captions of one picture are read as one."""
    text = " ".join(captions)
    words = _LETTERS.findall(text.lower())
    many = sum(word in _MANY_PEOPLE for word in words)
    one = sum(word in _ONE_PERSON for word in words)
    return Scene(
        person=float(many + one > 0),
        people=float(many > 0),
        lettering=float(any(word in _LETTERING for word in words)),
        named=text_similarity(mention, text) if mention else 0.0,
    )


def describe(mention: Mention, scene: Scene) -> dict[str, float]:
    """Named features of one entity in one scene; absent names are 0."""
    kind = mention.type
    tokens = mention_tokens(mention.text)
    features = {
        f"type={kind}": 1.0,
        f"{kind}:others": float(mention.same_type > 1),
        f"{kind}:many-others": float(mention.same_type > 2),
        f"{kind}:later": float(mention.rank > 0),
        f"{kind}:alone": float(mention.total == 1),
        f"{kind}:person": scene.person,
        f"{kind}:people": scene.people,
        f"{kind}:lettering": scene.lettering,
        f"{kind}:named": scene.named * scene.named,
        f"{kind}:long": float(len(tokens) > 1),
    }
    if mention.mark:
        features[f"{kind}:{'hashtag' if mention.mark == '#' else 'handle'}"] = 1.0
    if mention.fine_type:
        features[f"fine={mention.fine_type.casefold()}"] = 1.0
    return features
