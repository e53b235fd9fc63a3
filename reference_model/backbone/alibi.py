"""Square-root ALiBi: attention is lowered by slope * sqrt(distance), and nothing else tells positions apart.

Press et al. 2022 lower it linearly; Step-1 takes the root, so far keys fade more slowly. The bias depends on the
distance alone, which is why one row of it serves every step of decoding, and why left padding stays exact.

Shapes: H heads, T queries, L keys, C capacity (longest distance + 1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def alibi_slopes(n_heads: int) -> Tensor:
    """Gives each head its slope, a geometric series.

    The largest power of two n not above `n_heads` gets 2^(-8k/n), k = 1..n; the heads left over take the odd
    members of the series with twice as many terms.

    Args:
        n_heads: number of query heads, at least 1.

    Returns:
        slopes_H, fp32.

    >>> alibi_slopes(2).tolist()
    [0.0625, 0.00390625]
    >>> [round(-math.log2(s), 3) for s in alibi_slopes(48)[[0, 31, 32, 47]].tolist()]
    [0.25, 8.0, 0.125, 3.875]
    """
    n = 2 ** int(math.log2(n_heads))
    base = torch.tensor(2.0 ** (-8.0 / n), dtype=torch.float32)
    slopes = base ** torch.arange(1, n + 1, dtype=torch.float32)
    if n_heads > n:
        finer = torch.tensor(2.0 ** (-4.0 / n), dtype=torch.float32)
        slopes = torch.cat([slopes, finer ** torch.arange(1, 2 * (n_heads - n), 2, dtype=torch.float32)])
    return slopes


def reversed_bias_row(n_heads: int, capacity: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Gives the biases of one query, farthest key first, so that the last L columns serve a query with L keys.

    Args:
        n_heads: number of query heads.
        capacity: C, one more than the longest distance.
        device: where the row is kept.
        dtype: the model's type; upstream casts the bias to it before attention.

    Returns:
        bias_HC; column C - 1 is distance 0.

    >>> row = reversed_bias_row(2, 5, device=torch.device("cpu"), dtype=torch.float32)
    >>> [round(v, 4) for v in row[0].tolist()]
    [-0.125, -0.1083, -0.0884, -0.0625, -0.0]
    """
    slopes_H = alibi_slopes(n_heads).to(device)
    distance_C = torch.arange(capacity - 1, -1, -1, device=device, dtype=torch.float32)
    return (-slopes_H[:, None] * distance_C.sqrt()).to(dtype)


def causal_bias(row_HC: Tensor, *, n_queries: int, n_keys: int) -> Tensor:
    """Spreads the row to the last `n_queries` of `n_keys` positions, -inf where a key lies ahead of its query.

    Args:
        row_HC: from `reversed_bias_row`, C >= n_keys.
        n_queries: T; the queries are the last T positions.
        n_keys: L >= T.

    Returns:
        bias_HTL in the row's type.
    """
    capacity = row_HC.shape[1]
    query_T1 = torch.arange(n_keys - n_queries, n_keys, device=row_HC.device)[:, None]
    distance_TL = query_T1 - torch.arange(n_keys, device=row_HC.device)
    bias_HTL = row_HC[:, capacity - 1 - distance_TL.clamp_min(0)]
    return bias_HTL.masked_fill(distance_TL < 0, float("-inf"))
