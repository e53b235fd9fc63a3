"""Checks of how it is said: rate, level, pitch, liveliness, pauses, length. They measure the sound.

A comparison is with the answer to the turn before: a voice that was asked to slow down is measured against itself,
so no norm of how fast people speak is needed. The default thresholds are what a listener notices without being told:
15 % of rate, 2 dB of level and a semitone and a half of pitch. Level and pitch of one voice stay within them from
one sentence to the next; its rate does not (a quarter more or less is usual), so ask for the same words again.
"""

from __future__ import annotations

from collections.abc import Callable

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.metrics.acoustics import Delivery, measure_delivery
from aqaa_eval.tasks.wording import language_of

MIN_LIVELIER_SIGNS = 2
_RATE_STEP, _LEVEL_STEP_DB, _PITCH_STEP_SEMITONES, _RANGE_STEP = 0.08, 1.5, 0.8, 0.12


def faster_than_before(heard: Heard, *, by: float = 0.15) -> CheckOutcome:
    """Spoken faster than the answer before, by that share of the syllable rate."""
    return _compare_rate(heard, by, "faster", lambda now, before: now / before - 1)


def slower_than_before(heard: Heard, *, by: float = 0.15) -> CheckOutcome:
    """Spoken slower than the answer before, by that share of the syllable rate; pauses count."""
    return _compare_rate(heard, by, "slower", lambda now, before: 1 - now / before)


def louder_than_before(heard: Heard, *, by_db: float = 2.0) -> CheckOutcome:
    """Louder speech than in the answer before, by so many decibels."""
    return _compare_level(heard, by_db, "louder", 1.0)


def softer_than_before(heard: Heard, *, by_db: float = 2.0) -> CheckOutcome:
    """Softer speech than in the answer before, by so many decibels."""
    return _compare_level(heard, by_db, "softer", -1.0)


def higher_than_before(heard: Heard, *, by_semitones: float = 1.5) -> CheckOutcome:
    """A higher median pitch than in the answer before, by so many semitones."""
    return _compare_pitch(heard, by_semitones, "higher", 1.0)


def lower_than_before(heard: Heard, *, by_semitones: float = 1.5) -> CheckOutcome:
    """A lower median pitch than in the answer before, by so many semitones."""
    return _compare_pitch(heard, by_semitones, "lower", -1.0)


def livelier_than_before(heard: Heard) -> CheckOutcome:
    """At least two of: wider pitch range, higher pitch, faster, louder. A measurement, no claim on feelings."""
    return _compare_liveliness(heard, "livelier", 1.0)


def calmer_than_before(heard: Heard) -> CheckOutcome:
    """At least two of: narrower pitch range, lower pitch, slower, softer. A measurement, no claim on feelings."""
    return _compare_liveliness(heard, "calmer", -1.0)


def rate_at_most(heard: Heard, *, syllables_per_s: float) -> CheckOutcome:
    """Spoken at no more than that syllable rate; common talk has 4 to 6, dictation 2 to 3."""
    rate = _delivery(heard).syllables_per_s
    told = "no speech" if rate is None else f"{rate:.1f} syllables/s"
    passed = rate is not None and rate <= syllables_per_s
    return CheckOutcome(passed=passed, measured=f"{told}; at most {syllables_per_s:g} asked")


def rate_at_least(heard: Heard, *, syllables_per_s: float) -> CheckOutcome:
    """Spoken at no less than that syllable rate; common talk has 4 to 6."""
    rate = _delivery(heard).syllables_per_s
    told = "no speech" if rate is None else f"{rate:.1f} syllables/s"
    passed = rate is not None and rate >= syllables_per_s
    return CheckOutcome(passed=passed, measured=f"{told}; at least {syllables_per_s:g} asked")


def pause_at_least(heard: Heard, *, seconds: float) -> CheckOutcome:
    """A silence of at least that length between two stretches of speech.

    A tenth is forgiven: the detector of speech works in steps of 32 ms and keeps a word's fading end.
    """
    longest = _delivery(heard).longest_pause_s
    return CheckOutcome(
        passed=longest >= 0.9 * seconds, measured=f"longest pause {longest:.2f} s; at least {seconds:g} s asked"
    )


