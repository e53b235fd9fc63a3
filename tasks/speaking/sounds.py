"""Sound that is not speech, and how parts become one recording: beeps, tones, noise, levels, joins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio

SAMPLE_RATE_HZ = 24_000
SPEECH_LEVEL_DBFS = -22.0
PEAK_LIMIT = 0.89
_RAMP_S = 0.01
_LEAD_S, _TAIL_S = 0.15, 0.25

Samples = NDArray[np.float32]


def silence(duration_s: float) -> Samples:
    """Digital silence."""
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)


def tone(hz: float, duration_s: float, *, n_harmonics: int = 1) -> Samples:
    """A tone with faded edges, its harmonics falling by 6 dB per octave.

    >>> tone(440.0, 0.5).shape
    (12000,)
    """
    times = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    waves = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, n_harmonics + 1))
    n_ramp = round(_RAMP_S * SAMPLE_RATE_HZ)
    edges = np.minimum(1.0, np.minimum(np.arange(len(times)), np.arange(len(times))[::-1]) / n_ramp)
    return np.asarray(0.1 * waves * edges, np.float32)


def beeps(n: int, hz: float) -> Samples:
    """So many beeps of a fifth of a second, half a second apart."""
    return np.concatenate([np.concatenate([tone(hz, 0.2), silence(0.3)]) for _ in range(n)])


def melody(midi: Sequence[int], note_s: float) -> Samples:
    """Notes of a plain reed-like tone, with a short gap after each."""
    notes = [tone(440.0 * 2 ** ((note - 69) / 12), 0.9 * note_s, n_harmonics=4) for note in midi]
    return np.concatenate([part for note in notes for part in (note, silence(0.1 * note_s))])


def levelled(audio: Audio, *, gain_db: float) -> Samples:
    """Speech at 24 kHz, cut of outer silence, at the usual level plus a gain.

    The level is that of the louder half of 20 ms frames, so that pauses do not count.
    """
    samples = audio.resampled(SAMPLE_RATE_HZ).samples
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    gain = 10 ** ((SPEECH_LEVEL_DBFS + gain_db - level_dbfs(samples)) / 20)
    return np.asarray(samples * gain, np.float32)


def level_dbfs(samples: Samples) -> float:
    """Root-mean-square level of the louder half of its 20 ms frames.

    >>> round(level_dbfs(tone(1000.0, 1.0)), 1)
    -23.0
    """
    width = SAMPLE_RATE_HZ // 50
    frames = samples[: len(samples) // width * width].reshape(-1, width)
    powers = np.sort(np.mean(np.square(frames, dtype=np.float64), axis=1)) if len(frames) else np.ones(1)
    return 10.0 * float(np.log10(np.mean(powers[len(powers) // 2 :])))


def noise(kind: str, n_samples: int, seed: int, voices: Sequence[Samples] = ()) -> Samples:
    """Noise of power 1: white, pink (3 dB less per octave), or a babble of voices that are played at random places."""
    generator = np.random.default_rng(seed)
    if kind == "babble":
        mixed = np.zeros(n_samples)
        for voice in voices:
            tiled = np.tile(voice, n_samples // len(voice) + 2)
            start = int(generator.integers(len(voice)))
            mixed += tiled[start : start + n_samples]
    else:
        spectrum = np.fft.rfft(generator.standard_normal(n_samples))
        if kind == "pink":
            spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
        mixed = np.fft.irfft(spectrum, n_samples)
    return np.asarray(mixed / np.sqrt(np.mean(np.square(mixed))), np.float32)


def finished(parts: Sequence[Samples], ground: Samples | None) -> Audio:
    """Join parts with silence around them, lay noise below, keep the peaks under full scale."""
    samples = np.concatenate([silence(_LEAD_S), *parts, silence(_TAIL_S)])
    if ground is not None:
        samples = samples + ground[: len(samples)]
    peak = float(np.abs(samples).max())
    return Audio(samples=np.asarray(samples * min(1.0, PEAK_LIMIT / peak), np.float32), sample_rate_hz=SAMPLE_RATE_HZ)


def padded_length(parts: Sequence[Samples]) -> int:
    """Samples that `finished` makes of these parts."""
    return sum(map(len, parts)) + len(silence(_LEAD_S)) + len(silence(_TAIL_S))
