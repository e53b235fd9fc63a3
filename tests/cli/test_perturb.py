from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.core.audio import read_audio
from aqaa_eval.engine.load import load_run

RUN = ("run", "--model", "fake:echo", "--suite", "gaming", "--limit", 2, "--asr", "none", "--speech-mos", "none")


@pytest.fixture
def runs(cli: Callable, tmp_path: Path) -> tuple[Path, Path]:
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    assert cli(*RUN, "--channel", "text", "--out", clean).code == 0
    assert (
        cli(*RUN, "--channel", "text", "--perturb", "noise:0dB:pink", "--perturb", "telephone", "--out", noisy).code
        == 0
    )
    return clean, noisy


def test_the_run_stores_the_question_as_the_model_heard_it(runs: tuple[Path, Path]) -> None:
    clean, noisy = (load_run(run) for run in runs)
    for before, after in zip(clean.attempts, noisy.attempts, strict=True):
        assert before.key == after.key
        for first, second in zip(before.turns, after.turns, strict=True):
            assert first.question.audio != second.question.audio
            assert second.question.audio is not None
            assert second.audio is not None
            heard = read_audio(noisy.folder / "audio" / second.question.audio)
            echoed = read_audio(noisy.folder / "audio" / second.audio)
            assert heard.content_hash == echoed.content_hash  # fake:echo says back what it heard
    assert clean.manifest.suites == noisy.manifest.suites
    assert clean.spec.fingerprint != noisy.spec.fingerprint


def test_the_same_command_hears_the_same_and_another_perturbation_is_another_run(
    cli: Callable, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    _, noisy = runs
    again = tmp_path / "again"
    cli(*RUN, "--channel", "text", "--perturb", "noise:0dB:pink", "--perturb", "telephone", "--out", again)
    assert [turn.question.audio for attempt in load_run(again).attempts for turn in attempt.turns] == [
        turn.question.audio for attempt in load_run(noisy).attempts for turn in attempt.turns
    ]
    done = cli(*RUN, "--channel", "text", "--perturb", "reverb", "--out", noisy)
    assert done.code == 2
    assert "perturb ('noise:0dB:pink', 'telephone'), now ('reverb',)" in done.err


def test_scoring_a_perturbed_run_again_asks_nothing(cli: Callable, runs: tuple[Path, Path]) -> None:
    _, noisy = runs
    before = sorted(path.name for path in (noisy / "audio").iterdir())
    assert cli("score", noisy, "--channel", "audio", "--quiet").code == 0
    assert sorted(path.name for path in (noisy / "audio").iterdir()) == before


def test_the_report_says_what_is_kept_of_the_clean_score(
    cli: Callable, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    clean, noisy = tmp_path / "clean2", tmp_path / "noisy2"
    silent = ("run", "--model", "fake:silent", *RUN[3:])
    cli(*silent, "--out", clean)
    cli(*silent, "--perturb", "gain:-30dB", "--out", noisy)
    done = cli("report", noisy, "--clean", clean, "--json")
    kept = json.loads(done.out)["kept"]
    assert (done.code, kept["perturb"], kept["clean"]) == (0, ["gain:-30dB"], "clean2")
    assert (kept["suites"]["gaming"]["value"], kept["suites"]["gaming"]["n"]) == (1.0, 2)
    assert "clean MOS kept" in cli("report", noisy, "--clean", clean).out
    assert "Clean score kept" in (noisy / "report.html").read_text()


def test_runs_that_differ_in_more_are_not_comparable(cli: Callable, runs: tuple[Path, Path], tmp_path: Path) -> None:
    _, noisy = runs
    other = tmp_path / "other"
    cli(*RUN, "--channel", "text", "--seed", 5, "--out", other)
    done = cli("report", noisy, "--clean", other)
    assert done.code == 5
    assert "seed 0 against 5" in done.err


def test_a_wrong_perturbation_stops_before_anything_is_made(cli: Callable, tmp_path: Path) -> None:
    done = cli(*RUN, "--perturb", "noise:10", "--perturb", "nosie:10dB", "--out", tmp_path / "run")
    assert done.code == 2
    assert "no perturbation named 'nosie'; did you mean noise?" in done.err
    assert not (tmp_path / "run").exists()
