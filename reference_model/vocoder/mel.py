"""Log-mel of a reference voice, as the flow was trained on: 22,050 Hz, 1,024-sample Hann windows, hop 256, 80 bins.

The mel scale is Slaney's (linear below 1 kHz, logarithmic above), each triangle scaled to unit area. Frames are not
centred: the wave is reflected by (window - hop) / 2 at both ends, which makes one frame per whole hop.

Shapes: N wave samples, F mel frames, M mel bins, K spectrum bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

LINEAR_HZ_PER_MEL = 200.0 / 3
LOG_ABOVE_HZ = 1000.0
LOG_ABOVE_MEL = LOG_ABOVE_HZ / LINEAR_HZ_PER_MEL
LOG_STEP = math.log(6.4) / 27  # 27 mels from 1 kHz to 6.4 kHz


@dataclass(frozen=True, slots=True, kw_only=True)
class MelConfig:
    """How a log-mel is made."""

    sample_rate_hz: int = 22050
    n_fft: int = 1024
    hop: int = 256
    n_mels: int = 80
    low_hz: float = 0.0
    high_hz: float = 8000.0
    floor: float = 1e-5


def hz_to_mel(hz: float) -> float:
    """Slaney's mel scale.

    >>> [round(hz_to_mel(hz), 6) for hz in (200.0, 1000.0, 6400.0)]
    [3.0, 15.0, 42.0]
    """
    if hz < LOG_ABOVE_HZ:
        return hz / LINEAR_HZ_PER_MEL
    return LOG_ABOVE_MEL + math.log(hz / LOG_ABOVE_HZ) / LOG_STEP


def mel_to_hz(mel: Tensor) -> Tensor:
    """Inverse of `hz_to_mel`.

    >>> mel_to_hz(torch.tensor([3.0, 42.0], dtype=torch.float64)).round().tolist()
    [200.0, 6400.0]
    """
    logarithmic = LOG_ABOVE_HZ * torch.exp(LOG_STEP * (mel - LOG_ABOVE_MEL))
    return torch.where(mel < LOG_ABOVE_MEL, mel * LINEAR_HZ_PER_MEL, logarithmic)


@cache
@torch.inference_mode(mode=False)  # else what is first asked for while answering could not be trained with
def mel_filters(config: MelConfig) -> Tensor:
    """Triangular filters of unit area, fp32 [M, K]."""
    bin_hz_K = torch.linspace(0, config.sample_rate_hz / 2, config.n_fft // 2 + 1, dtype=torch.float64)
    edge_hz = _edges_hz(config)
    left, peak, right = edge_hz[:-2, None], edge_hz[1:-1, None], edge_hz[2:, None]
    rising = (bin_hz_K - left) / (peak - left)
    falling = (right - bin_hz_K) / (right - peak)
    triangle_MK = torch.minimum(rising, falling).clamp(min=0)
    return (triangle_MK * 2 / (right - left)).float()


def mel_centres_hz(config: MelConfig) -> Tensor:
    """Frequency at the peak of each filter, fp64 [M]."""
    return _edges_hz(config)[1:-1]


def _edges_hz(config: MelConfig) -> Tensor:
    low, high = hz_to_mel(config.low_hz), hz_to_mel(config.high_hz)
    return mel_to_hz(torch.linspace(low, high, config.n_mels + 2, dtype=torch.float64))


def log_mel(wave_N: Tensor, config: MelConfig | None = None) -> Tensor:
    """Log-mel of a mono wave at the configured sample rate.

    Args:
        wave_N: samples within -1 and 1.
        config: None for the published model's.

    Returns:
        [F, M], F = N // hop: what a `Speaker` holds as `prompt_mel`.

    Raises:
        ValueError: if the wave is not mono, too short to reflect, or not finite.

    >>> log_mel(torch.zeros(2560)).shape
    torch.Size([10, 80])
    """
    config = config or MelConfig()
    margin = (config.n_fft - config.hop) // 2
    if wave_N.dim() != 1 or wave_N.shape[0] <= margin:
        raise ValueError(
            f"wave has shape {list(wave_N.shape)}; a mono wave of more than {margin} samples is needed to reflect "
            "its ends"
        )
    if not bool(torch.isfinite(wave_N).all()):
        raise ValueError("wave holds NaN or infinite samples; every sample must be finite")
    return log_mels(wave_N.float()[None], config)[0].T


def log_mels(wave_BN: Tensor, config: MelConfig) -> Tensor:
    """Log-mel of waves of one length, as `log_mel` gives it of one, but mel bins first: [B, N] to [B, M, F].

    >>> log_mels(torch.zeros(3, 2560), MelConfig()).shape
    torch.Size([3, 80, 10])
    """
    margin = (config.n_fft - config.hop) // 2
    padded_BN = functional.pad(wave_BN, (margin, margin), mode="reflect")
    window = torch.hann_window(config.n_fft, dtype=wave_BN.dtype, device=wave_BN.device)
    spectrum_BKF = torch.stft(padded_BN, config.n_fft, config.hop, window=window, center=False, return_complex=True)
    magnitude_BKF = (spectrum_BKF.real.square() + spectrum_BKF.imag.square() + 1e-9).sqrt()
    mel_BMF = mel_filters(config).to(magnitude_BKF) @ magnitude_BKF
    return mel_BMF.clamp(min=config.floor).log()
