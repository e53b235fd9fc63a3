"""Queries for the tests of adapters."""

import numpy as np

from aqaa_eval.core.attempt import Message, Query
from aqaa_eval.core.audio import Audio


def tone(*, duration_s: float = 0.2, frequency_hz: float = 440.0, sample_rate_hz: int = 16_000) -> Audio:
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    samples = (0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)
    return Audio(samples=samples, sample_rate_hz=sample_rate_hz)


def ask(*messages: Message, key: str = "gaming/g01#0", seed: int = 0) -> Query:
    return Query(key=key, messages=messages, seed=seed)


def user(audio: Audio | None) -> Message:
    return Message(role="user", audio=audio)


def assistant(text: str | None, audio: Audio | None = None) -> Message:
    return Message(role="assistant", audio=audio, text=text)
