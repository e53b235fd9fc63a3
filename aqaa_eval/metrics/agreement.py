"""How well one rater's values agree with another's: rank correlations, kappa, alpha, bias, pairs; with intervals.

No single number says it. A judge may order answers as people do and still be a level too kind (Spearman near 1, bias
of 1), or be right on average and useless for any one answer. So several are reported side by side, each with a
bootstrap interval whose unit is the conversation, since ratings within one resemble each other.

A measure that the data do not define (one value only, no pairs to order) is None, never 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.uncertainty import N_RESAMPLES, expanded_tail

Floats = NDArray[np.float64]
Measure = Callable[[Floats, Floats], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """One thing with the values that two sides gave it.

    Attributes:
        cluster: what it is resampled with, such as its conversation.
        judge: value of the side that is examined.
        people: value of the side that counts as right.
    """

    cluster: str
    judge: float
    people: float


def spearman(judge: Floats, people: Floats) -> float | None:
    """Rank correlation, ties with their mean rank.

    >>> spearman(np.array([1.0, 2.0, 3.0, 5.0]), np.array([1.0, 2.0, 4.0, 4.5]))
    1.0
    """
    if len(judge) < 2:
        return None
    return _pearson(_ranks(judge), _ranks(people))


def kendall(judge: Floats, people: Floats) -> float | None:
    """Kendall's tau-b, which takes ties out of what can be agreed upon.

    >>> round(kendall(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])), 3)
    0.667
    """
    from scipy.stats import kendalltau

    if _is_constant(judge) or _is_constant(people):
        return None
    return float(kendalltau(judge, people).statistic)


def quadratic_kappa(judge: Floats, people: Floats, *, low: float = 1.0, high: float = 5.0) -> float | None:
    """Cohen's kappa with squared distances as weights: 1 for equal values, 0 for chance with the same distributions.

    Written with means and variances it also takes values between the levels, and no rounding is needed.

    Args:
        judge: values of one side.
        people: of the other.
        low: lowest level; values outside the scale are an error of the caller.
        high: highest level.

    Raises:
        ValueError: a value lies outside the scale.

    >>> round(quadratic_kappa(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])), 3)
    0.667
    """
    for values in (judge, people):
        if len(values) and not (low <= values.min() and values.max() <= high):
            raise ValueError(
                f"values from {values.min():g} to {values.max():g} do not fit the scale {low:g} to {high:g}"
            )
    if not len(judge):
        return None
    observed = float(np.mean((judge - people) ** 2))
    by_chance = float(judge.var() + people.var() + (judge.mean() - people.mean()) ** 2)
    return 1.0 - observed / by_chance if by_chance > 0 else None


def mean_bias(judge: Floats, people: Floats) -> float | None:
    """Mean of the judge's value minus people's: above 0 for a judge that is too kind."""
    return float((judge - people).mean()) if len(judge) else None


def pairwise_accuracy(judge: Floats, people: Floats) -> float | None:
    """Share of pairs, told apart by people, that the judge orders likewise; a tie of the judge counts half.

    >>> pairwise_accuracy(np.array([1.0, 3.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    0.8333333333333334
    """
    first, second = np.triu_indices(len(judge), k=1)
    wanted = np.sign(people[first] - people[second])
    told = np.sign(judge[first] - judge[second])
    differs = wanted != 0
    if not differs.any():
        return None
    return float((0.5 * (1.0 + wanted[differs] * told[differs])).mean())


def alpha_ordinal(ratings: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for ordinal values, any number of raters, values missing where they may.

    The distance between two levels is the squared number of ratings between them, half of both ends' counted
    (Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011). Works on counts, so its cost does not grow with
    the raters.

    Args:
        ratings: per unit the values that it was given; units with fewer than two say nothing.

    >>> alpha_ordinal([[1, 1], [2, 2], [5, 5]])
    1.0
    """
    units = [list(unit) for unit in ratings if len(unit) > 1]
    levels = sorted({value for unit in units for value in unit})
    if len(levels) < 2:
        return None
    place = {level: index for index, level in enumerate(levels)}
    coincidences = np.zeros((len(levels), len(levels)))
    for unit in units:
        counts = np.bincount([place[value] for value in unit], minlength=len(levels)).astype(float)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = coincidences.sum(axis=1)
    n = float(totals.sum())
    distances = _ordinal_distances(totals)
    expected = float((np.outer(totals, totals) * distances).sum() / (n - 1))
    return 1.0 - float((coincidences * distances).sum()) / expected if expected > 0 else None


def _ordinal_distances(totals: Floats) -> Floats:
    """Squared, between every two levels; shape (n_levels, n_levels)."""
    # Half of a level's own ratings lie before its middle.
    middles = np.cumsum(totals) - totals / 2
    distances: Floats = (middles[:, None] - middles[None, :]) ** 2
    return distances


MEASURES: dict[str, Measure] = {
    "spearman": spearman,
    "kendall": kendall,
    "kappa": quadratic_kappa,
    "bias": mean_bias,
    "pairwise": pairwise_accuracy,
}
"""Of two sides on the scale 1 to 5, by name."""


def alpha_of_two(judge: Floats, people: Floats) -> float | None:
    """`alpha_ordinal` for two sides that rated everything; levels are rounded, as ratings are."""
    pairs = zip(np.floor(judge + 0.5).tolist(), np.floor(people + 0.5).tolist(), strict=True)
    return alpha_ordinal([list(pair) for pair in pairs])


def estimate(items: Sequence[Rated], measure: Measure, *, seed: int = 0, n_resamples: int = N_RESAMPLES) -> Estimate:
    """A measure of agreement with its 95 % interval; whole clusters are resampled.

    Resamples in which the measure is not defined are left out; if they are more than half, there is no interval.

    Args:
        items: what both sides rated.
        measure: of the judge's values and people's.
        seed: of the resampling; the order of the items does not matter.
        n_resamples: draws.

    >>> rated = [Rated(cluster=str(n), judge=n % 5 + 1.0, people=n % 5 + 1.0) for n in range(20)]
    >>> estimate(rated, spearman).low
    1.0
    """
    ordered = sorted(items, key=lambda item: (item.cluster, item.judge, item.people))
    values = np.array([(item.judge, item.people) for item in ordered], np.float64).reshape(-1, 2)
    groups = _groups([item.cluster for item in ordered])
    value = measure(values[:, 0], values[:, 1])
    found = []
    if value is not None and len(groups) > 1:
        rng = np.random.default_rng(seed)
        for _ in range(n_resamples):
            drawn = np.concatenate([groups[index] for index in rng.integers(0, len(groups), len(groups))])
            again = measure(values[drawn, 0], values[drawn, 1])
            if again is not None:
                found.append(again)
    low = high = None
    if 2 * len(found) > n_resamples:
        tail = expanded_tail(len(groups))
        low, high = (float(bound) for bound in np.quantile(found, [tail, 1 - tail]))
    return Estimate(value=value, low=low, high=high, n=len(items), n_clusters=len(groups), unscored=0, failed=0)


def difference(
    items: Sequence[Rated], others: Sequence[Rated], measure: Measure, *, seed: int = 0, n_resamples: int = N_RESAMPLES
) -> Estimate:
    """How much better one judge agrees than another on the same clusters; both are resampled together.

    Args:
        items: what the first judge said.
        others: what the second one said, on the same items.
        measure: of agreement.
        seed: of the resampling.
        n_resamples: draws.

    Raises:
        ValueError: the two do not hold the same clusters.
    """
    names = sorted({item.cluster for item in items})
    if names != sorted({item.cluster for item in others}):
        raise ValueError("the two judges rated different conversations; compare them on those that both rated")
    sides = []
    for side in (items, others):
        by_cluster = {name: [(item.judge, item.people) for item in side if item.cluster == name] for name in names}
        sides.append([np.array(by_cluster[name], np.float64) for name in names])

    def at(chosen: Sequence[int]) -> float | None:
        both = [np.concatenate([side[index] for index in chosen]) for side in sides]
        first, second = (measure(values[:, 0], values[:, 1]) for values in both)
        return None if first is None or second is None else first - second

    value = at(range(len(names)))
    rng = np.random.default_rng(seed)
    drawn = (at(rng.integers(0, len(names), len(names)).tolist()) for _ in range(n_resamples))
    found = [again for again in drawn if again is not None] if len(names) > 1 and value is not None else []
    low = high = None
    if 2 * len(found) > n_resamples:
        tail = expanded_tail(len(names))
        low, high = (float(bound) for bound in np.quantile(found, [tail, 1 - tail]))
    return Estimate(value=value, low=low, high=high, n=len(items), n_clusters=len(names), unscored=0, failed=0)


def _groups(clusters: Sequence[str]) -> list[NDArray[np.intp]]:
    """Places of each cluster's items; the items are sorted by cluster."""
    names = np.array(clusters)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]) if len(names) else np.array([], int)
    return [np.asarray(part, np.intp) for part in np.split(np.arange(len(names)), starts[1:])] if len(names) else []


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    ranks: Floats = rankdata(values)
    return ranks


def _pearson(left: Floats, right: Floats) -> float | None:
    if _is_constant(left) or _is_constant(right):
        return None
    a, b = left - left.mean(), right - right.mean()
    # Rounding may carry a perfect correlation just beyond 1.
    return float(np.clip((a * b).sum() / math.sqrt(float((a * a).sum() * (b * b).sum())), -1.0, 1.0))


def _is_constant(values: Floats) -> bool:
    return len(values) < 2 or bool((values == values[0]).all())
