"""The vocoder's losses: they fall on one batch, are nothing for equal sounds, and the batches fit the codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.training.recipe import tiny_recipe
from aqaa_eval.reference_model.training.vocoder_training import (
    CONDITION_DROP,
    LONGEST_PROMPT,
    PROMPT_SHARE,
    SIGMA,
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


class StillEstimator(torch.nn.Module):
    """Says that nothing moves, and keeps what it was asked."""

    def forward(self, path, mask, mu, time, speaker, cond):
        self.asked = {"path": path, "mask": mask, "mu": mu, "time": time, "speaker": speaker, "cond": cond}
        return torch.zeros_like(path)


@pytest.fixture
def still():
    """A flow that was asked for the velocity of six hundred rows."""
    torch.manual_seed(0)
    task = FlowTask(tiny().flow)
    task.flow.decoder.estimator = StillEstimator()
    batch = flow_batch([vowel(150.0, 2)] * 600, tiny().flow)
    return batch, task(batch), task.flow.decoder.estimator.asked


def test_the_velocity_is_that_of_the_straight_path_from_noise_to_mel(still):
    batch, loss, asked = still
    time, x = asked["time"][:, None, None].double(), batch.mel_BMF.double()
    assert ((time >= 0) & (time <= 1)).all()
    assert time.mean().item() == pytest.approx(1 - 2 / np.pi, abs=0.04)  # of 1 - cos(pi u / 2): denser near the noise
    early = asked["time"] < 0.9  # later the noise cannot be told from the path in single precision
    z = ((asked["path"] - time * x) / (1 - (1 - SIGMA) * time))[early]
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert z.std().item() == pytest.approx(1, abs=0.01)
    wanted = (x[early] - (1 - SIGMA) * z).square().mean().item()
    assert loss.shown["velocity"] == pytest.approx(wanted, rel=0.02)  # it was told that nothing moves
    assert loss.count == batch.mel_BMF.numel()
    assert asked["mask"].min() == 1


def test_all_conditions_of_a_fifth_of_the_rows_are_dropped_together(still):
    _, _, asked = still
    dropped = asked["mu"].flatten(1).abs().sum(1) == 0
    assert dropped.double().mean().item() == pytest.approx(CONDITION_DROP, abs=0.05)
    assert asked["cond"][dropped].abs().sum() == 0
    assert asked["speaker"][dropped].abs().sum() == 0
    assert (asked["speaker"][~dropped].abs().sum(1) > 0).all()


def test_half_of_the_rows_see_the_beginning_of_their_mel_as_a_prompt(still):
    batch, _, asked = still
    kept = asked["mu"].flatten(1).abs().sum(1) > 0
    is_prompt = asked["cond"][kept].abs().sum(1) > 0
    lengths = is_prompt.sum(1)
    n_frames = batch.mel_BMF.shape[2]
    assert (lengths > 0).double().mean().item() == pytest.approx(PROMPT_SHARE, abs=0.07)
    assert lengths.max() <= LONGEST_PROMPT * n_frames + 1
    assert (is_prompt == (torch.arange(n_frames) < lengths[:, None])).all()  # from the first frame, without gaps
    mel = batch.mel_BMF[kept]
    torch.testing.assert_close(asked["cond"][kept], mel * is_prompt[:, None])


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


def test_the_spectral_loss_of_half_the_level_by_hand():
    """Magnitudes are halved at every resolution: convergence 1/2, and log 2 between the logarithms."""
    wave = torch.randn(1, 8192, generator=torch.Generator().manual_seed(0))
    assert spectral_loss(wave / 2, wave).item() == pytest.approx(0.5 + np.log(2), rel=1e-3)


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
