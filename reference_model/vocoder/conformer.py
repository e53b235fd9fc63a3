"""The flow's token encoder: Transformer blocks with relative positions, as ESPnet's Conformer without convolution.

Every token sees every other (no mask, no look-ahead limit). Positions enter the attention scores as distances,
after Transformer-XL (arXiv 1901.02860), so the same weights read a prompt and an answer of any length.

Shapes: B batch, T tokens, D width, H heads, d width of one head, P = 2T - 1 distances.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import FlowConfig


def relative_positions(n_tokens: int, dim: int, device: torch.device | None = None) -> Tensor:
    """Sinusoids of the distances T-1, ..., 0, ..., -(T-1), in fp32.

    Args:
        n_tokens: T, at least 1.
        dim: D, even; sines on even channels, cosines on odd ones.
        device: where to compute.

    Returns:
        Table [1, 2T - 1, D].

    >>> relative_positions(3, 4).shape
    torch.Size([1, 5, 4])
    >>> relative_positions(3, 4)[0, 2].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    distance_P = torch.arange(n_tokens - 1, -n_tokens, -1.0, device=device)
    frequency = torch.exp(torch.arange(0, dim, 2.0, device=device) * -(math.log(10000.0) / dim))
    angle = distance_P[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[None]


def shift_distances(scores_BHTP: Tensor) -> Tensor:
    """Turn scores per (query, distance) into scores per (query, key).

    Args:
        scores_BHTP: [B, H, T, 2T - 1], distances running from T-1 down to -(T-1).

    Returns:
        [B, H, T, T].

    >>> shift_distances(torch.tensor([[[[1.0, 0.0, -1.0], [1.0, 0.0, -1.0]]]])).tolist()
    [[[[0.0, -1.0], [1.0, 0.0]]]]
    """
    n_batch, n_heads, n_tokens, n_distances = scores_BHTP.shape
    padded = functional.pad(scores_BHTP, (1, 0)).view(n_batch, n_heads, n_distances + 1, n_tokens)
    return padded[:, :, 1:].reshape(n_batch, n_heads, n_tokens, n_distances)[..., :n_tokens]


class RelativeAttention(nn.Module):
    """Multi-head attention whose scores add content and distance, each with its own learned query bias."""

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.linear_q = nn.Linear(dim, dim)
        self.linear_k = nn.Linear(dim, dim)
        self.linear_v = nn.Linear(dim, dim)
        self.linear_out = nn.Linear(dim, dim)
        self.linear_pos = nn.Linear(dim, dim, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(n_heads, dim // n_heads))
        self.pos_bias_v = nn.Parameter(torch.empty(n_heads, dim // n_heads))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        n_batch, n_tokens, _ = x_BTD.shape
        return x_BTD.view(n_batch, n_tokens, self.n_heads, -1).transpose(1, 2)

    def forward(self, x_BTD: Tensor, positions_1PD: Tensor) -> Tensor:
        """Attend over all tokens.

        Args:
            x_BTD: [B, T, D].
            positions_1PD: `relative_positions(T, D)` in the dtype of `x_BTD`.

        Returns:
            [B, T, D].
        """
        query_BHTd = self._heads(self.linear_q(x_BTD))
        key_BHTd = self._heads(self.linear_k(x_BTD))
        value_BHTd = self._heads(self.linear_v(x_BTD))
        position_1HPd = self._heads(self.linear_pos(positions_1PD))
        by_distance_BHTP = (query_BHTd + self.pos_bias_v[:, None]) @ position_1HPd.transpose(-1, -2)
        bias_BHTT = shift_distances(by_distance_BHTP) / math.sqrt(query_BHTd.shape[-1])
        mixed_BHTd = functional.scaled_dot_product_attention(
            query_BHTd + self.pos_bias_u[:, None], key_BHTd, value_BHTd, attn_mask=bias_BHTT
        )
        out_BTD: Tensor = self.linear_out(mixed_BHTd.transpose(1, 2).flatten(2))
        return out_BTD


class FeedForward(nn.Module):
    """Two linear layers around a SiLU."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(dim, hidden)
        self.w_2 = nn.Linear(hidden, dim)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D]."""
        out_BTD: Tensor = self.w_2(functional.silu(self.w_1(x_BTD)))
        return out_BTD


class EncoderBlock(nn.Module):
    """Pre-norm attention, then pre-norm feed-forward, each added to its input."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.self_attn = RelativeAttention(config.dim, config.heads)
        self.feed_forward = FeedForward(config.dim, config.ffn)
        self.norm_ff = nn.LayerNorm(config.dim, eps=1e-12)  # ESPnet's epsilon inside blocks
        self.norm_mha = nn.LayerNorm(config.dim, eps=1e-12)

    def forward(self, x_BTD: Tensor, positions_1PD: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D]."""
        x_BTD = x_BTD + self.self_attn(self.norm_mha(x_BTD), positions_1PD)
        out_BTD: Tensor = x_BTD + self.feed_forward(self.norm_ff(x_BTD))
        return out_BTD


class InputLayer(nn.Module):
    """Linear and LayerNorm before the first block; `out.0` and `out.1` in a checkpoint."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.LayerNorm(dim, eps=1e-5))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D], scaled by sqrt(D) as attention papers of 2017 do."""
        out_BTD: Tensor = self.out(x_BTD) * math.sqrt(x_BTD.shape[-1])
        return out_BTD


class TokenEncoder(nn.Module):
    """The Conformer stack: input layer, blocks, final norm."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.embed = InputLayer(config.dim)
        self.encoders = nn.ModuleList(EncoderBlock(config) for _ in range(config.blocks))
        self.after_norm = nn.LayerNorm(config.dim, eps=1e-5)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Encode embedded tokens [B, T, D] to [B, T, D]."""
        positions_1PD = relative_positions(x_BTD.shape[1], x_BTD.shape[2], x_BTD.device).to(x_BTD.dtype)
        x_BTD = self.embed(x_BTD)
        for block in self.encoders:
            x_BTD = block(x_BTD, positions_1PD)
        out_BTD: Tensor = self.after_norm(x_BTD)
        return out_BTD
