"""What a question goes through between a mouth and a model: noise, a room, a telephone, a bad network.

Pure functions of samples; whatever is drawn comes from a generator that is passed in. Levels are relative to the
speech itself: its active level, so that pauses do not count.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import signal

from aqaa_eval.core.errors import AudioError

Samples = NDArray[np.float32]
TELEPHONE_HZ = 8_000
TELEPHONE_BAND_HZ = (300.0, 3400.0)
PACKET_S = 0.02
_ACTIVE_BELOW_PEAK_DB = 35.0
_MU = 255.0


def active_rms(samples: Samples, sample_rate_hz: int) -> float:
    """Root mean square of the frames of 20 ms that are within 35 dB of the loudest: the level of the speech alone.

    >>> tone = np.r_[np.full(320, 0.5), np.zeros(3200)].astype(np.float32)
    >>> round(active_rms(tone, 16000), 3)
    0.5
    """
    n = max(1, round(PACKET_S * sample_rate_hz))
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % n))
    power = np.square(padded).reshape(-1, n).mean(axis=1)
    loudest = power.max(initial=0.0)
    if loudest <= 0:
        return 0.0
    return float(np.sqrt(power[power >= loudest * 10 ** (-_ACTIVE_BELOW_PEAK_DB / 10)].mean()))


def add_noise(samples: Samples, noise: Samples, *, snr_db: float, sample_rate_hz: int) -> Samples:
    """Speech and noise at a ratio of their levels; both are lowered together if the sum would clip.

    Args:
        samples: the speech.
        noise: as long as the speech.
        snr_db: active level of the speech over the level of the noise.
        sample_rate_hz: of both.

    Raises:
        AudioError: the speech is silent, so that there is no ratio.
    """
    level = active_rms(samples, sample_rate_hz)
    noise_level = float(np.sqrt(np.square(noise, dtype=np.float64).mean()))
    if level <= 0 or noise_level <= 0:
        raise AudioError("the question is silent: there is no level to which noise could be added")
    mixed = samples + noise * np.float32(level / noise_level * 10 ** (-snr_db / 20))
    return _within_scale(mixed.astype(np.float32))


def white_noise(n_samples: int, rng: np.random.Generator) -> Samples:
    """Equal power in every hertz."""
    return rng.standard_normal(n_samples, dtype=np.float32)


def pink_noise(n_samples: int, rng: np.random.Generator) -> Samples:
    """Equal power in every octave: white noise whose spectrum falls by 3 dB per octave.

    >>> noise = pink_noise(65536, np.random.default_rng(0))
    >>> power = np.abs(np.fft.rfft(noise)) ** 2
    >>> bool(0.7 < power[1024:2048].sum() / power[8192:16384].sum() < 1.4)
    True
    """
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    return np.fft.irfft(spectrum, n_samples).astype(np.float32)


def babble(n_samples: int, talkers: list[Samples], sample_rate_hz: int, rng: np.random.Generator) -> Samples:
    """Several people at once: each talker at the same level, from a drawn place on, over and over."""
    mixed = np.zeros(n_samples, np.float32)
    for talker in talkers:
        start = int(rng.integers(len(talker)))
        looped = np.resize(np.roll(talker, -start), n_samples)
        mixed += looped / np.float32(max(active_rms(talker, sample_rate_hz), 1e-6))
    return mixed


def room_response(rt60_s: float, sample_rate_hz: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A made-up room, heard from afar: the direct sound, a few early echoes, and noise that dies away.

    Args:
        rt60_s: seconds in which the echo falls by 60 dB.
        sample_rate_hz: of the response.
        rng: draws the echoes.

    Returns:
        Shape (round(rt60_s * sample_rate_hz) + 1,); the echoes together have the energy of the direct sound, as at the
        critical distance of a room.
    """
    n = round(rt60_s * sample_rate_hz) + 1
    time_s = np.arange(n) / sample_rate_hz
    tail = rng.standard_normal(n) * 10 ** (-3 * time_s / rt60_s)
    tail = signal.lfilter([0.6], [1, -0.4], tail)  # walls swallow the treble
    tail[time_s < 0.02] = 0.0
    for delay_s in rng.uniform(0.003, 0.02, 6):
        tail[min(n - 1, round(delay_s * sample_rate_hz))] += rng.choice((-1, 1)) * rng.uniform(0.3, 0.8)
    response: NDArray[np.float64] = tail / np.sqrt(np.square(tail).sum())
    response[0] = 1.0
    return response


