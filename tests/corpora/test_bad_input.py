"""Bad input, the same for every registered corpus: a clear error with file and line, no output.

Each corpus is given files that are none of its own, in the place where it looks for them.
"""

from __future__ import annotations

import functools
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from magpie._io import iter_open_lines
from magpie.corpora import Anomaly, card, convert, load, names
from magpie.corpora import source as source_module
from magpie.corpora.dataset_card import DataFile
from magpie.errors import CODES, MagpieError, NotFoundError
from magpie.schema import Document

from .conftest import TWEETS, XML_11, Notes, undigested

Write = Callable[..., Path]

REFS = names()

HTML = "<!doctype html>\n<html><body>404 Not Found</body></html>\n"
LITERALS = "{'token': ['a', 'b'], 'h': {'name': 'a', 'pos': [0, 1]}}\n"

GARBAGE = {
    "empty": b"",
    "blank": b"\n\n  \n",
    "binary": random.Random(0).randbytes(5000),
    "nul": b"\0" * 300,
    "page": HTML.encode(),
    "utf-16": TWEETS.encode("utf-16"),
    "cut": b'{"id": "a", "text": "Rain over Tu',
    "number": b"42\n",
    "list": b"[1, 2, 3]\n",
    "deep": b"[" * 100_000,
    "surrogate": b'{"id": "\\ud800", "text": "\\udfff"}\n',
}


def split_of(ref: str) -> str:
    return next(iter(card(ref).splits), "test")


def main_file(ref: str) -> DataFile | None:
    """The file of the first split; None for a format."""
    splits = card(ref).splits
    return splits[split_of(ref)].file if splits else None


def put(ref: str, folder: Path, data: bytes) -> tuple[Path, Path]:
    """Writes data where the corpus looks for its first split; (root, file)."""
    file = main_file(ref)
    if file is None:
        path = folder / "test.txt"
        root = path
    elif file.folder or file.member is None:
        root, path = folder, folder / file.path
    else:
        root, path = folder, (folder / file.path).with_suffix("") / file.member
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return root, path


def outcome(ref: str, root: Path) -> tuple[list[Document], list[MagpieError]]:
    """Documents and errors; any exception that is not of the tree fails the test."""
    found: list[Anomaly] = []
    documents: list[Document] = []
    try:
        documents.extend(load(ref, split_of(ref), root, on_problem=found.append))
    except MagpieError as error:
        return documents, [*(a.error for a in found if a.error is not None), error]
    return documents, [a.error for a in found if a.error is not None]


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("ref", REFS)
def test_garbage_is_refused_with_its_place(ref: str, kind: str, tmp_path: Path) -> None:
    root, path = put(ref, tmp_path, GARBAGE[kind])
    documents, errors = outcome(ref, root)
    assert documents == []
    assert errors
    last = errors[-1]
    assert last.code in CODES
    assert last.code != "internal"
    assert str(tmp_path) in last.where  # the file, or the folder in which another one is missing
    assert last.mend
    assert len(last.message) < 400  # the content is quoted in part at most
    for error in errors[:-1]:
        assert re.search(r":\d+|!", error.where), error.where
    assert path.exists()


@pytest.mark.parametrize("kind", ["binary", "page", "cut", "utf-16"])
@pytest.mark.parametrize("ref", REFS)
def test_nothing_is_half_written(ref: str, kind: str, tmp_path: Path) -> None:
    root, _ = put(ref, tmp_path / "in", GARBAGE[kind])
    output = tmp_path / "out" / "gold.jsonl"
    with pytest.raises(MagpieError):
        convert(ref, split_of(ref), output, root)
    assert not output.exists()
    assert list(tmp_path.glob("out/*")) == []


