"""What a person watches while a model is trained: a bar per stage on a terminal, lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from aqaa_eval.cli.console import duration_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_NOT_SHOWN = ("rate", "count")


class TrainingProgress:
    """Stages as they are told of, each with its step, its time left and its figures.

    Stages may be told of by turns, as those that are trained side by side are. A stage that goes on after a stop begins
    where it stood, and its time left is reckoned from there.
    """

    def __init__(self, *, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; nothing is shown before a stage is told of.

        Args:
            console: where to draw. (default: stderr)
            clock: seconds, for the time left.
        """
        self._console = console
        self._clock = clock
        self._is_terminal = sys.stderr.isatty() if console is None else console.is_terminal
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[int, float]] = {}
        self._last_share: dict[str, int] = {}

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """A stage has done so much of its work."""
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if name not in _NOT_SHOWN)
        if self._is_terminal:
            self._draw(stage, done, total, shown)
        else:
            self._print_line(stage, done, total, shown)

    def of(self, stage: str, total: int) -> Callable[[int, Mapping[str, float]], None]:
        """The same for one stage."""
        return lambda step, figures: self(stage, step, total, figures)

    def _draw(self, stage: str, done: int, total: int, shown: str) -> None:
        if self._bars is None:
            self._bars = self._opened()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, completed=done, shown=shown)
        self._bars.update(self._tasks[stage], completed=done, shown=shown)

    def _opened(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        figures = TextColumn("{task.fields[shown]}", table_column=Column(no_wrap=True, overflow="ellipsis"))
        console = self._console or Console(stderr=True)
        bars = Progress(*columns, figures, console=console, get_time=self._clock, redirect_stdout=False)
        bars.start()
        return bars

    def _print_line(self, stage: str, done: int, total: int, shown: str) -> None:
        first, began_s = self._began.setdefault(stage, (done, self._clock()))
        share = 100 * done // max(1, total)
        if self._last_share.get(stage) == share:
            return
        self._last_share[stage] = share
        told = [f"{stage} {share} % ({done} of {total})"]
        if first < done < total:
            left_s = (self._clock() - began_s) / (done - first) * (total - done)
            told.append(f"{duration_text(left_s)} left")
        print(", ".join([*told, shown] if shown else told), file=sys.stderr, flush=True)
