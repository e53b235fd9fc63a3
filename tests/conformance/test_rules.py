"""Every rule holds for a model that keeps them all, and each is broken by a model that breaks it."""

from __future__ import annotations

import pytest

from aqaa_eval.conformance import ExamSettings, Finding, Verdict, examine
from aqaa_eval.conformance.findings import counted, is_passed
from aqaa_eval.core.errors import UsageError
from tests.conformance import unruly
from tests.conformance.unruly import Good, Plain, materials

SECRET = "sk-12345678"


def examined(kind: type, **settings: object) -> dict[str, Finding]:
    given = {
        "limit_s": 5.0,
        "grace_s": 1.0,
        "make_late": kind if issubclass(kind, Good) else None,
        "secrets": (SECRET,),
    } | settings
    findings = list(examine(kind(), materials(), ExamSettings(**given)))  # type: ignore[arg-type]
    return {finding.rule: finding for finding in findings}


def of(found: dict[str, Finding], verdict: Verdict) -> set[str]:
    return {rule for rule, finding in found.items() if finding.verdict is verdict}


def test_a_model_that_keeps_all_rules_passes_all() -> None:
    found = examined(Good)
    assert {rule: finding for rule, finding in found.items() if finding.verdict is not Verdict.HOLDS} == {}
    assert len(found) == 19
    assert is_passed(list(found.values()))


@pytest.mark.parametrize(
    ("kind", "rules", "reason"),
    [
        (unruly.Mute, {"one turn"}, "it gave no sound"),
        (unruly.Silent, {"one turn"}, "it gave silence"),
        (unruly.WithoutMemory, {"three turns"}, "turn 2: ModelError: one question at a time"),
        (unruly.AfraidOfSilence, {"silence"}, "ZeroDivisionError"),
        (unruly.Short, {"60 s of speech"}, "60 s are more than"),
        (unruly.EnglishOnly, {"asked for Chinese", "asked in Chinese"}, "UnicodeEncodeError"),
        (unruly.BreakingInTheMiddle, {"in pieces"}, "the voice broke"),
        (unruly.MixingUp, {"batch"}, "another order"),
        (unruly.LosingOne, {"batch"}, "2 answers to 3 conversations"),
        (unruly.NotAtOnce, {"several at once"}, "two at once"),
        (unruly.Crashing, {"NaN samples"}, "its process ended: ModelError: the model's process was killed"),
        (unruly.Scribbling, {"questions stay as they are"}, "it changed the samples of gaming/a#0"),
        (unruly.LateByAnotherName, {"time-out"}, "raised ValueError in place of ModelTimeout"),
        (unruly.Backwards, {"times"}, "is after total_s"),
        (unruly.Renaming, {"identity"}, "it changes"),
        (unruly.RenamedWhenMadeAgain, {"identity"}, "'model@1', then 'model@2'"),
        (unruly.Nameless, {"identity"}, "it must be a str"),
        (unruly.Telling, {"identity"}, "the value of a key or token"),
    ],
)
def test_a_model_that_breaks_a_rule_fails_that_rule_and_no_other(kind: type, rules: set[str], reason: str) -> None:
    found = examined(kind)
    assert of(found, Verdict.BROKEN) == rules, found
    for rule in rules:
        assert reason in found[rule].reason
    assert not is_passed(list(found.values()))


def test_nan_that_stays_in_a_model_is_found_by_the_question_after_it() -> None:
    found = examined(unruly.Poisoned)
    assert found["NaN samples"].verdict is Verdict.BROKEN
    assert "the question after it is not answered any more" in found["NaN samples"].reason


def test_an_answer_that_goes_on_after_close_is_not_cancelled() -> None:
    found = examined(unruly.Uncancellable, grace_s=0.5)
    assert found["cancellation"].verdict is Verdict.BROKEN
    assert "did not end within 0.5 s of close()" in found["cancellation"].reason


def test_a_model_that_does_not_answer_again_after_it_was_closed_is_not_cancelled() -> None:
    assert "it ended, and does not answer any more" in examined(unruly.DeadOnceClosed)["cancellation"].reason


def test_an_answer_long_after_the_limit_is_no_time_out() -> None:
    found = examined(unruly.Limitless, grace_s=3.0)
    assert found["time-out"].verdict is Verdict.BROKEN
    assert "although its limit was" in found["time-out"].reason


