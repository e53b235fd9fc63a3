"""Whatever a model returns, the run ends, and every answer has its place in the taxonomy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.answers import MAX_ANSWER_S
from aqaa_eval.core.attempt import Finish, Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.load import load_run
from tests.engine.builders import ToneSuite, drive, request

TIMING = Timing(first_audio_s=None, total_s=0.1)


def sound(samples: np.ndarray, sample_rate_hz: int = 24_000) -> Response:
    return Response(audio=Audio(samples=samples, sample_rate_hz=sample_rate_hz), text=None, timing=TIMING)


class Answering:
    identity = "hostile@1"

    def __init__(self, answers: list[Callable[[], object]]) -> None:
        self.answers = answers

    def answer(self, query: Query) -> Response:
        return self.answers[int(query.key.split("/t")[1][:2])]()  # type: ignore[return-value]


def test_a_hostile_answer_fails_alone_with_its_reason(tmp_path: Path) -> None:
    def leave() -> Response:
        raise RuntimeError("CUDA out of memory")

    answers: list[Callable[[], object]] = [
        lambda: sound(np.full(1000, 0.1, np.float32)),
        lambda: None,
        lambda: sound(np.full(1000, np.nan, np.float32)),
        lambda: sound(np.full(1000, 0.1, np.float32), 2000),
        lambda: sound(np.zeros(0, np.float32)),
        lambda: sound(np.full(8000 * 1200, 0.1, np.float32), 8000),
        leave,
    ]
    suite = ToneSuite(folder=tmp_path / "data", n_samples=len(answers), n_turns=1)
    outcome = drive(request(tmp_path / "run", Answering(answers), suite=suite))
    assert outcome.n_finished == len(answers)
    assert outcome.failures == Counter({Failure.MODEL_ERROR: 4, Failure.NO_AUDIO: 1, Failure.TRUNCATED: 1})
    turns = [attempt.turns[0] for attempt in load_run(tmp_path / "run").attempts]
    assert [turn.failure for turn in turns] == [
        None,
        Failure.MODEL_ERROR,
        Failure.MODEL_ERROR,
        Failure.MODEL_ERROR,
        Failure.NO_AUDIO,
        Failure.TRUNCATED,
        Failure.MODEL_ERROR,
    ]
    assert "NaN" in turns[2].detail
    assert "2000 samples a second" in turns[3].detail
    assert (turns[5].duration_s, turns[5].finish) == (MAX_ANSWER_S, Finish.LENGTH)
    assert turns[5].detail == "longer than 300 s: only that much of it was kept"


def test_a_run_goes_on_with_another_time_limit_of_the_models_process(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    suite = ToneSuite(folder=tmp_path / "data", n_samples=1)
    spec = RunSpec(model="m", model_options={"voice": "a", "worker_timeout_s": 60}, python="/envs/a/bin/python")
    drive(request(folder.path, Answering([lambda: sound(np.full(1000, 0.1, np.float32))]), suite=suite, spec=spec))
    folder.refuse_other_spec(spec.model_copy(update={"model_options": {"voice": "a", "worker_timeout_s": 600}}))
    with pytest.raises(UsageError, match="voice"):
        folder.refuse_other_spec(spec.model_copy(update={"model_options": {"voice": "b"}}))
