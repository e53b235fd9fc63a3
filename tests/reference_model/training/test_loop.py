"""The loop: learns, resumes with the same curve, divides by what all processes counted, refuses what diverged."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboardX.proto.event_pb2 import Event, SessionLog
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


def test_a_plan_before_the_first_checkpoint_and_how_often_one_is_kept_may_change(tmp_path):
    with pytest.raises(ValueError, match="no batch"):
        train(replace(line(), epoch=lambda _: iter(())), plan(n_steps=9), tmp_path)
    train(line(), plan(n_steps=20), tmp_path)
    train(line(), plan(n_steps=20, checkpoint_every=5), tmp_path)
    assert len(curve(tmp_path)) == 20


@pytest.mark.parametrize("change", [{"learning_rate": float("inf")}, {"seed": -1}, {"seed": 2**32}])
def test_a_plan_that_no_training_can_follow_is_refused(change):
    with pytest.raises(ValueError, match="must be finite, and seed"):
        plan(**change)


def test_a_checkpoint_that_was_cut_gives_way_to_the_one_before(tmp_path, caplog):
    train(line(), plan(), tmp_path / "whole")
    train(line(), plan(), tmp_path / "cut")
    weights = {step: tmp_path / "cut" / f"step-{step:07d}" / "model.safetensors" for step in (40, 60)}
    weights[60].write_bytes(weights[60].read_bytes()[:100])
    train(line(), plan(), tmp_path / "cut")
    assert "step-0000060 cannot be loaded" in caplog.text
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert len(curve(tmp_path / "cut")) == 60
    for path in weights.values():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be loaded: empty it"):
        train(line(), plan(), tmp_path / "cut")


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path):
    stage = line()
    bad = Stage(
        name="bad",
        model=stage.model,
        loss=lambda network, batch: StepLoss(total=network(batch[0]).sum() * float("nan"), count=1),
        epoch=stage.epoch,
    )
    with pytest.raises(ValueError, match="at step 0 the loss is nan"):
        train(bad, plan(), tmp_path)


def test_a_gradient_that_is_not_finite_stops_before_the_weights_take_it(tmp_path):
    """The square root has no gradient at nothing, and its value there is fine."""
    stage = line()
    n_seen = 0

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> StepLoss:
        nonlocal n_seen
        n_seen += 1
        error = network(batch[0]).square().sum()
        return StepLoss(total=error + ((error - error).abs().sqrt() if n_seen == 4 else 0), count=1)

    bad = Stage(name="bad", model=stage.model, loss=loss, epoch=stage.epoch)
    with pytest.raises(ValueError, match=r"at step 3 the loss is .* and the norm of its gradient nan"):
        train(bad, plan(n_steps=4, checkpoint_every=2), tmp_path)
    assert [path.name for path in sorted(tmp_path.glob("step-*"))] == ["step-0000002"]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in stage.model.state_dict().values())


def test_further_figures_are_means_over_the_batches_of_a_step(tmp_path):
    def loss(network: nn.Module, batch: Tensor) -> StepLoss:
        return StepLoss(total=network(batch).sum(), count=len(batch), shown={"rows": float(len(batch))})

    epoch = [torch.ones(n, 1) for n in (1, 3)]
    train(
        Stage(name="shown", model=nn.Linear(1, 1), loss=loss, epoch=lambda _: iter(epoch)),
        plan(n_steps=1, n_accumulated=2),
        tmp_path,
    )
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["rows"] == pytest.approx((1 * 1 + 3 * 3) / 4)


def test_auto_asks_the_processor_for_a_stage_that_stays_there(monkeypatch):
    """Where there is a GPU, too, what it computes in is no matter."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not plan(precision="auto").uses_bf16(torch.device("cpu"))
    assert plan(precision="auto").uses_bf16(torch.device("cuda"))


def test_an_empty_epoch_is_refused(tmp_path):
    stage = line()
    with pytest.raises(ValueError, match="no batch"):
        train(Stage(name="none", model=stage.model, loss=stage.loss, epoch=lambda _number: iter(())), plan(), tmp_path)


def test_bf16_learns_too(tmp_path):
    train(line(), plan(n_steps=150, precision="bf16"), tmp_path)
    assert curve(tmp_path)[-1] < 0.05


@pytest.mark.parametrize("computes", [True, False])
def test_auto_is_bf16_where_the_processor_computes_in_it(tmp_path, monkeypatch, computes):
    monkeypatch.setattr(loop, "computes_in_bf16", lambda _device: computes)
    train(line(), plan(n_steps=20, precision="auto"), tmp_path / "auto")
    train(line(), plan(n_steps=20, precision="bf16" if computes else "no"), tmp_path / "told")
    assert curve(tmp_path / "auto") == curve(tmp_path / "told")


