"""Sentences as dependency trees: what scene graphs of texts and graphs of words are made from.

========================  ======================================================================
``spacy:NAME``            a spaCy pipeline, by the name of an installed package or by folder
``chunks``                :class:`ChunkParser`: closed word classes and nothing learnt
``mega-combined``         edges of words that were published for MNRE 1; no scenes
any other                 what was handed in under that name
========================  ======================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from magpie._optional import require
from magpie.errors import ConfigError, ModelError
from magpie.features.chunks import ChunkParser
from magpie.features.trees import Sentence

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

__all__ = ["SPACY", "Parser", "Parsers", "SpacyParser"]

#: what the name of a spaCy pipeline begins with
SPACY = "spacy:"


class Parser(Protocol):
    """Cuts texts into sentences and gives each its tree. The words are as they came."""

    def fingerprint(self) -> dict[str, Any]:
        """What decides the trees beside the words, as JSON.

        Raises:
            ModelError: a model is not on this machine.
        """
        ...

    def parse(self, texts: Sequence[Sequence[str]]) -> list[list[Sentence]]:
        """The sentences of each text, in order; together they hold all of its words."""
        ...


class SpacyParser:
    """A spaCy pipeline with a dependency parser, over words that are cut already.

    Args:
        pipeline: its package, its folder, or the pipeline itself.

    Raises:
        MissingExtraError: spaCy is not installed.
        ModelError: no such pipeline is on this machine, or it has no dependency parser (when it
            first parses).
    """

    def __init__(self, pipeline: str | Language) -> None:
        spacy = require("spacy", "parsing texts")
        if isinstance(pipeline, str):
            try:
                pipeline = spacy.load(pipeline)
            except (OSError, ValueError) as error:
                raise ModelError(
                    f"no spaCy pipeline of this name or folder: {str(error).splitlines()[0]:.120}",
                    where=str(pipeline),
                    mend=f"Install one: python -m spacy download {pipeline}; or name its folder. "
                    "Without any, parser 'chunks' needs no model.",
                ) from error
        self.pipeline: Language = cast("Language", pipeline)
        self._fingerprint: dict[str, Any] = {}

    def fingerprint(self) -> dict[str, Any]:
        if not self._fingerprint:
            meta = self.pipeline.meta
            # Strings that were met while parsing are kept in the vocabulary, and decide nothing.
            body = self.pipeline.to_bytes(exclude=["vocab"])
            self._fingerprint = {
                "spacy": f"{meta.get('lang')}_{meta.get('name')} {meta.get('version')}",
                "pipeline": hashlib.sha256(body).hexdigest(),
            }
        return self._fingerprint

    def parse(self, texts: Sequence[Sequence[str]]) -> list[list[Sentence]]:
        from spacy.tokens import Doc

        given = [Doc(self.pipeline.vocab, words=list(words)) for words in texts]
        return [self._sentences(doc) for doc in self.pipeline.pipe(given)]

    def _sentences(self, doc: Doc) -> list[Sentence]:
        if not len(doc):
            return []
        if not doc.has_annotation("DEP"):
            raise ModelError(
                "the spaCy pipeline gives no dependencies: it has the components "
                f"{', '.join(self.pipeline.pipe_names) or 'none'}",
                code="model-mismatch",
                mend="Take one with a parser, such as en_core_web_sm.",
            )
        return [
            Sentence(
                words=tuple(token.text for token in sentence),
                # Counted through the text by spaCy; here they begin with the sentence.
                heads=tuple(token.head.i - sentence.start for token in sentence),
                relations=tuple(token.dep_ for token in sentence),
                tags=tuple(token.pos_ for token in sentence),
                lemmas=tuple(token.lemma_ or token.lower_ for token in sentence),
            )
            for sentence in doc.sents
        ]


@dataclass(slots=True)
class Parsers:
    """Finds parsers by name and keeps them.

    Args:
        given: handed in, by name.
    """

    given: Mapping[str, Parser] | None = None

    def __post_init__(self) -> None:
        self.given = {"chunks": ChunkParser(), **(self.given or {})}

    def parser(self, name: str) -> Parser:
        """The parser of that name.

        Raises:
            ConfigError: there is none.
            MissingExtraError, ModelError: as :class:`SpacyParser`.
        """
        known = cast(dict[str, Parser], self.given)
        if name in known:
            return known[name]
        if name.startswith(SPACY) and len(name) > len(SPACY):
            known[name] = SpacyParser(name.removeprefix(SPACY))
            return known[name]
        raise ConfigError(
            f"nobody parses under the name {name!r}",
            mend=f"There are: {', '.join(sorted(known))}, and spacy:NAME for a spaCy pipeline.",
        )
