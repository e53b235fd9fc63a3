# ruff: noqa: N803, N806, N815 (tensor names carry their shape: M tokens, I inputs, O outputs)
"""Linear layers in 8 bit, for judging on a CPU: three to four times as fast as float32, in a third of the memory.

Weights have a scale per output, activations one per token, found as they come. The few input columns that are much
larger than the rest (a handful carry most of a language model's range: LLM.int8(), arXiv 2208.07339) are multiplied in
float32, so that they do not coarsen the scale of all others.

A single token, as in decoding, is multiplied as two rows, its coarse levels and what these leave over. There the
weights' way through memory is what takes the time, so the second row is nearly free, and picking the outliers' columns
out of the weights would cost more than the product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

OUTLIER = 8.0
"""How many times the median column's largest value makes a column an outlier."""
MAX_OUTLIERS = 128
FINER = 254.0
"""By how much the second row of a single token is finer: what rounding leaves over is at most half a level."""
_TINY = 1e-8


class Int8Linear(nn.Module):
    """A linear layer without gradients: x_MI times weight_OI."""

    weight_OI: Tensor
    scale_O: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight_OI = linear.weight.detach().float()
        scale_O = weight_OI.abs().amax(dim=1).clamp(min=_TINY) / 127.0
        self.register_buffer("weight_OI", (weight_OI / scale_O[:, None]).round().to(torch.int8))
        self.register_buffer("scale_O", scale_O)
        self.bias = None if linear.bias is None else linear.bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """As `nn.Linear`, the last dimension is the input's."""
        x_MI = x.reshape(-1, x.shape[-1]).float()
        y_MO = self._one(x_MI) if len(x_MI) == 1 else self._many(x_MI)
        y_MO.mul_(self.scale_O)
        if self.bias is not None:
            y_MO.add_(self.bias)
        return y_MO.reshape(*x.shape[:-1], -1).to(x.dtype)

    def _one(self, x_1I: Tensor) -> Tensor:
        scale = x_1I.abs().amax().clamp_(min=_TINY).div_(127.0)
        level_1I = x_1I / scale
        coarse_1I = level_1I.round()
        rest_1I = level_1I.sub_(coarse_1I).mul_(FINER).round_()
        rows_2I = torch.cat((coarse_1I, rest_1I)).to(torch.int8)
        y_2O = torch._int_mm(rows_2I, self.weight_OI.t()).float()
        return torch.add(y_2O[:1], y_2O[1:], alpha=1.0 / FINER).mul_(scale)

    def _many(self, x_MI: Tensor) -> Tensor:
        size_MI = x_MI.abs()
        largest_I = size_MI.amax(dim=0)
        outliers = (largest_I > OUTLIER * largest_I.median()).nonzero()[:, 0]
        if len(outliers) > MAX_OUTLIERS:
            outliers = largest_I.topk(MAX_OUTLIERS).indices
        scale_M = size_MI.index_fill_(1, outliers, 0.0).amax(dim=1, keepdim=True).clamp_(min=_TINY).div_(127.0)
        # In place from here on: beside the product itself, passes over memory are what a layer costs.
        level_MI = torch.div(x_MI, scale_M, out=size_MI).index_fill_(1, outliers, 0.0).round_()
        y_MO = torch._int_mm(level_MI.to(torch.int8), self.weight_OI.t()).float().mul_(scale_M)
        if len(outliers):
            y_MO.addmm_(x_MI[:, outliers], self.weight_OI[:, outliers].float().t())
        return y_MO


def to_int8(model: Any) -> None:
    """Replace the linear layers of a causal language model in place; its head stays as it is."""
    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child is not head:
                setattr(parent, name, Int8Linear(child))
