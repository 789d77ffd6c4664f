"""Text encoders: tiny ones, folders, what is missing, and the way through a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from magpie.backbones import TextEncoder, from_folder, load_text
from magpie.backbones.base import load_local
from magpie.backbones.tiny import TINY_WORDS, tiny_tokenizer
from magpie.errors import ModelError, NotFoundError


def inputs(encoder: TextEncoder, *texts: str) -> tuple[torch.Tensor, torch.Tensor]:
    found = encoder.tokenizer(list(texts), padding=True, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def random_bert(folder: Path) -> BertModel:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=64,
    )
    model = BertModel(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def test_a_folder_of_transformers(tmp_path: Path) -> None:
    model = random_bert(tmp_path)
    encoder = load_text(str(tmp_path))
    ids, mask = inputs(encoder, "look here", "the dog")
    with torch.no_grad():
        wanted = model(input_ids=ids, attention_mask=mask).last_hidden_state
        torch.testing.assert_close(encoder(ids, mask), wanted)
    assert (encoder.width, encoder.max_positions, encoder.pad_id) == (24, 64, 0)
    assert not encoder.training
    assert encoder.name == str(tmp_path)


@pytest.mark.parametrize("kind", ["bert", "eager", "roberta"])
def test_two_lists_in_one_pass_do_not_see_each_other(kind: str, tmp_path: Path) -> None:
    """States and gradients of both are those of two passes; other lengths, padded ones among
    them. What cannot be read in one pass is read in two."""
    if kind == "roberta":
        encoder = load_text("tiny-roberta")
    else:
        random_bert(tmp_path)
        encoder = load_text(str(tmp_path))
    if kind == "eager":
        encoder.transformer.set_attn_implementation("eager")
    first = inputs(encoder, "look here at the dog", "the")
    second = inputs(encoder, "the dog", "look")
    assert not first[1].all()
    assert not second[1].all()
    passes: list[int] = []
    encoder.transformer.register_forward_pre_hook(lambda *_: passes.append(1))
    wanted = encoder(*first), encoder(*second)
    (wanted[0].square().sum() + 2 * wanted[1].square().sum()).backward()
    slopes = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    assert len(slopes) > 30
    encoder.zero_grad()
    passes.clear()
    found = encoder.both(first, second)
    assert len(passes) == (1 if kind == "bert" else 2)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    (found[0].square().sum() + 2 * found[1].square().sum()).backward()
    for name, parameter in encoder.named_parameters():
        if name in slopes:
            torch.testing.assert_close(parameter.grad, slopes[name], rtol=1e-4, atol=1e-4)
    encoder.both(first, (second[0][:1], second[1][:1]))
    assert len(passes) == (3 if kind == "bert" else 4)


def test_dropout_replaces_that_of_the_configuration(tmp_path: Path) -> None:
    random_bert(tmp_path)
    ids, mask = inputs(load_text("tiny-bert"), "the dog")
    noisy, calm = load_text(str(tmp_path)).train(), load_text(str(tmp_path), dropout=0.0).train()
    assert not torch.equal(noisy(ids, mask), noisy(ids, mask))
    torch.testing.assert_close(calm(ids, mask), calm(ids, mask))


def test_roberta_counts_positions_from_behind_the_padding(tmp_path: Path) -> None:
    config = RobertaConfig(
        vocab_size=60,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=20,
        pad_token_id=1,
    )
    encoder = TextEncoder(RobertaModel(config), tiny_tokenizer(), "roberta")
    assert encoder.max_positions == 18
    ids = torch.full((1, 18), 5)
    encoder(ids, torch.ones_like(ids))
    with pytest.raises((IndexError, RuntimeError)):
        encoder(torch.full((1, 19), 5), torch.ones(1, 19))


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
def test_tiny_twins(name: str) -> None:
    encoder, again = load_text(name), load_text(name)
    ids, mask = inputs(encoder, "look at the dog", "x")
    states = encoder(ids, mask)
    assert states.shape == (2, ids.shape[1], 32)
    torch.testing.assert_close(states, again(ids, mask))
    # padding changes nothing
    alone = encoder(*inputs(encoder, "x"))
    torch.testing.assert_close(states[1, : alone.shape[1]], alone[0], atol=1e-5, rtol=1e-4)


def test_the_tiny_tokenizer_cuts_anything() -> None:
    tokenizer = tiny_tokenizer()
    assert tokenizer.convert_ids_to_tokens(tokenizer("the Dog runs")["input_ids"]) == [
        *("[CLS]", "the", "dog", "r", "##u", "##n", "##s", "[SEP]")
    ]
    assert all(tokenizer.unk_token_id not in tokenizer(w)["input_ids"] for w in TINY_WORDS)
    pair = tokenizer("the", "dog", return_token_type_ids=True)
    assert pair["token_type_ids"] == [0, 0, 0, 1, 1]


def test_through_a_checkpoint(tmp_path: Path) -> None:
    encoder = load_text("tiny-bert")
    encoder.save(tmp_path / "text")
    again = from_folder(tmp_path / "text")
    assert isinstance(again, TextEncoder)
    assert again.weights_digest() != encoder.weights_digest()  # shape only
    again.load_state_dict(encoder.state_dict())
    assert again.weights_digest() == encoder.weights_digest()
    assert not list((tmp_path / "text").rglob("*.safetensors"))
    ids, mask = inputs(again, "look at the dog")
    torch.testing.assert_close(again(ids, mask), encoder(ids, mask))


def test_damaged_descriptions(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="description is absent"):
        from_folder(tmp_path)
    (tmp_path / "backbone.json").write_text('{"kind": "sound", "name": "x"}')
    with pytest.raises(ModelError, match="unknown kind of backbone 'sound'"):
        from_folder(tmp_path)


def test_a_missing_backbone_is_one_sentence_with_command_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        load_text("somebody/no-such-bert")
    text = str(caught.value)
    assert "the backbone 'somebody/no-such-bert' is not on this machine" in text
    assert "hf download somebody/no-such-bert --local-dir models/no-such-bert" in text
    assert "give the folder models/no-such-bert instead of the name" in text
    assert caught.value.code == "model-missing"


@pytest.mark.parametrize("name", ["/nowhere/minilm", "./minilm", "../minilm", "~/minilm"])
def test_a_path_to_nothing_is_no_hub_name(name: str) -> None:
    with pytest.raises(ModelError, match="there is no backbone at") as caught:
        load_text(name)
    assert "hf download" not in str(caught.value)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not on this machine"):
        load_text(str(tmp_path))


def test_local_files_only() -> None:
    seen = {}

    def load(name: str, **options: object) -> str:
        seen.update(options, name=name)
        return "model"

    assert load_local("bert-base-cased", load) == "model"
    assert seen == {"name": "bert-base-cased", "local_files_only": True}


def test_no_such_tiny_encoder() -> None:
    with pytest.raises(NotFoundError, match="tiny-bert and tiny-roberta"):
        load_text("tiny-gpt")


def test_digests_tell_weights_apart() -> None:
    encoder = load_text("tiny-bert")
    digest = encoder.weights_digest()
    assert digest == load_text("tiny-bert").weights_digest()
    assert digest != load_text("tiny-roberta").weights_digest()
    with torch.no_grad():
        next(encoder.parameters())[0, 0] += 1e-3
    assert encoder.weights_digest() != digest
    assert encoder.to(torch.bfloat16).weights_digest() != digest


def test_the_text_tower_of_clip(tmp_path: Path) -> None:
    own = tiny_tokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=own.backend_tokenizer,
        bos_token="[CLS]",  # noqa: S106
        eos_token="[SEP]",  # noqa: S106
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
    )
    tokenizer.save_pretrained(tmp_path / "clip")
    config = CLIPTextConfig(
        vocab_size=len(own),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=40,
    )
    CLIPTextModel(config).save_pretrained(tmp_path / "clip")
    encoder = load_text(str(tmp_path / "clip"), dropout=0.1)
    assert encoder.tokenizer.cls_token_id is None
    assert encoder.ends == load_text("tiny-bert").ends
    assert (encoder.width, encoder.max_positions) == (32, 40)
    assert encoder.transformer.config.attention_dropout == 0.1
    ids = torch.tensor([[2, 10, 11, 3]])
    assert encoder(ids, torch.ones_like(ids)).shape == (1, 4, 32)
    encoder.save(tmp_path / "kept")
    again = from_folder(tmp_path / "kept")
    assert type(again.model) is type(encoder.model)
