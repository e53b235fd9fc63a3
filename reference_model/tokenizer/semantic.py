"""The semantic tokenizer: 25 codes a second, each the nearest of 4,096 directions.

Letters: B windows, M mel bands, T mel frames (10 ms), S frames after the two strided convolutions (40 ms), H heads,
D width, V codes. It is the front of a Whisper encoder, cut after six blocks, without a last norm. State-dict keys are
those of the published PyTorch twin. Long audio is cut into windows of 30 s that do not see each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import SemanticConfig
from aqaa_eval.reference_model.tokenizer.whisper_mel import HOP, log_mel

WINDOW_SAMPLES = 480_000
SHORTEST_WINDOW_SAMPLES = 480
WINDOWS_PER_BATCH = 4


class SemanticCoder(Protocol):
    """Turns log-mel windows into codes: the PyTorch encoder here, or the ONNX file of `semantic_onnx`."""

    @property
    def n_mels(self) -> int:
        """Bands of the spectrogram it reads."""

    def codes(self, mels: Sequence[Tensor]) -> list[list[int]]:
        """The codes of each window [M, T], in order."""


def windows(wav_N: Tensor) -> list[Tensor]:
    """Cuts 16 kHz audio into windows of 30 s; a last one under 480 samples is dropped.

    >>> [len(w) for w in windows(torch.zeros(480_479))], [len(w) for w in windows(torch.zeros(480_480))]
    ([480000], [480000, 480])
    """
    return [window for window in torch.split(wav_N, WINDOW_SAMPLES) if len(window) >= SHORTEST_WINDOW_SAMPLES]


def n_semantic_frames(n_samples: int) -> int:
    """Codes for audio at 16 kHz.

    >>> [n_semantic_frames(n) for n in (479, 480, 1_440, 16_000, 123_600, 480_000, 960_000)]
    [0, 1, 3, 25, 193, 750, 1500]
    """
    n_windows, tail = divmod(n_samples, WINDOW_SAMPLES)
    per_tail = math.ceil(tail // HOP / 4) if tail >= SHORTEST_WINDOW_SAMPLES else 0
    return n_windows * (WINDOW_SAMPLES // HOP // 4) + per_tail


class SemanticAttention(nn.Module):
    """Multi-head attention whose key map has no bias."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.n_heads = config.n_audio_head
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BSD: Tensor, mask_B11S: Tensor | None) -> Tensor:
        """Attends to all frames of the window that the mask lets through."""
        q, k, v = (self._heads(part(x_BSD)) for part in (self.query, self.key, self.value))
        heads_BHSd = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask_B11S)
        out_BSD: Tensor = self.out(heads_BHSd.transpose(1, 2).flatten(2))
        return out_BSD

    def _heads(self, x_BSD: Tensor) -> Tensor:
        return x_BSD.view(*x_BSD.shape[:2], self.n_heads, -1).transpose(1, 2)


class SemanticBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.attn = SemanticAttention(config)
        self.attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x_BSD: Tensor, mask_B11S: Tensor | None) -> Tensor:
        """Keeps the shape."""
        x_BSD = x_BSD + self.attn(self.attn_ln(x_BSD), mask_B11S)
        out_BSD: Tensor = x_BSD + self.mlp(self.mlp_ln(x_BSD))
        return out_BSD


