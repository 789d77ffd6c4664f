"""Kept features survive kills, second writers, truncation and flipped bits."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from magpie.errors import ConfigError, ModelError
from magpie.features.store import Store

GROUP = "grid-0123456789abcdef"
OF = {"need": {"kind": "grid", "cells": 7}, "source": {"version": 1}, "of": {"picture": "x"}}


def key(number: int) -> str:
    return f"{GROUP}/{hashlib.sha256(str(number).encode()).hexdigest()}"


def arrays(number: int, size: int = 50) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    return {
        "grid": rng.random((3, size), dtype=np.float32),
        "there": np.array([True, False]),
        "none": np.zeros((0, 4), np.uint8),
    }


def same(found: dict[str, np.ndarray] | None, wanted: dict[str, np.ndarray]) -> None:
    assert found is not None
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_is_put_is_got_bit_by_bit(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert store.get(key(1)) is None
    assert key(1) not in store
    assert (list(store.entries()), store.groups()) == ([], [])
    store.put(key(1), arrays(1), OF)
    same(store.get(key(1)), arrays(1))
    same(Store(tmp_path / "store").get(key(1)), arrays(1))
    assert key(1) in store
    assert key(2) not in store
    path = tmp_path / "store" / GROUP / key(1).split("/")[1][:2]
    assert [p.suffix for p in path.iterdir()] == [".safetensors"]


def test_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    store = Store(tmp_path)
    turned = np.arange(12, dtype=np.float32).reshape(3, 4).T[::2]
    store.put(key(1), {"a": turned}, OF)
    same(store.get(key(1)), {"a": turned})


def open_files() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return found


def test_arrays_are_maps_of_the_file_that_nobody_can_spoil(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key(1), arrays(1, size=5000), OF)
    found = store.get(key(1))
    assert found is not None
    assert not found["grid"].flags.owndata
    assert not any(str(tmp_path) in place for place in open_files())
    found["grid"][:] = 0  # private to this process
    same(store.get(key(1)), arrays(1, size=5000))
    store.prune(0)
    assert not found["grid"].any()  # a map outlives its file
    assert store.get(key(1)) is None


def test_groups_say_what_they_hold(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(5):
        store.put(key(number), arrays(number), OF)
    other = {"need": {"kind": "pixels"}}
    store.put("pixels-1/" + "a" * 64, {"a": np.zeros(3)}, other)
    grid, pixels = store.groups()
    assert (grid.name, grid.entries, grid.need) == (GROUP, 5, OF["need"])
    assert (pixels.entries, pixels.need) == (1, {"kind": "pixels"})
    on_disk = sum(p.stat().st_size for p in tmp_path.rglob("*.safetensors"))
    assert grid.bytes + pixels.bytes == on_disk
    assert json.dumps(grid.to_dict())
    (tmp_path / GROUP / "need.json").write_text("[broken")
    assert store.groups()[0].need == {}


@pytest.mark.parametrize("length", [0, 4, 60, -1])
def test_a_truncated_entry_is_set_aside_and_made_anew(tmp_path: Path, length: int) -> None:
    store = Store(tmp_path)
    store.put(key(1), arrays(1), OF)
    (entry,) = store.entries()
    data = entry.path.read_bytes()
    entry.path.write_bytes(data[:length])
    assert store.get(key(1)) is None
    assert key(1) not in store
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    store.put(key(1), arrays(1), OF)
    same(store.get(key(1)), arrays(1))
    assert [e.key for e in store.entries()] == [key(1)]


def test_verify_finds_flipped_bits_and_foreign_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(4):
        store.put(key(number), arrays(number), OF)
    paths = {entry.key: entry.path for entry in store.entries()}
    data = bytearray(paths[key(1)].read_bytes())
    data[-3] ^= 1
    paths[key(1)].write_bytes(data)
    paths[key(2)].write_bytes(paths[key(3)].read_bytes())
    assert store.get(key(1)) is not None  # reading alone does not look at every byte
    assert store.get(key(2)) is None  # but a file of another key is refused at once
    seen: list[str] = []
    result = store.verify(lambda entry: seen.append(entry.key))
    assert result.checked == 3
    assert len(seen) == 3
    assert [(k, "not what was written" in why) for k, why in result.damaged] == [(key(1), True)]
    assert store.verify().damaged == []
    assert sorted(e.key for e in store.entries()) == sorted([key(0), key(3)])


def test_prune_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(6):
        store.put(key(number), arrays(number), OF)
    entries = {entry.key: entry for entry in store.entries()}
    now = time.time()
    for number in range(6):
        os.utime(entries[key(number)].path, (now - 9000 * (6 - number),) * 2)
    store.get(key(0))  # the oldest, now used
    size = entries[key(0)].bytes
    result = store.prune(3 * size + 1)
    assert (result.removed, result.entries, result.bytes) == (3, 3, 3 * size)
    assert result.freed == 3 * size
    assert sorted(e.key for e in store.entries()) == sorted([key(0), key(4), key(5)])
    assert store.prune(3 * size).removed == 0
    with pytest.raises(ConfigError):
        store.prune(-1)


def test_prune_clears_what_killed_writers_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(key(1), arrays(1), OF)
    shard = next(store.entries()).path.parent
    old, new = shard / ".part-1-abc", shard / ".part-2-abc"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "x").write_bytes(b"bad")
    result = store.prune(1 << 30)
    assert (result.removed, result.freed) == (2, 7)
    assert new.exists()  # somebody may still be writing it
    assert [e.key for e in store.entries()] == [key(1)]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.put(key(1), arrays(1), OF)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("magpie.features.store.os.replace", full)
    with pytest.raises(ModelError, match="No space left on device") as caught:
        store.put(key(2), arrays(2), OF)
    assert caught.value.code == "features-unwritten"
    monkeypatch.undo()
    assert [e.key for e in store.entries()] == [key(1)]
    assert not list(tmp_path.rglob(".part-*"))


def _write(folder: str, begin: int, count: int, barrier: object) -> None:
    store = Store(folder)
    barrier.wait()  # type: ignore[attr-defined]
    for number in range(begin, begin + count):
        store.put(key(number), arrays(number), OF)
        found = store.get(key(number))
        assert found is not None
        np.testing.assert_array_equal(found["grid"], arrays(number)["grid"])


@pytest.mark.slow
def test_two_writers_of_the_same_entries(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [
        context.Process(target=_write, args=(str(tmp_path), begin, 120, barrier))
        for begin in (0, 20)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    store = Store(tmp_path)
    assert len(list(store.entries())) == 140
    result = store.verify()
    assert (result.checked, result.damaged) == (140, [])
    assert not list(tmp_path.rglob(".part-*"))


WRITER = """
import sys, numpy as np
from magpie.features.store import Store
store, number = Store(sys.argv[1]), 0
print("begun", flush=True)
while True:
    of = {"need": {"kind": "grid"}}
    store.put(f"grid-1/{number:064x}", {"a": np.full((64, 4096), number, np.float32)}, of)
    number += 1
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_entries_only(tmp_path: Path) -> None:
    for attempt in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.15 + 0.05 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    store = Store(tmp_path)
    result = store.verify()
    assert result.checked > 0
    assert result.damaged == []
    for entry in store.entries():
        found = store.get(entry.key)
        assert found is not None
        assert (found["a"] == int(entry.key.partition("/")[2], 16)).all()
