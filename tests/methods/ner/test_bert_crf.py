"""BERT-CRF: how words, pieces and tags are aligned, and what its options change.

The chain's values stand in tests/nn/test_crf.py, the scorers' in tests/metrics, the schedule's and
the optimiser's in tests/training/test_optimisers.py.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import nn  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.methods.labels import LabelSpace, tag_names  # noqa: E402
from magpie.methods.ner.bert_crf import BertCrf, BertCrfConfig  # noqa: E402
from magpie.schema import Document  # noqa: E402

from .samples import (  # noqa: E402
    FOUR,
    bare,
    batch_of,
    bert_base,
    count,
    enumerated_loss,
    pictured,
    post,
    shake,
)


def tagger(**settings: Any) -> BertCrf:
    torch.manual_seed(0)
    method = BertCrf.build(BertCrfConfig(text="tiny-bert", **settings), FOUR)
    shake(method)
    return method.eval()


def rows(method: BertCrf, document: Document) -> tuple[list[str], list[str]]:
    """Pieces and the tags that they carry."""
    batch = batch_of(method, [document])
    pieces = method.text.tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][0].tolist())
    return pieces, [method.tag_names[tag] for tag in batch.targets["tags"][0].tolist()]


def test_a_word_in_three_pieces() -> None:
    pieces, tags = rows(tagger(), post(["xyz"], ("PER", 0, 1)))
    assert pieces == ["[CLS]", "x", "##y", "##z", "[SEP]"]
    assert tags == ["[CLS]", "B-PER", "X", "X", "[SEP]"]


def test_a_shorter_post_is_padded_with_zeros_and_masked() -> None:
    method = tagger()
    batch = batch_of(method, [post(["xyz"], ("PER", 0, 1)), post(["we", "saw", "xyz", "dog"])])
    assert batch.inputs["attention_mask"].tolist() == [[1] * 5 + [0] * 3, [1] * 8]
    assert batch.inputs["input_ids"][0, 5:].tolist() == [0, 0, 0]
    assert batch.targets["tags"][0, 5:].tolist() == [0, 0, 0]
    assert method.tag_names[0] == "PAD"


def test_a_word_without_pieces_keeps_words_and_tags_in_step() -> None:
    document = post(["dog", "\u00a0", "city"], ("ORG", 0, 1), ("LOC", 2, 3))
    method = tagger()
    pieces, tags = rows(method, document)
    assert pieces == ["[CLS]", "dog", "city", "[SEP]"]
    assert tags == ["[CLS]", "B-ORG", "B-LOC", "[SEP]"]
    batch = batch_of(method, [document])
    assert batch.inputs["first"].tolist() == [[1, -1, 2]]


def test_pieces_beyond_the_room_are_cut() -> None:
    # T = 6 leaves four pieces; the second word keeps its first piece only.
    pieces, tags = rows(tagger(max_length=6), post(["xyz", "uvw"], ("PER", 0, 1), ("LOC", 1, 2)))
    assert pieces == ["[CLS]", "x", "##y", "##z", "u", "[SEP]"]
    assert tags == ["[CLS]", "B-PER", "X", "X", "B-LOC", "[SEP]"]


def test_the_published_numbering_of_the_tags() -> None:
    method = tagger()
    assert method.tag_names == (
        "PAD", "O", "B-OTHER", "I-OTHER", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC",
        "X", "[CLS]", "[SEP]",
    )  # fmt: skip
    assert tagger(tag_order="umgf").tag_names == (
        "PAD", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-OTHER", "I-OTHER", "O",
        "X", "CLS", "SEP",
    )  # fmt: skip
    assert tag_names(("LOC", "MISC", "ORG", "PER"), "umt")[2:4] == ("B-MISC", "I-MISC")


def test_the_chain_over_words() -> None:
    method = tagger(subtoken="first_only")
    assert len(method.tag_names) == 9
    documents = [post(["xyz", "dog"], ("PER", 0, 1)), post(["we", "\u00a0", "saw", "xyz"])]
    batch = batch_of(method, documents)
    assert batch.targets["tags"].tolist()[0][:2] == [method.tag_ids["B-PER"], method.tag_ids["O"]]
    output = method(batch)
    assert tuple(output.scores["emissions"].shape) == (2, 3, 9)
    assert method.chain_mask(batch).tolist() == [[True, True, False], [True, True, True]]
    # The first pieces, in order: states 1 and 4 of the first post, 1, 2 and 3 of the second.
    states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    expected = method.classifier(states)
    torch.testing.assert_close(output.scores["emissions"][0, 0], expected[0, 1])
    torch.testing.assert_close(output.scores["emissions"][0, 1], expected[0, 4])
    torch.testing.assert_close(output.scores["emissions"][1, 2], expected[1, 3])


@pytest.mark.parametrize(("reduction", "parts"), [("mean", 2), ("sum", 1)])
def test_the_loss_is_that_of_all_paths(reduction: str, parts: int) -> None:
    method = tagger(reduction=reduction)
    batch = batch_of(method, [post(["dog"], ("PER", 0, 1)), post(["city"])])
    output = method(batch)
    emissions, tags = output.scores["emissions"], batch.targets["tags"]
    both = sum(enumerated_loss(method.crf, emissions[r], tags[r]) for r in range(2))
    assert output.loss.item() == pytest.approx(both / parts, rel=1e-5)


def always(method: BertCrf, name: str) -> None:
    """Predicts this tag at every position."""
    nn.init.zeros_(method.classifier.weight)
    with torch.no_grad():
        for part in method.crf.parameters():
            part.zero_()
        method.classifier.bias.zero_()
        method.classifier.bias[method.tag_ids[name]] = 9.0


def found(method: BertCrf, document: Document) -> list[tuple[str, str]]:
    (annotations,) = method.predict([document], [{}])
    return [(e.type, document.text_of(e)) for e in annotations.entities]


def test_without_its_chain_it_is_the_tagger_with_a_softmax() -> None:
    method = tagger(chain=False, subtoken="first_only")
    batch = batch_of(method, [post(["xyz", "saw", "dog"], ("PER", 0, 1))])
    output = method(batch)
    rows = output.scores["emissions"][0].log_softmax(1)
    tags = batch.targets["tags"][0]
    torch.testing.assert_close(output.losses["main"], -rows[range(3), tags].sum())
    groups = {id(p) for group in method.groups() for p in group.parameters}
    assert groups == {id(p) for p in method.parameters()}


def test_tags_are_read_at_first_pieces_and_an_orphan_opens_an_entity() -> None:
    method = tagger()
    document = post(["xyz", "dog"])
    always(method, "I-LOC")
    assert found(method, document) == [("LOC", "xyz dog")]
    always(method, "B-LOC")
    assert found(method, document) == [("LOC", "xyz"), ("LOC", "dog")]
    for special in ("X", "[SEP]", "PAD", "O"):
        always(method, special)
        assert found(method, document) == []


def test_forbidden_continuations_are_decoded_only_where_asked() -> None:
    free, bound = tagger(), tagger(constrain_bio=True)
    bound.load_state_dict(free.state_dict())
    always(free, "I-LOC")
    always(bound, "I-LOC")
    batch = batch_of(free, [post(["dog"])])
    assert torch.equal(free(batch).loss, bound(batch).loss)
    assert free.crf.decode(free(batch).scores["emissions"])[0] == [free.tag_ids["I-LOC"]] * 3
    path = [bound.tag_names[tag] for tag in bound.crf.decode(bound(batch).scores["emissions"])[0]]
    # No chain may open with I-LOC, so its first place goes to the only way into the other two.
    assert path == ["B-LOC", "I-LOC", "I-LOC"]


def test_pictures_are_never_looked_at() -> None:
    method = tagger()
    documents = pictured(4)
    assert method.needs() == frozenset()
    with_them = method(batch_of(method, documents)).scores["emissions"]
    assert torch.equal(with_them, method(batch_of(method, bare(documents))).scores["emissions"])


def test_parameters_beside_bert() -> None:
    with torch.device("meta"):
        method = BertCrf(BertCrfConfig(), FOUR, bert_base())
    assert count(method, without=["backbones."]) == 768 * 13 + 13 + 13 * 13 + 2 * 13


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match="max_length must be at least 3"):
        BertCrfConfig(max_length=2)
    with pytest.raises(ConfigError, match="dropout must lie in"):
        BertCrfConfig(dropout=1.0)
    with pytest.raises(ConfigError, match="bert-crf needs entity types"):
        BertCrf.build(BertCrfConfig(text="tiny-bert"), LabelSpace())
