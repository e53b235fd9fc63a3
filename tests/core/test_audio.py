from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aqaa_eval.core.audio import Audio, encode_audio, from_samples, read_audio
from aqaa_eval.core.errors import AudioError
from aqaa_eval.core.sample import AudioFile


def sine(n_channels: int = 1, *, sample_rate_hz: int = 16_000, duration_s: float = 0.5) -> np.ndarray:
    t_s = np.arange(int(sample_rate_hz * duration_s)) / sample_rate_hz
    wave = (0.5 * np.sin(2 * np.pi * 220 * t_s)).astype(np.float32)
    return wave if n_channels == 1 else np.stack([wave] * n_channels, axis=1)


def encoded(container: str, subtype: str, data: np.ndarray, sample_rate_hz: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, data, sample_rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "PCM_U8"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_every_common_file_is_read_as_float_mono(container: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.audio"
    path.write_bytes(encoded(container, subtype, sine(2)))
    audio = read_audio(path)
    assert audio.sample_rate_hz == 16_000
    assert audio.samples.dtype == np.float32
    assert audio.duration_s == pytest.approx(0.5, abs=0.08)  # MP3 pads to whole frames
    assert np.sqrt(np.mean(audio.samples**2)) == pytest.approx(0.5 / 2**0.5, rel=0.1)


def test_eight_khz_stereo_is_averaged_and_resampled(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    stereo = np.stack([sine(sample_rate_hz=8_000), -sine(sample_rate_hz=8_000)], axis=1)
    path.write_bytes(encoded("WAV", "PCM_16", stereo, 8_000))
    audio = read_audio(path)
    assert np.abs(audio.samples).max() < 1e-4  # the channels cancel: an average, not the left one
    assert audio.resampled(24_000).duration_s == pytest.approx(0.5, abs=1e-3)


def test_resampling_keeps_the_tone() -> None:
    audio = Audio(samples=sine(), sample_rate_hz=16_000).resampled(24_000)
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    assert np.fft.rfftfreq(len(audio.samples), 1 / 24_000)[spectrum.argmax()] == pytest.approx(220, abs=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "empty"),
        (lambda: b"hello, this is no audio at all", "not a readable audio file"),
        (lambda: encoded("WAV", "PCM_16", sine())[:5000], "truncated, the header promises 16000 bytes"),
        (lambda: encoded("OGG", "VORBIS", sine(duration_s=5))[:-200], "truncated, the last Ogg page"),
        (lambda: encoded("WAV", "PCM_16", np.zeros(0, np.float32)), "no samples"),
        (lambda: encoded("WAV", "FLOAT", np.full(100, np.nan, np.float32)), "100 of 100 samples are NaN"),
        (lambda: encoded("WAV", "FLOAT", np.array([0, np.inf], np.float32)), "1 of 2 samples are NaN or infinite"),
        (
            lambda: encoded("WAV", "PCM_16", sine(sample_rate_hz=8000, duration_s=1200), 8000),
            "1200 s is longer than the limit of 600 s",
        ),
        (lambda: b"RIFF" + struct.pack("<I", 4) + b"WAVE", "not a readable audio file"),
    ],
)
def test_a_bad_file_is_one_clear_error_that_names_it(make, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "bad.wav"
    path.write_bytes(make())
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(path)
    assert "bad.wav" in str(caught.value)


def test_a_missing_file_and_a_folder_say_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        read_audio(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="not a regular file"):
        read_audio(tmp_path)


def test_a_wav_written_to_a_pipe_has_no_length_and_is_still_read() -> None:
    data = bytearray(encoded("WAV", "PCM_16", sine()))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert read_audio(bytes(data)).duration_s == pytest.approx(0.5)


def test_a_round_trip_through_flac_keeps_the_content_hash() -> None:
    audio = from_samples(sine(), sample_rate_hz=16_000)
    assert read_audio(encode_audio(audio)).pcm16.tobytes() == audio.pcm16.tobytes()
    assert from_samples(sine(), sample_rate_hz=16_000).content_hash == audio.content_hash
    assert Audio(samples=audio.samples, sample_rate_hz=8_000).content_hash != audio.content_hash


def test_other_bytes_than_the_manifests_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.flac"
    path.write_bytes(encode_audio(Audio.silence(duration_s=0.1)))
    with pytest.raises(AudioError, match=r"q\.flac: its bytes are not those of the manifest"):
        AudioFile(path=path, sha256="0" * 64).load()