class Moved:
    """A batch that can be moved, and says where it was."""

    def __init__(self, x: Tensor, places: list[str]) -> None:
        self.x, self.places = x, places

    def to(self, device: torch.device) -> Moved:
        self.places.append(str(device))
        return Moved(self.x.to(device), self.places)


def test_batches_are_moved_to_the_models_device(tmp_path):
    places: list[str] = []
    model = nn.Linear(1, 1)

    def loss(network: nn.Module, batch: Moved) -> StepLoss:
        return StepLoss(total=network(batch.x).square().sum(), count=len(batch.x))

    stage = Stage(name="moved", model=model, loss=loss, epoch=lambda _: iter([Moved(torch.ones(3, 1), places)]))
    train(stage, plan(n_steps=3), tmp_path)
    assert places == ["cpu"] * 3


def test_gradients_are_cut_to_the_norm_after_the_division_by_the_count(tmp_path, monkeypatch):
    def step(clip_norm: float) -> tuple[float, float]:
        model = nn.Linear(2, 1, bias=False)
        nn.init.zeros_(model.weight)

        def loss(network: nn.Module, x: Tensor) -> StepLoss:
            return StepLoss(total=network(x).sum(), count=len(x))

        stage = Stage(name="cut", model=model, loss=loss, epoch=lambda _: iter([torch.tensor([[3.0, 4.0]] * 7)]))
        folder = tmp_path / str(clip_norm)
        kept = {}

        class Watched(torch.optim.SGD):
            def step(self, closure=None):
                kept["norm"] = float(self.param_groups[0]["params"][0].grad.norm())
                return super().step(closure)

        watched = Watched([{"params": [model.weight], "factor": 1.0}], lr=0.1)
        monkeypatch.setattr(loop, "_optimizers", lambda *_: [watched])
        train(stage, plan(n_steps=1, clip_norm=clip_norm), folder)
        logged = json.loads((folder / "metrics.jsonl").read_text())["norm"]
        return logged, kept["norm"]

    assert step(1.0) == pytest.approx((5.0, 1.0), rel=1e-4)  # sqrt(9 + 16), cut
    assert step(10.0) == pytest.approx((5.0, 5.0), rel=1e-4)


def test_matrices_decay_and_vectors_do_not():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    [optimizer] = loop._optimizers(model, plan(weight_decay=0.1), torch.float32)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: decays[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.1,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
    }


def records(folder: Path) -> list[Event]:
    """Events of TensorBoard's files, by time and step: length and its checksum, the event, its checksum."""
    found = []
    for path in sorted((folder / "tensorboard").iterdir(), key=lambda path: path.name):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def test_tensorboard_gets_each_step_and_is_told_where_a_run_went_on(tmp_path):
    def stop(step: int, _figures: object) -> None:
        if step == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(line(), plan(n_steps=30), tmp_path, watch=stop)
    time.sleep(1.1)  # the files are named by the second
    train(line(), plan(n_steps=30), tmp_path)
    shown: dict[int, float] = {}
    begun = []
    for event in records(tmp_path):
        if event.session_log.status == SessionLog.START:  # TensorBoard forgets what it had of later steps
            begun.append(event.step)
            shown = {step: value for step, value in shown.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == "line/loss":
                shown[event.step] = value.simple_value
    assert (begun[0], begun[-1]) == (1, 21)  # what the stopped run wrote of later steps may be on disk or not
    assert list(shown) == list(range(1, 31))
    assert list(shown.values()) == pytest.approx(curve(tmp_path), rel=1e-5)


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_loop import drawing, plan
from aqaa_eval.reference_model.training.loop import train
def kill(step, figures):
    if step == 33:
        os.kill(os.getpid(), signal.SIGKILL)
train(drawing(), plan(), Path({folder!r}), watch=kill)
"""


def drawing() -> Stage[Tensor]:
    """A stage whose loss draws, as the flow's does, and whose module keeps a running mean, as a codebook's does."""

    class Network(nn.Module):
        mean: Tensor

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.line = nn.Linear(4, 4)
            self.register_buffer("mean", torch.zeros(4))

        def forward(self, x: Tensor) -> StepLoss:
            noisy = self.line(x + torch.randn(x.shape)) - self.mean
            self.mean.lerp_(noisy.detach().mean(0), 0.1)
            return StepLoss(total=(noisy - x).square().sum(), count=x.numel())

    def epoch(number: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(7):
            yield torch.randn(5, 4, generator=generator)

    return Stage(name="drawing", model=Network(), loss=lambda model, batch: model(batch), epoch=epoch)


def test_a_run_that_draws_goes_on_after_a_kill_with_the_same_curve(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "cut")))
    killed = subprocess.run([sys.executable, str(script)], capture_output=True, check=False, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert len(curve(tmp_path / "cut")) in (32, 33)
    train(drawing(), plan(), tmp_path / "cut")
    whole = drawing()
    train(whole, plan(), tmp_path / "whole")
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


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
