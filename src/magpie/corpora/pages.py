"""``python -m magpie.corpora.pages docs/corpora`` writes one page a corpus, made from its card."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from magpie.corpora.count_rows import count_rows
from magpie.corpora.dataset_card import Card
from magpie.corpora.registry import cards
from magpie.corpora.side import SOURCES
from magpie.viz.markdown import bullets, code, plain, table, write_pages

__all__ = ["page_name", "pages"]

_MADE = "<!-- Made by `python -m magpie.corpora.pages docs/corpora`; change the card instead. -->\n"


def page_name(card: Card) -> str:
    """The file of a corpus's page."""
    return f"{card.name}-{card.version}.md"


def pages() -> dict[str, str]:
    """File name -> text: an index, then one page a corpus in the order of the registry."""
    known = cards()
    return {"index.md": _index(known), **{page_name(card): _page(card) for card in known}}


def _index(known: list[Card]) -> str:
    rows = []
    for card in known:
        documents = " / ".join(str(split.counts.documents) for split in card.splits.values())
        splits = " / ".join(card.splits) or "any file"
        link = f"[{plain(card.ref)}]({page_name(card)})"
        rows.append([link, plain(card.title), plain(splits), documents, plain(card.task)])
    intro = (
        "One page a corpus, made from its dataset card. How they are read, checked, split and "
        "merged stands under [Corpora](../corpora.md).\n"
    )
    listed = table(["Corpus", "Title", "Splits", "Documents", "Task"], rows)
    return f"{_MADE}\n# All corpora\n\n{intro}\n{listed}"


def _page(card: Card) -> str:
    parts = [
        f"{_MADE}\n# {plain(card.title)} ({code(card.ref)})\n",
        bullets(
            f"**{heading}:** {plain(text)}"
            for heading, text in (
                ("Task", card.task),
                ("Licence", card.licence),
                ("Files from", card.origin),
                ("Citation", card.citation),
            )
            if text
        ),
        *_use(card),
        *_counts(card),
        *_labels(card),
        *_defects(card),
        *_files(card),
        *_side(card),
    ]
    return "\n".join(parts)


def _use(card: Card) -> Iterator[str]:
    yield "## How to load it\n"
    if not card.splits:
        yield (
            "A format: the path of the file is the root.\n\n"
            f'```python\nload("{card.ref}", "train", root="path/of/the/file")\n```\n\n'
            f"```bash\nmagpie corpora check {card.ref} --root FILE\n"
            f"magpie corpora convert {card.ref} --split train --root FILE -o gold.jsonl\n```\n"
        )
        return
    split = "train" if "train" in card.splits else next(iter(card.splits))
    yield (
        f'```python\nfrom magpie.corpora import load\n\nfor document in load("{card.ref}", '
        f'"{split}", root="data"):\n    print(document.id, document.text)\n```\n\n'
        f"```bash\nmagpie corpora info {card.ref}\nmagpie corpora check {card.ref} --root data\n"
        f"magpie corpora stats {card.ref} --root data --html stats.html\n"
        f"magpie corpora convert {card.ref} --split {split} --root data -o {split}.jsonl\n```\n"
    )


def _counts(card: Card) -> Iterator[str]:
    if not card.splits:
        return
    splits = list(card.splits.values())
    several = len(splits) > 1
    rows = []
    for row in count_rows([split.counts for split in splits]):
        numbers = [*row.numbers, row.total] if several else list(row.numbers)
        rows.append([code(row.name), *("" if n is None else str(n) for n in numbers)])
    yield "## Counts\n"
    yield "Of the files, not of the papers; `magpie corpora check` compares.\n"
    yield table(["Count", *map(plain, card.splits), *(["all"] if several else [])], rows)


def _labels(card: Card) -> Iterator[str]:
    if not (card.types or card.relations or card.event_types or card.labels):
        return
    yield "## Labels\n"
    if card.types:
        rows = [[code(kind), code(card.coarse[kind]) if kind in card.coarse else ""]
                for kind in card.types]  # fmt: skip
        yield table(["Entity type", "Coarse (`--types coarse`)"], rows)
    if card.hierarchy:
        yield table(
            ["Label", "Stands below"],
            [[code(label), code(parent)] for label, parent in card.hierarchy.items()],
        )
    if card.relations:
        yield table(
            ["Relation", "From", "To"],
            [[code(kind), _any(head), _any(tail)] for kind, (head, tail) in card.relations.items()],
        )
    if card.event_types:
        yield table(
            ["Event", "Roles"],
            [[code(kind), _any(roles)] for kind, roles in card.event_types.items()],
        )
    if card.labels:
        yield f"Labels of regions: {', '.join(map(code, card.labels))}\n"


def _any(kinds: tuple[str, ...]) -> str:
    return ", ".join(map(code, kinds)) or "any"


def _defects(card: Card) -> Iterator[str]:
    known = [
        f"{plain(name)}: " + ", ".join(f"{code(k)} {n}" for k, n in sorted(split.anomalies.items()))
        for name, split in card.splits.items()
        if split.anomalies
    ]
    if card.defects or known:
        yield "## Known defects\n"
    if card.defects:
        yield bullets(map(plain, card.defects))
    if known:
        yield "Oddities that the card expects, by split:\n"
        yield bullets(known)


def _files(card: Card) -> Iterator[str]:
    if card.files():
        yield "## Files\n"
        yield table(
            ["File below the root", "SHA-256"],
            [[code(file.label), code(file.sha256) if file.sha256 else ""] for file in card.files()],
        )
    if card.images:
        yield f"Pictures, where they are there: {', '.join(code(f'{p}/') for p in card.images)}\n"


def _side(card: Card) -> Iterator[str]:
    found = [side for side in SOURCES.values() if card.ref in side.uses]
    if found:
        yield "## Published beside it\n"
        yield table(
            ["Side source", "Kind", "What"],
            [[code(side.name), plain(side.kind or ""), plain(side.title)] for side in found],
        )


if __name__ == "__main__":
    write_pages(sys.argv[1], pages())
