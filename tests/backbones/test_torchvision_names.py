"""Weights under torchvision's names give the function they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones.torchvision_names import (
    load_torchvision_file,
    resnet_config,
    resnet_from_torchvision,
    resnet_names,
    resnet_state,
)
from magpie.errors import ModelError


class Block(nn.Module):
    """A bottleneck (or basic) block, its parameters named as torchvision names them."""

    def __init__(self, wide: int, planes: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        out = planes * 4 if bottleneck else planes
        self.bottleneck = bottleneck
        if bottleneck:
            self.conv1 = nn.Conv2d(wide, planes, 1, bias=False)
            self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
        else:
            self.conv1 = nn.Conv2d(wide, planes, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or wide != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(wide, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(functional.relu(y)))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Reference(nn.Module):
    """A ResNet written out by hand from its published description."""

    def __init__(
        self,
        stem: int = 8,
        planes: tuple[int, ...] = (4, 6, 8, 10),
        depths: tuple[int, ...] = (2, 1, 3, 1),
        *,
        bottleneck: bool = True,
        classes: int = 5,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        wide = stem
        for stage, (size, depth) in enumerate(zip(planes, depths, strict=True), 1):
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 1 and index == 0 else 1
                blocks.append(Block(wide, size, stride, bottleneck=bottleneck))
                wide = size * 4 if bottleneck else size
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(wide, classes)

    def stages(self, x: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        found = []
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
            found.append(x)
        return found


def reference(seed: int = 0, **sizes: object) -> Reference:
    """With running statistics that are not the initial ones."""
    torch.manual_seed(seed)
    made = Reference(**sizes)  # type: ignore[arg-type]
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
            module.weight.data = torch.rand(module.num_features) + 0.5
            module.bias.data = torch.randn(module.num_features) * 0.1
    return made.eval()


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"stem": 64, "planes": (4, 8, 16, 32), "depths": (2, 1, 1, 1)},
        {"stem": 16, "planes": (4, 5, 6, 7), "depths": (1, 1, 1, 1)},  # stem = stage 1: no shortcut
        {"bottleneck": False, "stem": 6, "planes": (6, 8, 10, 12), "depths": (2, 2, 1, 1)},
    ],
)
@pytest.mark.parametrize("side", [64, 75])
def test_the_last_grid_and_every_stage_are_the_same(sizes: dict[str, object], side: int) -> None:
    network = reference(**sizes)
    encoder = resnet_from_torchvision(network.state_dict(), side=side)
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        wanted = network.stages(x)
        states = encoder(x)
        maps = encoder.stages(x)
    assert encoder.width == wanted[-1].shape[1]
    torch.testing.assert_close(states, wanted[-1].flatten(2).transpose(1, 2))
    assert len(maps) == 4
    for ours, theirs in zip(maps, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_and_batch_statistics_are_the_same() -> None:
    network = reference().train()
    encoder = resnet_from_torchvision(network.state_dict()).train()
    x = torch.randn(3, 3, 64, 64)
    network.stages(x)[-1].square().sum().backward()
    encoder(x).square().sum().backward()
    theirs = dict(network.named_parameters())
    ours = dict(encoder.transformer.named_parameters())
    names = resnet_names(resnet_config(network.state_dict()))
    for name, place in names.items():
        if place in ours:
            torch.testing.assert_close(
                ours[place].grad, theirs[name].grad, rtol=1e-3, atol=1e-4, msg=name
            )
    buffers = dict(encoder.transformer.named_buffers())
    torch.testing.assert_close(
        buffers["embedder.embedder.normalization.running_mean"], network.bn1.running_mean
    )


def test_names_under_a_prefix_beside_other_weights() -> None:
    network = reference()
    state = {f"image.resnet.{name}": value for name, value in network.state_dict().items()}
    state["crf.transitions"] = torch.zeros(3, 3)
    encoder = resnet_from_torchvision(state, prefix="image.resnet.")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder.stages(x)[-1], network.stages(x)[-1])


def test_sizes_are_read_from_the_weights() -> None:
    config = resnet_config(reference().state_dict())
    assert (config.embedding_size, config.hidden_sizes) == (8, [16, 24, 32, 40])
    assert (config.depths, config.layer_type) == ([2, 1, 3, 1], "bottleneck")


def test_every_name_of_resnet_50_has_a_place() -> None:
    config = resnet_config(
        Reference(64, (64, 128, 256, 512), (3, 4, 6, 3), classes=1000).state_dict()
    )
    names = resnet_names(config)
    # 53 convolutions and as many norms of five tensors each: 318 tensors without the classifier
    assert len(names) == len(set(names.values())) == 53 + 53 * 5
    assert names["layer3.5.bn3.running_var"] == (
        "encoder.stages.2.layers.5.layer.2.normalization.running_var"
    )
    assert names["layer2.0.downsample.0.weight"] == (
        "encoder.stages.1.layers.0.shortcut.convolution.weight"
    )


def test_a_weight_without_place_and_a_place_without_weight_are_errors() -> None:
    state = reference().state_dict()
    with pytest.raises(ModelError, match=r"1 weights have no place \(head\.weight\)"):
        resnet_state({**state, "head.weight": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"2 weights have no place \(fc\.bias, fc\.weight\)"):
        resnet_state(state, ignore=())
    broken = {name: value for name, value in state.items() if name != "layer3.1.bn2.bias"}
    with pytest.raises(ModelError, match=r"1 are absent \(layer3\.1\.bn2\.bias\)"):
        resnet_state(broken)
    with pytest.raises(ModelError, match="layer1 to layer4"):
        resnet_state(state, prefix="model.")


def test_counters_of_seen_batches_may_be_absent() -> None:
    state = {n: v for n, v in reference().state_dict().items() if "num_batches" not in n}
    encoder = resnet_from_torchvision(state)
    counters = [v for n, v in encoder.state_dict().items() if n.endswith("num_batches_tracked")]
    assert counters
    assert all(int(value) == 0 for value in counters)


def test_blocks_of_another_shape_are_refused() -> None:
    state = reference().state_dict()
    state["layer2.0.conv2.weight"] = torch.zeros(6, 3, 3, 3)  # two groups
    with pytest.raises(ModelError, match=r"expected the shape .*\(6, 6, 3, 3\)"):
        resnet_from_torchvision(state)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weight_files(tmp_path: Path, suffix: str) -> None:
    network = reference()
    path = tmp_path / f"resnet{suffix}"
    if suffix == ".pth":
        torch.save(network.state_dict(), path)
    else:
        save_file(network.state_dict(), path)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(load_torchvision_file(path).stages(x)[-1], network.stages(x)[-1])


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("unpickled",))


def test_damaged_and_dangerous_weight_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ModelError, match="no readable weight file"):
            load_torchvision_file(tmp_path / name)
    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="no readable weight file"):
        load_torchvision_file(tmp_path / "evil.pth")
    assert "unpickled" not in capsys.readouterr().out
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="no weights by name"):
        load_torchvision_file(tmp_path / "list.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"other\.pth"):
        load_torchvision_file(tmp_path / "other.pth")
