"""Small random models in the folders that training writes, and a studio whose voices are tones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.reference_model.checkpoint import save_model
from aqaa_eval.reference_model.config import ModelConfig, tiny
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.training.domain.kinds import Manner
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, DomainPair
from aqaa_eval.reference_model.training.speech_store import Take


def small() -> ModelConfig:
    """`tiny()` with one layer and answers of half a second."""
    whole = tiny()
    return replace(whole, step1=replace(whole.step1, num_hidden_layers=1), max_new_tokens=40)


def save_stages(folder: Path, names: Sequence[str]) -> Path:
    """A model per name, each with weights of its own but for tokenizer and vocoder."""
    first = random_model(small(), 0)
    for seed, name in enumerate(names):
        model = random_model(small(), 0)
        if seed:
            model.backbone = random_model(small(), seed).backbone
        model.tokenizer, model.vocoder = first.tokenizer, first.vocoder
        save_model(model, folder / name)
    return folder


def voiced(pitch_hz: float, *, duration_s: float = 0.7, sample_rate_hz: int = 16_000) -> NDArray[np.float32]:
    t_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    swell = 0.2 + 0.8 * np.abs(np.sin(np.pi * 4 * t_s))
    return (0.3 * swell * np.sin(2 * np.pi * pitch_hz * t_s)).astype(np.float32)


class ToneStudio:
    """Asks and answers in tones; the same words give the same tone. Counts what it speaks."""

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def ask(self, pair: DomainPair) -> Take:
        return self._take(pair.question)

    def answer(self, text: str, manner: Manner) -> Take:
        return self._take(text)

    def _take(self, text: str) -> Take:
        self.spoken.append(text)
        samples = voiced(120 + 7 * len(text) + sum(map(ord, text)) % 60)
        return Take(samples=samples, sample_rate_hz=16_000, phonemes=text)


def pairs(n: int = 3) -> list[DomainPair]:
    """Held-out questions with answers of different words."""
    words = ("Four apples.", "A red house.", "No, thank you.", "Ten to six.")
    return [
        DomainPair(
            key=f"q{place}",
            template="t",
            slots={},
            capability="gaming",
            split=HELD_OUT,
            question=f"What is number {place}?",
            language="en",
            asker="tone",
            rate=1.0,
            semitones=0.0,
            pitch_range=1.0,
            snr_db=None,
            answer=words[place % len(words)],
            said=words[place % len(words)],
            manner=Manner(),
            seed=place,
        )
        for place in range(n)
    ]
