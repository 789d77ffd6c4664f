from __future__ import annotations

import pytest

from magpie.backbones.seq2seq import Seq2Seq
from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer, tiny_seq2seq
from magpie.errors import ModelError
from magpie.methods.generation.special import SPECIAL, check, register


@pytest.mark.parametrize("grammar", ["separators", "brackets", "meta_response"])
def test_registered_pieces_are_whole_and_survive_decoding(grammar, tmp_path):
    backbone = tiny_seq2seq("tiny-t5")
    ids = register(backbone, grammar)
    assert tuple(ids) == SPECIAL[grammar]
    assert len(set(ids.values())) == len(ids)
    own = backbone.tokenizer
    for piece, number in ids.items():
        assert own(f"a {piece} b", add_special_tokens=False)["input_ids"].count(number) == 1
        if grammar != "brackets":
            assert piece in own.decode([number], skip_special_tokens=True)
    assert register(backbone, grammar) == ids
    backbone.save(tmp_path)
    check(own, SPECIAL[grammar])
    loaded = Seq2Seq.from_description({"name": backbone.name, **backbone.describe()}, tmp_path)
    check(loaded.tokenizer, SPECIAL[grammar])


def test_a_grammar_of_plain_text_adds_nothing():
    assert register(tiny_seq2seq("tiny-t5"), "sentences") == {}


def test_a_thousand_bins():
    assert len(SPECIAL["box_bins"]) == 1000
    assert SPECIAL["box_bins"][264] == "<bin_264>"


def test_a_tokenizer_without_the_pieces_is_refused():
    with pytest.raises(ModelError, match="<spot>") as caught:
        check(tiny_byte_tokenizer("t5"), SPECIAL["separators"], where="run/best")
    assert caught.value.code == "model-mismatch"
    assert caught.value.where == "run/best"
