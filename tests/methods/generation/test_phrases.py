from __future__ import annotations

from magpie.methods.generation.phrases import (
    find_phrase,
    piece_offsets,
    pieces_of,
)

PHRASE = (16, 8, 1023)
#: one sentence "not in the image", a separator, one sentence "in the image"
TWO = [101, 102, 200, 201, 59, 16, 8, 1023, 300, 103, 104, 200, 201, 16, 8, 1023]


def test_the_phrase_is_found_where_no_negation_precedes_it():
    assert find_phrase(TWO, PHRASE, 59) == [(13, 14, 15)]
    assert find_phrase(TWO, PHRASE, None) == [(5, 6, 7), (13, 14, 15)]
    assert find_phrase([101, 8, 200, 201, 1, 16, 8, 1023], PHRASE, 59) == [(5, 6, 7)]
    assert find_phrase([101, 59, 102, 200, 16, 8, 1023], PHRASE, 59) == [(4, 5, 6)]
    assert find_phrase([], PHRASE, 59) == find_phrase([16, 8], PHRASE, 59) == []


def test_offsets_follow_pieces_that_complete_no_character():
    pieces = ["in", " the", "\ufffd", "🏀", ""]

    def decode(ids):
        text = "".join(pieces[i] for i in ids)
        return text.replace("\ufffd🏀", "🏀")

    text, offsets = piece_offsets([0, 1, 2, 3, 4], decode)
    assert text == "in the🏀"
    assert offsets == ((0, 2), (2, 6), (6, 6), (6, 7), (7, 7))
    assert pieces_of(offsets, (1, 6)) == (0, 1)
    assert pieces_of(offsets, (6, 7)) == (3,)
    assert piece_offsets([], decode) == ("", ())


def test_offsets_of_a_byte_tokenizer():
    from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer

    own = tiny_byte_tokenizer("t5")
    ids = own("José 🏀 is in the image")["input_ids"]
    text, offsets = piece_offsets(ids, lambda i: own.decode(i, skip_special_tokens=True))
    start = text.index("in the image")
    chosen = pieces_of(offsets, (start, start + 12))
    assert own.decode([ids[n] for n in chosen]).strip() == "in the image"
    assert offsets[-1] == (len(text), len(text))
