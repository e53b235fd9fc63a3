"""Runs side by side: paired differences per suite with intervals, and the conversations that changed.

The first run is what the others are held against. Only conversations that both have count; what one lacks is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.chain import ChainDifference, refuse_other_chain
from aqaa_eval.core.errors import NotComparable, UsageError
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.metrics.paired import PairedBootstrap, holm, paired_differences
from aqaa_eval.metrics.pairing import scores_of, value_of
from aqaa_eval.reports.macro import macro_estimate

ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDifference:
    """One suite in two runs.

    Attributes:
        suite: id.
        title: what people call it.
        first: mean of the first run over the shared conversations.
        other: mean of the other run over them.
        difference: other minus first, with its interval.
        p: two-sided, adjusted over the suites by Holm.
    """

    suite: str
    title: str
    first: float
    other: float
    difference: Estimate
    p: float

    @property
    def is_clear(self) -> bool:
        """True if chance does not explain it, all suites considered."""
        return self.p <= ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One conversation that came out differently.

    Attributes:
        key: "suite/sample".
        first: score in the first run; None if it has none there.
        other: score in the other run.
        gained: checks that only the other run passes.
        lost: checks that only the first run passes.
    """

    key: str
    first: float | None
    other: float | None
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def step(self) -> float:
        """Other minus first; 0 where one has no score."""
        return 0.0 if self.first is None or self.other is None else self.other - self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPair:
    """One run against the first.

    Attributes:
        place: of the other run among the runs, from 1.
        suites: in the order of the first run; suites without a shared conversation are left out.
        overall: mean over the suites of the difference.
        changes: the largest loss first, then the largest gain.
        only_first: conversations that only the first run has.
        only_other: conversations that only the other run has.
        allowed: chain parts that differ with leave.
    """

    place: int
    suites: tuple[SuiteDifference, ...]
    overall: Estimate
    changes: tuple[Change, ...]
    only_first: tuple[str, ...]
    only_other: tuple[str, ...]
    allowed: tuple[ChainDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two or more runs.

    Attributes:
        names: of the runs, told apart where two have the same model.
        metric: what is compared.
        pairs: every later run against the first.
        notes: what a reader must know of the measuring, such as a judge that drifted, each with the run's name.
    """

    names: tuple[str, ...]
    metric: str
    pairs: tuple[RunPair, ...]
    notes: tuple[str, ...] = ()


def compare(logs: Sequence[RunLog], *, metric: str = "mos", allowed: Sequence[str] = (), seed: int = 0) -> Comparison:
    """Lay runs side by side.

    Args:
        logs: two or more; the first is what the others are held against.
        metric: what is compared.
        allowed: chain parts that may differ.
        seed: of the resampling.

    Raises:
        UsageError: fewer than two runs.
        NotComparable: chains differ, or two runs share no scored conversation.
    """
    if len(logs) < 2:
        raise UsageError(f"{len(logs)} run given: a comparison needs two or more")
    pairs = tuple(
        _pair(logs[0], other, place, metric=metric, allowed=allowed, seed=seed)
        for place, other in enumerate(logs[1:], 1)
    )
    names = names_of(logs)
    notes = tuple(f"{name}: {note}" for name, log in zip(names, logs, strict=True) for note in log.notes)
    return Comparison(names=names, metric=metric, pairs=pairs, notes=notes)


def names_of(logs: Sequence[RunLog]) -> tuple[str, ...]:
    """The model of each run; with the folder's name where two are of the same model."""
    labels = [log.spec.label for log in logs]
    return tuple(
        f"{label} ({log.folder.name})" if labels.count(label) > 1 else label
        for label, log in zip(labels, logs, strict=True)
    )


def _pair(first: RunLog, other: RunLog, place: int, *, metric: str, allowed: Sequence[str], seed: int) -> RunPair:
    accepted = refuse_other_chain([first, other], allowed=allowed)
    mine, theirs = scores_of(first, metric=metric), scores_of(other, metric=metric)
    differences = {
        suite: found
        for suite in mine
        if suite in theirs and (found := paired_differences(theirs[suite].values, mine[suite].values))
    }
    if not differences:
        raise NotComparable(f"{first.folder} and {other.folder} share no conversation with a {metric} in both")
    bootstraps = {suite: PairedBootstrap(found, seed=seed) for suite, found in differences.items()}
    p_values = holm({suite: bootstrap.p_differs() for suite, bootstrap in bootstraps.items()})
    suites = []
    for suite in (suite for suite in first.cards if suite in differences):
        keys = differences[suite]
        suites.append(
            SuiteDifference(
                suite=suite,
                title=first.cards[suite].title,
                first=_mean(mine[suite].values, keys),
                other=_mean(theirs[suite].values, keys),
                difference=bootstraps[suite].estimate,
                p=p_values[suite],
            )
        )
    ours, others = _attempts(first), _attempts(other)
    return RunPair(
        place=place,
        suites=tuple(suites),
        overall=macro_estimate(
            {suite: {key: [(value, 1.0)] for key, value in found.items()} for suite, found in differences.items()},
            seed=seed,
        ),
        changes=_changes(ours, others, metric),
        only_first=tuple(key for key in ours if key not in others),
        only_other=tuple(key for key in others if key not in ours),
        allowed=tuple(accepted),
    )


def _mean(values: Mapping[str, Sequence[float]], keys: Mapping[str, float]) -> float:
    means = [sum(values[key]) / len(values[key]) for key in keys]
    return sum(means) / len(means)


def _attempts(log: RunLog) -> dict[str, AttemptLog]:
    """Attempts by key, each once."""
    return {attempt.key: attempt for attempt in reversed(log.attempts)}


def _changes(first: Mapping[str, AttemptLog], other: Mapping[str, AttemptLog], metric: str) -> tuple[Change, ...]:
    changes = []
    for key in sorted(first.keys() & other.keys()):
        before, after = passed_checks(first[key]), passed_checks(other[key])
        shared = before.keys() & after.keys()
        change = Change(
            key=key,
            first=value_of(first[key].scores, metric),
            other=value_of(other[key].scores, metric),
            gained=tuple(sorted(name for name in shared if after[name] and not before[name])),
            lost=tuple(sorted(name for name in shared if before[name] and not after[name])),
        )
        if change.gained or change.lost or change.first != change.other:
            changes.append(change)
    return tuple(sorted(changes, key=lambda change: (change.step >= 0, -abs(change.step), change.key)))


def passed_checks(attempt: AttemptLog) -> dict[str, bool]:
    """Whether each check of an attempt holds, by turn and name."""
    evidence = (item for score in attempt.scores for item in score.evidence)
    return {f"turn {item.turn + 1}: {item.name}": item.passed for item in evidence}
