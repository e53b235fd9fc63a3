"""Means and ratios with 95 % intervals; the conversation is the unit, because its turns are not independent.

The intervals are bootstrap percentiles over whole conversations, with Hesterberg's expanded percentiles (The American
Statistician 69(4), 2015): plain percentiles are too narrow for the handful of conversations that a suite holds, by a
factor of sqrt((n-1)/n) and by using the normal for Student's t. The bounds stay inside what a mean can be.

Limits: scores that are all equal give an interval of no width (nothing in the data says how they would vary), and
shares near 0 or 1 are better served by `wilson_estimate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.student import student_quantile

CONFIDENCE = 0.95
N_RESAMPLES = 2000
_BLOCK_DRAWS = 1 << 15  # draws at once: a block that fits the cache is fastest
_N_MANY = 5_000  # conversations beyond which shared draws would take more memory than the run itself
_N_DISTINCT = 200
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def mean_estimate(
    values: Mapping[str, Sequence[float]],
    *,
    unscored: int = 0,
    failed: int = 0,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """Mean over all scores, with an interval that resamples conversations.

    Args:
        values: scores by conversation; conversations without a score may be there and count for nothing.
        unscored: scores without a possible verdict, passed on.
        failed: scores that the system lost, passed on.
        seed: of the resampling; equal seeds and scores give equal intervals, in whatever order the scores come.
        n_resamples: draws of the bootstrap.

    Raises:
        ValueError: a score is not finite.

    >>> mean_estimate({"a": [1.0, 2.0], "b": [6.0]}).value
    3.0
    """
    pairs = {key: [(value, 1.0) for value in scores] for key, scores in values.items()}
    return ratio_estimate(pairs, unscored=unscored, failed=failed, seed=seed, n_resamples=n_resamples)


def ratio_estimate(
    pairs: Mapping[str, Sequence[tuple[float, float]]],
    *,
    unscored: int = 0,
    failed: int = 0,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Estimate:
    """Sum of numerators over sum of denominators, such as word errors over reference words.

    Args:
        pairs: (numerator, denominator) by conversation; denominators are at least 0.
        unscored: scores without a possible verdict, passed on.
        failed: scores that the system lost, passed on.
        seed: of the resampling.
        n_resamples: draws of the bootstrap.

    Raises:
        ValueError: a number is not finite, or a denominator is negative.

    >>> ratio_estimate({"a": [(1.0, 10.0)], "b": [(2.0, 20.0), (3.0, 30.0)]}).value
    0.1
    """
    n = sum(len(items) for items in pairs.values())
    sums = cluster_sums(pairs)
    total, weight = sums.sum(axis=0) if len(sums) else (0.0, 0.0)
    value = float(total / weight) if weight > 0 else None
    low, high = _bootstrap_interval(sums, seed=seed, n_resamples=n_resamples) if value is not None else (None, None)
    return Estimate(value=value, low=low, high=high, n=n, n_clusters=len(sums), unscored=unscored, failed=failed)


def wilson_estimate(n_true: int, n: int, *, unscored: int = 0, failed: int = 0) -> Estimate:
    """Share of yes among independent yes/no verdicts, with Wilson's interval (JASA 22, 1927).

    Args:
        n_true: verdicts that are yes.
        n: all verdicts, one per conversation.
        unscored: scores without a possible verdict, passed on.
        failed: scores that the system lost, passed on.

    Raises:
        ValueError: n_true is not within 0 and n.

    >>> estimate = wilson_estimate(91, 137)
    >>> f"{estimate.value:.3f} {estimate.low:.3f} {estimate.high:.3f}"
    '0.664 0.582 0.738'
    """
    if not 0 <= n_true <= n:
        raise ValueError(f"n_true ({n_true}) must lie between 0 and n ({n}): it counts some of the n verdicts")
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0, n_clusters=0, unscored=unscored, failed=failed)
    share = n_true / n
    denominator = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / denominator
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / denominator
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(value=share, low=low, high=high, n=n, n_clusters=n, unscored=unscored, failed=failed)


def cluster_sums(pairs: Mapping[str, Sequence[tuple[float, float]]]) -> NDArray[np.float64]:
    """Sums of numerators and denominators per conversation that has any, shape (n_clusters, 2), in order of keys.

    Raises:
        ValueError: a number is not finite, or a denominator is negative.
    """
    keys = [key for key in sorted(pairs) if pairs[key]]
    every = np.array([pair for key in keys for pair in pairs[key]], np.float64).reshape(-1, 2)
    if not (np.isfinite(every).all() and (every[:, 1] >= 0).all()):
        bad = next(key for key in keys if not all(_is_usable(pair) for pair in pairs[key]))
        raise ValueError(f"{bad}: scores must be finite and weights at least 0, got {list(pairs[bad])}")
    rows = [_sum(pairs[key]) for key in keys]
    return np.array(rows, np.float64).reshape(-1, 2)


def _is_usable(pair: tuple[float, float]) -> bool:
    return math.isfinite(pair[0]) and 0 <= pair[1] < math.inf


def _sum(items: Sequence[tuple[float, float]]) -> Sequence[float]:
    """Exact, so that the order of the items does not matter."""
    return items[0] if len(items) == 1 else [math.fsum(column) for column in zip(*items, strict=True)]


def _bootstrap_interval(sums: NDArray[np.float64], *, seed: int, n_resamples: int) -> tuple[float | None, float | None]:
    n_clusters = len(sums)
    if n_clusters < 2:
        return None, None
    if n_clusters > _N_MANY:
        totals, weights = _resampled_sums_of_many(sums, seed=seed, n_resamples=n_resamples)
    else:
        [counts] = draw_counts((n_clusters,), seed=seed, n_resamples=n_resamples)
        totals, weights = resampled_sums(counts, sums)
    tail = expanded_tail(n_clusters)
    low, high = np.quantile(totals[weights > 0] / weights[weights > 0], [tail, 1 - tail])
    return float(low), float(high)


def _resampled_sums_of_many(
    sums: NDArray[np.float64], *, seed: int, n_resamples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `resampled_sums`, in a memory that does not grow with the number of conversations.

    Where few values differ, such as passed and failed, drawing how often each value comes is the same as drawing
    conversations, and costs nothing.
    """
    rng, n_clusters = np.random.default_rng(seed), len(sums)
    distinct, n_of_each = np.unique(sums, axis=0, return_counts=True)
    if len(distinct) <= _N_DISTINCT:
        counts = rng.multinomial(n_clusters, n_of_each / n_clusters, size=n_resamples)
        return np.einsum("rc,c->r", counts, distinct[:, 0]), np.einsum("rc,c->r", counts, distinct[:, 1])
    numerators, denominators = np.ascontiguousarray(sums.T)
    totals, weights = np.empty(n_resamples), np.empty(n_resamples)
    for row in range(n_resamples):
        drawn = rng.integers(0, n_clusters, n_clusters, dtype=np.intp)
        totals[row], weights[row] = numerators.take(drawn).sum(), denominators.take(drawn).sum()
    return totals, weights


