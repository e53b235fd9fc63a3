"""The main job on real parts: a spoken question, a model that answers, ASR, scores. Its short twin is in engine/."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import aqaa_eval
from aqaa_eval.core.runlog import AttemptLog
from aqaa_eval.core.weights import OFFLINE, is_present

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(is_present, OFFLINE)), reason="offline models are not here: aqaa-eval fetch"),
]
COMMAND = str(Path(sys.executable).with_name("aqaa-eval"))
ARGUMENTS = ("run", "--model", "cascade", "--suite", "gaming,logical_reasoning,creativity", "--limit", "2", "--quiet")


def start(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([COMMAND, *ARGUMENTS, "--out", str(out)], stdout=subprocess.DEVNULL)


def without_times(out: Path) -> list[AttemptLog]:
    """Everything that a run says, measured times aside."""
    attempts = aqaa_eval.load_run(out).attempts
    return [replace(a, turns=tuple(replace(turn, timing=None) for turn in a.turns)) for a in attempts]


def n_judged(out: Path) -> int:
    if not (out / "run.sqlite").exists():
        return 0
    return sum(bool(attempt.scores) for attempt in aqaa_eval.load_run(out).attempts)


def test_a_killed_run_goes_on_and_says_what_an_uninterrupted_one_says(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed)
    deadline = time.monotonic() + 300
    while n_judged(killed) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {path.name: path.stat().st_mtime_ns for path in (killed / "audio").glob("*.flac")}
    assert 2 <= n_judged(killed) < 6
    assert start(killed).wait() == 0
    assert start(whole).wait() == 0
    assert {name: (killed / "audio" / name).stat().st_mtime_ns for name in stored} == stored
    assert without_times(killed) == without_times(whole)
    estimates = [
        {suite.suite: dict(suite.metrics) for suite in aqaa_eval.summarise(aqaa_eval.load_run(out)).suites}
        for out in (killed, whole)
    ]
    assert estimates[0] == estimates[1]


def test_the_cascade_answers_every_turn_of_an_english_suite_aloud(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert start(out).wait() == 0
    turns = [turn for attempt in aqaa_eval.load_run(out).attempts for turn in attempt.turns]
    spoken = [turn for turn in turns if turn.transcript is not None and turn.transcript.text]
    assert len(spoken) == len(turns)
    fidelity = aqaa_eval.summarise(aqaa_eval.load_run(out)).overall.metrics["fidelity"]
    assert fidelity.value is not None
    assert fidelity.value < 0.25
