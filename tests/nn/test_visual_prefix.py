"""The visual prefix: pooling, layouts, gates, and attention over it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from magpie.backbones.tiny import tiny_text  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.visual_prefix import (  # noqa: E402
    Prefix,
    VisualPrefix,
    pool_blocks,
    prefix_heads,
    prefixed_states,
)

CHANNELS = (256, 512, 1024, 2048)


def made(**options: object) -> VisualPrefix:
    torch.manual_seed(0)
    settings: dict[str, object] = {"hidden": 12, **options}
    return VisualPrefix((4, 8, 8, 12), 24, 2, 12, **settings)  # type: ignore[arg-type]


def maps(pictures: int, seed: int = 0) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    sizes = ((4, 16), (8, 8), (8, 4), (12, 2))
    return [torch.randn(pictures, c, side, side, generator=draw) for c, side in sizes]


def test_published_maps_become_two_by_two() -> None:
    sides = (56, 28, 14, 7)
    pooled = pool_blocks([torch.rand(1, c, s, s) for c, s in zip(CHANNELS, sides, strict=True)])
    assert [tuple(block.shape[1:]) for block in pooled] == [(c, 2, 2) for c in CHANNELS]
    assert sum(block.shape[1] for block in pooled) == 3840


@pytest.mark.parametrize(
    ("side", "kernel"), [(56, 28), (28, 14), (14, 7), (7, 3), (25, 12), (2, 1)]
)
def test_the_last_row_of_an_odd_side_is_dropped(side: int, kernel: int) -> None:
    block = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side)
    (pooled,) = pool_blocks([block])
    assert pooled[0, 0, 0, 0] == block[0, 0, :kernel, :kernel].mean()
    assert torch.isclose(
        pooled[0, 0, 1, 1], block[0, 0, kernel : 2 * kernel, kernel : 2 * kernel].mean()
    )


@pytest.mark.parametrize("side", [1, 3])
def test_a_side_that_cannot_be_pooled_is_refused(side: int) -> None:
    with pytest.raises(ConfigError, match="cannot be pooled to 2x2"):
        pool_blocks([torch.zeros(1, 2, side, side)])


def test_slots_are_groups_of_channels() -> None:
    prefix = VisualPrefix(CHANNELS, 8, 1, 2, hidden=2)
    channel = torch.arange(3840.0).view(1, 3840, 1, 1).expand(1, 3840, 2, 2)
    slots = prefix.pyramid_slots(channel.split(CHANNELS, 1))
    assert slots.shape == (1, 4, 3840)
    assert torch.equal(slots[0, 0], torch.arange(960.0).repeat_interleave(4))
    assert slots[0, 1, 0] == 960
    assert slots[0, 3, 0] == 2880


def test_parameter_counts_of_the_published_sizes() -> None:
    with torch.device("meta"):
        prefix = VisualPrefix(CHANNELS, 768, 12, 12)
    counts = [sum(p.numel() for p in part.parameters()) for part in (prefix.project, prefix.gates)]
    assert counts == [7_994_144, 294_960]


def test_the_gate_of_the_specification() -> None:
    prefix = made()
    gate = prefix.gates[0]
    nn.init.zeros_(gate.weight)
    gate.bias.data = torch.tensor([1.0, -1.0, 0.0, 2.0])
    levels = prefix.level_states(maps(1))
    share = torch.tensor([0.2247, 0.0818, 0.0827, 0.6108])
    mixed = sum(s * level for s, level in zip(share, levels, strict=True))
    keys = prefix_heads(mixed[..., :24], 12, "reshape")
    assert torch.allclose(prefix(maps(1), 1)[0].keys, keys, atol=1e-4)
    found = torch.softmax(functional.leaky_relu(gate.bias), 0)
    assert torch.allclose(found, share, atol=5e-5)


def numbered() -> Tensor:
    """x[p, c] = 768 p + c."""
    return torch.arange(16 * 768.0).view(1, 16, 768)


def test_the_public_layout_mixes_slots_and_channels() -> None:
    laid = prefix_heads(numbered(), 12, "reshape")
    assert laid.shape == (1, 12, 16, 64)
    assert laid[0, 0, 12, 0] == 768  # slot 1, channel 0
    assert laid[0, 1, 0, 0] == 768 + 256  # slot 1, channel 256
    source = laid[0].div(768, rounding_mode="floor").div(4, rounding_mode="floor")
    assert [row.unique().tolist() for row in source] == [[n // 3] for n in range(12)]


def test_the_layout_by_heads_is_that_of_bert() -> None:
    laid = prefix_heads(numbered(), 12, "heads")
    assert laid[0, 0, 12, 0] == 12 * 768  # slot 12, channel 0
    assert laid[0, 3, 5, 7] == 5 * 768 + 3 * 64 + 7


def attended(layout: str, order: tuple[int, ...]) -> Tensor:
    """What queries find in a prefix of four pictures in this order."""
    draw = torch.Generator().manual_seed(5)
    slots = torch.randn(4, 4, 48, generator=draw)[list(order)].reshape(1, 16, 48)
    query = torch.randn(1, 12, 3, 4, generator=draw)
    laid = prefix_heads(slots, 12, layout)  # type: ignore[arg-type]
    return functional.scaled_dot_product_attention(query, laid, laid)


def test_swapping_two_crops_matters_in_the_public_layout_only() -> None:
    one, other = (0, 1, 2, 3), (0, 2, 1, 3)
    assert torch.allclose(attended("heads", one), attended("heads", other), atol=1e-6)
    assert not torch.allclose(attended("reshape", one), attended("reshape", other), atol=1e-2)


def test_pictures_stand_in_order_in_the_prefix() -> None:
    prefix = made(layout="heads")
    both = prefix(maps(2), 2)
    for number in range(2):
        alone = prefix([block[number : number + 1] for block in maps(2)], 1)
        for layer, one in zip(both, alone, strict=True):
            part = slice(4 * number, 4 * number + 4)
            assert torch.allclose(layer.keys[:, :, part], one.keys, atol=1e-6)
            assert torch.allclose(layer.values[:, :, part], one.values, atol=1e-6)
    assert [tuple(p.keys.shape) for p in both] == [(1, 12, 8, 2)] * 2


def test_a_block_each_is_what_the_paper_draws() -> None:
    prefix = made(pyramid="per_block")
    levels = prefix.level_states(maps(3))
    assert [tuple(level.shape) for level in levels] == [(3, 4, 48)] * 4
    pooled = pool_blocks(maps(3))[1]  # 3,8,2,2
    layer = prefix.project[1]
    assert torch.allclose(levels[1][:, 2], layer(pooled[:, :, 1, 0]), atol=1e-6)
    moved = [*maps(3)]
    moved[0] = moved[0] + 1.0
    after = prefix.level_states(moved)
    assert not torch.allclose(levels[0], after[0])
    assert torch.equal(levels[3], after[3])


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected 4 blocks"):
        VisualPrefix((4, 8), 24, 2, 12)
    with pytest.raises(ConfigError, match="slots do not fit"):
        made(slots=7)
    with pytest.raises(ConfigError, match="slots do not fit"):
        made(pyramid="per_block", slots=2)


class Text:
    """A tiny encoder and a batch of two texts, the second padded."""

    def __init__(self, name: str) -> None:
        self.encoder = tiny_text(name, dropout=0.0).eval()
        self.ids = torch.tensor([[2, 9, 10, 11, 3], [2, 12, 3, 0, 0]])
        if name == "tiny-roberta":
            self.ids = self.ids + (self.ids == 0) * self.encoder.pad_id
        self.mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])

    def prefixes(self, slots: int = 6) -> list[Prefix]:
        draw = torch.Generator().manual_seed(6)
        shape = (2, 4, slots, 8)
        return [
            Prefix(torch.randn(shape, generator=draw), torch.randn(shape, generator=draw))
            for _ in range(2)
        ]

    def states(self, prefixes: list[Prefix], seen: Tensor) -> Tensor:
        transformer = self.encoder.transformer
        return prefixed_states(transformer, self.ids, self.mask, prefixes, seen)


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
def test_a_hidden_prefix_is_no_prefix(name: str) -> None:
    text = Text(name)
    plain = text.encoder(text.ids, text.mask)
    hidden = text.states(text.prefixes(), torch.zeros(2, 6))
    assert torch.allclose(hidden[text.mask.bool()], plain[text.mask.bool()], atol=1e-4)
    seen = text.states(text.prefixes(), torch.ones(2, 6))
    assert seen.shape == plain.shape == (2, 5, 32)
    assert not torch.allclose(seen[0], plain[0], atol=1e-2)


def test_positions_of_the_text_do_not_shift() -> None:
    text = Text("tiny-bert")
    calls: list[Tensor] = []
    hook = text.encoder.transformer.embeddings.register_forward_hook(
        lambda _, __, found: calls.append(found)
    )
    text.encoder(text.ids, text.mask)
    text.states(text.prefixes(), torch.ones(2, 6))
    hook.remove()
    assert torch.equal(calls[0], calls[1])


def test_one_slot_by_hand() -> None:
    """A slot whose key is opposite to all queries is not seen; its twin takes everything."""
    text = Text("tiny-bert")
    layer = text.encoder.transformer.encoder.layer[0]
    attention = layer.attention.self
    with torch.no_grad():
        attention.query.weight.zero_()
        attention.query.bias.fill_(1.0)
    seen: list[Tensor] = []
    hook = layer.attention.output.dense.register_forward_hook(
        lambda _, given, __: seen.append(given[0])
    )
    keys = torch.stack([torch.full((2, 4, 8), -99.0), torch.full((2, 4, 8), 99.0)], 2)
    values = torch.stack([torch.full((2, 4, 8), 7.0), torch.full((2, 4, 8), 3.0)], 2)
    prefix = Prefix(keys, values)
    text.states([prefix, text.prefixes(2)[1]], torch.ones(2, 2))
    hook.remove()
    assert torch.allclose(seen[0], torch.full_like(seen[0], 3.0))


def test_a_weight_says_how_often_a_slot_counts() -> None:
    text = Text("tiny-bert")
    real, prefixes = text.mask.bool(), text.prefixes(3)
    twice = [Prefix(torch.cat([p.keys] * 2, 2), torch.cat([p.values] * 2, 2)) for p in prefixes]

    def states(given: list[Prefix], weight: Tensor | None) -> Tensor:
        seen = torch.ones(2, given[0].keys.shape[2])
        return prefixed_states(text.encoder.transformer, text.ids, text.mask, given, seen, weight)

    def of(value: float) -> Tensor:
        return torch.full((2, 5), value)

    assert torch.equal(states(prefixes, of(1.0))[real], states(prefixes, None)[real])
    two = states(prefixes, of(2.0))[real]
    torch.testing.assert_close(two, states(twice, None)[real], atol=1e-5, rtol=1e-5)
    plain = text.encoder(text.ids, text.mask)[real]
    torch.testing.assert_close(states(prefixes, of(0.0))[real], plain, atol=1e-5, rtol=1e-5)
    # A closed eye has no slope, and harms none beside it.
    weight = of(1.0)
    weight[:, 0] = 0.0
    weight.requires_grad_()
    states(prefixes, weight).pow(2).sum().backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
    assert (weight.grad[0, 1:] != 0).all()


def test_masked_slots_get_no_gradient() -> None:
    text = Text("tiny-bert")
    prefixes = text.prefixes()
    for prefix in prefixes:
        prefix.keys.requires_grad_()
        prefix.values.requires_grad_()
    seen = torch.ones(2, 6)
    seen[:, 4:] = 0
    text.states(prefixes, seen).pow(2).sum().backward()
    for prefix in prefixes:
        for part in (prefix.keys, prefix.values):
            assert part.grad is not None
            assert part.grad[:, :, :4].abs().sum() > 0
            assert not part.grad[:, :, 4:].any()
