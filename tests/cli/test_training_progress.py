"""What a person sees of a training under way, on a terminal and in a log file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from aqaa_eval.cli.training_progress import TrainingProgress


class Clock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_terminal_shows_a_bar_per_stage_with_step_time_left_and_loss() -> None:
    sheet, clock = io.StringIO(), Clock()
    console = Console(file=sheet, force_terminal=True, width=100, color_system=None)
    with TrainingProgress(console=console, clock=clock) as progress:
        for step in range(1, 31):
            clock.now_s += 1
            progress("sft1", step, 90, {"loss": 1.5, "rate": 0.1})
            progress("flow", 2 * step, 60, {"velocity": 1.25})
    lines = sheet.getvalue().splitlines()
    sft1 = [line for line in lines if "sft1" in line][-1]
    assert "30/90" in sft1
    assert "0:01:0" in sft1  # sixty steps of a second each
    assert "loss 1.5" in sft1
    assert "rate" not in sft1
    flow = [line for line in lines if "flow" in line][-1]
    assert "60/60" in flow
    assert "velocity 1.25" in flow


def test_a_log_file_gets_a_plain_line_at_each_hundredth(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with TrainingProgress(clock=clock) as progress:
        for step in range(1, 1001):
            clock.now_s += 1
            progress("sft1", step, 1000, {"loss": 1.5, "count": 3})
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len(lines) == 101
    assert lines[0] == "sft1 0 % (1 of 1000), loss 1.5"
    assert lines[50] == "sft1 50 % (500 of 1000), 8 min left, loss 1.5"
    assert lines[-1] == "sft1 100 % (1000 of 1000), loss 1.5"


def test_time_left_is_reckoned_from_where_a_stage_went_on(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with TrainingProgress(clock=clock) as progress:
        progress("flow", 401, 1000, {})
        clock.now_s += 100
        progress("flow", 411, 1000, {})
    assert capsys.readouterr().err.splitlines() == [
        "flow 40 % (401 of 1000)",
        "flow 41 % (411 of 1000), 1 h 38 min left",
    ]


def test_nothing_is_shown_before_a_stage_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress():
        pass
    assert capsys.readouterr().err == ""
