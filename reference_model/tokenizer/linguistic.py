"""The linguistic tokenizer: 16.7 frames a second, each the nearest of 1,024 centroids.

Letters: B recordings, P pieces, R rows of a piece, L stacked frames, F features (560), D width, A rows in view, K keys,
V centroids. The encoder is a streaming one even for a whole file: a piece of 240 ms sees the five frames before it, the
keys and values of four pieces before that, and nothing of what follows; that is how the published codes were made.
A long recording is encoded in blocks of pieces whose state is carried over, so memory does not grow with its length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import LinguisticConfig
from aqaa_eval.reference_model.tokenizer.fbank import (
    N_FEATURES,
    features_between,
    n_linguistic_frames,
)
from aqaa_eval.reference_model.tokenizer.sanm import NORM_EPS, PieceMasks, SanmLayer

PIECES_PER_BLOCK = 64  # over all recordings of a batch: 15 s of audio


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What one block hands to the next.

    Attributes:
        n_pieces: pieces done.
        rows: those kept from the last piece: [B, R - new, F].
        past: per layer, keys and values in view: [B, A, 2D].
    """

    n_pieces: int
    rows: Tensor
    past: tuple[Tensor, ...]


class LinguisticEncoder(nn.Module):
    """The encoder of Paraformer (streaming SAN-M); state-dict keys are FunASR's without `encoder.`."""

    def __init__(self, config: LinguisticConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders0 = nn.ModuleList([SanmLayer(config, n_in=N_FEATURES)])
        self.encoders = nn.ModuleList(SanmLayer(config, n_in=config.dim) for _ in range(config.blocks - 1))
        self.after_norm = nn.LayerNorm(config.dim, eps=NORM_EPS)

    @torch.no_grad()
    def encode(self, wav_N: Tensor, cmvn_2F: Tensor) -> Tensor:
        """Encodes one recording: [1, L, D].

        Args:
            wav_N: 16 kHz mono.
            cmvn_2F: normalisation, see `fbank.frontend`.
        """
        blocks = [block for (block,) in self.encode_blocks([wav_N], cmvn_2F)]
        return torch.cat(blocks)[None] if blocks else self.after_norm.weight.new_zeros(1, 0, self.config.dim)

    def forward(self, feats_BLF: Tensor, sizes: Sequence[int]) -> Tensor:
        """Encodes whole recordings in one block, with gradient: what training does.

        Args:
            feats_BLF: normalised features, L a multiple of the frames of a piece.
            sizes: real frames of each recording.

        Returns:
            [B, L, D]; frames beyond a recording's size mean nothing.
        """
        return self._encode_block(feats_BLF, sizes, self._start(len(feats_BLF)))[0]

    def encode_blocks(self, wavs: Sequence[Tensor], cmvn_2F: Tensor) -> Iterator[list[Tensor]]:
        """Encodes recordings side by side, block after block.

        Args:
            wavs: 16 kHz mono, of any lengths; none sees another.
            cmvn_2F: normalisation.

        Yields:
            Per recording the block's frames [L, D]; none once a recording has ended.
        """
        n_new = self.config.chunk[1]
        n_frames = [n_linguistic_frames(len(wav), frames_per_piece=n_new) for wav in wavs]
        n_pieces = math.ceil(max(n_frames, default=0) / n_new)
        block = max(1, PIECES_PER_BLOCK // max(1, len(wavs)))
        state = self._start(len(wavs))
        for first in range(0, n_pieces, block):
            with torch.no_grad():
                start, end = first * n_new, min(n_pieces, first + block) * n_new
                sizes = [min(max(n - start, 0), end - start) for n in n_frames]
                spans = [
                    functional.pad(
                        features_between(wav, cmvn_2F, first=start, end=start + n), (0, 0, 0, end - start - n)
                    )
                    for wav, n in zip(wavs, sizes, strict=True)
                ]
                out_BLD, state = self._encode_block(torch.stack(spans), sizes, state)
                frames = [out_LD[:n] for out_LD, n in zip(out_BLD, sizes, strict=True)]
            yield frames

    def _start(self, n_recordings: int) -> _State:
        config, like = self.config, self.after_norm.weight
        past_BAE = like.new_zeros(n_recordings, config.look_back * config.chunk[1], 2 * config.dim)
        rows_BRF = like.new_zeros(n_recordings, config.chunk[2], N_FEATURES)
        return _State(n_pieces=0, rows=rows_BRF, past=(past_BAE,) * config.blocks)

    def _encode_block(self, feats_BLF: Tensor, sizes: Sequence[int], state: _State) -> tuple[Tensor, _State]:
        """Encodes the pieces of one block, [B, L, D], of which recording b has `sizes[b]` real frames."""
        _, n_new, n_kept = self.config.chunk
        position = state.n_pieces * n_new
        scaled_BLF = feats_BLF * math.sqrt(self.config.dim) + _positions(position, feats_BLF.shape[1], feats_BLF.device)
        line_BLF = torch.cat([state.rows, scaled_BLF.to(state.rows.dtype)], dim=1)
        x_BPRD = line_BLF.unfold(1, n_kept + n_new, n_new).transpose(2, 3)
        masks = self._masks(sizes, n_done=state.n_pieces, like_BPRD=x_BPRD)
        past = []
        for layer, layer_past_BAE in zip([*self.encoders0, *self.encoders], state.past, strict=True):
            x_BPRD, layer_past_BAE = layer(x_BPRD, layer_past_BAE, masks)
            past.append(layer_past_BAE)
        out_BLD = self.after_norm(x_BPRD[:, :, n_kept:]).flatten(1, 2)
        n_pieces = state.n_pieces + x_BPRD.shape[1]
        rows_BRF = line_BLF[:, line_BLF.shape[1] - n_kept :].clone()
        return out_BLD, _State(n_pieces=n_pieces, rows=rows_BRF, past=tuple(past))

    def _masks(self, sizes: Sequence[int], *, n_done: int, like_BPRD: Tensor) -> PieceMasks:
        """Hides the rows that a short last piece lacks, and the view before the first piece.

        The kept rows always count (before the start they are zeros that the published encoder sees too), so no row of
        keys is ever empty.
        """
        (_, n_new, n_kept), look_back = self.config.chunk, self.config.look_back
        n_pieces, device = like_BPRD.shape[1], like_BPRD.device
        size_B11 = torch.tensor(sizes, device=device)[:, None, None]
        new_PR = torch.arange(n_pieces * n_new, device=device).view(n_pieces, n_new)
        rows_BPR = functional.pad(new_PR < size_B11, (n_kept, 0), value=True)
        view_A = torch.arange(look_back * n_new, device=device) // n_new - look_back + n_done
        view_BPA = (torch.arange(n_pieces, device=device)[:, None] + view_A >= 0).expand(len(sizes), -1, -1)
        whole = bool(rows_BPR.all())
        return PieceMasks(
            rows=None if whole else rows_BPR[..., None].to(like_BPRD.dtype),
            keys=None if whole and n_done >= look_back else torch.cat([view_BPA, rows_BPR], dim=2),
        )


def quantize(enc_LD: Tensor, codebook_VD: Tensor) -> Tensor:
    """The nearest centroid of each frame by Euclidean distance.

    Args:
        enc_LD: frames, [L, D] or [1, L, D].
        codebook_VD: centroids, not normalised.

    Returns:
        Codes [L], int64.
    """
    frames_LD = enc_LD.reshape(-1, codebook_VD.shape[1]).float()
    return torch.cdist(frames_LD, codebook_VD.float()).argmin(dim=1)


@lru_cache(maxsize=64)
def _positions(first: int, n_frames: int, device: torch.device) -> Tensor:
    """Sinusoids of the positions after `first` (they count from 1): all sines, then all cosines: [L, F]."""
    half = N_FEATURES // 2
    rate_F = torch.exp(torch.arange(half, device=device) * -(math.log(10_000.0) / (half - 1)))
    angle_LF = torch.arange(first + 1, first + n_frames + 1, device=device)[:, None] * rate_F
    return torch.cat([angle_LF.sin(), angle_LF.cos()], dim=1)
