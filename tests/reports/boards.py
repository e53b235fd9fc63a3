"""Runs for the leaderboard's tests: some that can be told apart, some that cannot, some that cannot be ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.published import CAPABILITIES
from tests.reports.builders import answered, attempt, run_log, score

SUITES = tuple(CAPABILITIES)[:4]


def made(
    model: str,
    level: float,
    *,
    n: int = 12,
    suites: Sequence[str] = SUITES,
    folder: Path = Path("runs/made"),
    twist: int = 7,
) -> RunLog:
    """A run whose MOS lie around a level; `twist` sets how its conversations differ from those of others."""
    attempts = [
        attempt(
            suite,
            f"c{place:02d}",
            [score("mos", min(5.0, max(1.0, level + 0.4 * ((place % 5) - 2) + 0.1 * ((twist * place) % 5 - 2))))],
            turns=[answered(timing=(0.2 * level, level), duration_s=2.0)],
        )
        for suite in suites
        for place in range(n)
    ]
    log = run_log(folder, attempts)
    suites_by_hash = {suite: f"{tuple(CAPABILITIES).index(suite):064x}" for suite in suites}
    manifest = replace(log.manifest, model=f"{model} identity", suites=suites_by_hash)
    return replace(log, spec=log.spec.model_copy(update={"model": model}), manifest=manifest)


def with_asr(log: RunLog, asr: str) -> RunLog:
    return replace(log, manifest=replace(log.manifest, asr=asr))


def three() -> list[RunLog]:
    """Best, and two that are alike."""
    return [made("best", 3.8), made("alike", 3.0, twist=3), made("other", 3.0, twist=11)]
