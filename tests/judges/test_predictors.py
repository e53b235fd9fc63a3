"""PLCMOS, imported VERSA results, resynthesis, and the names after --speech-mos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aqaa_eval.catalog import check_predictors, make_judge
from aqaa_eval.core.attempt import Attempt, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, MissingWeights, UnknownName, UsageError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.weights import is_present, locate
from aqaa_eval.judges.plcmos import PlcMos, log_power
from aqaa_eval.judges.versa import VersaJudge
from aqaa_eval.metrics.resynthesis import measure_resynthesis

Speak = Callable[[str], Audio]
MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]


@pytest.fixture(scope="module")
def sentence(speak: Speak) -> Audio:
    return speak("I would take the early train, because it is cheaper.")


@pytest.fixture(scope="module")
def plcmos() -> PlcMos:
    if not is_present("plcmos"):
        pytest.skip("needs weights: aqaa-eval fetch plcmos")
    return PlcMos(locate("plcmos"))


def _buzz(duration_s: float, noise: float) -> NDArray[np.float32]:
    """A harmonic tone in puffs, with noise: the signal of the golden numbers below."""
    rng = np.random.default_rng(5)
    time_s = np.arange(int(16_000 * duration_s)) / 16_000
    phase = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.6 * time_s)) / 16_000
    voiced = sum(np.sin(k * phase) / k for k in range(1, 20))
    puffs = np.clip(np.sin(2 * np.pi * 3.1 * time_s), 0, None)
    return np.clip(0.1 * voiced * puffs + noise * rng.standard_normal(len(time_s)), -1, 1).astype(np.float32)


def _with_dropouts(audio: Audio) -> Audio:
    """40 ms of silence four times a second."""
    samples = audio.samples.copy()
    for start in range(0, len(samples), audio.sample_rate_hz // 4):
        samples[start : start + audio.sample_rate_hz // 25] = 0
    return Audio(samples=samples, sample_rate_hz=audio.sample_rate_hz)


@pytest.mark.parametrize(
    ("duration_s", "noise", "expected"),
    # speechmos 0.0.1.1 with these fifteen listeners in place of its random ones (numbers made once).
    [(10.0, 0.0, 1.371478), (10.0, 0.03, 2.062324), (4.0, 0.005, 1.867755), (2.3, 0.01, 2.240690)],
)
def test_plcmos_gives_the_numbers_of_speechmos(
    plcmos: PlcMos, duration_s: float, noise: float, expected: float
) -> None:
    assert plcmos.overall(_buzz(duration_s, noise)) == pytest.approx(expected, abs=1e-4)


def test_plcmos_hears_dropouts_and_minds_neither_level_nor_sample_rate(plcmos: PlcMos, sentence: Audio) -> None:
    quiet = Audio(samples=sentence.samples * np.float32(0.02), sample_rate_hz=24_000)
    clean, broken, soft, wide = plcmos.predict([sentence, _with_dropouts(sentence), quiet, sentence.resampled(48_000)])
    assert clean > 4.0
    assert broken < clean - 1.0
    assert soft == pytest.approx(clean, abs=0.05)
    assert wide == pytest.approx(clean, abs=0.05)
    assert plcmos.predict([sentence]) == [clean]


def test_plcmos_sees_silence_at_its_floor() -> None:
    features = log_power(np.zeros(1000, np.float32))
    assert features.shape == (5, 257)
    assert np.unique(features).tolist() == [pytest.approx(-0.921034)]  # -80 dB as a natural logarithm, over 20


def test_plcmos_says_where_its_weights_come_from(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="aqaa-eval fetch plcmos"):
        PlcMos(tmp_path / "plcmos_v2.onnx")


def test_versa_scores_are_found_by_recording_and_by_turn(
    tmp_path: Path, sentence: Audio, sound: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    file = tmp_path / "result.txt"
    file.write_text(
        f'{{"key": "audio/{sentence.content_hash}.flac", "utmos": 4.1, "asr_text": "I would"}}\n'
        "{'key': 'gaming/g01#1', 'utmos': nan, 'nisqa_mos_pred': np.float32(3.5)}\n"
    )
    judge = VersaJudge(file)
    assert judge.metrics == ("versa_nisqa_mos_pred", "versa_utmos")
    turns = [make_turn(0, audio=sentence), make_turn(1, audio=sound), make_turn(2, audio=sound)]
    scores = judge.judge(make_attempt(turns, [[], [], []]))
    assert [(score.turn, score.metric, score.value) for score in scores] == [
        (0, "versa_nisqa_mos_pred", None),
        (0, "versa_utmos", 4.1),
        (1, "versa_nisqa_mos_pred", 3.5),
        (1, "versa_utmos", None),
        (2, "versa_nisqa_mos_pred", None),
        (2, "versa_utmos", None),
    ]
    assert scores[4].reason.startswith("the file has no gaming/g01#2 and no ")
    assert all(score.status is Status.UNSCORED for score in scores if score.value is None)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "holds no records"), ("utmos 3.5\n", "line 1: not a record with a key"), ('{"utmos": 1}', "not a record")],
)
def test_what_versa_did_not_write_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "result.txt"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        VersaJudge(file)
    with pytest.raises(UsageError, match="cannot be read"):
        VersaJudge(tmp_path / "missing.txt")


def test_names_after_speech_mos_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean distillmos"):
        check_predictors(["distilmos"])
    file = tmp_path / "result.txt"
    file.write_text('{"key": "a", "utmos": 4}\n')
    spec = RunSpec(model="fake:echo", speech_mos=(f"versa:{file}", "acoustic"))
    judge = make_judge(spec, [])
    assert "versa@" in judge.identity
    assert "acoustic@1" in judge.identity


def test_a_copy_is_close_to_its_original_and_noise_is_not(sentence: Audio) -> None:
    pytest.importorskip("pystoi", reason="needs the extra: pip install '.[acoustic]'")
    noise = np.random.default_rng(0).standard_normal(len(sentence.samples)).astype(np.float32)
    level = float(np.sqrt(np.mean(sentence.samples**2)))
    noisy = Audio(samples=sentence.samples + np.float32(level) * noise, sample_rate_hz=24_000)
    same, worse = (measure_resynthesis(original=sentence, copy=copy) for copy in (sentence, noisy))
    assert same.stoi == pytest.approx(1.0, abs=1e-3)
    assert same.si_sdr_db is not None
    assert same.si_sdr_db > 60
    assert worse.stoi is not None
    assert worse.stoi < 0.9
    assert worse.si_sdr_db == pytest.approx(1.6, abs=1.0)  # white noise at the speech's level; a third is above 8 kHz
    louder = Audio(samples=sentence.samples * np.float32(0.5), sample_rate_hz=24_000)
    assert (measure_resynthesis(original=sentence, copy=louder).si_sdr_db or 0) > 60


def test_recordings_that_cannot_be_compared_are_refused(sentence: Audio) -> None:
    half = Audio(samples=sentence.samples[: len(sentence.samples) // 2], sample_rate_hz=24_000)
    with pytest.raises(DataError, match="about one length"):
        measure_resynthesis(original=sentence, copy=half)
    with pytest.raises(DataError, match="digital silence"):
        measure_resynthesis(original=sentence, copy=Audio.silence(duration_s=sentence.duration_s))
