"""Folders as published code lays them out: text here, pictures there, a pickled dictionary beside.

Nothing is ever unpickled: a ``.pth`` file runs whatever its author wrote into it. Where a corpus
keeps something in one, the same name with ``.json`` is read instead, and a ``.pth`` without it is
reported together with the line that converts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import SPLIT_ALIASES, DataFile
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.source import Found
from magpie.errors import NotFoundError

__all__ = ["find_beside", "find_text", "folders", "read_members", "split_spellings"]


def split_spellings(split: str) -> tuple[str, ...]:
    """A split and its other names: dev, valid, val ..."""
    return split, *(alias for alias, name in SPLIT_ALIASES.items() if name == split)


def find_text(split: str, root: Path, patterns: Iterable[str]) -> Found:
    """The text of a split: the root itself if it is a file, else the first pattern that is there.

    Args:
        split: its own name.
        root: a folder, or the file.
        patterns: paths below the root with ``{}`` in the split's place.

    Raises:
        NotFoundError: naming what was looked for.
    """
    if root.is_file():
        return Found(DataFile(root.name), root)
    tried = list(patterns)
    for pattern in tried:
        for spelling in split_spellings(split):
            name = pattern.format(spelling)
            if (root / name).is_file():
                return Found(DataFile(name), root / name)
    raise NotFoundError(
        f"expected the text of {split} at one of {', '.join(tried)}, found nothing",
        where=str(root),
        mend="Pass the folder that holds it with root (--root FOLDER), or the file itself.",
    )


def folders(root: Path, pattern: str, split: str) -> tuple[str, ...]:
    """The folders below the root that a pattern with ``{}`` names for a split, there or not."""
    return tuple(str(root / pattern.format(spelling)) for spelling in split_spellings(split))


def find_beside(split: str, places: Iterable[Path], names: Iterable[str]) -> Path | None:
    """A file beside the text: the first of ``names`` (``{}`` is the split) in the first place."""
    tried = [name.format(spelling) for name in names for spelling in split_spellings(split)]
    for place in places:
        for name in dict.fromkeys(tried):
            if (place / name).is_file():
                return place / name
    return None


def read_members(
    split: str, places: tuple[Path, ...], names: tuple[str, ...], report: Report
) -> dict[str, Any] | None:
    """The members of a JSON object beside the text; None where there is none.

    A member that cannot be read is reported and left out, a pickled file is reported.

    Args:
        split: goes in the place of ``{}``.
        places: folders, searched in order.
        names: of the file, without its ending.
        report: is called with each oddity.

    Raises:
        FormatError: the file is no JSON object at all.
    """
    path = find_beside(split, places, [f"{name}.json" for name in names])
    if path is None:
        pickled = find_beside(split, places, [f"{name}.pth" for name in names])
        if pickled is not None:
            report(_refused(pickled))
        return None
    found = Found(DataFile(path.name), path)
    members: dict[str, Any] = {}
    for raw in iter_json_items(found):
        if raw.error is not None:
            report(Anomaly("side-unreadable", raw.error.message, raw.error.where, raw.key))
        elif raw.key is None:
            message = "expected a JSON object of names, came a list"
            report(Anomaly("side-unreadable", message, raw.where))
            return None
        else:
            members[raw.key] = raw.value
    return members


def _refused(path: Path) -> Anomaly:
    target = path.with_suffix(".json").name
    message = (
        f"{path.name} is pickled and was not opened. Convert it where you trust it: python -c "
        f"\"import json, torch; json.dump(torch.load('{path.name}', weights_only=True), "
        f"open('{target}', 'w'))\""
    )
    return Anomaly("pickle-refused", message, str(path))
