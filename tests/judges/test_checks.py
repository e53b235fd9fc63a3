"""The checks judge: arithmetic by hand, and that no missing answer is ever rewarded or lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aqaa_eval.core.attempt import Attempt, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.sample import CheckSpec
from aqaa_eval.judges.checks import ChecksJudge

MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]

SAYS = CheckSpec(name="says", params={"word": "twelve"})
SAYS_NOT = CheckSpec(name="says_not", params={"word": "sorry"})
LONGER = CheckSpec(name="longer_than_before", part="delivery")
SILENCE = Audio.silence(duration_s=1.0)


def evaluate(spec: CheckSpec, heard: Heard) -> CheckOutcome:
    """Three small checks, enough to see what the judge does with them."""
    if spec.name == "longer_than_before":
        if heard.previous is None:
            return CheckOutcome(passed=False, measured="no answer before")
        before, now = heard.previous.audio.duration_s, heard.audio.duration_s
        return CheckOutcome(passed=now > before, measured=f"{now} s against {before} s")
    if spec.name == "breaks":
        raise ZeroDivisionError("no syllables")
    is_said = str(spec.params["word"]) in heard.text
    return CheckOutcome(passed=is_said is (spec.name == "says"), measured=heard.text)


def test_the_score_is_one_plus_four_times_the_share(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    attempt = make_attempt([make_turn(0, "twelve"), make_turn(1, "sorry")], [[SAYS, SAYS_NOT], [SAYS, SAYS_NOT]])
    [score] = ChecksJudge(evaluate).judge(attempt)
    assert score.metric == "content"
    assert score.value == pytest.approx(1 + 4 * 2 / 4)
    assert [item.passed for item in score.evidence] == [True, True, False, False]
    assert [item.turn for item in score.evidence] == [0, 0, 1, 1]
    assert score.evidence[0].name == "says(word=twelve)"
    assert score.failure is None


def test_delivery_is_scored_apart_and_only_if_it_is_asked_for(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    longer = make_turn(1, "twelve", audio=make_turn(0).response.audio.resampled(8000))
    attempt = make_attempt([make_turn(0), longer], [[SAYS], [LONGER]])
    content, delivery = ChecksJudge(evaluate).judge(attempt)
    assert (content.metric, content.value) == ("content", 5.0)
    assert (delivery.metric, delivery.value) == ("delivery", 1.0)
    assert delivery.evidence[0].measured == "0.5 s against 0.5 s"
    assert [score.metric for score in ChecksJudge(evaluate).judge(make_attempt([make_turn(0)], [[SAYS]]))] == [
        "content"
    ]


@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        ({"audio": SILENCE, "heard": ""}, Failure.SILENT),
        ({"audio": SILENCE, "heard": "twelve"}, Failure.SILENT),  # an ASR that makes up words for silence
        ({"audio": SILENCE, "heard": None}, Failure.SILENT),  # nothing was transcribed at all
        ({"audio": None, "heard": None}, Failure.NO_AUDIO),
        ({"heard": "", "failure": Failure.ASR_EMPTY}, Failure.ASR_EMPTY),
        ({"heard": "", "failure": Failure.ASR_HALLUCINATED}, Failure.ASR_HALLUCINATED),
    ],
)
def test_a_silent_answer_is_at_the_floor_even_where_saying_nothing_was_asked(
    make_turn: MakeTurn, make_attempt: MakeAttempt, turn: dict[str, object], failure: Failure
) -> None:
    attempt = make_attempt([make_turn(0, **turn)], [[SAYS_NOT, LONGER]])
    scores = ChecksJudge(evaluate).judge(attempt)
    assert [score.metric for score in scores] == ["content", "delivery"]  # neither is dropped
    for score in scores:
        assert score.value == 1.0
        assert score.failure is failure
        assert str(failure).replace("_", " ") in score.reason
        assert all(not item.passed for item in score.evidence)
        assert score.evidence[0].measured.startswith(str(failure).replace("_", " ") + ": ")


@pytest.mark.parametrize("failure", [Failure.ASR_EMPTY, Failure.ASR_HALLUCINATED])
def test_a_hummed_melody_counts_although_no_word_was_heard(
    make_turn: MakeTurn, make_attempt: MakeAttempt, failure: Failure
) -> None:
    hums = CheckSpec(name="hums", part="delivery")
    judge = ChecksJudge(
        lambda spec, heard: CheckOutcome(passed=heard.text == "", measured=f"{heard.audio.duration_s:g} s"),
        wordless=frozenset({"hums"}),
    )
    content, delivery = judge.judge(make_attempt([make_turn(0, "", failure=failure)], [[SAYS, hums, LONGER]]))
    assert content.value == 1.0
    assert [item.passed for item in delivery.evidence] == [True, False]
    assert delivery.evidence[0].measured == "0.5 s"
    silent = judge.judge(make_attempt([make_turn(0, "", audio=SILENCE)], [[hums]]))
    assert [score.value for score in silent] == [1.0]


def test_one_silent_turn_fails_its_own_checks_only(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    turns = [make_turn(0, "twelve"), make_turn(1, "", audio=SILENCE), make_turn(2, "twelve")]
    content, delivery = ChecksJudge(evaluate).judge(make_attempt(turns, [[SAYS], [SAYS_NOT], [SAYS, LONGER]]))
    assert content.value == pytest.approx(1 + 4 * 2 / 3)
    assert content.failure is None
    assert "turn 2: silent: digital silence" in content.reason
    assert delivery.evidence[0].measured == "no answer before"


@pytest.mark.parametrize("failure", [Failure.MODEL_ERROR, Failure.TIMEOUT, Failure.ASR_FAILED, Failure.BAD_INPUT])
def test_a_break_of_the_system_has_no_value(make_turn: MakeTurn, make_attempt: MakeAttempt, failure: Failure) -> None:
    broken = TurnAttempt(index=1, response=None, failure=failure, detail="connection reset")
    scores = ChecksJudge(evaluate).judge(make_attempt([make_turn(0), broken], [[SAYS, LONGER], [SAYS]]))
    assert [score.metric for score in scores] == ["content", "delivery"]
    for score in scores:
        assert (score.value, score.status, score.failure) == (None, Status.FAILED, failure)
        assert "turn 2" in score.reason
        assert "connection reset" in score.reason


def test_a_turn_that_was_never_asked_is_a_break_too(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    [score] = ChecksJudge(evaluate).judge(make_attempt([make_turn(0)], [[SAYS], [SAYS]]))
    assert score.status is Status.FAILED


def test_without_asr_sound_is_unscored_and_silence_still_at_the_floor(
    make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    judge = ChecksJudge(evaluate)
    [score] = judge.judge(make_attempt([make_turn(0, None)], [[SAYS]]))
    assert (score.value, score.status) == (None, Status.UNSCORED)
    assert "not transcribed" in score.reason
    [score] = judge.judge(make_attempt([make_turn(0, None, audio=SILENCE)], [[SAYS]]))
    assert score.value == 1.0


def test_the_text_channel_reads_what_the_model_wrote(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    judge = ChecksJudge(evaluate, channel="text")
    [score] = judge.judge(make_attempt([make_turn(0, "misheard", text="twelve")], [[SAYS]]))
    assert score.value == 5.0
    content, delivery = judge.judge(make_attempt([make_turn(0, "", audio=SILENCE, text="twelve")], [[SAYS, LONGER]]))
    assert (content.value, delivery.value) == (5.0, 1.0)
    [score] = judge.judge(make_attempt([make_turn(0, "twelve")], [[SAYS]]))
    assert (score.value, score.status) == (None, Status.UNSCORED)
    assert "gives no text" in score.reason


def test_a_check_that_breaks_is_a_failed_score_with_its_name(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    breaks = CheckSpec(name="breaks")
    [score] = ChecksJudge(evaluate).judge(make_attempt([make_turn(0)], [[SAYS, breaks]]))
    assert (score.value, score.status) == (None, Status.FAILED)
    assert "breaks()" in score.reason
    assert "ZeroDivisionError: no syllables" in score.reason


def test_a_sample_without_checks_is_unscored(make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    [score] = ChecksJudge(evaluate).judge(make_attempt([make_turn(0)], [[]]))
    assert (score.metric, score.value, score.status) == ("content", None, Status.UNSCORED)


def test_channel_and_version_are_in_the_identity() -> None:
    names = {ChecksJudge(evaluate, channel=c, version=v).identity for c in ("audio", "text") for v in ("1", "2")}
    assert len(names) == 4
