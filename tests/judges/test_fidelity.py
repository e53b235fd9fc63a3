"""Speech against the model's own text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from aqaa_eval.core.attempt import Attempt, SecondHearing, Status, TurnAttempt
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


def _two_ears(turn: TurnAttempt, second: str) -> TurnAttempt:
    assert turn.transcript is not None
    hearing = SecondHearing(asr="other", text=second)
    return replace(turn, transcript=replace(turn.transcript, second=hearing))


def test_what_both_ears_hear_was_said_and_what_one_hears_was_misheard(
    make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    # "train" became "plane" in both ears; "early" became "yearly" in the first one alone.
    turn = make_turn(0, "take the yearly plane", text="Take the early train.")
    scores = FidelityJudge().judge(make_attempt([_two_ears(turn, "take the early plane")], [[]]))
    assert [(score.metric, score.value, score.weight) for score in scores] == [
        ("fidelity", 0.5, 4.0),
        ("said_otherwise", 0.25, 4.0),
        ("misheard", 0.25, 4.0),
    ]
    assert scores[1].reason == "both ears heard 'plane' for 'train'"
    assert scores[2].reason == "only the first ear heard 'yearly' for 'early'"


def test_the_two_parts_add_up_and_errors_of_the_second_ear_alone_count_nowhere(
    make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    turn = _two_ears(make_turn(0, "a a c d d", text="a b c d e"), "a a x d")
    whole, said, misheard = FidelityJudge().judge(make_attempt([turn], [[]]))
    assert whole.value == pytest.approx((said.value or 0) + (misheard.value or 0))
    assert (said.value, misheard.value) == (pytest.approx(1 / 5), pytest.approx(1 / 5))


def test_a_turn_that_only_one_ear_heard_has_no_parts(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    turns = [_two_ears(make_turn(0, "yes", text="yes"), "yes"), make_turn(1, "はい", text="はい", language="ja")]
    scores = FidelityJudge().judge(make_attempt(turns, [[], []]))
    by_turn = {(score.turn, score.metric): score for score in scores}
    assert by_turn[0, "misheard"].value == 0.0
    assert by_turn[0, "said_otherwise"].reason == "both ears heard nothing else"
    assert by_turn[1, "fidelity"].value == 0.0
    assert by_turn[1, "misheard"].value is None
    assert by_turn[1, "misheard"].reason == "the second ear does not hear ja"
