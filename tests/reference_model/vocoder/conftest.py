"""A vocoder of width 32 whose voice is pitched, and codes for it."""

from __future__ import annotations

import pytest
import torch

from aqaa_eval.reference_model.config import FlowConfig, HiftConfig
from aqaa_eval.reference_model.vocoder import SynthesisConfig, Vocoder


@pytest.fixture(scope="session")
def flow_config() -> FlowConfig:
    return FlowConfig(
        dim=32,
        heads=4,
        ffn=64,
        blocks=2,
        channels=(32, 32),
        head_dim=8,
        n_heads=2,
        n_blocks=1,
        n_mid_blocks=2,
    )


@pytest.fixture(scope="session")
def hift_config() -> HiftConfig:
    return HiftConfig(base_channels=32, f0_channels=16)


@pytest.fixture
def vocoder(flow_config: FlowConfig, hift_config: HiftConfig) -> Vocoder:
    made = Vocoder.random(flow_config, hift_config, seed=0)
    # Fresh weights predict an F0 near 0 Hz, that is no voice at all: lift it to where phase matters.
    with torch.no_grad():
        made.hift.f0_predictor.classifier.bias.fill_(150.0)
        made.hift.f0_predictor.classifier.weight.mul_(30)
    return Vocoder(made.flow, made.hift, SynthesisConfig(n_steps=3))


def _codes(n: int) -> list[int]:
    return torch.randint(0, 5120, (n,), generator=torch.Generator().manual_seed(n)).tolist()


@pytest.fixture(scope="session")
def codes_640() -> list[int]:
    """15.36 s, the shortest answer that is a whole number of mel frames (1,323)."""
    return _codes(640)


@pytest.fixture(scope="session")
def codes_125() -> list[int]:
    """3 s."""
    return _codes(125)
