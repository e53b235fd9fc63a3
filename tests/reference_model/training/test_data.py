from __future__ import annotations

import json
from pathlib import Path

import datasets
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
    rows_of,
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
    examples = list(read_examples(rows_of(open_dataset(str(path), skipped)), tmp_path, skipped))
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

    skipped = Skipped()
    [voiced] = speak_answers([example], speak, skipped)
    assert said == ["Four."]
    assert voiced.answer[0].recording is not None
    assert next(speak_answers([voiced], speak, skipped)).answer == voiced.answer
    assert said == ["Four."]  # what has its sound keeps it


def test_an_answer_that_the_voice_cannot_speak_is_skipped(tmp_path):
    rows = [row(tmp_path, key, answer=[{"text": key}]) for key in ("good", "bad")]
    skipped = Skipped()

    def speak(text: str) -> Recording:
        if text == "bad":
            raise RuntimeError("no such phoneme")
        return Recording(samples=buzz(1.0), sample_rate_hz=16_000)

    voiced = list(speak_answers(read_examples(rows, tmp_path, skipped), speak, skipped))
    assert [example.key for example in voiced] == ["good"]
    assert skipped.reasons == {"bad": "its answer cannot be spoken: RuntimeError: no such phoneme"}


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
    "no turns": ({"turns": []}, "turns is empty"),
    "a turn without text": ({"turns": [{"role": "human", "text": ""}]}, "a turn stands without its text"),
    "text without sound": ({"turns": [{"role": "human", "text": "Two plus two?"}]}, "text and no audio"),
    "an answer that is a text": ({"answer": "Four."}, "answer is str; give a list of objects"),
    "an answer of nothing": ({"answer": [None]}, "answer holds NoneType; give objects"),
    "turns of texts": ({"turns": ["hi"]}, "turns holds str; give objects"),
    "a path outside": ({"answer": [{"text": "Four.", "audio": "../secret.wav"}]}, "leaves the folder"),
    "an absolute path": ({"answer": [{"text": "Four.", "audio": "/etc/passwd"}]}, "leaves the folder"),
    "half of a character": ({"answer": [{"text": "Four \ud83d"}]}, "half of a character"),
    "two texts in one": ({"answer": [{"text": ["Four.", "Five."]}]}, "text is list, must be a text"),
    "a number as text": ({"turns": [{"role": "human", "text": 4, "audio": "q.wav"}]}, "text is int"),
    "the sound itself": ({"answer": [{"text": "Four.", "audio": "UklGR" * 160}]}, "no file can have that name"),
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


@pytest.mark.parametrize("name", BROKEN)
def test_the_same_row_in_a_file_costs_no_other(tmp_path, name):
    changes, reason = BROKEN[name]
    rows = [row(tmp_path, f"r{place}") for place in range(30)]
    rows[7] |= changes
    skipped = Skipped()
    dataset = open_dataset(str(write(tmp_path, rows)), skipped)
    assert len(list(read_examples(rows_of(dataset), tmp_path, skipped))) == 29
    assert skipped.n_seen == 30
    assert list(skipped.reasons) == ["r7"]
    assert reason in skipped.reasons["r7"]


def test_a_line_that_is_no_json_is_named_by_its_place(tmp_path):
    path = write(tmp_path, [row(tmp_path, f"r{place}") for place in range(30)])
    path.write_text(path.read_text() + '{"key": "cut", "turns": [{"ro\n[1, 2]\n')
    skipped = Skipped()
    assert len(open_dataset(str(path), skipped)) == 30
    assert list(skipped.reasons) == ["line 31", "line 32"]
    assert "not list" in skipped.reasons["line 32"]


def test_bytes_that_are_no_utf_8_cost_their_line_and_a_mark_of_order_none(tmp_path):
    path = write(tmp_path, [row(tmp_path, f"r{place}") for place in range(30)])
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"r3", b"caf\xe9")
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(lines))
    skipped = Skipped()
    assert len(open_dataset(str(path), skipped)) == 29
    assert list(skipped.reasons) == ["line 4"]
    assert "0xe9" in skipped.reasons["line 4"]


