"""The pitch predictor of HiFT, after the rest: on the mel of recordings, and on what the flow makes of their codes.

HiFT itself learns with the true pitch, and its predictor beside it for a few thousand crops: that is within a semitone
or two, and a melody needs half of one. The flow's mel is smoother than a recording's, so both are heard.

Shapes: B batch, M mel bins, F mel frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.training.loop import StepLoss
from aqaa_eval.reference_model.training.vocoder_training import VoiceRow
from aqaa_eval.reference_model.vocoder.flow import Flow, FlowQuery, count_frames
from aqaa_eval.reference_model.vocoder.hift import MelToWave

UNIT_HZ = 10.0
"""Errors below this are squared, those above count as they are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PitchBatch:
    """Mels [B, M, F] and the pitch of their frames in Hz [B, F], 0 where there is none."""

    mel_BMF: Tensor
    f0_BF: Tensor


class PitchTask(nn.Module):
    """The predictor alone, by the Huber loss."""

    def __init__(self, hift: MelToWave) -> None:
        super().__init__()
        self.predictor = hift.f0_predictor

    def forward(self, batch: PitchBatch) -> StepLoss:
        """The loss, summed over the crops."""
        n_batch = len(batch.f0_BF)
        loss = functional.smooth_l1_loss(self.predictor(batch.mel_BMF) / UNIT_HZ, batch.f0_BF / UNIT_HZ)
        return StepLoss(total=n_batch * loss, count=n_batch)


def pitch_rows(rows: Sequence[VoiceRow], flow: Flow | None = None) -> list[PitchBatch]:
    """Each recording with its pitch: by its own mel, or by what the flow makes of its codes without noise."""
    return [_row(row, flow) for row in rows]


@torch.no_grad()
def _row(row: VoiceRow, flow: Flow | None) -> PitchBatch:
    mel_BMF = row.mel_FM.T[None] if flow is None else _made(row, flow)
    n_frames = min(mel_BMF.shape[2], len(row.f0_hz))
    return PitchBatch(mel_BMF=mel_BMF[:, :, :n_frames], f0_BF=torch.from_numpy(row.f0_hz)[None, :n_frames])


def _made(row: VoiceRow, flow: Flow) -> Tensor:
    config = flow.config
    query = FlowQuery(
        token=torch.tensor([row.codes]),
        prompt_token=torch.zeros(1, 0, dtype=torch.long),
        prompt_feat=torch.zeros(1, 0, config.n_mels),
        embedding=torch.zeros(1, config.speaker_dim),
    )
    return flow.speak(query, torch.zeros(1, config.n_mels, count_frames(len(row.codes), config)))


def pitch_batches(rows: Sequence[PitchBatch], *, n_frames: int, batch_size: int, seed: int) -> Iterator[PitchBatch]:
    """One epoch of random crops, one of each row; what is shorter is padded with its last frame."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator).tolist()
    for start in range(0, len(order) - batch_size + 1, batch_size):
        crops = [_crop(rows[place], n_frames, generator) for place in order[start : start + batch_size]]
        yield PitchBatch(
            mel_BMF=torch.cat([crop.mel_BMF for crop in crops]), f0_BF=torch.cat([crop.f0_BF for crop in crops])
        )


def _crop(row: PitchBatch, n_frames: int, generator: torch.Generator) -> PitchBatch:
    short = (0, max(0, n_frames - row.f0_BF.shape[1]))
    mel_BMF = functional.pad(row.mel_BMF, short, mode="replicate")
    f0_BF = functional.pad(row.f0_BF, short, mode="replicate")
    first = int(torch.randint(0, mel_BMF.shape[2] - n_frames + 1, (1,), generator=generator))
    span = slice(first, first + n_frames)
    return PitchBatch(mel_BMF=mel_BMF[:, :, span], f0_BF=f0_BF[:, span])
