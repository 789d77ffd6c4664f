"""Folders that take their place only when they are complete."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magpie._io import atomic_folder, previous_folder, restore_folder


def filled(folder: Path, text: str) -> None:
    with atomic_folder(folder) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "a").write_text(text)


def test_the_new_replaces_the_old_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "f"
    filled(folder, "one")
    (folder / "left over").write_text("x")
    filled(folder, "two")
    assert (folder / "inner" / "a").read_text() == "two"
    assert [path.name for path in folder.iterdir()] == ["inner"]
    assert [path.name for path in folder.parent.iterdir()] == ["f"]


def test_an_error_inside_leaves_the_old(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "f") as temporary:
            (temporary / "half").write_text("x")
            raise RuntimeError

    filled(tmp_path / "f", "one")
    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "f" / "inner" / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failing_exchange_leaves_the_old(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "f"
    filled(folder, "one")
    real, calls = os.rename, 0

    def rename(a: Path, b: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(28, "No space left on device")
        real(a, b)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="No space left"):
        filled(folder, "two")
    assert (folder / "inner" / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_kill_between_the_renames_is_put_right(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    filled(folder, "one")
    os.rename(folder, previous_folder(folder))
    restore_folder(folder)
    assert (folder / "inner" / "a").read_text() == "one"
    # Also by the next writer, who would else take it for a new folder.
    os.rename(folder, previous_folder(folder))
    filled(folder, "two")
    assert (folder / "inner" / "a").read_text() == "two"
    assert not previous_folder(folder).exists()


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    filled(tmp_path / "f", "one")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o777 & ~umask
