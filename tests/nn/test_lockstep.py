"""The two towers: hand-worked fusion, what may see what, and exact agreement with plain layers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch.nn import functional  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
)

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.lockstep import (  # noqa: E402
    CorrelationFusion,
    CropTokens,
    LockStep,
    correlated,
    prefix_guided,
    text_keys_values,
    text_layer,
)

SHAPE = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
B, T, D, TOKENS = 3, 6, 16, 1 + 2 * 16 + 1 * 4


class Body:
    """Two small towers, fused in their last two layers, and one batch."""

    def __init__(self, **options):
        torch.manual_seed(0)
        rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        self.bert = BertModel(
            BertConfig(vocab_size=30, intermediate_size=24, **rates, **SHAPE)
        ).eval()
        self.clip = CLIPVisionModel(
            CLIPVisionConfig(image_size=32, patch_size=8, intermediate_size=24, **SHAPE)
        ).eval()
        self.lockstep = LockStep(
            self.bert.config, self.clip.config, **{"fusion_layers": 2, **options}
        )
        self.crops = CropTokens((2, 16), (1, 4), D)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        self.ids = torch.randint(5, 30, (B, T))
        self.mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 3 + [0] * 3])
        self.grounded = torch.randn(B, 2, 3, 32, 32)
        self.detector = torch.randn(B, 1, 3, 16, 16)

    def parameters(self):
        for module in (self.bert, self.clip, self.lockstep, self.crops):
            yield from module.parameters()

    def run(self, owner=None, **options):
        words = self.bert.embeddings(input_ids=self.ids)
        tokens = self.crops(self.clip, self.grounded, self.detector)
        tokens = self.clip.pre_layrnorm(tokens)
        return self.lockstep(self.bert, self.clip, words, self.mask, tokens, owner, **options)


@pytest.fixture
def body():
    with torch.no_grad():
        yield Body()


def test_correlated_by_hand():
    found = correlated(
        torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
    )
    # softmax(2, 0, 2) = (0.4683, 0.0634, 0.4683)
    assert found[0, 0].tolist() == pytest.approx([0.9366, 0.5317], abs=5e-5)
    found = correlated(torch.tensor([[[1.0, 0.0]]]), torch.eye(2)[None])
    assert found[0, 0].tolist() == pytest.approx([0.7311, 0.2689], abs=5e-5)


def test_correlation_is_not_scaled_by_the_width():
    context, vision = torch.randn(1, 2, 64), torch.randn(1, 3, 64)
    weights = torch.softmax(context @ vision.transpose(1, 2), -1)
    assert torch.allclose(correlated(context, vision), weights @ vision)
    scaled = torch.softmax(context @ vision.transpose(1, 2) / 8, -1) @ vision
    assert not torch.allclose(correlated(context, vision), scaled, atol=1e-3)


def test_the_fusion_adds_inside_the_feed_forward_part():
    fusion = CorrelationFusion(2, 3, 0.02)
    with torch.no_grad():
        fusion.dense.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        fusion.dense.bias.copy_(torch.tensor([0.0, 0.0, 10.0]))
    found = fusion(torch.tensor([[[1.0, 0.0]]]), torch.eye(2)[None])
    assert found[0, 0].tolist() == pytest.approx([0.7311, 0.2689, 11.0], abs=5e-5)
    assert sum(p.numel() for p in CorrelationFusion(768, 3072, 0.02).parameters()) == 2362368


def test_published_sizes():
    """28 348 416 weights for W_f in all twelve layers, 46 080 in both tables."""
    shape = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    with torch.device("meta"):
        made = LockStep(
            BertConfig(intermediate_size=3072, **shape), CLIPVisionConfig(patch_size=32, **shape)
        )
        crops = CropTokens((3, 16), (3, 4), 768)
    assert made.fusion_start == 8
    assert sum(p.numel() for p in made.parameters()) == 28_348_416
    assert sum(p.numel() for p in made.fusions[8:].parameters()) == 9_449_472
    assert sum(p.numel() for p in crops.parameters()) == 46_080


def test_tokens_stand_in_their_order(body):
    tokens = body.crops(body.clip, body.grounded, body.detector)
    assert tokens.shape == (B, TOKENS, D)
    own = body.clip.embeddings
    assert torch.equal(tokens[:, 0], own.class_embedding.expand(B, D))
    second = own.patch_embedding(body.grounded[:, 1]).flatten(2).transpose(1, 2)
    assert torch.allclose(tokens[:, 17:33], second + body.crops.grounded_positions[16:], atol=1e-6)
    small = own.patch_embedding(body.detector[:, 0]).flatten(2).transpose(1, 2)
    assert torch.allclose(tokens[:, 33:], small + body.crops.detector_positions, atol=1e-6)


def test_the_whole_picture_comes_second_with_positions_of_its_own(body):
    whole = torch.randn(B, 3, 32, 32)
    tokens = body.crops(body.clip, body.grounded, body.detector, whole)
    assert tokens.shape == (B, TOKENS + 16, D)
    # CLIP itself would put its first position on the class token; the others agree.
    assert torch.allclose(tokens[:, 1:17], body.clip.embeddings(whole)[:, 1:], atol=1e-6)
    rest = body.crops(body.clip, body.grounded, body.detector)
    assert torch.equal(tokens[:, 17:], rest[:, 1:])


def test_a_missing_cut_out_is_its_positions(body):
    tokens = body.crops(body.clip, torch.zeros_like(body.grounded), body.detector)
    assert torch.equal(tokens[0, 1:33], body.crops.grounded_positions)


def test_who_sees_how_many_keys(body, monkeypatch):
    """Pictures see themselves, and in the fusion layers the text too; texts see themselves."""
    seen = []
    plain = functional.scaled_dot_product_attention

    def spy(queries, keys, values, **options):
        seen.append((queries.shape[2], keys.shape[2]))
        return plain(queries, keys, values, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    body.run()
    assert [keys for queries, keys in seen if queries == TOKENS] == [
        TOKENS, TOKENS, T + TOKENS, T + TOKENS,
    ]  # fmt: skip
    assert [keys for queries, keys in seen if queries == T] == [T] * 4


def test_without_fusion_weights_the_text_is_plain_bert_bit_for_bit(body):
    for fusion in body.lockstep.fusions:
        fusion.dense.weight.zero_()
        fusion.dense.bias.zero_()
    states = body.run().text
    plain = body.bert(input_ids=body.ids, attention_mask=body.mask, output_hidden_states=True)
    for ours, theirs in zip(states, plain.hidden_states[1:], strict=True):
        assert torch.equal(ours, theirs)


def test_with_fusion_weights_it_is_not(body):
    plain = body.bert(input_ids=body.ids, attention_mask=body.mask).last_hidden_state
    assert float((body.run().text[-1] - plain).abs().max()) > 1e-2


def test_a_text_layer_without_fusion_is_berts_own(body):
    layer, states = body.bert.encoder.layer[2], torch.randn(B, T, D)
    ours = text_layer(layer, states, text_keys_values(layer, states), None)
    assert torch.equal(ours, layer(states, None))


def test_a_picture_layer_with_an_empty_prefix_is_clips_own(body):
    layer, states = body.clip.encoder.layers[2], torch.randn(B, 5, D)
    nothing = torch.zeros(B, 2, 0, D // 2)
    ours = prefix_guided(layer, states, (nothing, nothing), None)
    assert torch.allclose(ours, layer(states, attention_mask=None), atol=1e-6)


def test_lower_picture_layers_know_nothing_of_the_text(body):
    before = body.run()
    body.ids[0, 2] = (body.ids[0, 2] + 1 - 5) % 25 + 5
    after = body.run()
    start = body.lockstep.fusion_start
    for index, (one, other) in enumerate(zip(before.vision, after.vision, strict=True)):
        assert torch.equal(one[0], other[0]) == (index < start)
        # Nor does another picture at any height.
        assert torch.allclose(one[1:], other[1:], atol=1e-6)


def test_the_first_fusion_reads_the_keys_and_values_of_the_layer_before(body):
    states = body.run()
    start = body.lockstep.fusion_start
    text, vision = body.bert.encoder.layer, body.clip.encoder.layers
    prefix = text_keys_values(text[start - 1], states.text[start - 2])
    hidden = torch.cat([body.mask, torch.ones(B, TOKENS, dtype=torch.long)], 1).bool()
    ours = prefix_guided(vision[start], states.vision[start - 1], prefix, hidden[:, None, None])
    assert torch.allclose(ours, states.vision[start], atol=1e-6)
    other = text_keys_values(text[start], states.text[start - 1])
    wrong = prefix_guided(vision[start], states.vision[start - 1], other, hidden[:, None, None])
    assert not torch.allclose(wrong, states.vision[start], atol=1e-3)


def test_hidden_padding_changes_nothing_and_seen_padding_does(body):
    first = body.run()
    shown = body.run(mask_prefix=False)
    body.ids[body.mask == 0] = 7
    assert torch.equal(first.vision[-1], body.run().vision[-1])
    real = body.mask.bool()
    assert torch.equal(first.text[-1][real], body.run().text[-1][real])
    changed = body.run(mask_prefix=False)
    # The first text has no padding, the others have.
    assert torch.equal(changed.vision[-1][0], shown.vision[-1][0])
    for row in (1, 2):
        assert not torch.allclose(changed.vision[-1][row], shown.vision[-1][row], atol=1e-4)
        assert not torch.allclose(changed.text[-1][row, :3], shown.text[-1][row, :3], atol=1e-5)


def test_two_texts_share_a_picture(body):
    """Each text of a picture gets what it would get with a copy of the picture."""
    shared = body.run(owner=torch.tensor([2, 0, 2]))
    assert shared.vision[0].shape[0] == B
    body.grounded = body.grounded[[2, 0, 2]]
    body.detector = body.detector[[2, 0, 2]]
    copied = body.run()
    assert torch.allclose(shared.text[-1], copied.text[-1], atol=1e-6)
    assert torch.allclose(shared.vision[-1], copied.vision[-1], atol=1e-6)


def test_swapped_cut_outs_differ_by_their_positions_only(body):
    before = body.run().text[-1]
    body.grounded = body.grounded.flip(1)
    assert not torch.allclose(body.run().text[-1], before, atol=1e-4)
    body.crops.grounded_positions.zero_()
    after = body.run().text[-1]
    body.grounded = body.grounded.flip(1)
    assert torch.allclose(body.run().text[-1], after, atol=1e-5)


def test_pieces_that_take_nothing_of_the_picture_are_plain_bert(body):
    plain = body.bert(input_ids=body.ids, attention_mask=body.mask).last_hidden_state
    none, all_ = torch.zeros(B, T), torch.ones(B, T)
    real = body.mask.bool()
    closed = body.run(judge=lambda x, z: (none, None))
    assert torch.allclose(closed.text[-1][real], plain[real], atol=1e-5)
    assert torch.equal(body.run(judge=lambda x, z: (all_, None)).text[-1], body.run().text[-1])


def test_who_judges_sees_both_towers_before_they_exchange(body):
    seen = []
    body.run(judge=lambda x, z: seen.append((x, z)) or (None, None))
    plain, start = body.run(), body.lockstep.fusion_start
    ((x, z),) = seen
    assert torch.equal(x, plain.text[start - 2])
    assert torch.equal(z, plain.vision[start - 1])


def test_a_bias_on_pieces_reaches_the_picture(body):
    """Of minus infinity on all but one piece: the picture reads that piece alone."""
    bias = torch.full((B, T), float("-inf"))
    bias[:, 1] = 0.0
    one = body.run(judge=lambda x, z: (None, bias)).vision
    start = body.lockstep.fusion_start
    states = body.run()
    layer = body.bert.encoder.layer[start - 1]
    keys, values = text_keys_values(layer, states.text[start - 2])
    alone = prefix_guided(
        body.clip.encoder.layers[start],
        states.vision[start - 1],
        (keys[:, :, 1:2], values[:, :, 1:2]),
        None,
    )
    assert torch.allclose(one[start], alone, atol=1e-6)
    zero = body.run(judge=lambda x, z: (None, torch.zeros(B, T)))
    assert torch.allclose(zero.vision[-1], states.vision[-1], atol=1e-6)


@pytest.mark.parametrize("layers", [0, 4, 5])
def test_every_fusion_needs_a_layer_before(layers):
    with pytest.raises(ConfigError, match=f"fusion_layers must lie in 1 to 3, got {layers}"):
        Body(fusion_layers=layers)


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_hidden_layers", 3), ("hidden_size", 32), ("num_attention_heads", 4)],
)
def test_towers_must_match(name, value):
    with pytest.raises(ConfigError, match=name):
        LockStep(BertConfig(**SHAPE), CLIPVisionConfig(**{**SHAPE, name: value}), 2)


def biased(body, tokens, counts, **options):
    """A run in which token p counts ``counts[p]`` times, everywhere."""
    bias = torch.tensor(counts).log().expand(B, -1)
    words = body.bert.embeddings(input_ids=body.ids)
    return body.lockstep(
        body.bert, body.clip, words, body.mask, tokens, token_bias=bias, object_bias=bias, **options
    )


def test_the_logarithm_of_n_counts_a_token_n_times(body):
    tokens = torch.randn(B, 3, D)
    three_times = torch.cat([tokens, tokens[:, 2:], tokens[:, 2:]], 1)
    for mask_prefix in (True, False):
        once = biased(body, tokens, [1.0, 1.0, 3.0], mask_prefix=mask_prefix)
        often = biased(body, three_times, [1.0] * 5, mask_prefix=mask_prefix)
        assert torch.allclose(once.text[-1], often.text[-1], atol=1e-5)
        assert torch.allclose(once.vision[-1], often.vision[-1][:, :3], atol=1e-5)
    plain = biased(body, tokens, [1.0] * 3)
    assert not torch.allclose(once.text[-1], plain.text[-1], atol=1e-3)


def test_a_token_that_counts_for_nothing_is_not_there(body):
    tokens = torch.randn(B, 4, D)
    hidden = biased(body, tokens, [1.0, 1.0, 1.0, 0.0])
    without = biased(body, tokens[:, :3], [1.0] * 3)
    assert torch.allclose(hidden.text[-1], without.text[-1], atol=1e-5)
    assert torch.allclose(hidden.vision[-1][:, :3], without.vision[-1], atol=1e-5)


def test_tokens_may_become_fewer_before_the_exchange(body):
    tokens = torch.randn(B, 6, D)
    states = body.lockstep(
        body.bert,
        body.clip,
        body.bert.embeddings(input_ids=body.ids),
        body.mask,
        tokens,
        between=lambda z: z.unflatten(1, (3, 2)).mean(2),
    )
    assert [s.shape[1] for s in states.vision] == [6, 6, 3, 3]
    assert states.text[-1].shape == (B, T, D)


def test_places_of_the_last_text_layer_are_those_of_the_whole(body):
    whole = body.run()
    places = torch.tensor([[0, 3], [1, 1], [2, 0]])
    words = body.bert.embeddings(input_ids=body.ids)
    tokens = body.clip.pre_layrnorm(body.crops(body.clip, body.grounded, body.detector))
    found = body.lockstep(body.bert, body.clip, words, body.mask, tokens, places=places)
    expected = whole.text[-1].gather(1, places.unsqueeze(2).expand(-1, -1, D))
    assert torch.allclose(found.text[-1], expected, atol=1e-6)
    assert torch.allclose(found.text[-2], whole.text[-2], atol=1e-6)


def test_weights_of_the_last_layers_alone(body):
    few = LockStep(body.bert.config, body.clip.config, 2, every_layer=False)
    assert len(few.fusions) == 2
    few.load_state_dict(
        {
            f"fusions.{n}.{name}": value
            for n in range(2)
            for name, value in body.lockstep.fusions[n - 2].state_dict().items()
        }
    )
    whole = body.run().text[-1]
    body.lockstep = few
    assert torch.equal(body.run().text[-1], whole)
