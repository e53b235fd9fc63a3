"""Grouped-query attention whose only notion of order is a bias.

The heads that share a key/value head are laid along the query axis, so keys and values are never repeated: with
R = H / G, the queries of one group are R * T rows over the same L keys, each with its own bias.

Shapes: B batch, T queries, L keys, D width, H heads, G key/value heads, R = H / G, d = D / H.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.backbone.cache import KeyValueCache
from aqaa_eval.reference_model.backbone.fused import FusedLinears
from aqaa_eval.reference_model.config import Step1Config


class StepAttention(nn.Module):
    """Bias-free projections around scaled dot-product attention."""

    def __init__(self, config: Step1Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.n_heads = config.num_attention_heads
        self.n_groups = config.num_attention_groups
        self.head_width = config.hidden_size // config.num_attention_heads
        width, shared = config.hidden_size, self.n_groups * self.head_width
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, shared, bias=False)
        self.v_proj = nn.Linear(width, shared, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.fused = FusedLinears(self.q_proj, self.k_proj, self.v_proj)

    def forward(self, x_BTD: Tensor, bias: Tensor, cache: KeyValueCache | None) -> Tensor:
        """Mixes positions.

        Args:
            x_BTD: normalised activations.
            bias: [B or 1, G, R * T, L], -inf where a query must not look.
            cache: earlier keys and values, extended by these T positions; None to see only x.

        Returns:
            [B, T, D].
        """
        B, T, D = x_BTD.shape
        G, d = self.n_groups, self.head_width
        q_BTD, k, v = self.fused(x_BTD)
        key_BGTd = k.view(B, T, G, d).transpose(1, 2)
        value_BGTd = v.view(B, T, G, d).transpose(1, 2)
        if cache is not None:
            key_BGTd, value_BGTd = cache.append(self.layer, key_BGTd, value_BGTd)
        if T == 1:
            query_BGSd = q_BTD.view(B, G, -1, d)
        else:
            query_BGSd = q_BTD.view(B, T, self.n_heads, d).transpose(1, 2).reshape(B, G, -1, d)
        mixed_BGSd = attend(query_BGSd, key_BGTd, value_BGTd, bias)
        if T == 1:
            mixed_BTD = mixed_BGSd.reshape(B, 1, D)
        else:
            mixed_BTD = mixed_BGSd.reshape(B, self.n_heads, T, d).transpose(1, 2).reshape(B, T, D)
        out_BTD: Tensor = self.o_proj(mixed_BTD)
        return out_BTD


def attend(query_BGSd: Tensor, key_BGLd: Tensor, value_BGLd: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention with a bias of [B or 1, G, S, L]; gives [B, G, S, d].

    PyTorch's fused kernel, but where a CPU trains in bf16: there its backward pass is slow, and step by step the same
    takes six tenths of the time, for S * L scores in memory.
    """
    if query_BGSd.device.type != "cpu" or not (torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()):
        return functional.scaled_dot_product_attention(query_BGSd, key_BGLd, value_BGLd, attn_mask=bias)
    B, G, S, d = query_BGSd.shape
    bias_NSL = bias.expand(B, -1, -1, -1).flatten(0, 1)
    key_NdL = key_BGLd.flatten(0, 1).transpose(1, 2)
    scores_NSL = torch.baddbmm(bias_NSL, query_BGSd.flatten(0, 1), key_NdL, alpha=d**-0.5)
    mixed_NSd = scores_NSL.softmax(-1) @ value_BGLd.flatten(0, 1)
    return mixed_NSd.view(B, G, S, d)


def grouped_bias(bias_HTL: Tensor, n_groups: int, is_closed_BTL: Tensor | None) -> Tensor:
    """Brings the bias of all heads into the shape that `StepAttention` takes, with closed places at -inf.

    Args:
        bias_HTL: causal bias of the last T of L positions.
        n_groups: G.
        is_closed_BTL: true where a query must not look; None if it may look anywhere behind it.

    Returns:
        [B or 1, G, R * T, L].
    """
    L = bias_HTL.shape[2]
    if is_closed_BTL is None:
        return bias_HTL.reshape(1, n_groups, -1, L)
    bias_BHTL = bias_HTL[None].masked_fill(is_closed_BTL[:, None], float("-inf"))
    return bias_BHTL.reshape(bias_BHTL.shape[0], n_groups, -1, L)


def closed_by_padding(is_pad_BL: Tensor, n_queries: int) -> Tensor:
    """Closes padded keys to real queries.

    Padded queries keep seeing the padding at their left, because a row with nothing to look at would be NaN; nobody
    reads what they compute.

    Args:
        is_pad_BL: true on padding.
        n_queries: T; the queries are the last T of the L positions.

    Returns:
        is_closed_BTL.
    """
    L = is_pad_BL.shape[1]
    return is_pad_BL[:, None, :] & ~is_pad_BL[:, L - n_queries :, None]


def closed_between_samples(sample_BT: Tensor) -> Tensor:
    """Closes every sample of a packed row to all others; distances within one stay what they were.

    Args:
        sample_BT: number of the sample that each position belongs to; padding is a sample of its own.

    Returns:
        is_closed_BTT.

    >>> import torch
    >>> closed_between_samples(torch.tensor([[1, 1, 2]]))[0, 2].tolist()
    [True, True, False]
    """
    return sample_BT[:, None, :] != sample_BT[:, :, None]
