"""How figures and names are written for people, the same in the page and in the terminal."""

from __future__ import annotations

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.failure import Failure
from aqaa_eval.reports.latency import Percentiles

NOTHING = "–"
"""Where there is no value; the reader finds the reason beside it or in the title."""

_METRIC_TITLES = {
    "mos": "MOS",
    "content": "Content",
    "delivery": "Delivery",
    "speech": "Speech",
    "noise": "Noise",
    "fidelity": "Fidelity",
    "said_otherwise": "Said otherwise",
    "misheard": "Misheard",
    "continuity": "Continuity",
    "nisqa": "NISQA",
    "judge_speech": "Speech, by the judge",
    "judge_content": "Content, by the judge",
    "judge_delivery": "Delivery, by the judge",
    "checks_content": "Content, by checks",
    "checks_delivery": "Delivery, by checks",
    "disagreement": "Judges' disagreement",
    "rate_syllables_per_s": "Rate, syllables/s",
    "pitch_hz": "Pitch, Hz",
    "pitch_range_semitones": "Pitch range, semitones",
    "level_dbfs": "Level, dBFS",
    "longest_pause_s": "Longest pause, s",
    "steady_pitch_s": "Longest held note, s",
    "hnr_db": "Harmonics to noise, dB",
    "jitter_percent": "Jitter, %",
    "speaker_similarity": "Same voice",
}
_METRIC_NOTES = {
    "mos": "fused score 1 to 5, by the weights of the suite's card",
    "content": "what was said, 1 to 5",
    "delivery": "how it was said, as measured, 1 to 5",
    "speech": "predicted naturalness of the sound, 1 to 5",
    "noise": "predicted overall quality with respect to noise (DNSMOS OVRL), 1 to 5",
    "fidelity": "word error rate of the transcript against the model's own text; lower is better",
    "said_otherwise": "the part of the fidelity's errors that two recognisers hear alike: most probably said",
    "misheard": "the part of the fidelity's errors that only the first recogniser makes",
    "continuity": "predicted freedom from dropouts (PLCMOS), 1 to 5",
    "nisqa": "predicted quality as transmitted speech (NISQA), 1 to 5",
    "judge_speech": "what the recogniser's doubts say of the speech, by the language-model judge, 1 to 5",
    "judge_content": "what was said, by a language-model judge that is not fused, 1 to 5",
    "judge_delivery": "how it was said, by a language-model judge that is not fused, 1 to 5",
    "checks_content": "what was said, by verifiable checks that are not fused, 1 to 5",
    "checks_delivery": "how it was said, by verifiable checks that are not fused, 1 to 5",
    "factuality": "0 or 1, one verdict per conversation",
    "relevance": "0 or 1, one verdict per conversation",
    "chat": "by the language-model judge, 1 to 5",
    "disagreement": "mean distance between two judges of a panel, in levels",
    "rate_syllables_per_s": "measured: syllables of the transcript over the time from first to last speech",
    "pitch_hz": "measured: median pitch of the speech",
    "pitch_range_semitones": "measured: from the 10th to the 90th percentile of the pitch",
    "level_dbfs": "measured: level of the speech alone",
    "pause_share": "measured: share of the time from first to last speech that is pause",
    "longest_pause_s": "measured: longest gap between speech",
    "voiced_share": "measured: share of the speech that has a pitch; a whisper has next to none",
    "steady_pitch_s": "measured: longest stretch within half a semitone of one note",
    "hnr_db": "measured by Praat: harmonics-to-noise ratio of the voiced speech",
    "jitter_percent": "measured by Praat: irregularity of the voice's periods",
    "speaker_similarity": "measured: mean cosine of the voices of a conversation's answers; one voice has about 0.9, "
    "two about 0.5",
}
MEASUREMENTS = frozenset(
    {
        "rate_syllables_per_s",
        "pitch_hz",
        "pitch_range_semitones",
        "level_dbfs",
        "pause_share",
        "longest_pause_s",
        "voiced_share",
        "steady_pitch_s",
        "hnr_db",
        "jitter_percent",
        "speaker_similarity",
    }
)
"""Metrics that grade nothing: what was measured of the voice."""

_PERCENT_METRICS = frozenset({"fidelity", "said_otherwise", "misheard", "pause_share", "voiced_share"})


def metric_title(metric: str) -> str:
    """The metric as a column head.

    >>> metric_title("mos"), metric_title("self_reference")
    ('MOS', 'Self reference')
    """
    return _METRIC_TITLES.get(metric, metric.replace("_", " ").capitalize())


def metric_note(metric: str) -> str:
    """What the metric is, in half a sentence; "" for one that is not ours."""
    return _METRIC_NOTES.get(metric, "")


def number(metric: str, value: float | None) -> str:
    """A value in the metric's unit.

    >>> number("mos", 3.456), number("fidelity", 0.041), number("mos", None)
    ('3.46', '4.1 %', '–')
    """
    if value is None:
        return NOTHING
    return f"{100 * value:.1f} %" if metric in _PERCENT_METRICS else f"{value:.2f}"


def interval(metric: str, estimate: Estimate) -> str:
    """The 95 % interval; without any spread in the data there is none worth the name.

    >>> interval("mos", Estimate(value=3.0, low=2.5, high=3.5, n=9, n_clusters=3, unscored=0, failed=0))
    '2.50 to 3.50'
    """
    if estimate.low is None or estimate.high is None:
        return NOTHING
    if estimate.low == estimate.high:
        return "no spread"
    return f"{number(metric, estimate.low).removesuffix(' %')} to {number(metric, estimate.high)}"


def failure_title(failure: Failure) -> str:
    """The kind of failure in words.

    >>> failure_title(Failure.NO_AUDIO), failure_title(Failure.ASR_EMPTY)
    ('no audio', 'ASR empty')
    """
    return failure.value.replace("_", " ").replace("asr", "ASR")


def seconds(value: float | None) -> str:
    """Seconds with the digits that matter.

    >>> seconds(0.0123), seconds(1.5), seconds(75), seconds(None)
    ('12 ms', '1.50 s', '75.0 s', '–')
    """
    if value is None:
        return NOTHING
    if value < 0.1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def spread(percentiles: Percentiles | None, *, unit: str) -> tuple[str, str, str]:
    """Median, 90th and 99th percentile; unit is "s" or "x" (times real time)."""
    if percentiles is None:
        return NOTHING, NOTHING, NOTHING
    values = (percentiles.p50, percentiles.p90, percentiles.p99)
    p50, p90, p99 = (seconds(value) if unit == "s" else f"{value:.2f}" for value in values)
    return p50, p90, p99


def plural(n: int, noun: str) -> str:
    """The count with its noun.

    >>> plural(1, "turn"), plural(1200, "turn")
    ('1 turn', '1,200 turns')
    """
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
