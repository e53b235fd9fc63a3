"""Tables of a run: every score and turn once, with keys, in each format the same values and the same bytes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.frames import SCORE_COLUMNS, TURN_COLUMNS
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.engine.export import export_tables
from tests.reports.builders import answered, attempt, broken, check, missing, question, run_log, score
from tests.reports.payloads import PAYLOADS


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    hostile = answered(asked=question("=1+1"), text='a "quoted", text\nof two lines', heard="\u202ejavascript:x")
    silent = broken(Failure.SILENT, "no speech in 2.0 s of audio")
    scores = [
        score("mos", 4.5, evidence=(check("a", True), check("b", False))),
        score("fidelity", 0.2, turn=0, weight=5),
        missing("speech", Status.UNSCORED, Failure.SILENT, turn=1),
    ]
    return run_log(tmp_path, [attempt("gaming", "g01", scores, turns=[hostile, silent]), attempt("gaming", "g02")])


def test_the_scores_are_a_frame_with_one_row_each_and_na_where_there_is_no_value(log: RunLog) -> None:
    frame = log.scores()
    assert list(frame.columns) == list(SCORE_COLUMNS)
    assert frame[["sample", "metric"]].to_numpy().tolist() == [["g01", "mos"], ["g01", "fidelity"], ["g01", "speech"]]
    assert frame["value"].isna().tolist() == [False, False, True]
    assert frame["turn"].isna().tolist() == [True, False, False]
    assert frame.loc[0, ["n_checks", "n_passed"]].tolist() == [2, 1]
    assert frame.loc[2, "failure"] == "silent"
    assert frame["value"].mean() == pytest.approx(2.35)


def test_the_turns_are_a_frame_with_texts_and_times(log: RunLog) -> None:
    frame = log.turns()
    assert list(frame.columns) == list(TURN_COLUMNS)
    assert len(frame) == 3
    assert frame.loc[0, "own_text"] == 'a "quoted", text\nof two lines'
    assert frame.loc[0, "total_s"] == 1.0
    assert pd.isna(frame.loc[1, "transcript"])


def test_a_run_without_scores_gives_an_empty_frame_of_the_same_types(tmp_path: Path) -> None:
    frame = run_log(tmp_path, [attempt("gaming", "g01")]).scores()
    assert len(frame) == 0
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == dict(SCORE_COLUMNS)


def test_every_format_holds_the_same_values(log: RunLog, tmp_path: Path) -> None:
    for name in ("jsonl", "csv", "parquet"):
        export_tables(log, tmp_path / name, format_=name)
    rows = [json.loads(line) for line in (tmp_path / "jsonl" / "turns.jsonl").read_text("utf-8").split("\n")[:-1]]
    with (tmp_path / "csv" / "turns.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows] == written
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "parquet" / "scores.parquet"), log.scores())
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "parquet" / "turns.parquet"), log.turns())


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet", "hf"])
def test_the_same_run_gives_the_same_bytes(log: RunLog, tmp_path: Path, format_: str) -> None:
    first = export_tables(log, tmp_path / "a", format_=format_)
    second = export_tables(log, tmp_path / "b", format_=format_)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_data_set_is_found_by_datasets(log: RunLog, tmp_path: Path) -> None:
    from datasets import load_dataset

    export_tables(log, tmp_path / "set", format_="hf")
    found = load_dataset(str(tmp_path / "set"), "scores", split="train", cache_dir=str(tmp_path / "cache"))
    assert found["metric"][:] == ["mos", "fidelity", "speech"]
    assert found["value"][:][2] is None


def test_texts_of_others_come_back_as_they_were(tmp_path: Path) -> None:
    turns = [answered(text=payload, heard=payload) for payload in (*PAYLOADS, "\ud800 half a character")]
    log = run_log(tmp_path, [attempt("gaming", "g01", turns=turns)])
    for name in ("jsonl", "csv"):
        export_tables(log, tmp_path / name, format_=name)
    rows = [json.loads(line) for line in (tmp_path / "jsonl" / "turns.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert [row["own_text"] for row in rows[:-1]] == list(PAYLOADS)
    with (tmp_path / "csv" / "turns.csv").open(encoding="utf-8", newline="") as file:
        assert [row["transcript"] for row in csv.DictReader(file)][:-1] == list(PAYLOADS)


def test_half_a_character_costs_neither_the_frame_nor_a_file(tmp_path: Path) -> None:
    log = run_log(tmp_path, [attempt("gaming", "g01", turns=[answered(text="\ud800 half a character")])])
    assert log.turns().loc[0, "own_text"] == "? half a character"
    export_tables(log, tmp_path / "set", format_="hf")


def test_a_format_that_is_none_and_a_folder_that_is_a_file_are_refused(log: RunLog, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean parquet"):
        export_tables(log, tmp_path, format_="parket")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--out is a folder"):
        export_tables(log, tmp_path / "file", format_="csv")
