"""Pitch and excitation of the vocoder: an F0 predictor, and the sources of both kinds of HiFT.

Where a frame is voiced, the harmonic source is a bank of sines at the multiples of F0 plus faint noise; elsewhere it is
noise. The pulse source gives all harmonics at once, and noise beside them. Phase is counted in cycles at frame starts
in fp64, where it costs 256 times less than per sample: an hour-long answer keeps its pitch exact, and a stream can go
on where its last chunk ended (`start_cycles`).

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
PULSES_ABOVE_HZ = 60.0
"""No voice is lower. Sines of 20 Hz are a hum that HiFT learns to leave out; pulses of 20 Hz are clicks."""
MAX_VOICED_HZ = 5000.0


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


@dataclass(frozen=True, slots=True)
class HarmonicClock:
    """How far each harmonic has run at each sample.

    Attributes:
        sample_rate_hz: of the wave.
        samples_per_frame: of the pitch's frames.
        n_harmonics: the fundamental included.
    """

    sample_rate_hz: int
    samples_per_frame: int
    n_harmonics: int

    def per_sample(self, f0_BF: Tensor) -> Tensor:
        """How many cycles each harmonic moves per sample, [B, F] to [B, K, F]."""
        multiple_K1 = torch.arange(1, self.n_harmonics + 1, device=f0_BF.device, dtype=f0_BF.dtype)[:, None]
        return f0_BF[:, None] * multiple_K1 / self.sample_rate_hz

    def cycles(self, f0_BF: Tensor) -> Tensor:
        """Cycles that each harmonic runs through in these frames, fp64 [B, K, 1]."""
        return self.per_sample(f0_BF).double().sum(-1, keepdim=True) * self.samples_per_frame

    def by_sample(self, value_BF: Tensor) -> Tensor:
        """Repeat a value of each frame for its samples, [B, 1, N]."""
        return value_BF[:, None].repeat_interleave(self.samples_per_frame, dim=-1)

    def __call__(self, f0_BF: Tensor, excitation: Excitation) -> Tensor:
        """Cycles within 0 and 1 at every sample, [B, K, N], the initial phases aside.

        Raises:
            ValueError: the noise or the phases do not fit the frames.
        """
        n_batch, n_frames = f0_BF.shape
        self._check(excitation, (n_batch, self.n_harmonics), n_frames * self.samples_per_frame)
        step_BKF = self.per_sample(f0_BF)
        run_BKF = step_BKF.double() * self.samples_per_frame
        start_BKF = run_BKF.cumsum(-1) - run_BKF
        if excitation.start_cycles is not None:
            start_BKF = start_BKF + excitation.start_cycles
        sample_h = torch.arange(1, self.samples_per_frame + 1, device=f0_BF.device, dtype=f0_BF.dtype)
        cycles_BKFh = (start_BKF % 1).to(f0_BF.dtype)[..., None] + step_BKF[..., None] * sample_h
        return (cycles_BKFh % 1).flatten(2)

    def _check(self, excitation: Excitation, rows: tuple[int, int], n_samples: int) -> None:
        if excitation.phase.shape != (*rows, 1):
            raise ValueError(f"phase has shape {list(excitation.phase.shape)}; one per harmonic, {[*rows, 1]}")
        if excitation.noise.shape != (*rows, n_samples):
            raise ValueError(
                f"noise has shape {list(excitation.noise.shape)}; {self.samples_per_frame} samples per mel frame "
                f"and harmonic make {[*rows, n_samples]}"
            )


class HarmonicSource(nn.Module):
    """Sines and noise, mixed by one linear layer and a tanh."""

    def __init__(self, config: HiftConfig, samples_per_frame: int) -> None:
        super().__init__()
        self.n_harmonics = config.n_harmonics + 1
        self._clock = HarmonicClock(config.sample_rate_hz, samples_per_frame, self.n_harmonics)
        self.l_linear = nn.Linear(self.n_harmonics, 1)

    def cycles(self, f0_BF: Tensor) -> Tensor:
        """Cycles that each harmonic runs through in these frames, fp64 [B, K, 1]."""
        return self._clock.cycles(f0_BF)

    def forward(self, f0_BF: Tensor, excitation: Excitation) -> Tensor:
        """Make the source signal of frames with this F0 in Hz.

        Returns:
            [B, 1, N] within (-1, 1), N = F * h.

        Raises:
            ValueError: if the noise or the phases do not fit the frames.
        """
        cycles_BKN = self._clock(f0_BF, excitation)
        angle_BKN = 2 * math.pi * cycles_BKN + excitation.phase
        voiced_B1N = self._clock.by_sample((f0_BF > VOICED_ABOVE_HZ).to(f0_BF.dtype))
        level_B1N = voiced_B1N * VOICED_NOISE + (1 - voiced_B1N) * (SINE_AMPLITUDE / 3)
        waves_BKN = SINE_AMPLITUDE * angle_BKN.sin() * voiced_B1N + level_B1N * excitation.noise
        return functional.linear(waves_BKN.mT, self.l_linear.weight, self.l_linear.bias).tanh().mT


class PulseSource(nn.Module):
    """Pulses that hold the harmonics up to 5 kHz with the same strength, and white noise.

    Above, voiced speech is noise, too (Stylianou's maximum voiced frequency). The power per Hz of the pulses is that of
    the noise, at every pitch. It has nothing to learn.
    """

    n_harmonics = 1

    def __init__(self, config: HiftConfig, samples_per_frame: int) -> None:
        super().__init__()
        self._clock = HarmonicClock(config.sample_rate_hz, samples_per_frame, self.n_harmonics)

    def cycles(self, f0_BF: Tensor) -> Tensor:
        """Cycles that the fundamental runs through in these frames, fp64 [B, 1, 1]."""
        return self._clock.cycles(f0_BF)

    def forward(self, f0_BF: Tensor, excitation: Excitation) -> Tensor:
        """Make the sources of frames with this F0 in Hz.

        Returns:
            [B, 2, N]: pulses, nothing where F0 is 60 Hz or less; noise, everywhere.

        Raises:
            ValueError: if the noise or the phases do not fit the frames.
        """
        angle_B1N = 2 * math.pi * self._clock(f0_BF, excitation) + excitation.phase
        voiced_BF = f0_BF > PULSES_ABOVE_HZ
        n_BF = (MAX_VOICED_HZ / f0_BF.clamp_min(PULSES_ABOVE_HZ)).floor()
        n_B1N = self._clock.by_sample(n_BF)
        strength_B1N = self._clock.by_sample((4 * f0_BF / self._clock.sample_rate_hz).sqrt() * voiced_BF)
        half_B1N = (angle_B1N / 2).sin()
        # The sum of n cosines in closed form (Dirichlet's kernel); where the quotient is 0 / 0 each of them is 1.
        kernel_B1N = ((n_B1N + 0.5) * angle_B1N).sin() / (2 * half_B1N) - 0.5
        pulse_B1N = torch.where(half_B1N.abs() < 1e-4, n_B1N, kernel_B1N) * strength_B1N
        return torch.cat([pulse_B1N, excitation.noise], dim=1)