def at_most_seconds(heard: Heard, *, seconds: float) -> CheckOutcome:
    """From the first to the last speech no more than so many seconds."""
    span_s = _delivery(heard).span_s
    passed = 0 < span_s <= seconds
    return CheckOutcome(passed=passed, measured=f"{span_s:.1f} s of speech; at most {seconds:g} s asked")


def at_least_seconds(heard: Heard, *, seconds: float) -> CheckOutcome:
    """From the first to the last speech no less than so many seconds."""
    span_s = _delivery(heard).span_s
    return CheckOutcome(passed=span_s >= seconds, measured=f"{span_s:.1f} s of speech; at least {seconds:g} s asked")


def _delivery(heard: Heard) -> Delivery:
    return measure_delivery(heard.audio, text=heard.text, language=language_of(heard))


def _before(heard: Heard) -> Delivery | None:
    return _delivery(heard.previous) if heard.previous is not None else None


def _nothing(word: str) -> CheckOutcome:
    return CheckOutcome(passed=False, measured=f"no two answers with speech to compare; {word} than before asked")


def _compare_rate(heard: Heard, by: float, word: str, gain_of: Callable[[float, float], float]) -> CheckOutcome:
    now, before = _delivery(heard), _before(heard)
    if before is None or now.syllables_per_s is None or before.syllables_per_s is None:
        return _nothing(word)
    gain = gain_of(now.syllables_per_s, before.syllables_per_s)
    told = f"{now.syllables_per_s:.1f} syllables/s against {before.syllables_per_s:.1f} before"
    return CheckOutcome(passed=gain >= by, measured=f"{told}: {100 * gain:.0f} % {word}, {100 * by:.0f} % asked")


def _compare_level(heard: Heard, by_db: float, word: str, sign: float) -> CheckOutcome:
    now, before = _delivery(heard), _before(heard)
    if before is None or now.level_dbfs is None or before.level_dbfs is None:
        return _nothing(word)
    gain_db = sign * (now.level_dbfs - before.level_dbfs)
    told = f"{now.level_dbfs:.1f} dBFS against {before.level_dbfs:.1f} before"
    return CheckOutcome(passed=gain_db >= by_db, measured=f"{told}: {gain_db:.1f} dB {word}, {by_db:g} dB asked")


def _compare_pitch(heard: Heard, by_semitones: float, word: str, sign: float) -> CheckOutcome:
    now, before = _delivery(heard), _before(heard)
    if before is None or now.pitch_hz is None or before.pitch_hz is None:
        return _nothing(word)
    gain = sign * _semitones(now.pitch_hz, before.pitch_hz)
    told = f"{now.pitch_hz:.0f} Hz against {before.pitch_hz:.0f} Hz before"
    return CheckOutcome(
        passed=gain >= by_semitones, measured=f"{told}: {gain:.1f} semitones {word}, {by_semitones:g} asked"
    )


def _compare_liveliness(heard: Heard, word: str, sign: float) -> CheckOutcome:
    now, before = _delivery(heard), _before(heard)
    if before is None or now.level_dbfs is None or before.level_dbfs is None:
        return _nothing(word)
    steps = {
        f"level {now.level_dbfs - before.level_dbfs:+.1f} dB": (now.level_dbfs - before.level_dbfs) / _LEVEL_STEP_DB
    }
    if now.syllables_per_s and before.syllables_per_s:
        change = now.syllables_per_s / before.syllables_per_s - 1
        steps[f"rate {100 * change:+.0f} %"] = change / _RATE_STEP
    if now.pitch_hz and before.pitch_hz:
        change = _semitones(now.pitch_hz, before.pitch_hz)
        steps[f"pitch {change:+.1f} semitones"] = change / _PITCH_STEP_SEMITONES
    if now.pitch_range_semitones and before.pitch_range_semitones:
        change = now.pitch_range_semitones / before.pitch_range_semitones - 1
        steps[f"pitch range {100 * change:+.0f} %"] = change / _RANGE_STEP
    n_signs = sum(sign * step >= 1 for step in steps.values())
    return CheckOutcome(
        passed=n_signs >= MIN_LIVELIER_SIGNS,
        measured=f"{', '.join(steps)}: {n_signs} signs of {word}, {MIN_LIVELIER_SIGNS} asked",
    )


def _semitones(now_hz: float, before_hz: float) -> float:
    """Interval from one pitch to another.

    >>> round(_semitones(440.0, 220.0), 6)
    12.0
    """
    from math import log2

    return 12.0 * log2(now_hz / before_hz)