class SemanticEncoder(nn.Module):
    """Two convolutions of stride 2, fixed sinusoids, transformer blocks."""

    positional_embedding: Tensor

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        width = config.n_audio_state
        self.conv1 = nn.Conv1d(config.n_mels, width, kernel_size=3, stride=2, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(config.n_audio_ctx, width))
        self.blocks = nn.ModuleList(SemanticBlock(config) for _ in range(config.n_audio_layer))

    def forward(self, mel_BMT: Tensor, n_frames_B: Tensor) -> Tensor:
        """Encodes windows of which window b has `n_frames_B[b]` real mel frames: [B, S, D]."""
        x_BDT = functional.gelu(self.conv1(_zero_beyond(mel_BMT, n_frames_B)))
        n_frames_B = (n_frames_B + 1) // 2
        x_BDS = functional.gelu(self.conv2(_zero_beyond(x_BDT, n_frames_B)))
        n_frames_B = (n_frames_B + 1) // 2
        n = x_BDS.shape[2]
        mask_BS = torch.arange(n, device=mel_BMT.device) < n_frames_B[:, None]
        x_BSD = x_BDS.transpose(1, 2) + self.positional_embedding[:n]
        mask_B11S = None if bool(mask_BS.all()) else mask_BS[:, None, None]
        for block in self.blocks:
            x_BSD = block(x_BSD, mask_B11S)
        return x_BSD


class _Codebook(nn.Module):
    embed: Tensor

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.register_buffer("embed", torch.zeros(config.n_codebook_size, config.n_audio_state))


class SemanticQuantizer(nn.Module):
    """Holds the codebook; the nesting only gives it its published key."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self._codebook = _Codebook(config)

    def forward(self, x_BSD: Tensor) -> Tensor:
        """The entry nearest to each frame's direction: [B, S], int64."""
        embed_VD = self._codebook.embed.float()
        unit_BSD = functional.normalize(x_BSD.float(), dim=-1)
        distance_BSV = embed_VD.square().sum(1) - 2.0 * unit_BSD @ embed_VD.T
        return distance_BSV.argmin(dim=-1)


class SemanticTokenizer(nn.Module):
    """Encoder and codebook, a `SemanticCoder`."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SemanticEncoder(config)
        self.quantizer = SemanticQuantizer(config)

    @property
    def n_mels(self) -> int:
        """Bands of the spectrogram it reads."""
        return self.config.n_mels

    def mel(self, wav_N: Tensor) -> Tensor:
        """The spectrogram of one window of audio: [M, T]."""
        return log_mel(wav_N, n_mels=self.n_mels)

    @torch.no_grad()
    def encode(self, mel_MT: Tensor) -> Tensor:
        """Encodes one window: [1, S, D]."""
        n_frames_B = torch.tensor([mel_MT.shape[-1]], device=self._like().device)
        out_BSD: Tensor = self.encoder(mel_MT.reshape(1, *mel_MT.shape[-2:]).to(self._like()), n_frames_B)
        return out_BSD

    def tokens(self, wav_N: Tensor) -> list[int]:
        """The codes of 16 kHz audio of any length."""
        return [code for window in windows(wav_N) for code in self.codes([self.mel(window)])[0]]

    @torch.no_grad()
    def codes(self, mels: Sequence[Tensor]) -> list[list[int]]:
        """The codes of each window [M, T]; windows of unlike length are padded and masked."""
        like = self._like()
        n_frames_B = torch.tensor([mel.shape[1] for mel in mels], device=like.device)
        longest = int(n_frames_B.max())
        mel_BMT = torch.stack([functional.pad(mel.to(like), (0, longest - mel.shape[1])) for mel in mels])
        codes_BS = self.quantizer(self.encoder(mel_BMT, n_frames_B))
        return [row[: math.ceil(mel.shape[1] / 4)].tolist() for row, mel in zip(codes_BS, mels, strict=True)]

    def _like(self) -> Tensor:
        return self.encoder.conv1.weight


def sinusoids(n_positions: int, width: int) -> Tensor:
    """Whisper's position table, sines then cosines: [n_positions, width].

    >>> sinusoids(2, 4)[0].tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    half = width // 2
    rate = torch.exp(torch.arange(half) * -(math.log(10_000.0) / (half - 1)))
    angle = torch.arange(n_positions)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _zero_beyond(x_BMT: Tensor, n_frames_B: Tensor) -> Tensor:
    """Zeroes what lies past each window's own frames."""
    real_BT = torch.arange(x_BMT.shape[2], device=x_BMT.device) < n_frames_B[:, None]
    return x_BMT * real_BT[:, None]
