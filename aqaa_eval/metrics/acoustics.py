"""How an answer is spoken, as measurements: rate, level, pitch, pauses, sung notes. Never an emotion.

Pitch is swift-f0's (MIT, a network of 135 kB), or Praat's where it is chosen (`praat_pitch`); notes are found by
swift-f0's dynamic programme; speech is Silero's. What is ours is only the summary: medians and ranges that a listener
would confirm, and a count of syllables in the text.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.metrics.praat_pitch import chosen_tracker, praat_pitch_hz
from aqaa_eval.metrics.voice_activity import Segment, speech_segments

if TYPE_CHECKING:
    from swift_f0 import PitchResult

PITCH_FLOOR_HZ, PITCH_CEILING_HZ = 55.0, 1100.0  # a bass's low A to a soprano's high C
MIN_VOICED_S = 0.15  # less voiced sound than one syllable tells no pitch
SMOOTHING_S = 0.2  # a vibrato swings about five times a second: averaged over one swing, it is no unsteadiness
MAX_FROM_MEDIAN_SEMITONES = 10.0  # farther off is the tracker's slip to a neighbouring octave, not the voice
MIN_NOTE_S = 0.12  # shorter ones are glides between notes

_VOWEL_RUN = re.compile(r"[aeiouyáéíóúüàèìòùâêîôûäöœæëïåø]+")
_SMALL_KANA = "ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ"
_tracks: WeakKeyDictionary[Audio, PitchTrack] = WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PitchTrack:
    """The melody of a voice, frame by frame.

    Attributes:
        midi: pitch in semitones (69 is A4, 440 Hz), shape (n_frames,); meaningless where unvoiced.
        voiced: whether a frame has a pitch, shape (n_frames,).
        frame_s: seconds from frame to frame.
        result: what swift-f0 gave, for its own tools.
    """

    midi: NDArray[np.float64]
    voiced: NDArray[np.bool_]
    frame_s: float
    result: PitchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SungNote:
    """One note: a stretch of steady pitch.

    Attributes:
        midi: pitch in semitones, 69 is A4.
    """

    start_s: float
    end_s: float
    midi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How one answer is spoken. A value is None where there is nothing to measure it on.

    Attributes:
        span_s: seconds from the first to the last speech, pauses included.
        syllables_per_s: syllables of the text over the span.
        level_dbfs: level of the speech alone, full-scale square is 0.
        pitch_hz: median pitch.
        pitch_range_semitones: from the 10th to the 90th percentile of the pitch.
        longest_pause_s: longest gap between speech.
        pause_share: of the span, in [0, 1]; None without speech.
        voiced_share: of the speech, the share that has a pitch, in [0, 1]; a whisper has next to none.
    """

    span_s: float
    syllables_per_s: float | None
    level_dbfs: float | None
    pitch_hz: float | None
    pitch_range_semitones: float | None
    longest_pause_s: float
    pause_share: float | None = None
    voiced_share: float | None = None


def measure_delivery(audio: Audio, *, text: str, language: str) -> Delivery:
    """Measure one answer.

    Args:
        audio: its sound.
        text: its words, for the rate.
        language: their language tag, for counting syllables.
    """
    segments = speech_segments(audio)
    span_s = segments[-1].end_s - segments[0].start_s if segments else 0.0
    n_syllables = count_syllables(text, language=language)
    pitch = _voiced_pitch(audio, segments)
    gaps_s = [pause.duration_s for pause in pauses(audio)]
    spread = np.percentile(pitch, [10, 50, 90]) if len(pitch) else None
    return Delivery(
        span_s=span_s,
        syllables_per_s=n_syllables / span_s if span_s and n_syllables else None,
        level_dbfs=speech_level_dbfs(audio),
        pitch_hz=None if spread is None else float(440.0 * 2.0 ** ((spread[1] - 69.0) / 12.0)),
        pitch_range_semitones=None if spread is None else float(spread[2] - spread[0]),
        longest_pause_s=max(gaps_s, default=0.0),
        pause_share=sum(gaps_s) / span_s if span_s else None,
        voiced_share=_voiced_share(audio, segments),
    )


def speech_level_dbfs(audio: Audio) -> float | None:
    """Root-mean-square level of the speech alone; None if there is no speech.

    >>> speech_level_dbfs(Audio.silence(duration_s=0.5)) is None
    True
    """
    rate = audio.sample_rate_hz
    parts = [audio.samples[round(s.start_s * rate) : round(s.end_s * rate)] for s in speech_segments(audio)]
    power = float(np.mean(np.square(np.concatenate(parts), dtype=np.float64))) if parts else 0.0
    return 10.0 * float(np.log10(power)) if power > 0 else None


def pauses(audio: Audio) -> tuple[Segment, ...]:
    """The gaps between stretches of speech; what lies before the first and after the last is no pause."""
    between = pairwise(speech_segments(audio))
    return tuple(Segment(start_s=left.end_s, end_s=right.start_s) for left, right in between)


