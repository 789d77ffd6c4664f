"""Scene graphs from dependency trees, by rules in the manner of SPICE.

Anderson, Fernando, Johnson, Gould: SPICE: Semantic Propositional Image Caption Evaluation, ECCV
2016, after the rules of Schuster et al. (Generating Semantically Precise Scene Graphs from Textual
Descriptions, VL 2015). Nouns with their compounds are things; adjectives, numbers and bare
participles attributes; verbs, prepositions and possession relations. Labels of Universal
Dependencies are understood, and those of spaCy's English pipelines.

====================================  ==============================================
an old man rides a brown horse        man (old), horse (brown); man - ride - horse
a ball thrown by Anna Lee             ball, Anna Lee; Anna Lee - throw - ball
Messi plays for Barcelona             Messi - play for - Barcelona
the cup on the table is red           cup (red); cup - on - table
Anna's dog                            Anna - have - dog
====================================  ==============================================

Conjoined nouns share what is said of either. Pronouns are no things (they are not resolved), a
relative one apart, which stands for its noun; a negated verb says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from magpie.features.scene_graph import SceneGraph, SceneObject, SceneRelation
from magpie.features.trees import Sentence

__all__ = ["scene_from_trees"]

_SUBJECT = ("nsubj",)
_PASSIVE = ("nsubjpass", "nsubj:pass")
_OBJECT = ("dobj", "obj")
_AGENT = ("agent", "obl:agent")
_OBLIQUE = ("obl", "obl:agent", "obl:arg", "obl:tmod", "nmod", "obl:unmarked")
_COMPOUND = ("compound", "flat", "flat:name", "nn")
_MODIFIER = ("amod", "nummod")
_POSSESSIVE = ("poss", "nmod:poss")
_PARTICLE = ("prt", "compound:prt")
_CLAUSE = ("acl", "relcl", "acl:relcl")
_RELATIVE = frozenset(("who", "which", "that", "whom"))
_NOUNS = ("NOUN", "PROPN")
#: labels that only nouns have, where no parts of speech are known
_NOMINAL = frozenset((*_SUBJECT, *_PASSIVE, *_OBJECT, *_POSSESSIVE, "pobj", "obl", "nmod", "attr"))


def scene_from_trees(
    sentences: Sequence[Sentence], places: Sequence[int] | None = None, source: str = ""
) -> SceneGraph:
    """The graph of a text.

    Args:
        sentences: of the text, in order.
        places: number of each word among the document's; they are counted on by default.
        source: of the trees.
    """
    things: list[SceneObject] = []
    relations: list[SceneRelation] = []
    begin = 0
    for sentence in sentences:
        count = len(sentence.words)
        own = range(begin, begin + count) if places is None else places[begin : begin + count]
        rules = _Rules(sentence)
        rules.apply()
        number = {}
        for word in rules.nouns():
            number[word] = len(things)
            # A dict, so that an attribute said twice stands once.
            said = tuple(dict.fromkeys(rules.attributes.get(word, ())))
            first = rules.first(word)
            name = " ".join(sentence.words[first : word + 1])
            things.append(SceneObject(name, said, (own[first], own[word] + 1)))
        relations += [
            SceneRelation(number[subject], number[thing], name)
            for subject, name, thing in dict.fromkeys(rules.found)
            if subject != thing
        ]
        begin += count
    return SceneGraph(tuple(things), tuple(relations), source)


@dataclass(slots=True)
class _Rules:
    """The rules on one sentence; words are numbers in it."""

    tree: Sentence
    attributes: dict[int, list[str]] = field(default_factory=dict)
    found: list[tuple[int, str, int]] = field(default_factory=list)

    def apply(self) -> None:
        for word in range(len(self.tree.words)):
            if self.is_noun(word):
                self.of_noun(word)
            self.of_predicate(word)

    def children(self, word: int, labels: Sequence[str]) -> list[int]:
        tree = self.tree
        return [
            child
            for child, head in enumerate(tree.heads)
            if head == word != child and tree.relations[child].lower() in labels
        ]

    def is_noun(self, word: int) -> bool:
        tree = self.tree
        label = tree.relations[word].lower()
        noun = tree.tag(word) in _NOUNS if tree.tag(word) else label in _NOMINAL
        return noun and not (label in _COMPOUND and self._is_nominal(tree.heads[word]))

    def _is_nominal(self, word: int) -> bool:
        return self.tree.tag(word) in _NOUNS or not self.tree.tag(word)

    def nouns(self) -> list[int]:
        return [word for word in range(len(self.tree.words)) if self.is_noun(word)]

    def first(self, noun: int) -> int:
        """Where a noun with the compounds that stand right before it begins."""
        parts = set(self.children(noun, _COMPOUND))
        for part in tuple(parts):
            parts.update(self.children(part, _COMPOUND))
        while noun - 1 in parts:
            noun -= 1
        return noun

    def alike(self, words: Sequence[int]) -> list[int]:
        """The nouns among these words, each with those it is conjoined with."""
        found = []
        for word in words:
            if self.is_noun(word):
                found += [word, *self.alike(self.children(word, ("conj",)))]
        return found

    def relate(self, subjects: Sequence[int], name: str, things: Sequence[int]) -> None:
        self.found += [
            (s, name, thing) for s in self.alike(subjects) for thing in self.alike(things)
        ]

    def describe(self, nouns: Sequence[int], word: int) -> None:
        for noun in self.alike(nouns):
            said = self.attributes.setdefault(noun, [])
            said += [self.tree.words[w] for w in (word, *self.children(word, ("conj",)))]

    def prepositions(self, word: int) -> Iterator[tuple[str, list[int]]]:
        """(preposition, its nouns) below a word, the agent of a passive left out."""
        tree = self.tree
        for child in self.children(word, ("prep",)):
            # "out of the house": the inner preposition has the noun.
            name, inner = tree.lemma(child), child
            while deeper := self.children(inner, ("prep",)):
                inner = deeper[0]
                name = f"{name} {tree.lemma(inner)}"
            yield name, self.children(inner, ("pobj",))
        for child in self.children(word, _OBLIQUE):
            if tree.relations[child].lower() != "obl:agent" and (
                cases := self.children(child, ("case",))
            ):
                yield " ".join(tree.lemma(case) for case in cases), [child]

    def of_noun(self, noun: int) -> None:
        tree = self.tree
        for modifier in self.children(noun, _MODIFIER):
            self.attributes.setdefault(noun, []).append(tree.words[modifier])
        for owner in self.children(noun, _POSSESSIVE):
            self.relate([owner], "have", [noun])
        for name, things in self.prepositions(noun):
            self.relate([noun], name, things)
        for clause in self.children(noun, ("acl",)):
            empty = not any(head == clause != child for child, head in enumerate(tree.heads))
            if empty and tree.tag(clause) == "VERB":
                self.attributes.setdefault(noun, []).append(tree.words[clause])

    def subjects(self, verb: int, labels: Sequence[str] = _SUBJECT) -> list[int]:
        """Who does it: of its own, else of the verb it is joined to, else the noun it describes."""
        tree = self.tree
        label, head = tree.relations[verb].lower(), tree.heads[verb]
        own = self.children(verb, labels)
        if own:
            relative = [w for w in own if tree.lemma(w) in _RELATIVE]
            return [head] if relative and label in _CLAUSE else own
        if self.children(verb, (*_SUBJECT, *_PASSIVE)) or head == verb:
            return []
        if label in ("conj", "xcomp"):
            return self.subjects(head, labels)
        return [head] if label == "acl" and labels == _SUBJECT else []

    def of_predicate(self, word: int) -> None:
        tree = self.tree
        if self.children(word, ("neg",)) or any(
            tree.lemma(w) in ("not", "n't", "never") for w in self.children(word, ("advmod",))
        ):
            return
        if self.children(word, ("cop",)):
            self.of_copula(word)
        elif tree.tag(word) in ("VERB", "AUX", ""):
            self.of_verb(word)

    def of_copula(self, word: int) -> None:
        """Universal Dependencies: what is said is the head, the verb its child."""
        who = self.subjects(word)
        if not self.is_noun(word):
            self.describe(who, word)
            for name, things in self.prepositions(word):
                self.relate(who, name, things)
        elif cases := self.children(word, ("case",)):
            self.relate(who, " ".join(self.tree.lemma(case) for case in cases), [word])
        else:
            self.relate(who, "be", [word])

    def of_verb(self, verb: int) -> None:
        tree = self.tree
        by = self.agents(verb)
        passive = self.subjects(verb, _PASSIVE)
        who = self.subjects(verb)
        if by and not passive:
            # "a ball thrown by Anna": the noun is what it is done to.
            who, passive = [], who
        name = " ".join(
            (tree.lemma(verb), *(tree.lemma(w) for w in self.children(verb, _PARTICLE)))
        )
        self.relate(who, name, self.children(verb, _OBJECT))
        self.relate(by, name, passive)
        being = tree.lemma(verb) == "be"
        for preposition, things in self.prepositions(verb):
            joined = preposition if being else f"{name} {preposition}"
            self.relate([*who, *passive], joined, things)
        if being:
            self.relate(who, "be", self.children(verb, ("attr",)))
        for said in self.children(verb, ("acomp",)):
            self.describe(who, said)

    def agents(self, verb: int) -> list[int]:
        found = []
        for child in self.children(verb, _AGENT):
            found += self.children(child, ("pobj",)) or [child]
        return found
