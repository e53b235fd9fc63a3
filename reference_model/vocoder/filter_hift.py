"""HiFT whose last step filters its source: a neural homomorphic vocoder (Liu, Chen and Yu, Interspeech 2020).

HiFT's network draws every bin of the wave's STFT, phases included, and has to learn from sound alone to follow its
source. Large ones do; one of a few hundred thousand numbers makes no harmonics above 2 kHz. Here the source is pulses
with all harmonics, and noise, and the network only says how strong each is in every bin, and how the pulses' phase is
turned. What it says is added to the mel itself, spread over the bins: already untrained it speaks.

Shapes: B batch, M mel bins, F mel frames, C channels, L steps of the network, Q STFT frequencies, N wave samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import HiftConfig
from aqaa_eval.reference_model.vocoder.hift import (
    CEILING,
    EDGE_KERNEL,
    FINAL_SLOPE,
    STAGE_SLOPE,
    Hift,
    MelToWave,
    SnakeResblock,
    check_mel,
    resblock_reach,
)
from aqaa_eval.reference_model.vocoder.mel_matching import frames_to_match, matched, spread
from aqaa_eval.reference_model.vocoder.source import PulseSource

MAX_LOG_GAIN = 4.0
QUIET = 1e-2
"""Added to the pulses' spectrum before its logarithm."""
FIRST_LOG_GAIN = (-1.0, -3.0)
"""Of pulses and noise over the mel, before anything is learnt."""


class FilterHift(MelToWave):
    """Mel to wave, as `Hift` is; its source has two channels, pulses and noise."""

    def __init__(self, config: HiftConfig) -> None:
        super().__init__(config, PulseSource)
        width = self.widths[-1]
        self.resblocks = self._make_resblocks()
        self.n_frequencies = config.n_fft // 2 + 1
        self.source_in = nn.Conv1d(self.n_frequencies, width, 1)
        self.source_resblock = SnakeResblock(width, config.source_resblock_kernels[-1])
        self.conv_post = nn.Conv1d(width, 3 * self.n_frequencies, 1)
        nn.init.zeros_(self.conv_post.weight)
        gains = [torch.full((self.n_frequencies,), gain) for gain in FIRST_LOG_GAIN]
        self.conv_post.bias = nn.Parameter(torch.cat([*gains, torch.zeros(self.n_frequencies)]))

    @property
    def reach(self) -> int:
        """Mel frames to each side that a wave sample can depend on, F0 aside; a safe upper bound."""
        config, rate, before = self.config, 1.0, float(EDGE_KERNEL // 2)
        block = resblock_reach(max(config.resblock_kernels))
        for up, up_kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
            rate *= up
            before += (block + up_kernel) / rate
        # Mel and source meet before the last blocks: the farther one counts.
        meeting = max(before - block / rate, resblock_reach(config.source_resblock_kernels[-1]) / rate)
        made = math.ceil(meeting + (block + 1 + 2 * config.n_fft / config.hop) / rate)
        return made + config.n_matches * frames_to_match(config)

    def decode(self, mel: Tensor, s: Tensor) -> Tensor:
        """Wave of a log-mel and its source.

        Args:
            mel: [B, M, F].
            s: source, [B, 2, N], N = F * samples_per_frame.

        Returns:
            [B, N], within -0.99 and 0.99.

        Raises:
            ValueError: if mel and source do not fit.
        """
        check_mel(mel, s, (self.config.n_mels, 2, self.samples_per_frame))
        n_fft, hop = self.config.n_fft, self.config.hop
        window = torch.hann_window(n_fft, dtype=s.dtype, device=s.device)
        spectrum = torch.stft(s.flatten(0, 1), n_fft, hop, window=window, return_complex=True)
        pulses_BQL, noise_BQL = spectrum[0::2], spectrum[1::2]
        pulse_gain_BQL, noise_gain_BQL, phase_BQL = self._filters(mel, (pulses_BQL.abs() + QUIET).log())
        made_BQL = pulses_BQL * torch.polar(pulse_gain_BQL, phase_BQL) + noise_BQL * noise_gain_BQL
        made_BN = torch.istft(made_BQL, n_fft, hop, window=window)
        for _ in range(self.config.n_matches):
            made_BN = matched(made_BN, mel, self.config)
        return made_BN.clamp(-CEILING, CEILING)

    def _filters(self, mel: Tensor, source_BQL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gains of pulses and noise, and what the phase of the pulses is turned by, radians, [B, Q, L] each.

        The network sees the pulses' spectrum [B, Q, L], to know where harmonics are and where there is nothing.
        """
        x_BCL = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            x_BCL = up(functional.leaky_relu(x_BCL, STAGE_SLOPE))
            if stage == len(self.ups) - 1:
                # The source's centred STFT has one step more than the network.
                x_BCL = functional.pad(x_BCL, (1, 0), mode="replicate")
                x_BCL = x_BCL + self.source_resblock(self.source_in(source_BQL))
            x_BCL = self._blocks(stage, x_BCL)
        drawn_BSL = self.conv_post(functional.leaky_relu(x_BCL, FINAL_SLOPE))
        spread_BQL = functional.interpolate(spread(self.config).to(mel) @ mel, size=drawn_BSL.shape[2], mode="linear")
        drawn = drawn_BSL.split(self.n_frequencies, dim=1)
        pulse_BQL, noise_BQL = ((gain_BQL + spread_BQL).clamp(max=MAX_LOG_GAIN).exp() for gain_BQL in drawn[:2])
        return pulse_BQL, noise_BQL, drawn[2]


def build_hift(config: HiftConfig) -> MelToWave:
    """The network that the sizes are of, with random weights."""
    return FilterHift(config) if config.filters_source else Hift(config)
