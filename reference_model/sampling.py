"""Choosing one token from the logits of one row: temperature, top-k, top-p and the repetition rule.

Every row draws from a generator of its own, so what else is in the batch cannot change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_FIRST_LOOK = 256  # candidates sorted before all of them are; the nucleus is nearly always within


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn. The defaults are those of the published chat model.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token (greedy).
        top_p: smallest set of likeliest tokens with at least this much probability, 0 < top_p <= 1.
        top_k: only so many likeliest tokens; 0 for no limit.
        max_new_tokens: tokens in an answer, end of turn included.
        repetition_window: tokens that the repetition rule looks back on; 0 switches it off.
        repetition_share: a last token that makes up more than this share of the window cannot come again.
    """

    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 0
    max_new_tokens: int = 2048
    repetition_window: int = 0
    repetition_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature ({self.temperature}) must be 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p ({self.top_p}) must lie in (0, 1]: it is a share of probability")
        if self.top_k < 0 or self.repetition_window < 0:
            raise ValueError(
                f"top_k ({self.top_k}) and repetition_window ({self.repetition_window}) must be 0 (off) or more"
            )
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens ({self.max_new_tokens}) must be at least 1")


def chat_sampling(*, max_new_tokens: int = 2048) -> Sampling:
    """The published chat model's settings."""
    return Sampling(max_new_tokens=max_new_tokens)


def tts_sampling(*, max_new_tokens: int = 8192) -> Sampling:
    """The published TTS model's settings, repetition rule included."""
    return Sampling(top_p=1.0, repetition_window=10, max_new_tokens=max_new_tokens)


def greedy(*, max_new_tokens: int = 2048) -> Sampling:
    """Always the likeliest token."""
    return Sampling(temperature=0.0, max_new_tokens=max_new_tokens)


def repeated_token(history: Sequence[int], sampling: Sampling) -> int | None:
    """Gives the token that the repetition rule forbids next, if any.

    The window holds the last tokens of prompt and answer; the rule sleeps while there are fewer.

    >>> rule = Sampling(repetition_window=10)
    >>> repeated_token([1, 2, 3, 4, 5, 6, 7, 8, 9, 1], rule)
    1
    >>> repeated_token([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], rule) is None
    True
    """
    window = sampling.repetition_window
    if window == 0 or len(history) < window:
        return None
    recent = history[-window:]
    return recent[-1] if recent.count(recent[-1]) > sampling.repetition_share * window else None


def choose(logits_W: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draws the place of one token.

    Args:
        logits_W: logits of the tokens that may come.
        sampling: how to draw.
        generator: this row's own.

    Returns:
        A place in 0..W-1.
    """
    if sampling.temperature == 0 or logits_W.shape[0] == 1:
        return int(logits_W.argmax())
    scaled_W = logits_W.float() / sampling.temperature
    W = scaled_W.shape[0]
    threshold = _nucleus_edge(scaled_W, sampling)
    # Gumbel's way of drawing: noise belongs to a token, not to its rank, so rounding in a larger batch, which can swap
    # the ranks of near-equal tokens, does not change the token drawn.
    noise_W = torch.empty(W).exponential_(generator=generator).log_()
    return int((scaled_W - noise_W).masked_fill_(scaled_W < threshold, float("-inf")).argmax())


def _nucleus_edge(scaled_W: Tensor, sampling: Sampling) -> float:
    """Gives the lowest logit that top-k and top-p let through."""
    W = scaled_W.shape[0]
    limit = min(sampling.top_k or W, W)
    if limit == W and sampling.top_p == 1:
        return float("-inf")
    best_n = scaled_W.topk(limit if sampling.top_k else min(W, _FIRST_LOOK)).values
    # Without top-k the probabilities are shares of all W tokens, though only the best n are in hand.
    total = best_n.logsumexp(0) if sampling.top_k else scaled_W.logsumexp(0)
    cumulative_n = (best_n - total).exp().cumsum(0)
    if best_n.shape[0] < limit and float(cumulative_n[-1]) < sampling.top_p:
        best_n = scaled_W.sort(descending=True).values
        cumulative_n = (best_n - total).exp().cumsum(0)
    # The token that crosses top_p still belongs to the nucleus.
    n_kept = min(int((cumulative_n < sampling.top_p).sum()) + 1, best_n.shape[0])
    return float(best_n[n_kept - 1])
