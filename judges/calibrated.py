"""A judge whose values are laid onto people's scale by a curve that was fitted on ratings (`aqaa-eval calibrate`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aqaa_eval.core.attempt import Attempt, Score
from aqaa_eval.core.errors import UsageError
from aqaa_eval.judges.budget import Usage
from aqaa_eval.judges.calibrate import FORMAT, file_hash
from aqaa_eval.judges.llm import LlmJudge
from aqaa_eval.metrics.monotone import MonotoneCurve


class Calibrated:
    """Gives a judge's scores on people's scale; the judge's own value stays in the reason."""

    def __init__(self, judge: LlmJudge, curves: Mapping[str, MonotoneCurve], *, name: str) -> None:
        self._judge = judge
        self._curves = curves
        self.concurrency = judge.concurrency
        self.identity = f"{judge.identity}/calibrated@{name}"
        self.metrics = judge.metrics

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """The scores; one without a value, or a floor for a missing answer, stays as it is."""
        return tuple(self._laid(score) for score in self._judge.judge(attempt))

    @property
    def spent(self) -> str:
        """The judge's."""
        return self._judge.spent

    @property
    def usages(self) -> tuple[Usage, ...]:
        """The judge's."""
        return self._judge.usages

    @property
    def account(self) -> str:
        """The judge's."""
        return self._judge.account

    def close(self) -> None:
        """Close the judge."""
        self._judge.close()

    def _laid(self, score: Score) -> Score:
        score = replace(score, judge=self.identity)
        curve = self._curves.get(score.metric)
        if curve is None or score.value is None or score.failure is not None:
            return score
        value = round(curve(score.value), 6)
        return replace(score, value=value, reason=f"{score.reason} [the judge's own value: {score.value:g}]")


def calibrated(judge: LlmJudge, path: Path) -> Calibrated:
    """The judge with the curves of a file.

    Raises:
        UsageError: no such file, or it was made for another judge.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']!r} is not {FORMAT}")
        curves = {
            metric: MonotoneCurve(judge=tuple(curve["judge"]), people=tuple(curve["people"]))
            for metric, curve in body["curves"].items()
        }
        judges = {name for curve in body["curves"].values() for name in curve["judges"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"calibration={path}: not a file that `aqaa-eval calibrate --write` made ({error})") from error
    if judges != {judge.identity}:
        raise UsageError(
            f"calibration={path} was fitted on another judge and says nothing of this one. Fitted on: "
            f"{'; '.join(sorted(judges))}. This one: {judge.identity}"
        )
    return Calibrated(judge, curves, name=file_hash(path))
