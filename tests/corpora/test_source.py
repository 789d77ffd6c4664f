from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from magpie.corpora import source
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.source import (
    Found,
    content_digest,
    find,
    find_split,
    iter_found_lines,
    open_folder,
    resolve_root,
)
from magpie.errors import FormatError, NotFoundError

MEMBER = DataFile("text/pack.zip", member="inner/a.txt")


def pack(path: Path, **members: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/") + ".txt", data)
    return path


def test_root_is_the_argument_then_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("MAGPIE_DATA", str(tmp_path))
    assert resolve_root(None) == tmp_path
    assert resolve_root(other) == other
    monkeypatch.delenv("MAGPIE_DATA")
    with pytest.raises(NotFoundError, match="no corpus folder") as caught:
        resolve_root(None)
    assert "MAGPIE_DATA" in caught.value.mend
    with pytest.raises(NotFoundError, match="no such corpus folder"):
        resolve_root(tmp_path / "nowhere")


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_root_may_be_any_folder_on_the_way(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "gmner" / "txt" / "test.txt"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    root = [tmp_path, tmp_path / "gmner", tmp_path / "gmner" / "txt"][depth]
    assert find(DataFile("gmner/txt/test.txt"), root).path == path


def test_root_may_be_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("x")
    assert find(DataFile("twitter2017/test.txt"), path).path == path


def test_members_are_found_packed_and_unpacked(tmp_path: Path) -> None:
    archive = pack(tmp_path / "text" / "pack.zip", inner__a=b"one\ntwo\n")
    for root in (tmp_path, tmp_path / "text", archive):
        found = find(MEMBER, root)
        assert (found.path, found.member) == (archive, "inner/a.txt")
        assert [line.text for line in iter_found_lines(found)] == ["one", "two"]
    unpacked = tmp_path / "clone" / "inner"
    unpacked.mkdir(parents=True)
    (unpacked / "a.txt").write_bytes(b"one\ntwo\n")
    plain = find(MEMBER, tmp_path / "clone")
    assert plain.member is None
    digest = hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert content_digest(plain) == content_digest(find(MEMBER, tmp_path)) == digest


def test_missing_file_names_file_and_root(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"text/pack\.zip!inner/a\.txt") as caught:
        find(MEMBER, tmp_path)
    assert caught.value.where == str(tmp_path)


def test_splits_of_formats_are_found_by_their_aliases(tmp_path: Path) -> None:
    (tmp_path / "valid.conll").write_text("x")
    assert find_split("dev", tmp_path, (".txt", ".conll")).path == tmp_path / "valid.conll"
    with pytest.raises(NotFoundError, match="expected test"):
        find_split("test", tmp_path, (".txt",))


def test_damaged_archives_are_format_errors(tmp_path: Path) -> None:
    path = pack(tmp_path / "text" / "pack.zip", inner__a=b"word\tO\n" * 2000)
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", data.replace(data[45:60], b"\0" * 15, 1)):
        path.write_bytes(broken)
        with pytest.raises(FormatError, match="damaged"):
            list(iter_found_lines(Found(MEMBER, path, "inner/a.txt")))


def test_member_that_claims_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_MEMBER_BYTES", 100)
    path = pack(tmp_path / "pack.zip", a=b"0" * 101)
    with pytest.raises(FormatError, match="101 bytes") as caught:
        list(iter_found_lines(Found(DataFile("pack.zip", member="a.txt"), path, "a.txt")))
    assert caught.value.code == "format-too-long"


def test_missing_and_encrypted_members(tmp_path: Path) -> None:
    path = pack(tmp_path / "pack.zip", a=b"x")
    with pytest.raises(NotFoundError, match="no such member"):
        list(iter_found_lines(Found(DataFile("pack.zip", member="b.txt"), path, "b.txt")))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag of the central directory
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="encrypted"):
        list(iter_found_lines(Found(DataFile("pack.zip", member="a.txt"), path, "a.txt")))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf16_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffa\tO\n".encode(encoding))
    with pytest.raises(FormatError, match="UTF-16") as caught:
        list(iter_found_lines(Found(DataFile("a.txt"), path)))
    assert caught.value.code == "format-encoding"


def test_folder_digest_is_the_same_packed_and_unpacked(tmp_path: Path) -> None:
    file = DataFile("xml.zip", folder=True)
    pack(tmp_path / "xml.zip", xml__b=b"2", xml__a=b"1")
    packed = find(file, tmp_path)
    digest = content_digest(packed)
    with open_folder(packed) as folder:
        assert folder.names() == ["a.txt", "b.txt"]
        assert folder.read("b.txt", limit=5) == b"2"
        assert folder.read("c.txt", limit=5) is None
        with pytest.raises(FormatError, match="1 bytes"):
            folder.read("b.txt", limit=0)
    (tmp_path / "xml.zip").unlink()
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "a.txt").write_bytes(b"1")
    (tmp_path / "xml" / "b.txt").write_bytes(b"2")
    assert content_digest(find(file, tmp_path)) == digest
    (tmp_path / "xml" / "b.txt").write_bytes(b"3")
    assert content_digest(find(file, tmp_path)) != digest


def test_archive_with_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_MAX_MEMBERS", 1)
    pack(tmp_path / "xml.zip", a=b"1", b=b"2")
    with (
        pytest.raises(FormatError, match="2 members"),
        open_folder(find(DataFile("xml.zip", folder=True), tmp_path)),
    ):
        pass
