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
}
_METRIC_NOTES = {
    "mos": "fused score 1 to 5, by the weights of the suite's card",
    "content": "what was said, 1 to 5",
    "delivery": "how it was said, as measured, 1 to 5",
    "speech": "predicted naturalness of the sound, 1 to 5",
    "noise": "predicted overall quality with respect to noise (DNSMOS OVRL), 1 to 5",
    "fidelity": "word error rate of the transcript against the model's own text; lower is better",
}
_PERCENT_METRICS = frozenset({"fidelity"})


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
