"""The table of side sources, by name.

Counts of a part: ``documents`` are its rows, ``pictures`` the distinct keys where rows may share
one, ``context`` its texts that are not empty, ``regions`` its boxes or crops, ``links`` edges of
graphs; ``entities``, ``grounded`` and ``relations`` count what its rows list.
"""

from __future__ import annotations

import difflib

from magpie.corpora.side.card import SideSource
from magpie.corpora.side.table_places import PLACES
from magpie.corpora.side.table_texts import TEXTS
from magpie.errors import NotFoundError

__all__ = ["SOURCES", "source"]

#: every side source of this release (golden test)
SOURCES: dict[str, SideSource] = {each.name: each for each in (*TEXTS, *PLACES)}


def source(name: str) -> SideSource:
    """The side source of that name.

    Raises:
        NotFoundError: with the nearest names.
    """
    if name not in SOURCES:
        near = difflib.get_close_matches(name, SOURCES, n=3, cutoff=0.3)
        raise NotFoundError(
            f"no side source {name!r}",
            mend=f"Did you mean {', '.join(near)}?" if near else f"There are {', '.join(SOURCES)}.",
        )
    return SOURCES[name]
