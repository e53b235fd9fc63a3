"""The layers of the linguistic encoder: attention with a memory convolution (SAN-M), over pieces of audio.

Letters: B recordings, P pieces, R rows of a piece (those kept from before, then the new ones), C rows of one piece that
stay visible to later pieces, A such rows in view (look-back times C), K keys (A + R), H heads, D width.

The published code walks piece by piece with a cache of keys and values. But within one layer a piece needs nothing of
the pieces before it except their keys and values *of that same layer*, so here a layer does many pieces at once: the
cache becomes a sliding window over the pieces' own rows. Names of modules are the published ones, so its weights load.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import LinguisticConfig

NORM_EPS = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceMasks:
    """What exists and what is padding.

    Attributes:
        rows: [B, P, R, 1], 1 where a row is real, 0 where a last piece is short; None if all are real.
        keys: [B, P, K], True where a key may be seen; None if all may.
    """

    rows: Tensor | None
    keys: Tensor | None


class SanmAttention(nn.Module):
    """Self-attention over a piece and the pieces in view, plus a depthwise convolution of the values."""

    def __init__(self, config: LinguisticConfig, *, n_in: int) -> None:
        super().__init__()
        self.n_heads = config.heads
        self.n_new, self.look_back = config.chunk[1], config.look_back
        self.linear_q_k_v = nn.Linear(n_in, 3 * config.dim)
        self.linear_out = nn.Linear(config.dim, config.dim)
        half = (config.kernel - 1) // 2
        self.fsmn_padding = (half, config.kernel - 1 - half)
        self.fsmn_block = nn.Conv1d(config.dim, config.dim, config.kernel, groups=config.dim, bias=False)

    def forward(self, x_BPRD: Tensor, past_BAE: Tensor, masks: PieceMasks) -> tuple[Tensor, Tensor]:
        """Attends within each piece and back.

        Args:
            x_BPRD: normalised input.
            past_BAE: keys and values, side by side, of the rows in view before the first piece.
            masks: padding.

        Returns:
            The output [B, P, R, D], and the keys and values in view after the last piece.
        """
        q_BPRD, kv_BPRE = self.linear_q_k_v(x_BPRD).split([past_BAE.shape[-1] // 2, past_BAE.shape[-1]], dim=-1)
        memory_BPRD = self._memory(kv_BPRE.chunk(2, dim=-1)[1], masks.rows)
        seen_BPKE, past_BAE = self._look_back(kv_BPRE, past_BAE)
        k_BPKD, v_BPKD = seen_BPKE.chunk(2, dim=-1)
        mask = None if masks.keys is None else masks.keys.flatten(0, 1)[:, None, None]
        q, k, v = self._heads(q_BPRD), self._heads(k_BPKD), self._heads(v_BPKD)
        heads_NHRd = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        attended_BPRD = heads_NHRd.transpose(1, 2).reshape(q_BPRD.shape)
        out_BPRD: Tensor = self.linear_out(attended_BPRD) + memory_BPRD
        return out_BPRD, past_BAE

    def _look_back(self, kv_BPRE: Tensor, past_BAE: Tensor) -> tuple[Tensor, Tensor]:
        """Puts the rows in view before each piece's own."""
        n_view, n_pieces = past_BAE.shape[1], kv_BPRE.shape[1]
        if n_view == 0:
            return kv_BPRE, past_BAE
        line_BTE = torch.cat([past_BAE, kv_BPRE[:, :, : self.n_new].flatten(1, 2)], dim=1)
        view_BPAE = line_BTE.unfold(1, n_view, self.n_new)[:, :n_pieces].transpose(2, 3)
        return torch.cat([view_BPAE, kv_BPRE], dim=2), line_BTE[:, -n_view:].clone()

    def _memory(self, v_BPRD: Tensor, rows_BPR1: Tensor | None) -> Tensor:
        """The memory block: a convolution along the piece's own rows, added to them."""
        if rows_BPR1 is not None:
            v_BPRD = v_BPRD * rows_BPR1
        rows_NDR = functional.pad(v_BPRD.flatten(0, 1).transpose(1, 2), self.fsmn_padding)
        memory_NDR: Tensor = self.fsmn_block(rows_NDR)
        return memory_NDR.transpose(1, 2).reshape(v_BPRD.shape) + v_BPRD

    def _heads(self, x_BPRD: Tensor) -> Tensor:
        n_batch, n_pieces, n_rows, _ = x_BPRD.shape
        return x_BPRD.reshape(n_batch * n_pieces, n_rows, self.n_heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between."""

    def __init__(self, config: LinguisticConfig) -> None:
        super().__init__()
        self.w_1 = nn.Linear(config.dim, config.ffn)
        self.w_2 = nn.Linear(config.ffn, config.dim)

    def forward(self, x_BPRD: Tensor) -> Tensor:
        """Keeps the shape."""
        out: Tensor = self.w_2(functional.relu(self.w_1(x_BPRD)))
        return out


class SanmLayer(nn.Module):
    """Pre-norm attention and feed-forward. A layer that changes the width has no residual around its attention."""

    def __init__(self, config: LinguisticConfig, *, n_in: int) -> None:
        super().__init__()
        self.has_residual = n_in == config.dim
        self.self_attn = SanmAttention(config, n_in=n_in)
        self.feed_forward = FeedForward(config)
        self.norm1 = nn.LayerNorm(n_in, eps=NORM_EPS)
        self.norm2 = nn.LayerNorm(config.dim, eps=NORM_EPS)

    def forward(self, x_BPRD: Tensor, past_BAE: Tensor, masks: PieceMasks) -> tuple[Tensor, Tensor]:
        """See `SanmAttention.forward`."""
        attended_BPRD, past_BAE = self.self_attn(self.norm1(x_BPRD), past_BAE, masks)
        if self.has_residual:
            attended_BPRD = x_BPRD + attended_BPRD
        return attended_BPRD + self.feed_forward(self.norm2(attended_BPRD)), past_BAE
