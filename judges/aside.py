"""A judge that stands beside another one: its content and delivery get names of their own and are not fused."""

from __future__ import annotations

from dataclasses import replace

from aqaa_eval.core.attempt import Attempt, Score
from aqaa_eval.core.protocols import Judge
from aqaa_eval.judges.budget import Usage
from aqaa_eval.judges.chain import metrics_of

FUSED = ("content", "delivery")


class Aside:
    """Gives a judge's scores under names such as "checks_content", so that no part is fused twice."""

    def __init__(self, judge: Judge, *, prefix: str) -> None:
        self._judge = judge
        self._prefix = prefix
        self.concurrency = int(getattr(judge, "concurrency", 1))

    @property
    def identity(self) -> str:
        """Such as "aside checks@3/audio"."""
        return f"aside {self._judge.identity}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it scores."""
        return tuple(self._renamed(metric) for metric in metrics_of(self._judge))

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """The judge's scores, renamed."""
        return tuple(replace(score, metric=self._renamed(score.metric)) for score in self._judge.judge(attempt))

    @property
    def spent(self) -> str:
        """The judge's."""
        return str(getattr(self._judge, "spent", ""))

    @property
    def usages(self) -> tuple[Usage, ...]:
        """The judge's."""
        return tuple(getattr(self._judge, "usages", ()))

    @property
    def account(self) -> str:
        """The judge's."""
        return str(getattr(self._judge, "account", ""))

    def close(self) -> None:
        """Close the judge, if it has something to close."""
        close = getattr(self._judge, "close", None)
        if close is not None:
            close()

    def _renamed(self, metric: str) -> str:
        return f"{self._prefix}_{metric}" if metric in FUSED else metric
