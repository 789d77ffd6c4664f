"""Archives used as folders: whole, or below one of their folders; packed and unpacked alike."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from magpie.corpora.dataset_card import DataFile
from magpie.corpora.source import content_digest, find, open_folder
from magpie.errors import AccessError, FormatError, MediaError, NotFoundError

TRAIN = DataFile("forms/pack.zip", member="train", folder=True)
WHOLE = DataFile("forms/pack.zip", folder=True)

MEMBERS = {
    "train/box/1.txt": b"box one",
    "train/entities/1.txt": b"entities one",
    "test/box/1.txt": b"box of test",
    "trainer/box/1.txt": b"another folder",
}


def pack(path: Path, members: dict[str, bytes] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (MEMBERS if members is None else members).items():
            archive.writestr(name, data)
    return path


def unpack(folder: Path, members: dict[str, bytes] | None = None) -> Path:
    for name, data in (MEMBERS if members is None else members).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_below_a_folder_names_are_paths_that_start_there(tmp_path: Path) -> None:
    archive = pack(tmp_path / "forms" / "pack.zip")
    with open_folder(find(TRAIN, tmp_path)) as folder:
        assert folder.names() == ["box/1.txt", "entities/1.txt"]
        assert folder.read("box/1.txt", limit=100) == b"box one"
        assert folder.read("entities/1.txt", limit=100) == b"entities one"
        assert folder.read("1.txt", limit=100) is None
        assert folder.place("box/1.txt") == f"{archive}!train/box/1.txt"
        assert folder.place("box/2.txt") is None
        assert folder.twice == []
        with pytest.raises(FormatError, match="7 bytes") as caught:
            folder.read("box/1.txt", limit=3)
        assert caught.value.code == "format-too-long"


def test_a_whole_archive_is_read_by_bare_names(tmp_path: Path) -> None:
    pack(tmp_path / "forms" / "pack.zip", {"a/x.txt": b"1", "b/y.txt": b"2"})
    with open_folder(find(WHOLE, tmp_path)) as folder:
        assert folder.names() == ["x.txt", "y.txt"]
    plain = unpack(tmp_path / "clone" / "pack", {"a/x.txt": b"1", "b/y.txt": b"2"})
    with open_folder(find(WHOLE, tmp_path / "clone")) as folder:
        assert folder.names() == ["x.txt", "y.txt"]
        assert folder.place("y.txt") == str(plain / "b" / "y.txt")


@pytest.mark.parametrize("file", [TRAIN, DataFile("forms/pack.zip", member="test", folder=True)])
def test_packed_and_unpacked_have_one_digest(tmp_path: Path, file: DataFile) -> None:
    archive = pack(tmp_path / "forms" / "pack.zip")
    beside = unpack(tmp_path / "data" / "forms" / "pack")
    digests = {
        content_digest(find(file, root)) for root in (tmp_path, archive, tmp_path / "data", beside)
    }
    assert len(digests) == 1
    (beside / file.member / "box" / "1.txt").write_bytes(b"changed")  # type: ignore[operator]
    assert content_digest(find(file, beside)) not in digests


def test_the_digest_covers_names(tmp_path: Path) -> None:
    one = pack(tmp_path / "one" / "pack.zip", {"train/a": b"x", "train/b": b"y"})
    two = pack(tmp_path / "two" / "pack.zip", {"train/a": b"y", "train/b": b"x"})
    assert content_digest(find(TRAIN, one)) != content_digest(find(TRAIN, two))


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"forms/pack\.zip!train"):
        find(TRAIN, tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "train/../../x", "/train/x", "C:/train/x", "train\\..\\..\\x", "\\x"],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "forms" / "pack.zip", {**MEMBERS, name: b"evil"})
    for file in (TRAIN, WHOLE):
        with (
            pytest.raises(AccessError, match="leads out") as caught,
            open_folder(find(file, tmp_path)),
        ):
            pass
        assert caught.value.code == "access-outside-root"
        assert "pack.zip" in caught.value.where
    assert not (tmp_path / "forms" / "x").exists()


def test_a_name_that_stands_twice_is_known(tmp_path: Path) -> None:
    path = pack(tmp_path / "forms" / "pack.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("train/box/1.txt", b"second")
    with open_folder(find(TRAIN, tmp_path)) as folder:
        assert folder.twice == ["box/1.txt"]
        assert folder.read("box/1.txt", limit=100) == b"second"


def test_picture_sizes_come_from_members_and_files(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (30, 20)).save(stream, "PNG")
    members = {"train/p.png": stream.getvalue(), "train/q.png": b"no picture"}
    pack(tmp_path / "forms" / "pack.zip", members)
    unpack(tmp_path / "data" / "forms" / "pack", members)
    for root in (tmp_path, tmp_path / "data"):
        with open_folder(find(TRAIN, root)) as folder:
            assert folder.picture_size("p.png") == (30, 20)
            with pytest.raises(MediaError) as caught:
                folder.picture_size("q.png")
            assert caught.value.where == folder.place("q.png")
            with pytest.raises(MediaError) as caught:
                folder.picture_size("r.png")
            assert caught.value.code == "media-absent"


def test_a_cut_archive_is_damaged(tmp_path: Path) -> None:
    path = pack(tmp_path / "forms" / "pack.zip")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FormatError, match="damaged"), open_folder(find(TRAIN, tmp_path)):
        pass
