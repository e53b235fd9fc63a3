"""Measurements of a voice against what it was made with."""

from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.metrics.acoustics import (
    count_syllables,
    longest_steady_s,
    measure_delivery,
    pauses,
    speech_level_dbfs,
    sung_notes,
)

TEXT = "The morning train to Boston leaves from platform nine."


def measured(heard):
    return measure_delivery(heard.audio, text=heard.text, language="en")


def test_rate_level_and_pitch_move_as_the_voice_was_moved(speak):
    plain = measured(speak(TEXT))
    assert measured(speak(TEXT, rate=1.5)).syllables_per_s / plain.syllables_per_s == pytest.approx(1.5, rel=0.12)
    assert measured(speak(TEXT, gain_db=-6)).level_dbfs - plain.level_dbfs == pytest.approx(-6.0, abs=0.3)
    higher = measured(speak(TEXT, semitones=4))
    assert 12 * np.log2(higher.pitch_hz / plain.pitch_hz) == pytest.approx(4.0, abs=0.7)


def test_sung_notes_are_found_within_a_fifth_of_a_semitone(sing):
    notes = [note.midi for note in sung_notes(sing((60, 64, 67)).audio)]
    assert notes == pytest.approx([60, 64, 67], abs=0.2)


def test_the_level_is_that_of_the_speech_alone(speak, join):
    alone = speak(TEXT)
    with_silence = join([4.0, alone, 4.0], TEXT)
    assert speech_level_dbfs(with_silence.audio) == pytest.approx(speech_level_dbfs(alone.audio), abs=0.5)


def test_a_pause_has_its_length(speak, join):
    (pause,) = pauses(join([speak("Yes."), 1.0, speak("No.")], "Yes. No.").audio)
    assert pause.duration_s == pytest.approx(1.5, abs=0.6)  # the voice's own silence around words comes on top


@pytest.mark.parametrize("make", [np.zeros, lambda n: 0.01 * np.random.default_rng(0).standard_normal(n)])
def test_silence_and_noise_have_nothing_to_measure(make):
    audio = from_samples(make(32_000), sample_rate_hz=16_000)
    assert sung_notes(audio) == ()
    delivery = measure_delivery(audio, text="", language="en")
    assert delivery.span_s == delivery.longest_pause_s == 0.0
    assert (
        delivery.level_dbfs is delivery.pitch_hz is delivery.pitch_range_semitones is delivery.syllables_per_s is None
    )


def test_vibrato_is_steady_and_a_glide_is_not():
    times = np.arange(32_000) / 16_000

    def tone(midi: np.ndarray) -> Audio:
        phase = 2 * np.pi * np.cumsum(440 * 2 ** ((midi - 69) / 12)) / 16_000
        wave = sum(np.sin(k * phase) / k for k in range(1, 8))
        return from_samples(0.1 * wave, sample_rate_hz=16_000)

    assert longest_steady_s(tone(60 + 0.5 * np.sin(2 * np.pi * 5 * times)), cents=50) > 1.5
    assert longest_steady_s(tone(60 + 4 * times), cents=50) < 0.5


def test_syllables_of_common_words_are_counted_as_people_do():
    counted = {"apple": 2, "time": 1, "banana": 3, "rhythm": 1, "coffee": 2, "table": 2, "eye": 1}
    assert {word: count_syllables(word, language="en") for word in counted} == counted
