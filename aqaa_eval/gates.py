"""The gate: may this candidate replace the baseline?

Per suite, on the conversations that both runs have: it passes if a loss of the margin or more is ruled out
(non-inferiority, one-sided), it is a regression if it is worse than the baseline beyond chance (Holm over the suites)
and the margin is not ruled out, and else the runs are too small to tell, and the gate says how many conversations
would do. Chance alone makes a gate fail in at most `alpha` of all cases where nothing changed, over all suites
together.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aqaa_eval.core.chain import refuse_other_chain
from aqaa_eval.core.errors import NotComparable
from aqaa_eval.core.gating import FloorGate, GateResult, GateVerdict, SuiteGate
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.metrics.paired import PairedBootstrap, holm, n_to_tell, paired_differences
from aqaa_eval.metrics.pairing import SuiteScores, scores_of

DEFAULT_MARGIN = 0.2
"""MOS points: about the step that listeners' means are read to."""
MIN_MARGIN = 0.05
"""A model that answers alike every time shows no A/A difference; a margin of nothing could never be ruled out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """How strict a gate is.

    Attributes:
        metric: what is compared; higher is better.
        margin: loss that is put up with, for suites that `margins` does not name.
        margins: by suite.
        alpha: chance of a wrong call, of either kind.
        power: chance that the number of conversations it asks for settles all suites.
        allowed: chain parts that may differ.
        seed: of the resampling.
    """

    metric: str = "mos"
    margin: float = DEFAULT_MARGIN
    margins: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    power: float = 0.9
    allowed: tuple[str, ...] = ()
    seed: int = 0

    def margin_of(self, suite: str) -> float:
        """The loss that is put up with in a suite."""
        return self.margins.get(suite, self.margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One suite of both runs."""

    suite: str
    candidate: SuiteScores
    baseline: SuiteScores
    differences: Mapping[str, float]
    bootstrap: PairedBootstrap

    @property
    def missing(self) -> list[str]:
        """Conversations whose score the baseline has and the candidate lacks, wholly or in a repeat."""
        lost = [key for key, values in self.baseline.values.items() if values and not self.candidate.values.get(key)]
        partly = [key for key in self.differences if self.candidate.n_lost.get(key)]
        return sorted({*lost, *partly})

    @property
    def extra(self) -> list[str]:
        """Conversations that only the candidate has."""
        return sorted(key for key in self.candidate.values if key not in self.baseline.values)


def gate(
    candidate: RunLog, baseline: RunLog, settings: GateSettings | None = None, *, floors: Sequence[FloorGate] = ()
) -> GateResult:
    """Decide on a candidate.

    Args:
        candidate: the run in question.
        baseline: the run that it is held against; every suite of it counts.
        settings: how strict to be.
        floors: absolute demands, already held against the candidate.

    Raises:
        NotComparable: the measuring chains differ, or no conversation is scored in both.
        UsageError: an allowed chain part that is none.
    """
    settings = settings or GateSettings()
    allowed = refuse_other_chain([candidate, baseline], allowed=settings.allowed)
    pairs = _pairs(candidate, baseline, settings.metric, settings.seed)
    if not any(pair.differences for pair in pairs):
        raise NotComparable(
            f"no conversation has a {settings.metric} in both runs: run the candidate on the suites of the baseline"
        )
    worse = holm({pair.suite: pair.bootstrap.p_above(0.0) for pair in pairs})
    return GateResult(
        candidate=candidate.spec.label,
        baseline=baseline.spec.label,
        metric=settings.metric,
        suites=tuple(_decide(pair, worse[pair.suite], len(pairs), settings) for pair in pairs),
        floors=tuple(floors),
        missing=tuple(f"{pair.suite}/{key}" for pair in pairs for key in pair.missing),
        extra=tuple(f"{pair.suite}/{key}" for pair in pairs for key in pair.extra),
        allowed=tuple(allowed),
    )


