"""All judges of a run, one after the other, and the fused score by the rule of the suite's card."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from aqaa_eval.core.attempt import Attempt, Score, Status
from aqaa_eval.core.protocols import Judge
from aqaa_eval.judges.budget import Usage

METRIC = "mos"
JUDGE = "fusion@1"
FLOOR = 1.0
PARTS_OF_CHECKS = ("content", "delivery")


class ScoringChain:
    """Runs every judge on an attempt and adds the fused `mos`.

    The fused score is the mean of the parts with the card's weights: content and delivery as far as the sample has
    checks for them, speech as the mean over the turns. An answer that is missing counts with the floor, 1.0, in every
    part. A part that should have a value and has none leaves the fused score without one: an average over other parts
    would not be comparable.
    """

    def __init__(self, judges: Sequence[Judge], weights_by_suite: Mapping[str, Mapping[str, float]]) -> None:
        """Make the chain.

        Args:
            judges: run in this order.
            weights_by_suite: by suite id, the card's weights of the parts "content", "delivery" and "speech".
        """
        self._judges = tuple(judges)
        self._weights_by_suite = weights_by_suite
        # Judges that wait for a server take several conversations at once. Each of the others takes one, so that one
        # conversation's sound is measured while another is read; only the slow ones are worth a thread.
        n_slow = sum(bool(getattr(judge, "is_slow", False)) for judge in self._judges)
        self.concurrency = max([1, n_slow, *(concurrency_of(judge) for judge in self._judges)])
        self._turns = tuple(threading.Lock() for _ in self._judges)

    @property
    def identity(self) -> str:
        """The identities of all judges."""
        return " + ".join([*(judge.identity for judge in self._judges), JUDGE])

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it scores."""
        return tuple(dict.fromkeys([METRIC, *(name for judge in self._judges for name in metrics_of(judge))]))

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """The fused score first, then those of the judges in their order."""
        scores: list[Score] = []
        for judge, turn in zip(self._judges, self._turns, strict=True):
            with nullcontext() if concurrency_of(judge) > 1 else turn:
                scores += _scores_of(judge, attempt)
        return (self._fused(attempt.sample.suite, scores), *scores)

    @property
    def spent(self) -> str:
        """The cost so far, in a few words; "" if no judge costs anything."""
        found = (getattr(judge, "spent", "") for judge in self._judges)
        return ", ".join(told for told in found if told)

    @property
    def usages(self) -> tuple[Usage, ...]:
        """What the judges that read tokens took so far, one each."""
        return tuple(usage for judge in self._judges for usage in getattr(judge, "usages", ()))

    @property
    def account(self) -> str:
        """What the judges took that costs money, in a line each; "" if none of them does."""
        found = (getattr(judge, "account", "") for judge in self._judges)
        return "\n".join(line for line in found if line)

    def close(self) -> None:
        """Close the judges that hold something open."""
        for judge in self._judges:
            close = getattr(judge, "close", None)
            if close is not None:
                close()

    def _fused(self, suite: str, scores: Sequence[Score]) -> Score:
        weights = self._weights_by_suite.get(suite)
        if weights is None:
            return _missing(
                Status.FAILED, f"no weights for the suite {suite!r}; known: {sorted(self._weights_by_suite)}"
            )
        parts: dict[str, list[Score]] = {}
        for name, weight in weights.items():
            found = [score for score in scores if score.metric == name]
            if not found and name in PARTS_OF_CHECKS:
                continue  # the sample has no checks for it
            if weight > 0:
                parts[name] = found
        for name, found in parts.items():
            blocked = _blocked(name, found)
            if blocked is not None:
                return blocked
        return _mean(parts, weights)


def metrics_of(judge: Judge) -> tuple[str, ...]:
    """What a judge scores; one that does not say is taken for a judge of the content."""
    metrics = getattr(judge, "metrics", None)
    return tuple(metrics) if metrics else ("content",)


def concurrency_of(judge: Judge) -> int:
    """How many conversations a judge takes at once; 1 if it does not say."""
    return int(getattr(judge, "concurrency", 1))


def _scores_of(judge: Judge, attempt: Attempt) -> tuple[Score, ...]:
    try:
        return judge.judge(attempt)
    except Exception as error:  # a judge that breaks loses its own verdict, told by name, and no other
        reason = f"the judge {judge.identity} broke: {type(error).__name__}: {error}"
        return tuple(
            Score(metric=metric, value=None, status=Status.FAILED, reason=reason, judge=judge.identity)
            for metric in metrics_of(judge)
        )


def _blocked(name: str, found: Sequence[Score]) -> Score | None:
    """The score without a value that follows if a part lacks one; None if all is there."""
    if not found:
        return _missing(Status.UNSCORED, f"the card weighs {name}, and no judge of this run scores it")
    for score in found:
        if score.value is None and not _is_floor(score):
            where = f" of turn {score.turn + 1}" if score.turn is not None else ""
            return _missing(score.status, f"no {name}{where}: {score.reason}", score)
    return None


def _is_floor(score: Score) -> bool:
    return score.value is None and score.failure is not None and score.failure.is_no_answer


def _mean(parts: Mapping[str, Sequence[Score]], weights: Mapping[str, float]) -> Score:
    total = sum(weights[name] for name in parts)
    if total <= 0:
        return _missing(Status.UNSCORED, "the sample has nothing that the card weighs")
    values = {
        name: sum(FLOOR if score.value is None else score.value for score in found) / len(found)
        for name, found in parts.items()
    }
    shown = ", ".join(f"{name} {value:.2f} x {weights[name] / total:.2f}" for name, value in values.items())
    failures = [score.failure for found in parts.values() for score in found]
    is_nothing_said = all(failure is not None and failure.is_no_answer for failure in failures)
    kinds = ", ".join(sorted({str(failure).replace("_", " ") for failure in failures if failure is not None}))
    return Score(
        metric=METRIC,
        value=round(sum(value * weights[name] for name, value in values.items()) / total, 6),
        reason=f"{kinds}: {shown}" if is_nothing_said else shown,
        judge=JUDGE,
        failure=failures[0] if is_nothing_said else None,
    )


def _missing(status: Status, reason: str, cause: Score | None = None) -> Score:
    failure = cause.failure if cause else None
    return Score(metric=METRIC, value=None, status=status, reason=reason, judge=JUDGE, failure=failure)
