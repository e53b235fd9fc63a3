"""The short way to read a usual WAV file gives what libsndfile gives, and leaves every other file to it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from aqaa_eval.core.audio import _decode, encode_audio, from_samples, read_audio
from aqaa_eval.core.plain_wav import read_plain_wav
from tests.core.test_audio import encoded, sine

EXTREMES = np.array([-32768, -32767, -1, 0, 1, 32767], np.int16)


def usual() -> bytes:
    return encoded("WAV", "PCM_16", sine())


def test_the_samples_are_libsndfiles_to_the_bit() -> None:
    for sound in (usual(), encoded("WAV", "PCM_16", EXTREMES), encoded("WAV", "PCM_16", sine(), 44_100)):
        plain = read_plain_wav(sound)
        assert plain is not None
        samples, rate_hz = _decode(sound, "a.wav", 600.0, None)
        audio = read_audio(sound)
        assert np.array_equal(audio.samples, samples)
        assert audio.sample_rate_hz == plain.sample_rate_hz == rate_hz
        again = from_samples(samples, sample_rate_hz=rate_hz)
        assert np.array_equal(audio.pcm16, again.pcm16)
        assert audio.content_hash == again.content_hash
        assert encode_audio(audio) == encode_audio(again)


@pytest.mark.parametrize(
    ("container", "subtype", "n_channels"), [("WAV", "PCM_16", 2), ("WAV", "PCM_24", 1), ("FLAC", "PCM_16", 1)]
)
def test_other_kinds_of_file_are_left_to_libsndfile(container: str, subtype: str, n_channels: int) -> None:
    assert read_plain_wav(encoded(container, subtype, sine(n_channels))) is None


@pytest.mark.parametrize("at", range(44))
def test_a_head_with_one_odd_byte_is_left_to_libsndfile(at: int) -> None:
    data = bytearray(usual())
    data[at] ^= 0x10
    assert read_plain_wav(bytes(data)) is None


def test_a_file_that_is_cut_or_goes_on_is_left_to_libsndfile() -> None:
    assert read_plain_wav(usual()[:-2]) is None
    assert read_plain_wav(usual() + b"LIST" + struct.pack("<I", 0)) is None
