"""What a person watches while a run goes on: rich on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from aqaa_eval.core.failure import Failure

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LABELS = {"generate": "answers", "transcribe": "transcripts", "judge": "verdicts"}
_LAST = "judge"
_QUIET_S = 60.0  # in a log file, a line comes at each tenth and after so much silence


class RunProgress:
    """A bar per stage with rate and time left, and below the failures by kind and the cost so far."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        stages: Sequence[str] = tuple(_LABELS),
        spent: Callable[[], str] = str,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is shown before `begin`.

        Args:
            quiet: show nothing at all.
            stages: names of those that the run passes.
            spent: what the judges took so far, such as "cost 0.12"; "" for nothing.
            console: where to draw. (default: stderr)
            clock: seconds, for rates.
        """
        self._quiet = quiet
        self._stages = stages
        self._spent = spent
        self._console = console
        self._clock = clock
        self._is_terminal = not quiet and (sys.stderr.isatty() if console is None else console.is_terminal)
        self._live: Live | None = None
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._n_done: Counter[str] = Counter()
        self._failures: Counter[Failure] = Counter()
        self._n_todo = 0
        self._began_s = self._told_s = 0.0

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, *, n_jobs: int, n_stored: int) -> None:
        """Show the plan."""
        self._n_todo = n_jobs - n_stored
        self._began_s = self._told_s = self._clock()
        if n_stored and not self._quiet:
            print(f"{n_stored} of {n_jobs} conversations are already complete", file=sys.stderr)
        if self._is_terminal and self._n_todo:
            self._open_bars()

    def _open_bars(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = self._console or Console(stderr=True)
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
        rate = TextColumn("{task.fields[rate]:>9}")
        self._bars = Progress(*columns, rate, TimeRemainingColumn(), console=console, get_time=self._clock)
        self._tasks = {
            stage: self._bars.add_task(_LABELS[stage], total=self._n_todo, rate="") for stage in self._stages
        }
        self._live = Live(console=console, get_renderable=self._view, refresh_per_second=4)
        self._live.start()

    def _view(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        assert self._bars is not None
        return Group(self._bars, Text(", ".join(self._told()) or "no failures", style="dim"))

    def _told(self) -> list[str]:
        failures = [f"{n} {kind.value.replace('_', ' ')}" for kind, n in self._failures.most_common()]
        spent = self._spent()
        return [*failures, spent] if spent else failures

    def advance(self, stage: str, failures: Sequence[Failure]) -> None:
        """One conversation has passed a stage and is on disk."""
        self._n_done[stage] += 1
        self._failures.update(failures)
        if self._bars is not None:
            self._bars.update(self._tasks[stage], advance=1, rate=rate_text(self._n_done[stage], self._elapsed_s()))
        elif stage == _LAST and not self._quiet and self._is_due():
            self._print_line()

    def _elapsed_s(self) -> float:
        return self._clock() - self._began_s

    def _is_due(self) -> bool:
        n = self._n_done[_LAST]
        is_milestone = n % max(1, self._n_todo // 10) == 0 or n == self._n_todo
        return is_milestone or self._clock() - self._told_s >= _QUIET_S

    def _print_line(self) -> None:
        n, elapsed_s = self._n_done[_LAST], self._elapsed_s()
        self._told_s = self._clock()
        told = [f"{n}/{self._n_todo} conversations done", rate_text(n, elapsed_s)]
        if n < self._n_todo:
            told.append(f"{duration_text(elapsed_s / n * (self._n_todo - n))} left")
        print(", ".join([*told, *self._told()]), file=sys.stderr, flush=True)


def rate_text(n: int, elapsed_s: float) -> str:
    """Conversations per second, minute or hour: whichever gives a number that can be read.

    >>> rate_text(30, 10.0), rate_text(3, 60.0), rate_text(1, 1200.0)
    ('3.0/s', '3.0/min', '3.0/h')
    """
    per_s = n / max(elapsed_s, 1e-3)
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_s * seconds >= 1:
            return f"{per_s * seconds:.1f}/{unit}"
    return f"{per_s * 3600:.1f}/h"


def duration_text(seconds: float) -> str:
    """A time to wait, no finer than it can be known.

    >>> duration_text(9.6), duration_text(200), duration_text(5430)
    ('10 s', '3 min', '1 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
