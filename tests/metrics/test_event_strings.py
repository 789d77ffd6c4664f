"""UMIE's and MQA's ways of scoring events by their spelling."""

from __future__ import annotations

import pytest

from magpie.metrics.counts import Counts
from magpie.metrics.event_strings import count_mqa, count_umie
from magpie.schema import Annotations, Argument, Block, Document, Entity, Event, Media, Span

from .builders import Builder, scores, total

ATTACK, DIE, MEET = "Conflict:Attack", "Life:Die", "Contact:Meet"


def test_triggers_are_compared_by_their_text_within_a_sentence() -> None:
    gold, found = Builder(), Builder()
    gold.event(ATTACK, (3, 5))
    found.event(ATTACK, (13, 15))  # the same two letters
    found.event(ATTACK, (4, 6))
    assert total(count_umie, "triggers", gold, found) == Counts(1, 2, 1)
    first, second = (
        Document(
            id="d",
            blocks=(Block(id="b0", text="they met"), Block(id="b1", text="they met")),
            annotations=Annotations(events=(Event(id="v", type=MEET, trigger=Span(b, 5, 8)),)),
        )
        for b in ("b0", "b1")
    )
    assert scores("events-umie@1", first, second)["triggers"] == Counts(1, 1, 0)


def test_arguments_are_words_or_regions() -> None:
    gold, found = Builder(), Builder()
    gold.event(
        ATTACK, (0, 1), Attacker=gold.entity(2, 4), Target=gold.region(0, 0, 9, 9, label="O1")
    )
    found.event(
        ATTACK, (7, 8), Attacker=found.entity(22, 24), Target=found.region(0, 0, 9, 8, label="O7")
    )
    assert total(count_umie, "arguments", gold, found) == Counts(2, 2, 2)
    assert total(count_umie, "arguments", gold, found, labels=True) == Counts(2, 2, 1)
    found.regions.clear()
    found.events.clear()
    found.event(ATTACK, (7, 8), Target=found.region(50, 50, 60, 60, label="O1"))
    assert total(count_umie, "arguments", gold, found) == Counts(2, 1, 0)
    assert total(count_umie, "arguments", gold, found, labels=True) == Counts(2, 1, 1)


def test_the_type_of_the_event_is_part_of_an_argument() -> None:
    gold, found = Builder(), Builder()
    gold.event(ATTACK, (0, 1), Agent=[gold.entity(2, 4), gold.region(0, 0, 9, 9)])
    found.event(DIE, (0, 1), Agent=[found.entity(2, 4), found.region(0, 0, 9, 9)])
    assert total(count_umie, "arguments", gold, found) == Counts(2, 2, 0)


def test_legacy_arguments() -> None:
    gold, found = Builder(), Builder()
    gold.event(ATTACK, (0, 1), Target=[gold.entity(2, 4), gold.entity(12, 14)])
    found.event(ATTACK, (0, 1), Target=found.entity(2, 4))
    assert total(count_umie, "arguments", gold, found) == Counts(2, 1, 1)
    assert total(count_umie, "arguments", gold, found, legacy=True) == Counts(1, 1, 1)


# MQA


def article(*shown: tuple[str, str], pictures: int = 2) -> Builder:
    found = Builder(media=[Media(id=f"m{number}") for number in range(pictures)])
    for medium, kind in shown:
        found.event(kind, media=medium)
    return found


def test_pictures_of_the_specification() -> None:
    gold, found = article(("m0", ATTACK)), article(("m0", ATTACK), ("m1", MEET))
    result = scores("events-mqa@1", gold, found)
    assert result["image"] == Counts(1, 2, 1)
    assert result["image"].score == pytest.approx(2 / 3)
    assert result["article"] == Counts(1, 2, 1)
    assert result["article-with-none"] == Counts(2, 2, 1)
    assert result["article-with-none"].score == 0.5


