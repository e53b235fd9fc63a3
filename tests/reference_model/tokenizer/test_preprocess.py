from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aqaa_eval.reference_model.tokenizer import AudioInputError, preprocess
from aqaa_eval.reference_model.tokenizer.preprocess import speech_bounds, to_mono, trim_silence
from aqaa_eval.reference_model.tokenizer.resample import resample

Babble = Callable[..., Tensor]


def tone(rate_hz: int, *, frequency_hz: float = 440.0, seconds: float = 0.5) -> Tensor:
    return torch.sin(2 * math.pi * frequency_hz * torch.arange(int(rate_hz * seconds)) / rate_hz).float()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 24_000, 44_100, 48_000, 96_000, 44_099])
def test_a_tone_keeps_its_pitch_and_level_at_any_rate(rate_hz: int) -> None:
    out = resample(tone(rate_hz), from_hz=rate_hz, to_hz=16_000)
    expected = tone(16_000)
    assert abs(len(out) - len(expected)) <= 1
    middle = slice(800, 7_000)
    torch.testing.assert_close(out[middle], expected[middle], atol=2e-2, rtol=0)


def test_downsampling_is_the_windowed_sinc_that_the_model_was_fed_with(babble: Babble) -> None:
    wav = babble(4_410).double()
    out = resample(wav.float(), from_hz=44_100, to_hz=16_000)
    assert len(out) == math.ceil(4_410 * 16_000 / 44_100)
    cutoff_hz = 0.99 * 16_000
    for m in (0, 1, 500, 1_337, len(out) - 1):
        crossing = (torch.arange(len(wav)) / 44_100 - m / 16_000) * cutoff_hz
        window = torch.where(crossing.abs() < 6, torch.cos(crossing * math.pi / 12) ** 2, 0.0)
        expected = (wav * torch.sinc(crossing) * window).sum() * cutoff_hz / 44_100
        assert float(out[m]) == pytest.approx(float(expected), abs=1e-5)


def test_what_the_new_rate_cannot_hold_is_removed() -> None:
    high = resample(tone(48_000, frequency_hz=11_000.0), from_hz=48_000, to_hz=16_000)
    assert float(high[100:-100].abs().max()) < 0.02


def test_the_published_prompt_recording_has_the_published_length() -> None:
    assert len(preprocess(torch.ones(357_120), 44_100)) == 129_568


def test_the_peak_is_raised_to_0_999_but_silence_stays_silence() -> None:
    assert float(preprocess(torch.tensor([0.1, -0.2] * 50), 16_000).abs().max()) == pytest.approx(0.999)
    assert float(preprocess(torch.full((100,), 0.001), 16_000).max()) == pytest.approx(0.0999)
    assert not preprocess(torch.zeros(100), 16_000).any()


def test_stereo_is_the_mean_whichever_axis_is_the_channels(babble: Babble) -> None:
    left, right = babble(1_000), babble(1_000, seed=1)
    expected = (left + right) / 2
    torch.testing.assert_close(to_mono(torch.stack([left, right])), expected)
    torch.testing.assert_close(to_mono(torch.stack([left, right], dim=1).numpy()), expected)


def test_integer_pcm_is_scaled_to_one() -> None:
    assert to_mono(np.array([16384, -32768], dtype=np.int16)).tolist() == [0.5, -1.0]


@given(
    lead=st.integers(0, 9_000), speech=st.integers(600, 9_000), tail=st.integers(0, 9_000), level=st.floats(0.02, 1.0)
)
def test_the_trimmed_length_is_steps_of_240_and_0_27_s(lead: int, speech: int, tail: int, level: float) -> None:
    wav = torch.cat([torch.zeros(lead), torch.full((speech,), level), torch.zeros(tail)])
    first, last = speech_bounds(wav)
    trimmed = trim_silence(wav)
    assert (len(trimmed) - 4_320) % 240 == 0
    assert len(trimmed) == math.ceil((last - first) / 240) * 240 + 4_320
    # A frame of 512 reaches 256 samples to either side of its centre.
    assert lead - 384 <= first <= lead + 128
    assert min(len(wav), lead + speech - 128) <= last <= min(len(wav), lead + speech + 512)


def test_trimming_keeps_50_ms_before_the_speech_or_pads_them() -> None:
    speech = torch.ones(2_400)
    early = trim_silence(speech)
    assert not early[:800].any()
    assert torch.equal(early[800:3_200], speech)
    late = torch.cat([torch.zeros(5_000), speech, torch.zeros(5_000)])
    first, _ = speech_bounds(late)
    assert int(trim_silence(late).nonzero()[0]) == 5_000 - (first - 800)


def test_quiet_beyond_20_db_is_cut_and_just_within_is_kept() -> None:
    loud = torch.ones(4_096)
    cut, _ = speech_bounds(torch.cat([torch.full((4_096,), 0.099), loud]))
    assert cut == 4_096 - 128  # the first frame that the loud part reaches into
    kept, _ = speech_bounds(torch.cat([torch.full((4_096,), 0.101), loud]))
    assert kept == 256  # the first frame that no padding reaches into


def test_the_power_of_frames_does_not_depend_on_the_blocks_they_are_computed_in(babble: Babble) -> None:
    wav = babble(1_100_000)
    wav[: 9_000 * 128] *= 1e-3
    first, last = speech_bounds(wav)
    power = torch.nn.functional.pad(wav, (256, 256)).unfold(0, 512, 128).square().mean(1)
    loud = (10 * torch.log10(power.clamp_min(1e-10)) > 10 * torch.log10(power.max()) - 20).nonzero()
    assert (first, last) == (int(loud[0]) * 128, min(len(wav), (int(loud[-1]) + 1) * 128))


@pytest.mark.parametrize(
    ("wav", "rate_hz", "message"),
    [
        (torch.zeros(0), 16_000, r"q\.wav is empty \(shape \(0,\)\)"),
        (torch.zeros(2, 0), 16_000, r"q\.wav is empty"),
        (torch.tensor([0.0, math.nan, math.nan]), 16_000, r"q\.wav: sample 1 is nan \(2 of 3 are not finite\)"),
        (torch.tensor([0.0, 1.0, -math.inf]), 16_000, r"sample 2 is -inf \(1 of 3"),
        (torch.zeros(1, 2, 3), 16_000, r"3 axes \(1, 2, 3\)"),
        (torch.zeros(100, 100), 16_000, r"shape \(100, 100\): one axis must be the channels, at most 8"),
        (torch.zeros(9, dtype=torch.uint8), 16_000, r"holds uint8 samples"),
        (torch.zeros(100), 3_999, r"sample rate 3999 Hz is below 4000 Hz"),
        (torch.zeros(100), -16_000, r"sample rate -16000 Hz is below 4000 Hz"),
        (torch.zeros(100), 16_000.5, r"sample rate 16000\.5 must be a whole number of Hz"),
    ],
)
def test_impossible_audio_is_refused_with_its_name_the_value_and_the_rule(
    wav: Tensor, rate_hz: int, message: str
) -> None:
    with pytest.raises(AudioInputError, match=message):
        preprocess(wav, rate_hz, name="q.wav")
