"""Every check on real synthesised speech, heard by a recogniser: an answer that passes it and one that fails it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from aqaa_eval.catalog import make_transcriber
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.checking import Heard
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.sample import CheckSpec
from aqaa_eval.core.weights import is_present
from aqaa_eval.tasks.checks import CHECKS, evaluate
from aqaa_eval.tasks.speaking.performer import missing_for, perform

TWELVE = "The answer is twelve."
COLOURS = "Red, blue and green."
COUNTDOWN = "Three, two, one, go!"
FOX = "The red fox sleeps in the barn."
TALE = "Once upon a time there was a fox."
RAIN = "It rains. I stay at home."
TRAIN = Phrase(say="The morning train to Boston leaves from platform nine.")


def changed(**manner: object) -> Phrase:
    return TRAIN.model_copy(update=manner)


def sung(*notes: int, note_s: float = 0.6) -> Phrase:
    return Phrase(say=" ".join(["la"] * len(notes)), notes=notes, note_s=note_s)


# arguments, an answer that passes, one that fails
WORDS: dict[str, tuple[Mapping[str, Any], str, str]] = {
    "says_number": ({"value": 12}, TWELVE, COUNTDOWN),
    "says_one_of": ({"words": ("twelve", "thirteen")}, TWELVE, COUNTDOWN),
    "says_all_of": ({"words": ("red", "blue")}, COLOURS, FOX),
    "says_at_least": ({"words": ("red", "green", "white"), "n": 2}, COLOURS, FOX),
    "says_in_order": ({"words": ("3", "2", "1")}, COUNTDOWN, COLOURS),
    "avoids_words": ({"words": ("fox",)}, COLOURS, FOX),
    "exactly_words": ({"n": 4}, TWELVE, FOX),
    "answers_exactly": ({"words": ("it is alive", "is it alive")}, "Is it alive?", TWELVE),
    "at_most_words": ({"n": 5}, TWELVE, FOX),
    "at_least_words": ({"n": 6}, FOX, TWELVE),
    "exactly_sentences": ({"n": 2}, RAIN, TWELVE),
    "at_most_sentences": ({"n": 1}, TWELVE, RAIN),
    "lists_items": ({"n": 3}, COLOURS, TWELVE),
    "begins_with": ({"text": "once upon a time"}, TALE, FOX),
    "ends_with": ({"text": "in the barn"}, FOX, TALE),
    "asks_question": ({}, "Is it alive?", TWELVE),
    "language_is": ({"language": "en"}, TALE, "今日はとてもいい天気ですね。"),
    "repeats_verbatim": ({"text": "the red fox sleeps in the barn"}, FOX, TALE),
    "spells": ({"word": "rhyme"}, "R, H, Y, M, E.", FOX),
    "says_rhymes_with": ({"word": "light", "n": 2}, "Night and kite.", COLOURS),
    "lines_rhyme": ({}, "My cat sat on the mat, and wore a funny hat.", FOX),
    "says_palindrome": ({"min_letters": 5}, "The floor is level.", TWELVE),
    "chains_from": ({"word": "elephant"}, "Tiger.", COLOURS),
    "words_begin_with": ({"letter": "b"}, "Big brown bears bake bread.", TWELVE),
}


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One check of delivery: what passes, what fails, after what."""

    right: tuple[Phrase, ...]
    wrong: tuple[Phrase, ...] = (TRAIN,)
    before: Phrase | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


LIVELY = {"rate": 1.3, "gain_db": 5.0, "semitones": 3.0, "pitch_range": 1.5}
CALM = {"rate": 0.75, "gain_db": -5.0, "semitones": -3.0, "pitch_range": 0.6}
ONES = tuple(Phrase(say="One.", pause_s=pause_s) for pause_s in (0, 0.4, 0.4, 0.4))
WINNER = (Phrase(say="The winner is."), Phrase(say="Maria!", pause_s=2))
UNEVEN = tuple(Phrase(say="One.", pause_s=pause_s) for pause_s in (0, 0.1, 1.4, 0.2))

