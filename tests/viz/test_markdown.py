from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.viz.markdown import bullets, code, plain, table, write_pages

MARKUP = "<b> *a* _b_ `c` [d](e) | # ~~f~~ $g$ {h} \\"


def render(text: str) -> str:
    markdown = pytest.importorskip("markdown", reason="comes with mkdocs")
    return str(markdown.markdown(text, extensions=["tables"]))


def test_plain_text_is_no_markup() -> None:
    markup = render(plain(MARKUP))
    for tag in ("<b>", "<em>", "<code>", "<a ", "<h1>", "<del>", "<strong>"):
        assert tag not in markup
    assert plain("two\nlines\t and  blanks") == "two lines and blanks"


@given(st.text("ab`| \n", max_size=12))
def test_code_shows_what_it_was_given(text: str) -> None:
    markup = render(f"x {code('q' + text)} y")
    inside = markup.partition("<code>")[2].partition("</code>")[0]
    assert inside.replace("\\|", "|") == " ".join(("q" + text).split())


def test_table() -> None:
    text = table(["a", "b", "c"], [["x", "1", "two"], ["y", "", "3"]])
    assert text.splitlines() == [
        "| a | b | c |",
        "| --- | ---: | --- |",
        "| x | 1 | two |",
        "| y |  | 3 |",
    ]
    assert render(text).count("<td") == 6
    assert render(table(["a"], [[code("x|y")]])).count("<td") == 1
    assert table(["a"], []) == "| a |\n| --- |\n"


def test_bullets() -> None:
    assert bullets(["a", "b"]) == "- a\n- b\n"


def test_folder_holds_exactly_the_pages(tmp_path: Path) -> None:
    write_pages(tmp_path / "new", {"a.md": "1", "b.md": "2"})
    (tmp_path / "new" / "picture.png").write_bytes(b"x")
    write_pages(tmp_path / "new", {"b.md": "3"})
    found = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert found == {"b.md": "3", "picture.png": "x"}
