"""Features are computed once: by builds, by two processes, after a kill."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magpie.errors import ConfigError, ModelError
from magpie.features import Crops, Grid, Need, Pixels, Texts
from magpie.features.boxes import BoxesOf
from magpie.features.build import Built, build, default_folder, default_store
from magpie.features.grid import GridSource
from magpie.features.source import Arrays, Ask, Pictures
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Box, Document
from magpie.vision import PixelSpec

from .samples import RED, png, post

PIXELS = Pixels(PixelSpec(side=8))
CROPS = Crops("corner", 2, PixelSpec(side=8))
GRID = Grid("tiny-resnet", PixelSpec(side=64, fit="crop"), 2)
NEEDS: tuple[Need, ...] = (PIXELS, CROPS, GRID, Texts())


def corner(version: str = "1", side: int = 5) -> BoxesOf:
    return BoxesOf(lambda media, image: [Box(0, 0, side, side, media)], version=version)


class Counting(GridSource):
    """Counts what it computes."""

    computed = 0

    def compute(self, asks: Sequence[Ask], need: Any) -> list[Arrays | Any]:
        self.computed += len(asks)
        return super().compute(asks, need)


def supplier(folder: Path, **options: Any) -> tuple[Supplier, Counting]:
    source = Counting(Pictures(), batch=4)
    boxes = {"corner": corner()}
    made = Supplier(store=Store(folder), **{"sources": [source], "boxes": boxes, **options})
    return made, source


def posts(count: int = 6) -> list[Document]:
    return [post(str(i), png((0, 0, i + 1, 7, RED))) for i in range(count)]


def test_a_build_computes_what_lacks_and_nothing_else(tmp_path: Path) -> None:
    supply, source = supplier(tmp_path)
    documents = [*posts(), post("again", png((0, 0, 1, 7, RED))), post("none"), post("bad", b"?")]
    seen: list[int] = []
    built = build(
        documents, NEEDS, supply, window=4, on_progress=lambda b: seen.append(b.documents)
    )
    assert seen == [4, 8, 9]
    assert built.documents == 9
    assert len(built.needs) == 3  # texts are read off the document
    for part in built.needs:
        # the seventh post shows the picture of the first
        assert (part.computed, part.kept, part.absent) == (6, 1, 2)
        assert [document for document, _ in part.reasons] == ["none", "bad"]
        assert part.reasons[0][1] == "the document has no picture"
    assert source.computed == 7  # the damaged one was tried
    assert len(list(supply.store.entries())) == 18  # type: ignore[union-attr]
    again = build(documents, NEEDS, supply)
    assert [(p.computed, p.kept, p.absent) for p in again.needs] == [(0, 7, 2)] * 3
    assert source.computed == 8


def test_pictures_shared_within_a_window_are_computed_once(tmp_path: Path) -> None:
    supply, source = supplier(tmp_path)
    same = [post(str(i), png((0, 0, 3, 3, RED))) for i in range(5)]
    (part,) = build(same, [GRID], supply).needs
    assert (part.computed, part.kept, part.absent, source.computed) == (1, 4, 0, 1)
    damaged = [post(str(i), b"?") for i in range(3)]
    (part,) = build(damaged, [GRID], supply).needs
    assert (part.computed, part.kept, part.absent) == (0, 0, 3)


def test_kept_features_equal_computed_ones(tmp_path: Path) -> None:
    supply, source = supplier(tmp_path)
    documents = posts()
    build(documents, NEEDS, supply)
    count = source.computed
    plain = Supplier(boxes={"corner": corner()})
    for document, kept in zip(documents, supply.many(documents, NEEDS), strict=True):
        fresh = plain(document, NEEDS)
        for need in (PIXELS, CROPS):
            for name, array in fresh[need].arrays.items():
                np.testing.assert_array_equal(kept[need].arrays[name], array)
        np.testing.assert_allclose(kept[GRID].arrays["grid"], fresh[GRID].arrays["grid"], atol=1e-5)
        assert kept[Texts()].texts == ("a dog",)
    assert source.computed == count


def test_what_is_asked_for_is_kept_without_a_build(tmp_path: Path) -> None:
    supply, source = supplier(tmp_path)
    documents = posts(3)
    first = supply.many(documents, [GRID])
    assert source.computed == 3
    second = supply.many(documents, [GRID])
    assert source.computed == 3
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one[GRID].arrays["grid"], two[GRID].arrays["grid"])


def test_damaged_entries_are_computed_anew(tmp_path: Path) -> None:
    supply, source = supplier(tmp_path)
    document = posts(1)[0]
    wanted = supply(document, [GRID])[GRID].arrays["grid"].copy()
    store = Store(tmp_path)
    (entry,) = store.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:-9])
    np.testing.assert_array_equal(supply(document, [GRID])[GRID].arrays["grid"], wanted)
    assert source.computed == 2
    assert store.verify().damaged == []


def test_other_boxes_and_other_versions_are_other_entries(tmp_path: Path) -> None:
    document = posts(1)[0]
    small, _ = supplier(tmp_path)
    large, _ = supplier(tmp_path, boxes={"corner": corner("2", side=20)})
    one = small(document, [CROPS])[CROPS].arrays["pixels"]
    two = large(document, [CROPS])[CROPS].arrays["pixels"]
    assert not np.array_equal(one, two)
    assert len(list(Store(tmp_path).entries())) == 2

    class Newer(GridSource):
        version = 2

    supply, _ = supplier(tmp_path)
    supply(document, [GRID])
    newer = Supplier(store=Store(tmp_path), sources=[Newer(Pictures())])
    newer(document, [GRID])
    assert len(list(Store(tmp_path).entries())) == 4


def test_a_full_disk_slows_a_run_and_ends_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    supply, _ = supplier(tmp_path)
    monkeypatch.setattr("magpie.features.store.os.replace", full)
    with caplog.at_level(logging.WARNING):
        for document in posts(3):
            assert supply(document, [PIXELS])[PIXELS].present
    assert len([r for r in caplog.records if "computed anew" in r.message]) == 1
    with pytest.raises(ModelError) as caught:
        build(posts(), [PIXELS], supply)
    assert caught.value.code == "features-unwritten"


def test_a_build_needs_a_store() -> None:
    with pytest.raises(ConfigError, match="a build needs a store"):
        build([], [PIXELS], Supplier())


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MAGPIE_FEATURES", raising=False)
    assert default_folder() == tmp_path / "magpie" / "features"
    assert default_store() is None  # nobody built one
    default_folder().mkdir(parents=True)
    found = default_store()
    assert found is not None
    assert found.folder == default_folder()
    monkeypatch.setenv("MAGPIE_FEATURES", str(tmp_path / "own"))
    found = default_store()
    assert found is not None
    assert found.folder == tmp_path / "own"
    monkeypatch.setenv("MAGPIE_FEATURES", "")
    assert default_store() is None


def test_the_report_is_json() -> None:
    import json

    built = Built([], documents=3, seconds=1.23456)
    assert json.loads(json.dumps(built.to_dict())) == {"documents": 3, "seconds": 1.23, "needs": []}


BUILDER = """
import sys
sys.path.insert(0, sys.argv[2])
from samples import RED, png, post
from magpie.features import Crops, Pixels
from magpie.features.build import build
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.vision import PixelSpec

documents = [
    post(str(i), png((0, 0, i % 40 + 1, i // 40 + 1, RED), size=(80, 60))) for i in range(300)
]
needs = [Pixels(PixelSpec(side=96)), Crops("whole", 2, PixelSpec(side=96))]
print("begun", flush=True)
build(documents, needs, Supplier(store=Store(sys.argv[1])), window=8)
print("done", flush=True)
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", BUILDER, str(folder), here]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    return process


@pytest.mark.slow
def test_a_killed_build_goes_on_beside_another(tmp_path: Path) -> None:
    first = start(tmp_path)
    time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    store = Store(tmp_path)
    before = len(list(store.entries()))
    assert store.verify().damaged == []
    both = [start(tmp_path), start(tmp_path)]
    for process in (first, *both):
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    assert before < len(list(store.entries())) == 600
    assert store.verify().damaged == []
