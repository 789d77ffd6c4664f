from __future__ import annotations

import re
from pathlib import Path

import pytest

from magpie.metrics.pages import page_name, pages
from magpie.metrics.protocols import PROTOCOLS

PAGES = pages()


def test_pages_are_those_that_are_checked_in(root: Path) -> None:
    folder = root / "docs" / "protocols"
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    mend = "run: python -m magpie.metrics.pages docs/protocols"
    assert sorted(found) == sorted(PAGES), mend
    assert [name for name in PAGES if found[name] != PAGES[name]] == [], mend


def test_one_page_a_protocol_and_an_index_of_all() -> None:
    links = re.findall(r"\]\(([^)]+\.md)\)", PAGES["index.md"])
    own = [link for link in links if "/" not in link]
    assert own == [page_name(each) for each in PROTOCOLS.values()]
    assert set(own) | {"index.md"} == set(PAGES)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_page_says_what_the_table_says(name: str) -> None:
    protocol = PROTOCOLS[name]
    text = PAGES[page_name(protocol)]
    assert f"# `{name}`" in text
    assert f"--protocol {name}\n" in text
    for part in protocol.parts:
        assert f"`{part}`" in text
    for option in protocol.options:
        assert re.search(rf"^\| `{option.name}` \| `[^`]+` \| .* \|$", text, re.M)
    assert ("full documents" in text) == protocol.needs_document


def test_values_of_one_page() -> None:
    text = PAGES["gmner-iou50-1.md"]
    assert "- **Task:** `gmner` (its default protocol)" in text
    assert "`gmner`, `mner`, `eeg`" in text
    assert "| `inclusive` | `false` | `false`, `true` | accept IoU" in text
