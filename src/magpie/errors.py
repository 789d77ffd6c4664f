"""The error tree.

::

    MagpieError
    |-- InputError (also ValueError)        what the user handed in
    |   |-- SchemaError                     a value that breaks the data model
    |   |-- FormatError                     a file or record that cannot be read
    |   |-- MediaError                      a picture (later: clip, sound) that cannot be used
    |   |-- AccessError                     a path or address magpie may not open
    |   |-- ConfigError                     an option with an impossible value
    |   `-- NotFoundError (also LookupError)  a name nobody registered, a file that is not there
    |-- ComparisonError (also ValueError)   scores that must not stand side by side
    |-- ModelError (also RuntimeError)      a model that is absent, damaged or of another version
    `-- MissingExtraError (also ImportError)  an optional dependency that is not installed

Every error carries a stable ``code`` from :data:`CODES`; ``docs/errors.md`` has one heading per
code in the same order (a test keeps the two equal). The text says what was expected, what came
and what to do; ``where`` names the file, line or id.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CODES",
    "DOCS_URL",
    "AccessError",
    "ComparisonError",
    "ConfigError",
    "FormatError",
    "InputError",
    "MagpieError",
    "MediaError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "SchemaError",
]

DOCS_URL = "docs/errors.md"

#: code -> the one-line meaning that heads its section in docs/errors.md
CODES: dict[str, str] = {
    # schema
    "schema-type": "A field has the wrong type, is missing or is unknown",
    "schema-number": "A number is NaN, infinite or outside its range",
    "schema-text": "Text holds a NUL character or a lone surrogate",
    "schema-id": "An id is empty or stands twice",
    "schema-reference": "Something refers to an id that does not exist",
    "schema-span": "A span is empty, reversed or outside its block",
    "schema-box": "A box is degenerate or outside its picture",
    "schema-mixed-pictures": "Boxes of two different pictures were combined",
    "schema-grounding": "A grounding contradicts itself",
    "schema-version": "The document was written in an unknown format version",
    # format
    "format-json": "A line is not valid JSON",
    "format-record": "A record lacks what its format demands",
    "format-encoding": "A file is not valid UTF-8",
    "format-tags": "A tag sequence cannot be read",
    "format-xml": "An annotation file is not acceptable XML",
    "format-too-long": "A line or text exceeds the limit",
    "format-unknown": "The format of a file was not recognised",
    "format-resume": "A half-finished output does not belong to this input",
    # media
    "media-absent": "A picture is not there",
    "media-unreadable": "A picture is damaged or no picture at all",
    "media-too-large": "A picture has more pixels or bytes than the limit",
    "media-kind": "A picture format that is not accepted",
    # access
    "access-remote": "An address would have to be fetched",
    "access-outside-root": "A path leads out of the given root",
    # config, lookup
    "config-value": "An option has an impossible value",
    "not-found": "A name or file does not exist",
    # comparison
    "compare-protocol": "Scores of different protocols or corpora were compared",
    "compare-alignment": "Gold and predictions do not cover the same documents",
    # model, extras
    "model-missing": "A model file is absent",
    "model-damaged": "A model file is damaged or of another version",
    "model-mismatch": "A trained model does not fit what it is used for",
    "model-unwritten": "A model could not be written",
    "features-absent": "What a trained model reads of a picture could not be had",
    "features-unwritten": "A computed feature could not be kept",
    "train-diverged": "A loss is no longer a finite number",
    "extra-missing": "An optional dependency is not installed",
    "internal": "Something failed that magpie did not foresee",
}


class MagpieError(Exception):
    """Root of everything magpie raises on purpose.

    Args:
        message: what was expected and what came.
        code: a key of :data:`CODES`.
        mend: what the user can do about it, as a sentence.
        where: file, line or id at which it happened.
    """

    default_code = "internal"

    def __init__(
        self, message: str, *, code: str | None = None, mend: str = "", where: str = ""
    ) -> None:
        self.code = code or self.default_code
        if self.code not in CODES:
            raise AssertionError(f"unregistered error code {self.code!r}")
        self.message = message
        self.mend = mend
        self.where = where
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        if self.mend:
            text = f"{text.rstrip('.')}. {self.mend}"
        return f"{text} [{self.code}]"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default pickling between worker processes.
        return (_rebuild, (type(self), self.message, self.code, self.mend, self.where))

    @property
    def docs(self) -> str:
        """Page and anchor that explain this code."""
        return f"{DOCS_URL}#{self.code}"

    def at(self, where: str) -> MagpieError:
        """The same error, located more precisely (outer places stand in front)."""
        place = f"{where}: {self.where}" if self.where else where
        return type(self)(self.message, code=self.code, mend=self.mend, where=place)

    def to_dict(self) -> dict[str, str]:
        """The shape used in ``*.errors.jsonl`` and by ``--json``."""
        return {
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "mend": self.mend,
            "docs": self.docs,
        }


def _rebuild(
    kind: type[MagpieError], message: str, code: str, mend: str, where: str
) -> MagpieError:
    return kind(message, code=code, mend=mend, where=where)


class InputError(MagpieError, ValueError):
    """Something the user handed in cannot be used."""

    default_code = "format-record"


class SchemaError(InputError):
    """A value breaks the data model."""

    default_code = "schema-type"


class FormatError(InputError):
    """A file or record cannot be read."""

    default_code = "format-record"


class MediaError(InputError):
    """A picture cannot be used."""

    default_code = "media-unreadable"


class AccessError(InputError):
    """A path or address that magpie may not open."""

    default_code = "access-outside-root"


class ConfigError(InputError):
    """An option has an impossible value."""

    default_code = "config-value"


class NotFoundError(InputError, LookupError):
    """A name that nobody registered, or a file that is not there."""

    default_code = "not-found"


class ComparisonError(MagpieError, ValueError):
    """Scores that must not stand side by side."""

    default_code = "compare-protocol"


class ModelError(MagpieError, RuntimeError):
    """A model is absent, damaged or of another version."""

    default_code = "model-missing"


class MissingExtraError(MagpieError, ImportError):
    """An optional dependency is not installed."""

    default_code = "extra-missing"
