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
from aqaa_eval.metrics.uncertainty import CONFIDENCE, N_RESAMPLES, ratio_estimate

Pairs = Mapping[str, Sequence[tuple[float, float]]]
"""(numerator, denominator) of every value, by conversation; a plain mean has denominators of 1."""

_BLOCK_DRAWS = 1 << 15  # draws at once: a block that fits the cache is fastest


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
    sums = [_cluster_sums(pairs) for pairs in present]
    low, high = _interval(sums, np.random.default_rng(seed), n_resamples)
    return Estimate(
        value=float(np.mean([cluster[:, 0].sum() / cluster[:, 1].sum() for cluster in sums])),
        low=low,
        high=high,
        n=sum(len(values) for pairs in present for values in pairs.values()),
        n_clusters=sum(map(len, sums)),
        unscored=counts.unscored,
        failed=counts.failed,
    )


def _cluster_sums(pairs: Pairs) -> NDArray[np.float64]:
    """Shape (n_conversations, 2): numerators and denominators added up, in the order of keys."""
    return np.array([np.sum(np.asarray(pairs[key], np.float64), axis=0) for key in sorted(pairs)])


def _interval(
    sums: Sequence[NDArray[np.float64]], generator: np.random.Generator, n_resamples: int
) -> tuple[float | None, float | None]:
    if min(map(len, sums)) < 2:
        return None, None
    ratios = np.array([_resample(cluster, generator, n_resamples) for cluster in sums])
    tail = _expanded_tail(ratios.var(axis=1), [len(cluster) for cluster in sums])
    low, high = np.quantile(ratios.mean(axis=0), (tail, 1 - tail))
    return float(low), float(high)


def _resample(cluster: NDArray[np.float64], generator: np.random.Generator, n_resamples: int) -> NDArray[np.float64]:
    """The ratio of one suite in each resample, shape (n_resamples,)."""
    n_conversations = len(cluster)
    ratios = np.empty(n_resamples)
    numerators, denominators = np.ascontiguousarray(cluster.T)
    # A plain mean of one value per conversation has the same denominator in every resample.
    constant = float(denominators[0]) if (denominators == denominators[0]).all() else None
    n_rows = max(1, _BLOCK_DRAWS // n_conversations)
    for start in range(0, n_resamples, n_rows):
        drawn = generator.integers(n_conversations, size=(min(n_rows, n_resamples - start), n_conversations))
        weights = denominators.take(drawn).sum(axis=1) if constant is None else constant * n_conversations
        ratios[start : start + len(drawn)] = numerators.take(drawn).sum(axis=1) / weights
    return ratios


def _expanded_tail(variances: NDArray[np.float64], n_clusters: Sequence[int]) -> float:
    """Share of resamples to cut at each end, given each suite's variance of the resampled ratio."""
    from scipy.special import stdtrit

    n = np.asarray(n_clusters, np.float64)
    total = float(variances.sum())
    inflation = math.sqrt(float((variances * n / (n - 1)).sum()) / total) if total > 0 else 1.0
    t = float(stdtrit(float((n - 1).sum()), 0.5 + CONFIDENCE / 2))
    return NormalDist().cdf(-t * inflation)
