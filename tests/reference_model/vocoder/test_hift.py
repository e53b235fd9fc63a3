"""HiFT against upstream's numbers, and its properties."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from aqaa_eval.reference_model.config import HiftConfig
from aqaa_eval.reference_model.vocoder.hift import Hift, frames_of_reach
from aqaa_eval.reference_model.vocoder.source import Excitation


@pytest.fixture(scope="module")
def upstream(golden: Any) -> Any:
    return golden("hift")


@pytest.fixture
def hift(upstream: Any) -> Hift:
    cfg = upstream.meta["cfg"]
    made = Hift(
        HiftConfig(
            base_channels=cfg["base"],
            n_harmonics=cfg["harm"],
            upsample_rates=tuple(cfg["ups"]),
            upsample_kernels=tuple(cfg["upk"]),
            n_fft=cfg["nfft"],
            hop=cfg["hop"],
            resblock_kernels=tuple(cfg["rk"]),
            source_resblock_kernels=tuple(cfg["srk"]),
            f0_channels=cfg["f0c"],
        )
    )
    made.load_state_dict(upstream.weights)
    return made.eval()


def test_the_published_size_has_the_published_parameter_count() -> None:
    with torch.device("meta"):
        hift = Hift(HiftConfig())
    assert sum(p.numel() for p in hift.parameters()) == 20_460_591
    assert len(hift.state_dict()) == 227


@torch.no_grad()
@pytest.mark.parametrize("folded", [False, True])
def test_pitch_source_spectrum_and_wave_are_upstreams(hift: Hift, upstream: Any, folded: bool) -> None:
    if folded:
        hift.fold_weight_norm()
        hift.fold_weight_norm()
    mel = upstream.inputs["mel"]
    f0 = hift.f0(mel)
    upstream.check("f0", f0)
    source = hift.source_from(f0, upstream.inputs["phase"], upstream.inputs["noise"])
    upstream.check("source", source)
    spectrum = hift.spectrum(mel, source)
    upstream.check("mag", spectrum.magnitude)
    upstream.check("phase_out", spectrum.phase)
    upstream.check("wav", hift.decode(mel, source))


def test_folding_leaves_plain_weights_in_the_state_dict(hift: Hift) -> None:
    hift.fold_weight_norm()
    keys = set(hift.state_dict())
    assert not any(key.endswith(("weight_g", "weight_v")) for key in keys)
    assert "resblocks.0.convs1.2.weight" in keys


@torch.no_grad()
def test_two_halves_of_a_source_with_carried_phase_are_the_whole(hift: Hift) -> None:
    generator = torch.Generator().manual_seed(0)
    f0 = 80 + 300 * torch.rand(1, 40, generator=generator)
    phase = torch.rand(1, 9, 1, generator=generator)
    noise = torch.randn(1, 9, 40 * 256, generator=generator)
    whole = hift.source_from(f0, phase, noise)
    cut = 17
    left = hift.source_from(f0[:, :cut], phase, noise[..., : cut * 256])
    rest = Excitation(phase=phase, noise=noise[..., cut * 256 :], start_cycles=hift.m_source.cycles(f0[:, :cut]))
    torch.testing.assert_close(torch.cat([left, hift.m_source(f0[:, cut:], rest)], dim=2), whole, atol=1e-6, rtol=0)


@torch.no_grad()
def test_the_sources_pitch_is_the_f0_asked_for(hift: Hift) -> None:
    with torch.no_grad():
        hift.m_source.l_linear.weight.zero_()[0, 0] = 1.0  # the fundamental alone
        hift.m_source.l_linear.bias.zero_()
    n_frames = 200
    source = hift.source_from(torch.full((1, n_frames), 220.0), torch.zeros(1, 9, 1), torch.zeros(1, 9, n_frames * 256))
    spectrum = torch.fft.rfft(source[0, 0]).abs()
    peak_hz = int(spectrum.argmax()) * 22050 / (n_frames * 256)
    assert peak_hz == pytest.approx(220, abs=0.5)
    assert float(source.abs().max()) == pytest.approx(0.0997, abs=1e-3)  # tanh(0.1)


@torch.no_grad()
def test_an_unvoiced_frame_holds_noise_alone(hift: Hift) -> None:
    silent = hift.source_from(torch.full((1, 4), 9.9), torch.zeros(1, 9, 1), torch.zeros(1, 9, 4 * 256))
    bias = hift.m_source.l_linear.bias.tanh()
    torch.testing.assert_close(silent, bias.expand_as(silent))


@torch.no_grad()
def test_a_sample_depends_on_no_frame_beyond_the_reach(hift: Hift) -> None:
    generator = torch.Generator().manual_seed(1)
    mel = torch.randn(1, 80, 101, generator=generator)
    source = torch.randn(1, 1, 101 * 256, generator=generator)
    before = hift.decode(mel, source)
    mel[:, :, 50] += 3
    source[:, :, 50 * 256 : 51 * 256] = 0
    moved = (hift.decode(mel, source) != before)[0].nonzero()
    reach = frames_of_reach(hift.config)
    assert int(moved.min()) >= (50 - reach) * 256
    assert int(moved.max()) < (51 + reach) * 256


@pytest.mark.parametrize(
    ("mel", "source", "message"),
    [
        (torch.zeros(1, 79, 4), torch.zeros(1, 1, 1024), r"mel has shape \[1, 79, 4\]; it must be \[batch, 80"),
        (torch.zeros(1, 80, 0), torch.zeros(1, 1, 0), "frames > 0"),
        (torch.zeros(1, 80, 4), torch.zeros(1, 1, 1023), r"256 samples per mel frame make \[1, 1, 1024\]"),
    ],
)
def test_mel_and_source_that_do_not_fit_are_refused(
    hift: Hift, mel: torch.Tensor, source: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        hift.decode(mel, source)


def test_noise_and_phases_that_do_not_fit_are_refused(hift: Hift) -> None:
    with pytest.raises(ValueError, match=r"noise has shape \[1, 9, 1\]"):
        hift.source_from(torch.zeros(1, 2), torch.zeros(1, 9, 1), torch.zeros(1, 9, 1))
    with pytest.raises(ValueError, match=r"phase has shape \[1, 8, 1\]"):
        hift.source_from(torch.zeros(1, 2), torch.zeros(1, 8, 1), torch.zeros(1, 9, 512))


def test_an_impossible_size_is_refused(hift_config: HiftConfig) -> None:
    with pytest.raises(ValueError, match="upsample_kernels"):
        Hift(replace(hift_config, upsample_kernels=(16,)))
    with pytest.raises(ValueError, match="base_channels"):
        Hift(replace(hift_config, base_channels=30))


def test_weight_norm_trains_both_length_and_direction(hift: Hift, upstream: Any) -> None:
    trained = copy.deepcopy(hift)
    trained.f0(upstream.inputs["mel"]).sum().backward()
    first = trained.f0_predictor.condnet[0]
    assert float(first.weight_g.grad.abs().sum()) > 0
    assert float(first.weight_v.grad.abs().sum()) > 0
