"""Muon: momentum whose step is the nearest orthogonal matrix, for the matrices inside a network.

Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the step is scaled to the size
of AdamW's, so that one learning rate serves both (arXiv 2502.16982, section 2.2). PyTorch's own always computes in
bf16: on a CPU that cannot multiply it that takes longer than all the rest of a step. It needs whole matrices, so not
under FSDP, which cuts them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
FACTOR = 2.0
"""Its learning rate over that of AdamW, which the other parameters have beside it."""
NARROWEST = 24
"""Rows or columns of the narrowest matrix: below that no direction is worth making room for."""
_ROUNDS = 5
_A, _B, _C = 3.4445, -4.775, 2.0315
"""A quintic that brings singular values between 0.003 and 1 near to 1 in five rounds."""


def is_hidden(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix or a kernel inside a network: no embedding, no head, nothing narrow."""
    if parameter.ndim not in (2, 3) or "embed" in name or "head" in name:
        return False
    return min(parameter.shape[0], parameter[0].numel()) >= NARROWEST


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, with decoupled weight decay.

    Args:
        params: groups of matrices.
        lr: learning rate, in AdamW's measure.
        weight_decay: of the weights per step and learning rate.
        dtype: in which steps are made orthogonal; bf16 is exact enough.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, weight_decay: float = 0.0, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step from the gradients that are there."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["mean"] = torch.zeros_like(parameter)
                mean = state["mean"]
                mean.lerp_(parameter.grad, 1 - MOMENTUM)
                wanted = parameter.grad.lerp(mean, MOMENTUM).flatten(1)  # a kernel is a matrix of its outputs
                far = 0.2 * math.sqrt(max(wanted.shape))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonal(wanted.to(self._dtype)).view_as(parameter), alpha=-group["lr"] * far)
        return loss


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal matrix next to this one: its singular values brought near to 1 by Newton and Schulz.

    >>> orthogonal(torch.diag(torch.tensor([3.0, 1.0]))).diagonal().sub(1).abs().max().item() < 0.35
    True
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.T if is_tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = _A * x + (_B * square + _C * square @ square) @ x
    return x.T if is_tall else x
