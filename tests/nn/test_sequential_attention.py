"""Sequential element attention: the worked values, and what must not leak."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.sequential_attention import SequentialAttention, look_back  # noqa: E402

PREVIOUS = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
CURRENT = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
ALL = torch.ones(1, 2, dtype=torch.bool)


def close(found: Tensor, wanted: list[list[float]]) -> None:
    torch.testing.assert_close(found[0], torch.tensor(wanted), atol=1e-6, rtol=0)


def stream(count: int, steps: int, elements: int, width: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, steps, elements, width, generator=torch.Generator().manual_seed(seed))


def layer(**options: object) -> SequentialAttention:
    torch.manual_seed(1)
    return SequentialAttention(4, **options).eval()  # type: ignore[arg-type]


def everywhere(elements: Tensor) -> Tensor:
    return torch.ones(elements.shape[:3], dtype=torch.bool)


def test_the_worked_example() -> None:
    shares, found = look_back(CURRENT, PREVIOUS, ALL)
    close(shares, [[0.5, 0.5], [0.268941, 0.731059]])
    close(found, [[1.0, 0.5], [1.0, 0.731059]])
    joined = torch.cat([CURRENT, found], -1)
    close(joined, [[1, 0, 1, 0.5], [0, 1, 1, 0.731059]])


def test_the_worked_example_scaled() -> None:
    _, found = look_back(CURRENT, PREVIOUS, ALL, scaled=True)
    close(found, [[1.0, 0.5], [1.0, 0.669762]])


def test_what_is_joined_is_twice_as_wide() -> None:
    given: list[Tensor] = []
    fused = layer()
    fused.joined.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    elements = stream(2, 3, 5)
    assert fused(elements, everywhere(elements)).shape == (2, 3, 5, 4)
    assert [tuple(each.shape) for each in given] == [(2, 5, 8)] * 3
    # The first step has nothing before it.
    assert torch.equal(given[0][..., 4:], torch.zeros(2, 5, 4))
    torch.testing.assert_close(given[1][..., :4], elements[:, 1])


def test_the_first_step_depends_on_itself_alone() -> None:
    fused, elements = layer(), stream(1, 3, 4)
    alone = fused(elements[:, :1], everywhere(elements[:, :1]))
    torch.testing.assert_close(fused(elements, everywhere(elements))[:, :1], alone)


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, {1}),
        ({"window": 2}, {1, 2}),
        ({"recurrent": True}, {1, 2, 3}),
        ({"scaled": True}, {1}),
        ({"window": 9}, {1, 2, 3}),
    ],
)
def test_how_far_a_step_reaches(options: dict[str, object], changed: set[int]) -> None:
    """The first step is changed: which later ones notice?"""
    fused, elements = layer(**options), stream(1, 4, 3)
    other = elements.clone()
    other[:, 0] += 1
    mask = everywhere(elements)
    differs = (fused(elements, mask) - fused(other, mask)).abs().amax((0, 2, 3)) > 1e-6
    assert {step for step in range(1, 4) if differs[step]} == changed
    # What comes later changes nothing before it.
    late = elements.clone()
    late[:, 2] += 1
    torch.testing.assert_close(fused(late, mask)[:, :2], fused(elements, mask)[:, :2])


def test_a_step_behind_one_without_elements_finds_nothing() -> None:
    given: list[Tensor] = []
    fused, elements = layer(), stream(1, 3, 4)
    fused.joined.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    mask = everywhere(elements)
    mask[:, 1] = False
    found = fused(elements, mask)
    assert found.isfinite().all()
    assert torch.equal(given[2][..., 4:], torch.zeros(1, 4, 4))


def test_two_steps_back_are_read_side_by_side() -> None:
    fused, elements = layer(window=2), stream(1, 3, 4)
    given: list[Tensor] = []
    fused.joined.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    fused(elements, everywhere(elements))
    both = elements[:, :2].reshape(1, 8, 4)
    _, found = look_back(elements[:, 2], both, torch.ones(1, 8, dtype=torch.bool))
    torch.testing.assert_close(given[2][..., 4:], found)


@given(st.integers(0, 2**16), st.sampled_from([{}, {"window": 2}, {"recurrent": True}]))
@settings(max_examples=25, deadline=None)
def test_padding_changes_nothing(seed: int, options: dict[str, object]) -> None:
    """Whatever stands behind the mask, be it not a number."""
    generator = torch.Generator().manual_seed(seed)
    elements = stream(2, 3, 4, seed=seed)
    mask = torch.rand(2, 3, 4, generator=generator) < 0.6
    fused = layer(**options)
    hidden = elements.masked_fill(~mask.unsqueeze(3), float("nan"))
    one, other = fused(elements, mask), fused(hidden, mask)
    torch.testing.assert_close(one[mask], other[mask])
    wider = torch.cat([elements, stream(2, 3, 2, seed=seed + 1)], 2)
    more = torch.cat([mask, torch.zeros(2, 3, 2, dtype=torch.bool)], 2)
    torch.testing.assert_close(fused(wider, more)[:, :, :4][mask], one[mask])


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one step"):
        SequentialAttention(4, window=0)
