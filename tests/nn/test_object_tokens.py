"""Objects as tokens: the depth kernel's start, the order of tokens, pooling, places."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch import nn  # noqa: E402

from magpie.nn.object_tokens import ObjectPlaces, ObjectTokens, object_place  # noqa: E402

WIDTH, PATCH = 6, 4


def colours(width: int = WIDTH) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, width, PATCH, stride=PATCH, bias=False)


def test_depth_kernel_is_the_mean_of_the_colour_kernels():
    convolution = colours(1)
    with torch.no_grad():
        convolution.weight[0, :, 0, 0] = torch.tensor([0.3, 0.6, 0.9])
    made = ObjectTokens(convolution, 4)
    assert made.depth is not None
    assert made.depth.weight.shape == (1, 1, PATCH, PATCH)
    assert made.depth.weight[0, 0, 0, 0].item() == pytest.approx(0.6)
    # It is a start, not a tie: the colour kernel may move on alone.
    with torch.no_grad():
        convolution.weight.zero_()
    assert made.depth.weight[0, 0, 0, 0].item() == pytest.approx(0.6)


def test_tokens_of_an_object_stand_together_colours_first():
    convolution = colours()
    made = ObjectTokens(convolution, 4)
    pixels, depth = torch.randn(2, 3, 3, 8, 8), torch.randn(2, 3, 1, 8, 8)
    found = made(convolution, pixels, depth)
    assert found.shape == (2, 3 * 8, WIDTH)
    tokens = found.unflatten(1, (3, 8))
    # Patch 1 is the upper right one.
    corner = convolution(pixels[1, 2, :, :4, 4:][None])[0, :, 0, 0] + made.positions[1]
    assert torch.allclose(tokens[1, 2, 1], corner, atol=1e-6)
    deep = made.depth(depth[1, 2, :, :4, 4:][None])[0, :, 0, 0] + made.positions[1]
    assert torch.allclose(tokens[1, 2, 5], deep, atol=1e-6)
    # An object without pixels is its positions, twice.
    empty = made(convolution, torch.zeros(1, 1, 3, 8, 8), torch.zeros(1, 1, 1, 8, 8))[0]
    assert torch.equal(empty, torch.cat([made.positions, made.positions]))


def test_without_depth_there_are_half_as_many_tokens_and_no_kernel():
    convolution = colours()
    made = ObjectTokens(convolution, 4, depth=False)
    assert made.depth is None
    assert {name for name, _ in made.named_parameters()} == {"positions"}
    assert made(convolution, torch.randn(2, 3, 3, 8, 8)).shape == (2, 12, WIDTH)


def test_place_by_hand():
    assert object_place(0.5, 0.4, 0.2, 0.3) == pytest.approx((0.5, 0.4, 0.2, 0.3, 0.06))


def test_pooling_and_place():
    places = ObjectPlaces(2)
    with torch.no_grad():
        places.place.weight.zero_()
        places.place.weight[0, 4] = 10.0
        places.place.bias.zero_()
    tokens = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]]])  # two objects
    where = torch.tensor([[[0.5, 0.4, 0.2, 0.3, 0.06], [0.5, 0.5, 1.0, 1.0, 0.1]]])
    found = places.eval()(tokens, 2, where)
    # Means (2, 0) and (0, 3); the areas add 0.6 and 1; the norm of two numbers is +-1.
    assert found[0].tolist() == [pytest.approx([1, -1]), pytest.approx([-1, 1])]
    bare = ObjectPlaces(2, placed=False)
    assert list(bare.parameters()) == []
    assert bare(tokens, 2, where)[0].tolist() == [[2.0, 0.0], [0.0, 3.0]]


def test_slots_copy_objects_before_they_are_placed():
    places = ObjectPlaces(3).eval()
    tokens, where = torch.randn(1, 4, 3), torch.rand(1, 3, 5)
    found = places(tokens, 2, where, torch.tensor([[0, 1, 1]]))
    again = torch.cat([tokens, tokens[:, 2:]], 1)
    assert torch.equal(found, places(again, 2, where))