@pytest.mark.parametrize("ref", REFS)
def test_a_file_of_another_corpus_is_refused(ref: str, tmp_path: Path) -> None:
    file = main_file(ref)
    others = {
        "tweets": "IMGID:1\nfoo\tB-NOBODYS-TYPE\nbar\tB-x\tB-y\n\n" * 30,
        "literals": LITERALS * 30,
        "document": Document.from_text("Ada").to_json() + "\n",
    }
    for name, text in others.items():
        if name == "document" and ref == "magpie@1":
            continue  # that is its own
        if name == "literals" and file is None:
            continue  # a format may well hold such records
        if ref == "conll@1" and name == "tweets":
            continue  # any type is welcome there
        root, _ = put(ref, tmp_path / name, text.encode())
        documents, errors = outcome(ref, root)
        assert documents == [], name
        assert errors, name


@pytest.mark.parametrize(
    "ref", [ref for ref in REFS if (f := main_file(ref)) and f.path[-3:] == "zip"]
)
@pytest.mark.parametrize("kind", ["cut", "no member", "encrypted", "empty"])
def test_damaged_archives(ref: str, kind: str, tmp_path: Path) -> None:
    file = main_file(ref)
    assert file is not None
    path = tmp_path / file.path
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        if kind != "empty":
            archive.writestr(
                "unrelated.bin" if kind == "no member" else file.member or "a.txt", TWEETS
            )
    data = path.read_bytes()
    if kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    if kind == "encrypted":
        # Bit 0 of the flags, in the member's own header and in the directory.
        marked = bytearray(data)
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            marked[data.index(signature) + offset] |= 1
        path.write_bytes(bytes(marked))
    documents, errors = outcome(ref, tmp_path)
    assert documents == []
    assert errors
    assert str(tmp_path) in errors[-1].where


@pytest.mark.parametrize(
    "name", ["../evil.xml", "/etc/evil.xml", "a/../../evil.xml", "C:\\evil.xml"]
)
def test_nothing_is_ever_unpacked(name: str, gmner: Write, notes: Notes) -> None:
    root = gmner()
    archive = root / "gmner" / "xml.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("xml/11.xml", XML_11)
        packed.writestr(name, XML_11)
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(MagpieError) as caught:
        list(load("gmner", "test", root, on_problem=notes))
    assert caught.value.code == "access-outside-root"
    assert "xml.zip" in caught.value.where
    assert sorted(root.parent.rglob("*")) == before


BOMB = "<!DOCTYPE annotation [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{('&' + chr(97 + n) + ';') * 10}'>" for n in range(20)
)
OUTSIDE = "<!DOCTYPE annotation [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"


