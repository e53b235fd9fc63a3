"""Mel to wave by HiFT (after HiFTNet, arXiv 2309.09493): a harmonic source shaped into a short STFT, then inverted.

Two upsampling stages bring the mel to 64 steps per frame; at each the source's STFT, brought to the same rate, is
added. The last convolution gives a magnitude and a phase for 9 frequencies, and an inverse STFT of 16 samples with
hop 4 makes 256 samples per mel frame.

Shapes: B batch, M mel bins, F mel frames, C channels, L steps of the network, Q STFT frequencies, N wave samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import HiftConfig
from aqaa_eval.reference_model.vocoder.source import Excitation, F0Predictor, HarmonicSource, PulseSource
from aqaa_eval.reference_model.vocoder.weight_norm import NormedConv, NormedUpsample, fold_weight_norm

DILATIONS = (1, 3, 5)
EDGE_KERNEL = 7  # of the first and the last convolution
STAGE_SLOPE = 0.1
FINAL_SLOPE = 0.01  # upstream leaves the last leaky ReLU at torch's default
MAX_MAGNITUDE = 100.0
CEILING = 0.99


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha per channel (arXiv 2006.08195): a bias towards periodic signals."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(n_channels))

    def forward(self, x_BCL: Tensor) -> Tensor:
        """Map [B, C, L] to [B, C, L]."""
        alpha_C1 = self.alpha[:, None]
        return x_BCL + (x_BCL * alpha_C1).sin().square() / (alpha_C1 + 1e-9)


class SnakeResblock(nn.Module):
    """Three residual pairs of convolutions; the first of each pair is dilated."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(NormedConv(n_channels, n_channels, kernel, d) for d in DILATIONS)
        self.convs2 = nn.ModuleList(NormedConv(n_channels, n_channels, kernel) for _ in DILATIONS)
        self.activations1 = nn.ModuleList(Snake(n_channels) for _ in DILATIONS)
        self.activations2 = nn.ModuleList(Snake(n_channels) for _ in DILATIONS)

    def forward(self, x_BCL: Tensor) -> Tensor:
        """Map [B, C, L] to [B, C, L]."""
        pairs = zip(self.activations1, self.convs1, self.activations2, self.convs2, strict=True)
        for act1, conv1, act2, conv2 in pairs:
            x_BCL = x_BCL + conv2(act2(conv1(act1(x_BCL))))
        return x_BCL


def resblock_reach(kernel: int) -> float:
    """Steps to each side that a `SnakeResblock` looks."""
    return sum((kernel - 1) / 2 * (dilation + 1) for dilation in DILATIONS)


