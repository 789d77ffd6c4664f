"""The YAML of a recipe: its values, the line of every key, and values that replace them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import yaml

from magpie.errors import ConfigError, FormatError
from magpie.methods.typed import Place
from magpie.training.plain_yaml import PlainLoader, load_yaml

__all__ = ["Lines", "read_mapping"]

#: key path -> line, counted from 1
Lines = dict[tuple[str, ...], int]


def read_mapping(text: str, overrides: Sequence[str], file: str) -> tuple[dict[str, Any], Lines]:
    """The mapping that a text holds, and where each of its keys stands.

    Args:
        text: YAML.
        overrides: ``key.path=value``, the value in YAML; a replaced key has no line.
        file: for errors.

    Raises:
        FormatError: no YAML, or no mapping.
        ConfigError: a key that stands twice, or an override that cannot be read.
    """
    try:
        node = yaml.compose(text, Loader=PlainLoader)
        value = load_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark is not None else file
        problem = getattr(error, "problem", None) or "damaged"
        raise FormatError(f"not valid YAML: {problem}", where=where) from error
    if not isinstance(value, dict):
        raise FormatError("expected a mapping of keys", where=file)
    lines: dict[tuple[str, ...], int] = {}
    _note_lines(node, (), lines, file)
    value = copy.deepcopy(value)
    for override in overrides:
        _override(value, override, lines)
    return value, lines


def _note_lines(
    node: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int], file: str
) -> None:
    """Line of every key; YAML would silently take the last of two equal ones."""
    if isinstance(node, yaml.MappingNode):
        for key, part in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                raise Place(file, {here: line}).error(here, "the key stands twice")
            lines[here] = line
            _note_lines(part, here, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, part in enumerate(node.value):
            _note_lines(part, (*path, str(index)), lines, file)


def _override(value: dict[str, Any], text: str, lines: dict[tuple[str, ...], int]) -> None:
    name, equals, given = text.partition("=")
    path = tuple(name.strip().split("."))
    if not equals or not all(path):
        raise ConfigError(f"expected key.path=value, got {text!r}", where="--set")
    try:
        parsed = load_yaml(given)
    except yaml.YAMLError as error:
        raise ConfigError(f"{given!r} is not valid YAML", where=f"--set {name}") from error
    inner = value
    for key in path[:-1]:
        if inner.get(key) is None:
            inner[key] = {}
        inner = inner[key]
        if not isinstance(inner, dict):
            raise ConfigError(f"{key} has no keys below it", where=f"--set {name}")
    inner[path[-1]] = parsed
    for known in [each for each in lines if each[: len(path)] == path]:
        del lines[known]  # a line of the file would mislead
