"""A run as one small file without sound, to be kept in git: what a gate or a comparison needs of its baseline."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aqaa_eval.core.attempt import Score
from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runlog import AttemptLog, Manifest, RunLog, TurnLog
from aqaa_eval.core.runspec import RunSpec, describe_validation

FORMAT = 1
MAX_BYTES = 1_000_000
MAX_UNPACKED_BYTES = 200_000_000
"""Of a file that is read: gzip packs a thousandfold, so a small file may unpack to more than the memory."""


def write_baseline(log: RunLog, path: Path) -> int:
    """Write a run's scores, texts and times to one gzipped JSON file; the same run gives the same bytes.

    Words, evidence and reasons are left out where the file would be over a megabyte.

    Returns:
        Its size in bytes.

    Raises:
        DataError: the run is too large for one file even so.
    """
    for attempts in (log.attempts, tuple(map(_bare, log.attempts))):
        encoded = gzip.compress(_dump(replace(log, attempts=attempts)), mtime=0)
        if len(encoded) <= MAX_BYTES:
            path.write_bytes(encoded)
            return len(encoded)
    raise DataError(
        f"{log.folder}: {len(log.attempts):,} attempts take {len(encoded):,} bytes and a baseline may take "
        f"{MAX_BYTES:,}; keep the run folder itself as the baseline"
    )


def read_baseline(path: Path) -> RunLog:
    """Read what `write_baseline` wrote.

    Raises:
        DataError: the file is no baseline, or damaged.
    """
    try:
        with gzip.open(path) as file:
            body = file.read(MAX_UNPACKED_BYTES + 1)
        if len(body) > MAX_UNPACKED_BYTES:
            raise DataError(f"{path}: unpacks to more than {MAX_UNPACKED_BYTES:,} bytes, no baseline does")
        values: dict[str, Any] = json.loads(body)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise DataError(f"{path}: is no baseline of format {FORMAT}; write it with `aqaa-eval export RUN`")
        return RunLog(
            folder=path.parent,
            spec=RunSpec.model_validate(values["spec"]),
            manifest=TypeAdapter(Manifest).validate_python(values["manifest"]),
            cards={row["id"]: Card.model_validate(row) for row in values["cards"]},
            attempts=_attempts().validate_json(json.dumps(values["attempts"])),
            n_planned=int(values["n_planned"]),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        told = describe_validation(error, name=path.name) if isinstance(error, ValidationError) else str(error)
        raise DataError(f"{path}: cannot be read as a baseline ({told})") from error


@cache
def _attempts() -> TypeAdapter[tuple[AttemptLog, ...]]:
    return TypeAdapter(tuple[AttemptLog, ...])


def _dump(log: RunLog) -> bytes:
    values = {
        "format": FORMAT,
        # Of a model's path only the last part: the file is meant to be passed on.
        "spec": log.spec.model_copy(update={"model": log.spec.label, "python": None}).model_dump(mode="json"),
        "manifest": TypeAdapter(Manifest).dump_python(log.manifest, mode="json"),
        "cards": [card.model_dump(mode="json") for card in log.cards.values()],
        "attempts": _attempts().dump_python(tuple(map(_silent, log.attempts)), mode="json"),
        "n_planned": log.n_planned,
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _silent(attempt: AttemptLog) -> AttemptLog:
    """Without sound and without the times of words."""
    return replace(attempt, turns=tuple(map(_silent_turn, attempt.turns)))


def _silent_turn(turn: TurnLog) -> TurnLog:
    transcript = replace(turn.transcript, words=()) if turn.transcript else None
    return replace(turn, audio=None, question=replace(turn.question, audio=None), transcript=transcript)


def _bare(attempt: AttemptLog) -> AttemptLog:
    """Without anything but values and failures."""
    turns = tuple(
        replace(
            turn,
            text=None,
            transcript=None,
            question=replace(turn.question, text="", reference=None, rubric=None),
        )
        for turn in attempt.turns
    )
    return replace(attempt, turns=turns, scores=tuple(map(_bare_score, attempt.scores)))


def _bare_score(score: Score) -> Score:
    return replace(score, evidence=(), reason="left out" if score.reason else "")
