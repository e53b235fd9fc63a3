"""Checks of the voice against a given value, with no answer before to compare with: whisper, level, pitch, its range.

Level and pitch of a voice are its own, so a given value tells less than a comparison: use these where the value itself
is asked for, or where a norm holds for every voice.
"""

from __future__ import annotations

import numpy as np

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.metrics.acoustics import Delivery, measure_delivery, pitch_track
from aqaa_eval.metrics.voice_activity import speech_segments
from aqaa_eval.tasks.wording import language_of

_LEVEL_TOLERANCE_DB = 1.0  # the least that listeners tell apart; pauses within words move the measured level by as much
_PITCH_TOLERANCE = 0.03  # half a semitone: trackers differ by that on one voice


def whispers(heard: Heard, *, voiced_share_at_most: float = 0.15) -> CheckOutcome:
    """Spoken, and nearly without voice: so much of the speech, at the most, has a pitch.

    Speech with voice has a pitch in 40 to 65 % of its time, a whisper in 0 to 5 %; the default of 15 % lies between,
    nearer to the whisper, as a soft voice is none.

    >>> from aqaa_eval.tasks.wording import said
    >>> whispers(said("Not a sound.")).measured
    'no speech; a whisper asked'
    """
    share = _voiced_share(heard)
    if share is None:
        return CheckOutcome(passed=False, measured="no speech; a whisper asked")
    return CheckOutcome(
        passed=share <= voiced_share_at_most,
        measured=f"{100 * share:.0f} % of the speech has a pitch; at most {100 * voiced_share_at_most:.0f} % asked",
    )


def level_at_least(heard: Heard, *, dbfs: float) -> CheckOutcome:
    """Speech no softer than a level in dB below full scale; 1 dB is forgiven, which no listener hears.

    >>> from aqaa_eval.tasks.wording import said
    >>> level_at_least(said("Loud!"), dbfs=-20).measured
    'no speech; at least -20 dBFS asked'
    """
    level = _delivery(heard).level_dbfs
    passed = level is not None and level >= dbfs - _LEVEL_TOLERANCE_DB
    return CheckOutcome(passed=passed, measured=f"{_told(level, 'dBFS', 1)}; at least {dbfs:g} dBFS asked")


def level_at_most(heard: Heard, *, dbfs: float) -> CheckOutcome:
    """Speech no louder than a level in dB below full scale; 1 dB is forgiven, which no listener hears.

    >>> from aqaa_eval.tasks.wording import said
    >>> level_at_most(said("Soft."), dbfs=-40).passed
    False
    """
    level = _delivery(heard).level_dbfs
    passed = level is not None and level <= dbfs + _LEVEL_TOLERANCE_DB
    return CheckOutcome(passed=passed, measured=f"{_told(level, 'dBFS', 1)}; at most {dbfs:g} dBFS asked")


def pitch_at_least(heard: Heard, *, hz: float) -> CheckOutcome:
    """A median pitch no lower than a given one; half a semitone is forgiven, as trackers differ by it.

    >>> from aqaa_eval.tasks.wording import said
    >>> pitch_at_least(said("Squeak."), hz=300).measured
    'no speech; at least 300 Hz asked'
    """
    pitch_hz = _delivery(heard).pitch_hz
    passed = pitch_hz is not None and pitch_hz >= hz * (1 - _PITCH_TOLERANCE)
    return CheckOutcome(passed=passed, measured=f"{_told(pitch_hz, 'Hz', 0)}; at least {hz:g} Hz asked")


def pitch_at_most(heard: Heard, *, hz: float) -> CheckOutcome:
    """A median pitch no higher than a given one; half a semitone is forgiven, as trackers differ by it.

    >>> from aqaa_eval.tasks.wording import said
    >>> pitch_at_most(said("Growl."), hz=100).passed
    False
    """
    pitch_hz = _delivery(heard).pitch_hz
    passed = pitch_hz is not None and pitch_hz <= hz * (1 + _PITCH_TOLERANCE)
    return CheckOutcome(passed=passed, measured=f"{_told(pitch_hz, 'Hz', 0)}; at most {hz:g} Hz asked")


def monotone(heard: Heard, *, semitones_at_most: float = 2.5) -> CheckOutcome:
    """The pitch hardly moves: from its 10th to its 90th percentile, so many semitones at the most.

    Common talk moves by 5 to 9; the default of 2.5 leaves room for the tracker's slips at the ends of words.

    >>> from aqaa_eval.tasks.wording import said
    >>> monotone(said("I am a robot.")).measured
    'no speech; a pitch within 2.5 semitones asked'
    """
    found = _delivery(heard).pitch_range_semitones
    passed = found is not None and found <= semitones_at_most
    told = _told(found, "semitones", 1)
    return CheckOutcome(passed=passed, measured=f"{told}; a pitch within {semitones_at_most:g} semitones asked")


def _told(value: float | None, unit: str, decimals: int) -> str:
    return "no speech" if value is None else f"{value:.{decimals}f} {unit}"


def _delivery(heard: Heard) -> Delivery:
    return measure_delivery(heard.audio, text=heard.text, language=language_of(heard))


def _voiced_share(heard: Heard) -> float | None:
    """Share of the speech that has a pitch; None if there is no speech."""
    segments = speech_segments(heard.audio)
    if not segments:
        return None
    track = pitch_track(heard.audio)
    times = np.arange(len(track.midi)) * track.frame_s
    inside = np.zeros(len(times), np.bool_)
    for segment in segments:
        inside |= (times >= segment.start_s) & (times < segment.end_s)
    return float(np.mean(track.voiced[inside])) if inside.any() else None
