"""YAML as recipes use it: only ``true`` and ``false`` are booleans, as since YAML 1.2.

PyYAML follows 1.1, where ``off``, ``no``, ``on`` and ``yes`` are booleans too; here ``off`` is a
word, and several settings have it among their values.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["PlainLoader", "load_yaml"]

_BOOL = "tag:yaml.org,2002:bool"


class PlainLoader(yaml.SafeLoader):
    """Builds plain values only."""


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainLoader.add_implicit_resolver(
    _BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def load_yaml(text: str) -> Any:
    """The value of a document.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, Loader=PlainLoader)  # noqa: S506 - a safe loader
