"""The two pitch trackers agree on a voice, and the choice between them is told."""

from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UnknownName
from aqaa_eval.core.performance import Phrase
from aqaa_eval.metrics.acoustics import measure_delivery
from aqaa_eval.metrics.praat_pitch import VARIABLE, praat_pitch_hz
from aqaa_eval.tasks.checks import VERSION, identity

pytest.importorskip("parselmouth", reason="Praat is in the extra acoustic")


def test_praat_finds_the_pitch_of_a_tone_and_none_in_silence():
    times_s = np.arange(24_000) / 24_000
    tone = Audio(samples=(0.3 * np.sin(2 * np.pi * 220 * times_s)).astype(np.float32), sample_rate_hz=24_000)
    places = np.array([0.3, 0.5])
    assert praat_pitch_hz(tone, places, floor_hz=75, ceiling_hz=500) == pytest.approx([220, 220], abs=1)
    assert not praat_pitch_hz(Audio.silence(duration_s=1), places, floor_hz=75, ceiling_hz=500).any()


def test_both_trackers_hear_one_voice_alike(monkeypatch):
    pytest.importorskip("hibari", reason="the test voice is hibari-tts")
    from aqaa_eval.tasks.speaking.performer import perform

    words = "The morning train to Boston leaves from platform nine."
    found = {}
    for tracker in ("swift-f0", "praat"):
        monkeypatch.setenv(VARIABLE, tracker)
        audio = perform([Phrase(say=words)], language="en")  # a new one: what is measured of an Audio is remembered
        found[tracker] = measure_delivery(audio, text=words, language="en")
    assert 12 * np.log2(found["praat"].pitch_hz / found["swift-f0"].pitch_hz) == pytest.approx(0, abs=1)


def test_the_choice_is_part_of_the_checks_identity(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert identity() == VERSION
    monkeypatch.setenv(VARIABLE, "praat")
    assert identity() == f"{VERSION}+praat"


def test_an_unknown_tracker_is_refused_with_the_names(monkeypatch):
    monkeypatch.setenv(VARIABLE, "prat")
    with pytest.raises(UnknownName, match="did you mean praat"):
        identity()
