"""Region files: what is written reads back, a killed build goes on, folders are not mixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magpie.corpora.side import read_vinvl
from magpie.errors import ConfigError
from magpie.features import RegionFeatures
from magpie.features.proposals import BlobProposer, Proposals, Seen
from magpie.features.region_files import to_vinvl, write_region_files
from magpie.features.region_names import RegionNames
from magpie.features.regions import RegionSource, region_file_name
from magpie.features.supply import Supplier
from magpie.schema import Block, Document, Media

from .samples import GREEN, RED, png, post

ONE = png((2, 3, 20, 17, RED), (24, 4, 38, 12, GREEN))
TWO = png((2, 3, 20, 17, GREEN))


class Counting(BlobProposer):
    """Counts pictures, and may be cut off after some."""

    def __init__(self, until: int = 99) -> None:
        self.asked = 0
        self.until = until

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        self.asked += len(seen)
        if self.asked > self.until:
            raise KeyboardInterrupt
        return super().propose(seen)


def documents() -> list[Document]:
    two = Document(
        id="c",
        blocks=(Block(text="x"),),
        media=(Media(id="m0", uri="p/1.jpg", data=ONE), Media(id="m1", uri="p/3.jpg", data=TWO)),
    )
    return [
        post("a", ONE, uri="p/1.jpg"),
        post("b", TWO, uri="p/2.jpg"),
        two,
        post("d", ONE),
        post("e", b"no picture", uri="p/4.jpg"),
        Document(id="f", blocks=(Block(text="x"),), media=(Media(missing="gone"),)),
    ]


def source(proposer: Any = None) -> RegionSource:
    return RegionSource(names=RegionNames(proposers={"mine": proposer or Counting()}))


def test_written_files_read_back(tmp_path: Path) -> None:
    counting = Counting()
    result = write_region_files(documents(), "mine", source(counting), tmp_path / "out", window=2)
    # 1.jpg stands twice; 3.jpg is a second picture; d's is named by its content
    assert (result.documents, result.written, result.kept, result.absent) == (6, 4, 1, 2)
    assert (result.regions, result.width) == (3 + 2 + 2 + 3, 768)
    assert sorted(name for name, _ in result.reasons) == ["e", "f"]
    assert counting.asked == 4
    digest = region_file_name(documents()[3])
    assert sorted(path.name for path in (tmp_path / "out").glob("*.npz")) == sorted(
        ["1.jpg.npz", "2.jpg.npz", "3.jpg.npz", f"{digest}.jpg.npz"]
    )
    for need in (RegionFeatures("mine", 2, 768), RegionFeatures("mine", 9, 768, "score")):
        read = Supplier(regions={"mine": tmp_path / "out"}).many(documents()[:4], [need])
        made = Supplier(proposers={"mine": Counting()}).many(documents()[:4], [need])
        for found, wanted in zip(read, made, strict=True):
            assert found[need].present
            for name, array in wanted[need].arrays.items():
                np.testing.assert_array_equal(found[need].arrays[name], array)


def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_region_files(documents()[:3], "mine", source(Counting(1)), tmp_path, window=1)
    assert [path.name for path in tmp_path.glob("*.npz")] == ["1.jpg.npz"]
    before = (tmp_path / "1.jpg.npz").stat().st_mtime_ns
    told: list[int] = []
    counting = Counting()
    result = write_region_files(
        documents()[:3],
        "mine",
        source(counting),
        tmp_path,
        window=1,
        on_progress=lambda done: told.append(done.documents),
    )
    assert (result.written, result.kept, counting.asked) == (2, 2, 2)
    assert (tmp_path / "1.jpg.npz").stat().st_mtime_ns == before
    assert told == [1, 2, 3]
    again = write_region_files(documents()[:3], "mine", source(counting), tmp_path)
    assert (again.written, again.kept, counting.asked) == (0, 4, 2)


def test_a_folder_holds_the_regions_of_one_source(tmp_path: Path) -> None:
    write_region_files(documents()[:1], "mine", source(), tmp_path)
    with pytest.raises(ConfigError, match="regions of another limit"):
        write_region_files(documents()[:1], "mine", source(), tmp_path, limit=1)
    with pytest.raises(ConfigError, match="regions of another source"):
        write_region_files(documents()[:1], "blobs", source(), tmp_path)


def test_the_first_so_many_regions(tmp_path: Path) -> None:
    result = write_region_files(documents()[:1], "mine", source(), tmp_path, limit=2)
    assert result.regions == 2
    found = read_vinvl(tmp_path / "1.jpg.npz")
    np.testing.assert_array_equal(found.boxes, [[0, 0, 40, 20], [2, 3, 20, 17]])
    assert found.objects == ("", "")
    assert found.class_scores.shape == (2, 0)
    with pytest.raises(ConfigError, match="limit must be at least 1"):
        write_region_files([], "mine", source(), tmp_path, limit=0)


def test_a_picture_without_regions_has_a_file_that_says_so(tmp_path: Path) -> None:
    nothing = Proposals(
        width=40,
        height=20,
        boxes=np.zeros((0, 4), np.float32),
        features=np.zeros((0, 5), np.float32),
        scores=np.zeros(0, np.float32),
    )
    value = to_vinvl(nothing)
    assert (len(value), value.features.shape, value.objects) == (0, (0, 5), ())

    class Nothing(Counting):
        def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
            return [nothing for _ in seen]

    write_region_files(documents()[:1], "mine", source(Nothing()), tmp_path)
    need = RegionFeatures("mine", 3, 5)
    asset = Supplier(regions={"mine": tmp_path})(documents()[0], [need])[need]
    assert asset.present
    assert asset.arrays["boxes"].shape == (0, 4)


def test_bare_boxes_cannot_be_written_as_regions(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text("{}")
    with pytest.raises(ConfigError, match="nobody gives region features"):
        write_region_files(documents(), str(tmp_path / "boxes.json"), source(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
