"""Another take of the same words: its pace and pitch move together, its level stays, and the seed decides."""

from __future__ import annotations

import numpy as np

from aqaa_eval.reference_model.training.domain.kinds import ANY_THROAT, SAME_THROAT
from aqaa_eval.reference_model.training.variation import varied

RATE_HZ = 16_000


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def strongest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


def test_pitch_rises_by_as_much_as_the_take_gets_shorter():
    for seed in range(8):
        take = varied(tone(300.0), np.random.default_rng(seed))
        assert abs(strongest_hz(take) * len(take) / RATE_HZ - 300.0) < 2.0


def test_takes_stay_in_range_and_differ():
    lengths = {len(varied(tone(300.0), np.random.default_rng(seed))) for seed in range(40)}
    low, high = (RATE_HZ / 2 ** (s / 12) for s in reversed(ANY_THROAT))
    assert len(lengths) > 30
    assert low - 1 <= min(lengths) < max(lengths) <= high + 1
    assert max(lengths) / min(lengths) > 1.2


def test_a_voice_that_matters_is_kept():
    low, high = (RATE_HZ / 2 ** (s / 12) for s in reversed(SAME_THROAT))
    lengths = [len(varied(tone(300.0), np.random.default_rng(seed), semitones=SAME_THROAT)) for seed in range(40)]
    assert low - 1 <= min(lengths) <= max(lengths) <= high + 1


def test_the_peak_stays_and_the_same_seed_gives_the_same_take():
    sound = tone(220.0)
    first, again = (varied(sound, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert abs(np.abs(first).max() - np.abs(sound).max()) < 1e-6


def test_silence_and_nothing_stay_what_they_are():
    assert not varied(np.zeros(1600, np.float32), np.random.default_rng(0)).any()
    assert len(varied(np.zeros(0, np.float32), np.random.default_rng(0))) == 0
