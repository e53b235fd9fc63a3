"""The velocity estimator of the flow: a 1-D U-Net of residual convolutions and Transformer blocks (after Matcha-TTS).

At a point x between noise and mel, and a time t in [0, 1], it says in which direction the mel lies. It halves the
time resolution once. What does not change from one ODE step to the next (the conditions, the mask at both
resolutions, the time embeddings) is prepared by the caller once and passed in, see `Estimator.velocity`.

Shapes: B batch, C channels, F mel frames (or half of them), M mel bins, E time embedding, S solver steps.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import FlowConfig

N_NORM_GROUPS = 8
TIME_SCALE = 1000.0


def sinusoidal_time(time_S: Tensor, dim: int) -> Tensor:
    """Embed solver times as sines, then cosines, of 1000 t at falling frequencies; fp32.

    >>> sinusoidal_time(torch.tensor([0.0]), 4).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    half = dim // 2
    step = math.log(10000.0) / (half - 1)
    frequency = torch.exp(torch.arange(half, device=time_S.device, dtype=torch.float32) * -step)
    angle = TIME_SCALE * time_S.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def masked(x_BCF: Tensor, mask_B1F: Tensor | None) -> Tensor:
    """Zero what the mask excludes; None means that nothing is, and costs nothing."""
    return x_BCF if mask_B1F is None else x_BCF * mask_B1F


class ConvBlock(nn.Module):
    """Convolution of width 3, GroupNorm, Mish."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv1d(n_in, n_out, 3, padding=1), nn.GroupNorm(N_NORM_GROUPS, n_out), nn.Mish())

    def forward(self, x_BCF: Tensor, mask_B1F: Tensor | None) -> Tensor:
        """Map [B, n_in, F] to [B, n_out, F]; masked before and after."""
        return masked(self.block(masked(x_BCF, mask_B1F)), mask_B1F)


class ResnetBlock(nn.Module):
    """Two convolution blocks with the time embedding added between them, and a linear shortcut."""

    def __init__(self, n_in: int, n_out: int, time_dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time_dim, n_out))
        self.block1 = ConvBlock(n_in, n_out)
        self.block2 = ConvBlock(n_out, n_out)
        self.res_conv = nn.Conv1d(n_in, n_out, 1)

    def forward(self, x_BCF: Tensor, mask_B1F: Tensor | None, time_BE: Tensor) -> Tensor:
        """Map [B, n_in, F] to [B, n_out, F]."""
        hidden_BCF = self.block1(x_BCF, mask_B1F) + self.mlp(time_BE)[:, :, None]
        out_BCF: Tensor = self.block2(hidden_BCF, mask_B1F) + self.res_conv(masked(x_BCF, mask_B1F))
        return out_BCF


class Attention(nn.Module):
    """Plain self-attention over time; heads may be wider together than the input."""

    def __init__(self, dim: int, n_heads: int, head_dim: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        inner = n_heads * head_dim
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_k = nn.Linear(dim, inner, bias=False)
        self.to_v = nn.Linear(dim, inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, dim))

    def forward(self, x_BFC: Tensor) -> Tensor:
        """Map [B, F, C] to [B, F, C]."""
        query, key, value = (
            layer(x_BFC).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out_BFC: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return out_BFC


class GeluProjection(nn.Module):
    """Linear, then the exact GELU; keyed `ff.net.0.proj`."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(n_in, n_out)

    def forward(self, x_BFC: Tensor) -> Tensor:
        """Map [B, F, n_in] to [B, F, n_out]."""
        return functional.gelu(self.proj(x_BFC))


class WidenedFeedForward(nn.Module):
    """Four times wider and back. Index 1 of `net` is upstream's dropout, idle when answering."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GeluProjection(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x_BFC: Tensor) -> Tensor:
        """Map [B, F, C] to [B, F, C]."""
        out_BFC: Tensor = self.net(x_BFC)
        return out_BFC


class TransformerBlock(nn.Module):
    """Pre-norm attention and feed-forward. There is no `norm2`: it would belong to cross-attention."""

    def __init__(self, dim: int, n_heads: int, head_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, n_heads, head_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = WidenedFeedForward(dim)

    def forward(self, x_BFC: Tensor) -> Tensor:
        """Map [B, F, C] to [B, F, C]."""
        x_BFC = x_BFC + self.attn1(self.norm1(x_BFC))
        out_BFC: Tensor = x_BFC + self.ff(self.norm3(x_BFC))
        return out_BFC


class HalveTime(nn.Module):
    """Convolution of stride 2."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_channels, n_channels, 3, stride=2, padding=1)

    def forward(self, x_BCF: Tensor) -> Tensor:
        """Map [B, C, F] to [B, C, ceil(F / 2)]."""
        out_BCF: Tensor = self.conv(x_BCF)
        return out_BCF


