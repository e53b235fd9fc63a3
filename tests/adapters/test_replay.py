from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters.replay import build
from aqaa_eval.core.attempt import Response, Timing
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.errors import DataError, ModelError, UsageError
from tests.adapters.queries import ask, tone, user


def store(folder: Path, name: str, audio: Audio, *, container: str = "WAV") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_audio(audio, container=container))
    return path


def query(key: str):
    return ask(user(tone(frequency_hz=200)), key=key)


def test_each_turn_gets_its_own_recording_and_text(tmp_path: Path) -> None:
    first, second = tone(frequency_hz=300), tone(frequency_hz=500)
    store(tmp_path, "gaming/g01/turn0.wav", first)
    store(tmp_path, "gaming/g01/turn1.flac", second, container="FLAC")
    (tmp_path / "gaming/g01/turn1.txt").write_text("Eight.\n")
    model = build(str(tmp_path), {})
    answers = [model.answer(query(f"gaming/g01#{turn}")) for turn in (0, 1)]
    assert [answer.text for answer in answers] == [None, "Eight."]
    for answer, audio in zip(answers, (first, second), strict=True):
        assert answer.audio is not None
        assert np.array_equal(answer.audio.pcm16, audio.pcm16)


def test_measured_times_stand_beside_the_recording(tmp_path: Path) -> None:
    store(tmp_path, "gaming/g01/turn0.wav", tone())
    model = build(str(tmp_path), {})
    assert model.answer(query("gaming/g01#0")).timing == Timing(first_audio_s=None, total_s=0.0)
    (tmp_path / "gaming/g01/turn0.json").write_text('{"first_audio_s": 0.4, "total_s": 2.1}')
    assert model.answer(query("gaming/g01#0")).timing == Timing(first_audio_s=0.4, total_s=2.1)
    (tmp_path / "gaming/g01/turn0.json").write_text('{"first_audio_s": 0.4}')
    with pytest.raises(ModelError, match="total_s"):
        model.answer(query("gaming/g01#0"))


def test_a_repeat_has_its_own_recording_or_that_of_the_first_time(tmp_path: Path) -> None:
    store(tmp_path, "gaming/g01/turn0.wav", tone(frequency_hz=300))
    store(tmp_path, "gaming/g01@1/turn0.wav", tone(frequency_hz=500))
    model = build(str(tmp_path), {})
    answers = [model.answer(query(f"gaming/g01{repeat}#0")).audio for repeat in ("", "@1", "@2")]
    first, second, third = [answer.content_hash for answer in answers if answer is not None]
    assert first != second
    assert first == third


def test_a_text_alone_is_an_answer_without_sound_and_nothing_is_an_error(tmp_path: Path) -> None:
    store(tmp_path, "gaming/g01/turn0.wav", tone())
    (tmp_path / "gaming/g01/turn1.txt").write_text("only words")
    model = build(str(tmp_path), {})
    silent = model.answer(query("gaming/g01#1"))
    assert (silent.audio, silent.text) == (None, "only words")
    with pytest.raises(ModelError, match="no answer to gaming/g01#2"):
        model.answer(query("gaming/g01#2"))


def test_a_broken_recording_is_an_error_of_its_turn(tmp_path: Path) -> None:
    path = store(tmp_path, "gaming/g01/turn0.wav", tone())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="truncated"):
        build(str(tmp_path), {}).answer(query("gaming/g01#0"))


def test_a_key_cannot_reach_outside_the_folder(tmp_path: Path) -> None:
    store(tmp_path, "secret/turn0.wav", tone())
    store(tmp_path, "answers/gaming/g01/turn0.wav", tone())
    with pytest.raises(ModelError, match="leaves the folder answers"):
        build(str(tmp_path / "answers"), {}).answer(query("../secret#0"))


def test_other_recordings_are_another_model(tmp_path: Path) -> None:
    store(tmp_path, "gaming/g01/turn0.wav", tone())
    before = build(str(tmp_path), {}).identity
    assert before == build(str(tmp_path), {}).identity
    store(tmp_path, "gaming/g01/turn0.wav", tone(frequency_hz=100))
    assert before != build(str(tmp_path), {}).identity


def test_a_run_is_replayed_through_the_lookup_it_is_given(tmp_path: Path) -> None:
    stored = Response(audio=tone(), text="hi", timing=Timing(first_audio_s=0.1, total_s=0.7))
    model = build(str(tmp_path), {}, lookup={"gaming/g01#0": stored}.get)
    assert model.answer(query("gaming/g01#0")) is stored
    assert model.answer(query("gaming/g01@3#0")) is stored
    with pytest.raises(ModelError, match="no answer"):
        model.answer(query("gaming/g02#0"))


def test_a_folder_without_recordings_and_unknown_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a run nor recordings"):
        build(str(tmp_path), {})
    with pytest.raises(DataError, match="no such folder"):
        build(str(tmp_path / "missing"), {})
    with pytest.raises(UsageError, match="has no setting 'speed'; there are none"):
        build(str(tmp_path), {"speed": 2})
