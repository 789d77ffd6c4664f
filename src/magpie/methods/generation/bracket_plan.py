"""G4 as stages for constrained decoding: labels from their trie, names copied from the source."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

from magpie.errors import ConfigError
from magpie.methods.generation.brackets import BracketText
from magpie.methods.generation.plans import Pieces, Source
from magpie.methods.generation.trees import CLOSE, OPEN, SEPARATOR
from magpie.methods.generation.tries import Node, Stage, Trie, Words

__all__ = ["BracketPlan", "BracketPlans"]

_REGION = re.compile(r"O[0-9]+")
_SENTINEL = re.compile(r"<extra_id_[0-9]+>|<unk>")


@dataclass(frozen=True)
class _Said:
    """What an output said so far: mentions, the event that is open, the label that is open."""

    mentions: frozenset[tuple[Hashable, Hashable]] = frozenset()
    event: str = ""
    label: str = ""


class BracketPlans:
    """G4 for one tokenizer: the tries that all outputs share.

    Args:
        grammar: of mentions, arguments or joint events; a relation between given names is a
            :class:`~magpie.methods.generation.plans.ChoicePlan`.
        pieces: of the tokenizer, which has the sentinels as whole pieces.
        longest: words of a name at most.

    Raises:
        ConfigError: another task, or a sentinel that the tokenizer cuts.
    """

    def __init__(self, grammar: BracketText, pieces: Pieces, *, longest: int = 12) -> None:
        if grammar.task == "relation":
            raise ConfigError("a relation between given names is one of a few outputs")
        self.grammar, self.pieces, self.longest = grammar, pieces, longest
        #: sentinels as they stand behind a word (1) and behind another sentinel (0)
        self.open = [self._sentinel(OPEN, word) for word in (False, True)]
        self.close = [self._sentinel(CLOSE, word) for word in (False, True)]
        self.separator = self._sentinel(SEPARATOR, True)
        self.begin = Trie.of([(pieces(OPEN), "")])
        if self.begin.rest != 1:
            raise ConfigError(f"the tokenizer cuts {OPEN}")
        self.events = self.labels(grammar.roles)
        self.roles = {event: self.labels(roles) for event, roles in grammar.roles.items()}

    def plan(self, source: Source, *, regions: int = 0) -> BracketPlan:
        """The plan of an output about ``source`` and the regions O1 ... On."""
        return BracketPlan(self, source, regions)

    def _sentinel(self, token: str, word: bool) -> Trie:
        """The token with what the tokenizer makes of the blank before it."""
        before = "x" if word else OPEN
        return Trie.of([(self.pieces(f"{before} {token}")[len(self.pieces(before)) :], "")])

    def labels(self, labels: Iterable[str]) -> Trie:
        """The trie of labels."""
        return Trie.of((self.pieces(label), label) for label in labels)


class BracketPlan:
    """One output of G4."""

    def __init__(self, shared: BracketPlans, source: Source, regions: int) -> None:
        self._shared = shared
        self._task = shared.grammar.task
        plain = self._task == "mentions"

        def fits(name: str) -> bool:
            return _SENTINEL.search(name) is None and (plain or not _REGION.fullmatch(name))

        self._words = Words(source.words, source.pieces, fits=fits, longest=shared.longest)
        self._regions = Trie.of(
            (shared.pieces(f"O{number}"), number) for number in range(1, regions + 1)
        )
        self._names = self._words.root()
        self._value = min(self._names.rest, self._regions.rest)
        # Pieces that a sentinel takes behind a word and behind another; tails from behind a
        # record, from behind the last word of a mention and of an argument.
        self._cw, self._cs = shared.close[1].rest, shared.close[0].rest
        self._record = self._cs + 1
        self._mention = self._cw + self._record
        self._argument = self._cw + self._cs + self._record

    def begin(self) -> tuple[list[Stage], bool]:
        return [Stage(self._shared.begin, "outer", _Said(), self._record)], False

    def after(self, stage: Stage, meaning: Hashable) -> tuple[list[Stage], bool]:
        said: _Said = stage.memory
        match stage.name:
            case "end":
                return [], True
            case "outer" | "closed":
                return self._records(said), False
            case "record" | "type" | "separator" | "name" if self._task == "mentions":
                return [self._in_mention(stage.name, said, meaning)], False
            case "role" | "value-separator" | "value":
                return self._in_argument(stage.name, said), False
        return self._in_event(stage.name, said, str(meaning)), False

    def _in_mention(self, name: str, said: _Said, meaning: Hashable) -> Stage:
        shared, words = self._shared, self._cw + self._names.rest
        if name == "record":
            return Stage(self._types(said), "type", said, words + self._mention)
        if name == "type":
            kept = replace(said, label=str(meaning))
            rest = self._free(kept, kept.label).rest
            return Stage(shared.separator, "separator", kept, rest + self._mention)
        if name == "separator":
            return Stage(self._free(said, said.label), "name", said, self._mention)
        kept = replace(said, mentions=said.mentions | {(said.label, meaning)})
        return Stage(shared.close[1], "closed", kept, self._record)

    def _in_event(self, name: str, said: _Said, meaning: str) -> list[Stage]:
        shared = self._shared
        if name == "record":
            return [Stage(shared.events, "event", said, self._behind_event())]
        if name == "event" and self._task == "joint":
            kept = replace(said, event=meaning)
            rest = self._names.rest + self._mention
            return [Stage(shared.separator, "trigger-separator", kept, rest)]
        if name == "trigger-separator":
            return [Stage(self._names, "trigger", said, self._mention)]
        if name == "argument":
            rest = self._cw + self._value + self._argument
            return [Stage(shared.roles[said.event], "role", said, rest)]
        if name == "event":
            said = replace(said, event=meaning)
        return self._arguments(said, word=name != "argument-closed")

    def _in_argument(self, name: str, said: _Said) -> list[Stage]:
        shared = self._shared
        if name == "role":
            rest = self._value + self._argument
            return [Stage(shared.separator, "value-separator", said, rest)]
        if name == "value-separator":
            both: list[Node] = [self._names, self._regions]
            return [Stage(node, "value", said, self._argument) for node in both if node.following]
        return [Stage(shared.close[1], "argument-closed", said, self._cs + self._record)]

    def _records(self, said: _Said) -> list[Stage]:
        """The outer node closes, or a record opens."""
        shared = self._shared
        first, behind = shared.events, self._behind_event()
        if self._task == "mentions":
            first, behind = self._types(said), self._cw + self._names.rest + self._mention
        stages = [Stage(shared.close[0], "end", said, 1)]
        if first.rest + behind < float("inf"):
            stages.append(Stage(shared.open[0], "record", said, first.rest + behind))
        return stages

    def _arguments(self, said: _Said, *, word: bool) -> list[Stage]:
        """The event closes, or an argument opens, behind a word or a sentinel."""
        shared = self._shared
        rest = shared.roles[said.event].rest + self._cw + self._value + self._argument
        stages = [Stage(shared.close[word], "closed", said, self._record)]
        if rest < float("inf"):
            stages.append(Stage(shared.open[word], "argument", said, rest))
        return stages

    def _types(self, said: _Said) -> Trie:
        """The types of which some name is left."""
        types = self._shared.grammar.types
        return self._shared.labels(kind for kind in types if self._free(said, kind).following)

    def _free(self, said: _Said, kind: str) -> Node:
        return self._words.root([name for label, name in said.mentions if label == kind])

    def _behind_event(self) -> float:
        trigger = self._cw + self._names.rest if self._task == "joint" else 0
        return trigger + self._mention
