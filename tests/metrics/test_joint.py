"""Joint triples: the worked JMERE examples as sets and through the public grid."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ComparisonError, FormatError
from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import Scored, items_of
from magpie.metrics.joint import GRID_LABELS, decode_grid, encode_grid
from magpie.schema import Annotations, Block, Document, Entity, Relation

Spans = Sequence[tuple[int, int, str]]
Triples = Sequence[tuple[int, int, str]]

STRICT, LOOSE, GRID = "jmere-strict@1", "jmere-boundaries@1", "jmere-grid@1"


def document(spans: Spans, triples: Triples, *, words: bool = True, id: str = "d") -> Scored:
    """Words 0 to 7 with entities (first word, last word, type) and relations between them."""
    block = Block.from_words([f"w{n}" for n in range(8)])
    entities = tuple(
        Entity(id=f"e{n}", span=block.word_span(first, last + 1), type=kind)
        for n, (first, last, kind) in enumerate(spans)
    )
    relations = tuple(
        Relation(id=f"r{n}", head=f"e{head}", tail=f"e{tail}", type=kind)
        for n, (head, tail, kind) in enumerate(triples)
    )
    if not words:
        block = Block(text=block.text)
    annotations = Annotations(entities=entities, relations=relations)
    return items_of(Document(id=id, blocks=(block,), annotations=annotations))


SPANS = [(0, 0, "per"), (2, 2, "per"), (6, 7, "misc")]
GOLD = document(SPANS, [(0, 1, "peer"), (1, 2, "awarded")])
PREDICTED = document(
    [*SPANS, (4, 4, "per")], [(0, 1, "peer"), (1, 3, "peer"), (1, 2, "present_in")]
)


def test_the_worked_example_as_sets() -> None:
    report = score([GOLD], [PREDICTED], STRICT)
    assert report.main.micro == Counts(2, 3, 1)
    assert report.main.micro.score == pytest.approx(0.4)
    assert report.parts["entities"].micro == Counts(3, 4, 3)
    assert report.parts["entities"].micro.score == pytest.approx(0.857143, abs=1e-6)
    assert dict(report.main.per_type) == {
        "awarded": Counts(1, 0, 0),
        "peer": Counts(1, 2, 1),
        "present_in": Counts(0, 1, 0),
    }


def test_the_worked_example_through_the_grid() -> None:
    report = score([GOLD], [PREDICTED], GRID)
    assert report.main.micro == Counts(4, 6, 2)
    assert report.main.micro.score == pytest.approx(0.4)
    assert report.parts["entities"].micro == Counts(3, 4, 3)
    assert dict(report.notes) == {}


@pytest.mark.parametrize("protocol", [STRICT, GRID])
def test_one_wrong_type_spoils_both_its_relations(protocol: str) -> None:
    wrong = document([SPANS[0], (2, 2, "org"), SPANS[2]], [(0, 1, "peer"), (1, 2, "awarded")])
    report = score([GOLD], [wrong], protocol)
    assert report.main.micro.score == 0.0
    assert report.parts["entities"].micro == Counts(3, 3, 2)
    # Without types it is right: only places and relation count.
    assert score([GOLD], [wrong], LOOSE).main.micro == Counts(2, 2, 2)


def test_direction_counts_only_when_asked() -> None:
    turned = document(SPANS, [(1, 0, "peer"), (2, 1, "awarded")])
    assert score([GOLD], [turned], STRICT).main.micro.score == 1.0
    assert score([GOLD], [turned], GRID).main.micro.score == 1.0
    directed = score([GOLD], [turned], STRICT, options={"directed": True})
    assert directed.main.micro == Counts(2, 2, 0)
    assert dict(directed.options) == {"directed": True}


def test_repeated_triples_count_once_and_negative_ones_never() -> None:
    again = document(SPANS, [(0, 1, "peer"), (1, 0, "peer"), (1, 2, "awarded"), (0, 2, "none")])
    for protocol in (STRICT, LOOSE, GRID):
        assert score([GOLD], [again], protocol).main.micro.score == 1.0
    assert score([GOLD], [again], STRICT).main.micro == Counts(2, 2, 2)


def test_neighbours_fuse_in_the_grid_only() -> None:
    touching = document([(0, 0, "per"), (1, 1, "org")], [(0, 1, "member_of")])
    assert score([touching], [touching], STRICT).main.micro == Counts(1, 1, 1)
    report = score([touching], [touching], GRID)
    assert report.main.micro == Counts(0, 0, 0)
    assert dict(report.parts["entities"].per_type) == {"per": Counts(1, 1, 1)}


def test_a_tied_vote_goes_to_the_smaller_number() -> None:
    grid = encode_grid(4, [(0, 1, "per"), (3, 3, "per")], [])
    grid[0][3], grid[1][3] = GRID_LABELS.index("siblings"), GRID_LABELS.index("peer")
    entities, relations = decode_grid(grid)
    assert entities == [(0, 1, "per"), (3, 3, "per")]
    assert relations == {
        (entities[0], entities[1], "siblings"),
        (entities[1], entities[0], "siblings"),
    }
    grid[0][3] = GRID_LABELS.index("peer")
    assert {name for _, _, name in decode_grid(grid)[1]} == {"peer"}


def test_the_first_word_names_the_type_and_pieces_are_passed_over() -> None:
    grid = encode_grid(5, [(0, 0, "per"), (1, 1, "org"), (4, 4, "loc")], [])
    grid[2][2] = -1
    assert decode_grid(grid)[0] == [(0, 1, "per"), (4, 4, "loc")]
    grid[3][3] = GRID_LABELS.index("org")
    assert decode_grid(grid)[0] == [(0, 4, "per")]


def test_the_published_numbers_of_the_grid() -> None:
    numbers = {name: GRID_LABELS.index(name) for name in ("none", "per", "loc", "parent", "peer")}
    assert numbers == {"none": 0, "per": 1, "loc": 4, "parent": 5, "peer": 9}
    assert (len(GRID_LABELS), GRID_LABELS[25]) == (26, "held_on")
    assert encode_grid(2, [(0, 0, "org"), (1, 1, "loc")], [(1, 0, "locate_at")]) == [
        [2, 17],
        [-1, 4],
    ]


@pytest.mark.parametrize(
    ("entities", "relations"),
    [
        ([(0, 0, "ship")], []),
        ([(0, 2, "per")], []),
        ([(0, 0, "per"), (1, 1, "per")], [(0, 1, "per")]),
    ],
)
def test_what_the_grid_cannot_hold(entities: Spans, relations: Triples) -> None:
    with pytest.raises(FormatError) as caught:
        encode_grid(2, entities, relations)
    assert caught.value.code == "format-tags"


def test_documents_name_what_the_grid_lost_and_spell_types_their_way() -> None:
    gold = document(
        [(0, 0, "PER"), (2, 2, "OTHER"), (4, 4, "ship")],
        [(0, 1, "/per/misc/awarded"), (0, 2, "peer")],
    )
    report = score([gold], [document([], [])], GRID)
    assert report.main.micro == Counts(2, 0, 0)
    assert dict(report.parts["entities"].per_type) == {"misc": Counts(1), "per": Counts(1)}
    assert dict(report.notes) == {"gold entities or relations that the grid cannot hold": 2}


def test_the_grid_needs_words() -> None:
    with pytest.raises(ComparisonError, match="'d' has none") as caught:
        score([document(SPANS, [], words=False)], [GOLD], GRID)
    assert STRICT in caught.value.mend


RELATIONS = st.sampled_from(GRID_LABELS[5:])


@st.composite
def apart(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """Length, entities that do not touch, and at most one relation for each two of them."""
    spans, position = [], 0
    for _ in range(draw(st.integers(1, 4))):
        first = position + draw(st.integers(0, 2))
        last = first + draw(st.integers(0, 2))
        spans.append((first, last, draw(st.sampled_from(GRID_LABELS[1:5]))))
        position = last + 2
    pairs = [(a, b) for a in range(len(spans)) for b in range(a + 1, len(spans))]
    chosen = [pair for pair in pairs if draw(st.booleans())]
    return position, spans, [(a, b, draw(RELATIONS)) for a, b in chosen]


@given(apart())
def test_what_does_not_touch_comes_back_from_the_grid(
    sample: tuple[int, list[tuple[int, int, str]], list[tuple[int, int, str]]],
) -> None:
    length, spans, triples = sample
    entities, relations = decode_grid(encode_grid(length, spans, triples))
    assert entities == spans
    wanted = {(spans[a], spans[b], name) for a, b, name in triples}
    assert relations == wanted | {(tail, head, name) for head, tail, name in wanted}


@given(st.permutations(range(4)))
def test_the_order_of_documents_changes_nothing(order: list[int]) -> None:
    gold = [document(SPANS, [(0, 1, GRID_LABELS[5 + n])], id=str(n)) for n in range(4)]
    predicted = [document(SPANS, [(0, 1, "siblings")], id=str(n)) for n in order]
    for protocol in (STRICT, GRID):
        report = score(gold, predicted, protocol)
        assert report.main.micro.score == pytest.approx(0.25)
