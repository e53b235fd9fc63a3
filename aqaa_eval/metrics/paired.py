"""Two runs on the same conversations: the difference, how sure it is, and how many more conversations would settle it.

The unit is the conversation, as in `uncertainty`: repeats of one are averaged before the difference is taken. P-values
come from the same bootstrap as the intervals, with Hesterberg's correction for few conversations turned round, so a
p-value below 0.025 and a two-sided 95 % interval that excludes the bound are the same statement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.uncertainty import expanded_tail

N_RESAMPLES = 10_000
"""More than for an interval: with Holm over nine suites a p-value of 0.05 / 9 has to be told from one above it."""
_BLOCK = 1 << 20

Values = Mapping[str, Sequence[float]]
"""Scores by conversation, one per repeat."""


def paired_differences(candidate: Values, baseline: Values) -> dict[str, float]:
    """Mean of the candidate minus mean of the baseline, for each conversation that both have, in order of keys.

    >>> paired_differences({"a": [3.0, 4.0], "c": [1.0]}, {"a": [3.0], "b": [5.0]})
    {'a': 0.5}
    """
    shared = sorted(key for key in candidate if candidate[key] and baseline.get(key))
    return {
        key: math.fsum(candidate[key]) / len(candidate[key]) - math.fsum(baseline[key]) / len(baseline[key])
        for key in shared
    }


class PairedBootstrap:
    """The mean difference, resampled once by conversation and then asked as often as one likes.

    >>> bootstrap = PairedBootstrap({str(i): 0.1 * (i % 3) for i in range(30)})
    >>> bootstrap.p_below(-0.2) < 0.001, bootstrap.p_above(0.2) < 0.001, bootstrap.p_below(0.1) > 0.3
    (True, True, True)
    """

    def __init__(self, differences: Mapping[str, float], *, seed: int = 0) -> None:
        """Draw the resamples.

        Args:
            differences: by conversation.
            seed: of the resampling; the order of the conversations does not matter.
        """
        self._values = np.array([differences[key] for key in sorted(differences)], np.float64)
        self._means = _resampled_means(self._values, seed) if len(self._values) > 1 else self._values

    @property
    def n(self) -> int:
        """Conversations."""
        return len(self._values)

    @property
    def estimate(self) -> Estimate:
        """Mean difference with its 95 % interval; no interval below two conversations."""
        value = float(self._values.mean()) if self.n else None
        low = high = None
        if self.n > 1:
            tail = expanded_tail(self.n)
            low, high = (float(bound) for bound in np.quantile(self._means, [tail, 1 - tail]))
        return Estimate(value=value, low=low, high=high, n=self.n, n_clusters=self.n, unscored=0, failed=0)

    def p_below(self, bound: float) -> float:
        """One-sided p-value of "the mean difference is `bound` or less", against that it is greater.

        In (0, 1]; never below 2^-n, which is all that n conversations that agree can show; 1 below two conversations.
        """
        # Half of a tie on either side, so that the two one-sided p-values of one bound add up to one.
        return self._p(float(np.mean(self._means < bound) + 0.5 * np.mean(self._means == bound)))

    def p_above(self, bound: float) -> float:
        """One-sided p-value of "the mean difference is `bound` or more", against that it is less."""
        return self._p(float(np.mean(self._means > bound) + 0.5 * np.mean(self._means == bound)))

    def p_differs(self) -> float:
        """Two-sided p-value of "there is no mean difference"; 1 without a conversation."""
        return 1.0 if not self.n else min(1.0, 2 * min(self.p_below(0.0), self.p_above(0.0)))

    def _p(self, share: float) -> float:
        return max(_corrected(share, self.n), 2.0**-self.n) if self.n > 1 else 1.0


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for several tests at once (Holm, Scandinavian Journal of Statistics 6, 1979).

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    adjusted, running = {}, 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, (len(p_values) - place) * p))
        adjusted[name] = running
    return {name: adjusted[name] for name in p_values}


def n_to_tell(sd: float, distance: float, *, alpha: float, power: float) -> int:
    """Conversations needed to tell a mean from a bound that lies `distance` away, one-sided.

    Args:
        sd: standard deviation of the differences between conversations.
        distance: from the true mean to the bound; above 0.
        alpha: of the test.
        power: chance that the test sees it.

    >>> n_to_tell(1.0, 0.5, alpha=0.05, power=0.8)
    25
    """
    if distance <= 0:
        raise ValueError(f"distance ({distance}) must be above 0: a mean that lies on the bound is never told from it")
    z = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(power)
    return math.ceil((z * sd / distance) ** 2)


def _resampled_means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    n_rows = max(1, _BLOCK // len(values))
    means = []
    for start in range(0, N_RESAMPLES, n_rows):
        size = (min(n_rows, N_RESAMPLES - start), len(values))
        means.append(values[generator.integers(len(values), size=size)].mean(axis=1))
    return np.concatenate(means)


def _corrected(share: float, n: int) -> float:
    """The bootstrap's tail share as a p-value for n conversations: the expanded percentile turned round."""
    from scipy.special import stdtr

    if share <= 0.0:
        share = 0.5 / N_RESAMPLES
    if share >= 1.0:
        return 1.0
    return float(stdtr(n - 1, NormalDist().inv_cdf(share) * math.sqrt((n - 1) / n)))
