"""The log for Inspect: what its reader needs, nothing that is no number; and Inspect itself, where it is installed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.inspect_log import write_inspect_log
from tests.reports.builders import answered, attempt, broken, check, missing, question, run_log, score


def made(folder: Path) -> RunLog:
    """Two turns scored by metric and turn, a second repeat without an answer."""
    asked = question("And three and three?", reference="Six.")
    scores = [
        score("mos", 4.0, evidence=(check("says(four)", True),)),
        score("speech", 4.0, turn=0),
        score("speech", 3.0, turn=1),
        missing("fidelity", Status.UNSCORED, turn=1),
    ]
    turns = [answered(audio="a.flac"), answered(asked=asked, text=None, heard="Six.")]
    silent = [missing("mos", Status.FAILED, Failure.TIMEOUT)]
    attempts = [
        attempt("gaming", "g01", scores, turns=turns),
        attempt("gaming", "g01", silent, turns=[broken(Failure.TIMEOUT, "60 s")], repeat=1),
    ]
    return replace(run_log(folder, attempts), notes=("the judge drifted",))


def written(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(write_inspect_log(made(folder), folder / "log.json").read_text("utf-8"))
    return read


def test_a_conversation_is_a_sample_with_messages_and_scores(tmp_path: Path) -> None:
    log = written(tmp_path)
    assert list(log) == ["version", "status", "eval", "plan", "results", "stats", "samples"]
    assert (log["version"], log["status"], log["eval"]["model"]) == (2, "success", "fake:echo")
    assert log["eval"]["metadata"]["notes"] == ["the judge drifted"]
    first, second = log["samples"]
    assert (first["id"], first["epoch"], second["id"], second["epoch"]) == ("gaming/g01", 1, "gaming/g01", 2)
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"] * 2
    assert first["messages"][1]["content"] == "Two and two is for."
    assert first["messages"][1]["metadata"]["own_text"] == "Two and two is four."
    assert first["target"] == ["", "Six."]
    assert first["output"]["choices"][0]["message"]["content"] == "Six."


def test_a_score_per_turn_is_its_mean_and_one_without_a_value_is_told_apart(tmp_path: Path) -> None:
    first, second = written(tmp_path)["samples"]
    assert {name: score["value"] for name, score in first["scores"].items()} == {"mos": 4.0, "speech": 3.5}
    assert first["scores"]["speech"]["metadata"]["by_turn"] == {"0": 4.0, "1": 3.0}
    assert first["metadata"]["without_value"] == {"fidelity": "no fidelity can be had"}
    assert (second["scores"], second["metadata"]["failures"]) == ({}, ["timeout"])
    assert second["output"]["choices"] == []


def test_the_same_run_gives_the_same_log(tmp_path: Path) -> None:
    first, second = (write_inspect_log(made(tmp_path), tmp_path / name).read_bytes() for name in ("a.json", "b.json"))
    assert first == second


def test_a_name_that_inspect_would_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--out NAME\.json"):
        write_inspect_log(made(tmp_path), tmp_path / "log.txt")


def test_inspect_reads_the_log(tmp_path: Path) -> None:
    inspect = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed")
    log = inspect.read_eval_log(str(write_inspect_log(made(tmp_path), tmp_path / "log.json")))
    assert log.samples[0].scores["speech"].as_float() == 3.5
    assert log.results.scores[0].metrics["mean"].value == 4.0
