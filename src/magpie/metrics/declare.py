"""How a protocol is declared: its parts, its options, and the function that counts one document.

A counter is a function ``count(part, gold, predicted, options)`` that returns the counts of one
document by type (:data:`Count`). Everything around it is shared: pairing of documents, sums by
type, bootstrap, report. A protocol that must see the whole set first (its labels, its candidates)
names a second function, ``prepare(gold, predicted, options)`` (:data:`Prepare`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from magpie.errors import ConfigError
from magpie.metrics.counts import Value
from magpie.metrics.items import Scored
from magpie.metrics.pairing import Pairing

__all__ = ["AS_FALSE", "Count", "Option", "OptionValue", "Pair", "Prepare", "Prepared", "Protocol"]

OptionValue: TypeAlias = bool | int | float | str | None

#: part, gold, prediction, options -> type -> counts of one document. What stands under the type
#: "" goes into the micro score only.
Count: TypeAlias = Callable[[str, Scored, Scored, Mapping[str, Any]], Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a look at the whole set yields.

    ``options`` is added to what the counter gets, ``notes`` to the report (how many gold items
    were left out and why, which label counts as negative ...). ``swapped`` are the parts for which
    the reproduced evaluator prints precision and recall under each other's name.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, int | str] = field(default_factory=dict)
    swapped: frozenset[str] = frozenset()


#: all gold, all predictions (same order), options -> what the counter needs beyond the options
Prepare: TypeAlias = Callable[[Sequence[Scored], Sequence[Scored], Mapping[str, Any]], Prepared]

#: part, gold, prediction, options -> the items that :data:`Count` counts, and which are pairs.
#: None where the options reproduce a counting that knows no pairs.
Pair: TypeAlias = Callable[[str, Scored, Scored, Mapping[str, Any]], Pairing | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A switch of a protocol. A value other than the default is part of every result.

    ``values`` are those allowed; without them any value of the default's type is.
    """

    name: str
    default: OptionValue
    values: tuple[OptionValue, ...] = ()
    help: str

    def check(self, value: OptionValue) -> OptionValue:
        """The value itself.

        Raises:
            ConfigError: naming the values there are.
        """
        # 1 == True: the type counts too.
        if self.values:
            if any(value == known and type(value) is type(known) for known in self.values):
                return value
            raise ConfigError(
                f"option {self.name} must be one of {_listed(self.values)}, got {value!r}"
            )
        if isinstance(self.default, float) and type(value) is int:
            return float(value)
        if type(value) is not type(self.default):
            wanted = type(self.default).__name__
            raise ConfigError(f"option {self.name} must be a {wanted}, got {value!r}")
        return value

    def parse(self, text: str) -> OptionValue:
        """The value that a command line spells; true, false and none in any case.

        Raises:
            ConfigError: naming the values there are.
        """
        for known in self.values:
            if str(known).casefold() == text.casefold():
                return known
        if self.values:
            return self.check(text)
        if isinstance(self.default, bool):
            if text.casefold() not in ("true", "false"):
                raise ConfigError(f"option {self.name} must be true or false, got {text!r}")
            return text.casefold() == "true"
        try:
            return type(self.default)(text) if isinstance(self.default, int | float) else text
        except ValueError:
            wanted = type(self.default).__name__
            raise ConfigError(f"option {self.name} must be a {wanted}, got {text!r}") from None


#: the switch that every protocol has, for generated outputs (:mod:`magpie.metrics.malformed`)
AS_FALSE = Option(
    name="malformed_as_fp",
    default=False,
    values=(False, True),
    help="Count each malformed item that a parser skipped as a false positive.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What is counted, under which name.

    Attributes:
        name: ends in a version; what it counts never changes under that name.
        parts: the scores it prints together, the first of which is its main one.
        counter: ``module:function`` of a :data:`Count`, imported when it is needed.
        prepare: ``module:function`` of a :data:`Prepare`, if the whole set must be seen first.
        pairing: ``module:function`` of a :data:`Pair`, where the score is one of single items that
            are paired one to one; without it there are no error categories.
        options: the user's switches.
        fixed: what the counter gets besides, and the user cannot change.
        means: the parts whose values are means; all others are counts.
        needs_document: flat lines are refused. The counter then always gets two documents; that
            of a failed or missing prediction has no annotations.
        reads_tags: of a column file it takes the tags as they stand, special ones included.
    """

    name: str
    task: str
    summary: str
    parts: tuple[str, ...]
    counter: str
    prepare: str | None = None
    pairing: str | None = None
    options: tuple[Option, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    means: tuple[str, ...] = ()
    needs_document: bool = False
    reads_tags: bool = False

    @property
    def switches(self) -> tuple[Option, ...]:
        """Its own options, and the one that every protocol has."""
        return (*self.options, AS_FALSE)

    def resolve(self, given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Every option with its value: the given one, or the default.

        The switch that every protocol has is there only when it is on.

        Raises:
            ConfigError: an option it does not have, or a value the option does not have.
        """
        known = {option.name: option for option in self.switches}
        for name in given:
            if name not in known:
                raise ConfigError(
                    f"{self.name} has no option {name!r}",
                    mend=f"Its options are: {', '.join(known)}.",
                )
        values = {
            name: option.check(given.get(name, option.default)) for name, option in known.items()
        }
        if not values[AS_FALSE.name]:
            del values[AS_FALSE.name]
        return values

    def define(self, values: Mapping[str, OptionValue]) -> dict[str, Any]:
        """All that the name and these options mean, for a result that explains itself."""
        return {
            "protocol": self.name,
            "task": self.task,
            "summary": self.summary,
            "parts": list(self.parts),
            "means": list(self.means),
            "options": {
                option.name: {
                    "value": values[option.name],
                    "default": option.default,
                    "help": option.help,
                }
                for option in self.switches
                if option.name in values
            },
            "fixed": dict(self.fixed),
            "counter": self.counter,
        }

    def load_counter(self) -> Count:
        found: Count = _load(self.counter)
        return found

    def load_prepare(self) -> Prepare | None:
        return None if self.prepare is None else _load(self.prepare)

    def load_pairing(self) -> Pair | None:
        return None if self.pairing is None else _load(self.pairing)


def _listed(values: Sequence[OptionValue]) -> str:
    return ", ".join(repr(value) for value in values)


def _load(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
