"""From the token rate to the mel rate: linear interpolation in time, then convolutions that smooth it.

Two ways to interpolate. `stretch` fits T tokens to F frames, ends to ends; it is what the published code does with a
whole utterance. `read_on_grid` reads the tokens at the frames' absolute times, which a stream needs: a window must
place a frame where the whole utterance would, without knowing how long that will be. The two differ by under a frame,
since F is T times the ratio rounded down.

Shapes: B batch, T tokens, F mel frames, M mel bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

N_SMOOTHING_LAYERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameGrid:
    """Where a window lies in its utterance.

    Attributes:
        first_code: index in the utterance of the window's first code.
        first_frame: index in the utterance of the first mel frame wanted.
        n_frames: how many are wanted.
        frames_per_code: mel frames per code, about 2.07 for the published model.
    """

    first_code: int
    first_frame: int
    n_frames: int
    frames_per_code: float


def stretch(x_BTM: Tensor, n_frames: int) -> Tensor:
    """Interpolate linearly so that T tokens become `n_frames` frames.

    >>> stretch(torch.tensor([[[0.0], [1.0]]]), 4)[0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    if n_frames == 0:
        return x_BTM[:, :0]
    return functional.interpolate(x_BTM.transpose(1, 2), size=n_frames, mode="linear").transpose(1, 2)


def read_on_grid(x_BTM: Tensor, grid: FrameGrid) -> Tensor:
    """Interpolate linearly at absolute frame times; frames beyond the first or last token repeat it.

    >>> grid = FrameGrid(first_code=0, first_frame=0, n_frames=4, frames_per_code=2.0)
    >>> read_on_grid(torch.tensor([[[0.0], [1.0]]]), grid)[0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    frame_F = torch.arange(grid.n_frames, dtype=torch.float64) + grid.first_frame
    place_F = (frame_F + 0.5) / grid.frames_per_code - 0.5 - grid.first_code
    place_F = place_F.clamp(0, x_BTM.shape[1] - 1)
    left_F = place_F.floor()
    weight_F1 = (place_F - left_F).to(x_BTM)[:, None]
    left_F = left_F.long().to(x_BTM.device)
    right_F = (left_F + 1).clamp(max=x_BTM.shape[1] - 1)
    return x_BTM[:, left_F] * (1 - weight_F1) + x_BTM[:, right_F] * weight_F1


class LengthRegulator(nn.Module):
    """The smoothing convolutions. GroupNorm has one group: it normalises over all channels and all time."""

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(N_SMOOTHING_LAYERS):
            layers += [nn.Conv1d(n_mels, n_mels, 3, padding=1), nn.GroupNorm(1, n_mels), nn.Mish()]
        self.model = nn.Sequential(*layers, nn.Conv1d(n_mels, n_mels, 1))

    def forward(self, x_BFM: Tensor) -> Tensor:
        """Smooth frames [B, F, M]."""
        out_BFM: Tensor = self.model(x_BFM.transpose(1, 2)).transpose(1, 2)
        return out_BFM
