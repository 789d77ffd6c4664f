"""The recipes that ship, found and listed without importing torch."""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from magpie.errors import NotFoundError
from magpie.training.plain_yaml import load_yaml

__all__ = ["Listed", "list_recipes", "recipe_path", "recipes_folder"]


def recipes_folder() -> Path | None:
    """``recipes/`` inside the installed package, or that of the checkout it is run from."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "recipes", package.parent.parent / "recipes"):
        if folder.is_dir():
            return folder
    return None


def _names(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.yaml"))
    }


def recipe_path(name: str | os.PathLike[str]) -> Path:
    """The file of a recipe given by path or by name (``ner/bert-crf_twitter2017``).

    Raises:
        NotFoundError: with the nearest names.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = recipes_folder()
    known = {} if folder is None else _names(folder)
    # recipes/ner/x.yaml also means the one that ships, wherever the command is run.
    wanted = path.with_suffix("").as_posix() if path.suffix == ".yaml" else path.as_posix()
    wanted = wanted.removeprefix("recipes/")
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    mend = f"Did you mean {', '.join(near)}? " if near else ""
    raise NotFoundError(
        "no such recipe", where=str(name), mend=f"{mend}`magpie recipes` lists those that ship."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of ``magpie recipes``."""

    name: str
    method: str
    corpus: str
    seeds: tuple[int, ...]
    about: str
    path: str

    def to_dict(self) -> dict[str, Any]:
        """One item of ``magpie recipes --json``."""
        return {**asdict(self), "seeds": list(self.seeds)}


def list_recipes() -> list[Listed]:
    """Every recipe that ships; what a file lacks stays empty (training checks it)."""
    folder = recipes_folder()
    found = []
    for name, path in ({} if folder is None else _names(folder)).items():
        value = load_yaml(path.read_text("utf-8"))
        data = value.get("data") or {}
        found.append(
            Listed(
                name=name,
                method=str(value.get("method", "")),
                corpus=str(data.get("corpus") or data.get("train") or ""),
                seeds=tuple(value.get("seeds") or (0,)),
                about=" ".join(str(value.get("about", "")).split()),
                path=str(path),
            )
        )
    return found
