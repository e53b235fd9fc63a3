"""Checks of singing: intervals, a held pitch, a steady beat. They measure the sound; the words are other checks' work.

Intervals and not keys are compared: a voice may start where it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.metrics.acoustics import SungNote, longest_steady_s, sung_notes
from aqaa_eval.metrics.voice_activity import speech_segments

_SAME_NOTE_SEMITONES = 0.7


def melody_follows(heard: Heard, *, intervals: Sequence[float], tolerance_semitones: float = 0.8) -> CheckOutcome:
    """Somewhere the sung notes go by these intervals, in semitones ([2, 2, 1] is the start of a major scale).

    The default tolerance of 0.8 lets an untrained singer miss each step by less than the next key of a piano.
    A note sung again counts once, and a 0 that is asked for is passed over: whether "lit-tle" is two notes of one
    pitch or a single longer one is the singer's choice, and the tracker's.
    """
    notes = _merged(sung_notes(heard.audio))
    steps = [right.midi - left.midi for left, right in pairwise(notes)]
    intervals = [interval for interval in intervals if interval]
    n = len(intervals)
    errors = [
        max(abs(step - wanted) for step, wanted in zip(steps[start : start + n], intervals, strict=True))
        for start in range(len(steps) - n + 1)
        if n
    ]
    best = min(errors, default=None)
    asked = " ".join(f"{interval:+g}" for interval in intervals)
    sung = " ".join(f"{step:+.1f}" for step in steps[:12]) or "no two notes"
    told = "" if best is None else f"; nearest place is off by {best:.1f} semitones, {tolerance_semitones:g} allowed"
    passed = best is not None and best <= tolerance_semitones
    return CheckOutcome(passed=passed, measured=f"steps sung {sung}; {asked} asked{told}")


def holds_pitch(heard: Heard, *, seconds: float, cents: float = 50.0) -> CheckOutcome:
    """One pitch is held that long within +- so many cents (default half a semitone, vibrato averaged).

    Talk glides: of our spoken questions, half hold one for no more than 0.3 s and none for 0.8 s.
    """
    longest = longest_steady_s(heard.audio, cents=cents)
    return CheckOutcome(
        passed=longest >= seconds,
        measured=f"a pitch is held for {longest:.2f} s within {cents:g} cents; {seconds:g} s asked",
    )


def steady_beat(heard: Heard, *, beats: int, variation_at_most: float = 0.2) -> CheckOutcome:
    """At least so many beats, evenly spaced: standard deviation over mean of the gaps (default at most 0.2).

    Beats are where stretches of speech begin, or words where the recogniser gives their times and they run together.
    Listeners call a beat uneven from about 0.1 on; the other half is for the detector's steps.
    """
    starts = [segment.start_s for segment in speech_segments(heard.audio)]
    if len(starts) < beats:
        starts = [word.start_s for word in heard.words]
    gaps = np.diff(starts)
    if len(starts) < beats or not gaps.mean() > 0:
        return CheckOutcome(passed=False, measured=f"{len(starts)} beats; at least {beats} asked")
    variation = float(gaps.std() / gaps.mean())
    told = f"{len(starts)} beats, one every {gaps.mean():.2f} s, varying by {100 * variation:.0f} %"
    return CheckOutcome(
        passed=variation <= variation_at_most, measured=f"{told}; at most {100 * variation_at_most:.0f} % asked"
    )


def _merged(notes: Sequence[SungNote]) -> list[SungNote]:
    """Join neighbours of one pitch to one note."""
    merged: list[SungNote] = []
    for note in notes:
        last = merged[-1] if merged else None
        if last is not None and abs(note.midi - last.midi) < _SAME_NOTE_SEMITONES:
            merged[-1] = SungNote(start_s=last.start_s, end_s=note.end_s, midi=last.midi)
        else:
            merged.append(note)
    return merged
