"""The vocoder's losses: they fall on one batch, are nothing for equal sounds, and the batches fit the codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.training.recipe import tiny_recipe
from aqaa_eval.reference_model.training.vocoder_training import (
    FlowTask,
    HiftTask,
    VoiceRow,
    flow_batch,
    flow_batches,
    hift_batches,
    mean_mel,
    spectral_loss,
)
from aqaa_eval.reference_model.vocoder.flow import count_frames

RATE_HZ = 22_050


def vowel(pitch_hz: float, n_groups: int, *, key: str = "") -> VoiceRow:
    """A buzz at one pitch with codes that name it."""
    n = round(n_groups * 0.12 * RATE_HZ)
    times = np.arange(n) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * times) / k for k in range(1, 12)) * 0.1
    code = int(pitch_hz)
    return VoiceRow(
        key=key or f"{pitch_hz:g}",
        samples=wave.astype(np.float32),
        codes=(code, code, 1024 + code, 1024 + code, 1024 + code) * n_groups,
        f0_hz=np.full(n // 256, pitch_hz, np.float32),
    )


ROWS = [vowel(pitch, n_groups) for pitch in (110.0, 160.0, 220.0, 300.0) for n_groups in (6, 9)]


def fall(task: torch.nn.Module, batches: list, n_steps: int) -> tuple[float, float]:
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    losses = []
    for step in range(n_steps):
        loss = task(batches[step % len(batches)])
        (loss.total / loss.count).backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.total.item() / loss.count)
    return float(np.mean(losses[:5])), float(np.mean(losses[-5:]))


def test_the_flow_learns_one_batch():
    torch.manual_seed(0)
    first, last = fall(FlowTask(tiny().flow), [flow_batch(ROWS[::2], tiny().flow)], 40)
    assert last < 0.5 * first


def test_flow_batches_hold_rows_of_one_length_with_the_frames_of_their_codes():
    config = tiny().flow
    batches = list(flow_batches(ROWS, config, frames=150, seed=0))
    assert sum(len(batch.codes_BT) for batch in batches) == len(ROWS)
    for batch in batches:
        assert batch.mel_BMF.shape[2] == count_frames(batch.codes_BT.shape[1], config)


@pytest.mark.parametrize("sizes", [tiny().hift, tiny_recipe().config.hift], ids=["hift", "filter"])
def test_hift_learns_one_batch(sizes):
    torch.manual_seed(0)
    config = replace(sizes, base_channels=16, f0_channels=16)
    batch, *_ = hift_batches(ROWS, config, n_frames=16, batch_size=4, seed=0)
    first, last = fall(HiftTask(config), [batch], 25)
    assert last < 0.75 * first


def test_crops_of_mel_wave_and_pitch_lie_on_each_other():
    config = tiny().hift
    for batch in hift_batches(ROWS, config, n_frames=30, batch_size=4, seed=1):
        assert batch.mel_BMF.shape == (4, 80, 30)
        assert batch.wave_BN.shape == (4, 30 * 256)
        assert batch.f0_BF.shape == (4, 30)


def test_a_short_recording_is_padded_with_silence():
    short = vowel(200.0, 1)
    [batch] = hift_batches([short], tiny().hift, n_frames=40, batch_size=1, seed=0)
    assert batch.wave_BN.shape == (1, 40 * 256)
    assert batch.wave_BN[0, -2000:].abs().max() == 0


def test_the_spectral_loss_is_nothing_for_the_same_sound_and_grows_with_the_difference():
    wave = torch.from_numpy(ROWS[0].samples)[None]
    assert spectral_loss(wave, wave).item() == pytest.approx(0, abs=1e-6)
    quiet, noisy = 0.9 * wave, wave + 0.1 * torch.randn_like(wave)
    assert 0 < spectral_loss(quiet, wave).item() < spectral_loss(noisy, wave).item()


def test_silence_has_a_finite_gradient():
    silent = torch.zeros(1, 4096, requires_grad=True)
    spectral_loss(silent, torch.randn(1, 4096)).backward()
    assert torch.isfinite(silent.grad).all()


def test_a_flow_that_starts_at_the_mean_begins_with_the_variance():
    mean_M = mean_mel(ROWS)
    batch = flow_batch(ROWS[::2], tiny().flow)
    plain, placed = FlowTask(tiny().flow), FlowTask(tiny().flow)
    placed.start_at(mean_M)
    torch.manual_seed(0)
    far = plain(batch).shown["prior"]
    torch.manual_seed(0)
    near = placed(batch).shown["prior"]
    variance = (batch.mel_BMF - mean_M[:, None]).square().mean().item()
    assert variance * 0.8 < near < variance + 1.0
    assert near < far / 2