def count_syllables(text: str, *, language: str) -> int:
    """Syllables of a text: runs of vowels, morae for kana, two for a kanji (one in Chinese).

    It is meant for comparing two answers in one language, where its bias (some percent) is the same on both sides.

    >>> count_syllables("The water is cold.", language="en"), count_syllables("あした行きます", language="ja")
    (5, 8)
    >>> count_syllables("你好吗", language="zh"), count_syllables("12", language="en")
    (3, 2)
    """
    per_han = 2 if language == "ja" else 1
    total = 0
    for word in re.findall(r"[\u3041-\u30ff\u4e00-\u9fff]+|[^\W\d_]+|\d+", text.lower()):
        if re.match(r"[\u3041-\u30ff\u4e00-\u9fff]", word):
            total += sum(per_han if char >= "\u4e00" else char not in _SMALL_KANA for char in word)
        elif word.isdigit():
            total += len(word)  # a digit is about one syllable
        else:
            runs = len(_VOWEL_RUN.findall(word))
            has_silent_e = language == "en" and runs > 1 and word.endswith("e") and not word.endswith(("le", "ee"))
            total += max(1, runs - has_silent_e)
    return total


def pitch_track(audio: Audio) -> PitchTrack:
    """Pitch of each 16 ms, by the chosen tracker; asking again for the same `Audio` costs nothing."""
    known = _tracks.get(audio)
    if known is None:
        from swift_f0 import FRAME_PERIOD

        result = _detector().detect(audio.samples, audio.sample_rate_hz, fmin=PITCH_FLOOR_HZ, fmax=PITCH_CEILING_HZ)
        pitch_hz, voiced = result.pitch_hz, result.confidence >= 0.5
        if chosen_tracker() == "praat":
            times_s = np.arange(len(pitch_hz)) * FRAME_PERIOD
            pitch_hz = praat_pitch_hz(audio, times_s, floor_hz=PITCH_FLOOR_HZ, ceiling_hz=PITCH_CEILING_HZ)
            voiced = pitch_hz > 0
        known = _tracks[audio] = PitchTrack(
            midi=69.0 + 12.0 * np.log2(np.maximum(pitch_hz, 1.0) / 440.0),
            voiced=voiced,
            frame_s=FRAME_PERIOD,
            result=result,
        )
    return known


def sung_notes(audio: Audio) -> tuple[SungNote, ...]:
    """The notes of a voice or an instrument, in order; glides between them are left out."""
    if not len(audio.samples):
        return ()
    from swift_f0 import segment_notes

    found = [
        SungNote(start_s=note.start, end_s=note.end, midi=69.0 + 12.0 * float(np.log2(note.pitch_hz / 440.0)))
        for note in segment_notes(pitch_track(audio).result)
    ]
    return tuple(note for note in found if note.end_s - note.start_s >= MIN_NOTE_S)


def longest_steady_s(audio: Audio, *, cents: float) -> float:
    """Length of the longest stretch whose pitch, averaged over a vibrato's swing, stays within +- that many cents."""
    if not len(audio.samples):
        return 0.0
    track = pitch_track(audio)
    longest = 0
    for run in _runs(track.voiced):
        smooth = _smoothed(track.midi[run], max(1, round(SMOOTHING_S / track.frame_s)))
        longest = max(longest, _longest_within(smooth, 2.0 * cents / 100.0))
    return longest * track.frame_s


def _runs(voiced: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], voiced.astype(np.int8), [0]))))
    return [slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _smoothed(midi: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Moving average; a stretch shorter than the window is its own average."""
    width = min(width, len(midi))
    padded = np.pad(midi, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")


def _longest_within(values: NDArray[np.float64], width: float) -> int:
    """Length of the longest stretch whose largest and smallest value are at most `width` apart."""
    start = longest = 0
    for end in range(len(values)):
        while values[start : end + 1].max() - values[start : end + 1].min() > width:
            start += 1
        longest = max(longest, end + 1 - start)
    return longest


def _within(track: PitchTrack, segments: tuple[Segment, ...]) -> NDArray[np.bool_]:
    """Which frames of the track lie within speech, shape (n_frames,)."""
    times = np.arange(len(track.midi)) * track.frame_s
    inside = np.zeros(len(times), np.bool_)
    for segment in segments:
        inside |= (times >= segment.start_s) & (times < segment.end_s)
    return inside


def _voiced_share(audio: Audio, segments: tuple[Segment, ...]) -> float | None:
    if not segments:
        return None
    track = pitch_track(audio)
    inside = _within(track, segments)
    return float(track.voiced[inside].mean()) if inside.any() else None


def _voiced_pitch(audio: Audio, segments: tuple[Segment, ...]) -> NDArray[np.float64]:
    """Pitch in semitones of the voiced frames within speech; empty if they are too few to tell one."""
    if not segments:
        return np.zeros(0)
    track = pitch_track(audio)
    found = track.midi[_within(track, segments) & track.voiced]
    if len(found) * track.frame_s < MIN_VOICED_S:
        return np.zeros(0)
    return found[np.abs(found - np.median(found)) <= MAX_FROM_MEDIAN_SEMITONES]


@cache
def _make_detector() -> Any:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def _detector() -> Any:
    with _lock:  # two threads that ask first at once would build two
        return _make_detector()
