"""Several bias-free projections of one input, as one matrix product when no gradient is wanted.

Decoding one token is bound by calls and by memory, so q, k and v (gate and up) are read as one matrix. The matrices
keep their own names in the state dict: their parameters become views of the joined block, nothing is held twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FusedLinears:
    """Calls its layers one by one, or as one product once `join` has been called.

    Not a module: its layers belong to their owner, which alone names them.
    """

    def __init__(self, *layers: nn.Linear) -> None:
        self._layers = layers
        self._sizes = [layer.out_features for layer in layers]
        self._joined: Tensor | None = None

    def join(self) -> None:
        """Lays the weights out as one block; loading into them in place afterwards stays right.

        Weights on the meta device (offloaded, and fetched by a hook when their layer runs) are left alone.
        """
        if self._is_joined() or any(layer.weight.is_meta for layer in self._layers):
            return
        with torch.no_grad():
            joined = torch.cat([layer.weight for layer in self._layers])
            for layer, part in zip(self._layers, torch.split_with_sizes(joined, self._sizes), strict=True):
                layer.weight.data = part
        self._joined = joined

    def separate(self) -> None:
        """Gives every layer memory of its own again, as files want it."""
        if self._is_joined():
            for layer in self._layers:
                layer.weight.data = layer.weight.detach().clone()
        self._joined = None

    def _is_joined(self) -> bool:
        """A move to another device or type replaces the parameters and leaves the block behind."""
        return self._joined is not None and self._joined.data_ptr() == self._layers[0].weight.data_ptr()

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Projects `x` by every layer; returns one result per layer."""
        joined = self._joined
        if joined is not None and not torch.is_grad_enabled() and self._is_joined():
            return tuple(torch.split_with_sizes(functional.linear(x, joined), self._sizes, -1))
        return tuple(layer(x) for layer in self._layers)
