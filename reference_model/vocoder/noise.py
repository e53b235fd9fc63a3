"""Gaussian noise by absolute position, so that a stream draws the very noise the whole utterance would.

A field is an endless row of vectors, made block by block from (seed, purpose, block number): any stretch can be read
without what lies before it, in any order, and nothing is kept but the last block.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Purpose(IntEnum):
    """What a field is for; fields of one seed and different purposes are independent."""

    PROMPT_MEL = 0
    MEL = 1
    SOURCE_NOISE = 2
    SOURCE_PHASE = 3


def make_generator(seed: int, *path: int) -> torch.Generator:
    """A CPU generator for one place under a seed.

    Raises:
        ValueError: if the seed is negative.

    >>> a, b = (torch.rand(1, generator=make_generator(3, 1)) for _ in range(2))
    >>> bool(a == b)
    True
    """
    if seed < 0:
        raise ValueError(f"seed ({seed}) must not be negative")
    state = np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


class NoiseField:
    """Standard normal vectors at positions 0, 1, 2, ...

    >>> field = NoiseField(seed=1, purpose=Purpose.MEL, n_channels=2, block=4)
    >>> bool((field.read(0, 10)[:, 3:9] == field.read(3, 9)).all())
    True
    """

    def __init__(self, *, seed: int, purpose: Purpose, n_channels: int, block: int) -> None:
        self._seed, self._purpose = seed, purpose
        self._n_channels, self._block = n_channels, block
        self._last: tuple[int, Tensor] | None = None

    def read(self, start: int, stop: int) -> Tensor:
        """Noise at positions start to stop, fp32 [n_channels, stop - start] on the CPU."""
        pieces = [torch.empty(self._n_channels, 0)]
        for number in range(start // self._block, -(-stop // self._block)):
            first = number * self._block
            pieces.append(self._make(number)[:, max(start - first, 0) : stop - first])
        return torch.cat(pieces, dim=1)

    def _make(self, number: int) -> Tensor:
        if self._last is None or self._last[0] != number:
            generator = make_generator(self._seed, self._purpose, number)
            self._last = (number, torch.randn(self._n_channels, self._block, generator=generator))
        return self._last[1]
