"""Boxes as tokens: each measure is told, finely, and by whom."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.box_tokens import MEASURES, BoxTokens  # noqa: E402

BOX = torch.tensor([0.5, 0.4, 0.2, 0.3])


def tokens() -> BoxTokens:
    torch.manual_seed(0)
    return BoxTokens(16)


def test_five_tokens_a_box() -> None:
    found = tokens()(BOX.expand(3, 7, 4), torch.tensor([0, 0, 0, 0, 1, 1, 1]))
    assert found.shape == (3, 7, len(MEASURES), 16)
    assert torch.equal(found[0, 0], found[2, 3])
    assert torch.allclose(found.mean(-1), torch.zeros(3, 7, 5), atol=1e-6)


@pytest.mark.parametrize("measure", range(4))
def test_what_changes_is_what_is_told(measure: int) -> None:
    layer, source = tokens(), torch.tensor([0])
    other = BOX.clone()
    other[measure] += 0.05
    told = (layer(BOX[None], source) - layer(other[None], source))[0].norm(dim=1).detach()
    expected = {measure} | ({4} if measure > 1 else set())  # width and height make the area
    assert {n for n in range(5) if float(told[n]) > 1e-3} == expected


def test_who_gave_a_box_and_what_is_measured() -> None:
    layer = tokens()
    square = torch.full((1, 4), 0.5)
    found = layer(square.expand(2, 4), torch.tensor([0, 1]))
    assert not torch.allclose(found[0], found[1], atol=1e-2)
    # Four equal numbers, told apart by what they measure.
    assert torch.pdist(found[0, :4]).min() > 0.1


def test_the_same_numbers_after_loading() -> None:
    layer, other = tokens(), BoxTokens(16)
    other.load_state_dict(layer.state_dict())
    boxes, source = BOX[None], torch.tensor([1])
    assert torch.equal(layer(boxes, source), other(boxes, source))


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match="need a source and a band"):
        BoxTokens(16, sources=0)
