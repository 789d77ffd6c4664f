from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import check, load
from magpie.corpora.mqa import TypedPair, typed_pair
from magpie.corpora.pairs import UNTYPED
from magpie.errors import FormatError
from magpie.schema import Document

from .conftest import Notes

POST: dict[str, Any] = {
    "tokens": ["Ada", "Byron", "left", "Turin"],
    "entities": [{"start": 0, "end": 2, "type": "per"}, {"start": 3, "end": 4, "type": "loc"}],
    "relations": [],
    "img_id": "31",
}

PAIR: dict[str, Any] = {
    "text": "Ada meets Ada Byron at # Turin",
    "relation": "/per/per/peer",
    "head": "Ada",
    "tail": "Ada Byron",
    "img_path": "./somewhere/imgs/club_7.jpg",
    "known_h": "per",
    "known_t": "per",
    "pred_h": "per",
    "pred_t": "org",
}

FILES = {
    "mqa@twitter2015": "mner_twitter2015_test.json",
    "mqa@twitter2017": "mner_twitter2017_test.json",
    "mqa@mnre1": "mre_v1_test_type.json",
    "mqa@mnre2": "mre_v2_test_type.json",
}


def read(tmp_path: Path, ref: str, content: object, notes: Notes, **options: Any) -> list[Document]:
    (tmp_path / "mqa").mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "mqa" / FILES[ref]).write_text(text, encoding="utf-8")
    return list(load(ref, "test", tmp_path, on_problem=notes, **options))


def test_entities_of_a_post(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "mqa@twitter2015", [POST], notes)
    assert document.id == "31"
    assert [(document.text_of(e), e.type) for e in document.entities] == [
        ("Ada Byron", "per"),
        ("Turin", "loc"),
    ]
    assert document.media[0].uri == "31.jpg"
    assert not notes


def test_coarse_types(tmp_path: Path, notes: Notes) -> None:
    post = {**POST, "entities": [{"start": 0, "end": 1, "type": "misc"}]}
    (document,) = read(tmp_path, "mqa@twitter2017", [post], notes, types="coarse")
    assert [e.type for e in document.entities] == ["OTHER"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"entities": [{"start": 0, "end": 5, "type": "per"}]}, "format-record"),
        ({"entities": [{"start": "0", "end": 1, "type": "per"}]}, "format-record"),
        ({"entities": [{"start": 0, "end": 1, "type": "misc"}]}, "format-tags"),
        ({"entities": ["Ada"]}, "format-record"),
        ({"tokens": "Ada"}, "format-record"),
        ({"img_id": 31}, "format-record"),
    ],
)
def test_broken_posts_are_set_aside(
    tmp_path: Path, notes: Notes, change: dict[str, Any], code: str
) -> None:
    documents = read(tmp_path, "mqa@twitter2015", [POST, {**POST, **change}, POST], notes)
    assert [d.id for d in documents] == ["31", "31#2"]
    assert notes.codes == [code]
    assert notes[0].where.endswith("(item 2)")


def test_a_pair_is_put_into_its_text(tmp_path: Path, notes: Notes) -> None:
    rows = [PAIR, {**PAIR, "head": "Ada Byron", "tail": "#Turin", "relation": "None"}]
    documents = read(tmp_path, "mqa@mnre2", rows, notes)
    assert [d.id for d in documents] == ["club_7-1", "club_7-2"]
    places = [[(e.span.start, e.span.end) for e in d.entities] for d in documents]
    # "Ada" stands at two places, and the first is taken.
    assert places == [[(0, 3), (10, 19)], [(10, 19), (23, 30)]]
    assert notes.kinds == ["mention-ambiguous"]
    assert [e.type for d in documents for e in d.entities] == [UNTYPED] * 4


def test_a_place_with_the_same_blanks_comes_before_others(tmp_path: Path, notes: Notes) -> None:
    row = {**PAIR, "text": "Red Owls beat Turin . # RedOwls", "head": "RedOwls", "tail": "Turin"}
    (document,) = read(tmp_path, "mqa@mnre2", [row], notes)
    assert document.text_of(document.entities[0]) == "RedOwls"
    assert not notes


