"""Trees annotated by hand, and spaCy pipelines that hand them out."""

from __future__ import annotations

import itertools
from typing import Any

from magpie.features.trees import Sentence

_NUMBERS = itertools.count()

#: (word, head, label, tag, lemma); heads are counted within the sentence, a root names itself
Row = tuple[str, int, str, str, str]

RIDER: tuple[Row, ...] = (
    ("An", 2, "det", "DET", "an"),
    ("old", 2, "amod", "ADJ", "old"),
    ("man", 3, "nsubj", "NOUN", "man"),
    ("rides", 3, "ROOT", "VERB", "ride"),
    ("a", 6, "det", "DET", "a"),
    ("brown", 6, "amod", "ADJ", "brown"),
    ("horse", 3, "dobj", "NOUN", "horse"),
    ("on", 3, "prep", "ADP", "on"),
    ("the", 9, "det", "DET", "the"),
    ("beach", 7, "pobj", "NOUN", "beach"),
    (".", 3, "punct", "PUNCT", "."),
)
THROWN: tuple[Row, ...] = (
    ("A", 1, "det", "DET", "a"),
    ("ball", 1, "ROOT", "NOUN", "ball"),
    ("thrown", 1, "acl", "VERB", "throw"),
    ("by", 2, "agent", "ADP", "by"),
    ("Anna", 5, "compound", "PROPN", "Anna"),
    ("Lee", 3, "pobj", "PROPN", "Lee"),
)


def tree(rows: tuple[Row, ...]) -> Sentence:
    """The sentence of annotated rows."""
    words, heads, labels, tags, lemmas = zip(*rows, strict=True)
    return Sentence(words, heads, labels, tags, lemmas)


def pipeline(*sentences: tuple[Row, ...]) -> Any:
    """A blank spaCy pipeline whose parser knows just these sentences, in this order in any text.

    The trees are annotated on the text spaCy was given, so sentences, offsets and labels take the
    road that a trained parser's take.
    """
    import spacy

    nlp = spacy.blank("en")

    def annotate(doc: Any) -> Any:
        begin = 0
        while begin < len(doc):
            rows = next(
                rows
                for rows in sentences
                if [row[0] for row in rows] == [t.text for t in doc[begin : begin + len(rows)]]
            )
            for word, (_, head, label, tag, lemma) in enumerate(rows):
                token = doc[begin + word]
                token.head, token.dep_ = doc[begin + head], label
                token.pos_, token.lemma_ = tag, lemma
            begin += len(rows)
        return doc

    # spaCy keeps one component a name.
    name = f"by_hand_{next(_NUMBERS)}"
    spacy.language.Language.component(name, func=annotate)
    nlp.add_pipe(name)
    return nlp
