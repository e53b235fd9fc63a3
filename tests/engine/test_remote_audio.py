from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.errors import AudioError, UsageError
from aqaa_eval.engine.remote_audio import RemoteAudioStore, open_audio
from tests.engine.builders import ToneSuite, drive, dump, request, tone


@pytest.fixture
def url() -> Iterator[str]:
    place = f"memory://sound-{os.getpid()}"
    yield place
    fsspec.filesystem("memory").rm(place, recursive=True)


def test_a_run_with_its_sound_in_an_object_store_is_the_same_run(tmp_path: Path, url: str) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    for name, store in (("here", ""), ("there", url)):
        what = request(tmp_path / name, fake.build("echo", {}), suite=suite)
        drive(replace(what, manifest=replace(what.manifest, audio_store=store)))
    assert dump(tmp_path / "there") == dump(tmp_path / "here")
    assert not list((tmp_path / "there" / "audio").iterdir())
    stored = {Path(name).name for name in fsspec.filesystem("memory").ls(url, detail=False)}
    assert stored == {path.name for path in (tmp_path / "here" / "audio").iterdir()}


def test_sound_is_read_back_and_a_cut_file_is_written_again(url: str) -> None:
    files, store = fsspec.filesystem("memory"), open_audio(Path("unused"), url)
    name = store.put(tone(440.0))
    files.pipe_file(f"{url}/{name}", files.cat_file(f"{url}/{name}")[:100])
    with pytest.raises(AudioError):
        RemoteAudioStore(url).get(name)
    again = RemoteAudioStore(url)
    assert again.put(tone(440.0)) == name
    assert again.get(name).content_hash == tone(440.0).content_hash
    again.discard(name)
    with pytest.raises(AudioError, match="cannot be read from memory://"):
        again.get(name)


def test_a_run_does_not_go_on_with_its_sound_elsewhere(tmp_path: Path, url: str) -> None:
    RemoteAudioStore(url)
    suite = ToneSuite(folder=tmp_path / "data", n_samples=1)
    what = request(tmp_path / "run", fake.build("echo", {}), suite=suite)
    drive(what)
    with pytest.raises(UsageError, match=f"in its own folder, and {url} is asked for"):
        drive(replace(what, manifest=replace(what.manifest, audio_store=url)))


def test_a_place_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        open_audio(tmp_path, "nosuchprotocol://bucket/run")
    with pytest.raises(UsageError, match="user or password"):
        open_audio(tmp_path, "ftp://me:secret@host/run")
