"""What a person watches while a run goes on: rich on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from aqaa_eval.core.failure import Failure

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LABELS = {"generate": "answers", "transcribe": "transcripts", "judge": "verdicts"}


class RunProgress:
    """Three bars, one per stage, and the failures so far. Silent if `quiet`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() and not quiet
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._counts: Counter[str] = Counter()
        self._failures: Counter[Failure] = Counter()
        self._n_todo = 0

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, *, n_jobs: int, n_stored: int) -> None:
        """Show the plan."""
        self._n_todo = n_jobs - n_stored
        if n_stored and not self._quiet:
            print(f"{n_stored} of {n_jobs} conversations are already complete", file=sys.stderr)
        if self._terminal and self._n_todo:
            self._open_bars()

    def _open_bars(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))
        self._bars.start()
        self._tasks = {
            stage: self._bars.add_task(label, total=self._n_todo, note="") for stage, label in _LABELS.items()
        }

    def advance(self, stage: str, failures: Sequence[Failure]) -> None:
        """One conversation has passed a stage and is on disk."""
        self._counts[stage] += 1
        self._failures.update(failures)
        if self._bars is not None:
            note = ", ".join(f"{kind} {n}" for kind, n in self._failures.items()) if stage == "judge" else ""
            self._bars.update(self._tasks[stage], advance=1, note=note)
        elif stage == "judge" and not self._quiet and self._is_milestone(self._counts[stage]):
            told = "".join(f", {n} {kind}" for kind, n in self._failures.items())
            print(f"{self._counts[stage]}/{self._n_todo} conversations done{told}", file=sys.stderr, flush=True)

    def _is_milestone(self, n: int) -> bool:
        step = max(1, self._n_todo // 10)
        return n % step == 0 or n == self._n_todo
