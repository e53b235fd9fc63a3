"""The generator: the same script gives the same bytes, and what it cannot speak it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.ogg import encode_opus, with_serial
from aqaa_eval.tasks.speaking import sounds
from aqaa_eval.tasks.speaking.script import read_script
from aqaa_eval.tasks.speaking.studio import speak_suite
from aqaa_eval.tasks.speaking.voices import VOICES, speak

SCRIPT = """
- id: s1
  voice: hibari
  noise: {kind: pink, snr_db: 10}
  turns:
    - say: ["How many beeps?", {beeps: 2}, {tones: [60, 64]}]
      reference: Two.
      checks:
        - says_number: {value: 2}
    - say: And now?
      rate: 1.2
      checks:
        - asks_question
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("hibari", reason="hibari-tts is in the offline extra")
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return tmp_path


def test_a_script_is_spoken_to_the_same_bytes_each_time(folder):
    assert speak_suite(folder) == 2
    first = {path.name: path.read_bytes() for path in [folder / "samples.jsonl", *(folder / "audio").iterdir()]}
    (folder / "audio" / "stale.ogg").write_bytes(b"")
    assert speak_suite(folder) == 2
    assert first == {path.name: path.read_bytes() for path in [folder / "samples.jsonl", *(folder / "audio").iterdir()]}
    row = json.loads((folder / "samples.jsonl").read_text())
    assert row["turns"][0]["text"] == "How many beeps? [2 beeps] [2 tones: C4 E4]"
    assert row["turns"][1]["checks"] == [{"name": "asks_question", "part": "content"}]


def test_noise_lies_at_the_asked_distance_below_the_speech():
    speech = sounds.tone(300.0, 2.0)
    for kind in ("white", "pink"):
        noise = sounds.noise(kind, len(speech), seed=1)
        assert float(np.sqrt(np.mean(noise**2))) == pytest.approx(1.0, rel=1e-3)
    assert np.array_equal(sounds.noise("white", 100, seed=3), sounds.noise("white", 100, seed=3))


def test_a_new_serial_leaves_the_sound_and_a_valid_stream():
    audio = Audio(samples=sounds.tone(440.0, 0.5), sample_rate_hz=sounds.SAMPLE_RATE_HZ)
    encoded = encode_opus(audio, level=0.93)
    assert encoded == encode_opus(audio, level=0.93)
    assert with_serial(with_serial(encoded, 77), 0) == encoded
    # libogg skips pages with a wrong checksum, so a readable file has right ones.
    assert np.array_equal(read_audio(with_serial(encoded, 77)).samples, read_audio(encoded).samples)


def test_a_wrong_script_is_refused_with_its_place(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_text("- {id: a, voice: hibari, turns: [{say: Hello, speed: 2}]}")
    with pytest.raises(DataError, match=r"0\.turns\.0\.speed: Extra inputs are not permitted"):
        read_script(path)


def test_a_voice_says_what_it_does_not_speak():
    with pytest.raises(UsageError, match="did you mean flite:slt"):
        speak("Hello", voice="flite:stl", language="en", rate=1.0)
    with pytest.raises(UsageError, match="flite:slt does not speak 'ja'"):
        speak("こんにちは", voice="flite:slt", language="ja", rate=1.0)


@pytest.mark.parametrize(("voice", "program"), [("flite:slt", "flite"), ("espeak:en-gb-x-gbclan+f4", "espeak-ng")])
def test_a_voice_whose_program_is_missing_names_the_package(
    voice: str, program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=f"apt-get install {program}"):
        speak("Hello.", voice=voice, language="en", rate=1.0)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_every_espeak_voice_speaks_and_no_two_alike() -> None:
    names = [name for name in VOICES if name.startswith("espeak:")]
    spoken = [speak("One two three.", voice=name, language="en", rate=1.0) for name in names]
    assert len({audio.samples.tobytes() for audio in spoken}) == len(names)
    assert all(0.7 < audio.duration_s < 2.5 for audio in spoken)
    fast = speak("One two three.", voice=names[0], language="en", rate=1.5)
    assert fast.duration_s < 0.8 * spoken[0].duration_s