def calibrated_margins(repeats: Sequence[RunLog], *, metric: str = "mos", seed: int = 0) -> dict[str, float]:
    """Margins from A/A runs: per suite the largest difference that two runs of one model may show by chance.

    Args:
        repeats: two or more runs of the same model with different seeds, measured alike.
        metric: what is compared.
        seed: of the resampling.

    Raises:
        NotComparable: the runs' chains differ.
    """
    refuse_other_chain(repeats)
    margins: dict[str, float] = {}
    for place, first in enumerate(repeats):
        for second in repeats[place + 1 :]:
            for pair in _pairs(first, second, metric, seed):
                estimate = pair.bootstrap.estimate
                bounds = [abs(bound) for bound in (estimate.low, estimate.high) if bound is not None]
                margins[pair.suite] = max(margins.get(pair.suite, MIN_MARGIN), *bounds, MIN_MARGIN)
    return margins


def _pairs(candidate: RunLog, baseline: RunLog, metric: str, seed: int) -> list[_Pair]:
    ours, theirs = scores_of(candidate, metric=metric), scores_of(baseline, metric=metric)
    nothing = SuiteScores(values={}, n_lost={})
    pairs = []
    for suite in (name for name in baseline.cards if name in theirs):
        mine, their = ours.get(suite, nothing), theirs[suite]
        differences = paired_differences(mine.values, their.values)
        bootstrap = PairedBootstrap(differences, seed=seed)
        pairs.append(_Pair(suite=suite, candidate=mine, baseline=their, differences=differences, bootstrap=bootstrap))
    return pairs


def _decide(pair: _Pair, p_worse: float, n_suites: int, settings: GateSettings) -> SuiteGate:
    margin = settings.margin_of(pair.suite)
    p_within = pair.bootstrap.p_below(-margin)
    n_needed = None
    if p_within <= settings.alpha:
        verdict, reason = GateVerdict.PASSED, f"a loss of {margin:g} or more is ruled out"
    elif p_worse <= settings.alpha:
        verdict, reason = GateVerdict.REGRESSION, f"worse beyond chance, and a loss of {margin:g} is not ruled out"
    else:
        n_needed = conversations_needed(list(pair.differences.values()), margin, n_suites, settings)
        verdict, reason = GateVerdict.INCONCLUSIVE, _undecided(len(pair.differences), n_needed, margin)
    if pair.missing and verdict is not GateVerdict.REGRESSION:
        verdict = GateVerdict.INCOMPLETE
        reason = f"{len(pair.missing)} of the baseline's conversations have no score in the candidate"
    return SuiteGate(
        suite=pair.suite,
        difference=pair.bootstrap.estimate,
        candidate=_mean_over(pair.candidate, pair.differences),
        baseline=_mean_over(pair.baseline, pair.differences),
        margin=margin,
        p_worse=p_worse,
        p_within=p_within,
        n_missing=len(pair.missing),
        n_needed=n_needed,
        verdict=verdict,
        reason=reason,
    )


def conversations_needed(
    differences: Sequence[float], margin: float, n_suites: int, settings: GateSettings
) -> int | None:
    """Conversations that settle a suite whose true difference is nothing, or a loss of twice the margin.

    Both calls are made with `power` over all suites together. None below three differences (their spread is unknown)
    or without any spread.
    """
    if len(differences) < 3 or margin <= 0:
        return None
    sd = statistics.stdev(differences)
    if sd == 0:
        return None
    power = 1 - (1 - settings.power) / n_suites
    passes = n_to_tell(sd, margin, alpha=settings.alpha, power=power)
    fails = n_to_tell(sd, 2 * margin, alpha=settings.alpha / n_suites, power=power)
    return max(passes, fails, len(differences) + 1)


def _undecided(n: int, n_needed: int | None, margin: float) -> str:
    if n_needed is None:
        return f"{n} conversations in common do not tell, and their spread is not known well enough to say how many do"
    return f"too few conversations to tell a loss of {margin:g}: {n} here, about {n_needed} needed"


def _mean_over(scores: SuiteScores, keys: Mapping[str, float]) -> float | None:
    means = [statistics.fmean(scores.values[key]) for key in keys]
    return statistics.fmean(means) if means else None
