"""A judge's scale laid onto people's by a curve that never falls, checked on conversations that it has not seen.

The curve keeps the order of the judge's values, so rank correlations stay almost as they are; what it mends is bias and
a scale that is used too narrowly. Fitted and measured on the same ratings it always looks good, so what is reported
comes from conversations that the curve was not fitted on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from aqaa_eval.metrics.agreement import Rated

N_FOLDS = 5
MIN_CLUSTERS = 10
"""Below it a fold holds one conversation or none, and a curve says more of these than of the judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonotoneCurve:
    """Straight lines between points, level before the first and after the last.

    Attributes:
        judge: values of the judge, rising.
        people: what they mean on people's scale, never falling.
    """

    judge: tuple[float, ...]
    people: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.judge or len(self.judge) != len(self.people):
            raise ValueError(
                f"a curve needs as many values on both sides, got {len(self.judge)} and {len(self.people)}"
            )
        if any(b <= a for a, b in pairwise(self.judge)):
            raise ValueError(f"the judge's values must rise: {self.judge}")
        if any(b < a for a, b in pairwise(self.people)):
            raise ValueError(f"people's values must not fall: {self.people}")

    def __call__(self, value: float) -> float:
        """People's value for one of the judge.

        >>> MonotoneCurve(judge=(1.0, 5.0), people=(1.0, 3.0))(4.0)
        2.5
        """
        return float(np.interp(value, self.judge, self.people))


def fit_curve(items: Sequence[Rated]) -> MonotoneCurve:
    """The curve that is nearest to people's ratings (least squares) among those that never fall.

    Raises:
        ValueError: no items.

    >>> fit_curve([Rated(cluster="a", judge=1, people=2), Rated(cluster="b", judge=2, people=1)]).people
    (1.5, 1.5)
    """
    from scipy.optimize import isotonic_regression

    if not items:
        raise ValueError("a curve needs ratings to be fitted on")
    values, places = np.unique([item.judge for item in items], return_inverse=True)
    people = np.array([item.people for item in items], np.float64)
    weights = np.bincount(places).astype(float)
    means = np.bincount(places, weights=people) / weights
    fitted = isotonic_regression(means, weights=weights).x
    # Equal neighbours on a level stretch add nothing; both ends of it are kept.
    last = len(values) - 1
    kept = [n for n in range(last + 1) if n in (0, last) or not fitted[n - 1] == fitted[n] == fitted[n + 1]]
    return MonotoneCurve(judge=tuple(float(values[n]) for n in kept), people=tuple(float(fitted[n]) for n in kept))


def cross_validated(items: Sequence[Rated], *, n_folds: int = N_FOLDS, seed: int = 0) -> list[Rated]:
    """The items with the judge's value mapped by a curve that has not seen their conversation.

    Args:
        items: what both sides rated.
        n_folds: parts that are left out in turn; a conversation is never split.
        seed: of the parts.

    Raises:
        ValueError: fewer conversations than `MIN_CLUSTERS`.
    """
    clusters = sorted({item.cluster for item in items}, key=lambda name: _draw(name, seed))
    if len(clusters) < MIN_CLUSTERS:
        raise ValueError(f"{len(clusters)} conversations are too few to check a curve on; it takes {MIN_CLUSTERS}")
    fold_of = {name: place % n_folds for place, name in enumerate(clusters)}
    curves = [fit_curve([item for item in items if fold_of[item.cluster] != fold]) for fold in range(n_folds)]
    return [replace(item, judge=curves[fold_of[item.cluster]](item.judge)) for item in items]


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
