"""Shares of batches, and two processes against one."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.features.supply import Supplier
from magpie.methods.base import Batch, Output
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import method_class
from magpie.training.distributed import Processes
from magpie.training.examples import Examples
from magpie.training.loop import LoopConfig, Trainer
from magpie.training.optimisers import OptimiserConfig, make_optimiser, moving

DOCUMENTS = list(controlled("train", ControlledConfig(size=24)))


class Pretended(Processes):
    """One of several processes, without the others."""

    def __init__(self, rank: int, count: int) -> None:
        self._rank, self._count = rank, count

    @property
    def count(self) -> int:
        return self._count

    @property
    def rank(self) -> int:
        return self._rank


def examples(**config: Any) -> Examples:
    cls = method_class("bert-crf")
    torch.manual_seed(0)
    settings = cls.Config(text="tiny-bert", max_length=40, dropout=0.0, **config)
    method = cls.build(settings, LabelSpace.of(DOCUMENTS))
    for module in method.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return Examples(method, DOCUMENTS, Supplier())


def losses(loop: LoopConfig) -> list[float]:
    prepared = examples()
    return [step.loss for step in Trainer(prepared.method, prepared, loop).steps()]


def test_one_process_takes_everything() -> None:
    processes = Processes()
    assert (processes.count, processes.rank, processes.main) == (1, 0, True)
    assert processes.share([1, 2, 3]) == ([1, 2, 3], 1.0)
    value = torch.tensor([1.5])
    assert processes.mean(value) is value
    assert processes.gather("x") == ["x"]
    assert processes.tell({"a": 1}) == {"a": 1}


@given(st.lists(st.integers(), min_size=1, max_size=9), st.integers(2, 5))
def test_shares_cover_a_batch_and_their_weights_make_its_mean(batch: list[int], count: int) -> None:
    shares = [Pretended(rank, count).share(batch) for rank in range(count)]
    assert sorted(x for part, weight in shares if weight for x in part) == sorted(batch)
    assert all(part for part, _ in shares)
    mean = sum(weight * sum(part) / len(part) for part, weight in shares) / count
    assert mean == pytest.approx(sum(batch) / len(batch))


def test_accumulated_batches_give_the_gradients_of_one_large_batch() -> None:
    optimiser = OptimiserConfig(rate=1e-3, warmup=0.0)
    large = LoopConfig(epochs=2, batch=12, optimiser=optimiser, bucket=False)
    small = LoopConfig(epochs=2, batch=6, accumulate=2, optimiser=optimiser, bucket=False)
    assert losses(small) == pytest.approx(losses(large), rel=1e-5)


def test_checkpointing_changes_no_number() -> None:
    plain = LoopConfig(epochs=1, batch=12)
    assert losses(LoopConfig(epochs=1, batch=12, checkpointing=True)) == losses(plain)


def test_bf16_inside_keeps_weights_and_stays_near() -> None:
    loop = LoopConfig(epochs=1, batch=12, precision="bf16")
    prepared = examples()
    found = [step.loss for step in Trainer(prepared.method, prepared, loop).steps()]
    assert found == pytest.approx(losses(LoopConfig(epochs=1, batch=12)), rel=0.05)
    assert {p.dtype for p in prepared.method.parameters()} == {torch.float32}


def test_short_texts_in_bf16_take_plain_attention_and_long_ones_the_fused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = examples()
    forward, fused = prepared.method.forward, []

    def spied(batch: Batch) -> Output:
        fused.append(torch.backends.cuda.flash_sdp_enabled())
        return forward(batch)

    monkeypatch.setattr(prepared.method, "forward", spied)
    for precision in ("bf16", "float32"):
        loop = LoopConfig(epochs=1, batch=24, precision=precision)
        list(Trainer(prepared.method, prepared, loop).steps())
    monkeypatch.setattr("magpie.training.loop.SHORT_BELOW", 8)  # texts here have more pieces
    list(Trainer(prepared.method, prepared, dataclasses.replace(loop, precision="bf16")).steps())
    assert fused == [False, True, True]
    assert torch.backends.cuda.flash_sdp_enabled()  # nothing of it stays


def test_only_moving_groups_are_given_to_the_optimiser() -> None:
    method = method_class("mmner-model").build(
        method_class("mmner-model").Config(
            text="tiny-bert", vision="tiny-vit", width=32, heads=4, inner=32
        ),
        LabelSpace.of(DOCUMENTS),
    )
    before = {name: p.requires_grad for name, p in method.named_parameters()}
    with moving(method, ["fusion"]):
        groups = make_optimiser(method, OptimiserConfig()).param_groups
        assert {group["name"] for group in groups} == {"fusion"}
        assert not any(p.requires_grad for p in method.backbones["text"].parameters())
    assert {name: p.requires_grad for name, p in method.named_parameters()} == before


SCRIPT = """
import json, sys
import torch
sys.path.insert(0, sys.argv[1])
from training.test_distributed import examples
from magpie.training.loop import LoopConfig, Trainer
prepared = examples()
loop = LoopConfig(epochs=2, batch=int(sys.argv[2]))
trainer = Trainer(prepared.method, prepared, loop)
found = [step.loss for step in trainer.steps()]
if trainer.processes.main:
    weights = [float(p.detach().double().sum()) for p in prepared.method.parameters()]
    open(sys.argv[3], "w").write(json.dumps([trainer.processes.count, found, weights]))
"""


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.mark.slow
def test_two_processes_learn_as_one_with_the_doubled_batch(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parent.parent
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # Seven documents a process do not divide 24: the last batch is shared unevenly.
    alone = [sys.executable, str(script), str(tests), "14", str(tmp_path / "one.json")]
    subprocess.run(alone, check=True)
    port = str(_free_port())
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    running = [
        subprocess.Popen(
            [sys.executable, str(script), str(tests), "7", str(tmp_path / "two.json")],
            env={
                **os.environ,
                **world,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "ACCELERATE_USE_CPU": "true",
                "OMP_NUM_THREADS": "1",
            },
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=500) for process in running] == [0, 0]
    one = json.loads((tmp_path / "one.json").read_text())
    two = json.loads((tmp_path / "two.json").read_text())
    assert (one[0], two[0]) == (1, 2)
    assert len(one[1]) == 4
    assert two[1] == pytest.approx(one[1], rel=1e-4)
    assert two[2] == pytest.approx(one[2], rel=1e-4, abs=1e-3)
