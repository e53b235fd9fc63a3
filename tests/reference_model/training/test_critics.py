"""The critics: each learns its own side in one step, they tell a buzz from a recording, and HiFT learns from them."""

from __future__ import annotations

import math

import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.training.critics import (
    CriticisedHiftTask,
    Critics,
    PeriodCritic,
    SpectralCritic,
    adversarial_loss,
    critic_loss,
    feature_loss,
)
from aqaa_eval.reference_model.training.vocoder_training import HiftBatch, HiftTask

N_FRAMES = 16


def waves(n_batch: int, *, is_noisy: bool) -> torch.Tensor:
    """Harmonic tones of several pitches, or noise of the same level."""
    times = torch.arange(N_FRAMES * 256) / 22_050
    pitches = torch.linspace(110, 330, n_batch)[:, None]
    tones = sum(torch.sin(2 * math.pi * k * pitches * times + k) / k for k in range(1, 9))
    return 0.1 * (torch.randn_like(tones) if is_noisy else tones)


@pytest.fixture
def batch() -> HiftBatch:
    torch.manual_seed(0)
    return HiftBatch(
        mel_BMF=torch.randn(2, 80, N_FRAMES) - 5,
        wave_BN=waves(2, is_noisy=False),
        f0_BF=torch.full((2, N_FRAMES), 200.0),
    )


@pytest.mark.parametrize("critic", [PeriodCritic(3), PeriodCritic(7), SpectralCritic(256)])
def test_a_critic_judges_many_places_and_shows_its_layers(critic):
    verdict = critic(waves(2, is_noisy=True))
    assert verdict.score.shape[-1] > 1
    assert len(verdict.features) == len(critic.layers)
    assert all(torch.isfinite(features).all() for features in verdict.features)


def test_critics_learn_to_tell_noise_from_tones():
    torch.manual_seed(0)
    critics = Critics()
    optimizer = torch.optim.AdamW(critics.parameters(), lr=1e-3)
    losses = []
    for _ in range(25):
        loss = critic_loss(critics(waves(3, is_noisy=False)), critics(waves(3, is_noisy=True)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    unseen = critics(waves(4, is_noisy=False)), critics(waves(4, is_noisy=True))
    assert adversarial_loss(unseen[0]) < adversarial_loss(unseen[1])


def test_equal_waves_have_no_distance_in_features():
    critics = Critics()
    judged = critics(waves(2, is_noisy=False))
    assert feature_loss(judged, judged).item() == 0
    assert feature_loss(judged, critics(waves(2, is_noisy=True))).item() > 0.1


def test_each_side_gets_its_own_gradient_only(batch):
    task = CriticisedHiftTask(HiftTask(tiny().hift))
    loss = task(batch)
    loss.total.backward()
    assert all(parameter.requires_grad for parameter in task.critics.parameters())
    # The critics' gradient is that of their own loss: HiFT's wish to be taken for real must not reach them.
    found = {name: parameter.grad.clone() for name, parameter in task.critics.named_parameters()}
    task.zero_grad()
    torch.manual_seed(1)
    with torch.no_grad():
        made, _ = task.task.made(batch)
    assert {"critic", "adversarial", "features", "mel"} <= set(loss.shown or {})
    (2 * critic_loss(task.critics(batch.wave_BN), task.critics(made))).backward()
    for name, parameter in task.critics.named_parameters():
        cosine = torch.nn.functional.cosine_similarity(found[name].flatten(), parameter.grad.flatten(), dim=0)
        assert cosine > 0.9, name  # the made wave is another draw of phases
    assert all(parameter.grad is None for parameter in task.task.hift.conv_post.parameters())


def test_hift_feels_what_the_critics_say(batch):
    task = CriticisedHiftTask(HiftTask(tiny().hift))
    made, own = task.task.made(batch)
    judged = task.critics(made)
    adversarial_loss(judged).backward()
    norms = [p.grad.norm() for p in task.task.hift.conv_post.parameters() if p.grad is not None]
    assert norms
    assert max(norms) > 0
    assert own.count == len(made)
