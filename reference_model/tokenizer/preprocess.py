"""From a recording as it comes to the 16 kHz mono waveform that both encoders read.

Order: mono (mean of channels), 16 kHz, peak to 0.999, and, for a voice prompt only, silence trimmed. A chat query is
not trimmed. Peaks below 0.01 are not raised to full scale, so silence and a faint hum stay what they are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from aqaa_eval.reference_model.tokenizer.errors import AudioInputError
from aqaa_eval.reference_model.tokenizer.resample import resample

SAMPLE_RATE_HZ = 16_000
MIN_SAMPLE_RATE_HZ = 4_000
MAX_CHANNELS = 8

Waveform = Tensor | npt.NDArray[np.generic]

_TRIM_DB = 20.0
_TRIM_FRAME, _TRIM_HOP = 512, 128
_TRIM_STEP = 240  # samples: the kept speech is rounded up to a multiple of it
_LEFT, _RIGHT = 800, 3520  # samples: 0.05 s before the speech and 0.22 s after
_FRAMES_PER_BLOCK = 8192
_INTEGER_PEAK = {torch.int16: 2.0**15, torch.int32: 2.0**31}


def preprocess(
    wav: Waveform, sample_rate_hz: int, *, trim: bool = False, energy_norm: bool = True, name: str = "audio"
) -> Tensor:
    """Makes a recording ready for the encoders.

    A rate below 16 kHz is raised (the band above the old Nyquist frequency stays empty); the published code refuses it.

    Args:
        wav: samples, [n] or channels and samples in either order; float, or int16/int32 PCM.
        sample_rate_hz: its sample rate, at least 4,000.
        trim: cut leading and trailing silence, as for a voice prompt.
        energy_norm: scale the peak to 0.999.
        name: what messages call the recording, such as its file name.

    Returns:
        [n] float32 on the CPU at 16 kHz.

    Raises:
        AudioInputError: the recording is empty, not finite, or its shape, type or rate is impossible.
    """
    wav_N = to_mono(wav, name=name)
    _check_finite(wav_N, name=name)
    _check_rate(sample_rate_hz, name=name)
    wav_N = resample(wav_N, from_hz=int(sample_rate_hz), to_hz=SAMPLE_RATE_HZ)
    if energy_norm:
        wav_N = normalise_peak(wav_N)
    return trim_silence(wav_N) if trim else wav_N


def to_mono(wav: Waveform, *, name: str = "audio") -> Tensor:
    """The mean of the channels as float32.

    Of two axes the one of at most 8 is taken for channels; if both are that short, the first.

    >>> to_mono(torch.tensor([[0.0, 1.0, 0.5], [1.0, 1.0, -0.5]])).tolist()
    [0.5, 1.0, 0.0]
    """
    wav = torch.as_tensor(wav).detach().cpu()
    if wav.ndim not in (1, 2):
        raise AudioInputError(
            f"{name} has {wav.ndim} axes {tuple(wav.shape)}: a waveform has one (samples) or two (channels, samples)"
        )
    if wav.numel() == 0:
        raise AudioInputError(f"{name} is empty (shape {tuple(wav.shape)}): a recording needs at least one sample")
    wav = _to_float(wav, name=name)
    if wav.ndim == 1:
        return wav
    if wav.shape[0] <= MAX_CHANNELS:
        return wav.mean(0)
    if wav.shape[1] <= MAX_CHANNELS:
        return wav.mean(1)
    raise AudioInputError(
        f"{name} has shape {tuple(wav.shape)}: one axis must be the channels, at most {MAX_CHANNELS}; "
        "give several recordings as a list"
    )


def normalise_peak(wav_N: Tensor) -> Tensor:
    """Scales the largest magnitude to 0.999; below 0.01 the gain stays that of 0.01.

    >>> normalise_peak(torch.tensor([0.25, -0.5])).tolist()  # doctest: +ELLIPSIS
    [0.499..., -0.999...]
    """
    return wav_N / wav_N.abs().max().clamp_min(0.01) * 0.999


def trim_silence(wav_N: Tensor) -> Tensor:
    """Keeps the speech with 0.05 s before and at least 0.22 s after it, in steps of 240 samples.

    Where the recording has no such margin, zeros stand in: the length is always a multiple of 240 plus 0.27 s.

    >>> len(trim_silence(torch.ones(480)))
    4800
    """
    first, last = speech_bounds(wav_N)
    n_out = math.ceil((last - first) / _TRIM_STEP) * _TRIM_STEP + _LEFT + _RIGHT
    start = first - _LEFT
    wav_N = wav_N[start:] if start > 0 else functional.pad(wav_N, (-start, 0))
    return functional.pad(wav_N, (0, max(0, n_out - len(wav_N))))[:n_out]


def speech_bounds(wav_N: Tensor) -> tuple[int, int]:
    """First sample and end (exclusive) of what is less than 20 dB below the loudest frame.

    Frames of 512 samples every 128, centred, zero-padded at both ends. All-silent audio has one loudness
    throughout, so nothing of it is cut.

    >>> speech_bounds(torch.cat([torch.zeros(12_800), torch.ones(1_280), torch.zeros(12_800)]))
    (12672, 14336)
    """
    power_T = _frame_power(wav_N.numpy())
    floor = 1e-10  # the square of an amplitude of 1e-5: digital silence
    level_db_T = 10 * np.log10(np.maximum(power_T, floor))
    loud = np.flatnonzero(level_db_T - level_db_T.max() > -_TRIM_DB)
    return int(loud[0]) * _TRIM_HOP, min(len(wav_N), (int(loud[-1]) + 1) * _TRIM_HOP)


def _frame_power(wav_N: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean square of each frame; by blocks, since overlapping frames are four copies of the audio."""
    padded = np.pad(wav_N, _TRIM_FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _TRIM_FRAME)[::_TRIM_HOP]
    blocks = range(0, len(frames), _FRAMES_PER_BLOCK)
    means = [np.mean(np.square(frames[i : i + _FRAMES_PER_BLOCK]), axis=-1) for i in blocks]
    return np.concatenate(means)


def _to_float(wav: Tensor, *, name: str) -> Tensor:
    if wav.is_floating_point():
        return wav.float()
    if wav.dtype in _INTEGER_PEAK:
        return wav.float() / _INTEGER_PEAK[wav.dtype]
    raise AudioInputError(
        f"{name} holds {str(wav.dtype).removeprefix('torch.')} samples: give floats in -1..1, or int16 or int32 PCM"
    )


def _check_finite(wav_N: Tensor, *, name: str) -> None:
    bad = (~torch.isfinite(wav_N)).nonzero()[:, 0]
    if len(bad):
        first = int(bad[0])
        raise AudioInputError(
            f"{name}: sample {first} is {wav_N[first].item()} ({len(bad)} of {len(wav_N)} are not finite); "
            "every sample must be a finite number: decode the recording again"
        )


def _check_rate(sample_rate_hz: object, *, name: str) -> None:
    if not isinstance(sample_rate_hz, int | np.integer):
        raise AudioInputError(f"{name}: sample rate {sample_rate_hz!r} must be a whole number of Hz")
    if sample_rate_hz < MIN_SAMPLE_RATE_HZ:
        raise AudioInputError(
            f"{name}: sample rate {sample_rate_hz} Hz is below {MIN_SAMPLE_RATE_HZ} Hz, which holds no intelligible "
            "speech: check the file's header"
        )
