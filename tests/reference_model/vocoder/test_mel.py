"""The prompt mel against transformers' filters and a tone whose place is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram

from aqaa_eval.reference_model.vocoder.mel import MelConfig, log_mel, mel_filters


def _oracle_filters() -> np.ndarray:
    return mel_filter_bank(
        num_frequency_bins=513,
        num_mel_filters=80,
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=22050,
        norm="slaney",
        mel_scale="slaney",
    )


def test_filters_are_those_of_transformers() -> None:
    np.testing.assert_allclose(mel_filters(MelConfig()).numpy().T, _oracle_filters(), atol=1e-7)


def test_the_log_mel_of_noise_is_that_of_transformers() -> None:
    wave = 0.1 * torch.randn(11_000, generator=torch.Generator().manual_seed(0))
    padded = np.pad(wave.numpy(), 384, mode="reflect")
    hann = np.hanning(1025)[:-1]
    power = spectrogram(padded, hann, frame_length=1024, hop_length=256, center=False, power=2.0)
    oracle = np.log(np.maximum(_oracle_filters().T @ np.sqrt(power + 1e-9), 1e-5))
    mel = log_mel(wave)
    assert mel.shape == (42, 80)
    np.testing.assert_allclose(mel.numpy().T, oracle, atol=1e-3)


def test_a_tone_lights_the_bin_it_belongs_to() -> None:
    wave = 0.5 * torch.sin(2 * math.pi * 1000 * torch.arange(22050) / 22050)
    brightest = log_mel(wave)[10:-10].argmax(dim=1)
    # 1 kHz is mel 15; 80 bins spread evenly to 8 kHz, mel 45.245: bin 15 / 45.245 * 81 - 1.
    assert brightest.tolist() == [26] * len(brightest)


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (torch.zeros(384), "more than 384 samples"),
        (torch.zeros(2, 4000), r"shape \[2, 4000\]; a mono wave"),
        (torch.full((4000,), float("nan")), "NaN or infinite"),
    ],
)
def test_a_bad_wave_is_refused(wave: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_mel(wave)
