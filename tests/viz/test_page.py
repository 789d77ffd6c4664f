from __future__ import annotations

import base64
import hashlib
import re
from decimal import Decimal

import pytest

from magpie.errors import SchemaError
from magpie.viz.page import Html, heading, page, paragraph, picture, table


def test_everything_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    text = page(
        bad,
        [heading(bad, anchor='a"b'), paragraph(bad), table([bad], [[bad]], caption=bad),
         picture(bad, 'x" onerror="y')],
    )  # fmt: skip
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 7
    assert 'onerror="' not in text
    assert 'id="a&quot;b"' in text


def test_nothing_is_loaded_and_the_style_is_the_allowed_one() -> None:
    text = page("results", [picture("<svg/>", "a plot")])
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src &#x27;sha256-{digest}&#x27;" in text
    assert "default-src &#x27;none&#x27;" in text
    assert "http://" not in text
    assert "https://" not in text
    (source,) = re.findall(r'<img src="([^"]+)"', text)
    assert base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")) == b"<svg/>"
    assert 'alt="a plot"' in text


def test_table_cells() -> None:
    text = table(
        ["name", "n", "f"], [["a", 1234, 0.5], [1, None, Html("<b>x</b>")], ["c", True, ""]]
    )
    assert '<th scope="row">a</th><td class="number">1,234</td><td class="number">0.5</td>' in text
    assert '<th scope="row">1</th><td></td><td><b>x</b></td>' in text
    assert "<td>True</td>" in text
    assert "<caption>" not in text
    assert '<td class="number">86.90</td>' in table(["a", "b"], [["x", Decimal("86.90")]])


def test_same_parts_same_bytes() -> None:
    assert page("a", [paragraph("b")]) == page("a", [paragraph("b")])


def test_title_must_be_writable() -> None:
    with pytest.raises(SchemaError):
        page("\ud800", [])
