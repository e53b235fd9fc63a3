"""Keys and values of the positions already seen, in memory allocated once.

Shapes: B batch, G key/value heads, C capacity, d head width.
"""

from __future__ import annotations

import torch
from torch import Tensor


class KeyValueCache:
    """A block of memory per layer; writing a step copies T rows and never moves what is there.

    Attributes:
        length: positions filled so far, the same for every layer.
        capacity: positions that fit.
        bias_row_HC: square-root ALiBi row, kept here because its length follows the capacity.
        is_pad_BC: true where a row's position is left padding; None if no row has any.
    """

    def __init__(self, layers: list[tuple[Tensor, Tensor]], bias_row_HC: Tensor) -> None:
        self._layers = layers  # keys and values of each layer, [B, G, C, d]
        self.capacity = bias_row_HC.shape[1]
        self.bias_row_HC = bias_row_HC
        self.is_pad_BC: Tensor | None = None
        self.length = 0

    def append(self, layer: int, key_BGTd: Tensor, value_BGTd: Tensor) -> tuple[Tensor, Tensor]:
        """Writes T new positions of one layer and gives all its keys and values up to now.

        `length` is not moved: the model moves it once, after the last layer.

        Args:
            layer: which layer.
            key_BGTd: new keys.
            value_BGTd: new values.

        Returns:
            Keys and values, [B, G, length + T, d], as views of the cache.
        """
        end = self.length + key_BGTd.shape[2]
        keys_BGCd, values_BGCd = self._layers[layer]
        keys_BGCd[:, :, self.length : end] = key_BGTd
        values_BGCd[:, :, self.length : end] = value_BGTd
        return keys_BGCd[:, :, :end], values_BGCd[:, :, :end]

    def check_room(self, n_new: int) -> None:
        """Raises ValueError if `n_new` more positions do not fit."""
        if self.length + n_new > self.capacity:
            raise ValueError(
                f"the cache holds {self.length} of {self.capacity} positions and {n_new} more do not fit: "
                "make it longer with new_cache(capacity=...)"
            )

    def mark_padding(self, attention_mask_BT: Tensor) -> None:
        """Remembers which of the next T positions are padding.

        Args:
            attention_mask_BT: 1 (or true) where a token counts, 0 on the padding to its left.
        """
        is_pad_BT = attention_mask_BT == 0
        if self.is_pad_BC is None:
            if not bool(is_pad_BT.any()):
                return
            shape = (is_pad_BT.shape[0], self.capacity)
            self.is_pad_BC = torch.zeros(shape, dtype=torch.bool, device=is_pad_BT.device)
        self.is_pad_BC[:, self.length : self.length + is_pad_BT.shape[1]] = is_pad_BT

    def n_bytes(self) -> int:
        """Bytes of keys and values, whether filled or not."""
        return sum(tensor.nbytes for layer in self._layers for tensor in layer)
