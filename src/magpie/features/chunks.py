"""A stand-in for a parser that needs no model: noun chunks between words of closed classes.

It knows articles, prepositions, conjunctions, pronouns and auxiliaries by heart and takes every run
of other words for one noun chunk, verbs included. So it finds what stands together and which
preposition joins two neighbours, and nothing that a grammar would tell. Good for tests, probes and
machines without any model; for results name a spaCy pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magpie.features.trees import Sentence

__all__ = ["ChunkParser"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the this that these those my your his her its our their some any no every each"
)
_PREPOSITIONS = _words(
    "about above across after against along among around at before behind below beneath beside "
    "between beyond by down during for from in inside into near of off on onto out outside over "
    "past through to toward towards under until up upon via with within without"
)
_CONJUNCTIONS = _words("and or but nor & plus")
_OTHERS = _words(
    "i you he she it we they me him us them who whom which what where when why how there here "
    "is are was were be been being am do does did has have had will would can could shall should "
    "may might must not n't rt via as if than then so just very too"
)
_STOPS = frozenset((".", "!", "?", "…"))


class ChunkParser:
    """Runs of open-class words: the last is the head, the others its compounds."""

    version = 1

    def fingerprint(self) -> dict[str, Any]:
        return {"chunks": self.version}

    def parse(self, texts: Sequence[Sequence[str]]) -> list[list[Sentence]]:
        return [[_tree(words) for words in _sentences(text)] for text in texts]


def _sentences(words: Sequence[str]) -> list[Sequence[str]]:
    found = []
    begin = 0
    for index, word in enumerate(words):
        last = index + 1 == len(words)
        if last or (word[:1] in _STOPS and words[index + 1][:1] not in _STOPS):
            found.append(words[begin : index + 1])
            begin = index + 1
    return found


def _kind(word: str) -> str:
    small = word.lower()
    if not any(character.isalnum() for character in word):
        return "CCONJ" if small in _CONJUNCTIONS else "PUNCT"
    for tag, known in (
        ("DET", _DETERMINERS),
        ("ADP", _PREPOSITIONS),
        ("CCONJ", _CONJUNCTIONS),
        ("X", _OTHERS),
    ):
        if small in known:
            return tag
    return "PROPN" if word[:1].isupper() else "NOUN"


def _tree(words: Sequence[str]) -> Sentence:
    kinds = [_kind(word) for word in words]
    open_ = [kind in ("NOUN", "PROPN") for kind in kinds]
    last = [
        is_open and not (i + 1 < len(words) and open_[i + 1]) for i, is_open in enumerate(open_)
    ]
    root = next((i for i, is_last in enumerate(last) if is_last), 0)
    heads = list(range(len(words)))
    relations = ["dep"] * len(words)
    #: head of the chunk before, and the preposition or conjunction met since
    before: int | None = None
    joint: int | None = None
    for index in range(len(words)):
        following = next((i for i in range(index, len(words)) if last[i]), None)
        if last[index]:
            if before is None:
                heads[index], relations[index] = index, "ROOT"
            elif joint is not None and kinds[joint] == "ADP":
                heads[index], relations[index] = joint, "pobj"
            elif joint is not None:
                heads[index], relations[index] = before, "conj"
            else:
                heads[index] = before
            before, joint = index, None
        elif open_[index] and following is not None:
            heads[index], relations[index] = following, "compound"
        elif kinds[index] == "DET" and following is not None:
            heads[index], relations[index] = following, "det"
        else:
            heads[index] = root if before is None else before
            if kinds[index] == "PUNCT":
                relations[index] = "punct"
                joint = None
            elif kinds[index] in ("ADP", "CCONJ") and before is not None:
                relations[index] = "prep" if kinds[index] == "ADP" else "cc"
                joint = index
    relations[root] = "ROOT"
    heads[root] = root
    return Sentence(tuple(words), tuple(heads), tuple(relations), tuple(kinds))
