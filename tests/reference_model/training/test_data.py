from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aqaa_eval.reference_model.audio_input import Recording
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.data import (
    Skipped,
    TrainingDataError,
    code_examples,
    open_dataset,
    read_examples,
    read_preferences,
    speak_answers,
)


def buzz(seconds: float = 0.5, *, hz: float = 150.0) -> np.ndarray:
    times = np.arange(round(seconds * 16_000)) / 16_000
    return (0.3 * np.sign(np.sin(2 * np.pi * hz * times))).astype(np.float32)


def spoken(folder: Path, name: str, seconds: float = 0.5) -> str:
    soundfile.write(folder / name, buzz(seconds), 16_000)
    return name


def row(folder: Path, key: str, **changes) -> dict:
    asked = {"role": "human", "text": "Two plus two?", "audio": spoken(folder, f"{key}-q.wav", 0.6)}
    values = {"key": key, "turns": [asked], "answer": [{"text": "Four.", "audio": spoken(folder, f"{key}-a.wav")}]}
    return values | changes


def write(folder: Path, rows: list[dict]) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(values) + "\n" for values in rows))
    return path


def test_rows_of_a_jsonl_file_become_codes(tmp_path):
    path = write(tmp_path, [row(tmp_path, f"r{place}") for place in range(3)])
    skipped = Skipped()
    examples = list(read_examples(open_dataset(str(path)), tmp_path, skipped))
    skipped.check()
    coded = code_examples(examples, DualTokenizer.random(tiny(), seed=0))
    assert [example.key for example in coded] == ["r0", "r1", "r2"]
    assert all(len(example.turns[0].codes) == 25 and len(example.answer[0].codes) == 20 for example in coded)
    assert coded[0].is_spoken


def test_a_text_answer_is_spoken_by_the_function_that_is_given(tmp_path):
    values = row(tmp_path, "r0", answer=[{"text": "Four."}])
    [example] = read_examples([values], tmp_path, Skipped())
    assert example.answer[0].recording is None
    said = []

    def speak(text: str) -> Recording:
        said.append(text)
        return Recording(samples=buzz(1.0), sample_rate_hz=16_000)

    [voiced] = speak_answers([example], speak)
    assert said == ["Four."]
    assert voiced.answer[0].recording is not None


def test_encoded_sound_of_a_dataset_is_read_from_its_bytes(tmp_path):
    spoken(tmp_path, "x.wav")
    values = row(tmp_path, "r0")
    values["turns"][0]["audio"] = {"bytes": (tmp_path / "x.wav").read_bytes(), "path": None}
    [example] = read_examples([values], tmp_path, Skipped())
    assert example.turns[0].recording is not None
    assert example.turns[0].recording.duration_s == 0.5


BROKEN = {
    "missing file": ({"answer": [{"text": "Four.", "audio": "nowhere.wav"}]}, "there is no such file"),
    "empty answer": ({"answer": []}, "answer is empty"),
    "answer without text": ({"answer": [{"text": " "}]}, "without text"),
    "no turns": ({"turns": []}, "no turns"),
    "text without sound": ({"turns": [{"role": "human", "text": ""}]}, "neither text nor sound"),
    "a path outside": ({"answer": [{"text": "Four.", "audio": "../secret.wav"}]}, "leaves the folder"),
    "an absolute path": ({"answer": [{"text": "Four.", "audio": "/etc/passwd"}]}, "leaves the folder"),
    "audio of another type": ({"answer": [{"text": "Four.", "audio": 7}]}, "neither a path"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path, name):
    changes, reason = BROKEN[name]
    rows = [row(tmp_path, f"r{place}") for place in range(30)]
    rows[7] |= changes
    skipped = Skipped()
    assert len(list(read_examples(rows, tmp_path, skipped))) == 29
    assert list(skipped.reasons) == ["r7"]
    assert reason in skipped.reasons["r7"]
    skipped.check()


def test_an_unreadable_file_and_a_recording_without_text_are_named(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFF but no more")
    rows = [
        row(tmp_path, "bad", turns=[{"role": "human", "text": "What?", "audio": "bad.wav"}]),
        row(tmp_path, "mute", turns=[{"role": "human", "text": "", "audio": spoken(tmp_path, "m.wav")}]),
    ]
    skipped = Skipped()
    assert list(read_examples(rows, tmp_path, skipped)) == []
    assert "no audio that libsndfile reads" in skipped.reasons["bad"]
    assert "without its text" in skipped.reasons["mute"]


def test_more_than_one_in_twenty_stops_with_the_first_reasons(tmp_path):
    rows = [row(tmp_path, f"r{place}") for place in range(20)]
    rows[3]["answer"] = []
    rows[4]["answer"] = []
    skipped = Skipped()
    list(read_examples(rows, tmp_path, skipped))
    with pytest.raises(TrainingDataError, match=r"2 of 20 rows cannot be used.*r3: answer is empty"):
        skipped.check()
    with pytest.raises(TrainingDataError, match="no row"):
        Skipped().check()


def test_a_preference_with_equal_sides_is_skipped(tmp_path):
    values = row(tmp_path, "p0")
    pair = {"key": "p0", "turns": values["turns"], "chosen": values["answer"], "rejected": [{"text": "Five."}]}
    same = pair | {"key": "p1", "rejected": values["answer"]}
    skipped = Skipped()
    [found] = read_preferences([pair, same], tmp_path, skipped)
    assert found.chosen[0].text == "Four."
    assert "the same" in skipped.reasons["p1"]


def test_a_source_that_is_none_is_told(tmp_path):
    with pytest.raises(TrainingDataError, match=r"nowhere\.jsonl"):
        open_dataset(str(tmp_path / "nowhere.jsonl"))
