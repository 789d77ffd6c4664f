"""Shap-CA's input: description, post and picture, what is cut, and what is not there."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor, nn  # noqa: E402

from magpie.corpora.controlled import without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.context import context_pieces  # noqa: E402

from .shap_cas import HEADS, POSTS, Head, batch_of, made, reading_of, said  # noqa: E402


def read_ids(method: Head, batch: Batch) -> list[list[int]]:
    """What the text encoder is handed, without padding."""
    seen: list[list[int]] = []

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.extend(i[m.bool()].tolist() for i, m in zip(given[0], given[1], strict=True))

    hook = method.backbones["text"].register_forward_pre_hook(note)
    reading_of(method, batch)
    hook.remove()
    return seen


@HEADS
def test_the_description_stands_in_front_of_the_post(task: str) -> None:
    method = made(task)
    documents = [said(POSTS[task][0], "a red dog", "here"), said(POSTS[task][1]), POSTS[task][2]]
    batch = batch_of(method, documents)
    tokenizer = method.text.tokenizer
    rows = read_ids(method, batch)
    own = [i[m.bool()].tolist() for i, m in _rows(batch)]
    context = tokenizer("a red dog here", add_special_tokens=False)["input_ids"]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert rows[0] == [cls, *context, sep, *own[0][1:]]
    # Without a description the post is read as it is alone.
    assert rows[1] == own[1]
    third = context_pieces([c.text for c in documents[2].context], method.text, 16)
    assert rows[2] == [cls, *third, sep, *own[2][1:]]
    reading = reading_of(method, batch)
    assert reading.context_mask.sum(1).tolist() == [len(context), 0, len(third)]
    assert reading.text_mask.sum(1).tolist() == [len(row) - 2 for row in own]
    assert reading.patches.shape[1:] == (64, method.text.width)


def _rows(batch: Batch) -> list[tuple[Tensor, Tensor]]:
    return list(zip(batch.inputs["input_ids"], batch.inputs["attention_mask"], strict=True))


@HEADS
def test_states_are_those_of_the_joint_input(task: str) -> None:
    method = made(task)
    batch = batch_of(method, [said(POSTS[task][0], "a red dog"), said(POSTS[task][1])])
    reading = reading_of(method, batch)
    joint = torch.tensor([read_ids(method, batch)[0]])
    with torch.no_grad():
        states = method.text(joint, torch.ones_like(joint))[0]
    length = int(batch.inputs["attention_mask"][0].sum())
    count = int(reading.context_mask[0].sum())
    assert torch.allclose(reading.context[0, :count], states[1 : 1 + count], atol=1e-5)
    assert torch.allclose(reading.text[0, 0], states[0], atol=1e-5)
    assert torch.allclose(reading.text[0, 1:length], states[count + 2 :], atol=1e-5)


@HEADS
def test_the_description_is_cut_and_the_post_is_not(task: str) -> None:
    document = said(POSTS[task][0], "red dog " * 100)
    method = made(task, max_length=24)
    batch = batch_of(method, [document])
    (row,) = read_ids(method, batch)
    ids, mask = _rows(batch)[0]
    assert len(row) == 24
    assert row[-(int(mask.sum()) - 1) :] == ids[mask.bool()].tolist()[1:]
    short = made(task, context_length=3)
    assert int(reading_of(short, batch_of(short, [document])).context_mask.sum()) == 3
    # A post that fills the input leaves no place for a description.
    full = made(task, max_length=int(mask.sum()))
    (row,) = read_ids(full, batch_of(full, [document]))
    assert row == ids[mask.bool()].tolist()


@HEADS
def test_without_description_and_picture_the_words_are_alone(task: str) -> None:
    method = made(task)
    document = said(without_pictures([POSTS[task][0]])[0])
    batch = batch_of(method, [document])
    reading = reading_of(method, batch)
    with torch.no_grad():
        fused = method.fuse(reading)
        assert torch.allclose(fused, method.fusion.norm(reading.text), atol=1e-6)
    refusing = made(task, missing_context="refuse")
    with pytest.raises(ConfigError, match="no description") as caught:
        batch_of(refusing, [document])
    assert caught.value.where == document.id


def test_pieces_of_a_description() -> None:
    encoder = made("ner").text
    whole = encoder.tokenizer("a red dog today", add_special_tokens=False)["input_ids"]
    assert context_pieces([" a  red\n", "", "dog today"], encoder, 99) == whole
    assert context_pieces(["a red dog", "today"], encoder, 2) == whole[:2]
    assert context_pieces([" ", ""], encoder, 9) == []


@HEADS
def test_vectors_are_means_of_projected_states(task: str) -> None:
    method = made(task)
    batch = batch_of(method, POSTS[task][:3], gold=True)
    owner = batch.inputs.get("owner")
    reading = reading_of(method, batch)
    with torch.no_grad():
        found = method.vectors(reading, batch, owner)
        for name, states, mask in (
            ("text", reading.text, reading.text_mask),
            ("context", reading.context, reading.context_mask),
            ("picture", reading.patches, torch.ones(3, 64, dtype=torch.bool)),
        ):
            rows = torch.stack([s[m].mean(0) for s, m in zip(states, mask, strict=True)])
            expected = method.projections[name](rows)
            assert torch.allclose(found[f"{name}_vector"], expected, atol=1e-5)
        top = made(task, pooling="max")
        highest = torch.stack(
            [s[m].amax(0) for s, m in zip(reading.text, reading.text_mask, strict=True)]
        )
        expected = top.projections["text"](highest)
        assert torch.allclose(
            top.vectors(reading, batch, owner)["text_vector"], expected, atol=1e-5
        )


@HEADS
def test_read_together_a_description_has_seen_its_post(task: str) -> None:
    one = said(POSTS[task][0], "a red dog")
    other = said(POSTS[task][4], "a red dog")
    for separate in (False, True):
        method = made(task, separate_encoding=separate)
        batch = batch_of(method, [one, other], gold=True)
        with torch.no_grad():
            scores = method(batch).scores
        vectors = scores["context_vector"]
        assert torch.allclose(vectors[0], vectors[1], atol=1e-5) is separate
    words = said(POSTS[task][0], "one green cat")
    with torch.no_grad():
        vectors = method(batch_of(method, [one, words], gold=True)).scores["text_vector"]
    assert torch.allclose(vectors[0], vectors[1], atol=1e-5)
