"""G8, the meta-response of Reamo: extracted tuples, then calls of tools that find them.

``<UIE>(Trump, person)</UIE> <Module>ImageSegmentation</Module> <Instruction>Trump: the man on the
right</Instruction>``. Closing tags may be missing, as in the paper's figure. ``<Region>`` blocks
are reserved and ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from magpie.methods.generation.result import (
    Diagnostics,
    ParseResult,
    Target,
    UnencodableTarget,
)
from magpie.methods.generation.tuples import Element, TupleReader, names_of

__all__ = ["MODULES", "MetaResponse", "Statement", "ToolCall"]

#: names of the tools, and what else they are called; blanks and case do not count
MODULES: Mapping[str, tuple[str, ...]] = {
    "ImageSegmentation": ("imagesegmenter",),
    "VideoTracking": ("videotracker",),
    "AudioSegmentation": ("audiosegmenter",),
}

_TAG = re.compile(r"<(/?)(UIE|Module|Instruction|Region)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One instruction to a tool; ``element`` is the extracted name it looks for, if it says so."""

    module: str
    phrase: str
    element: str | None = None


Statement: TypeAlias = Element | ToolCall


@dataclass(frozen=True)
class MetaResponse:
    """Writes and reads meta-responses.

    Args:
        task: what the tuples are.
        labels: candidate types (entities, events) or relations.
        roles: of events.
    """

    task: Literal["ner", "re", "ee"]
    labels: tuple[str, ...]
    roles: tuple[str, ...] = ()

    def encode(self, items: Sequence[Statement]) -> Target[Statement]:
        """The response: tuples first, then the calls, those of one module in a row together.

        Raises:
            UnencodableTarget: something would not read back, such as a bracket in a name, a tag,
                a comma in a type, an instruction for a name that no tuple has.
        """
        text = self._write(items)
        back = self.parse(text)
        remarks = {code: n for code, n in back.diagnostics.items() if code != "no_trigger"}
        if back.items != tuple(items) or remarks.keys() - {"unlinked_instruction"}:
            raise UnencodableTarget(
                f"the meta-response cannot say {items!r:.200}: {remarks or 'it reads differently'}",
                mend="Leave out names with brackets, tags or labels in them.",
            )
        return Target(items=tuple(items), text=text)

    def parse(self, text: str) -> ParseResult[Statement]:
        """The tuples, then the calls that can be run, in the order of the response."""
        diagnostics = Diagnostics()
        blocks = list(_blocks(text, diagnostics))
        prose = [(at, part) for kind, at, part in blocks if not kind]
        uie = [(at, part) for kind, at, part in blocks if kind == "uie"]
        for at, part in prose:
            diagnostics.note("stray_text", at, part)
        if not uie and any("(" in part for _, part in prose):
            diagnostics.note("repair_no_uie_tag")
            uie = prose
        elif not uie and not any(kind == "module" for kind, _, _ in blocks) and text.strip():
            diagnostics.note("unparsable", 0, text)
        found: list[Statement] = []
        for at, part in uie:
            found += self._reader.read(part, at, diagnostics)
        known = {name.casefold(): name for item in found for name in names_of(item)}
        found += _calls(blocks, known, diagnostics)
        return ParseResult(tuple(found), diagnostics, text)

    def _write(self, items: Sequence[Statement]) -> str:
        tuples = [item for item in items if not isinstance(item, ToolCall)]
        lines = [f"<UIE>{''.join(self._reader.write(item) for item in tuples)}</UIE>"]
        last = None
        for item in items:
            if isinstance(item, ToolCall):
                if item.module != last:
                    lines.append(f"<Module>{item.module}</Module>")
                last = item.module
                told = item.phrase if item.element is None else f"{item.element}: {item.phrase}"
                lines.append(f"<Instruction>{told}</Instruction>")
        return "\n".join(lines)

    @cached_property
    def _reader(self) -> TupleReader:
        return TupleReader(self.task, self.labels, self.roles)


def _blocks(text: str, diagnostics: Diagnostics) -> Iterator[tuple[str, int, str]]:
    """(kind, offset, content) of each block; kind "" is text outside of all blocks."""
    kind, begin = "", 0
    for tag in _TAG.finditer(text):
        closing, name = tag.group(1), tag.group(2).casefold()
        yield from _block(kind, begin, text[begin : tag.start()])
        if kind and not (closing and name == kind):
            diagnostics.note("repair_unclosed_tag", begin, kind)
        kind = "" if closing else name
        begin = tag.end()
    yield from _block(kind, begin, text[begin:])
    if kind:
        diagnostics.note("repair_unclosed_tag", begin, kind)


def _block(kind: str, at: int, content: str) -> Iterator[tuple[str, int, str]]:
    if kind or content.strip():
        yield kind, at, content


def _calls(
    blocks: Sequence[tuple[str, int, str]], known: Mapping[str, str], diagnostics: Diagnostics
) -> Iterator[ToolCall]:
    """The instructions of each module; ``known`` are the extracted names by their folded form."""
    module: str | None = None
    named = waiting = False
    for kind, at, part in [*blocks, ("module", 0, "")]:
        if kind == "module":
            if waiting:
                diagnostics.note("empty_call", at, module)
            module = _module(part)
            named, waiting = bool(part.strip()), module is not None
            if part.strip() and module is None:
                diagnostics.note("unknown_module", at, part)
        elif kind == "instruction" and not named:
            diagnostics.note("instruction_without_module", at, part)
        elif kind == "instruction" and module is not None:
            call = _call(module, part.strip(), known)
            if not call.phrase:
                diagnostics.note("empty_span", at, part)
                continue
            waiting = False
            if call.element is None:
                diagnostics.note("unlinked_instruction", at, part)
            yield call


def _module(text: str) -> str | None:
    wanted = "".join(text.split()).casefold()
    for name, others in MODULES.items():
        if wanted in (name.casefold(), *others):
            return name
    return None


def _call(module: str, text: str, known: Mapping[str, str]) -> ToolCall:
    """The element is what stands before a colon and was extracted, the longest if several are."""
    for colon in [place for place, char in enumerate(text) if char == ":"][::-1]:
        element = known.get(text[:colon].strip().casefold())
        if element is not None:
            return ToolCall(module, text[colon + 1 :].strip(), element)
    return ToolCall(module, text.rpartition(":")[2].strip())
