"""Scores that VERSA (arXiv 2412.17667) gave the answers, read from its result file: `--speech-mos versa:FILE`.

VERSA runs elsewhere, over the recordings of a run (`--io dir`, on the run's `audio/` folder) or over a list of one's
own, and writes a line for each: `{"key": ..., "utmos": 3.9, ...}`, as JSON, or as a Python dictionary in versions that
print it. A key is either the recording's file name, with or without its ending, or the turn's "suite/sample#turn".
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aqaa_eval.core.attempt import Attempt, Score, Status
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.judges.answers import Answer, State, find_answers

PREFIX = "versa_"
_NUMPY = re.compile(r"np\.\w+\(([^()]*)\)")
_NOT_FINITE = re.compile(r"(?<![\w'\"])(?:nan|inf|-inf)(?![\w'\"])")


class VersaJudge:
    """One score per turn and metric of the file, named "versa_utmos" and the like."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            UsageError: there is none.
            DataError: a line is no record with a key; the message tells which.
        """
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise UsageError(f"--speech-mos versa:{path}: cannot be read ({error.strerror})") from error
        self._records = read_versa(raw.decode("utf-8", errors="replace"), name=str(path))
        self._hash = hashlib.sha256(raw).hexdigest()[:8]
        names = {name for record in self._records.values() for name in record}
        self._names = tuple(sorted(names))

    @property
    def identity(self) -> str:
        """Such as "versa@1f3c9a20": hash of the file."""
        return f"versa@{self._hash}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """All numbers of the file."""
        return tuple(PREFIX + name for name in self._names)

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """What the file says of each answer."""
        key = attempt.sample.key + (f"@{attempt.repeat}" if attempt.repeat else "")
        return tuple(
            self._score(name, answer, f"{key}#{answer.turn}")
            for answer in find_answers(attempt)
            for name in self._names
        )

    def _score(self, name: str, answer: Answer, key: str) -> Score:
        def without_value(status: Status, reason: str) -> Score:
            return Score(
                metric=PREFIX + name,
                value=None,
                status=status,
                reason=reason,
                judge=self.identity,
                turn=answer.turn,
                failure=answer.failure,
            )

        if answer.state is not State.ANSWERED or answer.audio is None:
            return without_value(answer.status, answer.reason or "the answer has no sound")
        record = self._records.get(answer.audio.content_hash, self._records.get(key))
        if record is None:
            return without_value(Status.UNSCORED, f"the file has no {key} and no {answer.audio.content_hash[:12]}...")
        value = record.get(name)
        if value is None:
            return without_value(Status.UNSCORED, f"VERSA gives no {name} for {key}")
        reason = f"{name} by VERSA"
        return Score(metric=PREFIX + name, value=value, reason=reason, judge=self.identity, turn=answer.turn)


def read_versa(text: str, *, name: str) -> dict[str, Mapping[str, float]]:
    """Numbers by key; texts, lists and what is not finite are left out.

    >>> read_versa('{"key": "a.flac", "utmos": 3.5, "text": "hello"}', name="result")
    {'a': {'utmos': 3.5}}
    >>> read_versa("{'key': 's/1#0', 'utmos': np.float64(4.25), 'pesq': nan}", name="result")
    {'s/1#0': {'utmos': 4.25}}

    Raises:
        DataError: a line is no record with a key; or there is none.
    """
    records: dict[str, Mapping[str, float]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        record = _parse(line)
        if not isinstance(record, dict) or not isinstance(record.get("key"), str):
            raise DataError(f"{name}, line {number}: not a record with a key, as VERSA writes it: {line[:60]!r}")
        key = Path(record["key"]).name if "#" not in record["key"] else record["key"]
        records[re.sub(r"\.(flac|wav|ogg|mp3)$", "", key)] = {
            metric: float(value) for metric, value in record.items() if _is_number(value)
        }
    if not records:
        raise DataError(f"{name}: holds no records")
    return records


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        pass
    try:
        return ast.literal_eval(_NOT_FINITE.sub("None", _NUMPY.sub(r"\1", line.strip())))
    except (ValueError, SyntaxError):
        return None
