"""Quantiles of Student's t: what an interval of few conversations needs, without the fifth of a second of SciPy.

The share below t is one minus half of the regularised incomplete beta function I_x(df/2, 1/2) at x = df / (df + t^2).
Its continued fraction is summed by Lentz's method (Abramowitz and Stegun 26.5.8); t is then found by halving.
"""

from __future__ import annotations

import math
from functools import lru_cache

_MAX_TERMS = 10_000
_TINY = 1e-300
_ENOUGH = 1e-15


@lru_cache(maxsize=1024)
def student_quantile(df: float, share: float) -> float:
    """The t below which that share lies.

    Args:
        df: degrees of freedom, above 0.
        share: above a half, below 1.

    Raises:
        ValueError: another share, or no degrees of freedom.

    >>> f"{student_quantile(4, 0.975):.6f} {student_quantile(1e6, 0.975):.6f}"
    '2.776445 1.959966'
    """
    if not (df > 0 and 0.5 < share < 1):
        raise ValueError(f"df ({df}) must be above 0, and share ({share}) above 0.5 and below 1")
    low, high = 0.0, 1.0
    while student_share(df, high) < share:
        low, high = high, 2 * high
    while high - low > _ENOUGH * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if student_share(df, middle) < share else (low, middle)
    return high


def student_share(df: float, t: float) -> float:
    """The share of a Student's t distribution below t, for t of at least 0.

    >>> student_share(1, 1.0), student_share(7, 0.0)
    (0.75, 0.5)
    """
    return 1.0 - _incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the other end's fraction closes faster
        return 1.0 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """1 / (1 + d1 / (1 + d2 / (1 + ...)))."""
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, _MAX_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + d * lower or _TINY)
        upper = 1 + d / upper or _TINY
        value *= upper * lower
        if abs(upper * lower - 1) < _ENOUGH:
            break
    return 1 / value