def frames_of_reach(config: HiftConfig) -> int:
    """Mel frames to each side that a wave sample can depend on, F0 aside; a safe upper bound.

    >>> frames_of_reach(HiftConfig())
    20
    """
    rate, reach = 1.0, float(EDGE_KERNEL // 2)
    stages = zip(config.upsample_rates, config.upsample_kernels, config.source_resblock_kernels, strict=True)
    for up, up_kernel, source_kernel in stages:
        rate *= up
        blocks = resblock_reach(max(config.resblock_kernels)) + resblock_reach(source_kernel)
        reach += (blocks + up_kernel) / rate
    stft_steps = 2 * config.n_fft / config.hop
    return math.ceil(reach + (EDGE_KERNEL // 2 + stft_steps) / rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortSpectrum:
    """What the network says of the wave.

    Attributes:
        magnitude: [B, Q, L], before the ceiling.
        phase: radians within -1 and 1 (upstream takes a sine here), [B, Q, L].
    """

    magnitude: Tensor
    phase: Tensor


class MelToWave(nn.Module):
    """What both kinds of HiFT are made of: pitch, a source, and a network in stages over the mel.

    Args:
        config: its sizes.
        source: the kind of its source.
    """

    resblocks: nn.ModuleList

    def __init__(self, config: HiftConfig, source: type[HarmonicSource] | type[PulseSource]) -> None:
        super().__init__()
        _check_config(config)
        self.config = config
        self.samples_per_frame = math.prod(config.upsample_rates) * config.hop
        self.m_source = source(config, self.samples_per_frame)
        self.f0_predictor = F0Predictor(config)
        self.conv_pre = NormedConv(config.n_mels, config.base_channels, EDGE_KERNEL)
        self.widths = [config.base_channels >> (i + 1) for i in range(len(config.upsample_rates))]
        self.ups = nn.ModuleList(
            NormedUpsample(2 * width, width, kernel, rate)
            for width, kernel, rate in zip(self.widths, config.upsample_kernels, config.upsample_rates, strict=True)
        )

    @property
    def reach(self) -> int:
        """Mel frames to each side that a wave sample can depend on, F0 aside; a safe upper bound."""
        raise NotImplementedError

    def decode(self, mel: Tensor, s: Tensor) -> Tensor:
        """Wave [B, N] of a log-mel [B, M, F] and its source [B, channels, N], within -0.99 and 0.99."""
        raise NotImplementedError

    def fold_weight_norm(self) -> None:
        """Fold the weight norm for answering; the state dict then differs from upstream's."""
        fold_weight_norm(self)

    def f0(self, mel: Tensor) -> Tensor:
        """F0 in Hz of log-mel [B, M, F], [B, F]."""
        f0_BF: Tensor = self.f0_predictor(mel)
        return f0_BF

    def source_from(self, f0: Tensor, phase: Tensor, noise: Tensor) -> Tensor:
        """Source signal of a whole utterance.

        Args:
            f0: Hz, [B, F].
            phase: initial phases in radians, [B, harmonics, 1], the first 0.
            noise: standard normal, [B, harmonics, N].

        Returns:
            [B, channels, N].
        """
        source_BCN: Tensor = self.m_source(f0, Excitation(phase=phase, noise=noise))
        return source_BCN

    def _make_resblocks(self) -> nn.ModuleList:
        """Blocks of every kernel for each stage, whose mean is taken."""
        kernels = self.config.resblock_kernels
        return nn.ModuleList(SnakeResblock(width, kernel) for width in self.widths for kernel in kernels)

    def _blocks(self, stage: int, x_BCL: Tensor) -> Tensor:
        """The mean of a stage's blocks."""
        n_kernels = len(self.config.resblock_kernels)
        blocks = list(self.resblocks)[stage * n_kernels : (stage + 1) * n_kernels]
        return cast(Tensor, sum(block(x_BCL) for block in blocks)) / n_kernels


class Hift(MelToWave):
    """Mel to wave. Its state-dict keys are those of the published `hift.pt`."""

    def __init__(self, config: HiftConfig) -> None:
        super().__init__(config, HarmonicSource)
        self.source_downs = nn.ModuleList(self._source_down(i, width) for i, width in enumerate(self.widths))
        self.source_resblocks = nn.ModuleList(
            SnakeResblock(width, kernel)
            for width, kernel in zip(self.widths, config.source_resblock_kernels, strict=True)
        )
        self.resblocks = self._make_resblocks()
        self.conv_post = NormedConv(self.widths[-1], config.n_fft + 2, EDGE_KERNEL)

    def _source_down(self, stage: int, width: int) -> nn.Conv1d:
        """Bring the source's STFT from the last stage's rate to this stage's."""
        rate = math.prod(self.config.upsample_rates[stage + 1 :])
        kernel = 1 if rate == 1 else 2 * rate
        return nn.Conv1d(self.config.n_fft + 2, width, kernel, rate, padding=rate // 2 if rate > 1 else 0)

    @property
    def reach(self) -> int:
        """Mel frames to each side that a wave sample can depend on, F0 aside; a safe upper bound."""
        return frames_of_reach(self.config)

    def decode(self, mel: Tensor, s: Tensor) -> Tensor:
        """Wave of a log-mel and its source.

        Args:
            mel: [B, M, F].
            s: source, [B, 1, N], N = F * samples_per_frame.

        Returns:
            [B, N], within -0.99 and 0.99.

        Raises:
            ValueError: if mel and source do not fit.
        """
        return self._invert(self.spectrum(mel, s))

    def spectrum(self, mel: Tensor, s: Tensor) -> ShortSpectrum:
        """Magnitude and phase of the short STFT; arguments as for `decode`."""
        check_mel(mel, s, (self.config.n_mels, 1, self.samples_per_frame))
        source_BCL = self._analyse(s.squeeze(1))
        x_BCL = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            x_BCL = up(functional.leaky_relu(x_BCL, STAGE_SLOPE))
            if stage == len(self.ups) - 1:
                # The source's centred STFT has one step more than the upsampled mel.
                x_BCL = functional.pad(x_BCL, (1, 0), mode="reflect")
            down = self.source_downs[stage]
            x_BCL = x_BCL + self.source_resblocks[stage](down(source_BCL))
            x_BCL = self._blocks(stage, x_BCL)
        x_BCL = self.conv_post(functional.leaky_relu(x_BCL, FINAL_SLOPE))
        n_frequencies = self.config.n_fft // 2 + 1
        return ShortSpectrum(magnitude=x_BCL[:, :n_frequencies].exp(), phase=x_BCL[:, n_frequencies:].sin())

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.config.n_fft, dtype=like.dtype, device=like.device)

    def _analyse(self, wave_BN: Tensor) -> Tensor:
        spectrum_BQL = torch.stft(
            wave_BN, self.config.n_fft, self.config.hop, window=self._window(wave_BN), return_complex=True
        )
        return torch.cat([spectrum_BQL.real, spectrum_BQL.imag], dim=1)

    def _invert(self, spectrum: ShortSpectrum) -> Tensor:
        magnitude_BQL = spectrum.magnitude.clamp(max=MAX_MAGNITUDE)
        spectrum_BQL = torch.polar(magnitude_BQL, spectrum.phase)
        window = self._window(magnitude_BQL)
        wave_BN = torch.istft(spectrum_BQL, self.config.n_fft, self.config.hop, window=window)
        return wave_BN.clamp(-CEILING, CEILING)


def _check_config(config: HiftConfig) -> None:
    """Refuse sizes that do not fit each other.

    Raises:
        ValueError: with what does not.
    """
    n_stages = len(config.upsample_rates)
    for name in ("upsample_kernels", "source_resblock_kernels"):
        if len(getattr(config, name)) != n_stages:
            raise ValueError(f"{name} {getattr(config, name)} must have one entry per upsample rate ({n_stages})")
    if config.base_channels % 2**n_stages:
        raise ValueError(
            f"base_channels ({config.base_channels}) must be a multiple of {2**n_stages}: each stage halves it"
        )


def check_mel(mel: Tensor, source: Tensor, sizes: tuple[int, int, int]) -> None:
    """Refuse a mel or a source of a wrong shape; `sizes`: mel bins, channels of the source, samples per frame.

    Raises:
        ValueError: with the shape and the rule.
    """
    n_mels, n_channels, samples_per_frame = sizes
    if mel.dim() != 3 or mel.shape[1] != n_mels or mel.shape[2] == 0:
        raise ValueError(f"mel has shape {list(mel.shape)}; it must be [batch, {n_mels}, frames > 0]")
    wanted = (mel.shape[0], n_channels, mel.shape[2] * samples_per_frame)
    if source.shape != wanted:
        raise ValueError(
            f"the source has shape {list(source.shape)}; {samples_per_frame} samples per mel frame make {list(wanted)}"
        )
