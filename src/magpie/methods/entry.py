"""What the table of methods says of each; reading it never imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One method.

    ``needs`` are words for people; the exact needs depend on the configuration
    (:meth:`magpie.methods.base.Method.needs`). ``status`` is ``ready`` when its conformance,
    parity and probe tests pass.
    """

    name: str
    module: str
    cls: str
    family: str
    tasks: tuple[str, ...]
    needs: tuple[str, ...]
    title: str
    citation: str
    spec: str
    status: str = "ready"

    def to_dict(self) -> dict[str, Any]:
        """One item of ``magpie methods --json``."""
        return {
            "name": self.name,
            "family": self.family,
            "tasks": list(self.tasks),
            "needs": list(self.needs),
            "title": self.title,
            "citation": self.citation,
            "spec": self.spec,
            "status": self.status,
        }
