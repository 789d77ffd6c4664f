"""Tagger and grounder together, scored as a user's output would be."""

from __future__ import annotations

import pytest

from magpie.schema import Annotations, Block, Box, Document, Entity, Grounding, Region
from magpie.training.grounding.end_to_end import _absent, _changed, _scores, _whole_for_people
from magpie.training.grounding.evaluate import _end_to_end_rows

BLOCK = Block.from_words(["Ada", "sings", "in", "Turin"])
WHOLE = Box(0, 0, 100, 80, "m0")


def document(*entities: tuple[int, str, Grounding]) -> Document:
    from magpie.schema import Media

    made = tuple(
        Entity(id=f"e{i}", span=BLOCK.word_span(word, word + 1), type=kind, grounding=grounding)
        for i, (word, kind, grounding) in enumerate(entities)
    )
    return Document(
        id="11",
        blocks=(BLOCK,),
        media=(Media(id="m0", width=100, height=80),),
        annotations=Annotations(entities=made),
    )


ABSENT = Grounding("absent")
SHOWN = Grounding.in_regions(Region.of_box(Box(0, 0, 100, 70, "m0")))
GOLD = document((0, "PER", SHOWN), (3, "LOC", ABSENT))


def test_changes_of_the_baselines() -> None:
    found = document((0, "PER", SHOWN), (3, "LOC", SHOWN))
    absent = _changed(found, WHOLE, _absent)
    assert [entity.grounding.status for entity in absent.entities] == ["absent", "absent"]
    people = _changed(found, WHOLE, _whole_for_people)
    assert [entity.boxes for entity in people.entities] == [(WHOLE,), ()]
    assert _changed(found.with_annotations(None), WHOLE, _absent).annotations is None


def test_what_the_tagger_misses_and_invents_costs() -> None:
    plain = document((0, "PER", ABSENT), (1, "ORG", ABSENT))
    told = document((0, "PER", SHOWN), (3, "LOC", ABSENT))
    report = _scores([(GOLD, plain, told, WHOLE)])
    local = report["tagger and local"]
    assert local["mner"] == {"gold": 2, "predicted": 2, "correct": 1, "f1": 50.0}
    assert local["eeg"]["correct"] == 0
    # the whole picture covers 70 of 80 rows of the gold box
    assert report["tagger, whole picture for PER"]["eeg"]["correct"] == 1
    assert report["tagger, all absent"]["eeg"]["correct"] == 0
    assert report["tagger and local, BLIP-2 caption"]["gmner"]["f1"] == 100.0


def test_rows_of_the_table() -> None:
    told = document((0, "PER", SHOWN), (3, "LOC", ABSENT))
    rows = _end_to_end_rows({"test": _scores([(GOLD, told, told, WHOLE)])})
    assert rows[0].startswith("| tweets | method |")
    assert len(rows) == 2 + 4
    assert "| test | tagger and local | 2 | 2 | 100.0 | 2 | 100.0 | 100.0 |" in rows


@pytest.mark.parametrize("kind", ["LOC", "ORG", "OTHER"])
def test_only_people_get_the_whole_picture(kind: str) -> None:
    entity = document((3, kind, ABSENT)).entities[0]
    assert _whole_for_people(entity, WHOLE) == ABSENT
