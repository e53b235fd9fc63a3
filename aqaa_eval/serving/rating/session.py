"""What one person rates: conversations in an order that a seed decides, and a CSV that each rating goes to at once.

Nothing that leaves this module for the page tells which model answered, what it scored, or how a file is called.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.inside import below
from aqaa_eval.core.runlog import AttemptLog, RunLog

COLUMNS = ("rater", "run", "suite", "sample", "repeat", "turn", "metric", "rating")
PREFERENCE = "preference"
FIRST_BETTER, TIE, SECOND_BETTER = 1, 3, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session goes.

    Attributes:
        rater: who rates; stands in every row.
        metric: what is rated, such as "content"; "preference" if two runs are compared.
        seed: decides the order, and which run stands on which side.
        limit: conversations at the most; None for all.
    """

    rater: str
    metric: str = "content"
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        if not self.rater.strip() or any(letter in self.rater for letter in "\r\n\0"):
            raise UsageError("--rater: give a name or a number, in one line; it stands in every row of the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to rate.

    Attributes:
        run: name of the run, or of both ("a+b").
        sides: the answers to listen to, in the order in which the page shows them: one, or two.
        is_swapped: True if the second run stands first.
    """

    run: str
    sides: tuple[AttemptLog, ...]
    folders: tuple[Path, ...]
    is_swapped: bool = False

    @property
    def attempt(self) -> AttemptLog:
        """For suite, sample and questions, which both sides share."""
        return self.sides[0]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a row of the file says of it."""
        return self.run, self.attempt.suite, self.attempt.sample, str(self.attempt.repeat)

    def sound(self, side: int, turn: int) -> Path | None:
        """Recording of an answer; None if nothing was said, or if it lies outside of the run."""
        name = self.sides[side].turns[turn].audio
        return _recording(self.folders[side], name)

    def question(self, turn: int) -> Path | None:
        """Recording of a question; None for a written one, or if it lies outside of the run."""
        name = self.attempt.turns[turn].question.audio
        return _recording(self.folders[0], name)


def _recording(run: Path, name: str | None) -> Path | None:
    try:
        return below(run / "audio", name) if name else None
    except DataError:  # a run may come from anyone
        return None


def make_tasks(runs: Mapping[str, RunLog], settings: SessionSettings) -> list[Task]:
    """All tasks in their order: one run to rate, or two to compare. Conversations without any sound are left out.

    Raises:
        UsageError: more than two runs, or nothing to listen to.
    """
    if len(runs) > 2:
        raise UsageError(f"rate takes one run, or two to compare, not {len(runs)}")
    tasks = _one(runs) if len(runs) == 1 else _two(runs, settings.seed)
    tasks.sort(key=lambda task: _draw(settings.seed, *task.key))
    if not tasks:
        raise UsageError("there is nothing to listen to: no answer has sound, or the two runs share no conversation")
    return tasks[: settings.limit]


def _one(runs: Mapping[str, RunLog]) -> list[Task]:
    [(name, log)] = runs.items()
    return [Task(run=name, sides=(a,), folders=(log.folder,)) for a in log.attempts if _has_sound(a)]


def _two(runs: Mapping[str, RunLog], seed: int) -> list[Task]:
    (first, a), (second, b) = runs.items()
    others = {(x.suite, x.sample, x.repeat): x for x in b.attempts if _has_sound(x)}
    tasks = []
    for attempt in a.attempts:
        other = others.get((attempt.suite, attempt.sample, attempt.repeat))
        if other is None or not _has_sound(attempt) or len(other.turns) != len(attempt.turns):
            continue
        swap = _draw(seed, "side", attempt.key) >= "8"
        sides, folders = ((other, attempt), (b.folder, a.folder)) if swap else ((attempt, other), (a.folder, b.folder))
        tasks.append(Task(run=f"{first}+{second}", sides=sides, folders=folders, is_swapped=swap))
    return tasks


def _has_sound(attempt: AttemptLog) -> bool:
    return any(turn.audio for turn in attempt.turns)


def _draw(seed: int, *parts: str) -> str:
    return hashlib.sha256("\0".join([str(seed), *parts]).encode()).hexdigest()


class Session:
    """One person's ratings, in a file that several sessions may share one after the other."""

    def __init__(self, tasks: Sequence[Task], settings: SessionSettings, file: Path) -> None:
        """Open the file, and see what this person has rated before.

        Raises:
            UsageError: the file cannot be written.
            DataError: it is no file of ratings.
        """
        self.tasks = tuple(tasks)
        self.settings = settings
        self.metric = PREFERENCE if len(self.tasks[0].sides) > 1 else settings.metric
        self._file = file
        self._done = self._read()

    @property
    def n_done(self) -> int:
        """Tasks that have a rating."""
        return sum(task.key in self._done for task in self.tasks)

    def next_task(self) -> int | None:
        """The first one without a rating; None if all have one."""
        return next((number for number, task in enumerate(self.tasks) if task.key not in self._done), None)

    def rate(self, number: int, rating: int) -> None:
        """Write a rating; on return it is on disk. A second one on the same thing goes below the first, and counts.

        Args:
            number: of the task.
            rating: 1 to 5; of two sides 1 for the first on the page, 3 for a tie, 5 for the second.

        Raises:
            ValueError: no such task or rating.
            DataError: the file cannot be written.
        """
        if not 0 <= number < len(self.tasks):
            raise ValueError(f"task {number} is not one of {len(self.tasks)}")
        allowed = (FIRST_BETTER, TIE, SECOND_BETTER) if self.metric == PREFERENCE else (1, 2, 3, 4, 5)
        if rating not in allowed:
            raise ValueError(f"rating {rating!r} must be one of {', '.join(map(str, allowed))}")
        task = self.tasks[number]
        value = FIRST_BETTER + SECOND_BETTER - rating if task.is_swapped else rating
        run, suite, sample, repeat = task.key
        self._append([self.settings.rater, run, suite, sample, repeat, "", self.metric, str(value)])
        self._done.add(task.key)

    def _append(self, row: Sequence[str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        try:
            with self._file.open("a", encoding="utf-8", newline="") as file:
                file.write(line.getvalue())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(f"{self._file}: cannot write ({error.strerror}); the rating is not kept") from error

    def _read(self) -> set[tuple[str, str, str, str]]:
        try:
            text = self._file.read_text(encoding="utf-8") if self._file.exists() else ""
            if text and not text.endswith("\n"):  # cut off while a row was written: that row was never confirmed
                text = text[: text.rfind("\n") + 1]
                self._file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{self._file}: cannot be used ({error.strerror}); give another --out") from error
        if not text:
            self._append(COLUMNS)
            return set()
        rows = list(csv.reader(text.splitlines()))
        if tuple(rows[0]) != COLUMNS:
            raise DataError(f"{self._file}: its first line is not {','.join(COLUMNS)}; give another --out")
        return {
            (row[1], row[2], row[3], row[4])
            for row in rows[1:]
            if len(row) == len(COLUMNS) and row[0] == self.settings.rater and row[6] == self.metric
        }
