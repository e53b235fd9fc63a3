"""A chat completion of one text, as servers of OpenAI's API write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a server says it has read and written."""

    n_prompt: int = 100
    n_reply: int = 20


def completion(
    text: str,
    *,
    model: str = "scripted",
    usage: Usage | None = None,
    refusal: str | None = None,
    logprobs: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The JSON value.

    >>> completion("Yes.")["choices"][0]["message"]["content"]
    'Yes.'
    """
    usage = usage or Usage()
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": refusal},
        "finish_reason": "stop",
        "logprobs": None if logprobs is None else {"content": logprobs},
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": usage.n_prompt,
            "completion_tokens": usage.n_reply,
            "total_tokens": usage.n_prompt + usage.n_reply,
        },
    }
