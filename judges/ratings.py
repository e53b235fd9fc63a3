"""People's ratings in a CSV: what a row holds, and what is wrong with one that does not count.

Columns: `rater,suite,sample,repeat,metric,rating`, and if need be `turn` (from 1; empty for the whole conversation) and
`run` (the name of the run's folder; needed if several runs were rated). `aqaa-eval rate` writes such a file. Nothing is
dropped in silence: every row that does not count is named with its line and the rule.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import DataError

REQUIRED = ("rater", "suite", "sample", "metric", "rating")
OPTIONAL = ("repeat", "turn", "run")
BINARY = ("factuality", "relevance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One person's value for one thing.

    Attributes:
        run: name of the run's folder; "" if the file has one run only.
        turn: index of the turn, from 0; None for the whole conversation.
        value: 1 to 5, or 0 to 1 for Factuality and Relevance.
    """

    rater: str
    run: str
    suite: str
    sample: str
    repeat: int
    turn: int | None
    metric: str
    value: float

    @property
    def thing(self) -> tuple[str, str, str, int, int, str]:
        """What was rated, without who did."""
        return self.run, self.suite, self.sample, self.repeat, -1 if self.turn is None else self.turn, self.metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row that does not count.

    Attributes:
        line: in the file, from 1.
    """

    line: int
    rule: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """What a file holds."""

    ratings: tuple[Rating, ...]
    problems: tuple[Problem, ...]


def read_ratings(path: Path) -> Ratings:
    """Read a file of ratings. Of two by one rater on the same thing the later one counts, and the earlier is named.

    Raises:
        DataError: it cannot be read, or a column is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    reader = csv.DictReader(text.splitlines())
    columns = tuple(reader.fieldnames or ())
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; a file of ratings has {', '.join(REQUIRED)}, and may have "
            f"{', '.join(OPTIONAL)}"
        )
    kept: dict[tuple[str, tuple[object, ...]], tuple[int, Rating]] = {}
    problems: list[Problem] = []
    for row in reader:
        line = reader.line_num
        try:
            rating = _rating(row)
        except ValueError as error:
            problems.append(Problem(line=line, rule=str(error)))
            continue
        key = (rating.rater, rating.thing)
        if key in kept:
            problems.append(Problem(line=kept[key][0], rule=f"rated again in line {line}, which counts"))
        kept[key] = (line, rating)
    problems.sort(key=lambda problem: problem.line)
    return Ratings(ratings=tuple(rating for _, rating in kept.values()), problems=tuple(problems))


def _rating(row: Mapping[str | None, str | list[str] | None]) -> Rating:
    if None in row:
        raise ValueError("more fields than the header names")
    values = {str(name): str(value or "").strip() for name, value in row.items()}
    empty = [name for name in REQUIRED if not values[name]]
    if empty:
        raise ValueError(f"{', '.join(empty)} is empty")
    turn = values.get("turn", "")
    return Rating(
        rater=values["rater"],
        run=values.get("run", ""),
        suite=values["suite"],
        sample=values["sample"],
        repeat=_whole("repeat", values.get("repeat") or "0", low=0),
        turn=_whole("turn", turn, low=1) - 1 if turn else None,
        metric=values["metric"],
        value=_value(values["rating"], values["metric"]),
    )


def _whole(name: str, text: str, *, low: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < low:
        raise ValueError(f"{name} {text!r} must be a whole number from {low}")
    return int(text)


def _value(text: str, metric: str) -> float:
    low, high = scale_of(metric)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"rating {text!r} must be a number from {low:g} to {high:g} for {metric}")
    return value


def scale_of(metric: str) -> tuple[float, float]:
    """Lowest and highest value of a metric that people rate.

    >>> scale_of("factuality"), scale_of("content")
    ((0.0, 1.0), (1.0, 5.0))
    """
    return (0.0, 1.0) if metric in BINARY else (1.0, 5.0)


def by_thing(ratings: Sequence[Rating]) -> dict[tuple[str, str, str, int, int, str], dict[str, float]]:
    """Values by rater, for each thing that was rated."""
    found: dict[tuple[str, str, str, int, int, str], dict[str, float]] = {}
    for rating in ratings:
        found.setdefault(rating.thing, {})[rating.rater] = rating.value
    return found
