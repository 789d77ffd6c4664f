"""The head that every page of ours has: its own style, a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from magpie.schema._check import check_text
from magpie.viz._html import Html, element, void

__all__ = ["page_head", "resource"]


def resource(name: str) -> str:
    """A style or script that comes with this package, as text."""
    return resources.files("magpie.viz").joinpath(name).read_text(encoding="utf-8")


def page_head(title: str, style: str, *, script: str | None = None) -> Html:
    """The ``head`` element: title, style, and a content security policy by digest.

    Args:
        title: of the page.
        style: its only style, laid into the head.
        script: the only inline script that may run, which the caller lays into the body; none
            allows no script.

    Raises:
        SchemaError: the title holds what a file cannot carry.
    """
    check_text("title", title)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_source_digest(style)}"
    )
    if script is not None:
        policy += f"; script-src {_source_digest(script)}"
    return element(
        "head",
        void("meta", charset="utf-8"),
        void("meta", **{"http-equiv": "Content-Security-Policy", "content": policy}),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Html(style)),
    )


def _source_digest(text: str) -> str:
    """The form in which a content security policy names an inline style or script."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
