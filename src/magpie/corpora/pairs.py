"""One sentence, two mentions, one relation: what the relation corpora have in common.

The pair is given to a method, the relation is what it has to find. So both mentions get the same
type, :data:`UNTYPED`: the corpora name the types of related pairs only (in the label's path,
``/per/org/member_of``) and of unrelated pairs never, and a type on the mention would say which
pairs are related. The types a label implies are its signature in the card.
"""

from __future__ import annotations

import re

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Card
from magpie.corpora.records import Reading, field
from magpie.errors import FormatError
from magpie.schema import (
    Annotations,
    Block,
    ContextText,
    Document,
    Entity,
    Media,
    Provenance,
    Relation,
    Span,
)

__all__ = [
    "UNTYPED",
    "Words",
    "check_relation",
    "mention",
    "pair_document",
    "place",
    "signature",
    "word_windows",
]

#: type of a mention whose type the corpus does not give
UNTYPED = "entity"

#: first and last-but-one word, half-open
Words = tuple[int, int]

_SPACE = re.compile(r"\s+")


def signature(label: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The types of head and tail that a label ``/per/org/member_of`` allows; any without a path."""
    parts = label.split("/")
    if len(parts) != 4:
        return (), ()
    return (parts[1],), (parts[2],)


def check_relation(label: str, card: Card, where: str) -> str:
    """``label``, if the card has it or has no list of labels.

    Raises:
        FormatError: naming the corpora that do have it.
    """
    if not label:
        raise FormatError("a relation without a label", where=where)
    if card.relations and label not in card.relations:
        from magpie.corpora.registry import cards

        others = [each.ref for each in cards() if label in each.relations]
        hint = f" The label belongs to {', '.join(others)}." if others else ""
        raise FormatError(
            f"{card.ref} has no relation {label[:60]!r}, its relations are "
            f"{', '.join(card.relations)}",
            code="format-tags",
            where=where,
            mend=f"Is this the file of another corpus?{hint}",
        )
    return label


def place(value: object, name: str, words: list[str], where: str) -> Words:
    """``[start, end]`` as words of the sentence, the end exclusive.

    Raises:
        FormatError: it is something else, empty or outside the sentence.
    """
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(item, int) and not isinstance(item, bool) for item in value)
        and 0 <= value[0] < value[1] <= len(words)
    ):
        return value[0], value[1]
    raise FormatError(
        f"expected [start, end) within {len(words)} words in {name!r}, came {value!r:.60}",
        where=where,
        mend="Positions count words from 0, the end is exclusive.",
    )


def mention(record: object, name: str, words: list[str], reading: Reading, where: str) -> Words:
    """A mention ``{name: {"name": text, "pos": [start, end]}}``; a name that differs from the words
    by more than blanks is reported and the words count.

    Raises:
        FormatError: a field is missing, or the position leaves the sentence.
    """
    value = field(record, name, dict, where)
    start, end = place(value.get("pos"), f"{name}.pos", words, where)
    text = field(value, "name", str, where)
    if _SPACE.sub("", text) != _SPACE.sub("", "".join(words[start:end])):
        came = " ".join(words[start:end])
        message = f"{name} is called {text[:60]!r}, the words at {start} to {end} are {came[:60]!r}"
        reading.report(Anomaly("name-mismatch", message, where))
    return start, end


def word_windows(words: list[str], text: str) -> list[Words]:
    """Where ``text`` stands among the words, blanks aside, from left to right.

    Cost: words x words of a match, since a window ends as soon as it departs from the text.
    """
    wanted = _SPACE.sub("", text)
    squeezed = [_SPACE.sub("", word) for word in words]
    found = []
    for start in range(len(words)):
        at = 0
        for end in range(start, len(words)):
            if not wanted.startswith(squeezed[end], at):
                break
            at += len(squeezed[end])
            if at == len(wanted):
                if at:
                    found.append((start, end + 1))
                break
    return found


def pair_document(
    reading: Reading,
    *,
    id: str,
    where: str,
    line: int,
    words: list[str],
    head: Words,
    tail: Words,
    relation: str,
    media: tuple[Media, ...] = (),
    context: tuple[ContextText, ...] = (),
    evidence: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
) -> Document:
    """The document of one instance: entities ``e0`` (head) and ``e1`` (tail), relation ``r0``.

    ``evidence`` goes into the provenance of head and tail.

    Raises:
        FormatError: head and tail are the same words.
    """
    if head == tail:
        raise FormatError(
            f"head and tail are the same words, {head[0]} to {head[1]}",
            where=where,
            mend="A relation needs two mentions.",
        )
    block = Block.from_words(words)
    entities = (
        _entity("e0", block.word_span(*head), evidence[0], reading),
        _entity("e1", block.word_span(*tail), evidence[1], reading),
    )
    return Document(
        id=reading.ids.take(id, where),
        blocks=(block,),
        media=media,
        context=context,
        annotations=Annotations(
            entities=entities,
            relations=(Relation(id="r0", head="e0", tail="e1", type=relation),),
            provenance=reading.provenance(),
        ),
        source=reading.source(line),
    )


def _entity(id: str, span: Span, evidence: tuple[str, ...], reading: Reading) -> Entity:
    own = reading.provenance()
    provenance = (
        Provenance(method=own.method, version=own.version, evidence=evidence) if evidence else None
    )
    return Entity(id=id, span=span, type=UNTYPED, provenance=provenance)
