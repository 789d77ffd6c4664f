"""Encoder, decoder, head and greedy decoding are those of the transformers model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from magpie.backbones import Seq2Seq, from_folder, load_seq2seq
from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer
from magpie.errors import ConfigError, NotFoundError

NAMES = ("tiny-t5", "tiny-bart")
TEXTS = ["Rocky met a dog", "the Jordan"]


def batch(backbone: Seq2Seq, texts: list[str] = TEXTS) -> tuple[Tensor, Tensor]:
    found = backbone.tokenizer(texts, padding=True, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def labels_of(backbone: Seq2Seq) -> Tensor:
    ids, mask = batch(backbone, ["a dog", "Apple</s>"])
    return ids.masked_fill(mask == 0, -100)


def tied_t5() -> Seq2Seq:
    tokenizer = tiny_byte_tokenizer("t5")
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=4,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    return Seq2Seq(T5ForConditionalGeneration(config).eval(), tokenizer, "tied")


@pytest.fixture(params=[*NAMES, "tied"])
def backbone(request: pytest.FixtureRequest) -> Seq2Seq:
    return tied_t5() if request.param == "tied" else load_seq2seq(request.param)


def test_scores_are_those_of_the_whole_model(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    labels = labels_of(backbone)
    if backbone.name == "tiny-bart":
        backbone.transformer.final_logits_bias.normal_()
    with torch.no_grad():
        ours = backbone(ids, mask, labels)
        theirs = backbone.transformer(input_ids=ids, attention_mask=mask, labels=labels)
    torch.testing.assert_close(ours, theirs.logits)
    loss = torch.nn.functional.cross_entropy(ours.transpose(1, 2), labels, ignore_index=-100)
    torch.testing.assert_close(loss, theirs.loss)


def test_a_scaled_head(backbone: Seq2Seq) -> None:
    states = torch.randn(2, 3, backbone.width)
    weight = backbone.transformer.get_output_embeddings().weight
    factor = 16**-0.5 if backbone.name == "tied" else 1.0
    torch.testing.assert_close(backbone.logits(states), states @ weight.T * factor)


def test_what_the_decoder_is_fed() -> None:
    t5, bart = (load_seq2seq(name) for name in NAMES)
    labels = torch.tensor([[7, 8, 1], [9, 1, -100], [1, -100, -100]])
    assert t5.shift(labels).tolist() == [[0, 7, 8], [0, 9, 1], [0, 1, 0]]
    assert bart.shift(labels).tolist() == [[2, 7, 8], [2, 9, 1], [2, 1, 1]]
    assert (t5.pad_id, t5.start_id, t5.end_id) == (0, 0, 1)
    assert (bart.pad_id, bart.start_id, bart.end_id) == (1, 2, 2)


def test_memory_may_hold_more_than_text(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    regions = torch.randn(2, 5, backbone.width)
    there = torch.ones(2, 5, dtype=mask.dtype)
    joined = torch.cat([backbone.embed(ids), regions], 1)
    memory = backbone.encode(joined, torch.cat([mask, there], 1))
    assert memory.shape == (2, ids.shape[1] + 5, backbone.width)
    # masked away, they change nothing for the text in front of them
    hidden = backbone.encode(joined, torch.cat([mask, 0 * there], 1))
    alone = backbone.encode(backbone.embed(ids), mask)
    real = mask.bool()
    torch.testing.assert_close(hidden[:, : ids.shape[1]][real], alone[real], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(memory[:, : ids.shape[1]][real], alone[real], atol=1e-3)


def test_the_decoder_is_causal(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    memory = backbone.encode(backbone.embed(ids), mask)
    fed = torch.tensor([[backbone.start_id, 40, 41, 42]] * 2)
    other = fed.clone()
    other[:, 3] = 50
    one, two = backbone.decode(fed, memory, mask), backbone.decode(other, memory, mask)
    torch.testing.assert_close(one[:, :3], two[:, :3])
    assert not torch.allclose(one[:, 3], two[:, 3], atol=1e-4)
    masked = torch.tensor([[1, 1, 0, 1]] * 2)
    third = fed.clone()
    third[:, 2] = 60
    torch.testing.assert_close(
        backbone.decode(fed, memory, mask, masked)[:, 3],
        backbone.decode(third, memory, mask, masked)[:, 3],
    )


def step_by_step(backbone: Seq2Seq, memory: Tensor, mask: Tensor, length: int) -> Tensor:
    """Greedy decoding without any cache."""
    fed = torch.full((len(memory), 1), backbone.start_id)
    for _ in range(length):
        states = backbone.decode(fed, memory, mask)
        fed = torch.cat([fed, backbone.logits(states[:, -1:]).argmax(-1)], 1)
    return fed[:, 1:]


def test_cached_decoding_equals_decoding_anew(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    with torch.no_grad():
        memory = backbone.encode(backbone.embed(ids), mask)
        wanted = step_by_step(backbone, memory, mask, 8)
        found, _ = backbone.generate(memory, mask, max_length=8)
    for row, target in zip(found.tolist(), wanted.tolist(), strict=True):
        end = target.index(backbone.end_id) + 1 if backbone.end_id in target else len(row)
        assert row[:end] == target[:end]
        assert set(row[end:]) <= {backbone.pad_id}


def test_states_of_cached_steps_are_those_of_one_pass(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    forced = torch.tensor([[40, 51, 62, 73, 84], [90, 33, 44, 99, 20]])
    with torch.no_grad():
        memory = backbone.encode(backbone.embed(ids), mask)
        found, states = backbone.generate(
            memory, mask, max_length=5, choose=lambda state, symbols: forced[:, symbols.shape[1]]
        )
        fed = torch.cat([torch.full((2, 1), backbone.start_id), forced[:, :-1]], 1)
        again = backbone.decode(fed, memory, mask)
    assert found.tolist() == forced.tolist()
    torch.testing.assert_close(states, again, atol=1e-5, rtol=1e-4)


def test_rows_end_on_their_own(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    memory = backbone.encode(backbone.embed(ids), mask)
    fed: list[list[int]] = []

    def choose(state: Tensor, symbols: Tensor) -> Tensor:
        assert state.shape == (2, backbone.width)
        step = symbols.shape[1]
        return torch.tensor([99 if step == 1 else 5, 99 if step == 3 else 6])

    def feed(symbols: Tensor) -> Tensor:
        fed.append(symbols.tolist())
        return symbols.clamp(max=20)

    found, states = backbone.generate(memory, mask, max_length=9, choose=choose, feed=feed, end=99)
    pad = backbone.pad_id
    assert found.tolist() == [[5, 99, pad, pad], [6, 6, 6, 99]]
    assert fed == [[5, 6], [99, 6], [pad, 6]]
    assert states.shape == (2, 4, backbone.width)
    with pytest.raises(ConfigError):
        backbone.generate(memory, mask, max_length=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_one_learns_to_copy_two_texts(name: str) -> None:
    backbone = load_seq2seq(name, dropout=0.0)
    ids, mask = batch(backbone)
    labels = ids.masked_fill(mask == 0, -100)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(backbone.parameters(), lr=5e-3)
    for _ in range(60):
        scores = backbone(ids, mask, labels).transpose(1, 2)
        loss = torch.nn.functional.cross_entropy(scores, labels, ignore_index=-100)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    memory = backbone.encode(backbone.embed(ids), mask)
    found, _ = backbone.generate(memory, mask, max_length=30)
    texts = backbone.tokenizer.batch_decode(found, skip_special_tokens=True)
    assert [text.strip() for text in texts] == TEXTS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["Rocky runs", "naïve 日本 مرحبا", "a  b\tc", "👩‍👩‍👧 O'Neill #tag", "<no special>"]
)
def test_texts_come_back_as_they_went_in(name: str, text: str) -> None:
    tokenizer = load_seq2seq(name).tokenizer
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True).removeprefix(" ") == text
    assert tokenizer.unk_token_id not in ids


def test_tiny_tokenizers() -> None:
    t5, bart = tiny_byte_tokenizer("t5"), tiny_byte_tokenizer("bart")
    assert t5.convert_ids_to_tokens(t5("the dog")["input_ids"]) == ["Ġthe", "Ġdog", "</s>"]
    assert bart.convert_ids_to_tokens(bart("the dog")["input_ids"]) == [
        *("<s>", "Ġthe", "Ġdog", "</s>")
    ]
    assert t5("<extra_id_3>", add_special_tokens=False)["input_ids"] == [len(t5) - 7]
    longest = max(len(p) for p in t5.convert_ids_to_tokens(t5("theatre")["input_ids"]))
    assert longest == 4  # the word with its blank, then single letters


def test_new_pieces_take_the_mean_of_their_text(backbone: Seq2Seq) -> None:
    inside = backbone.tokenizer("spot", add_special_tokens=False)["input_ids"]
    before = backbone.transformer.get_input_embeddings().weight.detach().clone()
    size = len(backbone.tokenizer)
    ids = backbone.add_pieces(["<spot>", "</s>", "<asoc>"])
    assert ids == [size, backbone.tokenizer.eos_token_id, size + 1]
    table = backbone.transformer.get_input_embeddings().weight.detach()
    assert len(table) == size + 2
    torch.testing.assert_close(table[:size], before)
    torch.testing.assert_close(table[size], before[inside].mean(0))
    assert backbone.tokenizer("a <spot> b")["input_ids"].count(size) == 1
    memory = torch.randn(1, 2, backbone.width)
    states = backbone.decode(torch.tensor([[size]]), memory, torch.ones(1, 2))
    assert backbone.logits(states).shape == (1, 1, size + 2)
    assert backbone.add_pieces(["<spot>"]) == [size]


def test_saved_and_built_anew(backbone: Seq2Seq, tmp_path: Path) -> None:
    backbone.add_pieces(["<spot>"])
    backbone.save(tmp_path)
    again = from_folder(tmp_path)
    assert isinstance(again, Seq2Seq)
    again.load_state_dict(backbone.state_dict())
    ids, mask = batch(backbone, ["the <spot> dog"])
    assert batch(again, ["the <spot> dog"])[0].tolist() == ids.tolist()
    labels = labels_of(backbone)[:1]
    torch.testing.assert_close(again(ids, mask, labels), backbone(ids, mask, labels))
    assert (again.name, again.start_id, again.width) == (
        backbone.name,
        backbone.start_id,
        backbone.width,
    )


@pytest.mark.parametrize("name", NAMES)
def test_from_a_folder_of_transformers(name: str, tmp_path: Path) -> None:
    tiny = load_seq2seq(name)
    tiny.transformer.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    loaded = load_seq2seq(str(tmp_path))
    ids, mask = batch(tiny)
    assert batch(loaded)[0].tolist() == ids.tolist()
    torch.testing.assert_close(
        loaded.encode(loaded.embed(ids), mask), tiny.encode(tiny.embed(ids), mask)
    )
    calm = load_seq2seq(str(tmp_path), dropout=0.0).train()
    labels = labels_of(tiny)
    torch.testing.assert_close(calm(ids, mask, labels), tiny(ids, mask, labels))


def test_tiny_twins_are_the_same_every_time() -> None:
    for name in NAMES:
        one, two = load_seq2seq(name), load_seq2seq(name)
        assert one.weights_digest() == two.weights_digest()
        assert not one.training
    assert load_seq2seq("tiny-t5").max_positions is None
    assert load_seq2seq("tiny-bart").max_positions == 512
    with pytest.raises(NotFoundError, match="tiny-t5 and tiny-bart"):
        load_seq2seq("tiny-gpt")


def test_rows_end_at_their_own_limits(backbone: Seq2Seq) -> None:
    ids, mask = batch(backbone)
    fed: list[list[int]] = []

    def feed(symbols: Tensor) -> Tensor:
        fed.append(symbols.tolist())
        return symbols + 30

    with torch.no_grad():
        memory = backbone.encode(backbone.embed(ids), mask)
        found, states = backbone.generate(
            memory,
            mask,
            max_length=9,
            choose=lambda state, symbols: torch.full((len(state),), 7),
            feed=feed,
            start=33,
            end=5,
            pad=6,
            limits=torch.tensor([4, 2]),
        )
        first = backbone.decode(torch.full((2, 1), 33), memory, mask)
    assert found.tolist() == [[7, 7, 7, 5], [7, 5, 6, 6]]
    assert fed == [[7, 7], [7, 5], [7, 6]]
    torch.testing.assert_close(states[:, 0], first[:, 0])
