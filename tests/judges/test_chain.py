"""The fused score: worked by hand, at the floor for silence, and without a value where a part lacks one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from aqaa_eval.core.attempt import Attempt, Score, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.sample import CheckSpec
from aqaa_eval.judges.chain import ScoringChain
from aqaa_eval.judges.checks import ChecksJudge
from aqaa_eval.judges.fidelity import FidelityJudge
from aqaa_eval.judges.quality import DistillMos, QualityJudge

MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]
WEIGHTS = {"content": 0.6, "delivery": 0.2, "speech": 0.2}


class Fixed:
    """A judge that gives the scores it was made with."""

    identity = "fixed"

    def __init__(self, *scores: Score) -> None:
        self._scores = scores

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        return self._scores


class Breaks:
    identity = "breaks"
    metrics = ("content", "delivery")

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        raise RuntimeError("out of cheese")


def scored(metric: str, value: float, turn: int | None = None, failure: Failure | None = None) -> Score:
    return Score(metric=metric, value=value, reason="", judge="fixed", turn=turn, failure=failure)


def missing(metric: str, status: Status, failure: Failure | None = None, turn: int | None = None) -> Score:
    return Score(metric=metric, value=None, status=status, reason="why", judge="fixed", turn=turn, failure=failure)


@pytest.fixture
def attempt(make_turn: MakeTurn, make_attempt: MakeAttempt) -> Attempt:
    return make_attempt([make_turn(0), make_turn(1)], [[], []])


def fuse(attempt: Attempt, *scores: Score, weights: dict[str, float] = WEIGHTS) -> Score:
    mos, *others = ScoringChain([Fixed(*scores)], {"gaming": weights}).judge(attempt)
    assert tuple(others) == scores
    assert mos.metric == "mos"
    return mos


def test_the_fused_score_is_the_weighted_mean(attempt: Attempt) -> None:
    speech = [scored("speech", 4.0, 0), scored("speech", 3.0, 1)]
    mos = fuse(attempt, scored("content", 5.0), scored("delivery", 2.0), *speech)
    assert mos.value == pytest.approx(0.6 * 5 + 0.2 * 2 + 0.2 * 3.5)
    assert mos.failure is None


def test_a_part_without_checks_leaves_its_weight_to_the_others(attempt: Attempt) -> None:
    mos = fuse(attempt, scored("content", 5.0), scored("speech", 3.0, 0))
    assert mos.value == pytest.approx((0.6 * 5 + 0.2 * 3) / 0.8)


def test_silence_is_at_the_floor_in_every_part(attempt: Attempt) -> None:
    speech = [missing("speech", Status.UNSCORED, Failure.SILENT, turn) for turn in (0, 1)]
    mos = fuse(attempt, scored("content", 1.0, failure=Failure.SILENT), *speech)
    assert mos.value == 1.0
    assert mos.failure is Failure.SILENT


def test_a_silent_turn_does_not_flatter_the_speech_of_the_others(attempt: Attempt) -> None:
    speech = [scored("speech", 5.0, 0), missing("speech", Status.UNSCORED, Failure.SILENT, 1)]
    assert fuse(attempt, scored("content", 3.0), *speech).value == pytest.approx((0.6 * 3 + 0.2 * 3) / 0.8)


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNSCORED])
def test_a_part_that_lacks_its_value_leaves_no_fused_value(attempt: Attempt, status: Status) -> None:
    mos = fuse(attempt, missing("content", status), scored("speech", 5.0, 0))
    assert (mos.value, mos.status) == (None, status)
    assert "content" in mos.reason
    assert "why" in mos.reason


def test_a_weighted_part_that_nobody_scores_leaves_no_fused_value(attempt: Attempt) -> None:
    mos = fuse(attempt, scored("content", 5.0))
    assert (mos.value, mos.status) == (None, Status.UNSCORED)
    assert "speech" in mos.reason
    assert fuse(attempt, scored("content", 5.0), weights={"content": 1.0, "speech": 0.0}).value == 5.0


def test_a_judge_that_breaks_is_named_and_stops_no_other(attempt: Attempt) -> None:
    chain = ScoringChain([Breaks(), Fixed(scored("speech", 4.0, 0))], {"gaming": WEIGHTS})
    scores = {score.metric: score for score in chain.judge(attempt)}
    assert set(scores) == {"mos", "content", "delivery", "speech"} == set(chain.metrics) | {"speech"}
    assert scores["content"].status is Status.FAILED
    assert "breaks broke: RuntimeError: out of cheese" in scores["content"].reason
    assert scores["speech"].value == 4.0
    assert scores["mos"].status is Status.FAILED


def test_a_suite_without_weights_is_said(attempt: Attempt) -> None:
    [mos, _] = ScoringChain([Fixed(scored("content", 5.0))], {"singing": WEIGHTS}).judge(attempt)
    assert mos.status is Status.FAILED
    assert "gaming" in mos.reason


def test_every_judge_is_in_the_identity() -> None:
    assert ScoringChain([Breaks(), Fixed()], {}).identity == "breaks + fixed + fusion@1"


def test_silence_through_all_real_judges_is_at_the_floor_and_counted(
    make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    def never_called(spec: CheckSpec, heard: Heard) -> CheckOutcome:
        raise AssertionError("there is nothing to check")

    silence = Audio.silence(duration_s=2.0)
    turns = [make_turn(0, "You", audio=silence, text="Twelve."), make_turn(1, None, audio=silence)]
    attempt = make_attempt(turns, [[CheckSpec(name="says_not")], [CheckSpec(name="says_not"), CheckSpec(name="x")]])
    judges = [ChecksJudge(never_called), FidelityJudge(), QualityJudge([DistillMos()])]
    mos, content, *per_turn = ScoringChain(judges, {"gaming": WEIGHTS}).judge(attempt)
    for score in (mos, content):
        assert (score.value, score.failure) == (1.0, Failure.SILENT)
    assert [(s.metric, s.turn) for s in per_turn] == [("fidelity", 0), ("fidelity", 1), ("speech", 0), ("speech", 1)]
    assert all((s.value, s.status, s.failure) == (None, Status.UNSCORED, Failure.SILENT) for s in per_turn)
    assert all("digital silence" in s.reason for s in per_turn)


def test_the_judges_load_nothing_heavy_until_they_need_it() -> None:
    modules = ["chain", "checks", "fidelity", "quality", "guards", "transcribers.whisper"]
    code = "".join(f"import aqaa_eval.judges.{name};" for name in modules)
    code += "import sys; assert not {'torch', 'whisper', 'scipy', 'onnxruntime', 'jiwer'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class Meeting:
    """A slow judge that takes one conversation at a time; at a given call it waits for another judge to be at work."""

    identity = "meeting"
    metrics = ("content",)
    is_slow = True

    def __init__(self, barrier: threading.Barrier, *, call: int) -> None:
        self._barrier, self._call, self._n_calls, self._alone = barrier, call, 0, threading.Lock()

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        assert self._alone.acquire(blocking=False)
        self._n_calls += 1
        if self._n_calls == self._call:
            self._barrier.wait(timeout=60)
        self._alone.release()
        return (scored("content", 3.0),)


def test_two_slow_judges_are_at_work_on_two_conversations_at_once_and_each_on_one(attempt: Attempt) -> None:
    barrier = threading.Barrier(2)
    chain = ScoringChain([Meeting(barrier, call=2), Meeting(barrier, call=1)], {"gaming": {"content": 1.0}})
    assert chain.concurrency == 2
    with ThreadPoolExecutor(chain.concurrency) as pool:
        found = list(pool.map(chain.judge, [attempt] * 4))
    assert [scores[0].value for scores in found] == [3.0] * 4  # a judge that broke would leave none


def test_judges_that_only_count_need_no_threads_of_their_own() -> None:
    assert ScoringChain([FidelityJudge(), FidelityJudge()], {}).concurrency == 1
