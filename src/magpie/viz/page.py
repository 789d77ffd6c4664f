"""A self-contained page of tables and plots, for results rather than documents.

Everything is escaped; nothing is loaded from outside, and no script runs. Plots stand in the page
as images, so that whatever a label holds can neither style nor script the page.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from decimal import Decimal

from magpie.viz._frame import page_head, resource
from magpie.viz._html import Html, element, join, void

__all__ = ["Html", "heading", "page", "paragraph", "picture", "table"]


def page(title: str, parts: Iterable[Html]) -> str:
    """The whole page.

    Args:
        title: heading of the page.
        parts: from the other functions of this module, in order.

    Raises:
        SchemaError: the title holds what a file cannot carry.
    """
    head = page_head(title, resource("page.css"))
    made = element("footer", "made by magpie; nothing is loaded from outside")
    body = element("body", element("h1", title), element("main", *parts), made)
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def heading(text: str, *, anchor: str | None = None) -> Html:
    """Opens a section."""
    return element("h2", text, id=anchor)


def paragraph(*children: str) -> Html:
    """Running text; children that are no Html are escaped."""
    return element("p", *children)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> Html:
    """A table; the first column names the row, numbers stand to the right, None stays empty.

    Args:
        headings: one a column.
        rows: cells: text, numbers (printed as they are, ``,`` between thousands; a Decimal keeps
            its zeros), None or Html.
        caption: what the table shows.
    """
    head = element("tr", *(element("th", name, scope="col") for name in headings))
    body = [
        element("tr", *(_cell(value, first=index == 0) for index, value in enumerate(row)))
        for row in rows
    ]
    title = [element("caption", caption)] if caption else []
    inner = element("table", *title, element("thead", head), element("tbody", *body))
    return element("div", inner, class_="scroll")


def _cell(value: object, *, first: bool) -> Html:
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if value is None:
        text = ""
    elif isinstance(value, int) and number:
        text = f"{value:,}"
    else:
        text = value if isinstance(value, str) else str(value)
    if first:
        return element("th", text, scope="row")
    return element("td", text, class_="number" if number else None)


def picture(svg: str, description: str) -> Html:
    """A plot of :mod:`magpie.viz.plots`; ``description`` is read out where it cannot be seen."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    image = void("img", src=f"data:image/svg+xml;base64,{data}", alt=description)
    return join(element("figure", image))
