"""Whisper's log-mel spectrogram with 128 bands, of exactly the audio given: no padding to 30 s.

The dynamic range is cut 8 decades below the loudest bin *of the window*, so windows are computed apart from each other.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

N_FFT, HOP = 400, 160
_SAMPLE_RATE_HZ = 16_000
# Slaney's mel scale: linear below 1 kHz (15 mel), logarithmic above.
_HZ_PER_MEL = 200.0 / 3.0
_BEND_HZ, _BEND_MEL = 1_000.0, 15.0
_LOG_STEP = math.log(6.4) / 27.0


def log_mel(wav_N: Tensor, *, n_mels: int = 128) -> Tensor:
    """The normalised log-mel spectrogram: [n_mels, N // 160].

    Args:
        wav_N: 16 kHz mono, more than 200 samples.
        n_mels: bands.
    """
    window = _window(wav_N.device)
    spectrum_KT = torch.stft(wav_N, N_FFT, HOP, window=window, return_complex=True)[:, :-1]
    mel_MT = mel_filters(n_mels, wav_N.device) @ spectrum_KT.abs().square()
    log_MT = mel_MT.clamp_min(1e-10).log10()
    return (torch.maximum(log_MT, log_MT.max() - 8.0) + 4.0) / 4.0


@lru_cache(maxsize=8)
def mel_filters(n_mels: int, device: torch.device) -> Tensor:
    """Triangles from 0 to 8 kHz on Slaney's scale, each of unit area: [n_mels, 201]."""
    top_mel = _BEND_MEL + math.log(_SAMPLE_RATE_HZ / 2 / _BEND_HZ) / _LOG_STEP
    corners = _mel_to_hz(torch.linspace(0.0, top_mel, n_mels + 2, dtype=torch.float64))
    left_M1, centre_M1, right_M1 = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins_K = torch.linspace(0.0, _SAMPLE_RATE_HZ / 2, N_FFT // 2 + 1, dtype=torch.float64)
    up_MK = (bins_K - left_M1) / (centre_M1 - left_M1)
    down_MK = (right_M1 - bins_K) / (right_M1 - centre_M1)
    area_M1 = 2.0 / (right_M1 - left_M1)
    return (torch.minimum(up_MK, down_MK).clamp_min(0.0) * area_M1).float().to(device)


def _mel_to_hz(mel: Tensor) -> Tensor:
    above = _BEND_HZ * torch.exp(_LOG_STEP * (mel - _BEND_MEL))
    return torch.where(mel < _BEND_MEL, mel * _HZ_PER_MEL, above)


@lru_cache(maxsize=8)
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(N_FFT, device=device)
