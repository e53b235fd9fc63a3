"""Weight-normalised convolutions (arXiv 1602.07868) with the state-dict keys of the published checkpoints.

A weight is stored as a direction `weight_v` and a length `weight_g` per slice of dimension 0 (output channels; for a
transposed convolution, input channels). For answering, `fold` multiplies them once into a plain `weight`; the state
dict then has `weight` in their place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class WeightNorm(nn.Module):
    """The stored pair and its product; subclasses convolve with it."""

    def __init__(self, plain: nn.Conv1d | nn.ConvTranspose1d) -> None:
        super().__init__()
        self.bias = plain.bias
        self.weight_g: nn.Parameter | None = nn.Parameter(_length(plain.weight.detach()))
        self.weight_v: nn.Parameter | None = nn.Parameter(plain.weight.detach().clone())
        self.weight: nn.Parameter | None = None

    def kernel(self) -> Tensor:
        """The weight to convolve with."""
        if self.weight_g is None or self.weight_v is None:
            assert self.weight is not None
            return self.weight
        return self.weight_v * (self.weight_g / _length(self.weight_v))

    def fold(self) -> None:
        """Replace the pair by its product; doing it twice changes nothing."""
        if self.weight is None:
            self.weight = nn.Parameter(self.kernel().detach(), requires_grad=False)
            self.weight_g = self.weight_v = None


def _length(weight: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True)
    return length


class NormedConv(WeightNorm):
    """1-D convolution that keeps the length (for odd kernels)."""

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(nn.Conv1d(n_in, n_out, kernel))
        self.padding, self.dilation = (kernel - 1) * dilation // 2, dilation

    def forward(self, x_BCF: Tensor) -> Tensor:
        """Map [B, n_in, F] to [B, n_out, F]."""
        return functional.conv1d(x_BCF, self.kernel(), self.bias, padding=self.padding, dilation=self.dilation)


class NormedUpsample(WeightNorm):
    """1-D transposed convolution that multiplies the length by its stride."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int) -> None:
        super().__init__(nn.ConvTranspose1d(n_in, n_out, kernel))
        self.padding, self.stride = (kernel - stride) // 2, stride

    def forward(self, x_BCF: Tensor) -> Tensor:
        """Map [B, n_in, F] to [B, n_out, F * stride]."""
        return functional.conv_transpose1d(x_BCF, self.kernel(), self.bias, stride=self.stride, padding=self.padding)


def fold_weight_norm(module: nn.Module) -> None:
    """Fold every weight-normalised convolution inside `module`."""
    for part in module.modules():
        if isinstance(part, WeightNorm):
            part.fold()
