"""The flow against upstream's numbers, and its rules."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from aqaa_eval.reference_model.config import FlowConfig
from aqaa_eval.reference_model.vocoder.flow import Flow, FlowQuery, count_frames, euler_steps
from aqaa_eval.reference_model.vocoder.length_regulator import FrameGrid, read_on_grid, stretch


@pytest.fixture(scope="module")
def upstream(golden: Any) -> Any:
    return golden("flow")


@pytest.fixture(scope="module")
def flow(upstream: Any) -> Flow:
    cfg = upstream.meta["cfg"]
    made = Flow(
        FlowConfig(
            vocab=cfg["vocab"],
            dim=cfg["dim"],
            heads=cfg["heads"],
            ffn=cfg["ffn"],
            blocks=cfg["blocks"],
            channels=tuple(cfg["ch"]),
            head_dim=cfg["hd"],
            n_heads=cfg["nh"],
            n_blocks=cfg["nb"],
            n_mid_blocks=cfg["mid"],
            input_frame_rate_hz=cfg["rate"],
        )
    )
    made.load_state_dict(upstream.weights)
    return made.eval()


@pytest.fixture(scope="module")
def query(upstream: Any) -> FlowQuery:
    names = ("token", "prompt_token", "prompt_feat", "embedding")
    return FlowQuery(**{name: upstream.inputs[name] for name in names})


def test_the_published_size_has_the_published_parameter_count() -> None:
    with torch.device("meta"):
        flow = Flow(FlowConfig())
    assert sum(p.numel() for p in flow.parameters()) == 105_399_040
    assert len(flow.state_dict()) == 1_185


@torch.no_grad()
def test_encoder_and_regulator_give_upstreams_numbers(flow: Flow, upstream: Any) -> None:
    enc = flow.encode(torch.cat([upstream.inputs["prompt_token"], upstream.inputs["token"]], dim=1))
    upstream.check("enc", enc)
    upstream.check("mu", flow.regulate(enc, 41, 20, None))


@torch.no_grad()
def test_one_estimator_call_gives_upstreams_numbers(flow: Flow, upstream: Any) -> None:
    names = ("x", "mask", "mu", "t", "spks", "cond")
    upstream.check("est", flow.estimator(*(upstream.inputs[f"est_{name}"] for name in names)))


def test_ten_steps_give_upstreams_mel_without_the_prompt(flow: Flow, upstream: Any) -> None:
    names = ("token", "prompt_token", "prompt_feat", "embedding", "z")
    mel = flow.inference(*(upstream.inputs[name] for name in names), n_timesteps=10)
    assert mel.shape == (1, 80, 72)
    upstream.check("mel", mel)


@torch.no_grad()
def test_a_batch_gives_what_each_row_gives_alone(flow: Flow, upstream: Any, query: FlowQuery) -> None:
    z = upstream.inputs["z"]
    other = replace(query, token=(query.token + 7) % 5120, embedding=-query.embedding)
    names = ("token", "prompt_token", "prompt_feat", "embedding")
    both = FlowQuery(**{n: torch.cat([getattr(query, n), getattr(other, n)]) for n in names})
    batch = flow.speak(both, torch.cat([z, -z]))
    torch.testing.assert_close(batch[:1], flow.speak(query, z), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(batch[1:], flow.speak(other, -z), atol=1e-5, rtol=1e-4)


def same_but(flow: Flow, config: FlowConfig, **changes: Any) -> Flow:
    """A flow of the same weights and other settings."""
    made = Flow(replace(config, **changes)).eval()
    made.load_state_dict(flow.state_dict())
    return made


@torch.no_grad()
def test_a_cool_flow_starts_from_less_noise(
    flow: Flow, flow_config: FlowConfig, upstream: Any, query: FlowQuery
) -> None:
    cool = same_but(flow, flow_config, temperature=0.25)
    z = upstream.inputs["z"]
    torch.testing.assert_close(cool.speak(query, z), flow.speak(query, 0.25 * z))


@torch.no_grad()
def test_a_model_may_have_its_own_number_of_steps(
    flow: Flow, flow_config: FlowConfig, upstream: Any, query: FlowQuery
) -> None:
    quick = same_but(flow, flow_config, n_steps=3)
    torch.testing.assert_close(quick.speak(query, upstream.inputs["z"]), flow.speak(query, upstream.inputs["z"], 3))


@torch.no_grad()
def test_guidance_carries_on_from_what_is_said_without_the_codes(
    flow: Flow, flow_config: FlowConfig, upstream: Any, query: FlowQuery
) -> None:
    def spoken(guidance: float) -> torch.Tensor:
        return same_but(flow, flow_config, guidance=guidance).speak(query, upstream.inputs["z"], 1)

    unguided, published = spoken(0.0), flow.speak(query, upstream.inputs["z"], 1)
    assert not torch.allclose(unguided, published, atol=1e-2)
    torch.testing.assert_close(spoken(2.1), unguided + 3 * (published - unguided), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("n_frames", [1, 2, 7, 8])
def test_odd_and_even_lengths_come_back_from_the_unet_as_they_went_in(flow: Flow, n_frames: int) -> None:
    mu = torch.randn(1, 80, n_frames)
    assert flow.solve(mu, torch.zeros(1, 80), torch.zeros_like(mu), mu, 1).shape == mu.shape


@torch.no_grad()
def test_a_mask_of_ones_is_no_mask(flow: Flow, upstream: Any) -> None:
    estimator = flow.decoder.estimator
    stacked = torch.randn(1, 320, 33)
    time = estimator.embed_times(torch.tensor([0.3]))
    torch.testing.assert_close(
        estimator.velocity(stacked, torch.ones(1, 1, 33), time), estimator.velocity(stacked, None, time)
    )


@torch.no_grad()
def test_bf16_stays_within_a_tenth_of_fp32(flow: Flow, upstream: Any, query: FlowQuery) -> None:
    exact = flow.speak(query, upstream.inputs["z"])
    half = Flow(flow.config)
    half.load_state_dict(flow.state_dict())
    half = half.bfloat16().eval()
    rough = half.speak(
        replace(query, prompt_feat=query.prompt_feat.bfloat16(), embedding=query.embedding.bfloat16()),
        upstream.inputs["z"],
    )
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).std() < 0.1 * exact.std()


@pytest.mark.parametrize("n_steps", [1, 3, 10])
def test_euler_steps_go_from_noise_to_mel_and_grow(n_steps: int) -> None:
    steps = euler_steps(n_steps)
    assert sum(step.size for step in steps) == pytest.approx(1, abs=1e-6)
    sizes = [step.size for step in steps]
    assert sizes == sorted(sizes)


def test_on_the_grid_a_window_reads_what_the_whole_reads() -> None:
    whole = torch.randn(1, 640, 3)
    config = FlowConfig()
    ratio = 22050 / 256 / config.input_frame_rate_hz
    assert count_frames(640, config) == 1323
    full = stretch(whole, 1323)
    first = count_frames(100, config)
    grid = FrameGrid(first_code=100, first_frame=first, n_frames=200, frames_per_code=ratio)
    window = read_on_grid(whole[:, 100:250], grid)
    # Only the very first frames reach for the code before the window.
    torch.testing.assert_close(window[:, 2:], full[:, first + 2 : first + 200], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token": torch.tensor([[5120]])}, "token holds 5120; audio codes go from 0 to 5119"),
        ({"prompt_token": torch.tensor([[-1]])}, "prompt_token holds -1"),
        ({"token": torch.zeros(1, 0, dtype=torch.long)}, "token is empty"),
        ({"prompt_feat": torch.zeros(1, 41, 79)}, r"prompt_feat has shape \[1, 41, 79\]; it must be"),
        ({"prompt_feat": torch.zeros(1, 0, 80)}, "20 codes and 0 mel frames"),
        ({"embedding": torch.zeros(1, 191)}, r"embedding has shape \[1, 191\]"),
    ],
)
def test_bad_input_is_refused_with_value_and_rule(
    flow: Flow, query: FlowQuery, change: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        flow.speak(replace(query, **change), torch.zeros(1, 80, 113))


def test_noise_of_the_wrong_length_is_refused(flow: Flow, query: FlowQuery) -> None:
    with pytest.raises(ValueError, match=r"noise z has shape \[1, 80, 112\]"):
        flow.speak(query, torch.zeros(1, 80, 112))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "dim"),
        ({"channels": (30, 32)}, "channels"),
        ({"input_frame_rate_hz": 0.0}, "above 0"),
        ({"temperature": -0.1}, r"temperature \(-0.1\) must be 0 or more"),
        ({"n_steps": 0}, r"n_steps \(0\) must be at least 1"),
        ({"guidance": math.nan}, r"guidance \(nan\) must be 0 \(none\) or more"),
    ],
)
def test_an_impossible_size_is_refused(flow_config: FlowConfig, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Flow(replace(flow_config, **change))


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        euler_steps(0)
