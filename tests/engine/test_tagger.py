"""The tagger: sensible on plain sentences, and independent of what shares its run."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from magpie.engine.embedded.features import pad
from magpie.engine.tagger import DECIMALS, Mention, Tagger, _groups

SENTENCES = [
    "Marie Curie moved from Warsaw to Paris .",
    "breaking : Angela Merkel meets Emmanuel Macron in Berlin tomorrow",
    "good morning everyone !",
    "Real Madrid beat Juventus 4 - 1 in Cardiff",
    "# NBA finals tonight , LeBron James against Stephen Curry",
    "i can not believe microsoft bought it",
    "!",
    "SO PROUD OF MANCHESTER UNITED",
    "New York , Tokyo and São Paulo are on my list , says María García",
]
#: says nothing of anybody
WALK = "and then we walked home slowly and talked about the weather for a while ."
TEXTS = [sentence.split() for sentence in SENTENCES]


def test_plain_sentence(tagger: Tagger) -> None:
    (mentions,) = tagger([TEXTS[0]])
    found = {(" ".join(TEXTS[0][m.start : m.end]), m.type) for m in mentions}
    assert found == {("Marie Curie", "PER"), ("Warsaw", "LOC"), ("Paris", "LOC")}
    for mention in mentions:
        assert 0.5 < mention.score <= 1
        assert mention.score == round(mention.score, DECIMALS)


def test_nothing_and_empty_texts(tagger: Tagger) -> None:
    assert tagger([]) == []
    assert tagger([[]]) == [[]]
    assert tagger([[], TEXTS[0], []])[0] == []
    assert tagger([[], TEXTS[0], []])[1] == tagger([TEXTS[0]])[0]


def test_mentions_are_ordered_and_apart(tagger: Tagger) -> None:
    for words, mentions in zip(TEXTS, tagger(TEXTS), strict=True):
        end = 0
        for mention in mentions:
            assert end <= mention.start < mention.end <= len(words)
            end = mention.end


def test_fine_types_belong_to_the_coarse_type(tagger: Tagger) -> None:
    coarse = {fine.name: fine.coarse for fine in tagger.config.fine_types}
    mentions = [mention for of_text in tagger(TEXTS) for mention in of_text]
    named = [mention for mention in mentions if mention.fine_type is not None]
    assert named
    assert all(coarse[str(mention.fine_type)] == mention.type for mention in named)


def test_no_fine_type_below_the_threshold(model: str) -> None:
    strict = Tagger(model)
    object.__setattr__(strict.config, "fine_threshold", 1.1)
    mentions = strict([TEXTS[0]])[0]
    assert mentions
    assert all(mention.fine_type is None for mention in mentions)


def test_alone_or_among_others_is_the_same(tagger: Tagger) -> None:
    together = tagger(TEXTS)
    assert together == [tagger([words])[0] for words in TEXTS]
    order = list(range(len(TEXTS)))
    random.Random(3).shuffle(order)
    shuffled = tagger([TEXTS[index] for index in order])
    assert shuffled == [together[index] for index in order]


@pytest.mark.parametrize("bucket", [1, 3, 64])
def test_bucket_changes_nothing(model: str, tagger: Tagger, bucket: int) -> None:
    assert Tagger(model, bucket=bucket)(TEXTS) == tagger(TEXTS)


def test_model_scores_are_bitwise_independent_of_the_batch(tagger: Tagger) -> None:
    encoded = [tagger._featurise(words) for words in TEXTS]
    inputs, _ = pad(encoded)
    emissions, fine = tagger._session.run(["emissions", "fine_logits"], inputs)
    for row, text in enumerate(encoded):
        alone = tagger._session.run(["emissions", "fine_logits"], pad([text])[0])
        width = len(text.first)
        assert np.array_equal(emissions[row, :width], alone[0][0])
        assert np.array_equal(fine[row, :width], alone[1][0])


def test_threads_share_one_tagger(tagger: Tagger) -> None:
    expected = tagger(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(tagger, [TEXTS] * 12):
            assert found == expected


def test_long_text_finds_what_short_texts_find(tagger: Tagger) -> None:
    filler = WALK.split()
    sentence = TEXTS[0]
    words: list[str] = []
    places = []
    for _ in range(25):
        places.append(len(words))
        words += sentence + filler
    (mentions,) = tagger([words])
    assert len(tagger._featurise(words).pieces) > 3 * tagger.config.max_pieces
    found = {(mention.start, mention.end, mention.type) for mention in mentions}
    for place in places:
        assert (place, place + 2, "PER") in found
        assert (place + 6, place + 7, "LOC") in found


def test_score_does_not_jump_at_the_length_limit(tagger: Tagger) -> None:
    filler = WALK.split()
    words = TEXTS[0] + filler * 12
    first = [mention for mention in tagger([words])[0] if mention.end <= len(TEXTS[0])]
    assert [(m.start, m.end, m.type) for m in first] == [
        (m.start, m.end, m.type) for m in tagger([TEXTS[0]])[0]
    ]


def test_words_the_tokenizer_drops_keep_their_place(tagger: Tagger) -> None:
    words = ["\u200d", "Marie", "Curie", "\u00a0", "\U0001f680", "in", "Paris"]
    (mentions,) = tagger([words])
    assert Mention(1, 3, "PER", mentions[0].fine_type, mentions[0].score) == mentions[0]
    assert mentions[-1][:3] == (6, 7, "LOC")


def test_a_very_long_word_is_only_one_word(tagger: Tagger) -> None:
    (mentions,) = tagger([["Marie", "Curie", "x" * 100_000, "Paris"]])
    assert all(mention.end <= 4 for mention in mentions)


def test_groups_stay_below_the_limit_and_keep_the_order() -> None:
    lengths = [1, 2, 3, 2000, 3000, 9000]
    groups = list(_groups(range(6), lengths))
    assert groups == [[0, 1, 2], [3], [4], [5]]
    assert list(_groups([], [])) == []
