"""Labels of form fields and links between them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import load
from magpie.metrics import items_of, score
from magpie.metrics.counts import Counts
from magpie.metrics.forms import count_labels, count_links
from magpie.schema import Document, Region

from .builders import Builder, counted, scores, total

LABELS = ("question", "answer", "header", "other")


def form(*fields: tuple[int, str], links: tuple[tuple[int, int], ...] = ()) -> Builder:
    """Fields as (place, label); links by place, each field two characters long."""
    found = Builder()
    ids = {place: found.entity(2 * place, 2 * place + 2, label) for place, label in fields}
    for head, tail in links:
        found.link(ids[head], ids[tail])
    return found


#: six fields, questions at odd places
PAGE = tuple((place, "question" if place % 2 else "answer") for place in range(1, 10))


def test_links_of_the_specification() -> None:
    gold = form(*PAGE, links=((1, 2), (3, 4), (5, 6)))
    found = form(*PAGE[:2], (3, "question"), (9, "answer"), links=((1, 2), (3, 9)))
    counts = total(count_links, "links", gold, found)
    assert counts == Counts(3, 2, 1)
    assert counts.precision == 0.5
    assert counts.recall == pytest.approx(1 / 3)
    assert counts.f1 == pytest.approx(0.4)


def test_links_have_no_direction_unless_asked_for() -> None:
    gold, found = form(*PAGE, links=((1, 2),)), form(*PAGE, links=((2, 1),))
    for part in ("links", "strict", "all"):
        assert total(count_links, part, gold, found).correct == 1
        assert total(count_links, part, gold, found, directed=True).correct == 0
        assert total(count_links, part, gold, gold, directed=True).correct == 1


def test_a_link_that_stands_twice_is_one() -> None:
    gold = form(*PAGE, links=((1, 2), (2, 1)))
    assert scores("form-links@1", gold, gold) == dict.fromkeys(
        ("links", "strict", "all"), Counts(1, 1, 1)
    )


def test_strict_asks_for_both_labels() -> None:
    gold = form((1, "question"), (2, "answer"), links=((1, 2),))
    found = form((1, "answer"), (2, "question"), links=((1, 2),))
    assert total(count_links, "links", gold, found) == Counts(1, 1, 1)
    assert total(count_links, "strict", gold, found) == Counts(1, 1, 0)
    assert total(count_links, "all", gold, found) == Counts(1, 1, 1)


def test_only_links_of_questions_and_answers_count_but_in_all() -> None:
    fields = ((1, "header"), (2, "QUESTION"), (3, "Answer"), (4, "question"), (5, "other"))
    gold = form(*fields, links=((1, 2), (2, 3), (2, 4), (3, 5)))
    assert scores("form-links@1", gold, gold) == {
        "links": Counts(1, 1, 1),
        "strict": Counts(1, 1, 1),
        "all": Counts(4, 4, 4),
    }
    assert counted(count_links, "links", gold, gold) == {"question-answer": Counts(1, 1, 1)}


def test_a_field_without_text_is_compared_by_its_box() -> None:
    def page(*box: float, label: str | None = "Answer") -> Builder:
        found = form((1, "question"))
        found.link("e0", found.region(*box, label=label))
        return found

    gold = page(10, 10, 50, 20)
    assert total(count_links, "links", gold, page(10, 10, 50, 20)) == Counts(1, 1, 1)
    assert total(count_links, "links", gold, page(10, 10, 50, 21)) == Counts(1, 1, 0)
    assert total(count_labels, "fields", gold, page(10, 10, 50, 20)) == Counts(2, 2, 2)
    # Without a label it is no field, yet a wrong link to it stays one.
    unnamed = page(10, 10, 50, 20, label=None)
    assert total(count_labels, "blocks", gold, unnamed) == Counts(2, 1, 1)
    assert total(count_links, "links", gold, unnamed) == Counts(1, 0, 0)
    assert total(count_links, "all", gold, unnamed) == Counts(1, 1, 1)


def test_a_field_that_is_a_whole_page() -> None:
    gold = form((1, "question"))
    gold.regions.append(Region(media="m0", id="page", label="answer"))
    gold.link("e0", "page")
    assert scores("form-links@1", gold, gold)["strict"] == Counts(1, 1, 1)


def test_labels_with_and_without_other() -> None:
    gold = form((1, "question"), (2, "answer"), (3, "other"), (4, "header"))
    found = form((1, "QUESTION"), (2, "other"), (3, "other"), (4, "answer"))
    assert scores("form-labels@1", gold, found) == {
        "fields": Counts(3, 2, 1),
        "blocks": Counts(4, 4, 2),
    }
    assert counted(count_labels, "blocks", gold, found)["other"] == Counts(1, 2, 1)


def test_doubled_fields_are_right_once() -> None:
    gold, found = form((1, "question")), form((1, "question"))
    found.entity(2, 4, "question")
    assert total(count_labels, "fields", gold, found) == Counts(1, 2, 1)


FIELDS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(LABELS)),
    min_size=1,
    max_size=6,
    unique_by=lambda field: field[0],
)


@st.composite
def pages(draw: Any) -> tuple[Any, Any]:
    fields = draw(FIELDS)
    places = st.sampled_from([place for place, _ in fields])
    return fields, draw(st.lists(st.tuples(places, places), max_size=6))


@given(pages(), pages(), st.integers(0, 9))
def test_invariants(gold: Any, found: Any, seed: int) -> None:
    one, other = (form(*fields, links=tuple(links)) for fields, links in (gold, found))
    rng = random.Random(seed)
    mixed = form(
        *rng.sample(found[0], len(found[0])), links=tuple(rng.sample(found[1], len(found[1])))
    )
    for name in ("form-labels@1", "form-links@1"):
        there, back = scores(name, one, other), scores(name, other, one)
        assert there == scores(name, one, mixed)
        for part, counts in scores(name, one, one).items():
            assert isinstance(counts, Counts)
            assert counts.gold == counts.predicted == counts.correct
            assert there[part].score == back[part].score


@given(pages(), pages())
def test_a_wrong_link_never_raises_precision(gold: Any, found: Any) -> None:
    one, other = (form(*fields, links=tuple(links)) for fields, links in (gold, found))
    before = scores("form-links@1", one, other)
    other.link(other.entity(50, 51, "question"), other.entity(52, 53, "answer"))
    for part, counts in scores("form-links@1", one, other).items():
        earlier = before[part]
        assert isinstance(counts, Counts)
        assert isinstance(earlier, Counts)
        assert counts.precision <= earlier.precision
        assert counts.recall == earlier.recall


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("split", "blocks", "links"), [("train", 7411, 4230), ("test", 2332, 1064)]
)
def test_funsd_scores_perfectly_against_itself(
    split: str, blocks: int, links: int, data_dir: Path
) -> None:
    gold = [items_of(document) for document in load("funsd", split, root=data_dir)]
    labels = score(gold, gold, "form-labels@1").parts["blocks"].micro
    assert (labels.gold, labels.score) == (blocks, 1.0)
    found = score(gold, gold, "form-links@1")
    assert found.parts["all"].micro == Counts(links, links, links)
    assert found.main.micro.score == found.parts["strict"].micro.score == 1.0


def test_nothing() -> None:
    nothing = Document(id="d", blocks=())
    for name in ("form-labels@1", "form-links@1"):
        for counts in scores(name, nothing, nothing).values():
            assert counts == Counts()
            assert counts.score == 0
