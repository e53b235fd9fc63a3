"""One answer being spoken: the voice, the seed, and the two streams from codes to mel to wave.

Shapes: M mel bins, F mel frames, N wave samples, K harmonics, V speaker vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from aqaa_eval.reference_model.config import FlowConfig
from aqaa_eval.reference_model.vocoder.flow import Flow, FlowQuery, count_frames
from aqaa_eval.reference_model.vocoder.hift import MelToWave
from aqaa_eval.reference_model.vocoder.length_regulator import FrameGrid
from aqaa_eval.reference_model.vocoder.mel_stream import MelStream, StreamPlan, Window
from aqaa_eval.reference_model.vocoder.noise import NoiseField, Purpose, make_generator
from aqaa_eval.reference_model.vocoder.wave_stream import WaveStream

CODES_PER_GROUP = 5  # 2 linguistic, 3 semantic
MEL_NOISE_BLOCK = 64
SOURCE_NOISE_BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A reference voice.

    Attributes:
        prompt_codes: audio codes (0 to 5,119) of a recording of it.
        prompt_mel: log-mel of the same recording, [F, M], see `mel.log_mel`.
        embedding: speaker vector of the recording, [V].
    """

    prompt_codes: tuple[int, ...]
    prompt_mel: Tensor
    embedding: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisConfig:
    """How codes are turned into sound.

    Attributes:
        n_steps: ODE steps of the flow; None for the model's.
        plan: windows of a stream.
        max_whole_codes: longest answer made in one pass (2,500 codes last 60 s); longer ones go by windows.
    """

    n_steps: int | None = None
    plan: StreamPlan = field(default_factory=StreamPlan)
    max_whole_codes: int = 2500


class Take:
    """Speaks one answer, whole or in pieces; not reusable.

    Raises:
        ValueError: if the speaker breaks a rule.
    """

    def __init__(
        self, flow: Flow, hift: MelToWave, seed: int, speaker: Speaker | None, synthesis: SynthesisConfig
    ) -> None:
        self._flow, self._hift, self._synthesis = flow, hift, synthesis
        weight = flow.encoder_proj.weight
        self._device, self._dtype = weight.device, weight.dtype
        self._voice = self._prepare(speaker or _no_speaker(flow.config))
        n_mels, n_harmonics = flow.config.n_mels, hift.m_source.n_harmonics
        self._mel_noise = NoiseField(seed=seed, purpose=Purpose.MEL, n_channels=n_mels, block=MEL_NOISE_BLOCK)
        self._prompt_noise = NoiseField(
            seed=seed, purpose=Purpose.PROMPT_MEL, n_channels=n_mels, block=MEL_NOISE_BLOCK
        ).read(0, self._voice.prompt_feat.shape[1])
        self._source_noise = NoiseField(
            seed=seed, purpose=Purpose.SOURCE_NOISE, n_channels=n_harmonics, block=SOURCE_NOISE_BLOCK
        )
        generator = make_generator(seed, Purpose.SOURCE_PHASE)
        phase_1K1 = (torch.rand(1, n_harmonics, 1, generator=generator) * 2 - 1) * math.pi
        phase_1K1[:, 0] = 0.0
        self._phase = phase_1K1.to(hift.conv_pre.bias)
        self._mel_stream = MelStream(self._render, self._frame_of, synthesis.plan)
        self._wave_stream = WaveStream(hift, self._phase, self._source_noise)

    @torch.inference_mode()
    def whole(self, codes: list[int]) -> Tensor:
        """Wave [N] of all codes in one pass, fp32 on the CPU.

        Raises:
            ValueError: if a code is out of range.
        """
        check_codes(codes, self._flow.config.vocab, "codes")
        mel_1MF = self._speak(codes, 0, None)[None]
        f0_1F = self._hift.f0(mel_1MF)
        noise_KN = self._source_noise.read(0, mel_1MF.shape[2] * self._hift.samples_per_frame)
        source_11N = self._hift.source_from(f0_1F, self._phase, noise_KN[None].to(mel_1MF))
        return self._hift.decode(mel_1MF, source_11N)[0].float().cpu()

    @torch.inference_mode()
    def push(self, codes: list[int]) -> list[Tensor]:
        """Take codes; give the wave pieces that are now certain.

        Raises:
            ValueError: if a code is out of range.
        """
        check_codes(codes, self._flow.config.vocab, "codes", self._mel_stream.n_codes)
        pieces = [self._wave_stream.push(mel_MF) for mel_MF in self._mel_stream.push(codes)]
        return [piece.float().cpu() for piece in pieces if len(piece)]

    @torch.inference_mode()
    def finish(self) -> list[Tensor]:
        """Give the remaining wave pieces.

        Raises:
            ValueError: if the codes taken are not whole groups.
        """
        check_length(self._mel_stream.n_codes)
        pieces = [self._wave_stream.push(mel_MF) for mel_MF in self._mel_stream.finish()]
        pieces.append(self._wave_stream.finish())
        return [piece.float().cpu() for piece in pieces if len(piece)]

    def _prepare(self, speaker: Speaker) -> FlowQuery:
        """The voice as a query that has nothing to say yet."""
        config = self._flow.config
        if speaker.prompt_mel.dim() != 2 or speaker.prompt_mel.shape[1] != config.n_mels:
            raise ValueError(
                f"prompt_mel has shape {list(speaker.prompt_mel.shape)}; it must be [frames, {config.n_mels}]"
            )
        if speaker.embedding.shape != (config.speaker_dim,):
            raise ValueError(f"embedding has shape {list(speaker.embedding.shape)}; it must be [{config.speaker_dim}]")
        if bool(speaker.prompt_codes) != bool(speaker.prompt_mel.shape[0]):
            raise ValueError(
                f"the speaker has {len(speaker.prompt_codes)} prompt codes and {speaker.prompt_mel.shape[0]} mel "
                "frames; both must come from one recording, or both be empty"
            )
        check_codes(speaker.prompt_codes, config.vocab, "prompt_codes")
        check_finite(speaker.prompt_mel, "prompt_mel")
        check_finite(speaker.embedding, "embedding")
        return FlowQuery(
            token=torch.empty(1, 0, dtype=torch.long),
            prompt_token=self._ids(speaker.prompt_codes),
            prompt_feat=speaker.prompt_mel[None].to(self._device, self._dtype),
            embedding=speaker.embedding[None].to(self._device, self._dtype),
        )

    def _ids(self, codes: Sequence[int]) -> Tensor:
        return torch.tensor([list(codes)], dtype=torch.long, device=self._device)

    def _frame_of(self, code: int) -> int:
        return count_frames(code, self._flow.config)

    def _render(self, window: Window) -> Tensor:
        """Mel [M, F] of a window, at its place in the answer."""
        config = self._flow.config
        grid = FrameGrid(
            first_code=window.first_code,
            first_frame=window.first_frame,
            n_frames=window.n_frames,
            frames_per_code=config.sample_rate_hz / config.hop / config.input_frame_rate_hz,
        )
        return self._speak(window.codes, window.first_frame, grid)

    def _speak(self, codes: list[int], first_frame: int, grid: FrameGrid | None) -> Tensor:
        n_frames = count_frames(len(codes), self._flow.config) if grid is None else grid.n_frames
        noise_MF = torch.cat([self._prompt_noise, self._mel_noise.read(first_frame, first_frame + n_frames)], dim=1)
        query = FlowQuery(
            token=self._ids(codes),
            prompt_token=self._voice.prompt_token,
            prompt_feat=self._voice.prompt_feat,
            embedding=self._voice.embedding,
            grid=grid,
        )
        noise_1MF = noise_MF[None].to(self._device, self._dtype)
        mel_MF = self._flow.speak(query, noise_1MF, self._synthesis.n_steps)[0]
        check_finite(mel_MF, "the mel that the flow made")
        return mel_MF.to(self._hift.conv_pre.bias)


