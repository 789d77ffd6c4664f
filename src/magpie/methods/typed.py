"""Plain values from a file -> frozen dataclasses; whatever does not fit names its place.

Only what settings are made of: numbers, texts, switches, choices, tuples, mappings and other
dataclasses. Checks between fields are the dataclasses' own (``__post_init__``).
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from magpie.errors import ConfigError, MagpieError

__all__ = ["Place", "build"]

T = TypeVar("T")
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where values come from: a file and the line of each key path."""

    file: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """``file:line key.path``, as far as known."""
        line = next(
            (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0
        )
        where = f"{self.file}:{line}" if self.file and line else self.file
        return " ".join(part for part in (where, ".".join(path)) if part)

    def error(self, path: Path, message: str, mend: str = "") -> ConfigError:
        """``config-value`` at this key."""
        return ConfigError(message, where=self.of(path), mend=mend)

    def unknown(self, path: Path, allowed: Iterable[str]) -> ConfigError:
        """A key that nobody reads."""
        names = sorted(allowed)
        near = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.5)
        mend = f"Did you mean {near[0]!r}? " if near else ""
        return self.error(path, f"unknown key {path[-1]!r}", f"{mend}Keys are: {', '.join(names)}.")


def build(
    cls: type[T],
    value: Any,
    place: Place,
    path: Path = (),
    *,
    without: Iterable[str] = (),
    given: Mapping[str, Any] | None = None,
) -> T:
    """An instance of the dataclass ``cls``.

    Args:
        value: a mapping of its fields; None is an empty one.
        place, path: where the mapping stands, for messages.
        without: fields that must not be given here.
        given: fields that are set already, with their final values.

    Raises:
        ConfigError: an unknown key, a value of the wrong type or outside the choices, a missing
            key, or whatever the dataclass itself refuses.
    """
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        raise place.error(path, f"expected a mapping of keys, got {value!r:.60}")
    ready = dict(given or {})
    hidden = {*without, *ready}
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.name not in hidden}  # type: ignore[arg-type]
    for name, part in value.items():
        here = (*path, str(name))
        if name not in fields:
            raise place.unknown(here, fields)
        ready[name] = _value(hints[name], part, place, here)
    for name, each in fields.items():
        required = (
            each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        )
        if required and name not in ready:
            raise place.error((*path, name), f"the key {name!r} is missing")
    try:
        return cls(**ready)
    except MagpieError as error:
        raise error.at(place.of(path)) if place.of(path) else error from None


def _value(kind: Any, value: Any, place: Place, path: Path) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin is typing.Literal:
        if value in arguments and any(value == a and type(value) is type(a) for a in arguments):
            return value
        raise _choice(value, arguments, place, path)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value, place, path)
    if origin is tuple:
        return _tuple(arguments, value, place, path)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise place.error(path, f"expected a mapping, got {value!r:.60}")
        return {str(k): _value(arguments[1], v, place, (*path, str(k))) for k, v in value.items()}
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, place, path)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        choices = tuple(member.value for member in kind)
        if value not in choices:
            raise _choice(value, choices, place, path)
        return kind(value)
    return _scalar(kind, value, place, path)


def _union(arguments: tuple[Any, ...], value: Any, place: Place, path: Path) -> Any:
    if value is None and type(None) in arguments:
        return None
    problems: list[MagpieError] = []
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return _value(argument, value, place, path)
        except ConfigError as error:
            problems.append(error)
    raise problems[0]


def _tuple(arguments: tuple[Any, ...], value: Any, place: Place, path: Path) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise place.error(path, f"expected a list, got {value!r:.60}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    elif len(arguments) != len(value):
        raise place.error(path, f"expected {len(arguments)} values, got {len(value)}")
    return tuple(
        _value(kind, part, place, (*path, str(index)))
        for index, (kind, part) in enumerate(zip(arguments, value, strict=True))
    )


def _scalar(kind: Any, value: Any, place: Place, path: Path) -> Any:
    if kind is float and not isinstance(value, bool):
        # YAML takes 1e-5 for a text: its numbers need a point.
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return number
    elif kind is bool or isinstance(value, bool):
        if kind is bool and isinstance(value, bool):
            return value
    elif isinstance(value, kind):
        return value
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    raise place.error(path, f"expected {names.get(kind, kind)}, got {value!r:.60}")


def _choice(value: Any, choices: tuple[Any, ...], place: Place, path: Path) -> ConfigError:
    shown = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(value), shown, n=1, cutoff=0.5)
    mend = f"Did you mean {near[0]!r}?" if near else ""
    return place.error(path, f"expected one of {', '.join(shown)}, got {value!r}", mend)
