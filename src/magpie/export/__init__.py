"""Documents in other tools' formats, both ways where the target can carry it.

>>> from magpie.export import export, formats
>>> from magpie.schema import Document
>>> formats()[:2]
['conll', 'spacy']

Each export says what the format could not hold; see docs/export.md.
"""

from magpie.export.exporting import export, read
from magpie.export.jsonl import ImportReport, export_file, import_file, read_documents
from magpie.export.parts import PARTS, Part
from magpie.export.registry import FORMATS, Format, format_named, formats
from magpie.export.report import ExportReport, Loss

__all__ = [
    "FORMATS",
    "PARTS",
    "ExportReport",
    "Format",
    "ImportReport",
    "Loss",
    "Part",
    "export",
    "export_file",
    "format_named",
    "formats",
    "import_file",
    "read",
    "read_documents",
]
