"""Scores of tag sequences: hand values, the oracle of seqeval 1.2.2, and the public counts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from magpie.errors import ComparisonError, ConfigError, FormatError
from magpie.metrics.counts import Counts
from magpie.metrics.sequences import PUBLIC_SCORERS, SPECIAL_TAGS, score_sentences, score_tags
from magpie.text.tags import decode_tags

GOLD = ["O", "B-PER", "I-PER", "O", "B-LOC"]


def micro(*args: Any, **options: Any) -> Counts:
    return sum(score_tags(*args, **options).values(), Counts())


def prf(*args: Any, **options: Any) -> tuple[float, float, float]:
    counts = micro(*args, **options)
    return counts.precision, counts.recall, counts.f1


# -- worked examples of the published scorers


def test_a_special_tag_that_is_kept_is_a_false_positive() -> None:
    predicted = ["O", "B-PER", "I-PER", "X", "B-LOC"]
    assert prf([GOLD], [predicted], special="keep") == pytest.approx((2 / 3, 1.0, 0.8))
    assert score_tags([GOLD], [predicted], special="keep")["X"] == Counts(predicted=1)
    assert prf([GOLD], [predicted]) == (1.0, 1.0, 1.0)


def test_a_special_tag_inside_an_entity_cuts_it() -> None:
    predicted = ["O", "B-PER", "X", "O", "B-LOC"]
    assert prf([GOLD], [predicted], special="keep") == pytest.approx((1 / 3, 1 / 2, 0.4))
    assert prf([GOLD], [predicted], special="keep", scheme="seqeval") == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("predicted", "chunks"),
    [
        ("O X O", {}),
        ("O X B-LOC", {"_": 1, "LOC": 1}),
        ("B-PER X O", {"PER": 1}),
        ("O [SEP] O", {"SEP]": 1}),
        ("O PAD O", {"AD": 1}),
        ("X X X", {}),
        ("SEP SEP O", {"EP": 2}),
    ],
)
def test_the_quirk_of_seqeval(predicted: str, chunks: dict[str, int]) -> None:
    tags = predicted.split()
    counts = score_tags([["O"] * 3], [tags], special="keep", scheme="seqeval")
    assert {kind: c.predicted for kind, c in counts.items()} == chunks


def test_kept_special_tags_are_chunks_named_after_themselves() -> None:
    for tag in SPECIAL_TAGS:
        assert score_tags([["O"] * 3], [["O", tag, "O"]], special="keep") == {
            tag: Counts(predicted=1)
        }


def test_an_orphan_opens_a_chunk_unless_strict() -> None:
    gold, predicted = ["O", "I-PER", "I-PER", "O"], ["O", "B-PER", "I-PER", "O"]
    assert prf([gold], [predicted])[2] == 1.0
    assert prf([gold], [predicted], scheme="strict") == (0.0, 0.0, 0.0)
    assert score_tags([gold], [predicted], scheme="strict") == {"PER": Counts(predicted=1)}


def test_concatenated_sentences_run_into_each_other() -> None:
    gold = [["O", "B-PER"], ["I-PER", "O"]]
    assert micro(gold, gold) == Counts(2, 2, 2)
    assert micro(gold, gold, sentences="concatenated") == Counts(1, 1, 1)
    # The prediction ends one word early: one of two chunks, or none of one.
    predicted = [["O", "B-PER"], ["O", "O"]]
    assert micro(gold, predicted) == Counts(gold=2, predicted=1, correct=1)
    assert micro(gold, predicted, sentences="concatenated") == Counts(gold=1, predicted=1)


def test_adaseq_reads_touching_chunks_of_mixed_types_as_one() -> None:
    gold = ["O", "B-PER", "I-LOC", "I-LOC", "B-LOC", "O", "I-ORG"]
    assert score_tags([gold], [gold], scheme="spans") == {
        "LOC": Counts(gold=2, predicted=2, correct=1),
        "ORG": Counts(gold=1, predicted=1, correct=1),
        "PER": Counts(predicted=1),
    }
    bioes = ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "O", "S-ORG"]
    assert micro([gold], [bioes], scheme="spans") == Counts(3, 3, 3)


def test_positions_whose_gold_tag_is_special_are_not_scored() -> None:
    gold = ["[CLS]", "B-PER", "X", "X", "I-PER", "O", "[SEP]"]
    predicted = ["B-LOC", "B-PER", "B-LOC", "O", "I-PER", "X", "I-PER"]
    assert score_tags([gold], [predicted]) == {"PER": Counts(1, 1, 1)}
    assert score_tags([gold], [predicted], special="keep") == {
        "PER": Counts(1, 1, 1),
        "X": Counts(predicted=1),
    }
    # With them the entity of two words falls apart, and predictions on pieces count.
    assert micro([gold], [predicted], ignore=()) == Counts(2, 5, 2)


def test_ignored_tags_may_have_any_form() -> None:
    gold = [["-100", "B-PER", "-100"], ["-100"]]
    predicted = [["B-LOC", "B-PER", "I-PER"], ["O"]]
    assert score_tags(gold, predicted, ignore={"-100"}) == {"PER": Counts(1, 1, 1)}


def test_every_repository_agrees_on_well_formed_tags() -> None:
    gold = [GOLD, ["B-ORG", "O"], []]
    predicted = [["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["B-LOC", "O"], []]
    expected = {
        "LOC": Counts(gold=1, predicted=2),
        "ORG": Counts(gold=1),
        "PER": Counts(1, 1, 1),
    }
    assert set(PUBLIC_SCORERS) == {"umt", "hvpnet", "mkgformer", "umgf", "adaseq"}
    for options in PUBLIC_SCORERS.values():
        assert score_tags(gold, predicted, **options) == expected


def test_public_scorers_differ_on_the_rest() -> None:
    gold = [["B-PER", "O"], ["I-PER", "B-LOC"]]
    predicted = [["B-PER", "O"], ["I-PER", "X"]]
    scores = {name: micro(gold, predicted, **rule) for name, rule in PUBLIC_SCORERS.items()}
    assert scores == {
        "umt": Counts(3, 3, 2),  # the X is a chunk
        "hvpnet": Counts(3, 2, 2),  # the X is none, and O follows
        "mkgformer": Counts(3, 2, 2),
        "umgf": Counts(3, 2, 2),
        "adaseq": Counts(3, 2, 2),
    }


# -- errors


def test_differing_sentences_are_refused() -> None:
    with pytest.raises(ComparisonError, match="2 gold sentences, 1 predicted") as caught:
        score_tags([["O"], ["O"]], [["O"]])
    assert caught.value.code == "compare-alignment"
    with pytest.raises(ComparisonError, match="sentence 1 has 2 gold tags, 1 predicted"):
        score_tags([["O"], ["O", "O"]], [["O"], ["O"]])


@pytest.mark.parametrize("side", ["gold", "predicted"])
def test_a_bad_tag_is_located(side: str) -> None:
    good, bad = [["O"], ["O", "B-PER"]], [["O"], ["O", "PER"]]
    with pytest.raises(FormatError, match="'PER' at word 1") as caught:
        score_tags(*((bad, good) if side == "gold" else (good, bad)))
    assert caught.value.where == f"{side} sentence 1"
    assert caught.value.code == "format-tags"


@pytest.mark.parametrize("option", ["special", "sentences", "scheme"])
def test_unknown_options_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be .*, got 'x'"):
        score_tags([], [], **{option: "x"})


def test_nothing_scores_nothing() -> None:
    assert score_tags([], []) == {}
    assert score_tags([[], []], [[], []]) == {}
    assert score_tags([["O"]], [["O"]], scheme="seqeval") == {}


# -- oracles

BIO = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-a-b", "I-a-b"])
BIOES = BIO | st.sampled_from(["E-PER", "S-PER", "E-LOC", "S-LOC"])
WITH_SPECIAL = BIOES | st.sampled_from(sorted(SPECIAL_TAGS))


def pairs(tags: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[list[list[str]], ...]]:
    """Gold and predicted tags of up to four sentences."""
    sentence = st.lists(st.tuples(tags, tags), max_size=8)
    return st.lists(sentence, max_size=4).map(
        lambda sentences: tuple([[t[side] for t in s] for s in sentences] for side in (0, 1))
    )


def counted(gold: set[tuple[Any, ...]], predicted: set[tuple[Any, ...]]) -> dict[str, Counts]:
    """Counts by type of two sets whose items carry the type in front."""
    kinds = {item[0] for item in gold | predicted}
    return {
        kind: Counts(
            sum(item[0] == kind for item in gold),
            sum(item[0] == kind for item in predicted),
            sum(item[0] == kind for item in gold & predicted),
        )
        for kind in kinds
    }


@pytest.fixture(autouse=True)
def _quiet_seqeval() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*seems not to be NE tag")
        yield


@given(pairs(WITH_SPECIAL))
@settings(deadline=None)
def test_equals_seqeval_in_its_default_mode(case: tuple[list[list[str]], ...]) -> None:
    gold, predicted = case
    theirs = counted(set(get_entities(gold)), set(get_entities(predicted)))
    assert score_tags(gold, predicted, special="keep", scheme="seqeval", ignore=()) == theirs


@given(pairs(BIOES))
@settings(deadline=None)
def test_lenient_equals_seqeval_without_special_tags(case: tuple[list[list[str]], ...]) -> None:
    gold, predicted = case
    theirs = counted(set(get_entities(gold)), set(get_entities(predicted)))
    assert score_tags(gold, predicted) == theirs


@given(pairs(BIO))
@settings(deadline=None)
def test_strict_equals_seqeval_in_strict_mode(case: tuple[list[list[str]], ...]) -> None:
    def chunks(tags: Sequence[Sequence[str]]) -> set[tuple[Any, ...]]:
        found = (entity for sentence in Entities(tags, IOB2).entities for entity in sentence)
        return {(e.tag, e.sent_id, e.start, e.end) for e in found}

    gold, predicted = case
    theirs = counted(chunks(gold), chunks(predicted))
    assert score_tags(gold, predicted, scheme="strict") == theirs


@given(pairs(BIOES), st.sampled_from(["lenient", "strict"]), st.booleans())
@settings(deadline=None)
def test_arrays_equal_the_decoder(
    case: tuple[list[list[str]], ...], scheme: Any, separate: bool
) -> None:
    def chunks(sentences: list[list[str]]) -> set[tuple[Any, ...]]:
        if not separate:
            sentences = [[tag for sentence in sentences for tag in sentence]]
        return {
            (*chunk, number)
            for number, sentence in enumerate(sentences)
            for chunk in decode_tags(sentence, scheme=scheme)
        }

    gold, predicted = case
    sentences: Any = "separate" if separate else "concatenated"
    ours = score_tags(gold, predicted, scheme=scheme, sentences=sentences)
    assert ours == counted(chunks(gold), chunks(predicted))


def test_each_sentence_by_itself() -> None:
    gold = [["O", "B-PER"], [], ["B-LOC", "O"], ["X"]]
    predicted = [["O", "B-PER"], [], ["I-PER", "B-LOC"], ["B-PER"]]
    assert score_sentences(gold, predicted) == [
        {"PER": Counts(1, 1, 1)},
        {},
        {"LOC": Counts(1, 1, 0), "PER": Counts(0, 1, 0)},
        {},
    ]
    # Run together, the chunk that ends in the third sentence began in the first.
    assert score_sentences(gold, predicted, sentences="concatenated") == [
        {"PER": Counts(1, 0, 0)},
        {},
        {"LOC": Counts(1, 1, 0), "PER": Counts(0, 1, 0)},
        {},
    ]
    assert score_sentences([], []) == []


@pytest.mark.parametrize("options", [*PUBLIC_SCORERS.values(), {"scheme": "strict"}])
@given(case=pairs(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "X", "[SEP]"])))
def test_sentences_add_up_to_the_whole(
    options: dict[str, Any], case: tuple[list[list[str]], ...]
) -> None:
    total: dict[str, Counts] = {}
    for counts in score_sentences(*case, **options):
        for kind, more in counts.items():
            total[kind] = total.get(kind, Counts()) + more
    assert total == score_tags(*case, **options)


@given(pairs(WITH_SPECIAL))
@settings(deadline=None)
def test_ignoring_is_leaving_out(case: tuple[list[list[str]], ...]) -> None:
    gold, predicted = case
    kept = [
        [(g, p) for g, p in zip(*sentence, strict=True) if g not in SPECIAL_TAGS]
        for sentence in zip(gold, predicted, strict=True)
    ]
    short_gold = [[g for g, _ in sentence] for sentence in kept]
    short_predicted = [[p for _, p in sentence] for sentence in kept]
    for options in PUBLIC_SCORERS.values():
        assert score_tags(gold, predicted, **options) == score_tags(
            short_gold, short_predicted, **options, ignore=()
        )


# -- the public files


def read_tags(path: Path) -> list[list[str]]:
    """Tags of an IMGID file, without the project's readers."""
    sentences: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("IMGID:"):
            sentences.append([])
        elif "\t" in line:
            sentences[-1].append(line.rpartition("\t")[2])
    return sentences


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("file", "lenient", "strict", "spans"),
    [
        ("twitter2015/train.txt", 6352, 6166, 6341),
        ("twitter2015/valid.txt", 1594, 1541, 1593),
        ("twitter2015/test.txt", 5207, 5072, 5201),
        ("twitter2017/train.txt", 6049, 6049, 6049),
        ("twitter2017/valid.txt", 1324, 1324, 1324),
        ("twitter2017/test.txt", 1351, 1351, 1351),
    ],
)
def test_gold_counts_of_the_public_files(
    data_dir: Path, file: str, lenient: int, strict: int, spans: int
) -> None:
    tags = read_tags(data_dir / file)
    assert micro(tags, tags) == Counts(lenient, lenient, lenient)
    assert micro(tags, tags, sentences="concatenated").gold == lenient
    assert micro(tags, tags, scheme="seqeval").gold == lenient
    assert micro(tags, tags, scheme="strict").gold == strict
    assert micro(tags, tags, scheme="spans").gold == spans


@pytest.mark.corpus
def test_gold_counts_by_type(data_dir: Path) -> None:
    tags = read_tags(data_dir / "twitter2015" / "test.txt")
    by_type = {kind: counts.gold for kind, counts in score_tags(tags, tags).items()}
    assert by_type == {"PER": 1873, "LOC": 1720, "ORG": 860, "OTHER": 754}
    by_type = {k: c.gold for k, c in score_tags(tags, tags, scheme="strict").items()}
    assert by_type == {"PER": 1816, "LOC": 1697, "ORG": 839, "OTHER": 720}
