"""Speech against the model's own text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aqaa_eval.core.attempt import Attempt, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.fidelity import FidelityJudge

MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]


def test_errors_are_counted_against_the_models_text(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    turns = [make_turn(0, "it is 12 now", text="It is twelve."), make_turn(1, "yes", text="Yes!")]
    first, second = FidelityJudge().judge(make_attempt(turns, [[], []]))
    assert (first.metric, first.turn) == ("fidelity", 0)
    assert first.value == pytest.approx(1 / 3)
    assert first.weight == 3.0
    assert first.reason == "1 errors in 3 words: 0 substituted, 0 left out, 1 added"
    assert second.value == 0.0


def test_chinese_is_counted_by_characters(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    turn = make_turn(0, "我有三个平果", text="我有三個蘋果。", language="zh")
    [score] = FidelityJudge().judge(make_attempt([turn], [[]], language="zh"))
    assert score.value == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("turn", "status", "words"),
    [
        ({"text": None}, Status.UNSCORED, "gives no text"),
        ({"text": "...", "heard": "um"}, Status.UNSCORED, "holds no words"),
        ({"text": "yes", "heard": None}, Status.UNSCORED, "not transcribed"),
        ({"text": "yes", "heard": "", "audio": Audio.silence(duration_s=1)}, Status.UNSCORED, "digital silence"),
        ({"text": "yes", "heard": None, "failure": Failure.ASR_FAILED, "detail": "gone"}, Status.FAILED, "gone"),
    ],
)
def test_without_text_or_answer_there_is_a_reason(
    make_turn: MakeTurn, make_attempt: MakeAttempt, turn: dict[str, object], status: Status, words: str
) -> None:
    [score] = FidelityJudge().judge(make_attempt([make_turn(0, **turn)], [[]]))
    assert (score.value, score.status) == (None, status)
    assert words in score.reason