DELIVERY: dict[str, Voice] = {
    "faster_than_before": Voice(right=(changed(rate=1.4),), before=TRAIN),
    "slower_than_before": Voice(right=(changed(rate=0.7),), before=TRAIN),
    "louder_than_before": Voice(right=(changed(gain_db=6.0),), before=TRAIN),
    "softer_than_before": Voice(right=(changed(gain_db=-6.0),), before=TRAIN),
    "higher_than_before": Voice(right=(changed(semitones=4.0),), before=TRAIN),
    "lower_than_before": Voice(right=(changed(semitones=-4.0),), before=TRAIN),
    "livelier_than_before": Voice(right=(changed(**LIVELY),), before=TRAIN),
    "calmer_than_before": Voice(right=(changed(**CALM),), before=TRAIN),
    "rate_at_most": Voice(right=(changed(rate=0.7),), params={"syllables_per_s": 4}),
    "rate_at_least": Voice(right=(changed(rate=1.4),), params={"syllables_per_s": 5.5}),
    "whispers": Voice(right=(changed(whisper=True),)),
    "level_at_least": Voice(right=(changed(gain_db=6.0),), params={"dbfs": -27}),
    "level_at_most": Voice(right=(changed(gain_db=-8.0),), params={"dbfs": -36}),
    "pitch_at_least": Voice(right=(changed(semitones=5.0),), params={"hz": 230}),
    "pitch_at_most": Voice(right=(changed(semitones=-5.0),), params={"hz": 150}),
    "monotone": Voice(right=(changed(pitch_range=0.0),)),
    "pause_at_least": Voice(right=WINNER, params={"seconds": 2}),
    "at_most_seconds": Voice(right=(Phrase(say="Yes."),), params={"seconds": 1.5}),
    "at_least_seconds": Voice(right=(TRAIN,), wrong=(Phrase(say="Yes."),), params={"seconds": 2}),
    "melody_follows": Voice(right=(sung(60, 62, 64, 65),), params={"intervals": (2, 2, 1)}),
    "holds_pitch": Voice(right=(sung(64, note_s=1.5),), params={"seconds": 0.8}),
    "steady_beat": Voice(right=ONES, wrong=UNEVEN, params={"beats": 4}),
}


@cache
def sound(phrases: tuple[Phrase, ...], language: str = "en") -> Audio:
    lacking = missing_for([language])
    if lacking:
        pytest.skip(f"no voice for {language}: {'; '.join(lacking)}")
    return perform(phrases, language=language)


@cache
def heard(text: str) -> Heard:
    """A text spoken, and what the recogniser made of it: not one word is taken from the text itself."""
    audio = sound((Phrase(say=text),), "en" if text.isascii() else "ja")
    transcriber = make_transcriber("whisper:base")
    assert transcriber is not None
    (found,) = transcriber.transcribe([Clip(audio=audio)])
    return Heard(text=found.text, language=found.language, audio=audio, words=found.words)


def test_every_check_is_tested_on_speech():
    assert set(WORDS) | set(DELIVERY) == set(CHECKS)
    assert {name for name, check in CHECKS.items() if check.part == "content"} == set(WORDS)


@pytest.mark.skipif(not is_present("whisper:base"), reason="whisper:base is not here: aqaa-eval fetch whisper:base")
@pytest.mark.parametrize("name", WORDS)
def test_words_that_are_heard_pass_or_fail(name):
    params, right, wrong = WORDS[name]
    spec = CheckSpec(name=name, params=params)
    for text, passes in ((right, True), (wrong, False)):
        outcome = evaluate(spec, heard(text))
        assert outcome.passed is passes, f"heard {heard(text).text!r}: {outcome.measured}"


@pytest.mark.parametrize("name", DELIVERY)
def test_a_voice_passes_or_fails(name):
    case = DELIVERY[name]
    previous = spoken((case.before,)) if case.before else None
    spec = CheckSpec(name=name, params=case.params)
    for phrases, passes in ((case.right, True), (case.wrong, False)):
        outcome = evaluate(spec, spoken(phrases, previous))
        assert outcome.passed is passes, outcome.measured


def spoken(phrases: tuple[Phrase, ...], previous: Heard | None = None) -> Heard:
    words = " ".join(phrase.say for phrase in phrases)
    return Heard(text=words, language="en", audio=sound(phrases), previous=previous)
