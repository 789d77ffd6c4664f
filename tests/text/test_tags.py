"""Tag schemes: hand values, round trips, and seqeval as an independent oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Entities

from magpie.errors import FormatError
from magpie.text.tags import (
    ORPHAN,
    Chunk,
    Scheme,
    convert_tags,
    decode_tags,
    detect_scheme,
    encode_tags,
)

SCHEMES: tuple[Scheme, ...] = ("IOB1", "BIO", "BIOES", "BILOU")

BIO_TAGS = st.lists(
    st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-sports-team", "I-sports-team"]),
    max_size=14,
)
ANY_TAGS = st.lists(
    st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("A", "B-c"))]),
    max_size=14,
)


@st.composite
def sentences(draw: st.DrawFn) -> tuple[int, list[Chunk]]:
    """A number of words and chunks that do not overlap, some of them touching."""
    length = draw(st.integers(0, 16))
    chunks = []
    position = 0
    while position < length:
        position += draw(st.integers(0, 2))
        end = position + draw(st.integers(1, 4))
        if end > length:
            break
        chunks.append((draw(st.sampled_from(["PER", "LOC", "x-y"])), position, end))
        position = end
    return length, chunks


def test_lenient_opens_a_chunk_at_any_tag_that_continues_nothing() -> None:
    assert decode_tags(["O", "I-PER", "I-PER", "O"]) == [("PER", 1, 3)]
    assert decode_tags(["B-PER", "I-LOC", "I-LOC"]) == [("PER", 0, 1), ("LOC", 1, 3)]
    assert decode_tags(["B-PER", "B-PER", "I-PER"]) == [("PER", 0, 1), ("PER", 1, 3)]
    assert decode_tags(["I-PER", "O", "I-PER"]) == [("PER", 0, 1), ("PER", 2, 3)]


def test_strict_opens_a_chunk_only_at_b() -> None:
    def strict(*tags: str) -> list[Chunk]:
        return decode_tags(tags, scheme="strict")

    assert strict("O", "I-PER", "I-PER", "O") == []
    assert strict("B-PER", "I-LOC", "I-LOC") == [("PER", 0, 1)]
    assert strict("B-PER", "I-LOC", "I-PER") == [("PER", 0, 1)]
    assert strict("O", "B-PER", "I-PER", "B-PER") == [("PER", 1, 3), ("PER", 3, 4)]


def test_e_and_s_close_their_chunk() -> None:
    tags = ["B-PER", "E-PER", "I-PER", "S-LOC", "E-LOC", "B-ORG"]
    assert decode_tags(tags) == [
        ("PER", 0, 2),
        ("PER", 2, 3),
        ("LOC", 3, 4),
        ("LOC", 4, 5),
        ("ORG", 5, 6),
    ]
    assert decode_tags(tags, scheme="strict") == [("PER", 0, 2), ("LOC", 3, 4), ("ORG", 5, 6)]


def test_bilou_is_read_by_the_same_rules() -> None:
    tags = ["B-PER", "L-PER", "I-PER", "U-LOC", "L-LOC", "B-ORG"]
    chunks = [("PER", 0, 2), ("PER", 2, 3), ("LOC", 3, 4), ("LOC", 4, 5), ("ORG", 5, 6)]
    assert decode_tags(tags) == chunks
    assert decode_tags(tags, scheme="strict") == [chunks[0], chunks[2], chunks[4]]
    assert convert_tags(tags, "BIOES") == ["B-PER", "E-PER", "S-PER", "S-LOC", "S-LOC", "S-ORG"]


def test_complete_wants_every_chunk_closed() -> None:
    def complete(*tags: str) -> list[Chunk]:
        return decode_tags(tags, scheme="complete")

    assert complete("B-PER", "I-PER", "E-PER", "S-LOC") == [("PER", 0, 3), ("LOC", 3, 4)]
    assert complete("B-PER", "I-PER", "O", "B-PER") == []
    assert complete("I-PER", "E-PER", "E-LOC") == []
    assert complete("B-PER", "E-LOC", "B-PER", "S-PER") == [("PER", 3, 4)]
    assert complete("B-PER", "B-PER", "L-PER", "U-PER") == [("PER", 1, 3), ("PER", 3, 4)]


def test_a_type_may_hold_dashes_and_no_words_give_no_chunks() -> None:
    assert decode_tags(["B-sports-team", "I-sports-team"]) == [("sports-team", 0, 2)]
    assert decode_tags([]) == []


@pytest.mark.parametrize("bad", ["", "B", "B-", "X", "-PER", "PER", "o", "[SEP]", "M-PER", "BPER"])
def test_a_bad_tag_names_itself_and_its_word(bad: str) -> None:
    with pytest.raises(FormatError, match=r"at word 2") as caught:
        decode_tags(["O", "B-PER", bad])
    assert caught.value.code == "format-tags"
    assert repr(bad) in caught.value.message


def test_encode_writes_each_scheme() -> None:
    chunks = [("PER", 0, 1), ("PER", 1, 4), ("LOC", 5, 7)]
    assert encode_tags(chunks, 8) == [
        *("B-PER", "B-PER", "I-PER", "I-PER", "O", "B-LOC", "I-LOC", "O")
    ]
    assert encode_tags(chunks, 8, "IOB1") == [
        *("I-PER", "B-PER", "I-PER", "I-PER", "O", "I-LOC", "I-LOC", "O")
    ]
    assert encode_tags(chunks, 8, "BIOES") == [
        *("S-PER", "B-PER", "I-PER", "E-PER", "O", "B-LOC", "E-LOC", "O")
    ]
    assert encode_tags(chunks, 8, "BILOU") == [
        *("U-PER", "B-PER", "I-PER", "L-PER", "O", "B-LOC", "L-LOC", "O")
    ]


def test_encode_takes_chunks_in_any_order_and_leaves_them_alone() -> None:
    chunks = [("LOC", 2, 3), ("PER", 0, 2)]
    assert encode_tags(chunks, 3) == ["B-PER", "I-PER", "B-LOC"]
    assert chunks == [("LOC", 2, 3), ("PER", 0, 2)]


@pytest.mark.parametrize(
    ("chunks", "complaint"),
    [
        ([("PER", 0, 2), ("LOC", 1, 3)], "overlap"),
        ([("PER", 0, 2), ("PER", 0, 2)], "overlap"),
        ([("PER", 2, 2)], "empty"),
        ([("PER", 3, 2)], "empty"),
        ([("PER", -1, 1)], "leaves the sentence of 4 words"),
        ([("PER", 3, 5)], "leaves the sentence of 4 words"),
    ],
)
def test_encode_refuses_what_tags_cannot_say(chunks: list[Chunk], complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint) as caught:
        encode_tags(chunks, 4)
    assert caught.value.code == "format-tags"


def test_detect_tells_the_schemes_apart() -> None:
    assert detect_scheme([["O", "I-PER", "I-PER", "B-PER"], ["I-LOC"]]) == "IOB1"
    assert detect_scheme([["B-PER", "I-PER", "O"], ["O"]]) == "BIO"
    assert detect_scheme([["O", "O"], ["S-PER", "O"]]) == "BIOES"
    assert detect_scheme([["B-PER", "E-PER"]]) == "BIOES"
    assert detect_scheme([["O"], ["B-PER", "L-PER"]]) == "BILOU"
    assert detect_scheme([["U-PER"]]) == "BILOU"
    # One B- after O is enough: the orphan I- of the same file is then a defect, not the scheme.
    assert detect_scheme([["I-PER", "O"], ["B-PER"]]) == "BIO"
    assert detect_scheme([]) == "BIO"
    assert detect_scheme([["O"]]) == "BIO"
    with pytest.raises(FormatError, match="at word 0"):
        detect_scheme([["?"]])


def test_convert_reads_leniently() -> None:
    assert convert_tags(["I-PER", "B-PER", "O", "I-LOC", "I-LOC"], "BIO") == [
        *("B-PER", "B-PER", "O", "B-LOC", "I-LOC")
    ]
    assert convert_tags(["O", "I-PER", "I-LOC"], "BIOES") == ["O", "S-PER", "S-LOC"]


def test_the_mark_of_orphans_is_part_of_files_and_stays() -> None:
    assert ORPHAN == "orphan-i"


@given(sentences(), st.sampled_from(SCHEMES))
def test_decode_undoes_encode(sentence: tuple[int, list[Chunk]], scheme: Scheme) -> None:
    length, chunks = sentence
    tags = encode_tags(chunks, length, scheme)
    assert len(tags) == length
    assert decode_tags(tags) == chunks
    if scheme != "IOB1":
        assert decode_tags(tags, scheme="strict") == chunks
    if scheme in ("BIOES", "BILOU"):
        assert decode_tags(tags, scheme="complete") == chunks


@given(ANY_TAGS, st.sampled_from(SCHEMES))
def test_conversion_keeps_the_chunks(tags: list[str], scheme: Scheme) -> None:
    assert decode_tags(convert_tags(tags, scheme)) == decode_tags(tags)


@given(ANY_TAGS)
def test_strict_chunks_start_at_b_or_s_and_start_lenient_ones_too(tags: list[str]) -> None:
    strict = decode_tags(tags, scheme="strict")
    lenient = decode_tags(tags)
    assert all(tags[start][0] in "BS" for _, start, _ in strict)
    assert {(kind, start) for kind, start, _ in strict} <= {
        (kind, start) for kind, start, _ in lenient
    }
    assert strict == [chunk for chunk in lenient if tags[chunk[1]][0] in "BS"]


@given(ANY_TAGS)
def test_lenient_equals_seqeval(tags: list[str]) -> None:
    theirs = [(kind, start, end + 1) for kind, start, end in get_entities(tags)]
    assert decode_tags(tags) == theirs


@given(BIO_TAGS)
def test_strict_equals_seqeval_in_strict_iob2(tags: list[str]) -> None:
    theirs = [entity.to_tuple()[1:] for entity in Entities([tags], IOB2).entities[0]]
    assert decode_tags(tags, scheme="strict") == theirs


@given(ANY_TAGS)
def test_complete_equals_seqeval_in_strict_iobes_and_bilou(tags: list[str]) -> None:
    theirs = [entity.to_tuple()[1:] for entity in Entities([tags], IOBES).entities[0]]
    assert decode_tags(tags, scheme="complete") == theirs
    bilou = [tag.translate(str.maketrans("ES", "LU"))[:1] + tag[1:] for tag in tags]
    theirs = [entity.to_tuple()[1:] for entity in Entities([bilou], BILOU).entities[0]]
    assert decode_tags(bilou, scheme="complete") == theirs


@given(sentences())
def test_detection_never_contradicts_what_was_written(
    sentence: tuple[int, list[Chunk]],
) -> None:
    length, chunks = sentence
    assert detect_scheme([encode_tags(chunks, length, "BIO")]) == "BIO"
    if chunks:
        assert detect_scheme([encode_tags(chunks, length, "BIOES")]) == "BIOES"
        assert detect_scheme([encode_tags(chunks, length, "BILOU")]) == "BILOU"
        assert detect_scheme([encode_tags(chunks, length, "IOB1")]) == "IOB1"