@lru_cache(maxsize=4)
def draw_counts(sizes: tuple[int, ...], *, seed: int, n_resamples: int) -> tuple[NDArray[np.uint16], ...]:
    """How often each resample draws each conversation: per group an array of shape (n_resamples, size).

    The draws depend on nothing else, so all metrics of a suite share them, and keeping the last few of them saves most
    of the time that intervals take. Of ten thousand conversations they are 40 MB.

    Args:
        sizes: conversations per group (suite); each group is drawn from by itself.
        seed: of the draws.
        n_resamples: draws of each group.

    >>> [counts] = draw_counts((3,), seed=0, n_resamples=4)
    >>> counts.sum(axis=1).tolist()
    [3, 3, 3, 3]
    """
    rng = np.random.default_rng(seed)
    return tuple(_counts_of(rng, size, n_resamples) for size in sizes)


def _counts_of(rng: np.random.Generator, size: int, n_resamples: int) -> NDArray[np.uint16]:
    counts = np.empty((n_resamples, size), np.uint16)
    n_rows = max(1, _BLOCK_DRAWS // size)
    for start in range(0, n_resamples, n_rows):
        block = counts[start : start + n_rows]
        drawn = rng.integers(0, size, block.shape, dtype=np.intp)
        drawn += (np.arange(len(block)) * size)[:, None]
        block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)
    return counts


def resampled_sums(
    counts: NDArray[np.uint16], sums: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numerators and denominators of each resample, shape (n_resamples,) each."""
    numerators, denominators = np.ascontiguousarray(sums.T)
    return _drawn_sums(counts, numerators), _drawn_sums(counts, denominators)


def _drawn_sums(counts: NDArray[np.uint16], values: NDArray[np.float64]) -> NDArray[np.float64]:
    # Equal values add up to the same in every resample; rounding must not make that a spread.
    if (values == values[0]).all():
        return np.full(len(counts), float(values[0]) * len(values))
    # einsum and not a matrix product: that one adds in an order that depends on the number of threads.
    drawn: NDArray[np.float64] = np.einsum("rc,c->r", counts, values)
    return drawn


def expanded_tail(n_clusters: int) -> float:
    """Share of resamples to cut at each end: 0.025 for many conversations, less for few."""
    t = student_quantile(n_clusters - 1, 0.5 + CONFIDENCE / 2)
    return NormalDist().cdf(-t * math.sqrt(n_clusters / (n_clusters - 1)))
