"""Codes to wave: whole, streamed, in a voice, and from bad input."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aqaa_eval.reference_model.config import FlowConfig, HiftConfig
from aqaa_eval.reference_model.vocoder import Speaker, StreamPlan, SynthesisConfig, Vocoder
from aqaa_eval.reference_model.vocoder.flow import count_frames
from aqaa_eval.reference_model.vocoder.mel_stream import MelStream, Window
from aqaa_eval.reference_model.vocoder.noise import NoiseField, Purpose
from aqaa_eval.reference_model.vocoder.wave_stream import WaveStream


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    generator = torch.Generator().manual_seed(5)
    return Speaker(
        prompt_codes=tuple(torch.randint(0, 5120, (50,), generator=generator).tolist()),
        prompt_mel=torch.randn(103, 80, generator=generator),
        embedding=torch.randn(192, generator=generator),
    )


def _blocks(codes: list[int], size: int) -> list[list[int]]:
    return [codes[start : start + size] for start in range(0, len(codes), size)]


def _relative_error(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt() / b.square().mean().sqrt())


def test_three_seconds_of_codes_are_three_seconds_of_sound(vocoder: Vocoder, codes_125: list[int]) -> None:
    wave, sample_rate_hz = vocoder.synthesize(codes_125, seed=1)
    assert sample_rate_hz == 22050
    assert wave.shape == (258 * 256,)  # 125 codes are 258.4 frames, rounded down
    assert wave.dtype == torch.float32
    assert 0 < float(wave.abs().max()) <= 0.99


def test_the_seed_decides_everything(vocoder: Vocoder, codes_125: list[int]) -> None:
    first, _ = vocoder.synthesize(codes_125, seed=1)
    torch.manual_seed(99)
    again, _ = vocoder.synthesize(codes_125, seed=1)
    other, _ = vocoder.synthesize(codes_125, seed=2)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_random_vocoders_of_one_seed_are_equal_and_leave_global_chance_alone(
    flow_config: FlowConfig, hift_config: HiftConfig
) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (Vocoder.random(flow_config, hift_config, seed) for seed in (7, 7, 8))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.flow.encoder_proj.weight, again.flow.encoder_proj.weight)
    assert not torch.equal(first.flow.encoder_proj.weight, other.flow.encoder_proj.weight)


def test_folding_weight_norm_changes_no_sample(vocoder: Vocoder, codes_125: list[int]) -> None:
    before, _ = vocoder.synthesize(codes_125, seed=1)
    vocoder.fold_weight_norm()
    torch.testing.assert_close(vocoder.synthesize(codes_125, seed=1)[0], before, atol=1e-6, rtol=0)


def test_the_voice_and_its_prompt_change_the_sound_but_not_its_length(
    vocoder: Vocoder, codes_125: list[int], speaker: Speaker
) -> None:
    own, _ = vocoder.synthesize(codes_125, seed=1)
    voiced, _ = vocoder.synthesize(codes_125, seed=1, speaker=speaker)
    only_vector = replace(speaker, prompt_codes=(), prompt_mel=torch.zeros(0, 80))
    vectored, _ = vocoder.synthesize(codes_125, seed=1, speaker=only_vector)
    assert own.shape == voiced.shape == vectored.shape
    assert not torch.allclose(own, voiced, atol=1e-3)
    assert not torch.allclose(vectored, voiced, atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("piece", [1, 13, 64, 400])
def test_hift_streamed_is_hift_whole(vocoder: Vocoder, piece: int) -> None:
    mel = torch.randn(80, 150, generator=torch.Generator().manual_seed(2))
    field = NoiseField(seed=4, purpose=Purpose.SOURCE_NOISE, n_channels=9, block=1000)
    phase = torch.rand(1, 9, 1, generator=torch.Generator().manual_seed(3))
    source = vocoder.hift.source_from(vocoder.hift.f0(mel[None]), phase, field.read(0, 150 * 256)[None])
    whole = vocoder.hift.decode(mel[None], source)[0]
    stream = WaveStream(vocoder.hift, phase, field)
    pieces = [stream.push(mel[:, start : start + piece]) for start in range(0, 150, piece)]
    streamed = torch.cat([*pieces, stream.finish()])
    torch.testing.assert_close(streamed, whole, atol=2e-6, rtol=0)


@pytest.mark.parametrize("f0_hz", [0.0, 150.0])
def test_streamed_and_whole_agree_within_two_percent_of_the_level(
    vocoder: Vocoder, codes_640: list[int], f0_hz: float
) -> None:
    # The flow attends to everything, so windows of 165 of 640 codes cannot agree to the last figure. The pitch is
    # held still: predicted from mels that differ a little, it would differ by hundredths of a Hz, which nobody hears,
    # but the phases would drift apart until samples compare no more.
    with torch.no_grad():
        vocoder.hift.f0_predictor.classifier.weight.zero_()
        vocoder.hift.f0_predictor.classifier.bias.fill_(f0_hz)
    whole, _ = vocoder.synthesize(codes_640, seed=3)
    streamed = torch.cat(list(vocoder.stream(_blocks(codes_640, 15), seed=3)))
    other, _ = vocoder.synthesize(codes_640, seed=4)
    assert streamed.shape == whole.shape
    print("ERR", _relative_error(streamed, whole), _relative_error(other, whole))
    assert _relative_error(streamed, whole) < 0.02
    assert _relative_error(other, whole) > 0.1


@pytest.mark.parametrize("with_voice", [False, True])
def test_windows_that_see_everything_make_the_stream_the_whole(
    vocoder: Vocoder, codes_640: list[int], speaker: Speaker, with_voice: bool
) -> None:
    voice = speaker if with_voice else None
    plan = StreamPlan(first_hop_codes=200, hop_codes=300, left_codes=640, right_codes=640)
    all_seeing = Vocoder(vocoder.flow, vocoder.hift, SynthesisConfig(plan=plan, n_steps=2))
    whole, _ = all_seeing.synthesize(codes_640, 3, voice)
    streamed = torch.cat(list(all_seeing.stream([codes_640], 3, voice)))
    torch.testing.assert_close(streamed, whole, atol=1e-4, rtol=0)


def test_the_stream_is_the_same_however_the_codes_arrive(vocoder: Vocoder, codes_125: list[int]) -> None:
    by_block = torch.cat(list(vocoder.stream(_blocks(codes_125, 15), seed=3)))
    by_code = torch.cat(list(vocoder.stream(_blocks(codes_125, 1), seed=3)))
    at_once = torch.cat(list(vocoder.stream([codes_125], seed=3)))
    assert torch.equal(by_block, by_code)
    assert torch.equal(by_block, at_once)


def test_the_first_sound_comes_before_the_last_code(vocoder: Vocoder, codes_125: list[int]) -> None:
    asked = []

    def arriving() -> Iterator[list[int]]:
        for block in _blocks(codes_125, 15):
            asked.append(len(block))
            yield block

    first = next(iter(vocoder.stream(arriving(), seed=3)))
    assert sum(asked) == 45  # 25 kept and 15 ahead, in blocks of 15
    assert len(first) > 0


def _render_with_a_level_per_window(window: Window) -> Tensor:
    return torch.full((1, window.n_frames), float(window.first_code))


def test_a_join_fades_from_one_window_to_the_next() -> None:
    plan = StreamPlan(first_hop_codes=10, hop_codes=10, left_codes=4, right_codes=5, fade_frames=3)
    stream = MelStream(_render_with_a_level_per_window, lambda code: 2 * code, plan)
    mel = torch.cat(stream.push(list(range(25))) + stream.finish(), dim=1)[0]
    # The second window begins at code 6; its frames after the join at 20 rise from 0 to 6 in quarters.
    assert mel[:26].tolist() == [0.0] * 20 + [1.5, 3.0, 4.5] + [6.0] * 3
    assert len(mel) == 50


def test_windows_begin_on_even_frames_because_the_unet_pairs_them() -> None:
    seen: list[Window] = []

    def render(window: Window) -> Tensor:
        seen.append(window)
        return torch.zeros(1, window.n_frames)

    config = FlowConfig()
    stream = MelStream(render, lambda code: count_frames(code, config), StreamPlan(left_codes=7))
    pieces = stream.push(list(range(320))) + stream.finish()
    assert sum(piece.shape[1] for piece in pieces) == 661
    assert {window.first_frame % 2 for window in seen} == {0}
    assert {count_frames(window.first_code, config) % 2 for window in seen} == {0, 1}


def test_joins_stand_out_in_no_measure_of_change(vocoder: Vocoder, codes_640: list[int]) -> None:
    streamed = torch.cat(list(vocoder.stream([codes_640], seed=3)))
    frames = streamed.unfold(0, 256, 256)
    level = torch.fft.rfft(frames * torch.hann_window(256)).abs().clamp(min=1e-4).log()
    flux = level.diff(dim=0).abs().mean(dim=1)
    edges = [25, *range(75, 640, 50)]
    joins = torch.tensor([count_frames(code, vocoder.flow.config) - 1 for code in edges])
    assert float(flux[joins].mean()) < 1.1 * float(flux.mean())
    assert float(flux[joins].max()) <= float(flux.quantile(0.999))


def test_a_long_answer_goes_by_windows_and_keeps_its_length(vocoder: Vocoder, codes_125: list[int]) -> None:
    short_sighted = Vocoder(vocoder.flow, vocoder.hift, SynthesisConfig(max_whole_codes=100, n_steps=3))
    by_windows, _ = short_sighted.synthesize(codes_125, seed=3)
    streamed = torch.cat(list(vocoder.stream([codes_125], seed=3)))
    assert torch.equal(by_windows, streamed)


def test_a_five_code_answer_sounds_too(vocoder: Vocoder) -> None:
    wave, _ = vocoder.synthesize([0, 1023, 1024, 5119, 2000], seed=0)
    streamed = torch.cat(list(vocoder.stream([[0, 1023], [], [1024, 5119, 2000]], seed=0)))
    assert wave.shape == streamed.shape == (10 * 256,)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([], "0 audio codes"),
        ([1, 2, 3, 4, 5, 6], "6 audio codes: an answer has whole groups of 5"),
        ([1, 2, 3, 4, 5120], r"codes\[4\] is 5120"),
        ([1, -2, 3, 4, 5], r"codes\[1\] is -2"),
        ([1, 2.5, 3, 4, 5], r"codes\[1\] is 2.5"),
    ],
)
def test_bad_codes_are_refused_whole_and_streamed(vocoder: Vocoder, codes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vocoder.synthesize(codes, seed=0)
    with pytest.raises(ValueError, match=message):
        list(vocoder.stream(_blocks(codes, 2), seed=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt_mel": torch.full((3, 80), float("nan"))}, r"prompt_mel holds nan at \[0, 0\]"),
        ({"prompt_mel": torch.zeros(80, 103)}, r"prompt_mel has shape \[80, 103\]; it must be \[frames, 80\]"),
        ({"prompt_mel": torch.zeros(0, 80)}, "50 prompt codes and 0 mel frames"),
        ({"prompt_codes": (6000,)}, r"prompt_codes\[0\] is 6000"),
        ({"embedding": torch.full((192,), float("inf"))}, r"embedding holds inf at \[0\]"),
        ({"embedding": torch.zeros(1, 192)}, r"embedding has shape \[1, 192\]; it must be \[192\]"),
    ],
)
def test_a_bad_speaker_is_refused(vocoder: Vocoder, speaker: Speaker, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vocoder.synthesize([1, 2, 3, 4, 5], 0, replace(speaker, **change))


def test_weights_that_make_nan_are_named_as_the_mel_that_holds_it(vocoder: Vocoder) -> None:
    with torch.no_grad():
        vocoder.flow.encoder_proj.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="the mel that the flow made holds nan"):
        vocoder.synthesize([1, 2, 3, 4, 5], seed=0)


def test_a_negative_seed_is_refused(vocoder: Vocoder) -> None:
    with pytest.raises(ValueError, match=r"seed \(-1\)"):
        vocoder.synthesize([1, 2, 3, 4, 5], seed=-1)


def test_parts_of_different_rates_are_refused(
    vocoder: Vocoder, flow_config: FlowConfig, hift_config: HiftConfig
) -> None:
    with pytest.raises(ValueError, match=r"sample rate of the flow \(22050\) and of HiFT \(24000\)"):
        Vocoder.random(flow_config, replace(hift_config, sample_rate_hz=24000), seed=0)


def test_both_parts_at_24_khz_carry_that_rate(flow_config: FlowConfig, hift_config: HiftConfig) -> None:
    made = Vocoder.random(
        replace(flow_config, sample_rate_hz=24000), replace(hift_config, sample_rate_hz=24000), seed=0
    )
    wave, sample_rate_hz = made.synthesize([1, 2, 3, 4, 5], seed=0)
    assert (sample_rate_hz, len(wave)) == (24000, 11 * 256)  # 0.12 s are 11.25 frames


@pytest.mark.parametrize("field", ["hop_codes", "left_codes"])
def test_an_impossible_plan_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} \(-1\)"):
        StreamPlan(**{field: -1})


def test_building_and_speaking_warn_of_nothing(flow_config: FlowConfig, hift_config: HiftConfig) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Vocoder.random(flow_config, hift_config, seed=0).synthesize([1, 2, 3, 4, 5], seed=0)
    assert [str(warning.message) for warning in caught] == []
