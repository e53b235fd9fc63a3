"""A tiny dual tokenizer with seeded random weights, and seeded noise that changes like speech does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from aqaa_eval.reference_model.config import LinguisticConfig, SemanticConfig
from aqaa_eval.reference_model.tokenizer import DualTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    linguistic: LinguisticConfig
    semantic: SemanticConfig


@pytest.fixture(scope="session")
def sizes() -> Sizes:
    return Sizes(
        linguistic=LinguisticConfig(dim=32, heads=4, ffn=64, blocks=3),
        semantic=SemanticConfig(n_audio_state=64, n_audio_head=4, n_audio_layer=2),
    )


@pytest.fixture(scope="session")
def tokenizer(sizes: Sizes) -> DualTokenizer:
    return DualTokenizer.random(sizes, seed=3)


@pytest.fixture(scope="session")
def babble() -> Callable[..., Tensor]:
    def make(n_samples: int, *, seed: int = 0) -> Tensor:
        """Noise whose loudness changes every 50 ms, so that neighbouring frames differ."""
        generator = torch.Generator().manual_seed(seed)
        steps = torch.rand(n_samples // 800 + 1, generator=generator)
        loudness = steps.repeat_interleave(800)[:n_samples]
        return torch.randn(n_samples, generator=generator) * loudness * 0.2

    return make
