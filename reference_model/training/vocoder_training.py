"""How the vocoder is learnt: flow matching from codes to mel, and HiFT from mel to wave.

Shapes: B batch, T codes, F mel frames, M mel bins, N samples, K harmonics, Q STFT frequencies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import FlowConfig, HiftConfig
from aqaa_eval.reference_model.training.loop import StepLoss
from aqaa_eval.reference_model.vocoder.filter_hift import build_hift
from aqaa_eval.reference_model.vocoder.flow import Flow, count_frames
from aqaa_eval.reference_model.vocoder.mel import MelConfig, log_mel, mel_filters
from aqaa_eval.reference_model.vocoder.source import Excitation

SIGMA = 1e-6
"""Noise left at the end of the path."""
CONDITION_DROP = 0.2
PRIOR_WEIGHT = 1.0
PROMPT_SHARE, LONGEST_PROMPT = 0.5, 0.3
STFT_SIZES = (256, 512, 1024, 2048)
MEL_WEIGHT, F0_WEIGHT = 4.0, 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class VoiceRow:
    """One answer in the vocoder's voice.

    Attributes:
        key: its name.
        samples: float32 mono at 22,050 Hz.
        codes: merged codes of the recording; empty where only HiFT is trained.
        f0_hz: pitch at each mel frame, 0 where there is none.
    """

    key: str
    samples: NDArray[np.float32]
    codes: tuple[int, ...]
    f0_hz: NDArray[np.float32]

    @cached_property
    def mel_FM(self) -> Tensor:  # noqa: N802
        """Its log-mel, computed once: an epoch cuts one crop of it."""
        return log_mel(torch.from_numpy(self.samples))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowBatch:
    """Answers of exactly the same number of codes: the estimator's attention has no mask."""

    codes_BT: Tensor
    mel_BMF: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiftBatch:
    """Crops of one length."""

    mel_BMF: Tensor
    wave_BN: Tensor
    f0_BF: Tensor