@pytest.mark.parametrize(
    ("kind", "reason"), [(unruly.NotFinite, "are NaN or infinite"), (unruly.LowRate, "needs at least 8000")]
)
def test_sound_that_a_run_would_refuse_is_refused_here(kind: type, reason: str) -> None:
    found = examined(kind)
    assert reason in found["one turn"].reason
    assert {"one turn", "three turns", "silence"} <= of(found, Verdict.BROKEN)


@pytest.mark.parametrize(
    ("kind", "rules", "reason"),
    [
        (unruly.NeedsAnswers, {"after an empty answer"}, "will be model_error"),
        (unruly.TwoRates, {"sound of the answers"}, "16000, 24000 Hz"),
        (unruly.LosingTheEnd, {"in pieces"}, "the sound differs"),
        (unruly.OwnClock, {"times"}, "more than the clock shows"),
    ],
)
def test_what_is_worth_knowing_and_no_fault_is_a_note(kind: type, rules: set[str], reason: str) -> None:
    found = examined(kind)
    assert of(found, Verdict.NOTED) == rules
    assert of(found, Verdict.BROKEN) == set()
    assert all(reason in found[rule].reason for rule in rules)


def test_a_model_whose_seed_decides_nothing_is_told_so() -> None:
    found = examined(unruly.Drawing)
    assert "the text differs" in found["repeated seed"].reason
    assert of(found, Verdict.NOTED) == {"repeated seed", "in pieces", "batch", "several at once"}


def test_what_a_model_does_not_offer_is_not_tried_and_says_why() -> None:
    found = examined(Plain, no_limit="no such setting")
    assert of(found, Verdict.NOT_TRIED) == {"in pieces", "batch", "several at once", "cancellation", "time-out"}
    assert found["time-out"].reason == "no such setting"
    assert is_passed(list(found.values()))


def test_a_batch_that_no_run_would_ask_for_is_not_tried() -> None:
    assert examined(unruly.Unbatched)["batch"].verdict is Verdict.NOT_TRIED


def test_without_a_chinese_voice_that_row_says_why_it_was_not_tried() -> None:
    put = materials(chinese=None, no_chinese="no voice for it")
    found = {row.rule: row for row in examine(Plain(), put, ExamSettings())}
    assert (found["asked in Chinese"].verdict, found["asked in Chinese"].reason) == (
        Verdict.NOT_TRIED,
        "no voice for it",
    )


def test_a_model_that_hangs_is_asked_nothing_more() -> None:
    found = examined(unruly.Hanging, limit_s=0.2, grace_s=0.5)
    assert "no answer within 0.2 s" in found["one turn"].reason
    assert found["silence"].verdict is Verdict.NOT_TRIED
    assert "still hangs in gaming/a#0" in found["silence"].reason


def test_a_model_that_leaves_the_process_does_not_take_the_exam_with_it() -> None:
    assert "it raised SystemExit" in examined(unruly.Leaving)["one turn"].reason


def test_stored_answers_are_not_blamed_for_questions_that_they_do_not_know() -> None:
    found = examined(unruly.AfraidOfSilence, is_stored=True)
    assert (found["silence"].verdict, of(found, Verdict.BROKEN)) == (Verdict.NOT_TRIED, set())
    assert "stored answers only" in found["silence"].reason


def test_a_file_that_is_taken_for_a_recording_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from aqaa_eval.conformance import enduring

    monkeypatch.setattr(enduring, "read_audio", lambda encoded, name: materials().talk.questions[0])
    found = examined(Plain)
    assert "an empty file was taken for a recording" in found["wrong file"].reason
    assert found["wrong file"].verdict is Verdict.BROKEN


def test_the_model_is_closed_at_the_end_even_if_nobody_reads_on() -> None:
    model = Good()
    rows = examine(model, materials(), ExamSettings())
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert model.n_closed == 1


def test_too_little_to_ask_is_refused() -> None:
    with pytest.raises(UsageError, match="three questions"):
        materials(others=())


def test_the_count_tells_each_kind() -> None:
    rows = [Finding(rule="a", verdict=verdict, reason="") for verdict in (Verdict.HOLDS, Verdict.HOLDS, Verdict.BROKEN)]
    assert counted(rows) == "2 hold, 1 does not hold"
