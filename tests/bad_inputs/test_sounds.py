"""Recordings, each through the reader by bytes and by path."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from aqaa_eval.core.audio import read_audio
from aqaa_eval.core.errors import AudioError
from aqaa_eval.core.sample import AudioFile
from tests.bad_inputs.containment import contained, pattern
from tests.bad_inputs.sound_table import SOUNDS, BadSound


@pytest.mark.parametrize("sound", SOUNDS, ids=lambda sound: sound.name)
def test_a_recording_gets_its_error_or_its_samples(sound: BadSound, tmp_path: Path) -> None:
    path = tmp_path / sound.name
    path.write_bytes(sound.make())
    with contained(tmp_path):
        if not sound.error:
            audio = AudioFile(path=path).load()
            assert len(audio.samples) == sound.n_samples
            assert abs(audio.pcm16).max() > 0
            assert audio.content_hash == read_audio(path).content_hash == read_audio(path.read_bytes()).content_hash
            return
        with pytest.raises(AudioError) as caught:
            AudioFile(path=path).load()
    assert pattern(f"{sound.name}: {sound.error}").fullmatch(str(caught.value)), str(caught.value)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_pipe, "not a regular file but a pipe"),
        (_socket, "No such device or address"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file but a device"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (Path.mkdir, "not a regular file but a folder"),
        (_sparse, "1099511627776 bytes, at most 536870912 are read"),
    ],
    ids=["pipe", "socket", "device", "link to itself", "folder", "terabyte"],
)
def test_what_is_no_regular_file_is_not_opened_for_long(make, reason: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.wav"
    make(path)
    for read in (lambda: read_audio(path), AudioFile(path=path).load):
        with contained(tmp_path), pytest.raises(AudioError) as caught:
            read()
        assert f"a.wav: cannot be read ({reason})" in str(caught.value)
