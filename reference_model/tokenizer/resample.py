"""Sample rate conversion to 16 kHz.

Downwards the filter is the one the published model was fed with: a sinc cut at 0.99 of the new Nyquist frequency,
windowed by a squared cosine six zero crossings wide. Another low-pass would shift codes near a boundary. Upwards
(the published code refuses it) and for ratios whose polyphase table would be huge, soxr's high quality is used.
Both give `ceil(n * new / old)` samples.
"""

from __future__ import annotations

import math
from functools import lru_cache

import soxr
import torch
from torch import Tensor
from torch.nn import functional

_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99
_MAX_TABLE = 4_000_000  # entries; 44.1 kHz to 16 kHz needs 76,000


def resampled_length(n_samples: int, *, from_hz: int, to_hz: int) -> int:
    """How many samples a recording has at another rate.

    >>> resampled_length(357_120, from_hz=44_100, to_hz=16_000)
    129568
    """
    return -(-n_samples * to_hz // from_hz)


def resample(wav_N: Tensor, *, from_hz: int, to_hz: int) -> Tensor:
    """Converts one channel to another sample rate.

    Args:
        wav_N: samples, float32, on the CPU.
        from_hz: its sample rate.
        to_hz: the rate wanted.

    Returns:
        `ceil(N * to_hz / from_hz)` samples, float32.
    """
    if from_hz == to_hz:
        return wav_N
    step = math.gcd(from_hz, to_hz)
    old, new = from_hz // step, to_hz // step
    n_out = resampled_length(len(wav_N), from_hz=from_hz, to_hz=to_hz)
    if new > old or new * (old + 2 * _half_width(old, new)) > _MAX_TABLE:
        return _fit(torch.from_numpy(soxr.resample(wav_N.numpy(), from_hz, to_hz, quality="HQ")), n_out)
    half = _half_width(old, new)
    padded_11N = functional.pad(wav_N, (half, half + old))[None, None]
    phases_NT = functional.conv1d(padded_11N, _phases(old, new), stride=old)[0]
    return phases_NT.T.reshape(-1)[:n_out].contiguous()


def _half_width(old: int, new: int) -> int:
    """Input samples that the filter reaches to either side."""
    return math.ceil(_ZERO_CROSSINGS * old / (new * _ROLLOFF))


@lru_cache(maxsize=16)
def _phases(old: int, new: int) -> Tensor:
    """One filter per output phase: [new, 1, old + 2 * half width]."""
    half = _half_width(old, new)
    cutoff = new * _ROLLOFF
    tap_K = torch.arange(-half, half + old, dtype=torch.float64) / old
    phase_N1 = torch.arange(new, dtype=torch.float64)[:, None] / new
    crossing_NK = ((tap_K - phase_N1) * cutoff).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window_NK = torch.cos(crossing_NK * math.pi / (2 * _ZERO_CROSSINGS)) ** 2
    return (torch.sinc(crossing_NK) * window_NK * (cutoff / old)).float()[:, None]


def _fit(wav_N: Tensor, n_samples: int) -> Tensor:
    """Cuts or zero-pads at the end (soxr rounds the length, the rule here is ceil)."""
    return functional.pad(wav_N, (0, max(0, n_samples - len(wav_N))))[:n_samples]
