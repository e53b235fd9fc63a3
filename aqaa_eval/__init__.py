"""aqaa-eval: evaluation of voice models that hear a spoken question and answer in speech."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aqaa_eval.core.runlog import RunLog
    from aqaa_eval.reports.summary import Summary

__all__ = ["__version__", "load_run", "summarise"]
__version__ = "0.1.0"


def load_run(folder: str | Path) -> RunLog:
    """Read a run folder: every question, answer, transcript and score.

    Raises:
        aqaa_eval.core.errors.DataError: no run lies there, or it is damaged.
    """
    from aqaa_eval.engine.load import load_run as load

    return load(Path(folder))


def summarise(run: RunLog) -> Summary:
    """Reduce a run to its figures: estimates with intervals per suite, failures, latency."""
    from aqaa_eval.reports.summary import summarise as reduce_run

    return reduce_run(run)