def flow_batches(rows: Sequence[VoiceRow], config: FlowConfig, *, frames: int, seed: int) -> Iterator[FlowBatch]:
    """One epoch of batches with about `frames` mel frames each."""
    generator = torch.Generator().manual_seed(seed)
    by_length: dict[int, list[int]] = defaultdict(list)
    for index in torch.randperm(len(rows), generator=generator).tolist():
        by_length[len(rows[index].codes)].append(index)
    batches = []
    for n_codes, found in by_length.items():
        size = max(1, frames // max(1, count_frames(n_codes, config)))
        batches += [found[start : start + size] for start in range(0, len(found), size)]
    for place in torch.randperm(len(batches), generator=generator).tolist():
        yield flow_batch([rows[i] for i in batches[place]], config)


def mean_mel(rows: Sequence[VoiceRow]) -> Tensor:
    """Mean log-mel of recordings, per bin: [M]."""
    return torch.cat([row.mel_FM for row in rows]).mean(0)


def flow_batch(rows: Sequence[VoiceRow], config: FlowConfig) -> FlowBatch:
    """Rows of one length; the mel is cut or its last frame repeated to the frames that the codes stand for."""
    n_frames = count_frames(len(rows[0].codes), config)
    mels = []
    for row in rows:
        mel_FM = row.mel_FM[:n_frames]
        mels.append(functional.pad(mel_FM.T[None], (0, n_frames - len(mel_FM)), mode="replicate")[0])
    return FlowBatch(codes_BT=torch.tensor([row.codes for row in rows]), mel_BMF=torch.stack(mels))


class FlowTask(nn.Module):
    """Conditional flow matching (arXiv 2210.02747): the network learns the velocity of a straight path.

    y_t = (1 - (1 - s) t) z + t x, velocity x - (1 - s) z, times denser near the noise: t = 1 - cos(pi u / 2). All
    conditions are dropped for a fifth of the rows (guidance needs the unconditional velocity), and half of the rows see
    up to 30 % of their mel as a voice prompt. Beside it the condition itself is drawn to the mel, as Grad-TTS draws its
    prior (arXiv 2105.06337, section 3): a small network then only has to sharpen what it is given.
    """

    def __init__(self, config: FlowConfig, *, prompt_share: float = PROMPT_SHARE) -> None:
        super().__init__()
        self.flow = Flow(config)
        self.prompt_share = prompt_share

    @torch.no_grad()
    def start_at(self, mean_M: Tensor) -> None:
        """Draw the mean mel before anything is learnt.

        A log-mel lies around -5, and a step of Adam moves a number by no more than the learning rate: a bias that
        started at 0 would be on its way for thousands of steps.

        Args:
            mean_M: mean log-mel of the voice, per bin.
        """
        regulator, estimator = self.flow.length_regulator.model[-1], self.flow.decoder.estimator.final_proj
        for last in (cast("nn.Conv1d", regulator), estimator):
            assert last.bias is not None  # both are made with one
            last.bias.copy_(mean_M)

    def forward(self, batch: FlowBatch) -> StepLoss:
        """Squared errors of velocity and condition, summed, beside how many numbers each is over."""
        mel_BMF = batch.mel_BMF
        n_batch, n_mels, n_frames = mel_BMF.shape
        mu_BFM = self.flow.regulate(self.flow.encode(batch.codes_BT), prompt_frames=0, prompt_codes=0, grid=None)
        drawn_BMF = mu_BFM.transpose(1, 2)
        prior = (drawn_BMF - mel_BMF).square().sum()
        kept_B11 = (torch.rand(n_batch, 1, 1) > CONDITION_DROP).to(mel_BMF)
        mu_BMF = drawn_BMF * kept_B11
        speaker_BM = self.flow.spk_embed_affine_layer(mel_BMF.new_zeros(n_batch, self.flow.config.speaker_dim))
        cond_BMF = self._prompts(mel_BMF) * kept_B11
        time_B = 1 - torch.cos(torch.rand(n_batch) * math.pi / 2)
        z_BMF = torch.randn_like(mel_BMF)
        time_B11 = time_B[:, None, None]
        path_BMF = (1 - (1 - SIGMA) * time_B11) * z_BMF + time_B11 * mel_BMF
        mask_B1F = mel_BMF.new_ones(n_batch, 1, n_frames)
        velocity_BMF = self.flow.estimator(path_BMF, mask_B1F, mu_BMF, time_B, speaker_BM * kept_B11[:, 0], cond_BMF)
        wanted_BMF = mel_BMF - (1 - SIGMA) * z_BMF
        error = (velocity_BMF - wanted_BMF).square().sum()
        count = n_batch * n_mels * n_frames
        shown = {"velocity": error.item() / count, "prior": prior.item() / count}
        return StepLoss(total=error + PRIOR_WEIGHT * prior, count=count, shown=shown)

    def _prompts(self, mel_BMF: Tensor) -> Tensor:
        n_batch, _, n_frames = mel_BMF.shape
        longest_B1 = torch.rand(n_batch, 1) * LONGEST_PROMPT * n_frames
        has_B1 = torch.rand(n_batch, 1) < self.prompt_share
        is_prompt_BF = (torch.arange(n_frames) < longest_B1) & has_B1
        return mel_BMF * is_prompt_BF[:, None]


def hift_batches(
    rows: Sequence[VoiceRow], config: HiftConfig, *, n_frames: int, batch_size: int, seed: int
) -> Iterator[HiftBatch]:
    """One epoch of random crops, a crop per recording (shorter ones are padded with silence)."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator).tolist()
    for start in range(0, len(order) - batch_size + 1, batch_size):
        crops = [_crop(rows[i], config, n_frames, generator) for i in order[start : start + batch_size]]
        mels, waves, pitches = zip(*crops, strict=True)
        yield HiftBatch(mel_BMF=torch.stack(mels), wave_BN=torch.stack(waves), f0_BF=torch.stack(pitches))


def _crop(
    row: VoiceRow, config: HiftConfig, n_frames: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    hop = math.prod(config.upsample_rates) * config.hop
    short = max(0, n_frames * hop + hop - len(row.samples))
    wave_N = functional.pad(torch.from_numpy(row.samples), (0, short))
    mel_MF = (log_mel(wave_N) if short else row.mel_FM).T
    last = min(mel_MF.shape[1], len(wave_N) // hop) - n_frames
    first = int(torch.randint(0, max(1, last + 1), (1,), generator=generator))
    f0_F = functional.pad(torch.from_numpy(row.f0_hz), (0, max(0, first + n_frames - len(row.f0_hz))))
    span = slice(first, first + n_frames)
    return mel_MF[:, span], wave_N[first * hop : (first + n_frames) * hop], f0_F[span]


class HiftTask(nn.Module):
    """HiFT by spectra at four resolutions, the mel, and the pitch."""

    def __init__(self, config: HiftConfig) -> None:
        super().__init__()
        self.hift = build_hift(config)
        self._mel = MelConfig(sample_rate_hz=config.sample_rate_hz, n_mels=config.n_mels)

    def forward(self, batch: HiftBatch) -> StepLoss:
        """The loss, summed over the crops. The source has the true pitch, as the predictor has yet to learn it."""
        n_batch = len(batch.wave_BN)
        n_harmonics = self.hift.m_source.n_harmonics
        phase_BK1 = (torch.rand(n_batch, n_harmonics, 1) * 2 - 1) * math.pi
        phase_BK1[:, 0] = 0
        noise_BKN = torch.randn(n_batch, n_harmonics, batch.wave_BN.shape[1])
        source_B1N = self.hift.m_source(batch.f0_BF, Excitation(phase=phase_BK1, noise=noise_BKN))
        made_BN = self.hift.decode(batch.mel_BMF, source_B1N)
        spectral = spectral_loss(made_BN, batch.wave_BN)
        mel = functional.l1_loss(self._log_mel(made_BN), self._log_mel(batch.wave_BN))
        f0 = functional.smooth_l1_loss(self.hift.f0(batch.mel_BMF) / 100, batch.f0_BF / 100)
        total = n_batch * (spectral + MEL_WEIGHT * mel + F0_WEIGHT * f0)
        return StepLoss(
            total=total,
            count=n_batch,
            shown={"spectral": spectral.item(), "mel": mel.item(), "f0": f0.item()},
        )

    def _log_mel(self, wave_BN: Tensor) -> Tensor:
        magnitude_BKF = _magnitude(wave_BN, self._mel.n_fft, self._mel.hop)
        return (mel_filters(self._mel) @ magnitude_BKF).clamp_min(self._mel.floor).log()


def spectral_loss(made_BN: Tensor, wanted_BN: Tensor) -> Tensor:
    """Spectral convergence plus the L1 distance of log magnitudes, mean over resolutions (Yamamoto et al. 2020).

    >>> spectral_loss(torch.ones(1, 4096), torch.ones(1, 4096)).item()
    0.0
    """
    losses = []
    for size in STFT_SIZES:
        made, wanted = (_magnitude(wave, size, size // 4) for wave in (made_BN, wanted_BN))
        convergence = (wanted - made).norm() / wanted.norm().clamp_min(1e-6)
        losses.append(convergence + functional.l1_loss(made.clamp_min(1e-5).log(), wanted.clamp_min(1e-5).log()))
    return torch.stack(losses).mean()


def _magnitude(wave_BN: Tensor, size: int, hop: int) -> Tensor:
    """Of the STFT with a Hann window: [B, N] to [B, size // 2 + 1, L]."""
    window = torch.hann_window(size)
    spectrum = torch.stft(wave_BN, size, hop, window=window, return_complex=True)
    # The square root has no finite slope at 0, where digital silence lies.
    return (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()
