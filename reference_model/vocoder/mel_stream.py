"""Mel in pieces while codes still arrive: overlapping windows, cross-faded at the joins.

The flow attends to a whole utterance, so a window can only come near what the whole would give. It comes near because
it sees codes to both sides of what it keeps, reads the same noise at the same frames, and because a join is faded over
frames that both windows made. Windows depend on the plan alone, never on the blocks in which codes arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FRAMES_PER_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """How windows follow each other; a code lasts 24 ms.

    Attributes:
        first_hop_codes: codes kept from the first window; small, for an early first sound.
        hop_codes: codes kept from every later one.
        left_codes: codes a window sees before those.
        right_codes: codes it waits for behind them.
        fade_frames: mel frames over which a join is cross-faded.
    """

    first_hop_codes: int = 25
    hop_codes: int = 50
    left_codes: int = 100
    right_codes: int = 15
    fade_frames: int = 8

    def __post_init__(self) -> None:
        for name in ("first_hop_codes", "hop_codes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} ({getattr(self, name)}) must be at least 1")
        for name in ("left_codes", "right_codes", "fade_frames"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} ({getattr(self, name)}) must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of the utterance to make mel for.

    Attributes:
        codes: the codes in it.
        first_code: index in the utterance of the first.
        first_frame: index in the utterance of the first mel frame wanted.
        n_frames: how many are wanted.
    """

    codes: list[int]
    first_code: int
    first_frame: int
    n_frames: int


class MelStream:
    """Turns codes into mel pieces.

    Args:
        render: makes the mel of a window, [M, frames of the window].
        frame_of: mel frame at which a code begins (the frame count of the codes before it).
        plan: window sizes.
    """

    def __init__(self, render: Callable[[Window], Tensor], frame_of: Callable[[int], int], plan: StreamPlan) -> None:
        self._render, self._frame_of, self._plan = render, frame_of, plan
        self._codes: list[int] = []
        self._first = 0  # index in the utterance of self._codes[0]
        self._next = 0  # first code whose mel has not been given out
        self._tail: Tensor | None = None

    @property
    def n_codes(self) -> int:
        """Codes received so far."""
        return self._first + len(self._codes)

    def push(self, codes: list[int]) -> list[Tensor]:
        """Take codes; give the mel pieces [M, frames] that are now certain."""
        self._codes += codes
        pieces = []
        while self.n_codes >= self._next + self._hop() + self._plan.right_codes:
            pieces.append(self._emit(self._next + self._hop()))
        return pieces

    def finish(self) -> list[Tensor]:
        """Give what is left."""
        return [self._emit(self.n_codes)] if self.n_codes > self._next else []

    def _hop(self) -> int:
        return self._plan.hop_codes if self._next else self._plan.first_hop_codes

    def _emit(self, until: int) -> Tensor:
        first = max(0, self._next - self._plan.left_codes)
        last = min(self.n_codes, until + self._plan.right_codes)
        # The U-Net halves time: only an even start keeps its frames in the pairs they form in the whole.
        first_frame = self._frame_of(first) // FRAMES_PER_PAIR * FRAMES_PER_PAIR
        window = Window(
            codes=self._codes[first - self._first : last - self._first],
            first_code=first,
            first_frame=first_frame,
            n_frames=self._frame_of(last) - first_frame,
        )
        mel_MF = self._render(window)
        start, stop = (self._frame_of(code) - first_frame for code in (self._next, until))
        piece_MF = _fade_in(self._tail, mel_MF[:, start:stop])
        self._tail = mel_MF[:, stop : stop + self._plan.fade_frames]
        self._next = until
        keep = max(0, until - self._plan.left_codes)
        self._codes = self._codes[keep - self._first :]
        self._first = keep
        return piece_MF


def _fade_in(tail_MF: Tensor | None, piece_MF: Tensor) -> Tensor:
    if tail_MF is None:
        return piece_MF
    n_faded = min(tail_MF.shape[1], piece_MF.shape[1])
    weight_F = torch.arange(1, n_faded + 1, device=piece_MF.device, dtype=piece_MF.dtype) / (n_faded + 1)
    faded_MF = tail_MF[:, :n_faded] * (1 - weight_F) + piece_MF[:, :n_faded] * weight_F
    return torch.cat([faded_MF, piece_MF[:, n_faded:]], dim=1)
