from __future__ import annotations

from pathlib import Path

import pytest

from magpie.corpora import card, load
from magpie.corpora.fmnerg import COARSE_8, FINE_TYPES

from .conftest import Notes

POST = (
    "IMGID:5\nAda\tB-person\tB-author\nByron\tI-person\tI-author\nat\tO\tO\n"
    "Mole\tB-building\tB-cultural_place\nOscar\tB-other\tB-award\n"
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "test.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_types_and_fine_types(tmp_path: Path) -> None:
    (document,) = load("fmnerg", "test", write(tmp_path, POST))
    assert [(document.text_of(e), e.type, e.fine_type) for e in document.entities] == [
        ("Ada Byron", "PER", "author"),
        ("Mole", "LOC", "cultural_place"),
        ("Oscar", "OTHER", "award"),
    ]


def test_fine_type_of_another_branch_is_left_out(tmp_path: Path, notes: Notes) -> None:
    text = POST.replace("B-author", "B-city")
    (document,) = load("fmnerg", "test", write(tmp_path, text), on_problem=notes)
    assert [e.fine_type for e in document.entities] == [None, "cultural_place", "award"]
    (note,) = [a for a in notes if a.kind == "column-mismatch"]
    assert note.where.endswith(":2")
    assert "'city'" in note.message


def test_file_of_gmner_is_refused(tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(Exception, match="expected 3 columns"):
        list(load("fmnerg", "test", write(tmp_path, "IMGID:5\nAda\tB-PER\n"), on_problem=notes))


def test_tree_has_8_and_51_labels_with_one_parent_each() -> None:
    fines = [fine for each in FINE_TYPES.values() for fine in each]
    assert (len(FINE_TYPES), len(fines), len(set(fines))) == (8, 51, 51)
    assert set(FINE_TYPES) == set(COARSE_8)
    hierarchy = card("fmnerg").hierarchy
    for coarse, each in FINE_TYPES.items():
        assert all(hierarchy[fine] == coarse for fine in each)
        assert hierarchy[coarse] in ("PER", "LOC", "ORG", "OTHER")


@pytest.mark.parametrize(("index", "split"), [(0, "train"), (1, "dev"), (2, "test")])
def test_fine_counts_add_up_to_the_four_types(index: int, split: str) -> None:
    sums = dict.fromkeys(("PER", "LOC", "ORG", "OTHER"), 0)
    for coarse, fines in FINE_TYPES.items():
        sums[COARSE_8[coarse]] += sum(counts[index] for counts in fines.values())
    assert sums == card("gmner").splits[split].counts.types
    assert sum(counts[index] > 0 for f in FINE_TYPES.values() for counts in f.values()) == 51


def test_totals_over_all_splits() -> None:
    totals = {coarse: sum(map(sum, fines.values())) for coarse, fines in FINE_TYPES.items()}
    assert totals == {
        "person": 7195,
        "organization": 4268,
        "location": 2225,
        "building": 504,
        "art": 704,
        "product": 525,
        "event": 869,
        "other": 482,
    }
