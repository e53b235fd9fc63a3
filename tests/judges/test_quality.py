"""MOS predictors: upstream's numbers, the order that listeners would give, and every gate."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Attempt, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.weights import is_present, locate
from aqaa_eval.judges.quality import DistillMos, DnsMos, QualityJudge, at_speech_level

Speak = Callable[[str], Audio]
MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]


class Three:
    """A predictor that always says 3."""

    metric = "speech"
    identity = "three"
    languages = ("en", "ja")

    def predict(self, audios: Sequence[Audio]) -> list[float]:
        return [3.0] * len(audios)


class Broken(Three):
    def predict(self, audios: Sequence[Audio]) -> list[float]:
        raise RuntimeError("no memory")


def _need_distillmos() -> None:
    if importlib.util.find_spec("distillmos") is None:
        pytest.skip("needs: pip install --no-deps distillmos xls-r-sqa")


@pytest.fixture(scope="module")
def sentence(speak: Speak) -> Audio:
    return speak("I would take the early train, because it is cheaper.")


@pytest.fixture(scope="module")
def dnsmos() -> DnsMos:
    if not is_present("dnsmos"):
        pytest.skip("needs weights: aqaa-eval fetch dnsmos")
    return DnsMos(locate("dnsmos"))


@pytest.fixture(scope="module")
def distillmos() -> DistillMos:
    _need_distillmos()
    return DistillMos()


def _noisy(audio: Audio, ratio: float) -> Audio:
    """White noise at `ratio` times the level of the recording."""
    level = float(np.sqrt(np.mean(audio.samples**2)))
    noise = np.random.default_rng(0).standard_normal(len(audio.samples)) * level * ratio
    return Audio(samples=np.clip(audio.samples + noise, -1, 1).astype(np.float32), sample_rate_hz=audio.sample_rate_hz)


def _buzz(duration_s: float, noise: float) -> NDArray[np.float32]:
    """A harmonic tone in puffs, with noise: the signal of the golden numbers below."""
    rng = np.random.default_rng(5)
    time_s = np.arange(int(16_000 * duration_s)) / 16_000
    phase = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.6 * time_s)) / 16_000
    voiced = sum(np.sin(k * phase) / k for k in range(1, 20))
    puffs = np.clip(np.sin(2 * np.pi * 3.1 * time_s), 0, None)
    return np.clip(0.1 * voiced * puffs + noise * rng.standard_normal(len(time_s)), -1, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("duration_s", "noise", "expected"),
    # `ovrl_mos` of speechmos 0.0.1.1 (numbers made once, in an environment of its own).
    [(10.0, 0.0, 1.393103), (10.0, 0.03, 1.468014), (4.0, 0.005, 2.128477), (23.5, 0.01, 1.728473)],
)
def test_dnsmos_gives_the_numbers_of_speechmos(
    dnsmos: DnsMos, duration_s: float, noise: float, expected: float
) -> None:
    assert dnsmos.overall(_buzz(duration_s, noise)) == pytest.approx(expected, abs=1e-4)


def test_distillmos_gives_the_numbers_of_its_own_package(distillmos: DistillMos) -> None:
    import torch

    samples = _buzz(11.3, 0.01)
    model = distillmos._model
    model.segmenting_in_forward = True
    try:
        with torch.inference_mode():
            upstream = float(model(torch.from_numpy(samples)[None]))
    finally:
        model.segmenting_in_forward = False
    assert distillmos.predict([Audio(samples=samples, sample_rate_hz=16_000)]) == [pytest.approx(upstream, abs=1e-3)]


def test_distillmos_ranks_clean_above_noisy(distillmos: DistillMos, sentence: Audio) -> None:
    clean, noisy, drowned = distillmos.predict([sentence, _noisy(sentence, 0.2), _noisy(sentence, 1)])
    assert clean > 4.0
    assert clean > noisy + 0.5 > drowned + 1.0
    assert distillmos.predict([sentence]) == [pytest.approx(clean, abs=2e-4)]  # alone or in a batch


def test_dnsmos_ranks_clean_above_noisy_and_does_not_mind_the_level(dnsmos: DnsMos, sentence: Audio) -> None:
    clean, noisy, drowned = dnsmos.predict([sentence, _noisy(sentence, 0.2), _noisy(sentence, 1)])
    assert clean > noisy + 0.3 > drowned + 0.6
    quiet = Audio(samples=sentence.samples * np.float32(0.02), sample_rate_hz=sentence.sample_rate_hz)
    assert dnsmos.predict([quiet]) == [pytest.approx(clean, abs=0.05)]
    assert dnsmos.predict([sentence]) == [clean]


def test_the_level_is_of_the_speech_and_never_clips(sentence: Audio) -> None:
    padded = Audio(samples=np.pad(sentence.samples, (0, 240_000)) * np.float32(0.1), sample_rate_hz=24_000)
    level = [
        np.sqrt(np.mean(at_speech_level(audio).samples[: len(sentence.samples)] ** 2)) for audio in (sentence, padded)
    ]
    assert level[1] == pytest.approx(level[0], rel=0.02)
    click = sentence.samples.copy()
    click[0] = 1.0
    assert np.abs(at_speech_level(Audio(samples=click, sample_rate_hz=24_000)).samples).max() <= 0.9901


def test_loading_distillmos_leaves_no_torchaudio_behind_and_prints_nothing() -> None:
    _need_distillmos()
    code = (
        "import sys; from aqaa_eval.judges.quality import DistillMos; DistillMos()._model;"
        "assert 'distillmos' in sys.modules and 'torchaudio' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True)
    assert done.stdout == ""


def test_a_folder_without_weights_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="aqaa-eval fetch dnsmos"):
        DnsMos(tmp_path)


def test_each_turn_gets_one_score_per_predictor(
    sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    attempt = make_attempt([make_turn(0, audio=sentence), make_turn(1, audio=sentence)], [[], []])
    scores = QualityJudge([Three(), Three()]).judge(attempt)
    assert [(score.turn, score.metric, score.value) for score in scores] == [
        (0, "speech", 3.0),
        (0, "speech", 3.0),
        (1, "speech", 3.0),
        (1, "speech", 3.0),
    ]


@pytest.mark.parametrize(
    ("kind", "failure"),
    [("silence", Failure.SILENT), ("tone", Failure.ASR_EMPTY), ("nothing", Failure.NO_AUDIO)],
)
def test_what_is_not_speech_is_unscored_with_its_kind(
    make_turn: MakeTurn, make_attempt: MakeAttempt, kind: str, failure: Failure
) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    sounds = {
        "silence": Audio.silence(duration_s=2),
        "tone": Audio(samples=tone.astype(np.float32), sample_rate_hz=16_000),
        "nothing": None,
    }
    [score] = QualityJudge([Three()]).judge(make_attempt([make_turn(0, audio=sounds[kind])], [[]]))
    assert (score.value, score.status, score.failure) == (None, Status.UNSCORED, failure)
    assert score.reason


def test_a_language_that_was_not_checked_is_unscored_by_name(
    sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    attempt = make_attempt([make_turn(0, audio=sentence, language="fr")], [[]])
    [score] = QualityJudge([Three()]).judge(attempt)
    assert (score.value, score.status) == (None, Status.UNSCORED)
    assert score.reason == "three is not checked for fr, only for en, ja"
    untold = make_attempt([make_turn(0, None, audio=sentence)], [[]], language="ja-JP")
    assert QualityJudge([Three()]).judge(untold)[0].value == 3.0


def test_a_predictor_that_breaks_loses_its_own_score(
    sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    lost, kept = QualityJudge([Broken(), Three()]).judge(make_attempt([make_turn(0, audio=sentence)], [[]]))
    assert (lost.value, lost.status) == (None, Status.FAILED)
    assert "no memory" in lost.reason
    assert kept.value == 3.0


def test_a_break_of_the_system_is_failed(make_attempt: MakeAttempt) -> None:
    broken = TurnAttempt(index=0, response=None, failure=Failure.TIMEOUT, detail="after 60 s")
    [score] = QualityJudge([Three()]).judge(make_attempt([broken], [[]]))
    assert (score.status, score.failure, score.reason) == (Status.FAILED, Failure.TIMEOUT, "after 60 s")


def test_clipping_is_flagged_on_a_score(sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt) -> None:
    loud = Audio(samples=np.clip(sentence.samples * 20, -1, 1), sample_rate_hz=24_000)
    [score] = QualityJudge([Three()]).judge(make_attempt([make_turn(0, audio=loud)], [[]]))
    assert (score.value, score.failure) == (3.0, Failure.CLIPPED)
    assert "full scale" in score.reason
