"""Markup that escapes by default: text is a plain ``str``, markup is :class:`Html`."""

from __future__ import annotations

from html import escape
from typing import TypeAlias

__all__ = ["Attribute", "Html", "element", "join", "void"]

#: None and False leave an attribute out, True writes its bare name.
Attribute: TypeAlias = str | int | float | bool | None


class Html(str):
    """Markup that may stand in a page as it is; only this module's functions should make one."""

    __slots__ = ()


def _child(value: str) -> str:
    return value if isinstance(value, Html) else escape(value, quote=False)


def _attributes(attributes: dict[str, Attribute]) -> str:
    parts = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        # class_ and data_e stand for names that Python cannot spell.
        name = name.rstrip("_").replace("_", "-")  # noqa: PLW2901
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        parts.append(f" {name}" if value is True else f' {name}="{escape(text)}"')
    return "".join(parts)


def element(tag: str, *children: str, **attributes: Attribute) -> Html:
    """``<tag attributes>children</tag>``; every child and value that is no Html is escaped."""
    inside = "".join(map(_child, children))
    return Html(f"<{tag}{_attributes(attributes)}>{inside}</{tag}>")


def void(tag: str, **attributes: Attribute) -> Html:
    """An element without content and closing tag, such as ``img``."""
    return Html(f"<{tag}{_attributes(attributes)}>")


def join(*children: str) -> Html:
    """Several children after one another."""
    return Html("".join(map(_child, children)))
