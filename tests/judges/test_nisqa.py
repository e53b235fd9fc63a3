"""NISQA on its own network with drawn weights: the real ones are on GitHub only, so what can be held against
torchmetrics is all but their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aqaa_eval.catalog import make_judge
from aqaa_eval.core.attempt import Status
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.judges.nisqa import SAMPLE_RATE_HZ, Nisqa, mel_decibels
from aqaa_eval.judges.quality import QualityJudge

ARGS: dict[str, Any] = {
    "ms_n_fft": 4096,
    "ms_hop_length": 0.01,
    "ms_win_length": 0.02,
    "ms_n_mels": 48,
    "ms_fmax": 20_000,
    "ms_seg_length": 15,
    "ms_seg_hop_length": 4,
    "ms_max_segments": 1300,
    "cnn_c_out_1": 16,
    "cnn_c_out_2": 32,
    "cnn_c_out_3": 64,
    "cnn_kernel_size": (3, 3),
    "cnn_dropout": 0.2,
    "cnn_pool_1": [24, 7],
    "cnn_pool_2": [12, 5],
    "cnn_pool_3": [6, 3],
    "td_sa_d_model": 64,
    "td_sa_nhead": 1,
    "td_sa_h": 64,
    "td_sa_num_layers": 2,
    "td_sa_dropout": 0.1,
    "pool_att_h": 128,
    "pool_att_dropout": 0.1,
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from torchmetrics.functional.audio.nisqa import _NISQADIM

    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = _NISQADIM(ARGS).state_dict()
    for dimension in range(1, 5):  # drawn alike, so that only this tells the first of five scores from the others
        state[f"pool_layers.{dimension}.model.linear3.bias"] += dimension
    path = tmp_path_factory.mktemp("nisqa") / "nisqa.tar"
    torch.save({"args": ARGS, "model_state_dict": state}, path)
    return path


def _buzz(duration_s: float, noise: float) -> NDArray[np.float32]:
    """A harmonic tone in puffs, with noise."""
    rng = np.random.default_rng(5)
    time_s = np.arange(int(SAMPLE_RATE_HZ * duration_s)) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.6 * time_s)) / SAMPLE_RATE_HZ
    voiced = sum(np.sin(k * phase) / k for k in range(1, 20))
    puffs = np.clip(np.sin(2 * np.pi * 3.1 * time_s), 0, None)
    return np.clip(0.1 * voiced * puffs + noise * rng.standard_normal(len(time_s)), -1, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("duration_s", "noise", "expected"),
    # torchmetrics 1.9.0 with librosa 0.11.0 on the same weights (numbers made once).
    [(4.0, 0.0, -0.753635), (2.3, 0.01, -0.732648), (0.3, 0.03, -0.689890)],
)
def test_it_gives_the_numbers_of_torchmetrics(weights: Path, duration_s: float, noise: float, expected: float) -> None:
    assert Nisqa(weights).overall(_buzz(duration_s, noise)) == pytest.approx(expected, abs=1e-4)


def test_it_sees_80_decibels_below_the_loudest_band() -> None:
    bands = mel_decibels(_buzz(1.0, 0.0), ARGS)
    assert bands.shape == (48, 101)
    assert bands.max() - bands.min() == pytest.approx(80.0, abs=1e-3)


def test_a_long_answer_is_heard_in_equal_parts_and_a_very_short_one_is_filled_up(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aqaa_eval.judges.nisqa.MAX_PART_S", 2.0)
    nisqa = Nisqa(weights)
    part = _buzz(1.2, 0.01)
    assert nisqa.overall(np.tile(part, 2)) == pytest.approx(nisqa.overall(part), abs=1e-4)
    assert np.isfinite(nisqa.overall(_buzz(0.05, 0.01)))


def test_it_stands_behind_speech_mos_and_is_gated_by_language(
    weights: Path, speak: Any, make_turn: Any, make_attempt: Any
) -> None:
    judge = make_judge(RunSpec(model="fake:echo", speech_mos=(f"nisqa:{weights}",)), [])
    assert "nisqa@" in judge.identity
    sentence: Audio = speak("I would take the early train, because it is cheaper.")
    turns = [make_turn(0, audio=sentence), make_turn(1, audio=sentence, language="ja")]
    scored, refused = QualityJudge([Nisqa(weights)]).judge(make_attempt(turns, [[], []]))
    assert (scored.metric, scored.status, scored.value is None) == ("nisqa", Status.SCORED, False)
    assert refused.status is Status.UNSCORED
    assert refused.reason.endswith("is not checked for ja, only for en, de")


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_a_file_that_is_not_there_or_is_another_one_is_told(tmp_path: Path, content: bytes | None, speak: Any) -> None:
    path = tmp_path / "nisqa.tar"
    if content is None:
        with pytest.raises(UsageError, match="let VERSA compute NISQA"):
            Nisqa(path)
        return
    path.write_bytes(content)
    with pytest.raises(DataError, match="not the weights of NISQA v2"):
        Nisqa(path).predict([speak("The early train is cheaper.")])
