"""Data sets of the hub's library: recordings are found and stay encoded, VoiceBench by its subsets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aqaa_eval.core.errors import DataError, UnknownName, UsageError
from aqaa_eval.tasks import voicebench
from aqaa_eval.tasks.outside import hub
from tests.tasks.sounds import wav, write_wav

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def questions(n: int, **fields: Any) -> Rows:
    return [
        {"audio": {"bytes": wav(300 + 50 * i), "path": None}, "prompt": f"What is {i}?", **fields} for i in range(n)
    ]


def sounds(suite: Any) -> list[bytes]:
    return [turn.audio.read_bytes() for sample in suite.samples() for turn in sample.turns]


def test_a_folder_of_parquet_files_with_an_audio_column(tmp_path: Path):
    data = datasets.Dataset.from_list(questions(3, answer="A number."))
    data = data.cast_column("audio", datasets.Audio(decode=False)).cast_column("audio", datasets.Audio())
    (tmp_path / "set").mkdir()
    data.to_parquet(tmp_path / "set" / "train.parquet")
    (suite,) = hub.load(str(tmp_path / "set"), {})
    assert (suite.card.id, suite.card.version) == ("set", "local")
    assert sounds(suite) == [wav(300), wav(350), wav(400)]
    assert [sample.turns[0].reference for sample in suite.samples()] == ["A number."] * 3


def test_a_data_set_that_was_saved_to_disk_and_its_splits(tmp_path: Path):
    data = datasets.Dataset.from_list(questions(2)).cast_column("audio", datasets.Audio(decode=False))
    datasets.DatasetDict({"easy": data, "hard": data.select([1])}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="has the splits easy, hard; name one: --suite-set split=NAME"):
        hub.load(str(tmp_path / "saved"), {})
    (suite,) = hub.load(f"{tmp_path / 'saved'}::hard", {})
    assert sounds(suite) == [wav(350)]
    (suite,) = hub.load(str(tmp_path / "saved"), {"split": "easy"})
    assert sounds(suite) == [wav(300), wav(350)]


def test_a_folder_of_recordings_with_metadata(tmp_path: Path):
    write_wav(tmp_path / "set" / "clips" / "a.wav", 300)
    write_wav(tmp_path / "set" / "clips" / "b.wav", 350)
    lines = "file_name,question,answer\nclips/a.wav,What is a?,A letter.\nclips/b.wav,What is b?,A letter.\n"
    (tmp_path / "set" / "metadata.csv").write_text(lines)
    (suite,) = hub.load(str(tmp_path / "set"), {})
    assert sounds(suite) == [wav(300), wav(350)]
    assert [sample.turns[0].text for sample in suite.samples()] == ["What is a?", "What is b?"]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[tuple[Any, ...]]]:
    def serve(found: Any) -> list[tuple[Any, ...]]:
        asked: list[tuple[Any, ...]] = []

        def load_dataset(repo: str, config: str | None, *, split: str | None, revision: str) -> Any:
            asked.append((repo, config, split, revision))
            return found[split] if split and isinstance(found, dict) else found

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return asked

    return serve


def test_the_hub_is_asked_for_config_split_and_revision(served):
    asked = served({"test": datasets.Dataset.from_list(questions(2)), "dev": datasets.Dataset.from_list(questions(1))})
    (suite,) = hub.load("org/name:small:test", {"revision": "v2"})
    assert asked == [("org/name", "small", "test", "v2")]
    assert (suite.card.id, suite.card.version) == ("name_small_test", "v2")
    assert suite.card.source == "https://huggingface.co/datasets/org/name"
    (suite,) = hub.load("org/name", {})
    assert len(suite.conversations) == 2  # test, where nobody names a split


def test_a_path_out_of_the_hubs_cache_costs_its_row(served, tmp_path: Path):
    inside = write_wav(tmp_path / "hf" / "downloads" / "a.wav", 300)
    outside = write_wav(tmp_path / "home" / "b.wav", 350)
    served(datasets.Dataset.from_list([{"audio": str(inside)}, {"audio": str(outside)}]))
    (suite,) = hub.load("org/name", {})
    assert sounds(suite) == [wav(300)]
    assert "lies outside of the data set" in suite.not_run[0].reason


def test_a_set_without_recordings_lists_its_columns(served):
    served(datasets.Dataset.from_list([{"image": "a.png", "size": 3}]))
    with pytest.raises(
        DataError, match=r"no column holds recordings(?s:.*)image \(text\): a.png(?s:.*)size \(number\): 3"
    ):
        hub.load("org/name", {})


@pytest.mark.parametrize(
    ("subset", "fields", "reference", "rubric"),
    [
        ("alpacaeval", {"output": "Four."}, "Four.", None),
        ("sd-qa", {"reference": "four"}, "four", "says what the reference says"),
        ("mmsu", {"reference": "B", "question_id": 7, "category": "law"}, "B", "multiple-choice"),
        ("ifeval", {"key": 1, "instruction_id_list": ["length:x"], "kwargs": [{"n": 1}]}, None, "every instruction"),
        ("advbench", {}, None, "declines the harmful request"),
    ],
)
def test_subsets_of_voicebench_are_read_by_their_columns(served, subset, fields, reference, rubric):
    rows = [{**row, **({"key": i} if "key" in fields else {})} for i, row in enumerate(questions(1, **fields))]
    asked = served(datasets.DatasetDict({"test": datasets.Dataset.from_list(rows)}))
    (suite,) = voicebench.load(subset, {})
    assert asked == [("hlt-lab/voicebench", subset, None, "main")]
    ((turn,),) = (sample.turns for sample in suite.samples())
    assert (turn.text, turn.language, turn.reference) == ("What is 0?", "en", reference)
    assert (rubric in (turn.rubric or "")) if rubric else turn.rubric is None
    assert suite.card.licence == "Apache-2.0"


def test_splits_of_a_subset_are_joined_or_chosen_in_a_local_copy(tmp_path: Path):
    folder = tmp_path / "copy" / "sd-qa"
    folder.mkdir(parents=True)
    for region in ("usa", "aus"):
        pq.write_table(pa.Table.from_pylist(questions(2, reference="x")), folder / f"{region}-00000-of-00001.parquet")
    options = {"repo": str(tmp_path / "copy")}
    (suite,) = voicebench.load("sd-qa", options)
    assert [sample.id for sample in suite.samples()] == ["aus-00000", "aus-00001", "usa-00000", "usa-00001"]
    (suite,) = voicebench.load("sd-qa:usa", options)
    assert [sample.id for sample in suite.samples()] == ["00000", "00001"]
    assert suite.card.id == "voicebench_sd_qa_usa"
    with pytest.raises(DataError, match="no parquet file of the split gbr; there are aus, usa"):
        voicebench.load("sd-qa:gbr", options)


def test_several_turns_in_numbered_columns(served):
    rows = [
        {
            "audio1": {"bytes": wav(300), "path": None},
            "audio2": {"bytes": wav(350), "path": None},
            "turns": ["First?", "Second?"],
            "category": "writing",
        }
    ]
    served(datasets.DatasetDict({"test": datasets.Dataset.from_list(rows)}))
    (suite,) = voicebench.load("mtbench", {"text": "turns"})
    assert sounds(suite) == [wav(300), wav(350)]
    assert [turn.text for turn in suite.conversations[0].turns] == ["First?", "Second?"]


def test_a_wrong_subset_gets_a_suggestion():
    with pytest.raises(UnknownName, match="no subset of VoiceBench named 'alpacaval'; did you mean alpacaeval"):
        voicebench.load("alpacaval", {})
    with pytest.raises(UsageError, match="name a subset"):
        voicebench.load("", {})
