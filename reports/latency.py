"""How fast the answers came, as percentiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aqaa_eval.core.runlog import AttemptLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Median, 90th and 99th percentile of n measurements."""

    n: int
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latency of the answers; None where nothing was measured.

    Attributes:
        first_audio_s: from the end of the question to the first audible sample (models that stream).
        total_s: to the last one.
        real_time_factor: `total_s` over the seconds of sound in the answer.
    """

    first_audio_s: Percentiles | None
    total_s: Percentiles | None
    real_time_factor: Percentiles | None


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """Percentiles with linear interpolation; None of nothing.

    >>> percentiles([1.0, 2.0, 3.0])
    Percentiles(n=3, p50=2.0, p90=2.8, p99=2.98)
    """
    if not values:
        return None
    p50, p90, p99 = (float(value) for value in np.percentile(np.asarray(values, np.float64), (50, 90, 99)))
    return Percentiles(n=len(values), p50=p50, p90=p90, p99=p99)


def latency_of(attempts: Iterable[AttemptLog]) -> Latency:
    """Latency over all turns that were timed."""
    first_audio_s, total_s, factors = [], [], []
    for turn in (turn for attempt in attempts for turn in attempt.turns):
        if turn.timing is None:
            continue
        total_s.append(turn.timing.total_s)
        if turn.timing.first_audio_s is not None:
            first_audio_s.append(turn.timing.first_audio_s)
        if turn.duration_s:
            factors.append(turn.timing.total_s / turn.duration_s)
    return Latency(
        first_audio_s=percentiles(first_audio_s),
        total_s=percentiles(total_s),
        real_time_factor=percentiles(factors),
    )
