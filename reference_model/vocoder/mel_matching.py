"""A wave filtered to the mel that it was made of.

A small network misses its mel by a fifth in every bin, and that is most of what is heard to be wrong with its waves.
Its mel is measured and the wave filtered by the difference: two short transforms, no weights. Gradients pass, so the
network can learn what the mel does not say.

Shapes: B batch, M mel bins, F mel frames, Q STFT frequencies, L STFT steps, N wave samples.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from aqaa_eval.reference_model.config import HiftConfig
from aqaa_eval.reference_model.vocoder.mel import MelConfig, log_mels, mel_centres_hz

MAX_CHANGE = 3.0
"""Of the logarithm of a bin, either way, in one matching."""


def matched(wave_BN: Tensor, mel_BMF: Tensor, config: HiftConfig) -> Tensor:
    """The wave with a mel nearer to the one it should have, by one pass.

    Args:
        wave_BN: N = F * 256; one of up to two frames is too short to be measured, and stays as it is.
        mel_BMF: log-mel that it should have.
        config: with the STFT in which it is filtered.

    Returns:
        [B, N].
    """
    mel = _mel_config(config)
    if wave_BN.shape[1] <= mel.n_fft // 2:
        return wave_BN
    missing_BMF = (mel_BMF - log_mels(wave_BN, mel)).clamp(-MAX_CHANGE, MAX_CHANGE)
    gain_BQL = at_steps(spread(config).to(missing_BMF) @ missing_BMF, mel.hop // config.hop)
    window = torch.hann_window(config.n_fft, dtype=wave_BN.dtype, device=wave_BN.device)
    spectrum_BQL = torch.stft(wave_BN, config.n_fft, config.hop, window=window, return_complex=True)
    return torch.istft(spectrum_BQL * gain_BQL.exp(), config.n_fft, config.hop, window=window)


def frames_to_match(config: HiftConfig) -> int:
    """Mel frames to each side that a sample of a matched wave can depend on, by one pass; a safe upper bound.

    >>> frames_to_match(HiftConfig(n_fft=512, hop=128, upsample_rates=(2,)))
    5
    """
    hop = MelConfig().hop
    return math.ceil(MelConfig().n_fft / 2 / hop + 1 + config.n_fft / hop)


def at_steps(frames_BQF: Tensor, n_steps: int) -> Tensor:
    """Values of mel frames at the steps of a centred STFT, linear in time: [B, Q, F] to [B, Q, F * n_steps + 1].

    Step 0 lies at the beginning of the first frame, the last one at the end of the last.

    >>> at_steps(torch.tensor([[[0.0, 4.0]]]), 2)[0, 0].tolist()
    [0.0, 0.0, 2.0, 4.0, 4.0]
    """
    padded = functional.pad(frames_BQF, (1, 1), mode="replicate")
    n_frames = frames_BQF.shape[2]
    halves = functional.interpolate(padded, size=2 * n_steps * (n_frames + 1) + 1, mode="linear", align_corners=True)
    return halves[:, :, n_steps::2][:, :, : n_frames * n_steps + 1]


@cache
@torch.inference_mode(mode=False)  # else what is first asked for while answering could not be trained with
def spread(config: HiftConfig) -> Tensor:
    """What takes a log-mel to the bins of the STFT: linear between the filters' peaks, flat beyond them. [Q, M]."""
    centre_M = mel_centres_hz(_mel_config(config)).float()
    bin_Q = torch.linspace(0, config.sample_rate_hz / 2, config.n_fft // 2 + 1)
    upper_Q = torch.searchsorted(centre_M, bin_Q).clamp(1, config.n_mels - 1)
    below_Q, above_Q = centre_M[upper_Q - 1], centre_M[upper_Q]
    share_Q = ((bin_Q - below_Q) / (above_Q - below_Q)).clamp(0, 1)
    rows_QM = torch.zeros(len(bin_Q), config.n_mels)
    rows_QM.scatter_(1, upper_Q[:, None] - 1, 1 - share_Q[:, None])
    return rows_QM.scatter_(1, upper_Q[:, None], share_Q[:, None])


def _mel_config(config: HiftConfig) -> MelConfig:
    return MelConfig(sample_rate_hz=config.sample_rate_hz, n_mels=config.n_mels)
