"""Names that stand in documents and that several modules of the engine must agree on."""

from __future__ import annotations

__all__ = ["GROUNDER", "LETTERING"]

#: provenance of the regions that LocalGrounder found, and its name
GROUNDER = "magpie-local"

#: source of the lettering that LocalGrounder adds to a document's context
LETTERING = "rapidocr"
