"""Names that carry settings: ``captioner:NAME?length=128``, ``pipeline:NAME?steps=20``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from magpie.errors import ConfigError

__all__ = ["name_and_settings"]


def name_and_settings(
    spelled: str, prefix: str, kinds: Mapping[str, Callable[[str], Any]], such_as: str
) -> tuple[str, dict[str, Any]]:
    """The name of a model and what stands behind its question mark.

    Args:
        spelled: ``prefix``, name, and ``?key=value&...`` where there are settings; a value's own
            ``&`` is written ``%26``.
        prefix: what the name begins with.
        kinds: settings that there are, and what reads each.
        such_as: settings for the error to show.

    Raises:
        ConfigError: an unknown setting, or a value that cannot be read.

    Example:
        >>> name_and_settings("captioner:llava?length=9", "captioner:", {"length": int}, "length=9")
        ('llava', {'length': 9})
    """
    name, _, given = spelled.removeprefix(prefix).partition("?")
    settings: dict[str, Any] = {}
    for part in filter(None, given.split("&")):
        key, _, value = part.partition("=")
        try:
            settings[key] = kinds[key](unquote(value))
        except (KeyError, ValueError):
            raise ConfigError(
                f"cannot read {part!r} of {spelled}",
                mend=f"Settings are {', '.join(kinds)}, such as {such_as}.",
            ) from None
    return name, settings
