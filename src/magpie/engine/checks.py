"""One line of what `magpie doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report.

    Args:
        group, name: what was looked at.
        status: ``ok``; ``missing``, nothing is there; ``broken``, something is and does not work.
        core: whether `magpie extract` needs it.
        detail: what was found.
        mend: the command or step that helps; empty where nothing needs to be done.
    """

    group: str
    name: str
    status: Literal["ok", "missing", "broken"]
    core: bool = False
    detail: str = ""
    mend: str = ""
