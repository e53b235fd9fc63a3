"""Every golden file, through the shim alone, as an outsider would compare."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture(scope="module")
def shim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_shim", Path(__file__).with_name("parity_shim.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("whole_meta", [False, True])
def test_step1(shim: ModuleType, golden: Any, whole_meta: bool) -> None:
    numbers = golden("step1")
    model = shim.build_step1(numbers.meta if whole_meta else numbers.meta["cfg"])
    model.load_state_dict(numbers.weights)
    ids = numbers.inputs["ids"]
    numbers.check("logits", model.logits(ids))
    assert model.generate_greedy(ids[:1, :8], 24)[0].tolist() == numbers.outputs["greedy"].tolist()
    assert model.generate_greedy(ids[0, :8], 24).tolist() == numbers.outputs["greedy"].tolist()


def test_flow(shim: ModuleType, golden: Any) -> None:
    numbers = golden("flow")
    model, given = shim.build_flow(numbers.meta["cfg"]), numbers.inputs
    model.load_state_dict(numbers.weights)
    names = ("x", "mask", "mu", "t", "spks", "cond")
    with torch.inference_mode():
        numbers.check("enc", model.encode(torch.cat([given["prompt_token"], given["token"]], dim=1)))
        numbers.check("est", model.estimator(*(given[f"est_{name}"] for name in names)))
        voice = [given[name] for name in ("token", "prompt_token", "prompt_feat", "embedding")]
        mel = model.inference(*voice, given["z"], 10)
        numbers.check("mel", mel)
        # The solver by itself, from upstream's own conditions, gives the same mel.
        mu = numbers.outputs["mu"].transpose(1, 2)
        cond = torch.zeros_like(mu)
        cond[:, :, :41] = given["prompt_feat"].transpose(1, 2)
        spks = model.spk_embed_affine_layer(torch.nn.functional.normalize(given["embedding"]))
        numbers.check("mel", model.solve(mu, spks, cond, given["z"], 10)[:, :, 41:])


def test_hift(shim: ModuleType, golden: Any) -> None:
    numbers = golden("hift")
    model, given = shim.build_hift(numbers.meta["cfg"]), numbers.inputs
    model.load_state_dict(numbers.weights)
    with torch.inference_mode():
        numbers.check("f0", model.f0(given["mel"]))
        source = model.source_from(numbers.outputs["f0"], given["phase"], given["noise"])
        numbers.check("source", source)
        numbers.check("wav", model.decode(given["mel"], numbers.outputs["source"]))


def test_linguistic(shim: ModuleType, golden: Any) -> None:
    numbers = golden("linguistic")
    model, given = shim.build_linguistic(numbers.meta), numbers.inputs
    model.load_state_dict(numbers.weights)
    numbers.check("feats", model.frontend(given["wav"], given["cmvn"]))
    enc = model.encode(given["wav"], given["cmvn"])
    numbers.check("enc", enc)
    assert model.quantize(enc, given["codebook"]).tolist() == numbers.outputs["ids"].tolist()


def test_semantic(shim: ModuleType, golden: Any) -> None:
    numbers = golden("semantic")
    model, wav = shim.build_semantic(numbers.meta["cfg"]), numbers.inputs["wav"]
    model.load_state_dict(numbers.weights)
    mel = model.mel(wav)
    numbers.check("mel", mel)
    numbers.check("enc", model.encode(mel))
    assert list(model.tokens(wav)) == numbers.outputs["ids"].tolist()


def test_the_plain_callables(shim: ModuleType) -> None:
    merged = shim.merge([1, 2, 3, 4], [10, 11, 12, 13, 14, 15])
    assert merged == [1, 2, 1034, 1035, 1036, 3, 4, 1037, 1038, 1039]
    assert shim.split(merged) == ([1, 2, 3, 4], [10, 11, 12, 13, 14, 15])
    assert shim.encode_text("<audio_0><audio_5119>") == [1, 768, 5887]
    assert len(shim.preprocess(torch.randn(48_000), 48_000)) == 16_000
