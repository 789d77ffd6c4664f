from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import check, load, registry
from magpie.corpora.pairs import UNTYPED
from magpie.errors import FormatError
from magpie.schema import Document

from .conftest import Notes

WORDS = ["RT", "@cricket", ":", "Ada", "Byron", "bats", "for", "Turin", "Owls", "!"]


def row(**changes: Any) -> dict[str, Any]:
    """One instance of our own wording."""
    record = {
        "token": WORDS,
        "h": {"name": "Ada Byron", "pos": [3, 5]},
        "t": {"name": "Turin Owls", "pos": [7, 9]},
        "img_id": "club_7.jpg",
        "relation": "/per/org/member_of",
    }
    return {**record, **changes}


def write(folder: Path, *rows: dict[str, Any] | str | bytes, end: bytes = b"\n") -> Path:
    """A test file of MNRE 2; returns the corpus root."""
    place = folder / "mnre" / "v2"
    place.mkdir(parents=True, exist_ok=True)
    lines = [
        each
        if isinstance(each, bytes)
        else (each if isinstance(each, str) else repr(each)).encode()
        for each in rows
    ]
    (place / "mnre_test.txt").write_bytes(end.join(lines) + end)
    return folder


def read(root: Path, notes: Notes, **options: Any) -> list[Document]:
    return list(load("mnre", "test", root, on_problem=notes, **options))


