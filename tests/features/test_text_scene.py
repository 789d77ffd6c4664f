"""Scene graphs of texts: rules on hand-annotated trees, in both families of labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.features.scene_graph import SceneGraph
from magpie.features.text_scene import scene_from_trees
from magpie.features.trees import Sentence

from .trees import RIDER, THROWN, Row, tree


def facts(scene: SceneGraph) -> set[tuple[str, ...]]:
    """(thing,), (thing, attribute) and (subject, relation, object)."""
    things = scene.objects
    return (
        {(thing.name,) for thing in things}
        | {(thing.name, said) for thing in things for said in thing.attributes}
        | {(things[r.subject].name, r.name, things[r.object].name) for r in scene.relations}
    )


def of(*rows: Row) -> set[tuple[str, ...]]:
    return facts(scene_from_trees([tree(rows)]))


def test_verb_with_object_and_place() -> None:
    scene = scene_from_trees([tree(RIDER)], source="by hand")
    assert facts(scene) == {
        ("man",),
        ("horse",),
        ("beach",),
        ("man", "old"),
        ("horse", "brown"),
        ("man", "ride", "horse"),
        ("man", "ride on", "beach"),
    }
    assert [thing.words for thing in scene.objects] == [(2, 3), (6, 7), (9, 10)]
    assert scene.source == "by hand"
    assert scene.edges.tolist() == [[0, 1], [0, 2]]


def test_the_agent_of_a_participle_does_it_and_a_name_is_one_thing() -> None:
    scene = scene_from_trees([tree(THROWN)])
    assert facts(scene) == {("ball",), ("Anna Lee",), ("Anna Lee", "throw", "ball")}
    assert [thing.words for thing in scene.objects] == [(1, 2), (4, 6)]


def test_universal_labels_say_the_same() -> None:
    assert of(
        ("man", 1, "nsubj", "NOUN", "man"),
        ("rides", 1, "root", "VERB", "ride"),
        ("horse", 1, "obj", "NOUN", "horse"),
        ("on", 4, "case", "ADP", "on"),
        ("beach", 1, "obl", "NOUN", "beach"),
    ) == {
        ("man",),
        ("horse",),
        ("beach",),
        ("man", "ride", "horse"),
        ("man", "ride on", "beach"),
    }
    passive = of(
        ("ball", 2, "nsubj:pass", "NOUN", "ball"),
        ("was", 2, "aux:pass", "AUX", "be"),
        ("thrown", 2, "root", "VERB", "throw"),
        ("by", 4, "case", "ADP", "by"),
        ("Anna", 2, "obl:agent", "PROPN", "Anna"),
    )
    assert passive == {("ball",), ("Anna",), ("Anna", "throw", "ball")}


def test_noun_preposition_noun_and_deeper_ones() -> None:
    assert of(
        ("cup", 0, "ROOT", "NOUN", "cup"),
        ("on", 0, "prep", "ADP", "on"),
        ("table", 1, "pobj", "NOUN", "table"),
    ) == {("cup",), ("table",), ("cup", "on", "table")}
    assert of(
        ("cat", 1, "nsubj", "NOUN", "cat"),
        ("jumps", 1, "ROOT", "VERB", "jump"),
        ("out", 1, "prep", "ADP", "out"),
        ("of", 2, "prep", "ADP", "of"),
        ("box", 3, "pobj", "NOUN", "box"),
    ) == {("cat",), ("box",), ("cat", "jump out of", "box")}


@pytest.mark.parametrize(
    "rows",
    [
        (
            ("cup", 1, "nsubj", "NOUN", "cup"),
            ("is", 1, "ROOT", "AUX", "be"),
            ("red", 1, "acomp", "ADJ", "red"),
            ("and", 2, "cc", "CCONJ", "and"),
            ("big", 2, "conj", "ADJ", "big"),
        ),
        (
            ("cup", 2, "nsubj", "NOUN", "cup"),
            ("is", 2, "cop", "AUX", "be"),
            ("red", 2, "root", "ADJ", "red"),
            ("and", 4, "cc", "CCONJ", "and"),
            ("big", 2, "conj", "ADJ", "big"),
        ),
    ],
    ids=["spacy", "universal"],
)
def test_what_a_thing_is_said_to_be(rows: tuple[Row, ...]) -> None:
    assert of(*rows) == {("cup",), ("cup", "red"), ("cup", "big")}


@pytest.mark.parametrize(
    "rows",
    [
        (
            ("Rome", 1, "nsubj", "PROPN", "Rome"),
            ("is", 1, "ROOT", "AUX", "be"),
            ("capital", 1, "attr", "NOUN", "capital"),
            ("of", 2, "prep", "ADP", "of"),
            ("Italy", 3, "pobj", "PROPN", "Italy"),
        ),
        (
            ("Rome", 2, "nsubj", "PROPN", "Rome"),
            ("is", 2, "cop", "AUX", "be"),
            ("capital", 2, "root", "NOUN", "capital"),
            ("of", 4, "case", "ADP", "of"),
            ("Italy", 2, "nmod", "PROPN", "Italy"),
        ),
    ],
    ids=["spacy", "universal"],
)
def test_one_thing_is_another(rows: tuple[Row, ...]) -> None:
    assert of(*rows) == {
        ("Rome",),
        ("capital",),
        ("Italy",),
        ("Rome", "be", "capital"),
        ("capital", "of", "Italy"),
    }


def test_being_somewhere_needs_no_verb() -> None:
    place = {("man",), ("horse",), ("man", "on", "horse")}
    assert place == of(
        ("man", 1, "nsubj", "NOUN", "man"),
        ("is", 1, "ROOT", "AUX", "be"),
        ("on", 1, "prep", "ADP", "on"),
        ("horse", 2, "pobj", "NOUN", "horse"),
    )
    assert place == of(
        ("man", 3, "nsubj", "NOUN", "man"),
        ("is", 3, "cop", "AUX", "be"),
        ("on", 3, "case", "ADP", "on"),
        ("horse", 3, "root", "NOUN", "horse"),
    )


def test_conjoined_nouns_share_and_a_second_verb_borrows_its_subject() -> None:
    assert of(
        ("Anna", 3, "nsubj", "PROPN", "Anna"),
        ("and", 0, "cc", "CCONJ", "and"),
        ("Tom", 0, "conj", "PROPN", "Tom"),
        ("sing", 3, "ROOT", "VERB", "sing"),
        ("and", 3, "cc", "CCONJ", "and"),
        ("eat", 3, "conj", "VERB", "eat"),
        ("cake", 5, "dobj", "NOUN", "cake"),
    ) == {("Anna",), ("Tom",), ("cake",), ("Anna", "eat", "cake"), ("Tom", "eat", "cake")}


def test_possession_numbers_particles_and_bare_participles() -> None:
    assert of(
        ("Anna", 3, "poss", "PROPN", "Anna"),
        ("'s", 0, "case", "PART", "'s"),
        ("two", 3, "nummod", "NUM", "two"),
        ("dogs", 4, "nsubj", "NOUN", "dog"),
        ("pick", 4, "ROOT", "VERB", "pick"),
        ("up", 4, "prt", "ADP", "up"),
        ("balls", 4, "dobj", "NOUN", "ball"),
        ("lost", 6, "acl", "VERB", "lose"),
    ) == {
        ("Anna",),
        ("dogs",),
        ("balls",),
        ("dogs", "two"),
        ("balls", "lost"),
        ("Anna", "have", "dogs"),
        ("dogs", "pick up", "balls"),
    }


def test_a_relative_pronoun_stands_for_its_noun_and_others_for_nobody() -> None:
    assert of(
        ("man", 0, "ROOT", "NOUN", "man"),
        ("who", 2, "nsubj", "PRON", "who"),
        ("rides", 0, "relcl", "VERB", "ride"),
        ("horse", 2, "dobj", "NOUN", "horse"),
    ) == {("man",), ("horse",), ("man", "ride", "horse")}
    assert of(
        ("She", 1, "nsubj", "PRON", "she"),
        ("rides", 1, "ROOT", "VERB", "ride"),
        ("horse", 1, "dobj", "NOUN", "horse"),
    ) == {("horse",)}


def test_a_negated_verb_says_nothing() -> None:
    rows = (
        ("Tom", 3, "nsubj", "PROPN", "Tom"),
        ("did", 3, "aux", "AUX", "do"),
        ("not", 3, "neg", "PART", "not"),
        ("join", 3, "ROOT", "VERB", "join"),
        ("Acme", 3, "dobj", "PROPN", "Acme"),
    )
    assert of(*rows) == {("Tom",), ("Acme",)}
    affirmed = tuple(row if row[0] != "not" else ("now", 3, "advmod", "ADV", "now") for row in rows)
    assert ("Tom", "join", "Acme") in of(*affirmed)


def test_words_are_counted_on_through_sentences_or_as_told() -> None:
    twice = [tree(THROWN), tree(RIDER)]
    counted = scene_from_trees(twice)
    assert [t.words for t in counted.objects] == [(1, 2), (4, 6), (8, 9), (12, 13), (15, 16)]
    # A word at number 3 of the document was hidden from the parser.
    places = [i if i < 3 else i + 1 for i in range(len(THROWN))]
    told = scene_from_trees([tree(THROWN)], places)
    assert [t.words for t in told.objects] == [(1, 2), (5, 7)]


_LABELS = (
    "nsubj",
    "dobj",
    "prep",
    "pobj",
    "compound",
    "conj",
    "acl",
    "relcl",
    "amod",
    "case",
    "obl",
)
_TAGS = ("NOUN", "VERB", "ADP", "ADJ", "PRON", "")


@given(st.data())
def test_any_tree_gives_a_graph(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7))
    heads = [data.draw(st.integers(0, max(0, i - 1))) for i in range(count)]
    labels = [data.draw(st.sampled_from(_LABELS)) for _ in range(count)]
    tags = [data.draw(st.sampled_from(_TAGS)) for _ in range(count)]
    words = tuple(f"w{i}" for i in range(count))
    scene = scene_from_trees([Sentence(words, tuple(heads), tuple(labels), tuple(tags))])
    for thing in scene.objects:
        assert thing.words is not None
        assert " ".join(words[slice(*thing.words)]) == thing.name
    assert all(r.subject != r.object and r.name for r in scene.relations)
