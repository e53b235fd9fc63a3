"""Against the numbers that the published code made."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aqaa_eval.reference_model.config import LinguisticConfig, SemanticConfig
from aqaa_eval.reference_model.tokenizer.fbank import frontend, n_linguistic_frames
from aqaa_eval.reference_model.tokenizer.linguistic import LinguisticEncoder, quantize
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer


@pytest.fixture
def linguistic(golden: Any) -> Any:
    data = golden("linguistic")
    config = LinguisticConfig(**data.meta["cfg"], chunk=tuple(data.meta["chunk"]), look_back=data.meta["look_back"])
    encoder = LinguisticEncoder(config)
    encoder.load_state_dict(data.weights)
    return data, encoder


@pytest.fixture
def semantic(golden: Any) -> Any:
    data = golden("semantic")
    tokenizer = SemanticTokenizer(SemanticConfig(**data.meta["cfg"]))
    tokenizer.load_state_dict(data.weights)
    return data, tokenizer


def test_linguistic_features_are_upstreams(linguistic: Any) -> None:
    data, _ = linguistic
    data.check("feats", frontend(data.inputs["wav"], data.inputs["cmvn"]))


def test_linguistic_encoder_output_is_upstreams(linguistic: Any) -> None:
    data, encoder = linguistic
    data.check("enc", encoder.encode(data.inputs["wav"], data.inputs["cmvn"]))


def test_linguistic_codes_are_upstreams_exactly(linguistic: Any) -> None:
    data, encoder = linguistic
    enc = encoder.encode(data.inputs["wav"], data.inputs["cmvn"])
    assert quantize(enc, data.inputs["codebook"]).tolist() == data.outputs["ids"].tolist()


def test_semantic_mel_is_upstreams(semantic: Any) -> None:
    data, tokenizer = semantic
    data.check("mel", tokenizer.mel(data.inputs["wav"]))


def test_semantic_encoder_output_is_upstreams(semantic: Any) -> None:
    data, tokenizer = semantic
    data.check("enc", tokenizer.encode(data.outputs["mel"]))


def test_semantic_codes_are_upstreams_exactly(semantic: Any) -> None:
    data, tokenizer = semantic
    assert tokenizer.tokens(data.inputs["wav"]) == data.outputs["ids"].tolist()


def test_published_sizes_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        linguistic = LinguisticEncoder(LinguisticConfig())
        semantic = SemanticTokenizer(SemanticConfig())
    assert sum(p.numel() for p in linguistic.parameters()) == 157_975_648
    assert len(linguistic.state_dict()) == 652
    assert sum(p.numel() for p in semantic.parameters()) == 123_466_240
    assert semantic.state_dict()["quantizer._codebook.embed"].shape == (4096, 1280)


@pytest.mark.parametrize(
    ("n_samples", "n_frames"), [(3_840, 4), (8_000, 8), (16_000, 16), (32_777, 34), (123_456, 128), (123_600, 128)]
)
def test_the_encoder_gives_as_many_frames_as_upstream(linguistic: Any, n_samples: int, n_frames: int) -> None:
    data, encoder = linguistic
    assert n_linguistic_frames(n_samples) == n_frames
    wav = torch.randn(n_samples, generator=torch.Generator().manual_seed(0)) * 0.1
    assert encoder.encode(wav, data.inputs["cmvn"]).shape[1] == n_frames
