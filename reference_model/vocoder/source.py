"""Pitch and excitation of the HiFT vocoder: an F0 predictor and a neural source filter's harmonic source.

Where a frame is voiced, the source is a bank of sines at the multiples of F0 plus faint noise; elsewhere it is
noise. Phase is counted in cycles at frame starts in fp64, where it costs 256 times less than per sample: an hour-long
answer keeps its pitch exact, and a stream can go on where its last chunk ended (`start_cycles`).

Shapes: B batch, M mel bins, F mel frames, K harmonics (fundamental included), N wave samples, h samples per frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import HiftConfig
from aqaa_eval.reference_model.vocoder.weight_norm import NormedConv

SINE_AMPLITUDE = 0.1
VOICED_NOISE = 0.003
VOICED_ABOVE_HZ = 10.0
N_F0_LAYERS = 5


class F0Predictor(nn.Module):
    """Five convolutions and a linear layer; F0 is its absolute value, in Hz."""

    def __init__(self, config: HiftConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = config.n_mels
        for _ in range(N_F0_LAYERS):
            layers += [NormedConv(n_in, config.f0_channels, 3), nn.ELU()]
            n_in = config.f0_channels
        self.condnet = nn.Sequential(*layers)
        self.classifier = nn.Linear(config.f0_channels, 1)

    def forward(self, mel_BMF: Tensor) -> Tensor:
        """Map log-mel [B, M, F] to F0 in Hz, [B, F]."""
        f0_BF1: Tensor = self.classifier(self.condnet(mel_BMF).transpose(1, 2))
        return f0_BF1.squeeze(-1).abs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Excitation:
    """The random part of a source.

    Attributes:
        phase: initial phase of each harmonic in radians, [B, K, 1]; the fundamental's is 0.
        noise: standard normal, [B, K, N].
        start_cycles: cycles of each harmonic before the first frame, fp64 [B, K, 1]; None for 0.
    """

    phase: Tensor
    noise: Tensor
    start_cycles: Tensor | None = None


class HarmonicSource(nn.Module):
    """Sines and noise, mixed by one linear layer and a tanh."""

    def __init__(self, config: HiftConfig, samples_per_frame: int) -> None:
        super().__init__()
        self.sample_rate_hz = config.sample_rate_hz
        self.samples_per_frame = samples_per_frame
        self.n_harmonics = config.n_harmonics + 1
        self.l_linear = nn.Linear(self.n_harmonics, 1)

    def cycles_per_sample(self, f0_BF: Tensor) -> Tensor:
        """How far each harmonic's phase moves per sample, [B, F] to [B, K, F]."""
        multiple_K1 = torch.arange(1, self.n_harmonics + 1, device=f0_BF.device, dtype=f0_BF.dtype)[:, None]
        return f0_BF[:, None] * multiple_K1 / self.sample_rate_hz

    def cycles(self, f0_BF: Tensor) -> Tensor:
        """Cycles that each harmonic runs through in these frames, fp64 [B, K, 1]."""
        return self.cycles_per_sample(f0_BF).double().sum(-1, keepdim=True) * self.samples_per_frame

    def forward(self, f0_BF: Tensor, excitation: Excitation) -> Tensor:
        """Make the source signal of frames with this F0 in Hz.

        Returns:
            [B, 1, N] within (-1, 1), N = F * h.

        Raises:
            ValueError: if the noise or the phases do not fit the frames.
        """
        n_batch, n_frames = f0_BF.shape
        n_samples = n_frames * self.samples_per_frame
        self._check(excitation, (n_batch, self.n_harmonics), n_samples)
        step_BKF = self.cycles_per_sample(f0_BF)
        run_BKF = step_BKF.double() * self.samples_per_frame
        start_BKF = run_BKF.cumsum(-1) - run_BKF
        if excitation.start_cycles is not None:
            start_BKF = start_BKF + excitation.start_cycles
        sample_h = torch.arange(1, self.samples_per_frame + 1, device=f0_BF.device, dtype=f0_BF.dtype)
        cycles_BKFh = (start_BKF % 1).to(f0_BF.dtype)[..., None] + step_BKF[..., None] * sample_h
        angle_BKN = 2 * math.pi * (cycles_BKFh % 1).flatten(2) + excitation.phase
        voiced_B1N = (f0_BF > VOICED_ABOVE_HZ).to(f0_BF.dtype)[:, None]
        voiced_B1N = voiced_B1N.repeat_interleave(self.samples_per_frame, dim=-1)
        level_B1N = voiced_B1N * VOICED_NOISE + (1 - voiced_B1N) * (SINE_AMPLITUDE / 3)
        waves_BKN = SINE_AMPLITUDE * angle_BKN.sin() * voiced_B1N + level_B1N * excitation.noise
        return functional.linear(waves_BKN.mT, self.l_linear.weight, self.l_linear.bias).tanh().mT

    def _check(self, excitation: Excitation, rows: tuple[int, int], n_samples: int) -> None:
        if excitation.phase.shape != (*rows, 1):
            raise ValueError(f"phase has shape {list(excitation.phase.shape)}; one per harmonic, {[*rows, 1]}")
        if excitation.noise.shape != (*rows, n_samples):
            raise ValueError(
                f"noise has shape {list(excitation.noise.shape)}; {self.samples_per_frame} samples per mel frame "
                f"and harmonic make {[*rows, n_samples]}"
            )