def test_two_mentions_of_one_name_are_two_places(tmp_path: Path, notes: Notes) -> None:
    row = {**PAIR, "text": "Ada saw Ada", "tail": "Ada"}
    (document,) = read(tmp_path, "mqa@mnre2", [row], notes)
    assert [e.span.start for e in document.entities] == [0, 8]
    assert notes.kinds == ["mention-ambiguous"]  # the second has one place left


def test_given_types_are_no_input(tmp_path: Path, notes: Notes) -> None:
    unrelated = {**PAIR, "relation": "None", "known_h": "None", "known_t": "None"}
    related, other = read(tmp_path, "mqa@mnre2", [PAIR, unrelated], notes)
    assert typed_pair(related) == TypedPair(("per", "per"), ("per", "org"))
    assert typed_pair(other) == TypedPair(None, ("per", "org"))
    assert related.context == other.context == ()
    assert typed_pair(Document.from_text("x")) == TypedPair(None, None)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"head": "Grace"}, "format-record", "not in the text"),
        ({"head": "da"}, "format-record", "not in the text"),
        ({"tail": "Ada", "text": "Ada left"}, "format-record", "not in the text"),
        ({"relation": "none"}, "format-tags", "no relation"),
        ({"text": ""}, "format-record", "list of words"),
        ({"img_path": "imgs/.."}, "access-outside-root", "file name"),
        ({"pred_h": None}, "format-record", "pred_h"),
    ],
)
def test_broken_pairs_are_set_aside(
    tmp_path: Path, notes: Notes, change: dict[str, Any], code: str, message: str
) -> None:
    good = {**PAIR, "head": "Turin"}
    documents = read(tmp_path, "mqa@mnre2", [good, {**PAIR, **change}, good], notes)
    assert [d.id for d in documents] == ["club_7-1", "club_7-3"]
    assert notes.codes == [code]
    assert message in next(note.message for note in notes if note.error)


def test_a_file_cut_off_keeps_what_was_there(tmp_path: Path, notes: Notes) -> None:
    text = json.dumps([POST, POST])
    documents = read(tmp_path, "mqa@twitter2015", text[:-30], notes)
    assert [d.id for d in documents] == ["31"]
    assert notes.codes == ["format-json"]


def test_column_files_are_refused(tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path, "mqa@twitter2015", "IMGID:1\nTurin\tB-LOC\n", notes)
    assert caught.value.code == "format-json"


def best_by_pair(documents: list[Document], *, use_known: bool) -> float:
    """F1 of the most frequent label per pair of given types, text and picture unseen."""
    rows = []
    for document in documents:
        types = typed_pair(document)
        pair = types.known if use_known and types.known is not None else types.predicted
        assert document.annotations is not None
        rows.append((pair, document.annotations.relations[0].type))
    guess = {
        pair: Counter(label for other, label in rows if other == pair).most_common(1)[0][0]
        for pair, _ in rows
    }
    right = sum(guess[pair] == label != "None" for pair, label in rows)
    predicted = sum(guess[pair] != "None" for pair, _ in rows)
    related = sum(label != "None" for _, label in rows)
    return 200 * right / (predicted + related)


@pytest.mark.corpus
@pytest.mark.parametrize("ref", FILES)
def test_published_counts(data_dir: Path, ref: str) -> None:
    assert check(ref, data_dir).clean


@pytest.mark.corpus
@pytest.mark.parametrize(("version", "documents", "leak"), [("1", 1282, 76.08), ("2", 1614, 34.06)])
def test_the_questions_are_the_test_set_of_mnre(
    data_dir: Path, version: str, documents: int, leak: float
) -> None:
    """Every row is one of MNRE's, and every mention is put where MNRE has it."""

    def key(document: Document) -> tuple[str, ...]:
        assert document.annotations is not None
        label = document.annotations.relations[0].type.replace("none", "None")
        names = (document.text_of(entity) for entity in document.entities)
        return document.text, *names, label, Path(document.media[0].uri or "").name

    gold = list(load(f"mnre@{version}", "test", data_dir))
    questions = list(load(f"mqa@mnre{version}", "test", data_dir))
    assert Counter(map(key, gold)) == Counter(map(key, questions))
    assert len(questions) == documents
    spans: dict[tuple[str, ...], list[object]] = {}
    for document in gold:
        spans.setdefault(key(document), []).append([e.span for e in document.entities])
    assert sum([e.span for e in d.entities] in spans[key(d)] for d in questions) == documents
    assert round(best_by_pair(questions, use_known=True), 2) == leak
