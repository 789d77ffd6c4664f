"""The protocols of events, forms, procedures and the tasks over several media."""

from __future__ import annotations

from magpie.metrics.declare import Protocol

__all__ = ["DOCUMENT_DEFAULTS", "DOCUMENT_PROTOCOLS"]

DOCUMENT_PROTOCOLS: tuple[Protocol, ...] = ()

#: task -> protocol when none is named
DOCUMENT_DEFAULTS: dict[str, str] = {}
