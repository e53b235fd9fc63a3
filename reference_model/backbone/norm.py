"""Root-mean-square normalisation in Step-1's own order of casts.

Shapes: B batch, T time, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class StepRMSNorm(nn.Module):
    """Divides by the root mean square, then multiplies by a learned weight.

    The mean of squares is taken in fp32, but its reciprocal root is cast to the input's type *before* the
    multiplication. LLaMA multiplies first and casts last: in bf16 the two differ, in fp32 they are the same, so
    fp32 takes torch's fused kernel.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Normalises the last axis.

        Args:
            x_BTD: activations, any floating type.

        Returns:
            The same shape and type.
        """
        if x_BTD.dtype == torch.float32:
            return functional.rms_norm(x_BTD, self.weight.shape, self.weight, self.eps)
        mean_square_BT1 = x_BTD.float().square().mean(-1, keepdim=True)
        return x_BTD * torch.rsqrt(mean_square_BT1 + self.eps).to(x_BTD.dtype) * self.weight
