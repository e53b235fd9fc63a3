from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.engine.forecast import Measured, forecast, predict_total
from aqaa_eval.engine.pilot import Tokens, draw, measure
from aqaa_eval.engine.plan import make_plan
from tests.engine.builders import CountingTranscriber, ToneSuite, request


def measured(generate_s: float, transcribe_s: float, judge_s: float) -> Measured:
    return Measured(
        seconds={"generate": generate_s, "transcribe": transcribe_s, "judge": judge_s},
        n_answer_bytes=100_000,
        n_question_bytes=50_000,
        n_record_bytes=4_000,
        n_prompt_tokens=800,
        n_reply_tokens=60,
    )


def test_the_prediction_is_arithmetic_where_conversations_are_alike() -> None:
    told = forecast(
        [measured(8.0, 2.0, 0.5)] * 5,
        n=1000,
        n_gpus=10,
        on_gpu=("generate", "transcribe"),
        load_s=100.0,
        n_new_questions=10,
    )
    assert told.workers == {"generate": 8, "transcribe": 2, "judge": 1}
    assert told.wall_s.value == pytest.approx(1000 * 8.0 / 8 + 100)
    assert told.gpu_s.value == pytest.approx(10 * 1100)
    assert told.n_bytes.value == 1000 * 104_000 + 10 * 50_000
    assert (told.n_prompt_tokens.value, told.n_reply_tokens.low) == (800_000, 60_000)
    assert told.wall_s.low == told.wall_s.high == told.wall_s.value


def test_a_cheap_stage_on_cpus_gets_workers_enough_to_keep_up() -> None:
    told = forecast([measured(1.0, 0.1, 3.0)] * 3, n=100, n_gpus=1, on_gpu=("generate",), load_s=0.0, n_new_questions=0)
    assert told.workers == {"generate": 1, "transcribe": 1, "judge": 3}
    assert told.wall_s.value == pytest.approx(100.0)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    n_in = 0
    for _ in range(300):
        costs = rng.gamma(4.0, 2.0, 412)
        found = predict_total(costs[:12].tolist(), n=400)
        n_in += found.low <= costs[12:].sum() <= found.high
    assert 0.90 <= n_in / 300 <= 0.99


def test_too_few_conversations_and_too_few_gpus_are_refused() -> None:
    with pytest.raises(ValueError, match="2 conversations are too few"):
        predict_total([1.0, 2.0], n=10)
    with pytest.raises(ValueError, match="1 GPUs are too few for 2 stages"):
        forecast([measured(1, 1, 1)] * 3, n=9, n_gpus=1, on_gpu=("generate", "transcribe"), load_s=0, n_new_questions=0)


def test_the_pilot_measures_what_the_run_will_store(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=6, n_turns=2)
    what = request(
        tmp_path / "run", fake.build("slow", {"delay_s": 0.01}), suite=suite, transcriber=CountingTranscriber()
    )
    jobs = draw(make_plan(what.spec, [suite]), n=4, seed=0)
    assert len({job.key for job in jobs[1:]}) == 4
    (tmp_path / "sound").mkdir()
    pilot = measure(what.spec, what.tools, jobs, tmp_path / "sound", tokens=Tokens)
    assert pilot.n_conversations == len(pilot.sample) == 4
    assert not pilot.failures
    for one in pilot.sample:
        assert list(one.seconds) == ["generate", "transcribe", "judge"]
        assert one.seconds["generate"] >= 0.02
        assert one.n_answer_bytes > 1000
        assert one.n_record_bytes > 500
