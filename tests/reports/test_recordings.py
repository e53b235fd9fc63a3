from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.core.ogg import encode_opus, with_serial
from aqaa_eval.reports import recordings
from aqaa_eval.reports.recordings import MAX_LOSSLESS_BYTES, load_recordings, waveform_path
from tests.reports.builders import store, syllables


def content_of(source: str, media_type: str) -> bytes:
    head, encoded = source.split(",")
    assert head == f"data:{media_type};base64"
    return base64.b64decode(encoded)


def test_a_small_run_is_embedded_without_loss(tmp_path: Path) -> None:
    name = store(tmp_path, "a.flac", syllables(duration_s=1.0))
    found = load_recordings(tmp_path / "audio", [name])[name]
    assert content_of(found.source, "audio/flac") == (tmp_path / "audio" / name).read_bytes()
    assert (found.is_embedded, found.duration_s, found.problem) == (True, 1.0, "")


def test_a_larger_run_is_embedded_as_opus(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 96_000).astype(np.float32)
    names = [f"{index}.flac" for index in range(20)]
    for name in names:
        store(tmp_path, name, Audio(samples=noise, sample_rate_hz=48_000))
    assert sum(path.stat().st_size for path in (tmp_path / "audio").iterdir()) > MAX_LOSSLESS_BYTES
    found = load_recordings(tmp_path / "audio", names)
    assert all(recording.is_embedded for recording in found.values())
    assert read_audio(content_of(found["7.flac"].source, "audio/ogg")).duration_s == pytest.approx(2.0, abs=0.01)


def test_from_the_first_that_does_not_fit_recordings_are_linked(tmp_path: Path) -> None:
    names = [store(tmp_path, f"{index}.flac", syllables(duration_s=1.0)) for index in range(4)]
    one = len(encode_opus(syllables(duration_s=1.0), level=0.9))
    found = load_recordings(tmp_path / "audio", names, max_bytes=2 * one + 1)
    assert [found[name].is_embedded for name in names] == [True, True, False, False]
    assert [found[name].source for name in names[2:]] == ["audio/2.flac", "audio/3.flac"]
    assert found["3.flac"].duration_s == 1.0


def test_a_recording_that_stands_twice_in_the_page_is_carried_once(tmp_path: Path) -> None:
    name = store(tmp_path, "a.flac", syllables(duration_s=1.0))
    folder = tmp_path / "audio"
    once = load_recordings(folder, [name], max_bytes=(folder / name).stat().st_size - 1)[name]
    n_bytes = len(content_of(once.source, "audio/ogg"))
    assert load_recordings(folder, [name, name], max_bytes=n_bytes)[name].is_embedded
    assert not load_recordings(folder, [name], max_bytes=n_bytes - 1)[name].is_embedded


def test_a_linked_recording_has_a_waveform_unless_the_run_is_too_long_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = store(tmp_path, "a.flac", syllables(duration_s=1.0))
    whole = load_recordings(tmp_path / "audio", [name])[name]
    monkeypatch.setattr(recordings, "MAX_OPENED_BYTES", 10)
    linked = load_recordings(tmp_path / "audio", [name])[name]
    assert (linked.source, linked.duration_s, linked.waveform) == ("audio/a.flac", 1.0, whole.waveform)
    monkeypatch.setattr(recordings, "MAX_DRAWN_BYTES", 10)
    unopened = load_recordings(tmp_path / "audio", [name])[name]
    assert (unopened.source, unopened.duration_s, unopened.waveform) == ("audio/a.flac", None, "")


def test_an_ogg_file_is_not_encoded_again(tmp_path: Path) -> None:
    encoded = encode_opus(syllables(duration_s=1.0), level=0.9)
    (tmp_path / "q.ogg").write_bytes(encoded)
    found = load_recordings(tmp_path, ["q.ogg"], max_bytes=len(encoded))
    assert content_of(found["q.ogg"].source, "audio/ogg") == encoded


@pytest.mark.parametrize("name", ["../secret.flac", "/etc/passwd", "..", "", "a\\b.flac", "x\0.flac"])
def test_a_name_never_leads_out_of_the_run(tmp_path: Path, name: str) -> None:
    store(tmp_path, "kept.flac", syllables(duration_s=0.2))
    (tmp_path / "secret.flac").write_bytes(encode_audio(syllables(duration_s=0.2)))
    found = load_recordings(tmp_path / "audio", [name])[name]
    assert found.source == ""
    assert "not a plain file name" in found.problem


def test_a_broken_or_missing_file_is_said_and_the_others_are_there(tmp_path: Path) -> None:
    good = store(tmp_path, "good.flac", syllables(duration_s=0.5))
    whole = (tmp_path / "audio" / good).read_bytes()
    (tmp_path / "audio" / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "audio" / "empty.flac").write_bytes(b"")
    found = load_recordings(tmp_path / "audio", ["cut.flac", "gone.flac", "empty.flac", good])
    assert found[good].is_embedded
    assert found["cut.flac"].problem.startswith("cut.flac: ")
    assert "gone.flac: cannot be read" in found["gone.flac"].problem
    assert found["empty.flac"].problem == "empty.flac: the file is empty (0 bytes)"


@pytest.mark.parametrize("sample_rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_any_sample_rate_becomes_opus(sample_rate_hz: int) -> None:
    sound = syllables(duration_s=0.7, sample_rate_hz=sample_rate_hz)
    assert read_audio(encode_opus(sound, level=0.9)).duration_s == pytest.approx(0.7, abs=0.02)


def test_the_same_sound_gives_the_same_opus_bytes() -> None:
    sound = syllables(duration_s=0.7)
    assert encode_opus(sound, level=0.9) == encode_opus(sound, level=0.9)


def test_a_stream_under_its_own_serial_is_unchanged_so_our_checksums_are_libogg_s() -> None:
    import io

    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, syllables(duration_s=1.3).samples, 16_000, format="OGG", subtype="OPUS")
    stream = buffer.getvalue()
    serial = int.from_bytes(stream[14:18], "little")
    assert with_serial(stream, serial) == stream
    assert with_serial(with_serial(stream, 99), serial) == stream
    assert np.array_equal(read_audio(with_serial(stream, 99)).samples, read_audio(stream).samples)


@pytest.mark.parametrize("stream", [b"RIFF....", b"OggS", b"OggS" + bytes(22) + b"\x02\x10\x10"])
def test_what_is_not_ogg_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match="Ogg page"):
        with_serial(stream, 1)


def test_the_waveform_follows_the_envelope() -> None:
    half = np.concatenate([np.zeros(3000), np.full(3000, 0.25)]).astype(np.float32)
    heights = [int(bar.split("v")[1]) for bar in waveform_path(half).split("M")[1:]]
    assert heights == [2] * 75 + [28] * 75


@pytest.mark.parametrize("n_samples", [0, 1, 7])
def test_a_recording_shorter_than_the_waveform_still_has_one(n_samples: int) -> None:
    assert waveform_path(np.zeros(n_samples, np.float32)).count("v2") == 150