def test_an_instance_is_a_document(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(write(tmp_path, row()), notes)
    assert document.id == "club_7-1"
    assert document.blocks[0].word_texts() == WORDS
    assert [document.text_of(e) for e in document.entities] == ["Ada Byron", "Turin Owls"]
    assert document.annotations is not None
    (relation,) = document.annotations.relations
    assert (relation.head, relation.tail, relation.type) == ("e0", "e1", "/per/org/member_of")
    (medium,) = document.media
    assert (medium.uri, medium.present) == ("club_7.jpg", False)
    assert document.source is not None
    assert (document.source.corpus, document.source.file, document.source.line) == (
        "mnre@2",
        "mnre/v2/mnre_test.txt",
        1,
    )
    assert not notes


def test_the_types_of_a_label_stay_out_of_the_mentions(tmp_path: Path, notes: Notes) -> None:
    root = write(tmp_path, row(), row(relation="None"), row(relation="/org/loc/locate_at"))
    documents = read(root, notes)
    # Nothing about the mentions tells the related pair from the unrelated one.
    assert len({tuple(document.entities) for document in documents}) == 1
    assert {entity.type for document in documents for entity in document.entities} == {UNTYPED}
    assert registry.card("mnre").relations["/org/loc/locate_at"] == (("org",), ("loc",))


def test_the_null_relation_is_kept(tmp_path: Path, notes: Notes) -> None:
    documents = read(write(tmp_path, row(relation="None")), notes)
    assert [r.type for d in documents if d.annotations for r in d.annotations.relations] == ["None"]


def test_instances_of_one_picture_have_ids_of_their_own(tmp_path: Path, notes: Notes) -> None:
    root = write(tmp_path, row(), row(relation="None"), row(img_id="other.jpg"), row())
    assert [d.id for d in read(root, notes)] == ["club_7-1", "club_7-2", "other-3", "club_7-4"]
    assert not notes


def test_a_picture_is_found_whatever_its_folder_is_called(tmp_path: Path, notes: Notes) -> None:
    root = write(tmp_path, row(img_id="a.jpg"), row(img_id="b.jpg"), row(img_id=7))
    for folder, name in (("train", "a.jpg"), ("val", "b.jpg"), ("test", "7.jpg")):
        place = root / "images" / "mnre" / folder
        place.mkdir(parents=True)
        (place / name).write_bytes(b"x")
    assert all(d.media[0].present for d in read(root, notes))
    given = read(root, notes, images=root / "images" / "mnre")
    assert [d.media[0].uri for d in given] == [
        str(root / "images" / "mnre" / folder / name)
        for folder, name in (("train", "a.jpg"), ("val", "b.jpg"), ("test", "7.jpg"))
    ]
    assert not notes


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_line_ends_and_a_byte_order_mark(tmp_path: Path, notes: Notes, end: bytes) -> None:
    root = write(tmp_path, b"\xef\xbb\xbf" + repr(row()).encode(), row(), end=end)
    assert [d.text for d in read(root, notes)] == [" ".join(WORDS)] * 2
    assert not notes


BROKEN: dict[str, tuple[dict[str, Any] | str | bytes, str, str]] = {
    "cut off": (repr(row())[:90], "format-record", "Python literal"),
    "code": ("__import__('os').abort()", "format-record", "Python literal"),
    "latin-1": (repr(row()).encode().replace(b"Ada", b"Ad\xe4"), "format-encoding", "UTF-8"),
    "a list": ("[1, 2]", "format-record", "field 'token'"),
    "no tail": ({k: v for k, v in row().items() if k != "t"}, "format-record", "'t'"),
    "no words": (row(token=[]), "format-record", "list of words"),
    "an empty word": (row(token=[*WORDS[:9], ""]), "format-record", "word 9"),
    "beyond the words": (row(t={"name": "!", "pos": [9, 11]}), "format-record", "within 10 words"),
    "reversed": (row(h={"name": "Ada", "pos": [4, 3]}), "format-record", "within 10 words"),
    "no position": (row(h={"name": "Ada"}), "format-record", "h.pos"),
    "head is tail": (row(t=row()["h"]), "format-record", "same words"),
    "unknown label": (row(relation="/per/per/rival"), "format-tags", "no relation"),
    "label of version 1": (row(relation="none"), "format-tags", "no relation 'none'"),
    "picture is a path": (row(img_id="../../etc/passwd"), "access-outside-root", "file name"),
    "picture is a list": (row(img_id=["a.jpg"]), "format-record", "img_id"),
    "NUL": (row(token=["\0", *WORDS[1:]]), "schema-text", "NUL"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_record_is_set_aside_and_named(tmp_path: Path, notes: Notes, case: str) -> None:
    record, code, message = BROKEN[case]
    documents = read(write(tmp_path, row(), record, row()), notes)
    assert [d.id for d in documents] == ["club_7-1", "club_7-3"]
    assert notes.codes == [code]
    assert message in notes[0].message
    assert "mnre_test.txt:2" in notes[0].where


def test_without_a_listener_the_first_broken_record_raises(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="Python literal"):
        list(load("mnre", "test", write(tmp_path, row(), "{")))


def test_a_line_of_any_length_is_skipped_not_held(tmp_path: Path, notes: Notes) -> None:
    long = b"{'token': ['" + b"x" * (65 * 1024 * 1024) + b"']}"
    documents = read(write(tmp_path, row(), long, row()), notes)
    assert [d.id for d in documents] == ["club_7-1", "club_7-3"]
    assert notes.codes == ["format-too-long"]


def test_a_name_that_differs_by_blanks_is_the_same(tmp_path: Path, notes: Notes) -> None:
    words = ["#", "Turin", "welcomes", "Ada"]
    head, tail = {"name": "#Turin", "pos": [0, 2]}, {"name": "Ada", "pos": [3, 4]}
    (document,) = read(write(tmp_path, row(token=words, h=head, t=tail)), notes)
    assert document.text_of(document.entities[0]) == "# Turin"
    assert not notes


def test_a_name_that_differs_is_reported_the_words_count(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(write(tmp_path, row(h={"name": "Bertha", "pos": [3, 5]})), notes)
    assert document.text_of(document.entities[0]) == "Ada Byron"
    assert notes.kinds == ["name-mismatch"]
    assert "'Bertha'" in notes[0].message


@pytest.mark.parametrize(
    "content", ["IMGID:1\nTurin\tB-LOC\n\n" * 20, '[\n{"tokens": []}\n]\n' * 20]
)
def test_a_file_of_another_corpus_is_refused(tmp_path: Path, notes: Notes, content: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(write(tmp_path, content), notes)
    assert caught.value.code == "format-unknown"


def test_the_other_version_is_refused_by_its_labels(tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(FormatError) as caught:
        read(write(tmp_path, *[row(relation="none")] * 30), notes)
    assert "mnre@1" in caught.value.mend


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "documents", "related", "pictures"),
    [
        ("1", (7824, 975, 1282), (3073, 395, 533), (3996, 499, 675)),
        ("2", (12247, 1624, 1614), (4503, 624, 640), (7356, 931, 914)),
    ],
)
def test_published_counts(
    data_dir: Path,
    version: str,
    documents: tuple[int, ...],
    related: tuple[int, ...],
    pictures: tuple[int, ...],
) -> None:
    report = check(f"mnre@{version}", data_dir)
    assert report.clean
    found = [split.found for split in report.splits]
    assert tuple(each.documents for each in found if each) == documents
    assert tuple(each.pictures for each in found if each) == pictures
    null = "none" if version == "1" else "None"
    assert related == tuple(
        sum(n for label, n in each.relation_types.items() if label != null)
        for each in found
        if each
    )


@pytest.mark.corpus
@pytest.mark.slow
def test_pictures_lie_in_other_folders_than_their_text(data_dir: Path) -> None:
    """28 of the 39 pictures belong to tweets of train, 11 to test, none to dev."""
    found = {
        split: {d.media[0].uri for d in load("mnre@2", split, data_dir) if d.media[0].present}
        for split in ("train", "dev", "test")
    }
    assert {split: len(uris) for split, uris in found.items()} == {
        "train": 28,
        "dev": 0,
        "test": 11,
    }
    folders = Counter(Path(uri or "").parent.name for uri in found["train"] | found["test"])
    assert folders == {"train": 23, "val": 9, "test": 7}


@pytest.mark.corpus
@pytest.mark.slow
def test_known_defects_have_the_numbers_of_the_card(data_dir: Path) -> None:
    overlapping = []
    for split in ("train", "dev", "test"):
        documents = load("mnre@2", split, data_dir)
        spans = [(d.entities[0].span, d.entities[1].span) for d in documents]
        overlapping.append(sum(h.start < t.end and t.start < h.end for h, t in spans))
    assert overlapping == [59, 3, 5]
