"""The figures of a run: one estimate per suite and metric, failures by kind, latency; and the whole run in one row.

Pure: the same log gives the same summary. Conversations ("suite/sample") are the unit of resampling, over their turns
and repeats, since answers to one conversation resemble each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aqaa_eval.core.attempt import Estimate, Score, Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.metrics.uncertainty import mean_estimate, ratio_estimate
from aqaa_eval.reports.latency import Latency, latency_of
from aqaa_eval.reports.macro import Counts, macro_estimate

METRICS = ("mos", "content", "delivery", "speech", "noise", "continuity", "fidelity", "said_otherwise", "misheard")
"""In the order of a reader's interest; a metric that is not named here comes after them, by name."""

RATIO_METRICS = frozenset({"fidelity", "said_otherwise", "misheard"})
"""Pooled as a sum of errors over a sum of words; all others are means of values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """One suite, or the whole run.

    Attributes:
        suite: id of the suite; "overall" for the whole run.
        title: what people call it.
        n_attempts: conversations put to the model, repeats counted apart.
        n_conversations: different conversations among them.
        n_turns: questions put to the model.
        n_unjudged: attempts without any score (the run was cut, or no judge was asked for).
        metrics: by name, in the order of `METRICS`; a metric nothing asked for is absent.
        failures: turns with that kind of failure, the most frequent first; a judge's failure on a whole conversation
            counts once.
        latency: of the answers.
        n_not_run: conversations that could not be asked, or whose question could not be heard.
    """

    suite: str
    title: str
    n_attempts: int
    n_conversations: int
    n_turns: int
    n_unjudged: int
    metrics: Mapping[str, Estimate]
    failures: Mapping[Failure, int]
    latency: Latency
    n_not_run: int = 0

    @property
    def n_failures(self) -> int:
        """All failures, of every kind."""
        return sum(self.failures.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in figures.

    Attributes:
        model: the model under test, as it was named.
        n_attempts: conversations that were put to the model.
        n_planned: conversations that the run's spec asks for.
        overall: the whole run; its estimates are means over the suites, each suite counting the same.
        suites: in the order of the run.
        not_run: conversations that could not be asked, with reasons: what the suites could not take, and those with a
            question that could not be heard.
        notes: what a reader must know of the measuring, such as a judge that drifted.
    """

    model: str
    n_attempts: int
    n_planned: int
    overall: GroupSummary
    suites: tuple[GroupSummary, ...]
    not_run: tuple[NotRun, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True if every planned conversation was begun and judged, and none could not be asked."""
        return self.n_attempts >= self.n_planned and not self.overall.n_unjudged and not self.not_run

    @property
    def n_suites_scored(self) -> int:
        """Suites with a fused MOS: those that stand behind the overall one."""
        return sum("mos" in suite.metrics and suite.metrics["mos"].value is not None for suite in self.suites)


def summarise(log: RunLog) -> Summary:
    """Reduce a run to its figures."""
    by_suite: dict[str, list[AttemptLog]] = {suite: [] for suite in log.cards}
    for attempt in log.attempts:
        by_suite.setdefault(attempt.suite, []).append(attempt)
    not_run = (*log.not_run, *_unheard(log.attempts))
    lost = Counter(item.suite for item in not_run)
    found = {suite: _found(attempts) for suite, attempts in by_suite.items()}
    suites = tuple(
        replace(_suite_summary(log, suite, attempts, found[suite]), n_not_run=lost[suite])
        for suite, attempts in by_suite.items()
    )
    return Summary(
        model=log.spec.label,
        n_attempts=len(log.attempts),
        n_planned=log.n_planned,
        overall=replace(_group("overall", "Overall", log.attempts, _overall_metrics(found)), n_not_run=len(not_run)),
        suites=suites,
        not_run=not_run,
        notes=log.notes,
    )


def _unheard(attempts: Iterable[AttemptLog]) -> list[NotRun]:
    """Conversations that broke off at a recording, each once, however often it was repeated."""
    found: dict[str, NotRun] = {}
    for attempt in attempts:
        broken = next((i for i, turn in enumerate(attempt.turns) if turn.failure is Failure.BAD_INPUT), None)
        if broken is not None:
            place, reason = f"turn {broken + 1}", attempt.turns[broken].detail
            lost = NotRun(suite=attempt.suite, sample=attempt.sample, place=place, reason=reason)
            found.setdefault(f"{attempt.suite}/{attempt.sample}", lost)
    return list(found.values())


def _suite_summary(
    log: RunLog, suite: str, attempts: Sequence[AttemptLog], found: Mapping[str, _Found]
) -> GroupSummary:
    metrics = {metric: _estimate(metric, scores) for metric, scores in found.items()}
    return _group(suite, log.cards[suite].title if suite in log.cards else suite, attempts, metrics)


def _group(suite: str, title: str, attempts: Sequence[AttemptLog], metrics: Mapping[str, Estimate]) -> GroupSummary:
    return GroupSummary(
        suite=suite,
        title=title,
        n_attempts=len(attempts),
        n_conversations=len({_conversation(attempt) for attempt in attempts}),
        n_turns=sum(len(attempt.turns) for attempt in attempts),
        n_unjudged=sum(not attempt.scores for attempt in attempts),
        metrics=metrics,
        failures=count_failures(attempts),
        latency=latency_of(attempts),
    )


def failures_of(attempt: AttemptLog) -> list[Failure]:
    """The failures of one attempt, each kind once per turn; what is said of the whole conversation comes last."""
    found: list[Failure] = []
    for index, turn in enumerate(attempt.turns):
        kinds = [turn.failure, turn.transcript.failure if turn.transcript else None]
        kinds += [score.failure for score in attempt.scores if score.turn == index]
        found += dict.fromkeys(kind for kind in kinds if kind)
    whole = dict.fromkeys(score.failure for score in attempt.scores if score.turn is None and score.failure)
    return found + [kind for kind in whole if kind not in found]


def count_failures(attempts: Iterable[AttemptLog]) -> dict[Failure, int]:
    """Failures by kind, the most frequent first, equals by name."""
    counts = Counter(kind for attempt in attempts for kind in failures_of(attempt))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0].value)))


def _conversation(attempt: AttemptLog) -> str:
    return f"{attempt.suite}/{attempt.sample}"


Pairs = dict[str, list[tuple[float, float]]]
"""(numerator, denominator) of each scored value by conversation; a ratio over no words says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The scores of one metric in one suite."""

    pairs: Pairs
    counts: Counts


def _found(attempts: Iterable[AttemptLog]) -> dict[str, _Found]:
    """Scores by metric, in the order of `METRICS`."""
    scores: dict[str, list[tuple[str, Score]]] = {}
    for attempt in attempts:
        conversation = _conversation(attempt)
        for score in attempt.scores:
            scores.setdefault(score.metric, []).append((conversation, score))
    return {metric: _found_of(metric, scores[metric]) for metric in _ordered(scores)}


def _ordered(metrics: Collection[str]) -> list[str]:
    return [metric for metric in METRICS if metric in metrics] + sorted(set(metrics) - set(METRICS))


def _found_of(metric: str, scores: Sequence[tuple[str, Score]]) -> _Found:
    pairs: Pairs = {}
    n_failed = n_scored = 0
    for conversation, score in scores:
        n_failed += score.status is Status.FAILED
        weight = score.weight if metric in RATIO_METRICS else 1.0
        if score.value is not None and weight > 0:
            pairs.setdefault(conversation, []).append((score.value * weight, weight))
            n_scored += 1
    return _Found(pairs=pairs, counts=Counts(unscored=len(scores) - n_failed - n_scored, failed=n_failed))


def _estimate(metric: str, found: _Found) -> Estimate:
    counts = found.counts
    if metric in RATIO_METRICS:
        return ratio_estimate(found.pairs, unscored=counts.unscored, failed=counts.failed)
    values = {conversation: [numerator for numerator, _ in those] for conversation, those in found.pairs.items()}
    return mean_estimate(values, unscored=counts.unscored, failed=counts.failed)


def _overall_metrics(suites: Mapping[str, Mapping[str, _Found]]) -> dict[str, Estimate]:
    overall = {}
    for metric in _ordered({metric for found in suites.values() for metric in found}):
        of_metric = {suite: found[metric] for suite, found in suites.items() if metric in found}
        counts = [found.counts for found in of_metric.values()]
        both = Counts(unscored=sum(one.unscored for one in counts), failed=sum(one.failed for one in counts))
        overall[metric] = macro_estimate({suite: found.pairs for suite, found in of_metric.items()}, both)
    return overall
