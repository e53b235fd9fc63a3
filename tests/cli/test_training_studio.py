"""The offline voices as the studio of the tiny domain: what a pair asks for is heard, and nothing is in two splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aqaa_eval.cli.training_items import held_out_pairs
from aqaa_eval.cli.training_studio import QUESTION_RATE_HZ, OfflineStudio, domain_pairs
from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.metrics.acoustics import pitch_track
from aqaa_eval.reference_model.training.domain.pairs import TRAIN, DomainPair
from aqaa_eval.reference_model.training.recipe import smoke_recipe
from aqaa_eval.reference_model.training.speech_store import Take
from aqaa_eval.tasks.speaking.performer import missing_for
from aqaa_eval.tasks.suite import BUNDLED, bundled_suite

pytestmark = pytest.mark.skipif(bool(missing_for(["en", "ja"])), reason="hibari and Kokoro are in an extra")
STUDIO = OfflineStudio()
SLOW_VOICE = "kokoro:jf_nezumi"


@pytest.fixture(scope="module")
def held_out() -> list[DomainPair]:
    return held_out_pairs(0)


@pytest.fixture(scope="module")
def plain(held_out: list[DomainPair]) -> DomainPair:
    return replace(held_out[0], asker="hibari", rate=1.0, semitones=0.0, pitch_range=1.0, snr_db=None)


def pitch_hz(take: Take) -> float:
    track = pitch_track(from_samples(take.samples, sample_rate_hz=take.sample_rate_hz))
    return float(440 * 2 ** ((np.median(track.midi[track.voiced]) - 69) / 12))


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def test_rate_and_pitch_of_a_question_are_what_the_pair_asks_for(plain: DomainPair) -> None:
    take = STUDIO.ask(plain)
    assert len(STUDIO.ask(replace(plain, rate=1.4)).samples) < 0.85 * len(take.samples)
    raised = pitch_hz(STUDIO.ask(replace(plain, semitones=4.0))) / pitch_hz(take)
    assert 12 * np.log2(raised) == pytest.approx(4.0, abs=1.0)


@pytest.mark.parametrize("snr_db", [12.0, 20.0])
def test_noise_lies_as_far_below_the_speech_as_the_pair_says(plain: DomainPair, snr_db: float) -> None:
    clean, noisy = (STUDIO.ask(replace(plain, snr_db=value)).samples for value in (None, snr_db))
    noise = noisy[: len(clean)] - clean
    loud = np.abs(clean) > 0.1 * np.abs(clean).max()
    assert level_db(clean[loud]) - level_db(noise) == pytest.approx(snr_db, abs=5.0)


def test_no_recording_of_training_is_an_item(held_out: list[DomainPair]) -> None:
    """By the hash of the sound, all of it brought to the form of a training question; a planted one is found."""
    pairs = [pair for pair in domain_pairs(smoke_recipe()) if pair.split == TRAIN]
    quick = [pair for pair in pairs if pair.asker.startswith(("hibari", "espeak", "flite"))]
    trained = {hash_of(STUDIO.ask(pair)) for pair in quick}
    assert len(trained) > 20
    asked = [pair for pair in held_out if pair.asker != SLOW_VOICE][:20]
    items = {hash_of(STUDIO.ask(pair)) for pair in asked}
    recordings = [turn.audio.load() for name in BUNDLED for s in bundled_suite(name).samples() for turn in s.turns]
    bundled = {hash_of(as_taken(recording)) for recording in recordings}
    assert len(bundled) == len(recordings) > 100
    assert trained & (items | bundled) == set()
    for planted in (STUDIO.ask(asked[0]), as_taken(recordings[0])):
        assert {*trained, hash_of(planted)} & (items | bundled)


def as_taken(recording: Audio) -> Take:
    """A recording as if it had been asked in training."""
    samples = recording.resampled(QUESTION_RATE_HZ).samples
    return Take(samples=samples, sample_rate_hz=QUESTION_RATE_HZ, phonemes="")


def hash_of(take: Take) -> str:
    return from_samples(take.samples, sample_rate_hz=take.sample_rate_hz).content_hash
