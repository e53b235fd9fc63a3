"""The front end of the linguistic encoder: Kaldi filterbank, stacked frames, mean and variance normalisation.

Letters: N samples, T filterbank frames (10 ms), L stacked frames (60 ms), W samples of a window, F features.

A stacked frame j holds the seven filterbank frames 6j-3 .. 6j+3, those beyond either end being copies of the first or
last one. The published code runs this on pieces of 240 ms with five caches; in closed form it is an index
with clamped ends plus the rule of `n_linguistic_frames`, so any range of frames can be computed from its own samples.
Dither is off: it is random noise, and equal audio must give equal codes.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

N_MELS = 80
N_STACKED = 7
N_FEATURES = N_MELS * N_STACKED
SAMPLES_PER_FRAME = 960  # of one stacked frame: 60 ms

_STEP = 6  # filterbank frames from one stacked frame to the next
_HOP, _WINDOW, _N_FFT = 160, 400, 512
_PREEMPHASIS = 0.97
_SAMPLE_RATE_HZ, _LOW_HZ = 16_000, 20.0
_SHORTEST_TAIL = 880  # samples: enough to fill one stack of seven with what is held back


def n_linguistic_frames(n_samples: int, *, frames_per_piece: int = 4) -> int:
    """Frames that the streaming front end gives for audio at 16 kHz.

    Whole pieces give `frames_per_piece` each. A tail of 880 samples or more is flushed by repeating its last frame;
    a shorter one is lost.

    >>> [n_linguistic_frames(n) for n in (48, 879, 880, 3_840, 8_000, 16_000, 32_777, 123_456, 123_600)]
    [0, 0, 1, 4, 8, 16, 34, 128, 128]
    """
    n_pieces, tail = divmod(n_samples, frames_per_piece * SAMPLES_PER_FRAME)
    if tail < _SHORTEST_TAIL:
        return n_pieces * frames_per_piece
    return math.ceil(_n_fbank_frames(n_samples) / _STEP)


def frontend(wav_N: Tensor, cmvn_2F: Tensor) -> Tensor:
    """All normalised features of a recording: [L, 560].

    Args:
        wav_N: 16 kHz mono, full scale 1.
        cmvn_2F: [2, 560]: what is added, then what is multiplied.
    """
    return features_between(wav_N, cmvn_2F, first=0, end=n_linguistic_frames(len(wav_N)))


def features_between(wav_N: Tensor, cmvn_2F: Tensor, *, first: int, end: int) -> Tensor:
    """The stacked frames `first` to `end` (exclusive), touching only the samples under them."""
    if end <= first:
        return cmvn_2F.new_zeros(0, N_FEATURES)
    low = max(0, _STEP * first - 3)
    high = min(_n_fbank_frames(len(wav_N)) - 1, _STEP * (end - 1) + 3)
    samples_N = wav_N[low * _HOP : high * _HOP + _WINDOW].to(cmvn_2F.device)
    fbank_TF = kaldi_fbank(samples_N)
    frames_L = torch.arange(first, end, device=cmvn_2F.device)
    around_7 = torch.arange(-3, 4, device=cmvn_2F.device)
    index_L7 = (_STEP * frames_L[:, None] + around_7).clamp(low, high) - low
    return (fbank_TF[index_L7].flatten(1) + cmvn_2F[0]) * cmvn_2F[1]


def kaldi_fbank(wav_N: Tensor) -> Tensor:
    """Log mel energies as Kaldi computes them: [T, 80] for 16 kHz audio of full scale 1.

    Windows of 25 ms every 10 ms, none beyond the end; each loses its mean, is pre-emphasised and Hamming-weighted.
    """
    frames_TW = (wav_N * 2.0**15).unfold(0, _WINDOW, _HOP)
    frames_TW = frames_TW - frames_TW.mean(1, keepdim=True)
    before_TW = torch.cat([frames_TW[:, :1], frames_TW[:, :-1]], dim=1)
    frames_TW = (frames_TW - _PREEMPHASIS * before_TW) * _window(wav_N.device)
    power_TK = torch.fft.rfft(functional.pad(frames_TW, (0, _N_FFT - _WINDOW))).abs().square()
    energies_TF: Tensor = power_TK @ _mel_filters(wav_N.device).T
    return energies_TF.clamp_min(torch.finfo(torch.float32).eps).log()


def _n_fbank_frames(n_samples: int) -> int:
    return max(0, (n_samples - _WINDOW) // _HOP + 1)


@lru_cache(maxsize=8)
def _window(device: torch.device) -> Tensor:
    return torch.hamming_window(_WINDOW, periodic=False, device=device)


@lru_cache(maxsize=8)
def _mel_filters(device: torch.device) -> Tensor:
    """Triangles on Kaldi's mel scale from 20 Hz to 8 kHz, one row each: [80, 257]. The Nyquist bin has no weight.

    In single precision throughout, since the published table is: exact triangles move the features by twice as much.
    """
    step = (_mel(_SAMPLE_RATE_HZ / 2) - _mel(_LOW_HZ)) / (N_MELS + 1)
    corners = _mel(_LOW_HZ) + torch.arange(N_MELS + 2) * step
    left_M1, centre_M1, right_M1 = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins_hz_K = torch.arange(_N_FFT // 2) * (_SAMPLE_RATE_HZ / _N_FFT)
    mel_K = 1127.0 * torch.log(1.0 + bins_hz_K / 700.0)
    up_MK = (mel_K - left_M1) / (centre_M1 - left_M1)
    down_MK = (right_M1 - mel_K) / (right_M1 - centre_M1)
    return functional.pad(torch.minimum(up_MK, down_MK).clamp_min(0.0), (0, 1)).to(device)


def _mel(frequency_hz: float) -> float:
    return 1127.0 * math.log1p(frequency_hz / 700.0)
