"""The table of tasks/README.md: what share of each suite's checks the fakes pass, from the folders of their runs.

usage: python -m tests.bench.oracle_table [--failed] RUN [RUN ...]

A run is made by `aqaa-eval run --model fake:oracle --speech-mos none --out RUN`, and so for `fake:random`, `fake:echo`
and `fake:silent`. Several runs of one model, such as one per suite, are one column. `--failed` lists the checks that
did not hold instead, one per line.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.attempt import Evidence
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.engine.load import load_run
from aqaa_eval.tasks.suite import BUNDLED

PARTS = ("content", "delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Checks of one suite by one model.

    Attributes:
        passed: how many hold.
        n: how many there are.
        n_lost: conversations without a verdict, because something broke.
    """

    passed: int
    n: int
    n_lost: int = 0

    @property
    def told(self) -> str:
        """As a cell of the table.

        >>> Tally(passed=19, n=20).told, Tally(passed=0, n=3, n_lost=2).told, Tally(passed=0, n=0).told
        ('95.0 % of 20', '0.0 % of 3 (2 broken)', 'no checks')
        """
        lost = f" ({self.n_lost} broken)" if self.n_lost else ""
        return f"{100 * self.passed / self.n:.1f} % of {self.n}{lost}" if self.n else f"no checks{lost}"


def checks_of(attempt: AttemptLog) -> Iterator[Evidence]:
    """Every check of a conversation, as its judge found it."""
    for score in attempt.scores:
        if score.metric in PARTS:
            yield from score.evidence


def tally(attempts: Iterable[AttemptLog]) -> Tally:
    """Count the checks that hold."""
    passed: Counter[bool] = Counter()
    n_lost = 0
    for attempt in attempts:
        found = list(checks_of(attempt))
        passed.update(evidence.passed for evidence in found)
        n_lost += not found
    return Tally(passed=passed[True], n=passed.total(), n_lost=n_lost)


def table(runs: Sequence[RunLog]) -> str:
    """The Markdown table: a row per suite, a column per model."""
    models = list(dict.fromkeys(run.spec.model for run in runs))
    attempts = {model: [one for run in runs if run.spec.model == model for one in run.attempts] for model in models}
    found = {attempt.suite for one in attempts.values() for attempt in one}
    suites = [*(suite for suite in BUNDLED if suite in found), *sorted(found - set(BUNDLED))]
    lines = ["| suite | " + " | ".join(f"`{model}`" for model in models) + " |", "|---" * (len(models) + 1) + "|"]
    for suite in suites:
        cells = [tally(one for one in attempts[model] if one.suite == suite).told for model in models]
        lines.append(f"| {suite} | " + " | ".join(cells) + " |")
    totals = [tally(attempts[model]).told for model in models]
    return "\n".join([*lines, "| all | " + " | ".join(totals) + " |"])


def failed(runs: Sequence[RunLog]) -> Iterator[str]:
    """One line for each check that does not hold: model, place, what was measured, what was heard."""
    for run in runs:
        for attempt in run.attempts:
            for evidence in checks_of(attempt):
                if not evidence.passed:
                    place = f"{attempt.suite}/{attempt.sample}#{evidence.turn}"
                    transcript = attempt.turns[evidence.turn].transcript
                    heard = "" if transcript is None else transcript.text
                    yield f"{run.spec.model} {place} {evidence.name}: {evidence.measured} | heard: {heard}"


def main(arguments: list[str] | None = None) -> None:
    """Print the table, or the list."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.oracle_table", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--failed", action="store_true")
    options = parser.parse_args(arguments)
    runs = [load_run(path) for path in options.runs]
    print("\n".join(failed(runs)) if options.failed else table(runs))


if __name__ == "__main__":
    main()
