"""Optimisers and schedules of the published runs, by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from torch import nn  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.mmner_model import MMNerModel, MMNerModelConfig  # noqa: E402
from magpie.training.optimisers import (  # noqa: E402
    SCHEDULES,
    BertAdam,
    OptimiserConfig,
    clip_gradients,
    make_optimiser,
    rate_factor,
    set_rates,
)


@pytest.mark.parametrize(("share", "factor"), [(0.05, 0.5), (0.1, 0.9), (0.5, 0.5), (1.0, 0.0)])
def test_the_schedule_of_2018_drops_at_the_end_of_its_warm_up(share: float, factor: float) -> None:
    config = OptimiserConfig(schedule="bert", warmup=0.1)
    assert rate_factor(share, config) == pytest.approx(factor)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_every_schedule_rises_evenly_and_never_above_its_peak(schedule: str) -> None:
    config = OptimiserConfig(schedule=schedule, warmup=0.2)  # type: ignore[arg-type]
    assert [rate_factor(x / 20, config) for x in range(4)] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert all(0 <= rate_factor(x / 100, config) <= 1 for x in range(101))
    bare = OptimiserConfig(schedule=schedule, warmup=0.0)  # type: ignore[arg-type]
    assert rate_factor(0.0, bare) == 1.0


def test_linear_cosine_and_constant_between() -> None:
    values = {
        name: rate_factor(0.6, OptimiserConfig(schedule=name, warmup=0.2))  # type: ignore[arg-type]
        for name in ("linear", "cosine", "constant")
    }
    assert values == pytest.approx(
        {"linear": 0.5, "cosine": 0.5 * (1 + math.cos(math.pi / 2)), "constant": 1.0}
    )


@pytest.mark.parametrize("per_epoch", [1, 7, 250, 211])
def test_steps_are_those_of_step_lr(per_epoch: int) -> None:
    """StepLR(2, 0.8) over 30 epochs, at the first and the last step of each epoch."""
    config = OptimiserConfig(schedule="step", warmup=0.0, rate=1e-4)
    total = 30 * per_epoch
    starts = [1e-4 * rate_factor(e * per_epoch / total, config) for e in range(6)]
    assert starts == pytest.approx([1e-4, 1e-4, 8e-5, 8e-5, 6.4e-5, 6.4e-5])
    for epoch in range(30):
        last = ((epoch + 1) * per_epoch - 1) / total
        assert rate_factor(last, config) == pytest.approx(0.8 ** (epoch // 2))
    assert rate_factor(1.0, config) == pytest.approx(0.8**14)


def test_step_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="step_count >= 1"):
        OptimiserConfig(step_count=0)
    with pytest.raises(ConfigError, match="step_factor"):
        OptimiserConfig(step_factor=1.5)
    with pytest.raises(ConfigError, match="rate > 0"):
        OptimiserConfig(rate=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"decay": -0.1}, "decay >= 0"),
        ({"eps": 0.0}, "eps > 0"),
        ({"beta1": 1.0}, "beta1 and beta2"),
        ({"beta2": -0.5}, "beta1 and beta2"),
    ],
)
def test_what_no_adam_can_work_with(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        OptimiserConfig(**settings)  # type: ignore[arg-type]


def test_a_methods_own_rate_may_not_be_negative() -> None:
    config = MMNerModelConfig(
        text="tiny-bert", vision="tiny-vit", width=16, heads=4, text_rate=-1.0
    )
    method = MMNerModel.build(config, LabelSpace(entity_types=("PER",)))
    with pytest.raises(ConfigError, match=r"group text of mmner-model has rate -1\.0"):
        make_optimiser(method, OptimiserConfig())


def test_bert_adam_by_hand() -> None:
    """No bias correction; decay joins the update before the rate."""
    weight = nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.double))
    optimiser = BertAdam([weight], lr=0.1, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01)
    values, m, v = [2.0, -1.0], [0.0, 0.0], [0.0, 0.0]
    for gradient in ([0.5, -2.0], [1.0, 3.0]):
        weight.grad = torch.tensor(gradient, dtype=torch.double)
        optimiser.step()
        for i, g in enumerate(gradient):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            values[i] -= 0.1 * (m[i] / (math.sqrt(v[i]) + 1e-6) + 0.01 * values[i])
        assert weight.detach().tolist() == pytest.approx(values, abs=1e-12)


def test_its_first_update_is_larger_than_adams() -> None:
    """m / sqrt(v) is 0.1 / sqrt(0.001) = 3.16 at the first step, where Adam corrects it to 1."""
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    BertAdam([weight], lr=1.0, weight_decay=0.0).step()
    assert weight.item() == pytest.approx(-0.1 / math.sqrt(0.001), rel=1e-4)


def test_each_tensor_is_clipped_by_itself_or_all_together() -> None:
    def clipped(each: bool) -> list[list[float]]:
        first, second = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
        first.grad, second.grad = torch.tensor([3.0, 4.0]), torch.tensor([0.5])
        clip_gradients([first, second], OptimiserConfig(clip=1.0, clip_each=each))
        return [first.grad.tolist(), second.grad.tolist()]

    assert clipped(True) == [pytest.approx([0.6, 0.8], rel=1e-5), pytest.approx([0.5])]
    norm = math.sqrt(25.25)
    assert clipped(False) == [
        pytest.approx([3 / norm, 4 / norm], rel=1e-5),
        pytest.approx([0.5 / norm], rel=1e-5),
    ]


def test_no_clip_leaves_gradients_alone() -> None:
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.tensor([40.0])
    clip_gradients([weight], OptimiserConfig(clip=0))
    assert weight.grad.item() == 40.0


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_tensors_in_one_order_and_in_another_are_updated_alike(decay: float) -> None:
    """By AdamW's kernel, step by step where memory is in another order, and by hand."""
    torch.manual_seed(0)
    values = torch.randn(300, 500)
    slopes = [torch.randn(300, 500) for _ in range(3)]
    plain = nn.Parameter(values.clone())
    turned = nn.Parameter(values.t().contiguous().t())
    assert not turned.is_contiguous()
    optimiser = BertAdam([plain, turned], lr=0.1, weight_decay=decay)
    wanted, mean, square = values.clone(), torch.zeros(300, 500), torch.zeros(300, 500)
    for slope in slopes:
        plain.grad, turned.grad = slope.clone(), slope.clone()
        optimiser.step()
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        wanted -= 0.1 * (mean / (square.sqrt() + 1e-6) + decay * wanted)
    torch.testing.assert_close(plain.detach(), wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(plain.detach(), turned.detach(), rtol=1e-5, atol=1e-6)


def test_adamw_corrects_its_bias_and_decays_beside_the_step() -> None:
    small = {"text": "tiny-bert", "vision": "tiny-vit", "width": 32, "heads": 4, "inner": 32}
    method = MMNerModel.build(MMNerModelConfig(**small), LabelSpace(entity_types=("PER",)))
    optimiser = make_optimiser(method, OptimiserConfig(rate=0.01, decay=0.1))
    chosen = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    assert {group["weight_decay"] for group in chosen.values()} == {0.0, 0.1}
    parameters = method.trainable()
    before = [p.detach().clone() for p in parameters]
    torch.manual_seed(1)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimiser.step()
    for parameter, old in zip(parameters, before, strict=True):
        # After one step the corrected moments are the gradient and its square.
        slope = parameter.grad
        group = chosen[id(parameter)]
        step = slope / (slope.abs() + 1e-8) + group["weight_decay"] * old
        wanted = old - group["lr"] * step
        torch.testing.assert_close(parameter.detach(), wanted, rtol=1e-5, atol=1e-6)


def test_groups_keep_their_rates_and_biases_and_norms_take_no_decay() -> None:
    config = MMNerModelConfig(
        text="tiny-bert", vision="tiny-vit", width=32, heads=4, inner=32, text_rate=3e-5
    )
    method = MMNerModel.build(config, LabelSpace(entity_types=("PER",)))
    settings = OptimiserConfig(name="bert-adam", rate=1e-4, warmup=0.0, schedule="step")
    optimiser = make_optimiser(method, settings)
    assert isinstance(optimiser, BertAdam)
    rates = {group["name"]: group["peak"] for group in optimiser.param_groups}
    # The picture encoder is frozen and has no group.
    assert rates == {"text": 3e-5, "fusion": 1e-4}
    names = {id(p): n for n, p in method.named_parameters()}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            plain = name.endswith("bias") or "norm" in name.lower()
            if plain or parameter.dim() == 1:
                assert group["weight_decay"] == 0.0, name
            else:
                assert group["weight_decay"] == 0.01, name
    set_rates(optimiser, settings, 0.5)
    assert {g["lr"] / g["peak"] for g in optimiser.param_groups} == {0.8**7}