def reverberate(samples: Samples, response: NDArray[np.float64], sample_rate_hz: int) -> Samples:
    """Speech in a room, at its old level; longer by the room's echo."""
    wet = signal.fftconvolve(samples.astype(np.float64), response)
    before, after = active_rms(samples, sample_rate_hz), active_rms(wet.astype(np.float32), sample_rate_hz)
    return _within_scale((wet * (before / after if after > 0 else 1.0)).astype(np.float32))


def telephone(samples: Samples, sample_rate_hz: int) -> Samples:
    """A telephone line: 300 to 3400 Hz, 8 kHz, 8 bits of mu-law (G.711), brought back to the old sample rate."""
    low = soxr.resample(samples, sample_rate_hz, TELEPHONE_HZ)
    band = signal.butter(6, TELEPHONE_BAND_HZ, btype="bandpass", fs=TELEPHONE_HZ, output="sos")
    coded = mu_law(np.clip(signal.sosfilt(band, low.astype(np.float64)), -1, 1))
    back = soxr.resample(coded.astype(np.float32), TELEPHONE_HZ, sample_rate_hz)
    return _fit(np.asarray(back, np.float32), len(samples))


def mu_law(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Through 8 bits of mu-law and back.

    >>> [round(float(value), 4) for value in mu_law(np.array([0.0, 0.5, -1.0]))]
    [0.0, 0.4953, -1.0]
    """
    squeezed = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    steps = np.round(squeezed * 127) / 127
    widened: NDArray[np.float64] = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU
    return widened


def lose_packets(samples: Samples, *, share: float, sample_rate_hz: int, rng: np.random.Generator) -> Samples:
    """Frames of 20 ms that never arrive and are heard as silence: a network without concealment.

    Args:
        samples: the speech.
        share: of the frames that are lost; exactly that many, to the nearest frame.
        sample_rate_hz: samples per second.
        rng: draws which.

    >>> out = lose_packets(np.ones(16000, np.float32), share=0.1, sample_rate_hz=16000, rng=np.random.default_rng(0))
    >>> int((out == 0).sum()) / 320
    5.0
    """
    n = max(1, round(PACKET_S * sample_rate_hz))
    n_frames = -(-len(samples) // n)
    out = samples.copy()
    for frame in rng.permutation(n_frames)[: round(share * n_frames)]:
        out[frame * n : (frame + 1) * n] = 0.0
    return out


def clip(samples: Samples, *, share: float) -> Samples:
    """Overdriven: the loudest share of the samples is cut flat, and the rest raised to full scale with it.

    >>> [round(float(value), 2) for value in clip(np.array([0.1, -0.2, 0.4, -0.8], np.float32), share=0.5)]
    [0.33, -0.67, 1.0, -1.0]
    """
    limit = float(np.quantile(np.abs(samples), 1 - share)) if samples.any() else 0.0
    if limit <= 0:
        return samples
    return (np.clip(samples, -limit, limit) / np.float32(limit)).astype(np.float32)


def change_gain(samples: Samples, *, gain_db: float) -> Samples:
    """Louder or softer; what exceeds full scale is cut, as a converter would."""
    changed: Samples = np.clip(samples * np.float32(10 ** (gain_db / 20)), -1, 1).astype(np.float32)
    return changed


def change_speed(samples: Samples, *, factor: float, sample_rate_hz: int) -> Samples:
    """Played faster or slower; the pitch moves along, as with a tape."""
    return np.asarray(soxr.resample(samples, sample_rate_hz * factor, sample_rate_hz), np.float32)


def _within_scale(samples: Samples) -> Samples:
    peak = float(np.max(np.abs(samples), initial=0.0))
    scaled: Samples = samples if peak <= 1 else (samples / np.float32(peak)).astype(np.float32)
    return scaled


def _fit(samples: Samples, n: int) -> Samples:
    return samples[:n] if len(samples) >= n else np.pad(samples, (0, n - len(samples)))
