"""The table that shows scores with and without what two ears heard differently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.core.attempt import Doubt, SecondHearing, Transcript
from aqaa_eval.core.runlog import AttemptLog
from aqaa_eval.reports.hearing import hearing_json, hearing_rows, is_flagged, print_hearing
from tests.reports.builders import attempt, run_log, score

HERE = Path("nowhere")


def _heard(built: AttemptLog, *doubts: Doubt) -> AttemptLog:
    transcript = Transcript(
        text="I took the train.",
        language="en",
        confidence=0.9,
        asr="one",
        second=SecondHearing(asr="two", text="I took the plane.", doubts=doubts),
    )
    return replace(built, turns=tuple(replace(turn, transcript=transcript) for turn in built.turns))


DOUBT = Doubt(start=11, end=16, instead="plane")


def test_the_flagged_conversations_are_left_out_of_the_second_figure() -> None:
    attempts = [
        _heard(attempt("gaming", "g01", [score("mos", 5.0)])),
        _heard(attempt("gaming", "g02", [score("mos", 4.0)])),
        _heard(attempt("gaming", "g03", [score("mos", 1.0)]), DOUBT),
    ]
    rows = hearing_rows(run_log(HERE, attempts))
    gaming = next(row for row in rows if row.suite == "gaming")
    assert (gaming.n_attempts, gaming.n_flagged) == (3, 1)
    assert gaming.everything is not None
    assert gaming.sure is not None
    assert gaming.everything.value == pytest.approx(10 / 3)
    assert gaming.sure.value == pytest.approx(4.5)
    assert rows[-1].suite == "overall"
    assert hearing_json(rows)["gaming"]["n_flagged"] == 1


def test_a_conversation_is_flagged_by_any_doubt() -> None:
    built = attempt("gaming", "g01", [score("mos", 5.0)])
    assert is_flagged(_heard(built, DOUBT))
    assert not is_flagged(_heard(built))
    assert not is_flagged(built)


def test_with_all_flagged_nothing_is_left_to_score() -> None:
    rows = hearing_rows(run_log(HERE, [_heard(attempt("gaming", "g01", [score("mos", 5.0)]), DOUBT)]))
    gaming = next(row for row in rows if row.suite == "gaming")
    assert gaming.n_flagged == 1
    assert gaming.sure is None or gaming.sure.value is None


def test_with_one_ear_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    assert hearing_rows(run_log(HERE, [attempt("gaming", "g01", [score("mos", 5.0)])])) == ()
    print_hearing((), Console())
    assert capsys.readouterr().out == ""
    attempts = [_heard(attempt("gaming", "g01", [score("mos", 5.0)]), DOUBT)]
    print_hearing(hearing_rows(run_log(HERE, attempts)), Console(width=120))
    printed = capsys.readouterr().out
    assert "two ears" in printed
    assert "1/1" in printed