def test_a_question_of_digital_silence_is_skipped(tmp_path):
    soundfile.write(tmp_path / "still.wav", np.zeros(16_000, np.float32), 16_000)
    rows = [row(tmp_path, f"r{place}") for place in range(30)]
    rows[7]["turns"][-1]["audio"] = "still.wav"
    skipped = Skipped()
    assert len(list(read_examples(rows, tmp_path, skipped))) == 29
    assert "still.wav is silent from end to end" in skipped.reasons["r7"]


def test_a_text_with_an_end_of_line_of_its_own_stays_whole(tmp_path):
    answer = [{"text": "Four.\u2028Or five.", "audio": spoken(tmp_path, "a.wav")}]
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row(tmp_path, "r0", answer=answer), ensure_ascii=False) + "\n", "utf-8")
    skipped = Skipped()
    [example] = read_examples(rows_of(open_dataset(str(path), skipped)), tmp_path, skipped)
    assert example.answer[0].text == "Four.\u2028Or five."


def test_rows_of_one_key_are_counted_one_by_one(tmp_path):
    rows = [row(tmp_path, "same") for _ in range(30)]
    for place in range(10):
        rows[place] |= {"answer": []}
    skipped = Skipped()
    assert len(list(read_examples(rows, tmp_path, skipped))) == 20
    with pytest.raises(TrainingDataError, match="10 of 30 rows"):
        skipped.check()


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_sound_in_a_dataset_is_read_as_it_is_stored(tmp_path, kind):
    sound = {"bytes": (tmp_path / spoken(tmp_path, "q.wav", 0.6)).read_bytes(), "path": "q.wav"}
    asked = {"role": "human", "text": "Two plus two?", "audio": sound}
    made = datasets.Dataset.from_list([{"key": "r0", "turns": [asked], "answer": [{"text": "Four."}]}])
    columns = made.features.copy()
    columns["turns"] = [dict(columns["turns"].feature) | {"audio": datasets.Audio()}]
    made = made.cast(columns)
    if kind == "folder":
        made.save_to_disk(str(tmp_path / "saved"))
        source = tmp_path / "saved"
    else:
        source = tmp_path / "rows.parquet"
        made.to_parquet(str(source))
    (tmp_path / "q.wav").unlink()
    skipped = Skipped()
    [example] = read_examples(rows_of(open_dataset(str(source), skipped)), tmp_path, skipped)
    assert example.turns[0].recording is not None
    assert example.turns[0].recording.duration_s == 0.6


def test_a_dataset_of_the_hub_is_asked_for_by_its_name(tmp_path, monkeypatch):
    asked = []

    def load_dataset(name, *, split):
        asked.append((name, split))
        return datasets.Dataset.from_list([row(tmp_path, "r0")])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    skipped = Skipped()
    [example] = read_examples(rows_of(open_dataset("org/spoken", skipped)), tmp_path, skipped)
    assert asked == [("org/spoken", "train")]
    assert example.key == "r0"


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
    (tmp_path / "copy.wav").write_bytes((tmp_path / "p0-a.wav").read_bytes())
    same = {
        "p1": pair | {"rejected": values["answer"]},
        "p2": pair | {"rejected": [{"text": " Four.", "audio": "copy.wav"}]},
        "p3": pair | {"chosen": [{"text": "Four."}], "rejected": [{"text": "Four.", "audio": None}]},
    }
    other_sound = pair | {"key": "p4", "rejected": [{"text": "Four.", "audio": spoken(tmp_path, "other.wav", 0.7)}]}
    skipped = Skipped()
    pairs = [pair, *(values | {"key": key} for key, values in same.items()), other_sound]
    found = list(read_preferences(pairs, tmp_path, skipped))
    assert [each.key for each in found] == ["p0", "p4"]
    assert list(skipped.reasons) == ["p1", "p2", "p3"]
    assert all("the same" in reason for reason in skipped.reasons.values())


def test_a_source_that_is_none_is_told(tmp_path):
    with pytest.raises(TrainingDataError, match=r"nowhere\.jsonl"):
        open_dataset(str(tmp_path / "nowhere.jsonl"), Skipped())
