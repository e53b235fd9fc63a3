"""A run as files for other programs: scores and turns as JSON lines, CSV or parquet, or as a data set for the hub.

The same run gives the same bytes. No sound is copied; the turns name it by file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.frames import SCORE_COLUMNS, TURN_COLUMNS, Row, score_rows, scores_frame, turn_rows, turns_frame
from aqaa_eval.core.runlog import RunLog

FORMATS = ("jsonl", "csv", "parquet", "hf")


def export_tables(log: RunLog, folder: Path, *, format_: str) -> list[Path]:
    """Write the tables of a run into a folder, which is made if need be.

    Args:
        log: the run.
        folder: for "jsonl", "csv" and "parquet" it gets scores.EXT and turns.EXT; for "hf" data/*.parquet and a
            README.md with which `datasets.load_dataset(folder, "scores")` finds them.
        format_: one of `FORMATS`.

    Returns:
        The files that were written.

    Raises:
        UnknownName: no such format.
        UsageError: the folder cannot be written.
    """
    if format_ not in FORMATS:
        raise UnknownName("format", format_, FORMATS)
    try:
        return _WRITERS[format_](log, folder)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); --out is a folder for {format_}") from error


def _write_jsonl(log: RunLog, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _jsonl(folder / "scores.jsonl", score_rows(log)),
        _jsonl(folder / "turns.jsonl", turn_rows(log)),
    ]


def _jsonl(path: Path, rows: Iterable[Row]) -> Path:
    # A lone surrogate in some model's text must not cost the export.
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def _write_csv(log: RunLog, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _csv(folder / "scores.csv", score_rows(log), SCORE_COLUMNS),
        _csv(folder / "turns.csv", turn_rows(log), TURN_COLUMNS),
    ]


def _csv(path: Path, rows: Iterable[Row], columns: Mapping[str, str]) -> Path:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _write_parquet(log: RunLog, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    scores, turns = folder / "scores.parquet", folder / "turns.parquet"
    scores_frame(log).to_parquet(scores, index=False)
    turns_frame(log).to_parquet(turns, index=False)
    return [scores, turns]


def _write_hf(log: RunLog, folder: Path) -> list[Path]:
    files = _write_parquet(log, folder / "data")
    card = folder / "README.md"
    card.write_text(_CARD.format(label=json.dumps(log.spec.label)), encoding="utf-8", errors="replace", newline="\n")
    return [*files, card]


_WRITERS: Mapping[str, Callable[[RunLog, Path], list[Path]]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "hf": _write_hf,
}

_CARD = """---
tags:
- aqaa-eval
- audio-question-answering
configs:
- config_name: scores
  default: true
  data_files: data/scores.parquet
- config_name: turns
  data_files: data/turns.parquet
---
# A run of aqaa-eval

The model under test is `{label}`. `scores` has one row per score, `turns` one row per question and answer; both carry
model, suite, sample, repeat and turn. A score without a value has a status and a reason. The sound is not part of this
data set.
"""
