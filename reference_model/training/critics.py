"""What tells HiFT's wave from a recording, and teaches it to leave less to tell.

Spectral losses leave the fine structure of a wave open, and what they leave open sounds like buzz. Two kinds of critics
look at it: some fold the wave by a period (HiFi-GAN, arXiv 2010.05646, section 2.3), others see its log spectrum at
three resolutions (UnivNet, arXiv 2106.07889), here with its frequencies as channels, because the voice is one.

Shapes: B batch, N samples, P period, L steps, Q STFT frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.training.loop import StepLoss
from aqaa_eval.reference_model.training.vocoder_training import HiftBatch, HiftTask, magnitude

PERIODS = (2, 3, 5, 7, 11)
STFT_SIZES = (256, 512, 1024)
PERIOD_WIDTHS = (1, 16, 32, 64, 128)
SPECTRAL_WIDTH = 96
SLOPE = 0.1
ADVERSARIAL_WEIGHT, FEATURE_WEIGHT = 2.0, 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a critic says of waves.

    Attributes:
        score: 1 for a recording, 0 for a made wave, at each place.
        features: of the layers below, each with the batch first.
    """

    score: Tensor
    features: tuple[Tensor, ...]


class PeriodCritic(nn.Module):
    """Sees every P-th sample as one row."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        pairs = pairwise(PERIOD_WIDTHS)
        self.layers = nn.ModuleList(nn.Conv1d(old, new, 5, stride=3, padding=2) for old, new in pairs)
        self.last = nn.Conv1d(PERIOD_WIDTHS[-1], 1, 3, padding=1)

    def forward(self, wave_BN: Tensor) -> Verdict:
        """Judge [B, N]."""
        n_batch, n_samples = wave_BN.shape
        padded = functional.pad(wave_BN, (0, -n_samples % self.period), mode="reflect")
        rows = padded.reshape(n_batch, -1, self.period).transpose(1, 2).reshape(n_batch * self.period, 1, -1)
        return _judged(rows, self.layers, self.last)


class SpectralCritic(nn.Module):
    """Sees the log spectrum."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        width = SPECTRAL_WIDTH
        widths = ((size // 2 + 1, width), (width, width), (width, width))
        self.layers = nn.ModuleList(nn.Conv1d(old, new, 5, padding=2) for old, new in widths)
        self.last = nn.Conv1d(width, 1, 3, padding=1)

    def forward(self, wave_BN: Tensor) -> Verdict:
        """Judge [B, N]."""
        log_BQL = magnitude(wave_BN, self.size, self.size // 4).clamp_min(1e-5).log()
        return _judged((log_BQL + 4.0) / 3.0, self.layers, self.last)


def _judged(x: Tensor, layers: nn.ModuleList, last: nn.Conv1d) -> Verdict:
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        features.append(x)
    return Verdict(last(x), tuple(features))


class Critics(nn.Module):
    """All of them."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList([*map(PeriodCritic, PERIODS), *map(SpectralCritic, STFT_SIZES)])

    def forward(self, wave_BN: Tensor) -> list[Verdict]:
        """Judge [B, N]."""
        return [cast("Verdict", critic(wave_BN)) for critic in self.each]


class CriticisedHiftTask(nn.Module):
    """HiFT by its own losses and by critics that learn beside it.

    Both learn in one step: the critics are frozen while they judge for HiFT, and HiFT's wave is cut from its gradient
    while they learn, so that one sum of losses gives each its own gradient.
    """

    def __init__(self, task: HiftTask) -> None:
        super().__init__()
        self.task = task
        self.critics = Critics()

    def forward(self, batch: HiftBatch) -> StepLoss:
        """The losses of both, summed over the crops."""
        made_BN, own = self.task.made(batch)
        real = self.critics(batch.wave_BN)
        critic = critic_loss(real, self.critics(made_BN.detach()))
        self.critics.requires_grad_(False)
        judged = self.critics(made_BN)
        self.critics.requires_grad_(True)
        adversarial, features = adversarial_loss(judged), feature_loss(real, judged)
        extra = ADVERSARIAL_WEIGHT * adversarial + FEATURE_WEIGHT * features + critic
        shown = dict(own.shown or {}) | {
            "critic": critic.item(),
            "adversarial": adversarial.item(),
            "features": features.item(),
        }
        return StepLoss(total=own.total + own.count * extra, count=own.count, shown=shown)


def critic_loss(real: Sequence[Verdict], made: Sequence[Verdict]) -> Tensor:
    """Squared distance from 1 for recordings and from 0 for made waves (LSGAN, arXiv 1611.04076), mean over critics.

    >>> one = [Verdict(torch.ones(1, 1, 2), ())]
    >>> critic_loss(one, one).item()
    1.0
    """
    pairs = zip(real, made, strict=True)
    return torch.stack([(1 - r.score).square().mean() + m.score.square().mean() for r, m in pairs]).mean()


def adversarial_loss(made: Sequence[Verdict]) -> Tensor:
    """Squared distance of made waves from 1, mean over critics."""
    return torch.stack([(1 - verdict.score).square().mean() for verdict in made]).mean()


def feature_loss(real: Sequence[Verdict], made: Sequence[Verdict]) -> Tensor:
    """L1 distance of the critics' features relative to the recordings' size, mean over layers and critics."""
    pairs = [pair for r, m in zip(real, made, strict=True) for pair in zip(r.features, m.features, strict=True)]
    return torch.stack([(r.detach() - m).abs().mean() / r.detach().abs().mean() for r, m in pairs]).mean()
