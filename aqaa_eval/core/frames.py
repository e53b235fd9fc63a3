"""A run as two flat tables, for pandas, spreadsheets and data sets: one row per score, one row per turn.

Both carry the same keys (model, suite, sample, repeat, turn), so that they can be joined. Turns count from 0; a score
of the whole conversation has no turn. A missing value is None here and NA in pandas, never NaN and never 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.attempt import Score
from aqaa_eval.core.runlog import AttemptLog, RunLog, TurnLog

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int | float | None
Row = dict[str, Cell]

_KEYS = {"model": "string", "suite": "string", "sample": "string", "repeat": "Int64", "turn": "Int64"}

SCORE_COLUMNS: Mapping[str, str] = MappingProxyType(
    _KEYS
    | {
        "metric": "string",
        "value": "Float64",
        "status": "string",
        "failure": "string",
        "weight": "Float64",
        "n_checks": "Int64",
        "n_passed": "Int64",
        "reason": "string",
        "judge": "string",
    }
)
"""Columns of the scores with their pandas types; `weight` is what a ratio such as fidelity is pooled with."""

TURN_COLUMNS: Mapping[str, str] = MappingProxyType(
    _KEYS
    | {
        "language": "string",
        "answer_language": "string",
        "voice": "string",
        "question": "string",
        "reference": "string",
        "rubric": "string",
        "question_audio": "string",
        "answer_audio": "string",
        "duration_s": "Float64",
        "own_text": "string",
        "transcript": "string",
        "heard_language": "string",
        "asr": "string",
        "confidence": "Float64",
        "first_audio_s": "Float64",
        "total_s": "Float64",
        "finish": "string",
        "failure": "string",
        "detail": "string",
    }
)
"""Columns of the turns; recordings are named by file, in the run's audio folder."""


def score_rows(log: RunLog) -> Iterator[Row]:
    """One row per score, in the order of the run."""
    for attempt in log.attempts:
        for score in attempt.scores:
            yield _keys(log, attempt, score.turn) | _score(score)


def turn_rows(log: RunLog) -> Iterator[Row]:
    """One row per turn: what was asked, said and heard, and how long it took."""
    for attempt in log.attempts:
        for index, turn in enumerate(attempt.turns):
            yield _keys(log, attempt, index) | _turn(turn)


def scores_frame(log: RunLog) -> pd.DataFrame:
    """The scores as a DataFrame; missing values are NA."""
    return _frame(score_rows(log), SCORE_COLUMNS)


def turns_frame(log: RunLog) -> pd.DataFrame:
    """The turns as a DataFrame; missing values are NA."""
    return _frame(turn_rows(log), TURN_COLUMNS)


def _frame(rows: Iterator[Row], columns: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    found = list(rows)
    return pd.DataFrame(
        {name: pd.array([_encodable(row[name]) for row in found], dtype=kind) for name, kind in columns.items()}
    )


def _encodable(cell: Cell) -> Cell:
    """A lone surrogate in some model's text is no UTF-8, and Arrow would refuse the whole column."""
    return cell.encode("utf-8", "replace").decode("utf-8") if isinstance(cell, str) else cell


def _keys(log: RunLog, attempt: AttemptLog, turn: int | None) -> Row:
    return {
        "model": log.spec.label,
        "suite": attempt.suite,
        "sample": attempt.sample,
        "repeat": attempt.repeat,
        "turn": turn,
    }


def _score(score: Score) -> Row:
    return {
        "metric": score.metric,
        "value": score.value,
        "status": score.status.value,
        "failure": score.failure.value if score.failure else None,
        "weight": score.weight,
        "n_checks": len(score.evidence),
        "n_passed": sum(item.passed for item in score.evidence),
        "reason": score.reason,
        "judge": score.judge,
    }


def _turn(turn: TurnLog) -> Row:
    question, heard, timing = turn.question, turn.transcript, turn.timing
    failure = turn.failure or (heard.failure if heard else None)
    return {
        "language": question.language,
        "answer_language": question.answer_language,
        "voice": question.voice,
        "question": question.text,
        "reference": question.reference,
        "rubric": question.rubric,
        "question_audio": question.audio,
        "answer_audio": turn.audio,
        "duration_s": turn.duration_s,
        "own_text": turn.text,
        "transcript": heard.text if heard else None,
        "heard_language": heard.language if heard else None,
        "asr": heard.asr if heard else None,
        "confidence": heard.confidence if heard else None,
        "first_audio_s": timing.first_audio_s if timing else None,
        "total_s": timing.total_s if timing else None,
        "finish": turn.finish.value if turn.finish else None,
        "failure": failure.value if failure else None,
        "detail": turn.detail or (heard.note if heard else ""),
    }
