"""Wave in pieces from mel in pieces, equal to the wave of the whole mel.

HiFT is made of convolutions, so a sample depends on a few frames around it and no others (`frames_of_reach`). Keeping
that many frames to both sides, the F0 already predicted, and the harmonics' phase, every sample comes out as it would
from the whole. There is nothing to cross-fade.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aqaa_eval.reference_model.vocoder.hift import MelToWave
from aqaa_eval.reference_model.vocoder.noise import NoiseField
from aqaa_eval.reference_model.vocoder.source import N_F0_LAYERS, Excitation


class WaveStream:
    """Turns mel pieces into wave pieces.

    Args:
        hift: the vocoder, in eval mode.
        phase_1K1: initial phases of the harmonics.
        noise: the source's noise, by sample.
    """

    def __init__(self, hift: MelToWave, phase_1K1: Tensor, noise: NoiseField) -> None:
        self._hift, self._phase, self._noise = hift, phase_1K1, noise
        self._reach = hift.reach
        self._mel: Tensor | None = None  # kept frames, [1, M, F]
        self._source: Tensor | None = None  # source of those whose F0 is certain, [1, 1, N]
        self._cycles: Tensor | None = None
        self._first = 0  # index in the utterance of the first kept frame
        self._done = 0  # frames given out

    def push(self, mel_MF: Tensor) -> Tensor:
        """Take mel frames; give the samples [N] that are now certain (perhaps none)."""
        self._mel = mel_MF[None] if self._mel is None else torch.cat([self._mel, mel_MF[None]], dim=2)
        n_kept = self._mel.shape[2]
        self._extend_source(self._first + n_kept - N_F0_LAYERS)
        return self._emit(self._first + n_kept - N_F0_LAYERS - self._reach)

    def finish(self) -> Tensor:
        """Give the remaining samples [N]."""
        if self._mel is None:
            return torch.empty(0)
        end = self._first + self._mel.shape[2]
        self._extend_source(end)
        return self._emit(end)

    def _extend_source(self, until: int) -> None:
        """Predict F0 and make the source up to frame `until`, whose right context is complete."""
        assert self._mel is not None
        per_frame = self._hift.samples_per_frame
        start = self._first + (0 if self._source is None else self._source.shape[2] // per_frame)
        if until <= start:
            return
        context = max(self._first, start - N_F0_LAYERS)
        f0_1F = self._hift.f0(self._mel[:, :, context - self._first :])
        f0_1F = f0_1F[:, start - context : until - context]
        noise_KN = self._noise.read(start * per_frame, until * per_frame)
        excitation = Excitation(phase=self._phase, noise=noise_KN[None].to(self._mel), start_cycles=self._cycles)
        source_11N: Tensor = self._hift.m_source(f0_1F, excitation)
        cycles = self._hift.m_source.cycles(f0_1F)
        self._cycles = (cycles if self._cycles is None else self._cycles + cycles) % 1
        self._source = source_11N if self._source is None else torch.cat([self._source, source_11N], dim=2)

    def _emit(self, until: int) -> Tensor:
        """Decode the frames kept and give those from the last given one to `until`."""
        assert self._mel is not None
        if until <= self._done or self._source is None:
            return self._mel.new_empty(0)
        per_frame = self._hift.samples_per_frame
        n_frames = self._source.shape[2] // per_frame
        wave_N = self._hift.decode(self._mel[:, :, :n_frames], self._source)[0]
        wave_N = wave_N[(self._done - self._first) * per_frame : (until - self._first) * per_frame]
        keep = max(0, until - self._reach)
        self._mel = self._mel[:, :, keep - self._first :]
        self._source = self._source[:, :, (keep - self._first) * per_frame :]
        self._first, self._done = keep, until
        return wave_N