class DoubleTime(nn.Module):
    """Transposed convolution of stride 2."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(n_channels, n_channels, 4, stride=2, padding=1)

    def forward(self, x_BCF: Tensor) -> Tensor:
        """Map [B, C, F] to [B, C, 2F]."""
        out_BCF: Tensor = self.conv(x_BCF)
        return out_BCF


class TimeMlp(nn.Module):
    """Two linear layers around a SiLU, over the sinusoidal embedding."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(n_in, n_out)
        self.linear_2 = nn.Linear(n_out, n_out)

    def forward(self, time_SE: Tensor) -> Tensor:
        """Map [S, n_in] to [S, n_out]."""
        out_SE: Tensor = self.linear_2(functional.silu(self.linear_1(time_SE)))
        return out_SE


class Estimator(nn.Module):
    """The U-Net. Two stages down, a middle, two stages up, each a ResnetBlock and its Transformer blocks."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        first, second = config.channels
        self.n_input = 4 * config.n_mels
        time_dim = 4 * first
        self.time_mlp = TimeMlp(self.n_input, time_dim)

        def stage(n_in: int, n_out: int, *after: nn.Module) -> nn.ModuleList:
            blocks = nn.ModuleList(
                TransformerBlock(n_out, config.n_heads, config.head_dim) for _ in range(config.n_blocks)
            )
            return nn.ModuleList([ResnetBlock(n_in, n_out, time_dim), blocks, *after])

        self.down_blocks = nn.ModuleList(
            [
                stage(self.n_input, first, HalveTime(first)),
                stage(first, second, nn.Conv1d(second, second, 3, padding=1)),
            ]
        )
        self.mid_blocks = nn.ModuleList(stage(second, second) for _ in range(config.n_mid_blocks))
        self.up_blocks = nn.ModuleList(
            [
                stage(2 * second, first, DoubleTime(first)),
                stage(2 * first, first, nn.Conv1d(first, first, 3, padding=1)),
            ]
        )
        self.final_block = ConvBlock(first, first)
        self.final_proj = nn.Conv1d(first, config.n_mels, 1)

    def embed_times(self, time_S: Tensor) -> Tensor:
        """Embed all solver times at once, [S] to [S, E]."""
        out_SE: Tensor = self.time_mlp(sinusoidal_time(time_S, self.n_input).to(self.time_mlp.linear_1.weight.dtype))
        return out_SE

    def forward(self, x: Tensor, mask: Tensor, mu: Tensor, t: Tensor, spks: Tensor, cond: Tensor) -> Tensor:
        """One call with upstream's arguments.

        Args:
            x: point on the way from noise to mel, [B, M, F].
            mask: 1 where a frame counts, [B, 1, F].
            mu: encoder output at the mel rate, [B, M, F].
            t: time of each row, in [0, 1], [B].
            spks: projected speaker vector, [B, M].
            cond: prompt mel, zero after the prompt, [B, M, F].

        Returns:
            Velocity, [B, M, F].
        """
        speaker_BMF = spks[:, :, None].expand(-1, -1, x.shape[-1])
        return self.velocity(torch.cat([x, mu, speaker_BMF, cond], dim=1), mask, self.embed_times(t))

    def velocity(self, input_BCF: Tensor, mask_B1F: Tensor | None, time_BE: Tensor) -> Tensor:
        """The network proper.

        Args:
            input_BCF: x, mu, speaker and prompt stacked on the channels, [B, 4M, F].
            mask_B1F: [B, 1, F], or None when every frame counts.
            time_BE: `embed_times` of the current time, [B, E] or [1, E].

        Returns:
            Velocity, [B, M, F].
        """
        half_B1F = None if mask_B1F is None else mask_B1F[:, :, ::2]
        x_BCF = input_BCF
        skips: list[Tensor] = []
        for stage, mask in zip(self.down_blocks, (mask_B1F, half_B1F), strict=True):
            x_BCF = _run_stage(stage, x_BCF, mask, time_BE)
            skips.append(x_BCF)
            x_BCF = cast(nn.ModuleList, stage)[2](masked(x_BCF, mask))
        for stage in self.mid_blocks:
            x_BCF = _run_stage(stage, x_BCF, half_B1F, time_BE)
        for stage, mask in zip(self.up_blocks, (half_B1F, mask_B1F), strict=True):
            skip_BCF = skips.pop()
            # An odd F comes back from the half resolution one frame too long.
            x_BCF = torch.cat([x_BCF[:, :, : skip_BCF.shape[-1]], skip_BCF], dim=1)
            x_BCF = _run_stage(stage, x_BCF, mask, time_BE)
            x_BCF = cast(nn.ModuleList, stage)[2](masked(x_BCF, mask))
        x_BCF = self.final_block(x_BCF, mask_B1F)
        return masked(self.final_proj(masked(x_BCF, mask_B1F)), mask_B1F)


def _run_stage(stage: nn.Module, x_BCF: Tensor, mask_B1F: Tensor | None, time_BE: Tensor) -> Tensor:
    parts = cast(nn.ModuleList, stage)
    x_BFC = parts[0](x_BCF, mask_B1F, time_BE).transpose(1, 2)
    for block in cast(nn.ModuleList, parts[1]):
        x_BFC = block(x_BFC)
    out_BCF: Tensor = x_BFC.transpose(1, 2)
    return out_BCF
