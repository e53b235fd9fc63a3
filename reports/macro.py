"""The mean over suites, each counting the same, with a bootstrap stratified by suite and clustered by conversation.

The percentiles are expanded as in `metrics.uncertainty` (Hesterberg 2015), for here too a suite holds a handful of
conversations: the resamples' spread is made unbiased per suite, and the normal becomes Student's t with the degrees of
freedom of all suites together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.student import student_quantile
from aqaa_eval.metrics.uncertainty import (
    CONFIDENCE,
    N_RESAMPLES,
    cluster_sums,
    draw_counts,
    ratio_estimate,
    resampled_sums,
)

Pairs = Mapping[str, Sequence[tuple[float, float]]]
"""(numerator, denominator) of every value, by conversation; a plain mean has denominators of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Scores without a value: no verdict possible, or lost by the system."""

    unscored: int = 0
    failed: int = 0


def macro_estimate(
    suites: Mapping[str, Pairs], counts: Counts | None = None, *, seed: int = 0, n_resamples: int = N_RESAMPLES
) -> Estimate:
    """Mean over suites of the ratio of sums within each.

    Args:
        suites: pairs by conversation, by suite; a suite without any does not count.
        counts: scores without a value, to be carried along.
        seed: of the resampling.
        n_resamples: how often the conversations of every suite are drawn again.

    Returns:
        The estimate; without an interval if any suite has a single conversation, since nothing can then be said of
        how much its conversations differ. Of one suite, the estimate of that suite.

    >>> e = macro_estimate({"a": {"a/1": [(1.0, 1.0)]}, "b": {"b/1": [(2.0, 1.0)], "b/2": [(4.0, 1.0)]}})
    >>> e.value, e.low, e.n, e.n_clusters  # (1 + 3) / 2, not (1 + 2 + 4) / 3
    (2.0, None, 3, 3)
    """
    counts = counts or Counts()
    present = [pairs for pairs in suites.values() if pairs]
    if len(present) <= 1:
        only = present[0] if present else {}
        return ratio_estimate(only, unscored=counts.unscored, failed=counts.failed, seed=seed, n_resamples=n_resamples)
    sums = [cluster_sums(pairs) for pairs in present]
    low, high = _interval(sums, seed=seed, n_resamples=n_resamples)
    return Estimate(
        value=float(np.mean([cluster[:, 0].sum() / cluster[:, 1].sum() for cluster in sums])),
        low=low,
        high=high,
        n=sum(len(values) for pairs in present for values in pairs.values()),
        n_clusters=sum(map(len, sums)),
        unscored=counts.unscored,
        failed=counts.failed,
    )


def _interval(sums: Sequence[NDArray[np.float64]], *, seed: int, n_resamples: int) -> tuple[float | None, float | None]:
    if min(map(len, sums)) < 2:
        return None, None
    drawn = draw_counts(tuple(map(len, sums)), seed=seed, n_resamples=n_resamples)
    resampled = [resampled_sums(counts, cluster) for counts, cluster in zip(drawn, sums, strict=True)]
    ratios = np.array([totals / weights for totals, weights in resampled])
    tail = _expanded_tail(ratios.var(axis=1), [len(cluster) for cluster in sums])
    low, high = np.quantile(ratios.mean(axis=0), (tail, 1 - tail))
    return float(low), float(high)


def _expanded_tail(variances: NDArray[np.float64], n_clusters: Sequence[int]) -> float:
    """Share of resamples to cut at each end, given each suite's variance of the resampled ratio."""
    n = np.asarray(n_clusters, np.float64)
    total = float(variances.sum())
    inflation = math.sqrt(float((variances * n / (n - 1)).sum()) / total) if total > 0 else 1.0
    t = student_quantile(float((n - 1).sum()), 0.5 + CONFIDENCE / 2)
    return NormalDist().cdf(-t * inflation)
