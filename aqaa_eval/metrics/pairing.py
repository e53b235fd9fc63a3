"""From run logs to scores by conversation, so that runs can be laid side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aqaa_eval.core.attempt import Score
from aqaa_eval.core.runlog import AttemptLog, RunLog


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteScores:
    """One metric of one suite.

    Attributes:
        values: scored values by conversation, in the order of the repeats; a conversation without one has none.
        n_lost: attempts without a value (unscored, failed, not judged), by conversation.
    """

    values: dict[str, list[float]]
    n_lost: dict[str, int]


def scores_of(log: RunLog, *, metric: str) -> dict[str, SuiteScores]:
    """The metric's values by suite and conversation, whatever the order of the attempts.

    A metric that is scored per turn counts with its mean over the turns of the attempt. An attempt that stands twice
    in a log (joined from parts) counts once.
    """
    found: dict[str, SuiteScores] = {}
    for attempt in _once(log.attempts):
        suite = found.setdefault(attempt.suite, SuiteScores(values={}, n_lost={}))
        values = suite.values.setdefault(attempt.sample, [])
        value = value_of(attempt.scores, metric)
        if value is None:
            suite.n_lost[attempt.sample] = suite.n_lost.get(attempt.sample, 0) + 1
        else:
            values.append(value)
    return found


def value_of(scores: Iterable[Score], metric: str) -> float | None:
    """The mean of a metric over an attempt; None if any part of it has no value, or there is none."""
    values = [score.value for score in scores if score.metric == metric]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _once(attempts: Iterable[AttemptLog]) -> list[AttemptLog]:
    """Each attempt once, ordered by key, so that the order of a log cannot matter."""
    by_key = {(attempt.suite, attempt.sample, attempt.repeat): attempt for attempt in reversed(list(attempts))}
    return [by_key[key] for key in sorted(by_key)]
