"""The table of formats: one line each, imported when asked for, held by a golden test.

A module of a format has one or both of::

    def write(documents: Iterator[Document], path: Path, report: ExportReport, *, ...) -> None
    def read(path: Path, problem: Callable[[MagpieError], None], *, ...) -> Iterator[Document]

``write`` makes the file (or fills the empty folder) at ``path``, a temporary place that takes its
name only once all went well. Keyword-only arguments are the format's options; one called ``root``
receives the folder that relative picture paths start from. Whatever the table says that the format
does not keep is counted as lost before ``write`` sees the document; ``write`` itself reports, with
:meth:`ExportReport.lose`, only what it must drop from the parts that the table says it keeps.
``read`` hands what it cannot read to ``problem`` and goes on.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from magpie.errors import NotFoundError
from magpie.export.parts import PARTS

__all__ = ["FORMATS", "Format", "format_named", "formats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One target format.

    Args:
        module: the module that writes and reads it.
        title: a few words.
        keeps: names from :data:`~magpie.export.PARTS` that survive writing; all else is a loss.
        ways: ``write``, ``read`` or both; neither for values that never are a file.
        target: what stands at the path.
        needs: the importable package that it needs beyond the core, or "".
    """

    module: str
    title: str
    keeps: frozenset[str]
    ways: tuple[Literal["write", "read"], ...] = ("write", "read")
    target: Literal["file", "folder", "values"] = "file"
    needs: str = ""


_ALL = frozenset(PARTS)

FORMATS: dict[str, Format] = {
    "conll": Format(
        module="magpie.export.conll",
        title="a word and a tag a line (BIO, BIOES, BILOU or IOB1)",
        keeps=frozenset({"documents", "blocks", "words", "entities"}),
    ),
    "spacy": Format(
        module="magpie.export.docbin",
        title="spaCy DocBin",
        keeps=_ALL,
        needs="spacy",
    ),
    "datasets": Format(
        module="magpie.export.hf_datasets",
        title="Hugging Face datasets, saved to disk",
        keeps=_ALL,
        target="folder",
        needs="datasets",
    ),
    "coco": Format(
        module="magpie.export.coco",
        title="COCO instances",
        keeps=frozenset({"media", "boxes", "masks", "regions", "labels"}),
    ),
    "label-studio": Format(
        module="magpie.export.label_studio",
        title="Label Studio tasks with their labelling configuration",
        keeps=_ALL - {"masks", "times", "events", "provenance"},
        target="folder",
    ),
    "gliner": Format(
        module="magpie.export.gliner",
        title="JSON in the shape that GLiNER is trained on",
        keeps=frozenset({"documents", "blocks", "words", "entities", "relations"}),
    ),
    "gliner2": Format(
        module="magpie.export.gliner2",
        title="JSON lines in the shape that GLiNER2 is trained on",
        keeps=frozenset({"documents", "blocks", "entities", "relations"}),
    ),
    "chat": Format(
        module="magpie.export.chat",
        title="chat messages for instruction tuning, one JSON object a line",
        keeps=_ALL
        - {"ids", "masks", "times", "regions", "labels", "events", "links", "scores", "provenance"},
    ),
    "csv": Format(
        module="magpie.export.csv_tables",
        title="CSV tables: documents, entities, regions, relations and so on",
        keeps=_ALL - {"data"},
        target="folder",
    ),
    "parquet": Format(
        module="magpie.export.parquet_tables",
        title="Parquet tables, as csv",
        keeps=_ALL,
        target="folder",
        needs="pyarrow",
    ),
    "supervision": Format(
        module="magpie.export.detections",
        title="supervision Detections, as values in Python",
        keeps=frozenset({"boxes", "masks", "labels", "scores"}),
        ways=(),
        target="values",
        needs="supervision",
    ),
}


def formats() -> list[str]:
    """Every format's name, in the table's order."""
    return list(FORMATS)


def format_named(name: str) -> Format:
    """The row of the table.

    Raises:
        NotFoundError: nobody registered it; the nearest name is suggested.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise NotFoundError(f"no format {name!r}", mend=f"{hint}There are {', '.join(FORMATS)}.")
