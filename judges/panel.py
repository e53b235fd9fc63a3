"""From several verdicts to one score: mean, median or vote, with a quorum, and how far the judges are apart.

>>> combine([4.0, 4.0, 1.0], Rule.MEAN), combine([4.0, 4.0, 1.0], Rule.MEDIAN), combine([4.0, 4.0, 1.0], Rule.VOTE)
(3.0, 4.0, 4.0)
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations


class Rule(StrEnum):
    """How the values of several judges become one."""

    MEAN = "mean"
    MEDIAN = "median"
    VOTE = "vote"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelRule:
    """How a panel decides.

    Attributes:
        rule: for levels; a yes or no is always put to the vote.
        quorum: judges that must give a verdict; None for more than half.
    """

    rule: Rule = Rule.MEAN
    quorum: int | None = None

    def needed(self, n_judges: int) -> int:
        """Verdicts that a panel of that size needs.

        >>> PanelRule().needed(1), PanelRule().needed(3), PanelRule(quorum=3).needed(3)
        (1, 2, 3)
        """
        return self.quorum if self.quorum is not None else n_judges // 2 + 1


def combine(values: Sequence[float], rule: Rule) -> float:
    """One value of several, at least one.

    The vote goes to the level that most name (rounded, where a judge stands between two), and of equals to the lowest:
    doubt is not rewarded.

    >>> combine([1.0, 0.0], Rule.VOTE), combine([2.4, 2.2, 5.0], Rule.VOTE)
    (0.0, 2.0)
    """
    if rule is Rule.MEAN:
        return statistics.fmean(values)
    if rule is Rule.MEDIAN:
        return statistics.median(values)
    counts = Counter(float(int(value + 0.5)) for value in values)
    return min(counts, key=lambda level: (-counts[level], level))


def disagreement(values: Sequence[float]) -> float | None:
    """Mean distance between two judges of the panel, in levels; None for fewer than two.

    >>> disagreement([4.0, 4.0, 1.0]), disagreement([3.0])
    (2.0, None)
    """
    distances = [abs(left - right) for left, right in combinations(values, 2)]
    return statistics.fmean(distances) if distances else None