def test_none_is_a_class_only_where_it_is_asked_for() -> None:
    gold, found = article(("m0", "none")), article()
    result = scores("events-mqa@1", gold, found)
    assert result["image"] == result["article"] == Counts(0, 0, 0)
    assert result["article-with-none"] == Counts(1, 1, 1)
    assert scores("events-mqa@1", article(pictures=0), article(pictures=0))[
        "article-with-none"
    ] == Counts(0, 0, 0)


def test_an_article_is_a_set_of_types() -> None:
    gold = article(("m0", ATTACK), ("m1", ATTACK))
    found = article(("m1", ATTACK), ("m0", MEET))
    result = scores("events-mqa@1", gold, found)
    assert result["image"] == Counts(2, 2, 1)
    assert result["article"] == Counts(1, 2, 1)
    assert result["article-with-none"] == Counts(1, 2, 1)


def test_spelling_in_any_case() -> None:
    def said(text: str, *triggers: tuple[int, int, str]) -> Document:
        events = tuple(
            Event(id=f"v{n}", type=kind, trigger=Span("b0", start, end))
            for n, (start, end, kind) in enumerate(triggers)
        )
        return Document(id="d", blocks=(Block(text=text),), annotations=Annotations(events=events))

    gold = said("War, war, peace", (0, 3, ATTACK), (5, 8, ATTACK))
    found = said("War, war, peace", (5, 8, ATTACK), (10, 15, MEET))
    assert scores("events-mqa@1", gold, found)["text"] == Counts(2, 2, 1)
    both = said("War, war, peace", (0, 3, ATTACK), (5, 8, ATTACK))
    assert scores("events-mqa@1", gold, both)["text"] == Counts(2, 2, 2)


def test_the_oracle_looks_only_at_sentences_with_an_event() -> None:
    def two(first: str | None, second: str | None) -> Document:
        events = tuple(
            Event(id=f"v{b}", type=kind, trigger=Span(b, 5, 8))
            for b, kind in (("b0", first), ("b1", second))
            if kind is not None
        )
        blocks = (Block(id="b0", text="they met"), Block(id="b1", text="they met"))
        return Document(id="d", blocks=blocks, annotations=Annotations(events=events))

    gold, found = two(MEET, None), two(MEET, MEET)
    assert scores("events-mqa@1", gold, found)["text"] == Counts(1, 2, 1)
    assert scores("events-mqa@1", gold, found, oracle_sentences=True)["text"] == Counts(1, 1, 1)


def test_legacy_keeps_one_type_a_spelling() -> None:
    gold, found = Builder(), Builder()
    gold.event(ATTACK, (3, 5))
    gold.event(DIE, (13, 15))  # the same letters: the later type is kept
    found.event(DIE, (3, 5))
    found.event(DIE, (23, 25))
    assert total(count_mqa, "text", gold, found) == Counts(2, 2, 1)
    assert total(count_mqa, "text", gold, found, legacy=True) == Counts(2, 2, 2)
    found.events.clear()
    found.event(ATTACK, (3, 5))
    assert total(count_mqa, "text", gold, found, legacy=True) == Counts(2, 1, 0)


@pytest.mark.parametrize("name", ["events-umie@1", "events-mqa@1"])
def test_itself_and_nothing(name: str) -> None:
    gold, empty = article(pictures=1), article(pictures=1)
    gold.event(ATTACK, (0, 1), "m0", Target=[gold.entity(2, 4), gold.region(0, 0, 9, 9)])
    for counts in scores(name, gold, gold).values():
        assert counts.score == 1
    for counts in scores(name, gold, empty).values():
        assert counts.score == 0
    nothing = Document(id="d", blocks=(Block(text=""),))
    assert all(counts.score == 0 for counts in scores(name, nothing, nothing).values())


def test_an_argument_needs_no_trigger() -> None:
    event = Event(id="v", type=DIE, arguments=(Argument(role="Victim", target="e"),))
    document = Document(
        id="d",
        blocks=(Block(text="Otto"),),
        annotations=Annotations(
            entities=(Entity(id="e", span=Span("b0", 0, 4), type="PER"),), events=(event,)
        ),
    )
    result = scores("events-umie@1", document, document)
    assert result == {"triggers": Counts(), "arguments": Counts(1, 1, 1)}
