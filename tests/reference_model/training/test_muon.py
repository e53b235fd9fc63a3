"""Muon: its step is orthogonal, it learns, and a run that was killed goes on with the same curve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.training import muon
from aqaa_eval.reference_model.training.loop import Stage, StepLoss, TrainingPlan, train
from aqaa_eval.reference_model.training.muon import Muon, is_hidden

PLAN = TrainingPlan(n_steps=60, learning_rate=0.02, n_warmup=5, checkpoint_every=20, optimizer="muon")


class Layered(nn.Module):
    """An embedding, two layers and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, 24)
        self.layers = nn.ModuleList([nn.Linear(24, 24) for _ in range(2)])
        self.head = nn.Linear(24, 16)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.head(x)


def stage() -> Stage[Tensor]:
    """Learn each number's successor."""
    torch.manual_seed(0)

    def epoch(number: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(number)
        yield from torch.randint(16, (8, 32), generator=generator)

    def loss(network: nn.Module, ids: Tensor) -> StepLoss:
        total = nn.functional.cross_entropy(network(ids), (ids + 1) % 16, reduction="sum")
        return StepLoss(total=total, count=len(ids))

    return Stage(name="next", model=Layered(), loss=loss, epoch=epoch)


def curve(folder: Path) -> list[float]:
    return [json.loads(row)["loss"] for row in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(24, 64), (64, 24), (32, 32)])
def test_a_step_has_singular_values_near_one(shape: tuple[int, int], dtype: torch.dtype) -> None:
    matrix = nn.Parameter(torch.zeros(shape))
    matrix.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    Muon([matrix], lr=1.0, dtype=dtype).step()
    values = torch.linalg.svdvals(matrix.detach()) / (0.2 * max(shape) ** 0.5)
    assert 0.5 < values.min() <= values.max() < 1.3


def test_a_step_moves_a_matrix_as_far_whatever_the_size_of_its_gradient() -> None:
    moved = []
    for scale in (1.0, 1e3):
        matrix = nn.Parameter(torch.zeros(16, 16))
        matrix.grad = scale * torch.eye(16)
        Muon([matrix], lr=0.1).step()
        moved.append(matrix.detach().clone())
    assert torch.allclose(moved[0], moved[1], atol=1e-5)
    assert moved[0].diagonal().mean().item() == pytest.approx(-0.1 * 0.2 * 4, rel=0.35)  # square root of 16


def test_matrices_and_kernels_inside_are_its_own_but_no_embedding_head_or_depthwise_kernel() -> None:
    model = Layered()
    model.convs = nn.ModuleList([nn.Conv1d(24, 24, 3), nn.Conv1d(24, 24, 3, groups=24)])
    assert [name for name, parameter in model.named_parameters() if is_hidden(name, parameter)] == [
        "layers.0.weight",
        "layers.1.weight",
        "convs.0.weight",
    ]


def test_a_kernel_moves_as_the_matrix_of_its_outputs() -> None:
    kernel = nn.Parameter(torch.zeros(24, 8, 4))
    kernel.grad = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
    flat = nn.Parameter(torch.zeros(24, 32))
    flat.grad = kernel.grad.flatten(1)
    for parameter in (kernel, flat):
        Muon([parameter], lr=0.1).step()
    assert torch.equal(kernel.flatten(1), flat)


@pytest.mark.parametrize(("precision", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_its_steps_are_made_in_the_precision_of_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, dtype: torch.dtype
) -> None:
    seen = []
    monkeypatch.setattr(muon, "orthogonal", lambda matrix: seen.append(matrix.dtype) or matrix)
    train(stage(), replace(PLAN, n_steps=1, n_warmup=0, precision=precision), tmp_path)
    assert set(seen) == {dtype}


def test_it_learns_and_resumes_with_the_same_curve(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(stage(), PLAN, whole)
    losses = curve(whole)
    assert losses[-1] < losses[0] / 20

    def kill(step: int, _figures: object) -> None:
        if step == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stage(), PLAN, cut, watch=kill)
    train(stage(), PLAN, cut)
    assert curve(cut) == pytest.approx(losses, rel=1e-6)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ValueError, match="'sgd' must be 'adamw' or 'muon'"):
        TrainingPlan(n_steps=1, learning_rate=0.1, optimizer="sgd")
