"""Readers of correlation weights, graphs, raw posts and text-picture labels."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence

from magpie.corpora.anomaly import Report
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.records import Raw, field, word_list
from magpie.corpora.side.reading import collect, integer, number, picture_key, read_json, text_of
from magpie.corpora.side.rows import Graph, Mention, Post, Relatedness, Weights
from magpie.corpora.source import Found, iter_found_lines, open_folder
from magpie.errors import FormatError

__all__ = ["combined_graphs", "raw_posts", "relatedness", "scene_graphs", "weights"]

#: one mention of a raw post: its text, type and number
_MENTION = re.compile(r"\s*(.*\S)\s+([A-Z]+)\s+(\d+)\s*", re.DOTALL)

_MAX_GRAPH_BYTES = 1 << 20


def weights(files: Sequence[Found], part: str, report: Report) -> Iterator[Weights]:
    """TMR's four files of ``<picture>.jpg<TAB><weight>``, which name the same pictures in the same
    order: strong and weak, then the same for the generated picture."""
    first = files[0]

    def raws() -> Iterator[Raw]:
        for lines in itertools.zip_longest(*map(iter_found_lines, files)):
            line = next(line for line in lines if line is not None)
            where = f"{first.name}:{line.number}"
            if any(each is None for each in lines):
                error = FormatError(
                    "the four files of weights have different numbers of lines",
                    mend="Were all of them fetched completely?",
                )
                yield Raw(where, line.number, error=error)
                return
            broken = next((each.error for each in lines if each.error is not None), None)
            texts = [each.text for each in lines]
            if broken is not None or any(text.strip() for text in texts):
                yield Raw(where, line.number, texts, error=broken)

    def make(raw: Raw, where: str) -> Weights:
        columns = [text.split("\t") for text in raw.value]
        if any(len(row) != 2 for row in columns):
            raise FormatError(f"expected <picture><TAB><weight>, came {raw.value[0][:60]!r}")
        names = {name for name, _ in columns}
        if len(names) != 1:
            raise FormatError(f"the files name different pictures: {', '.join(sorted(names))}")
        values = [number(value, "a weight", where) for _, value in columns]
        if not all(0 <= value <= 1 for value in values):
            raise FormatError(f"expected weights from 0 to 1, came {values}")
        return Weights(
            key=picture_key(names.pop()),
            where=where,
            strong=values[0],
            weak=values[1],
            generated_strong=values[2],
            generated_weak=values[3],
        )

    return collect(raws(), first.name, make, report, unique=False)


def scene_graphs(files: Sequence[Found], part: str, report: Report) -> Iterator[Graph]:
    """MEGA's graphs of pictures: ``{"1.jpg": {"rel": [[0, 2], [1, 0]]}}``, nodes are objects."""
    (found,) = files

    def make(raw: Raw, where: str) -> Graph:
        edges = field(raw.value, "rel", list, where)
        for edge in edges:
            if not isinstance(edge, list) or len(edge) != 2:
                raise FormatError(f"expected pairs of nodes, came {str(edge)[:60]!r}")
        pairs = tuple((integer(a, "a node", where), integer(b, "a node", where)) for a, b in edges)
        return Graph(key=picture_key(raw.key or ""), where=where, edges=pairs)

    return read_json(found, make, report)


def combined_graphs(files: Sequence[Found], part: str, report: Report) -> Iterator[Graph]:
    """MEGA's graphs of text and picture, a file of ``0 1`` lines a row of MNRE: words are counted
    on through the text, objects follow behind the last word."""
    (found,) = files
    with open_folder(found) as folder:

        def raws() -> Iterator[Raw]:
            for name in sorted(folder.names(), key=_by_number):
                where = f"{folder.name}!{name}"
                try:
                    data = folder.read(name, limit=_MAX_GRAPH_BYTES)
                except FormatError as error:
                    yield Raw(where, 1, key=name, error=error)
                    continue
                yield Raw(where, 1, data, name)

        def make(raw: Raw, where: str) -> Graph:
            name = str(raw.key)
            if not (name.isascii() and name.isdigit()):
                raise FormatError(f"expected a file named after a row, came {name!r}")
            edges = []
            for count, line in enumerate(raw.value.decode("ascii", "replace").splitlines(), 1):
                ends = line.split()
                if len(ends) != 2:
                    raise FormatError(f"line {count}: expected two nodes, came {line[:40]!r}")
                a, b = (integer(end, f"line {count}: a node", where) for end in ends)
                edges.append((a, b))
            return Graph(key=str(int(name)), where=where, edges=tuple(edges))

        yield from collect(raws(), found.name, make, report)


def _by_number(name: str) -> tuple[int, str]:
    return (len(name), name)


def raw_posts(files: Sequence[Found], part: str, report: Report) -> Iterator[Post]:
    """MEGA's raw tweets, one a row of MNRE, with pairs of mentions and the picture's address."""
    (found,) = files
    # Numbered before anything is set aside, so that a lost record moves no other.
    raws = (
        dataclasses.replace(raw, key=str(row)) for row, raw in enumerate(iter_json_items(found))
    )

    def make(raw: Raw, where: str) -> Post:
        address = field(raw.value, "img_url", str, where)
        mentions = []
        for pair in field(raw.value, "relationMentions", list, where):
            head, tail = (field(pair, name, str, where) for name in ("em1Text", "em2Text"))
            for text in (head, tail):
                if _MENTION.fullmatch(text) is None:
                    raise FormatError(f"expected a mention, its type and number, came {text!r:.60}")
            label = field(pair, "label", str, where)
            mentions.append(Mention(head.strip(), tail.strip(), label))
        return Post(
            key=str(raw.key),
            where=where,
            picture=_picture(raw.value, where),
            text=field(raw.value, "text", str, where),
            address=None if address == "None" else address,
            mentions=tuple(mentions),
        )

    return collect(raws, found.name, make, report)


def _picture(record: object, where: str) -> str:
    """Some pictures are written as bare numbers, as in the corpus itself."""
    value = field(record, "img_id", object, where)
    return str(value) if type(value) is int else picture_key(text_of(value, "a picture", where))


def relatedness(files: Sequence[Found], part: str, report: Report) -> Iterator[Relatedness]:
    """``{"words": [...], "image_id": "T1.jpg", "ifpairs": [0, 1]}``, one big list."""
    (found,) = files

    def make(raw: Raw, where: str) -> Relatedness:
        labels = field(raw.value, "ifpairs", list, where)
        if len(labels) != 2 or not all(label in (0, 1) for label in labels):
            raise FormatError(f"expected two labels of 0 or 1, came {str(labels)[:60]}")
        words = field(raw.value, "words", list, where)
        return Relatedness(
            key=picture_key(field(raw.value, "image_id", str, where)),
            where=where,
            # Two tweets are a picture and nothing else.
            words=tuple(word_list(words, "words", where)) if words else (),
            labels=(bool(labels[0]), bool(labels[1])),
        )

    return read_json(found, make, report)
