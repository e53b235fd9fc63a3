"""Arms of one experiment on the same conversations: effects with intervals, tests over all arms, verdicts on claims.

The unit is the conversation. A difference is taken within each conversation that both arms have a value for, its
interval is the bootstrap of `paired`, and a yes/no value is tested by McNemar's exact test (Psychometrika 12, 1947).
P-values are adjusted by Holm over all comparisons of one measure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.paired import PairedBootstrap, holm, n_to_tell

ALPHA = 0.05
POWER = 0.8
"""Chance that as many conversations as are asked for decide a claim."""

Arms = Mapping[str, Mapping[str, float]]
"""One value per conversation, by arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two arms that are held against each other."""

    arm: str
    against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one arm does against another, on the conversations that both have.

    Attributes:
        arm: the arm in question.
        against: what it is held against.
        arm_mean: mean of the arm over the shared conversations; None if there are none.
        against_mean: mean of the other over these.
        difference: arm minus other, with its 95 % interval.
        sd: of the differences between conversations; None below two.
        p: two-sided, of this comparison alone.
        p_holm: adjusted over all comparisons of the measure.
        n_up: conversations in which the arm has the higher value.
        n_down: conversations in which it has the lower one.
        is_exact: whether `p` is McNemar's and not the bootstrap's.
    """

    arm: str
    against: str
    arm_mean: float | None
    against_mean: float | None
    difference: Estimate
    sd: float | None
    p: float
    p_holm: float
    n_up: int
    n_down: int
    is_exact: bool

    @property
    def size(self) -> float | None:
        """Mean difference in standard deviations of the differences; None without any spread."""
        return self.difference.value / self.sd if self.sd and self.difference.value is not None else None

    @property
    def is_clear(self) -> bool:
        """True if chance does not explain it, all comparisons of the measure considered."""
        return self.p_holm <= ALPHA


def effects_of(
    arms: Arms, comparisons: Sequence[Comparison], *, is_binary: bool = False, seed: int = 0
) -> tuple[Effect, ...]:
    """The effect of every comparison of one measure.

    Args:
        arms: values by arm and conversation; an arm that is not there has none.
        comparisons: which arms are held against which.
        is_binary: whether values are 0 or 1, so that McNemar's test holds.
        seed: of the resampling.

    >>> left = {str(i): 1.0 for i in range(8)}
    >>> right = {str(i): 0.0 for i in range(8)}
    >>> [effect] = effects_of({"a": left, "b": right}, [Comparison(arm="a", against="b")], is_binary=True)
    >>> effect.difference.value, effect.p_holm, effect.n_up
    (1.0, 0.0078125, 8)
    """
    shared = [_shared(arms, comparison) for comparison in comparisons]
    bootstraps = [
        PairedBootstrap({key: one - other for key, (one, other) in pairs.items()}, seed=seed) for pairs in shared
    ]
    p_values = [
        exact_mcnemar(*_up_and_down(pairs)) if is_binary else bootstrap.p_differs()
        for pairs, bootstrap in zip(shared, bootstraps, strict=True)
    ]
    # A comparison without a shared conversation tests nothing, so it must not make the others stricter.
    adjusted = holm({str(place): p for place, p in enumerate(p_values) if shared[place]})
    return tuple(
        _effect(
            comparison, pairs, bootstrap.estimate, _Test(p=p, p_holm=adjusted.get(str(place), 1.0), exact=is_binary)
        )
        for place, (comparison, pairs, bootstrap, p) in enumerate(
            zip(comparisons, shared, bootstraps, p_values, strict=True)
        )
    )


def exact_mcnemar(n_up: int, n_down: int) -> float:
    """Two-sided p-value of "a change is as likely up as down", from the conversations that changed.

    >>> exact_mcnemar(8, 0), exact_mcnemar(3, 3), exact_mcnemar(0, 0)
    (0.0078125, 1.0, 1.0)
    """
    n = n_up + n_down
    tail = sum(math.comb(n, k) for k in range(min(n_up, n_down) + 1))
    return min(1.0, float(2 * tail / 2**n))


Pairs = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    p: float
    p_holm: float
    exact: bool


def _shared(arms: Arms, comparison: Comparison) -> Pairs:
    one, other = arms.get(comparison.arm, {}), arms.get(comparison.against, {})
    return {key: (one[key], other[key]) for key in sorted(one.keys() & other.keys())}


def _up_and_down(pairs: Pairs) -> tuple[int, int]:
    return sum(one > other for one, other in pairs.values()), sum(one < other for one, other in pairs.values())


def _effect(comparison: Comparison, pairs: Pairs, difference: Estimate, test: _Test) -> Effect:
    n_up, n_down = _up_and_down(pairs)
    return Effect(
        arm=comparison.arm,
        against=comparison.against,
        arm_mean=statistics.fmean(one for one, _ in pairs.values()) if pairs else None,
        against_mean=statistics.fmean(other for _, other in pairs.values()) if pairs else None,
        difference=difference,
        sd=statistics.stdev(one - other for one, other in pairs.values()) if len(pairs) > 1 else None,
        p=test.p,
        p_holm=test.p_holm,
        n_up=n_up,
        n_down=n_down,
        is_exact=test.exact,
    )


class Verdict(StrEnum):
    """What the data say of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict with what it rests on.

    Attributes:
        verdict: of the claim.
        gain: how much better the arm that is claimed to be better is, in the claim's direction.
        n: conversations that both arms share.
        n_more: further conversations that would decide it, if the difference is what it seems; None where that cannot
            be said, or is not asked.
    """

    verdict: Verdict
    gain: Estimate
    n: int
    n_more: int | None


def decide(effect: Effect, *, smallest: float, higher_is_better: bool, n_comparisons: int) -> Decision:
    """Hold the claim "the arm of this effect is the better one" against the data.

    Reproduced: better beyond chance, all comparisons considered. Not reproduced: a gain of the smallest size that
    matters is ruled out. Else undecided.

    Args:
        effect: the arm that is claimed to be better, against the other.
        smallest: difference that matters.
        higher_is_better: of the measure.
        n_comparisons: of the measure, for how many more conversations Holm asks for.
    """
    gain = effect.difference if higher_is_better else turned(effect.difference)
    n_more = None
    if gain.value is None:
        verdict = Verdict.NOT_MEASURED
    elif effect.is_clear and gain.value > 0:
        verdict = Verdict.REPRODUCED
    elif effect.sd and gain.high is not None and gain.high < smallest:
        verdict = Verdict.NOT_REPRODUCED
    else:
        verdict, n_more = Verdict.UNDECIDED, _n_more(effect, gain.value, smallest, n_comparisons)
    return Decision(verdict=verdict, gain=gain, n=gain.n_clusters, n_more=n_more)


def turned(estimate: Estimate) -> Estimate:
    """The same difference, held the other way round."""
    value, low, high = (
        None if bound is None else 0.0 - bound for bound in (estimate.value, estimate.high, estimate.low)
    )
    return replace(estimate, value=value, low=low, high=high)


def _n_more(effect: Effect, gain: float, smallest: float, n_comparisons: int) -> int | None:
    """Whichever comes sooner: the gain told from nothing, or from the smallest that matters."""
    n = effect.difference.n_clusters
    if n < 3 or not effect.sd:
        return None
    needed = []
    if gain > 0:
        needed.append(n_to_tell(effect.sd, gain, alpha=ALPHA / 2 / n_comparisons, power=POWER))
    if gain < smallest:
        needed.append(n_to_tell(effect.sd, smallest - gain, alpha=ALPHA / 2, power=POWER))
    return max(1, min(needed) - n)
