"""What is odd in a corpus file, and whether a record was lost over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from magpie.errors import MagpieError

__all__ = ["KINDS", "Anomaly", "Report", "ignore"]

#: kind -> what it means; the only kinds a reader may report
KINDS: dict[str, str] = {
    "unreadable": "A record could not be read and was set aside",
    "unknown-digest": "The card does not know these files; results on them stand alone",
    "orphan-tag": "An I- tag continues nothing; its entity is kept and marked",
    "separator": "Columns are parted by spaces where the format asks for tabs",
    "empty-word": "A word, or a row with a tag, has no text; it was left out",
    "duplicate-id": "An id stands twice; the later record got a number behind its id",
    "column-mismatch": "Coarse and fine tags of one entity disagree; the fine type was left out",
    "picture-unreadable": "A picture is damaged, or no picture at all",
    "picture-size": "A picture has another size than its annotations say",
    "picture-missing": "The picture of a record is not in the pictures folder",
    "boxes-missing": "The box annotations are absent; nobody knows what is in the pictures",
    "box-unreadable": "A box annotation file could not be read; grounding stays unknown",
    "box-skipped": "An object without a usable box was left out",
    "box-clipped": "A box left its picture and was cut to it",
    "name-mismatch": "A mention's name differs from the words at its place; the words count",
    "mention-ambiguous": "A mention's text stands at several places; the first fitting one counts",
    "duplicate-key": "A key stands twice in a side file; the first record counts",
    "text-empty": "A side file holds an empty text; the record counts as none",
    "side-missing": "A document has no record in a side source; it goes without",
    "answer-unplaced": "A predicted entity does not stand in its document; it was left out",
    "answer-apart": "The words of a predicted entity stand apart; it spans all between them",
    "label-conflict": "One mention has two types; the first counts",
    "relation-repeated": "A relation is written down more than once; kept once",
    "pickle-refused": "A pickled file was not opened; what it holds is missing",
    "side-unreadable": "Part of a file beside the text could not be read; it was left out",
    "box-turned": "Four corners are no upright rectangle; the smallest one round them counts",
    "box-unmatched": "A box is named after no entity of its post; kept as a region of its own",
    "bytes-replaced": "Bytes of a line are not UTF-8; U+FFFD stands in their place",
    "member-twice": "A name stands in an archive more than once; the last one was read",
    "empty-field": "A form field has a box and a label but no text; kept as a region",
    "link-repeated": "A link is written down more than once at one of its ends; kept once",
    "link-dangling": "A link leads to nothing, or is no pair; it was left out",
    "link-self": "A field is linked to itself; the link was kept",
    "value-missing": "A record lacks one of its key values, or the value is empty",
    "value-unlocated": "A key value stands nowhere in the text; it was left out",
    "type-mismatch": "Two annotations of one event give it different types",
}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One oddity: ``where`` is file:line, ``record`` the document's id where there is one.

    ``error`` is set when the record was lost, and only then.
    """

    kind: str
    message: str
    where: str
    record: str | None = None
    error: MagpieError | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise AssertionError(f"unregistered anomaly kind {self.kind!r}")

    @classmethod
    def lost(cls, error: MagpieError, *, record: str | None = None) -> Anomaly:
        """A record that could not be read."""
        return cls("unreadable", error.message, error.where, record, error)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "message": self.message,
            "where": self.where,
            "record": self.record,
            "error": None if self.error is None else self.error.to_dict(),
        }


#: what a reader calls with each oddity
Report = Callable[[Anomaly], None]


def ignore(anomaly: Anomaly) -> None:
    """The default: oddities that lose nothing pass, a lost record raises its error.

    Raises:
        MagpieError: the reason why the record was lost.
    """
    if anomaly.error is not None:
        error = anomaly.error
        if not error.mend:
            mend = "Pass on_problem= to set such records aside and go on."
            error = type(error)(error.message, code=error.code, where=error.where, mend=mend)
        raise error