@pytest.mark.parametrize(
    "xml",
    [
        BOMB + "]><annotation><object><name>&u;</name></object></annotation>",
        OUTSIDE + "<annotation><object><name>&x;</name></object></annotation>",
        "<annotation>" * 1000,
        "<annotation>&undefined;</annotation>",
    ],
    ids=["bomb", "outside", "deep", "undefined"],
)
def test_xml_is_not_expanded(xml: str, gmner: Write, notes: Notes) -> None:
    import tracemalloc

    root = gmner(boxes={"11": xml, "12": XML_11})
    tracemalloc.start()
    first, second = load("gmner", "test", root, on_problem=notes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 1024 * 1024
    assert [entity.grounding.status for entity in first.entities] == ["unknown"]
    assert [entity.grounding.status for entity in second.entities] == ["absent", "regions"]
    (anomaly,) = [a for a in notes if a.kind == "box-unreadable"]
    assert re.search(r"11\.xml:\d+", anomaly.where)


@pytest.mark.parametrize("ref", ["gmner@2.0", "fmnerg@1.0", "gmner@1.0"])
def test_archives_that_swell_are_bounded(
    ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = main_file("wnut17@1.0")
    assert file is not None
    assert file.member is not None
    path = tmp_path / file.path
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(file.member, "a\tO\n" * 100_000)
    assert path.stat().st_size < 5000
    monkeypatch.setattr(source_module, "MAX_MEMBER_BYTES", 50_000)
    _, errors = outcome("wnut17@1.0", tmp_path)
    assert errors[-1].code == "format-too-long"


#: corpora of lines, with a record of their own form
LINES = {
    "twitter2015@umt": TWEETS,
    "twitter2017@umt": TWEETS,
    "gmner@2.0": TWEETS,
    "conll@1": "Ada B-PER\nsleeps O\n",
    "wnut17@1.0": "Ada\tB-person\nsleeps\tO\n",
    "magpie@1": Document.from_text("Ada", id="a").to_json() + "\n",
}


@pytest.mark.parametrize("ref", LINES)
def test_a_line_beyond_the_limit_costs_one_record(
    ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = functools.partial(iter_open_lines, max_bytes=4096)
    monkeypatch.setattr(source_module, "iter_open_lines", bounded)
    own = LINES[ref]
    root, path = put(ref, tmp_path, (own + "x" * 200_000 + "\n\n" + own).encode())
    alone = len(outcome(ref, put(ref, tmp_path / "alone", own.encode())[0])[0])
    documents, errors = outcome(ref, root)
    assert [error.code for error in errors] == ["format-too-long"]
    line = own.count("\n") + 1
    assert errors[0].where == f"{path}:{line}"
    # Where records are of several lines, the long one belongs to the record before it.
    assert 2 * alone - 1 <= len(documents) <= 2 * alone


@pytest.mark.parametrize("ref", LINES)
def test_windows_line_ends_and_byte_order_marks(ref: str, tmp_path: Path) -> None:
    own = LINES[ref]
    plain = undigested(outcome(ref, put(ref, tmp_path / "a", own.encode())[0])[0])
    assert plain
    for number, data in enumerate(
        (own.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + own.encode(), own.rstrip().encode())
    ):
        root, _ = put(ref, tmp_path / str(number), data)
        documents, errors = outcome(ref, root)
        assert errors == []
        assert undigested(documents) == plain


@pytest.mark.parametrize("ref", LINES)
def test_wrong_encoding_costs_one_record(ref: str, tmp_path: Path) -> None:
    own = LINES[ref]
    data = (own + "\n" + own.replace("Ada", "Ad\u00e9") + "\n" + own).encode("latin-1")
    root, path = put(ref, tmp_path, data)
    documents, errors = outcome(ref, root)
    assert [error.code for error in errors] == ["format-encoding"]
    assert re.fullmatch(re.escape(str(path)) + r":\d+", errors[0].where)
    alone = len(outcome(ref, put(ref, tmp_path / "alone", own.encode())[0])[0])
    assert len(documents) == 3 * alone - 1


@pytest.mark.parametrize("ref", ["twitter2015@umt", "twitter2017@umt", "gmner@2.0", "magpie@1"])
def test_ids_that_stand_twice_stay_apart(ref: str, tmp_path: Path, notes: Notes) -> None:
    own = LINES[ref]
    root, _ = put(ref, tmp_path, (own + "\n" + own).encode())
    ids = [document.id for document in load(ref, split_of(ref), root, on_problem=notes)]
    assert len(set(ids)) == len(ids)
    assert ids[len(ids) // 2 :] == [f"{identifier}#2" for identifier in ids[: len(ids) // 2]]
    assert notes.kinds.count("duplicate-id") == len(ids) // 2


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize("ref", [ref for ref in REFS if (f := main_file(ref)) and not f.folder])
def test_published_files_with_windows_line_ends(ref: str, data_dir: Path, tmp_path: Path) -> None:
    splits = card(ref).splits
    split = min(splits, key=lambda name: splits[name].counts.documents)
    file = splits[split].file
    try:
        found = source_module.find(file, data_dir)
    except MagpieError:
        pytest.skip(f"no file of {ref} is there")
    if found.member is None:
        data = found.path.read_bytes()
    else:
        with zipfile.ZipFile(found.path) as archive:
            data = archive.read(found.member)
    copy = tmp_path / "copy" / Path(file.member or file.path).name
    copy.parent.mkdir()

    def documents(content: bytes) -> list[Document]:
        copy.write_bytes(content)
        return undigested(load(ref, split, copy, on_problem=lambda _: None))

    try:
        plain = documents(data)
    except NotFoundError:
        pytest.skip(f"{ref} cannot be read from one file alone")
    assert len(plain) == splits[split].counts.documents
    assert documents(data.replace(b"\n", b"\r\n")) == plain
