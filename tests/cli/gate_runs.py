"""Runs for the gate's tests: files made in a blink, with a known difference between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.engine.baseline import write_baseline
from tests.reports.builders import attempt, missing, run_log, score

N = 24


def values(*, shift: float = 0.0, spread: float = 0.05, n: int = N) -> list[float]:
    """MOS of n conversations around 3.5; `spread` sets how much the difference of two runs varies."""
    return [3.5 + 0.5 * ((i % 5) - 2) / 2 + shift + spread * ((7 * i) % 11 - 5) for i in range(n)]


def make_log(
    suites: Mapping[str, Sequence[float | None]], *, model: str = "fake:echo", asr: str | None = None
) -> RunLog:
    """A run with one MOS per conversation; None where the model broke."""
    attempts = [
        attempt(suite, f"c{place:03d}", [_mos(value)])
        for suite, found in suites.items()
        for place, value in enumerate(found)
    ]
    log = run_log(Path("runs/made"), attempts)
    manifest = replace(log.manifest, asr=asr) if asr else log.manifest
    return replace(log, spec=log.spec.model_copy(update={"model": model}), manifest=manifest)


def _mos(value: float | None):
    return missing("mos", Status.FAILED, Failure.MODEL_ERROR) if value is None else score("mos", value)


def write(log: RunLog, path: Path) -> Path:
    """As a baseline file, which every verb that reads a run takes."""
    write_baseline(log, path)
    return path
