"""The decoder against upstream's numbers, and the properties that decoding rests on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from aqaa_eval.reference_model import config as presets
from aqaa_eval.reference_model.backbone.alibi import causal_bias, reversed_bias_row
from aqaa_eval.reference_model.backbone.attention import attend, closed_between_samples, grouped_bias
from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import Step1Config


@pytest.fixture(scope="module")
def numbers(golden: Any) -> Any:
    return golden("step1")


@pytest.fixture
def model(numbers: Any) -> Step1ForCausalLM:
    built = Step1ForCausalLM(Step1Config(**numbers.meta["cfg"])).eval()
    built.load_state_dict(numbers.weights)
    return built


def greedy(model: Step1ForCausalLM, ids_BT: Tensor, n: int) -> list[int]:
    cache = model.new_cache(batch_size=1, capacity=ids_BT.shape[1] + n)
    out: list[int] = []
    with torch.inference_mode():
        for _ in range(n):
            ids_BT = model(ids_BT, cache=cache)[:, -1:].argmax(-1)
            out.append(int(ids_BT))
    return out


@pytest.mark.parametrize("joined", [False, True])
def test_logits_are_upstreams(model: Step1ForCausalLM, numbers: Any, joined: bool) -> None:
    if joined:
        model.join_projections()
    with torch.inference_mode():
        numbers.check("logits", model(numbers.inputs["ids"]))


@pytest.mark.parametrize("joined", [False, True])
def test_greedy_ids_with_the_cache_are_upstreams(model: Step1ForCausalLM, numbers: Any, joined: bool) -> None:
    # The golden continuation follows the first eight ids of row 0.
    if joined:
        model.join_projections()
    assert greedy(model, numbers.inputs["ids"][:1, :8], 24) == numbers.outputs["greedy"].tolist()


@pytest.mark.parametrize("pieces", [[40], [1] * 40, [13, 1, 1, 20, 5]])
def test_cached_decoding_equals_full_decoding(model: Step1ForCausalLM, numbers: Any, pieces: list[int]) -> None:
    ids = numbers.inputs["ids"]
    cache = model.new_cache(batch_size=2, capacity=64)
    with torch.inference_mode():
        stepped = torch.cat([model(part, cache=cache) for part in ids.split(pieces, dim=1)], dim=1)
        torch.testing.assert_close(stepped, model(ids), atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize("cached", [False, True])
def test_a_left_padded_row_gets_what_it_gets_alone(model: Step1ForCausalLM, numbers: Any, cached: bool) -> None:
    ids = numbers.inputs["ids"].clone()
    mask = torch.ones_like(ids)
    mask[1, :17] = 0
    with torch.inference_mode():
        if cached:
            cache = model.new_cache(batch_size=2, capacity=40)
            first = model(ids[:, :30], mask[:, :30], cache)
            rest = [model(ids[:, i : i + 1], cache=cache) for i in range(30, 40)]
            padded = torch.cat([first, *rest], dim=1)
        else:
            padded = model(ids, mask)
        torch.testing.assert_close(padded[0], model(ids[:1])[0], atol=2e-5, rtol=2e-4)
        torch.testing.assert_close(padded[1, 17:], model(ids[1:, 17:])[0], atol=2e-5, rtol=2e-4)
    assert bool(padded.isfinite().all())


def test_bf16_stays_within_five_hundredths_of_the_logit_range(model: Step1ForCausalLM, numbers: Any) -> None:
    with torch.inference_mode():
        exact = model(numbers.inputs["ids"])
        coarse = model.bfloat16()(numbers.inputs["ids"]).float()
    assert coarse.dtype == torch.float32
    assert float((coarse - exact).abs().max()) < 0.05 * float(exact.abs().max())
    assert float((coarse - exact).abs().mean()) < 0.01 * float(exact.abs().max())


def test_attention_in_autocast_gives_what_the_fused_kernel_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 2, n, 8, generator=generator, requires_grad=True) for n in (18, 6, 6))
    sample = torch.tensor([[1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 1, 2]])
    row = reversed_bias_row(6, 6, device=torch.device("cpu"), dtype=torch.float32)
    bias = grouped_bias(causal_bias(row, n_queries=6, n_keys=6), 2, closed_between_samples(sample))
    whole = attend(query, key, value, bias)
    with torch.autocast("cpu", torch.bfloat16):
        halved = attend(query, key, value, bias)
    assert halved.dtype == torch.bfloat16
    assert torch.allclose(halved.float(), whole, atol=0.03)
    wanted = torch.autograd.grad(whole.square().sum(), (query, key, value))
    found = torch.autograd.grad(halved.float().square().sum(), (query, key, value))
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).norm() < 0.02 * other.norm()


def test_gradients_are_the_same_with_recomputation(model: Step1ForCausalLM, numbers: Any) -> None:
    grads = []
    for recompute in (False, True):
        model.model.gradient_checkpointing = recompute
        model.zero_grad()
        model(numbers.inputs["ids"]).square().mean().backward()
        grads.append(model.model.embed_tokens.weight.grad.clone())  # type: ignore[union-attr]
    torch.testing.assert_close(grads[0], grads[1])
    assert float(grads[0].abs().sum()) > 0


def test_joining_keeps_the_state_dict_and_later_loads_reach_the_joined_block(
    model: Step1ForCausalLM, numbers: Any
) -> None:
    model.join_projections()
    assert set(model.state_dict()) == set(numbers.weights)
    model.load_state_dict({key: value * 0.5 for key, value in numbers.weights.items()})
    plain = Step1ForCausalLM(model.config).eval()
    plain.load_state_dict(model.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(model(numbers.inputs["ids"]), plain(numbers.inputs["ids"]), atol=2e-5, rtol=2e-4)


def test_a_joined_model_moved_to_another_type_does_not_use_the_old_block(model: Step1ForCausalLM, numbers: Any) -> None:
    model.join_projections()
    with torch.inference_mode():
        assert model.double()(numbers.inputs["ids"]).dtype == torch.float64


def test_a_full_cache_says_so(model: Step1ForCausalLM, numbers: Any) -> None:
    cache = model.new_cache(batch_size=1, capacity=8)
    with pytest.raises(ValueError, match="9 more do not fit"):
        model(numbers.inputs["ids"][:1, :9], cache=cache)
    with pytest.raises(ValueError, match=r"capacity \(300\) must lie in 1..max_seq_len \(256\)"):
        model.new_cache(batch_size=1, capacity=300)


@pytest.mark.parametrize(
    ("preset", "count"), [("step_audio_tts_3b", 3_529_706_496), ("step_omni_130b", 131_946_590_208)]
)
def test_presets_have_the_published_parameter_counts(preset: str, count: int) -> None:
    with torch.device("meta"):
        built = Step1ForCausalLM(presets.PRESETS[preset]().step1)
    assert sum(p.numel() for p in built.parameters()) == count


def test_the_13b_preset_is_about_13_billion() -> None:
    with torch.device("meta"):
        built = Step1ForCausalLM(presets.step_omni_13b().step1)
    assert 12.5e9 < sum(p.numel() for p in built.parameters()) < 13.5e9


def test_a_tied_head_is_one_parameter() -> None:
    config = replace(presets.tiny().step1, tie_word_embeddings=True)
    built = Step1ForCausalLM(config)
    assert built.lm_head.weight is built.model.embed_tokens.weight


def test_impossible_sizes_are_refused_with_the_rule() -> None:
    step1 = presets.tiny().step1
    with pytest.raises(ValueError, match=r"num_attention_heads \(6\) must be a multiple of .*\(4\)"):
        replace(step1, num_attention_groups=4)
    with pytest.raises(ValueError, match=r"hidden_size \(190\) must be a multiple"):
        replace(step1, hidden_size=190)
    with pytest.raises(ValueError, match=r"num_hidden_layers \(0\) must be positive"):
        replace(step1, num_hidden_layers=0)
    with pytest.raises(ValueError, match=r"vocab_size \(5888\) must be first_audio_id"):
        replace(presets.tiny(), first_audio_id=1000)
    with pytest.raises(ValueError, match="has no field hidden"):
        presets.model_config_from_dict({"step1": {"hidden": 3}})
