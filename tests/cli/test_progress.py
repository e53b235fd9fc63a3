"""What a person sees of a run under way, on a terminal and in a log file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from aqaa_eval.cli.console import RunProgress
from aqaa_eval.core.failure import Failure


class Clock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def drawn(progress_of_stages: tuple[str, ...], *, spent: str = "") -> str:
    """The last picture of six conversations, of which three are judged after thirty seconds."""
    sheet, clock = io.StringIO(), Clock()
    console = Console(file=sheet, force_terminal=True, width=100, color_system=None)
    with RunProgress(stages=progress_of_stages, spent=lambda: spent, console=console, clock=clock) as progress:
        progress.begin(n_jobs=6, n_stored=0)
        for number in range(3):
            clock.now_s += 10
            for stage in progress_of_stages:
                kinds = [Failure.NO_AUDIO] if stage == "judge" and number else []
                progress.advance(stage, kinds)
    return sheet.getvalue().split("\x1b[2K")[-1]


def test_a_terminal_shows_stages_rate_time_left_failures_and_cost() -> None:
    picture = drawn(("generate", "transcribe", "judge"), spent="cost 0.12")
    for label in ("answers", "transcripts", "verdicts"):
        [line] = [line for line in picture.splitlines() if label in line]
        assert "3/6" in line
        assert "6.0/min" in line
        assert "0:00:30" in line
    assert "2 no audio, cost 0.12" in picture


def test_a_stage_that_the_run_does_not_pass_has_no_bar() -> None:
    picture = drawn(("generate", "judge"))
    assert "transcripts" not in picture
    assert "verdicts" in picture


def log_lines(capsys: pytest.CaptureFixture[str], n_jobs: int, *, step_s: float, spent: str = "") -> list[str]:
    clock = Clock()
    with RunProgress(spent=lambda: spent, clock=clock) as progress:
        progress.begin(n_jobs=n_jobs, n_stored=0)
        for number in range(n_jobs):
            clock.now_s += step_s
            progress.advance("generate", [])
            progress.advance("judge", [Failure.SILENT] if number == 0 else [])
    return capsys.readouterr().err.splitlines()


def test_a_log_file_gets_a_plain_line_at_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    lines = log_lines(capsys, 200, step_s=0.5, spent="1,200 tokens")
    assert len(lines) == 10
    assert lines[0] == "20/200 conversations done, 2.0/s, 2 min left, 1 silent, 1,200 tokens"
    assert lines[-1] == "200/200 conversations done, 2.0/s, 1 silent, 1,200 tokens"
    assert not any("\x1b" in line for line in lines)


def test_a_slow_run_is_heard_of_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    lines = log_lines(capsys, 100, step_s=45)
    assert len(lines) == 50
    assert lines[0] == "2/100 conversations done, 1.3/min, 74 min left, 1 silent"


def test_what_is_complete_is_said_once_and_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        with RunProgress(quiet=quiet) as progress:
            progress.begin(n_jobs=4, n_stored=4)
    assert capsys.readouterr().err == "4 of 4 conversations are already complete\n"


def test_an_alarm_of_the_judge_is_told_after_the_table_and_in_json(cli: Callable[..., Any], tmp_path: Path) -> None:
    run, plain = tmp_path / "run", ["--asr", "none", "--speech-mos", "none", "--quiet"]
    assert cli("run", "--model", "fake:silent", "--suite", "gaming", "--limit", "1", *plain, "--out", run).code == 0
    alarm = "the judge m graded anchors 0.9 lower than before"
    (run / "anchors.jsonl").write_text(json.dumps({"judge": "m", "levels": {}, "notes": [alarm]}) + "\n", "utf-8")
    assert f"note: {alarm}\n" in cli("report", run).err
    assert json.loads(cli("report", run, "--json").out)["notes"] == [alarm]
    assert alarm in (run / "report.html").read_text("utf-8")
