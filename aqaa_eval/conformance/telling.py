"""Rules on what a model tells: its sound, its times, its name."""

from __future__ import annotations

from collections.abc import Iterator

from aqaa_eval.conformance.exam import Exam
from aqaa_eval.conformance.findings import Finding, Verdict
from aqaa_eval.conformance.talking import is_audible

_CLOCK_S = 0.25
"""By how much a told time may exceed ours before it is worth a note."""


def sound(exam: Exam) -> Iterator[Finding]:
    """All answers are of one sample rate and finite; each was checked as in a run when it came."""
    rule = "sound of the answers"
    sounds = [reply.value.audio for _, reply in exam.replies if reply.value is not None and reply.value.audio]
    if not sounds:
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason="no answer had sound")
        return
    n_silent = sum(not is_audible(audio) for audio in sounds)
    rates = sorted({audio.sample_rate_hz for audio in sounds})
    told = f"{len(sounds)} of {len(exam.replies)} answers have sound, {', '.join(map(str, rates))} Hz, all finite"
    if len(rates) > 1:
        reason = f"{told}; a model has one sample rate, unless it says its question back"
        yield Finding(rule=rule, verdict=Verdict.NOTED, reason=reason)
        return
    yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=told + (f"; {n_silent} silent" if n_silent else ""))


def times(exam: Exam) -> Iterator[Finding]:
    """The first sound comes before the last, and no later than our clock says."""
    rule = "times"
    timings = [(reply.value.timing, reply.wall_s) for _, reply in exam.replies if reply.value is not None]
    if not timings:
        yield Finding(rule=rule, verdict=Verdict.NOT_TRIED, reason="nothing was answered")
        return
    for timing, _ in timings:
        if timing.first_audio_s is not None and timing.first_audio_s > timing.total_s:
            yield exam.failed(rule, f"first_audio_s {timing.first_audio_s:.3f} is after total_s {timing.total_s:.3f}")
            return
    beyond = max(timing.total_s - wall_s for timing, wall_s in timings)
    n_first = sum(timing.first_audio_s is not None for timing, _ in timings)
    told = f"first_audio_s in {n_first} of {len(timings)} answers"
    if beyond > _CLOCK_S:
        reason = f"{told}; total_s is up to {beyond:.2f} s more than the clock shows: times of its own making"
        yield Finding(rule=rule, verdict=Verdict.NOTED, reason=reason)
        return
    yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"{told}, total_s within what the clock shows")


def identity(exam: Exam) -> Iterator[Finding]:
    """One name from first to last, which holds no key: answers are stored under it."""
    rule = "identity"
    exam.identities.append(exam.model.identity)
    names = exam.identities
    wrong = next((name for name in names if not isinstance(name, str) or not name.strip()), None)
    if wrong is not None:
        yield exam.failed(rule, f"it is {wrong!r}; it must be a str with something in it")
    elif len(set(names)) > 1:
        first, other = list(dict.fromkeys(names))[:2]
        yield exam.failed(rule, f"it changes, so that stored answers are lost: {first!r}, then {other!r}")
    elif any(secret in str(names[0]) for secret in exam.settings.secrets):
        yield exam.failed(rule, "it holds the value of a key or token of the environment; it is written into reports")
    else:
        yield Finding(rule=rule, verdict=Verdict.HOLDS, reason=f"{names[0]}, looked at {len(names)} times")
