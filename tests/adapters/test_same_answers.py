"""The same answers give the same scores, whichever way they came; and a way that breaks costs its own samples only."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import aqaa_eval
from aqaa_eval.adapters.isolated import IsolatedModel
from aqaa_eval.catalog import make_model
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import SpeechModel
from aqaa_eval.core.runlog import AttemptLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.load import load_run
from tests.adapters.test_command import write_program
from tests.adapters.tiny_qwen import write_qwen3, write_qwen25
from tests.engine.builders import CountingTranscriber, ToneSuite, drive, request

pytestmark = pytest.mark.filterwarnings("ignore:Passing .repetition_penalty. with:UserWarning")
ROOT = Path(aqaa_eval.__file__).resolve().parents[1]
LIMITS = {"max_new_tokens": 4, "max_audio_tokens": 12}
ECHO = """
def answer(request):
    shutil.copy(request["messages"][-1]["audio"], request["output_audio"])
if "loop" in sys.argv:
    print('{"ready": true}', flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer(request)
        print(json.dumps({"key": request["key"]}), flush=True)
else:
    answer(json.load(sys.stdin))
"""


def run_of(model: SpeechModel, folder: Path, suite: ToneSuite) -> list[AttemptLog]:
    """Everything that the run says, times aside."""
    # The spec is the same for all, as on the command line with one --seed: seeds must not depend on the way.
    what = request(folder, model, suite=suite, transcriber=CountingTranscriber(), spec=RunSpec(model="m"))
    drive(what)
    attempts = load_run(folder).attempts
    if close := getattr(model, "close", None):
        close()
    return [replace(a, turns=tuple(replace(turn, timing=None) for turn in a.turns)) for a in attempts]


def test_an_echo_says_the_same_in_every_way(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    program = write_program(tmp_path, ECHO)
    specs = {
        "here": RunSpec(model="fake:echo"),
        "isolated": RunSpec(model="fake:echo", python=sys.executable),
        "per turn": RunSpec(model=f"command:{program}"),
        "persistent": RunSpec(model=f"command:{program} loop", model_options={"persistent": True}),
        "isolated program": RunSpec(model=f"command:{program}", python=sys.executable),
    }
    runs = {name: run_of(make_model(spec), tmp_path / name, suite) for name, spec in specs.items()}
    runs["replay"] = run_of(make_model(RunSpec(model=f"replay:{tmp_path / 'here'}")), tmp_path / "replayed", suite)
    assert runs["here"]
    assert all(attempt.scores for attempt in runs["here"])
    for name, run in runs.items():
        assert run == runs["here"], name


@pytest.mark.parametrize(("name", "write"), [("qwen2.5-omni", write_qwen25), ("qwen3-omni", write_qwen3)])
def test_a_tiny_qwen_says_the_same_here_and_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: object
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    suite = ToneSuite(folder=tmp_path / "data", n_samples=1)
    checkpoint = write(tmp_path / "tiny")  # type: ignore[operator]
    spec = RunSpec(model=f"{name}:{checkpoint}", model_options=LIMITS)
    here = make_model(spec)
    other = make_model(spec.model_copy(update={"python": sys.executable}), log=tmp_path / "model.log")
    assert here.identity == other.identity
    answers = run_of(here, tmp_path / "here", suite)
    assert answers == run_of(other, tmp_path / "other", suite)
    assert all(turn.failure is None and turn.audio for attempt in answers for turn in attempt.turns)
    torch.set_num_threads(before)


def test_a_child_that_is_killed_in_the_middle_of_a_run_costs_one_conversation(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=6, n_turns=1)
    model = make_model(RunSpec(model="fake:slow", model_options={"delay_s": 0.4}, python=sys.executable))
    assert isinstance(model, IsolatedModel)

    def kill() -> None:
        time.sleep(1.0)
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    attempts = run_of(model, tmp_path / "run", suite)
    killer.join()
    failures = Counter(turn.failure for attempt in attempts for turn in attempt.turns)
    assert failures == Counter({None: 5, Failure.MODEL_ERROR: 1})
    [broken] = [turn for attempt in attempts for turn in attempt.turns if turn.failure]
    assert "was killed by SIGKILL" in broken.detail


def test_a_hang_is_a_timeout_of_one_answer_and_the_rest_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "sleeper.py").write_text(
        "import time\n"
        "from tests.adapters.hostile_models import Echo\n"
        "class Sleeper(Echo):\n"
        "    def answer(self, query):\n"
        "        time.sleep(600 if '/t01#' in query.key else 0)\n"
        "        return super().answer(query)\n"
    )
    suite = ToneSuite(folder=tmp_path / "data", n_samples=3, n_turns=2)
    options = {"worker_timeout_s": 1.5}
    model = make_model(
        RunSpec(model=f"python:{tmp_path / 'sleeper.py'}:Sleeper", model_options=options, python=sys.executable)
    )
    attempts = run_of(model, tmp_path / "run", suite)
    assert [[turn.failure for turn in attempt.turns] for attempt in attempts] == [
        [None, None],
        [Failure.TIMEOUT, Failure.TIMEOUT],
        [None, None],
    ]
    assert "within 1.5 s (worker_timeout_s)" in attempts[1].turns[0].detail
    assert json.loads((tmp_path / "run" / "run.json").read_text())["manifest"]["model"].startswith("python:sleeper.py")
