"""Another pitch, or none, for a voice whose insides cannot be reached: plain signal processing on finished speech.

Pitch is moved by playing the sound faster or slower from moment to moment, so formants move along and lengths change a
little; for a few semitones a listener still hears the same words. Who can move the pitch before the sound is made
(`hibari_voice`) does better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.metrics.acoustics import MAX_FROM_MEDIAN_SEMITONES, pitch_track

_SMOOTHING_FRAMES = 5  # 80 ms: the playing speed follows the melody of a phrase, not the tracker's steps
_WINDOW_S = 0.03
_ENVELOPE_BINS = 9  # of 33 Hz each: wider than a voice's harmonics are apart
_WHISPER_FROM_HZ = 600.0


def bent(audio: Audio, *, semitones: float = 0.0, pitch_range: float = 1.0) -> Audio:
    """Move the pitch, and widen or narrow its rise and fall around the median.

    Args:
        audio: speech of one voice.
        semitones: how much higher; the sound gets shorter by as much.
        pitch_range: factor on the rise and fall; 0 is a monotone.
    """
    steps = np.full(1, semitones) if pitch_range == 1.0 else semitones + (pitch_range - 1.0) * _melody(audio)
    return _played(audio, steps)


def on_note(audio: Audio, midi: float) -> Audio:
    """Bring all that has a pitch to one note.

    Args:
        audio: speech of one voice.
        midi: 60 is middle C.
    """
    track = pitch_track(audio)
    if not track.voiced.any():
        return audio
    return _played(audio, midi - float(np.median(track.midi[track.voiced])) - _melody(audio))


def whispered(audio: Audio) -> Audio:
    """Breathe the same words: the envelope of the spectrum stays, its phase is drawn anew, the low end goes."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import istft, stft

    width = round(_WINDOW_S * audio.sample_rate_hz)
    frequencies_hz, _, spectrum = stft(audio.samples, audio.sample_rate_hz, nperseg=width, noverlap=3 * width // 4)
    envelope = np.sqrt(uniform_filter1d(np.abs(spectrum) ** 2, _ENVELOPE_BINS, axis=0))
    envelope *= np.minimum(1.0, (frequencies_hz[:, None] / _WHISPER_FROM_HZ) ** 2)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, envelope.shape)
    _, breath = istft(envelope * np.exp(1j * phases), audio.sample_rate_hz, nperseg=width, noverlap=3 * width // 4)
    return from_samples(np.asarray(breath[: len(audio.samples)], np.float32), sample_rate_hz=audio.sample_rate_hz)


def _melody(audio: Audio) -> NDArray[np.float64]:
    """Semitones around the median pitch, frame by frame; between voiced frames a straight line."""
    track = pitch_track(audio)
    if not track.voiced.any():
        return np.zeros(1)
    middle = float(np.median(track.midi[track.voiced]))
    trusted = np.flatnonzero(track.voiced & (np.abs(track.midi - middle) <= MAX_FROM_MEDIAN_SEMITONES))
    line = np.interp(np.arange(len(track.midi)), trusted, track.midi[trusted] - middle)
    padded = np.pad(line, _SMOOTHING_FRAMES // 2, mode="edge")
    return np.convolve(padded, np.full(_SMOOTHING_FRAMES, 1 / _SMOOTHING_FRAMES), mode="valid")


def _played(audio: Audio, semitones: NDArray[np.float64]) -> Audio:
    """Play with a speed that follows the given shift, one value per equal part of the sound."""
    n_samples = len(audio.samples)
    centres = (np.arange(len(semitones)) + 0.5) * n_samples / len(semitones)
    speeds = 2.0 ** (np.interp(np.arange(n_samples), centres, semitones) / 12.0)
    times = np.concatenate(([0.0], np.cumsum(1.0 / speeds)[:-1]))  # when each sample is heard
    heard = np.interp(np.arange(int(times[-1]) + 1), times, np.arange(n_samples))
    return from_samples(np.interp(heard, np.arange(n_samples), audio.samples), sample_rate_hz=audio.sample_rate_hz)
