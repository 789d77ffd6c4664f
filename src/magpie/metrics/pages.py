"""``python -m magpie.metrics.pages docs/protocols`` writes one page a scoring protocol."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from magpie.metrics.declare import Option, Protocol
from magpie.metrics.protocols import PROTOCOLS
from magpie.metrics.table import DEFAULTS
from magpie.viz.markdown import bullets, code, plain, table, write_pages

__all__ = ["page_name", "pages"]

_MADE = (
    "<!-- Made by `python -m magpie.metrics.pages docs/protocols`; change the table instead. -->\n"
)


def page_name(protocol: Protocol) -> str:
    """The file of a protocol's page."""
    return f"{protocol.name.replace('@', '-')}.md"


def pages() -> dict[str, str]:
    """File name -> text: an index, then one page a protocol in the order of the table."""
    known = list(PROTOCOLS.values())
    return {"index.md": _index(known), **{page_name(each): _page(each) for each in known}}


def _index(known: list[Protocol]) -> str:
    rows = [
        [f"[{plain(each.name)}]({page_name(each)})", code(each.task), plain(each.summary)]
        for each in known
    ]
    intro = (
        "A protocol is what is counted, under a name that ends in a version; what it counts never "
        "changes under that name. How scores are made and compared stands under "
        "[Scorers](../scorers.md).\n"
    )
    return f"{_MADE}\n# All protocols\n\n{intro}\n{table(['Protocol', 'Task', 'Summary'], rows)}"


def _page(protocol: Protocol) -> str:
    return "\n".join((f"{_MADE}\n# {code(protocol.name)}\n", *_parts(protocol)))


def _parts(protocol: Protocol) -> Iterator[str]:
    yield f"{plain(protocol.summary[:1].upper() + protocol.summary[1:])}.\n"
    default = " (its default protocol)" if DEFAULTS.get(protocol.task) == protocol.name else ""
    facts = [
        f"**Task:** {code(protocol.task)}{default}",
        f"**Parts, the main one first:** {', '.join(map(code, protocol.parts))}",
    ]
    if protocol.means:
        facts.append(
            f"**Parts that are means, not counts:** {', '.join(map(code, protocol.means))}"
        )
    if protocol.fixed:
        fixed = ", ".join(
            f"{code(name)} = {_value(value)}" for name, value in protocol.fixed.items()
        )
        facts.append(f"**Fixed by the protocol:** {fixed}")
    if protocol.needs_document:
        facts.append("**Input:** full documents on both sides; flat lines are refused")
    if protocol.reads_tags:
        facts.append("**Input:** of a column file the tags as they stand, special ones included")
    yield bullets(facts)
    yield (
        f"```bash\nmagpie score gold.jsonl predicted.jsonl --protocol {protocol.name}\n```\n\n"
        "```python\nfrom magpie.metrics import read_scored, score\n\nreport = score("
        f'read_scored("gold.jsonl"), read_scored("predicted.jsonl"), "{protocol.name}")\n```\n'
    )
    if protocol.options:
        yield "## Options\n"
        yield "Each stands in the report when it is not at its default (`--option KEY=VALUE`).\n"
        yield table(
            ["Option", "Default", "Values", "What it does"],
            [
                [code(each.name), _value(each.default), _values(each), plain(each.help)]
                for each in protocol.options
            ],
        )
    yield f"Counted by {code(protocol.counter)}.\n"


def _value(value: object) -> str:
    return code(
        "none" if value is None else str(value).lower() if value in (True, False) else value
    )


def _values(option: Option) -> str:
    if option.values:
        return ", ".join(map(_value, option.values))
    return f"any {type(option.default).__name__}"


if __name__ == "__main__":
    write_pages(sys.argv[1], pages())
