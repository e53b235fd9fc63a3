"""What a judge gets to know: the channel that is judged, doubts, measurements, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from aqaa_eval.core.attempt import Attempt, Doubt, SecondHearing, Transcript, TurnAttempt, Word
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.case import NothingToRead, make_case, uncertain_words
from aqaa_eval.judges.prompt import build_prompt
from aqaa_eval.judges.rubric import load_rubric
from tests.judges.builders import conversation

HEARD = Transcript(
    text="Platform nine at four.",
    language="en",
    confidence=0.8,
    asr="first",
    words=(
        Word(text=" Platform", start_s=0.0, end_s=0.4, confidence=0.9),
        Word(text=" four", start_s=0.8, end_s=1.0, confidence=0.3),
    ),
    second=SecondHearing(
        asr="second", text="Platform night at four.", doubts=(Doubt(start=9, end=13, instead="night"),)
    ),
)


def with_turn(attempt: Attempt, **changes: object) -> Attempt:
    turns: list[TurnAttempt] = [replace(attempt.turns[0], **changes), *attempt.turns[1:]]  # type: ignore[arg-type]
    return replace(attempt, turns=tuple(turns))


def test_doubts_of_either_recogniser_are_told() -> None:
    assert uncertain_words(HEARD) == ("nine (or: night)", "four")
    assert uncertain_words(None) == ()


def test_doubts_stand_in_the_prompt_as_data() -> None:
    case = make_case(with_turn(conversation(["x"]), transcript=HEARD), channel="audio", measures_sound=False)
    rubric = load_rubric("gaming")
    text = build_prompt(case, rubric, rubric.scales).user
    block = text[text.index("<<data") : text.index("<<end")]
    assert 'turn 1, uncertain words: "nine (or: night), four"' in block


def test_the_text_channel_reads_what_was_written_and_has_no_doubts() -> None:
    attempt = with_turn(conversation(["Platform nine."]), transcript=HEARD)
    [turn] = make_case(attempt, channel="text", measures_sound=False).turns
    assert (turn.answer, turn.uncertain) == ("Platform nine.", ())


def test_an_answer_without_words_on_the_channel_is_nothing_to_read() -> None:
    untranscribed = with_turn(conversation(["x"]), transcript=None)
    with pytest.raises(NothingToRead, match="--asr"):
        make_case(untranscribed, channel="audio", measures_sound=False)


def test_a_question_without_words_needs_a_reference() -> None:
    def wordless(attempt: Attempt) -> Attempt:
        turns = tuple(replace(turn, text="") for turn in attempt.sample.turns)
        return replace(attempt, sample=replace(attempt.sample, turns=turns))

    with pytest.raises(NothingToRead, match="the question's words are not known"):
        make_case(wordless(conversation(["x"])), channel="audio", measures_sound=False)
    case = make_case(wordless(conversation(["x"], reference="y")), channel="audio", measures_sound=False)
    rubric = load_rubric("gaming")
    assert "(the words are not known)" in build_prompt(case, rubric, rubric.scales).user


def test_a_flag_on_the_answer_is_told_and_a_missing_answer_is_no_flag() -> None:
    clipped = make_case(with_turn(conversation(["x"]), failure=Failure.CLIPPED), channel="audio", measures_sound=False)
    assert clipped.turns[0].flags == ("clipped",)
    silent = make_case(with_turn(conversation(["x"]), failure=Failure.SILENT), channel="audio", measures_sound=False)
    assert (silent.turns[0].flags, silent.is_empty) == ((), True)


def test_the_change_against_the_turn_before_is_measured(speak: Callable[[str], Audio]) -> None:
    words = "The morning train to Boston leaves from platform nine."
    spoken = speak(words)
    slow = Audio(samples=spoken.samples, sample_rate_hz=round(spoken.sample_rate_hz * 0.7)).resampled(24_000)
    attempt = conversation([words, words], audio=spoken)
    second = attempt.turns[1]
    assert second.response is not None
    attempt = replace(attempt, turns=(attempt.turns[0], replace(second, response=replace(second.response, audio=slow))))
    first, then = make_case(attempt, channel="audio", measures_sound=True).turns
    assert "against the turn before" not in first.measured
    assert "% slower" in then.measured
    assert "semitones lower" in then.measured
