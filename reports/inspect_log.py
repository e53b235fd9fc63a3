"""A run as a log of Inspect (inspect_ai), version 2 of its JSON form, so that its viewer and data frames read it.

One sample per conversation and one epoch per repeat. A message of the assistant holds what was heard, else the model's
own text; the sound is named by file and not carried. A metric without a value is left out of a sample's scores, and its
reason stands in the metadata: Inspect would write NaN. The means with their intervals are the report's overall ones.

A run does not tell when it was made, so the log is dated 1970 and the same run gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aqaa_eval.core.attempt import Estimate, Score
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runlog import AttemptLog, RunLog, TurnLog
from aqaa_eval.metrics.pairing import value_of
from aqaa_eval.reports.page import write_page
from aqaa_eval.reports.summary import Summary, failures_of, summarise

VERSION = 2
_TASK = "aqaa-eval"
_CREATED = "1970-01-01T00:00:00+00:00"
_STOPPED = {"stop": "stop", "length": "max_tokens"}

Values = dict[str, Any]


def write_inspect_log(log: RunLog, target: Path) -> Path:
    """Write the log.

    Raises:
        UsageError: the place cannot be written, or its name does not end in .json, by which Inspect knows the form.
    """
    if target.suffix != ".json":
        raise UsageError(f"{target}: Inspect knows this form of its logs by the ending; give --out NAME.json")
    return write_page([json.dumps(inspect_log(log), indent=1, ensure_ascii=False, allow_nan=False), "\n"], target)


def inspect_log(log: RunLog) -> Values:
    """The log as plain values, in the order in which Inspect reads them."""
    summary = summarise(log)
    return {
        "version": VERSION,
        "status": "success" if summary.is_complete else "cancelled",
        "eval": _spec(log, summary),
        "plan": {"name": _TASK, "steps": [{"solver": _TASK, "params": {}}]},
        "results": _results(summary),
        "stats": {"started_at": "", "completed_at": ""},
        "samples": [_sample(attempt, log.spec.label) for attempt in log.attempts],
    }


def _spec(log: RunLog, summary: Summary) -> Values:
    chain = {
        "model": log.manifest.model,
        "asr": log.manifest.asr,
        "judge": log.manifest.judge,
        "normaliser": log.manifest.normaliser,
        "suites": dict(log.manifest.suites),
        "seed": log.spec.seed,
        "notes": list(log.notes),
    }
    run_id = hashlib.sha256(json.dumps(chain, sort_keys=True).encode()).hexdigest()[:22]
    names = list(dict.fromkeys(_name(attempt) for attempt in log.attempts))
    return {
        "eval_id": run_id,
        "run_id": run_id,
        "created": _CREATED,
        "task": _TASK,
        "task_id": run_id,
        "task_version": log.manifest.versions.get(_TASK, 0),
        "dataset": {"name": ", ".join(log.cards), "samples": len(names), "sample_ids": names, "shuffled": False},
        "model": log.spec.label,
        "config": {"epochs": log.spec.repeats, "limit": log.spec.limit},
        "packages": dict(log.manifest.versions),
        "metadata": chain,
        "scorers": [{"name": metric} for metric in summary.overall.metrics],
    }


def _results(summary: Summary) -> Values:
    return {
        "total_samples": summary.n_planned,
        "completed_samples": summary.n_attempts - summary.overall.n_unjudged,
        "scores": [_result(metric, estimate) for metric, estimate in summary.overall.metrics.items()],
    }


def _result(metric: str, estimate: Estimate) -> Values:
    figures = {"mean": estimate.value, "low_95": estimate.low, "high_95": estimate.high}
    return {
        "name": metric,
        "scorer": metric,
        "metrics": {name: {"name": name, "value": value} for name, value in figures.items() if value is not None},
        "metadata": {"n": estimate.n, "unscored": estimate.unscored, "failed": estimate.failed},
    }


def _name(attempt: AttemptLog) -> str:
    return f"{attempt.suite}/{attempt.sample}"


def _sample(attempt: AttemptLog, model: str) -> Values:
    asked = [_question(attempt, index) for index in range(len(attempt.turns))]
    said = [_answer(attempt, index, model) for index in range(len(attempt.turns))]
    messages = [message for pair in zip(asked, said, strict=True) for message in pair if message is not None]
    missing = {score.metric: score.reason for score in attempt.scores if score.value is None}
    return {
        "id": _name(attempt),
        "epoch": attempt.repeat + 1,
        "input": asked[:1] or "",
        "target": [turn.question.reference or "" for turn in attempt.turns],
        "messages": messages,
        "output": _output(attempt, said, model),
        "scores": _scores(attempt),
        "metadata": {
            "suite": attempt.suite,
            "failures": [kind.value for kind in failures_of(attempt)],
            "without_value": missing,
        },
    }


def _question(attempt: AttemptLog, index: int) -> Values:
    question = attempt.turns[index].question
    return {
        "id": f"{attempt.key}#{index}q",
        "role": "user",
        "source": "input",
        "content": question.text,
        "metadata": {"audio": question.audio, "language": question.language, "voice": question.voice},
    }


def _answer(attempt: AttemptLog, index: int, model: str) -> Values | None:
    turn = attempt.turns[index]
    if turn.transcript is None and turn.text is None:
        return None
    return {
        "id": f"{attempt.key}#{index}a",
        "role": "assistant",
        "source": "generate",
        "model": model,
        "content": turn.text if turn.transcript is None else turn.transcript.text,
        "metadata": {"audio": turn.audio, "own_text": turn.text, "duration_s": turn.duration_s, "detail": turn.detail},
    }


def _output(attempt: AttemptLog, said: list[Values | None], model: str) -> Values:
    """What came last."""
    if not said or said[-1] is None:
        return {"model": model, "choices": []}
    last: TurnLog = attempt.turns[-1]
    reason = _STOPPED[last.finish.value] if last.finish else "unknown"
    time = {"time": last.timing.total_s} if last.timing else {}
    return {"model": model, "choices": [{"message": said[-1], "stop_reason": reason}], **time}


def _scores(attempt: AttemptLog) -> Mapping[str, Values]:
    """By metric; one that is scored per turn counts with its mean, and its turns stand in the metadata."""
    found: dict[str, list[Score]] = {}
    for score in attempt.scores:
        found.setdefault(score.metric, []).append(score)
    values = {metric: value_of(scores, metric) for metric, scores in found.items()}
    return {metric: _score(found[metric], value) for metric, value in values.items() if value is not None}


def _score(scores: list[Score], value: float) -> Values:
    return {
        "value": value,
        "explanation": " | ".join(dict.fromkeys(score.reason for score in scores if score.reason)),
        "metadata": {
            "judge": scores[0].judge,
            "by_turn": {str(score.turn): score.value for score in scores if score.turn is not None},
            "checks": [[found.name, found.passed, found.measured] for score in scores for found in score.evidence],
        },
    }
