from __future__ import annotations

import re
from pathlib import Path

import pytest

from magpie.corpora import cards, names
from magpie.corpora.pages import page_name, pages

PAGES = pages()


def test_pages_are_those_that_are_checked_in(root: Path) -> None:
    folder = root / "docs" / "corpora"
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    mend = "run: python -m magpie.corpora.pages docs/corpora"
    assert sorted(found) == sorted(PAGES), mend
    assert [name for name in PAGES if found[name] != PAGES[name]] == [], mend


def test_one_page_a_corpus_and_an_index_of_all() -> None:
    assert len(PAGES) == len(names()) + 1
    links = re.findall(r"\]\(([^)]+\.md)\)", PAGES["index.md"])
    assert [link for link in links if "/" not in link] == [page_name(card) for card in cards()]


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.ref)
def test_a_page_says_what_the_card_says(card: object) -> None:
    from magpie.corpora import Card

    assert isinstance(card, Card)
    text = PAGES[page_name(card)]
    assert f"`{card.ref}`" in text
    for split in card.splits.values():
        assert f"| {split.counts.documents} " in text
    for file in card.files():
        assert file.sha256 in text
    for kind in (*card.types, *card.relations, *card.event_types):
        assert f"`{kind}`" in text
    assert text.count("\n- ") >= len(card.defects)
    commands = re.findall(r"^magpie corpora (\w+) (\S+)", text, re.M)
    assert commands
    assert {name for _, name in commands} == {card.ref}


def test_values_of_one_page() -> None:
    text = PAGES["twitter2015-umt.md"]
    assert "| `entities` | 6166 | 1541 | 5072 | 12779 |" in text
    assert "| `entities_lenient` | 6352 | 1594 | 5207 | 13153 |" in text
    assert "- train: `orphan-tag` 186" in text
    assert "edb2665b89bfe58bca06a2c10b9b31cbfa95456135b6a4cbf55c872e48d9b8f9" in text
    assert "| `blip2` | caption |" in text


def test_positive_relations_are_counted() -> None:
    (row,) = re.findall(r"^\| `relations without None` .*$", PAGES["mnre-2.md"], re.M)
    assert [cell.strip() for cell in row.split("|")][4] == "640"  # test
