"""A wave filtered to its mel: it comes nearer, no frame beyond its reach counts, and gradients pass."""

from __future__ import annotations

import math

import pytest
import torch

from aqaa_eval.reference_model.training.recipe import tiny_recipe
from aqaa_eval.reference_model.vocoder.mel import MelConfig, log_mels, mel_centres_hz
from aqaa_eval.reference_model.vocoder.mel_matching import at_steps, frames_to_match, matched, spread

RATE_HZ, HOP, N_FRAMES = 22_050, 256, 60
CONFIG = tiny_recipe().config.hift


def noise(seed: int, n_frames: int = N_FRAMES) -> torch.Tensor:
    return 0.1 * torch.randn(2, n_frames * HOP, generator=torch.Generator().manual_seed(seed))


def coloured() -> torch.Tensor:
    """Noise that swells and fades, darker than white."""
    swell = 0.6 + 0.4 * torch.sin(2 * math.pi * torch.arange(N_FRAMES * HOP) / RATE_HZ * 3)
    return swell * torch.nn.functional.avg_pool1d(noise(1)[:, None], 5, 1, 2)[:, 0]


def misses(wave: torch.Tensor, mel: torch.Tensor) -> float:
    return float((log_mels(wave, MelConfig()) - mel).abs().mean())


def test_each_pass_brings_noise_nearer_to_the_mel_of_another() -> None:
    mel = log_mels(coloured(), MelConfig())
    once = matched(noise(2), mel, CONFIG)
    twice = matched(once, mel, CONFIG)
    assert misses(noise(2), mel) > 0.7
    assert misses(once, mel) < 0.4
    assert misses(twice, mel) < 0.8 * misses(once, mel)


def test_a_wave_that_has_its_mel_stays() -> None:
    torch.testing.assert_close(matched(coloured(), log_mels(coloured(), MelConfig()), CONFIG), coloured())


@pytest.mark.parametrize("n_frames", [1, 2])
def test_one_frame_or_two_are_too_short_to_be_measured_and_stay(n_frames: int) -> None:
    short = noise(3, n_frames)
    torch.testing.assert_close(matched(short, torch.zeros(2, 80, n_frames), CONFIG), short)


def test_silence_stays_finite_and_is_not_blown_up() -> None:
    made = matched(torch.zeros(1, 8 * HOP), torch.full((1, 80, 8), 2.0), CONFIG)
    assert not made.any()


def test_a_sample_depends_on_no_frame_beyond_the_reach() -> None:
    mel, reach = log_mels(coloured(), MelConfig()), frames_to_match(CONFIG)
    before = matched(noise(2), mel, CONFIG)
    mel[:, :, 30] += 2
    moved = (matched(noise(2), mel, CONFIG) != before)[0].nonzero()
    assert int(moved.min()) >= (30 - reach) * HOP
    assert int(moved.max()) < (31 + reach) * HOP


def test_gradients_pass() -> None:
    wave = noise(2).requires_grad_()
    matched(wave, log_mels(coloured(), MelConfig()), CONFIG).square().sum().backward()
    assert wave.grad is not None
    assert bool(torch.isfinite(wave.grad).all())
    assert bool(wave.grad.any())


@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_steps_lie_between_the_middles_of_their_frames(n_steps: int) -> None:
    frames = torch.tensor([[[1.0, 3.0, 2.0]]])
    at = at_steps(frames, n_steps)[0, 0]
    assert len(at) == 3 * n_steps + 1
    middles = (torch.arange(3 * n_steps + 1) / n_steps - 0.5).clamp(0, 2)
    below = middles.long().clamp(max=1)
    wanted = frames[0, 0, below] + (middles - below) * (frames[0, 0, below + 1] - frames[0, 0, below])
    torch.testing.assert_close(at, wanted)


def test_a_mel_is_spread_between_the_peaks_of_its_filters() -> None:
    rows = spread(CONFIG)
    torch.testing.assert_close(rows.sum(1), torch.ones(257))
    centre_hz = mel_centres_hz(MelConfig()).float()
    bin_hz = torch.linspace(0, RATE_HZ / 2, 257)
    inside = (bin_hz > centre_hz[0]) & (bin_hz < centre_hz[-1])
    torch.testing.assert_close((rows @ centre_hz)[inside], bin_hz[inside], rtol=1e-4, atol=0.1)
