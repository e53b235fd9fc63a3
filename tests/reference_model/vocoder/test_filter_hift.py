"""HiFT that filters its source: what its pulses are, that it speaks untrained, and that pieces make the whole."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model.config import FlowConfig, HiftConfig
from aqaa_eval.reference_model.training.recipe import tiny_recipe
from aqaa_eval.reference_model.vocoder import SynthesisConfig, Vocoder
from aqaa_eval.reference_model.vocoder.filter_hift import FilterHift, build_hift
from aqaa_eval.reference_model.vocoder.hift import Hift
from aqaa_eval.reference_model.vocoder.mel import log_mel
from aqaa_eval.reference_model.vocoder.mel_matching import spread
from aqaa_eval.reference_model.vocoder.source import MAX_VOICED_HZ, PULSES_ABOVE_HZ, Excitation

RATE_HZ, HOP = 22_050, 256
CONFIG = replace(tiny_recipe().config.hift, base_channels=16, f0_channels=16)


@pytest.fixture
def hift() -> FilterHift:
    torch.manual_seed(0)
    made = FilterHift(CONFIG)
    torch.nn.init.normal_(made.conv_post.weight, std=0.05)  # zeros would hide what the network sees
    return made.eval()


def source_of(hift: FilterHift, f0_hz: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
    n_frames = f0_hz.shape[1]
    drawn = torch.randn(1, 1, n_frames * HOP, generator=torch.Generator().manual_seed(3))
    return hift.source_from(f0_hz, torch.zeros(1, 1, 1), noise * drawn)


def test_the_sizes_say_which_network_it_is() -> None:
    assert isinstance(build_hift(CONFIG), FilterHift)
    assert isinstance(build_hift(HiftConfig(base_channels=32)), Hift)


def test_it_is_made_without_numbers_answers_and_is_trained_after() -> None:
    with torch.device("meta"):
        empty = FilterHift(CONFIG)
    empty.load_state_dict(FilterHift(CONFIG).state_dict(), assign=True)
    mel, f0 = torch.zeros(1, 80, 8), torch.full((1, 8), 100.0)
    spread.cache_clear()
    with torch.inference_mode():
        empty.decode(mel, source_of(empty, f0))
    empty.decode(mel, source_of(empty, f0)).sum().backward()
    assert empty.conv_post.weight.grad is not None


@torch.no_grad()
@pytest.mark.parametrize("f0_hz", [110.0, 220.0, 440.0])
def test_pulses_are_the_sum_of_their_cosines(hift: FilterHift, f0_hz: float) -> None:
    n_frames = 40
    pulses = source_of(hift, torch.full((1, n_frames), f0_hz))[0, 0].double()
    sample = torch.arange(1, n_frames * HOP + 1, dtype=torch.float64)
    n_harmonics = math.floor(MAX_VOICED_HZ / f0_hz)
    cosines = sum(torch.cos(2 * math.pi * k * f0_hz / RATE_HZ * sample) for k in range(1, n_harmonics + 1))
    wanted = cosines * math.sqrt(4 * f0_hz / RATE_HZ)
    torch.testing.assert_close(pulses, wanted, atol=0.02, rtol=0)


@torch.no_grad()
def test_pulses_are_as_strong_at_every_pitch_and_nothing_where_there_is_none(hift: FilterHift) -> None:
    powers = [float(source_of(hift, torch.full((1, 200), hz))[0, 0].square().mean()) for hz in (100.0, 250.0, 500.0)]
    # One per Hz up to half the sample rate, of which 5 kHz are there.
    np.testing.assert_allclose(powers, 2 * MAX_VOICED_HZ / RATE_HZ, rtol=0.02)
    assert not source_of(hift, torch.full((1, 10), PULSES_ABOVE_HZ)).any()


@torch.no_grad()
def test_two_halves_of_a_source_with_carried_phase_are_the_whole(hift: FilterHift) -> None:
    generator = torch.Generator().manual_seed(0)
    f0, cut = 80 + 300 * torch.rand(1, 40, generator=generator), 17
    noise = torch.randn(1, 1, 40 * HOP, generator=generator)
    phase = torch.zeros(1, 1, 1)
    whole = hift.source_from(f0, phase, noise)
    left = hift.source_from(f0[:, :cut], phase, noise[..., : cut * HOP])
    rest = Excitation(phase=phase, noise=noise[..., cut * HOP :], start_cycles=hift.m_source.cycles(f0[:, :cut]))
    torch.testing.assert_close(torch.cat([left, hift.m_source(f0[:, cut:], rest)], dim=2), whole, atol=1e-3, rtol=0)


@torch.no_grad()
def test_untrained_it_draws_the_mel_that_it_is_given() -> None:
    # A vowel of two formants on 150 Hz; the answer is compared in shape, level aside.
    seconds = np.arange(RATE_HZ) / RATE_HZ
    vowel = sum(
        np.exp(-(((150 * k - formant) / 200) ** 2)) * np.sin(2 * np.pi * 150 * k * seconds)
        for k in range(1, 30)
        for formant in (600, 1800)
    )
    mel = log_mel(torch.from_numpy(0.1 * vowel).float()).T[None, :, : RATE_HZ // HOP]
    hift = FilterHift(CONFIG).eval()
    made = hift.decode(mel, source_of(hift, torch.full((1, mel.shape[2]), 150.0), noise=1.0))[0]
    drawn = log_mel(made).T[:60, 20:60].mean(1)
    given = mel[0, :60, 20:60].mean(1)
    assert float(torch.corrcoef(torch.stack([drawn, given]))[0, 1]) > 0.95


@torch.no_grad()
def test_a_sample_depends_on_no_frame_beyond_the_reach(hift: FilterHift) -> None:
    generator = torch.Generator().manual_seed(1)
    mel = torch.randn(1, 80, 101, generator=generator)
    source = torch.randn(1, 2, 101 * HOP, generator=generator)
    before = hift.decode(mel, source)
    mel[:, :, 50] += 3
    source[:, :, 50 * HOP : 51 * HOP] = 0
    moved = (hift.decode(mel, source) != before)[0].nonzero()
    assert int(moved.min()) >= (50 - hift.reach) * HOP
    assert int(moved.max()) < (51 + hift.reach) * HOP


@torch.no_grad()
def test_a_stream_of_pieces_is_the_whole(flow_config: FlowConfig, codes_125: list[int]) -> None:
    made = Vocoder.random(flow_config, CONFIG, seed=0)
    made.hift.f0_predictor.classifier.bias.fill_(150.0)
    torch.nn.init.normal_(made.hift.conv_post.weight, std=0.05)
    vocoder = Vocoder(made.flow, made.hift, SynthesisConfig(n_steps=2))
    blocks = [codes_125[start : start + 25] for start in range(0, 125, 25)]
    pieces = torch.cat(list(vocoder.stream(blocks, 7)))
    at_once = torch.cat(list(vocoder.stream([codes_125], 7)))
    assert len(pieces) == len(at_once) > RATE_HZ
    torch.testing.assert_close(pieces, at_once, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("mel", "source", "message"),
    [
        (torch.zeros(1, 79, 4), torch.zeros(1, 2, 1024), r"mel has shape \[1, 79, 4\]; it must be \[batch, 80"),
        (torch.zeros(1, 80, 4), torch.zeros(1, 1, 1024), r"256 samples per mel frame make \[1, 2, 1024\]"),
    ],
)
def test_mel_and_source_that_do_not_fit_are_refused(
    hift: FilterHift, mel: torch.Tensor, source: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        hift.decode(mel, source)
