from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import convert, load
from magpie.corpora.side import PREDICTIONS, predictions, read
from magpie.errors import ConfigError, NotFoundError
from magpie.metrics import items_of, score

TWEETS = (
    "IMGID:11\nAda\tB-PER\nmet\tO\nAda\tB-PER\nin\tO\nTurin\tB-LOC\n\n"
    "IMGID:12\nRain\tO\nagain\tO\n\n"
    "IMGID:13\nThe\tO\nold\tB-OTHER\n#\tO\nFair\tB-OTHER\n"
)
LINES = (
    "Imageid:11.jpg#0a###Ada(PER)###Ada(PER)-a poet###2\n"
    "Imageid:11.jpg#0b###Ada(PER)###Ada(PER)-a poet###0\n"
    "Imageid:11.jpg#0c###Turin(ORG)###Turin(ORG)-a club###0\n"
    "Imageid:13.jpg#0d###old Fair(OTHER)###old Fair(OTHER)-x###0\n"
    "Imageid:13.jpg#0e###Fair(MISC)###Fair(MISC)-x###0\n"
    "Imageid:13.jpg#0f###Circus(OTHER)###Circus(OTHER)-x###0\n"
)


@pytest.fixture
def gmner(tmp_path: Path) -> Path:
    (tmp_path / "gmner" / "txt").mkdir(parents=True)
    (tmp_path / "gmner" / "txt" / "test.txt").write_text(TWEETS, encoding="utf-8")
    (tmp_path / "knowledge" / "riveg").mkdir(parents=True)
    (tmp_path / "knowledge" / "riveg" / "OFAVE_to_OFAREC_augment.txt").write_text(LINES)
    return tmp_path


def found(root: Path, notes: Any) -> dict[str, Any]:
    return {
        document.id: document
        for document in predictions("riveg-predictions", "test", root, on_problem=notes)
    }


def test_repeated_texts_take_one_place_each(gmner: Path, notes: Any) -> None:
    entities = found(gmner, notes)["11"].entities
    assert [(e.span.start, e.span.end, e.type) for e in entities] == [
        (0, 3, "PER"),
        (8, 11, "PER"),
        (15, 20, "ORG"),
    ]
    assert [e.grounding.status for e in entities] == ["regions", "absent", "absent"]
    (region,) = entities[0].grounding.regions
    assert region.box is None
    assert "not published" in (region.label or "")


def test_documents_without_predictions_are_there(gmner: Path, notes: Any) -> None:
    documents = found(gmner, notes)
    assert list(documents) == ["11", "12", "13"]
    assert documents["12"].annotations is not None
    assert documents["12"].entities == ()


def test_glued_words_span_what_stands_between_them(gmner: Path, notes: Any) -> None:
    documents = found(gmner, notes)
    texts = [documents["13"].text_of(entity) for entity in documents["13"].entities]
    assert texts == ["old # Fair", "Fair"]
    kinds = [kind for kind in notes.kinds if kind.startswith("answer")]
    assert kinds == ["answer-apart", "answer-unplaced"]
    assert "'Circus'" in notes[-1].message


def test_gold_never_shows_through(gmner: Path, notes: Any) -> None:
    document = found(gmner, notes)["11"]
    assert document.annotations is not None
    assert document.annotations.provenance is not None
    assert document.annotations.provenance.method == "riveg"
    assert [e.type for e in document.entities if document.text_of(e) == "Turin"] == ["ORG"]


def test_the_script_of_riveg_takes_misc_for_another_type(gmner: Path, notes: Any) -> None:
    gold = [items_of(d) for d in load("gmner", "test", gmner, on_problem=notes)]
    predicted = [items_of(d) for d in found(gmner, notes).values()]
    ours = score(gold, predicted, "gmner-iou50@1").parts["mner"].micro
    theirs = score(gold, predicted, "gmner-iou50@1", mode="riveg").parts["mner"].micro
    assert (ours.correct, theirs.correct) == (3, 2)
    assert ours.predicted == theirs.predicted == 5


def test_converted_to_a_file(gmner: Path, tmp_path: Path) -> None:
    result = convert("riveg-predictions", "test", tmp_path / "out.jsonl", gmner)
    assert (result.documents, result.unreadable) == (3, 0)
    assert result.anomalies["answer-apart"] == 1
    assert (tmp_path / "out.jsonl").read_text().count('"method":"riveg"') == 3


def test_options_and_other_names_are_refused(gmner: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no option fits"):
        convert("riveg-predictions", "test", tmp_path / "x", gmner, types="coarse")
    with pytest.raises(NotFoundError, match="holds no predictions") as caught:
        predictions("blip2", "test", gmner)
    assert next(iter(PREDICTIONS)) in caught.value.mend
    with pytest.raises(NotFoundError):
        predictions("riveg-predictions", "train", gmner)


@pytest.mark.corpus
@pytest.mark.slow
def test_the_published_predictions_score_as_published(data_dir: Path, notes: Any) -> None:
    gold = list(load("gmner", "test", data_dir))
    predicted = list(predictions("riveg-predictions", "test", data_dir, on_problem=notes))
    assert notes.kinds == ["answer-apart"] * 10
    sides = [[items_of(document) for document in side] for side in (gold, predicted)]
    theirs = score(*sides, "gmner-iou50@1", mode="riveg").parts["mner"].micro
    assert (theirs.correct, theirs.predicted, theirs.gold) == (2187, 2535, 2543)
    assert round(100 * theirs.f1, 2) == 86.14
    # its own gold file lacks one entity, which makes the published 86.15
    assert round(200 * 2187 / (2535 + 2542), 2) == 86.15
    ours = score(*sides, "gmner-iou50@1").parts["mner"].micro
    assert (ours.correct, round(100 * ours.f1, 2)) == (2206, 86.88)
    types = Counter(entity.type for document in predicted for entity in document.entities)
    assert types == {"PER": 1127, "ORG": 646, "LOC": 410, "OTHER": 323, "MISC": 29}


@pytest.mark.corpus
def test_published_strings_and_groundability(data_dir: Path) -> None:
    """Counted on the strings alone, as the specification does."""
    predicted = Counter(
        (row.key, row.text, row.type, row.visible)
        for row in read("riveg-predictions", "test", data_dir)
    )
    gold = Counter(
        (row.key, row.text, row.type, row.visible) for row in read("riveg-gold", "test", data_dir)
    )
    assert (predicted.total(), gold.total()) == (2535, 2542)
    assert (predicted & gold).total() == 1853
    typed = [Counter(key[:3] for key in side.elements()) for side in (predicted, gold)]
    assert (typed[0] & typed[1]).total() == 2187