def _no_speaker(config: FlowConfig) -> Speaker:
    return Speaker(
        prompt_codes=(),
        prompt_mel=torch.zeros(0, config.n_mels),
        embedding=torch.zeros(config.speaker_dim),
    )


def check_length(n_codes: int) -> None:
    """Raise unless there are codes, in whole groups.

    >>> check_length(7)
    Traceback (most recent call last):
        ...
    ValueError: 7 audio codes: an answer has whole groups of 5 (2 linguistic, 3 semantic); cut or repair the last group
    """
    if n_codes == 0:
        raise ValueError("0 audio codes: there must be at least one group of 5 to make sound from")
    if n_codes % CODES_PER_GROUP:
        raise ValueError(
            f"{n_codes} audio codes: an answer has whole groups of {CODES_PER_GROUP} (2 linguistic, 3 semantic); "
            "cut or repair the last group"
        )


def check_codes(codes: Sequence[int], vocab: int, name: str, first: int = 0) -> None:
    """Raise at the first code outside 0 to vocab - 1; `first` is the index of codes[0] in the answer.

    >>> check_codes([1, 5120], 5120, "codes")
    Traceback (most recent call last):
        ...
    ValueError: codes[1] is 5120; audio codes are whole numbers from 0 to 5119 (subtract the first audio id)
    """
    for place, code in enumerate(codes):
        if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code < vocab:
            raise ValueError(
                f"{name}[{first + place}] is {code!r}; audio codes are whole numbers from 0 to {vocab - 1} "
                "(subtract the first audio id)"
            )


def check_finite(values: Tensor, name: str) -> None:
    """Raise if a value is NaN or infinite.

    >>> check_finite(torch.tensor([[0.0], [float("nan")]]), "prompt_mel")
    Traceback (most recent call last):
        ...
    ValueError: prompt_mel holds nan at [1, 0]; every value must be finite
    """
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        place = bad.nonzero()[0].tolist()
        raise ValueError(f"{name} holds {float(values[tuple(place)])} at {place}; every value must be finite")
