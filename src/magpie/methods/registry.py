"""The table of methods: a line each in its family's ``table.py``, held by a golden test.

Names are those of the specifications. ``python -c "import magpie"`` never imports torch; reading
this table does not either.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from magpie.errors import NotFoundError
from magpie.methods.entry import Entry
from magpie.methods.grounded.table import ENTRIES as GROUNDED
from magpie.methods.ner.table import ENTRIES as NER
from magpie.methods.relation.table import ENTRIES as RELATION

if TYPE_CHECKING:
    from magpie.methods.base import Method

__all__ = ["METHODS", "Entry", "entry", "method_class"]


METHODS: dict[str, Entry] = {each.name: each for each in (*NER, *GROUNDED, *RELATION)}


def entry(name: str) -> Entry:
    """The method of that name.

    Raises:
        NotFoundError: with the nearest names.
    """
    found = METHODS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, METHODS, n=3, cutoff=0.4) or sorted(METHODS)
        raise NotFoundError(
            f"no method {name!r}",
            mend=f"Did you mean {', '.join(near)}? `magpie methods` lists all of them.",
        )
    return found


def method_class(name: str) -> type[Method]:
    """Imports and returns the class of a method.

    Raises:
        NotFoundError: no such method.
    """
    line = entry(name)
    found: type[Method] = getattr(importlib.import_module(line.module), line.cls)
    return found
