"""The loop: learns, resumes with the same curve, divides by what all processes counted, refuses what diverged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.training import loop
from aqaa_eval.reference_model.training.loop import Stage, StepLoss, TrainingPlan, train


def line(n_batches: int = 8, size: int = 16) -> Stage[tuple[Tensor, Tensor]]:
    """Learn y = 3 x - 1 from batches of unequal size."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def epoch(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(number)
        for place in range(n_batches):
            x = torch.rand(size + place % 3, 1, generator=generator)
            yield x, 3 * x - 1

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> StepLoss:
        x, y = batch
        return StepLoss(total=(network(x) - y).square().sum(), count=len(x))

    return Stage(name="line", model=model, loss=loss, epoch=epoch)


def curve(folder: Path) -> list[float]:
    return [json.loads(row)["loss"] for row in (folder / "metrics.jsonl").read_text().splitlines()]


def plan(**changes) -> TrainingPlan:
    return TrainingPlan(**{"n_steps": 60, "learning_rate": 0.03, "n_warmup": 5, "checkpoint_every": 20} | changes)


def test_the_loss_falls_and_every_step_is_logged(tmp_path):
    stage = line()
    train(stage, plan(n_steps=200), tmp_path)
    losses = curve(tmp_path)
    assert len(losses) == 200
    assert losses[-1] < 0.01 < losses[0]
    assert not stage.model.training


def test_a_killed_run_goes_on_with_the_same_curve(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(line(), plan(), whole)

    class Killed(Exception):
        pass

    def kill_at(limit: int):
        def watch(step: int, _figures) -> None:
            if step == limit:
                raise Killed

        return watch

    for limit in (7, 33, 47):
        with pytest.raises(Killed):
            train(line(), plan(), cut, watch=kill_at(limit))
    stage = line()
    train(stage, plan(), cut)
    assert curve(cut) == pytest.approx(curve(whole), rel=1e-6)
    assert len(curve(cut)) == 60
    assert sorted(path.name for path in cut.glob("step-*")) == ["step-0000040", "step-0000060"]


def test_a_finished_run_is_not_trained_again(tmp_path):
    train(line(), plan(), tmp_path)
    seen = []
    stage = line()
    train(stage, plan(), tmp_path, watch=lambda step, _: seen.append(step))
    assert seen == []
    assert stage.model(torch.tensor([[1.0]])).item() == pytest.approx(2.0, abs=0.3)


def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path):
    def joined(stage: Stage) -> Stage:
        def epoch(number: int) -> Iterator:
            batches = list(stage.epoch(number))
            for first, second in zip(batches[::2], batches[1::2], strict=True):
                yield torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])

        return Stage(name=stage.name, model=stage.model, loss=stage.loss, epoch=epoch)

    train(line(), plan(n_accumulated=2), tmp_path / "parts")
    train(joined(line()), plan(), tmp_path / "whole")
    assert curve(tmp_path / "parts") == pytest.approx(curve(tmp_path / "whole"), rel=1e-4)


def test_another_plan_in_the_same_folder_is_refused(tmp_path):
    train(line(), plan(n_steps=2), tmp_path)
    with pytest.raises(ValueError, match="another plan"):
        train(line(), plan(n_steps=3), tmp_path)


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    stage = line()
    bad = Stage(
        name="bad",
        model=stage.model,
        loss=lambda network, batch: StepLoss(total=network(batch[0]).sum() * float("nan"), count=1),
        epoch=stage.epoch,
    )
    with pytest.raises(ValueError, match="loss of step 0 is nan"):
        train(bad, plan(), tmp_path)


def test_an_empty_epoch_is_refused(tmp_path):
    stage = line()
    with pytest.raises(ValueError, match="no batch"):
        train(Stage(name="none", model=stage.model, loss=stage.loss, epoch=lambda _number: iter(())), plan(), tmp_path)


def test_bf16_learns_too(tmp_path):
    train(line(), plan(n_steps=150, precision="bf16"), tmp_path)
    assert curve(tmp_path)[-1] < 0.05


@pytest.mark.parametrize("computes", [True, False])
def test_auto_is_bf16_where_the_processor_computes_in_it(tmp_path, monkeypatch, computes):
    monkeypatch.setattr(loop, "computes_in_bf16", lambda: computes)
    train(line(), plan(n_steps=20, precision="auto"), tmp_path / "auto")
    train(line(), plan(n_steps=20, precision="bf16" if computes else "no"), tmp_path / "told")
    assert curve(tmp_path / "auto") == curve(tmp_path / "told")


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_loop import line, plan
from aqaa_eval.reference_model.training.loop import train
train(line(), plan(n_steps=20, n_accumulated={accumulated}), Path({folder!r}))
"""


@pytest.mark.filterwarnings("default")
def test_two_processes_give_the_loss_of_one(tmp_path):
    """DDP over gloo: each process takes every other batch, so one step of two is two accumulated batches of one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for name, n_processes, accumulated in (("one", 1, 2), ("two", 2, 1)):
        script = tmp_path / f"{name}.py"
        script.write_text(
            SCRIPT.format(tests=str(Path(__file__).parent), accumulated=accumulated, folder=str(tmp_path / name))
        )
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={n_processes}"]
        command.append(str(script))
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one"), rel=1e-4)


def test_a_plan_that_an_older_version_wrote_lacks_new_settings_and_goes_on(tmp_path):
    train(line(), plan(n_steps=20), tmp_path)
    path = tmp_path / "plan.json"
    written = json.loads(path.read_text())
    assert written.pop("optimizer") == "adamw"
    path.write_text(json.dumps(written))
    train(line(), plan(n_steps=20), tmp_path)
    assert len(curve(tmp_path)) == 20
    path.write_text(json.dumps(written))
    with pytest.raises(ValueError, match="another plan"):
        train(line(), plan(n_steps=20, optimizer="muon"), tmp_path)
