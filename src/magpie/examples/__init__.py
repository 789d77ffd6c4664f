"""The posts that magpie ships to show itself: `magpie demo` reads them, so do the tests.

The wording and the poster are the project's own, the portrait is NASA's; ATTRIBUTION.md beside
this file says where each picture comes from.
"""

from __future__ import annotations

from pathlib import Path

from magpie._io import iter_text_lines, parse_json
from magpie.errors import FormatError
from magpie.schema import Document

__all__ = ["example_documents", "example_folder"]

POSTS = "posts.jsonl"


def example_folder() -> Path:
    """Folder of the posts and their pictures, inside the installed package."""
    return Path(__file__).resolve().parent


def example_documents() -> tuple[Document, ...]:
    """The shipped posts, without annotations; pictures are named relative to the folder.

    Raises:
        FormatError: the installed file was damaged.
    """
    path = example_folder() / POSTS
    documents = []
    for number, line in iter_text_lines(path):
        where = f"{path.name}:{number}"
        record = parse_json(line, where=where)
        if not isinstance(record, dict) or not {"id", "text"} <= record.keys():
            raise FormatError('expected an object with "id" and "text"', where=where)
        images = (record["image"],) if "image" in record else ()
        documents.append(Document.from_text(record["text"], id=record["id"], images=images))
    return tuple(documents)
