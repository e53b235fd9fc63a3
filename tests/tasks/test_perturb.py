"""Worse conditions: each does what it says, by measurement, and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.core.errors import AudioError, UnknownName, UsageError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import AudioFile, Sample, Turn
from aqaa_eval.tasks import degrade
from aqaa_eval.tasks.perturb import NOISES, PerturbedSuite, parse_perturbations, perturb
from aqaa_eval.tasks.suite import FolderSuite, bundled_suite

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def question() -> Audio:
    """Real synthesised speech, with a second of silence behind it."""
    audio = bundled_suite("gaming").conversations[0].turns[0].audio
    assert audio is not None
    samples = audio.load().resampled(RATE_HZ).samples
    return Audio(samples=np.concatenate([samples, np.zeros(RATE_HZ, np.float32)]), sample_rate_hz=RATE_HZ)


def changed(question: Audio, *texts: str, seed: int = 1) -> Audio:
    return perturb(question, parse_perturbations(texts), seed=seed, talkers=lambda rate_hz: [talk(rate_hz)])


def talk(rate_hz: int) -> np.ndarray:
    audio = bundled_suite("singing").conversations[0].turns[0].audio
    assert audio is not None
    return audio.load().resampled(rate_hz).samples


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean() + 1e-20))


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr_db", [20, 5, -5])
def test_noise_stands_at_the_ratio_that_was_asked_for(question, kind, snr_db):
    noisy = changed(question, f"noise:{snr_db}dB:{kind}").samples
    scale = np.dot(noisy, question.samples) / np.dot(question.samples, question.samples)
    speech_db = 20 * np.log10(degrade.active_rms(question.samples, RATE_HZ))
    noise = noisy / scale - question.samples
    assert speech_db - level_db(noise) == pytest.approx(snr_db, abs=0.5)
    assert np.abs(noisy).max() <= 1.0


def test_pauses_do_not_count_in_the_level_of_speech(question):
    longer = np.concatenate([question.samples, np.zeros(RATE_HZ * 5, np.float32)])
    assert degrade.active_rms(longer, RATE_HZ) == pytest.approx(degrade.active_rms(question.samples, RATE_HZ))


def test_a_telephone_passes_its_band_alone():
    t_s = np.arange(RATE_HZ) / RATE_HZ
    kept = {}
    for frequency_hz in (100, 1000, 3000, 5000):
        tone = Audio(samples=(0.5 * np.sin(2 * np.pi * frequency_hz * t_s)).astype(np.float32), sample_rate_hz=RATE_HZ)
        kept[frequency_hz] = level_db(changed(tone, "telephone").samples) - level_db(tone.samples)
    assert abs(kept[1000]) < 1
    assert abs(kept[3000]) < 2
    assert kept[100] < -25
    assert kept[5000] < -25


def test_a_room_smears_speech_into_the_silence_behind_it_for_as_long_as_said(question):
    short, long = (changed(question, f"reverb:{rt60_s}s") for rt60_s in (0.2, 1.5))
    end = len(question.samples) - RATE_HZ
    after = slice(end + RATE_HZ // 4, end + RATE_HZ // 2)
    assert level_db(long.samples[after]) > level_db(short.samples[after]) + 20
    assert len(long.samples) == len(question.samples) + round(1.5 * RATE_HZ)
    response = degrade.room_response(0.6, RATE_HZ, np.random.default_rng(0))
    energy = np.cumsum(np.square(response[::-1]))[::-1]
    at = round(0.3 * RATE_HZ)  # Schroeder's curve falls by 30 dB in half of the time
    assert 10 * np.log10(energy[at] / energy[round(0.02 * RATE_HZ)]) == pytest.approx(-28, abs=4)


@pytest.mark.parametrize("percent", [0, 10, 50])
def test_packets_of_20_ms_are_lost_in_the_share_that_was_asked_for(percent):
    sound = Audio(samples=np.full(RATE_HZ * 2, 0.5, np.float32), sample_rate_hz=RATE_HZ)
    frames = changed(sound, f"packet-loss:{percent}%").samples.reshape(-1, 320)
    assert set(map(float, np.unique(frames))) <= {0.0, 0.5}
    assert all(frame.all() or not frame.any() for frame in frames)
    assert sum(not frame.any() for frame in frames) == percent


def test_clipping_flattens_the_share_of_samples_that_was_asked_for(question):
    loud = question.samples[np.abs(question.samples) > 0]
    sound = Audio(samples=loud, sample_rate_hz=RATE_HZ)
    flat = np.abs(changed(sound, "clipping:5%").samples) >= 0.9999
    assert flat.mean() == pytest.approx(0.05, abs=0.005)


def test_gain_and_speed_do_what_they_say(question):
    softer = changed(question, "gain:-20dB").samples
    assert level_db(question.samples) - level_db(softer) == pytest.approx(20, abs=0.01)
    assert np.abs(changed(question, "gain:40dB").samples).max() == 1.0
    assert changed(question, "speed:1.25x").duration_s == pytest.approx(question.duration_s / 1.25, abs=0.001)
    t_s = np.arange(RATE_HZ) / RATE_HZ
    tone = Audio(samples=np.sin(2 * np.pi * 400 * t_s).astype(np.float32), sample_rate_hz=RATE_HZ)
    frequencies, power = signal.periodogram(changed(tone, "speed:0.5x").samples, RATE_HZ)
    assert frequencies[np.argmax(power)] == pytest.approx(200, abs=1)


def test_pink_noise_has_less_treble_than_white(question):
    white, pink = (changed(question, f"noise:0dB:{kind}").samples - 0 for kind in ("white", "pink"))
    shares = []
    for samples in (white, pink):
        frequencies, power = signal.welch(samples[-RATE_HZ:], RATE_HZ)  # the silence, where the noise is alone
        shares.append(power[frequencies > 4000].sum() / power.sum())
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[1] < 0.25


@pytest.mark.parametrize("text", ["noise:10dB", "noise:10dB:pink", "noise:10dB:babble", "reverb", "packet-loss:20%"])
def test_the_seed_alone_decides_what_is_drawn(question, text):
    first, again, other = (changed(question, text, seed=seed) for seed in (1, 1, 2))
    assert first.content_hash == again.content_hash
    assert first.content_hash != other.content_hash


def test_changes_are_made_in_the_order_given(question):
    one = changed(question, "gain:-30dB", "noise:10dB")
    other = changed(question, "noise:10dB", "gain:-30dB")
    assert level_db(one.samples) - level_db(other.samples) < 1  # the noise follows the softer speech
    assert one.content_hash != other.content_hash


def test_noise_on_a_silent_question_is_a_reason_and_no_number():
    silent = Audio.silence(duration_s=1.0, sample_rate_hz=RATE_HZ)
    with pytest.raises(AudioError, match="the question is silent"):
        changed(silent, "noise:10dB")
    with pytest.raises(AudioError, match="babble is made of the suite's other questions"):
        perturb(silent, parse_perturbations(["noise:10dB:babble"]), seed=0)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("nois:10dB", UnknownName, "no perturbation named 'nois'; did you mean noise"),
        ("noise", UsageError, "say how much, such as noise:10dB"),
        ("noise:loud", UsageError, "'loud' is no number of dB; write it as noise:10dB"),
        ("noise:10s", UsageError, "'10s' is no number of dB"),
        ("noise:10dB:brown", UsageError, "no noise named 'brown'; there is white, pink, babble"),
        ("noise:90dB", UsageError, "90 dB is outside -20 to 60 dB"),
        ("packet-loss:120%", UsageError, "120 % is outside 0 to 90 %"),
        ("speed:0x", UsageError, "0 x is outside 0.5 to 2 x"),
        ("telephone:8kHz", UsageError, "'8kHz' is too much; write it as telephone"),
        ("gain:", UsageError, "say how much"),
    ],
)
def test_a_wrong_change_is_told_with_the_way_out(text, error, message):
    with pytest.raises(error, match=message):
        parse_perturbations([text])


def test_units_may_be_left_out_or_written_in_any_case():
    assert parse_perturbations(["noise:10", "noise: 10 db"]) == parse_perturbations(["noise:10dB", "noise:10dB"])
    assert parse_perturbations(["reverb"])[0].amount == 0.6


def perturbed(suite: FolderSuite, *texts: str, seed: int = 0) -> PerturbedSuite:
    spec = RunSpec(model="m", seed=seed)
    return PerturbedSuite(suite=suite, changes=parse_perturbations(texts), seed_of=spec.seed_of)


def test_a_suite_keeps_its_identity_and_changes_only_what_is_heard():
    clean = bundled_suite("gaming")
    suite = perturbed(clean, "noise:0dB:babble")
    assert (suite.card, suite.data_hash, suite.not_run) == (clean.card, clean.data_hash, clean.not_run)
    for before, after in zip(list(clean.samples())[:2], suite.samples(), strict=False):
        assert (before.key, [turn.text for turn in before.turns]) == (after.key, [turn.text for turn in after.turns])
        first, second = before.turns[0].audio, after.turns[0].audio
        assert first is not None
        assert second is not None
        assert second.path.name.endswith(".flac")
        assert second.load().duration_s == pytest.approx(first.load().duration_s)
        assert second.read_bytes() == second.read_bytes()
        assert second.load().content_hash != first.load().content_hash


def test_the_runs_seed_and_the_turn_change_the_noise():
    clean = bundled_suite("gaming")
    same = list(clean.conversations[0].turns[:1]) * 2
    sample = Sample(suite="gaming", id="twice", turns=tuple(same))
    suite = FolderSuite(card=clean.card, data_hash="x", conversations=(sample,))
    hashes = [
        turn.audio.load().content_hash
        for seed in (0, 1)
        for changed_sample in perturbed(suite, "noise:10dB", seed=seed).samples()
        for turn in changed_sample.turns
        if turn.audio is not None
    ]
    assert len(set(hashes)) == 4


def test_a_recording_that_cannot_be_read_says_so_and_talkers_that_cannot_are_passed_over(tmp_path: Path):
    clean = bundled_suite("gaming")
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    broken = Turn(audio=AudioFile(path=tmp_path / "broken.wav"), text="?", language="en", answer_language="en")
    samples = (Sample(suite="gaming", id="broken", turns=(broken,)), *clean.conversations[:2])
    suite = perturbed(FolderSuite(card=clean.card, data_hash="x", conversations=samples), "noise:10dB:babble")
    first, second, _ = suite.samples()
    assert first.turns[0].audio is not None
    assert second.turns[0].audio is not None
    with pytest.raises(AudioError, match=r"broken.wav: not a readable audio file"):
        first.turns[0].audio.load()
    assert second.turns[0].audio.load().duration_s > 0.5


def test_very_high_sample_rates_still_fit_into_flac():
    sound = Audio(samples=np.sin(np.arange(70_000) / 50).astype(np.float32), sample_rate_hz=700_000)
    clean = bundled_suite("gaming")
    turn = Turn(
        audio=AudioFile(path=_Memory(encode_audio(sound, container="WAV"))),
        text="",
        language="en",
        answer_language="en",
    )
    suite = FolderSuite(card=clean.card, data_hash="x", conversations=(Sample(suite="gaming", id="a", turns=(turn,)),))
    ((changed_turn,),) = (sample.turns for sample in perturbed(suite, "gain:-6dB").samples())
    assert changed_turn.audio is not None
    assert read_audio(changed_turn.audio.read_bytes()).sample_rate_hz == 192_000


class _Memory:
    """A recording in memory."""

    name = "a.wav"

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded

    def read_bytes(self) -> bytes:
        return self._encoded
