"""The last answers by their ids, so that a client can send `{"audio": {"id": ...}}` instead of the sound."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict

from aqaa_eval.core.attempt import Message, Response

KEPT_S = 3_600
"""How long the server promises to know an answer."""


def new_name() -> str:
    """An id for an answer, which may be told before the answer is whole."""
    return f"audio_{secrets.token_hex(12)}"


class AnswerMemory:
    """Keeps so many answers; the oldest go first."""

    def __init__(self, *, n_kept: int = 64) -> None:
        self._n_kept = n_kept
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, Message] = OrderedDict()

    def keep(self, response: Response, name: str) -> None:
        """Keep an answer under an id that `new_name` gave."""
        with self._lock:
            self._answers[name] = Message(role="assistant", audio=response.audio, text=response.text)
            while len(self._answers) > self._n_kept:
                self._answers.popitem(last=False)

    def find(self, name: str) -> Message | None:
        """The answer of that id; None if there is none any more."""
        with self._lock:
            return self._answers.get(name)
