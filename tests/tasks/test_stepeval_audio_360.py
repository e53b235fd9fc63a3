"""StepEval-Audio-360: its columns are not published, so every plausible layout has to come out the same."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aqaa_eval.core.errors import DataError, UnknownName
from aqaa_eval.tasks.stepeval_audio_360 import load
from aqaa_eval.tasks.suite import BUNDLED, FolderSuite
from tests.tasks.sounds import wav

ENGLISH = (
    *("Speech Emotion Control", "Creativity", "Language Ability", "Gaming", "Role-playing", "Logical Reasoning"),
    *("Voice Understanding", "Sing", "Voice Instruction Following"),
)
CHINESE = (
    *("语音情感控制", "创造力", "语言能力", "游戏", "角色扮演", "逻辑推理"),
    *("语音理解", "唱歌", "语音指令遵循"),
)
N_TURNS = 2
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path / "cache"))


def tone(place: int, turn: int) -> bytes:
    return wav(300 + 40 * place + 10 * turn)


def name(place: int, turn: int) -> str:
    return f"c{place}_{turn}.wav"


def archive(folder: Path) -> None:
    with tarfile.open(folder / "audios.tar.gz", "w:gz") as tar:
        for place in range(9):
            for turn in range(N_TURNS):
                member = tarfile.TarInfo(f"audios/{name(place, turn)}")
                member.size = len(tone(place, turn))
                tar.addfile(member, io.BytesIO(tone(place, turn)))


def write(folder: Path, rows: Rows, schema: pa.Schema | None = None) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "test-00000-of-00001.parquet")
    return folder


def lists_of_names(folder: Path) -> Path:
    """One row per conversation, the audio in an archive, English labels."""
    archive(folder)
    return write(
        folder,
        [
            {
                "id": f"c{place}",
                "category": label,
                "audio_paths": [f"audios/{name(place, turn)}" for turn in range(N_TURNS)],
                "texts": [f"question {turn}" for turn in range(N_TURNS)],
            }
            for place, label in enumerate(ENGLISH)
        ],
    )


def rows_with_a_conversation_id(folder: Path) -> Path:
    """One row per turn in no good order, absolute paths of another machine, Chinese labels and names."""
    archive(folder)
    rows = [
        {"对话ID": f"c{place}", "轮次": turn + 1, "类别": label, "音频": f"/mnt/data/set/audios/{name(place, turn)}"}
        for turn in reversed(range(N_TURNS))
        for place, label in enumerate(CHINESE)
    ]
    return write(folder, rows)


def embedded(folder: Path) -> Path:
    """One row per turn with the sound in it, as the Audio feature of `datasets` stores it."""
    rows = [
        {
            "conversation_id": f"c{place}",
            "turn": turn,
            "capability": label,
            "audio": {"bytes": tone(place, turn), "path": name(place, turn)},
        }
        for place, label in enumerate(ENGLISH)
        for turn in range(N_TURNS)
    ]
    return write(folder, rows)


def embedded_lists(folder: Path) -> Path:
    """One row per conversation with all its sound in it, labels as this project calls the suites."""
    rows = [
        {
            "uuid": f"c{place}",
            "task": label,
            "wavs": [{"bytes": tone(place, turn), "path": None} for turn in range(N_TURNS)],
        }
        for place, label in enumerate(BUNDLED)
    ]
    return write(folder, rows)


def messages_with_an_unpacked_folder(folder: Path) -> Path:
    """Turns as objects with roles; the archive was unpacked by hand."""
    for place in range(9):
        for turn in range(N_TURNS):
            target = folder / "audios" / name(place, turn)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(tone(place, turn))
    rows = [
        {
            "key": f"c{place}",
            "type": label,
            "conversations": [
                message
                for turn in range(N_TURNS)
                for message in (
                    {"role": "user", "audio": name(place, turn), "content": f"问题{turn}"},
                    {"role": "assistant", "audio": None, "content": "好的"},
                )
            ],
        }
        for place, label in enumerate(CHINESE)
    ]
    return write(folder, rows)


def raw_bytes(folder: Path) -> Path:
    """Numbered columns of plain bytes, under names that say nothing."""
    rows = [
        {"no": place, "ability": label, "audio_1": tone(place, 0), "audio_2": tone(place, 1)}
        for place, label in enumerate(ENGLISH)
    ]
    return write(folder, rows)


LAYOUTS = (
    lists_of_names,
    rows_with_a_conversation_id,
    embedded,
    embedded_lists,
    messages_with_an_unpacked_folder,
    raw_bytes,
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_plausible_layout_gives_the_nine_suites_with_their_sound(layout: Callable[[Path], Path], tmp_path: Path):
    folder = tmp_path / "set"
    folder.mkdir()
    suites = load(str(layout(folder)), {})
    assert tuple(suite.card.id for suite in suites) == BUNDLED
    for place, suite in enumerate(suites):
        assert suite.not_run == ()
        (sample,) = suite.samples()
        sounds = [turn.audio for turn in sample.turns]
        assert [sound.read_bytes() for sound in sounds if sound] == [tone(place, turn) for turn in range(N_TURNS)]
        assert all(sound.load().sample_rate_hz == 8_000 for sound in sounds if sound)


def test_turns_of_messages_carry_text_language_and_reference(tmp_path: Path):
    suite = load(str(messages_with_an_unpacked_folder(tmp_path)), {})[0]
    (sample,) = suite.samples()
    assert [(turn.text, turn.language, turn.reference) for turn in sample.turns] == [
        ("问题0", "zh", "好的"),
        ("问题1", "zh", "好的"),
    ]
    assert (suite.card.licence, suite.card.languages, suite.card.weights) == ("Apache-2.0", ("zh",), {"content": 1.0})


def test_a_single_parquet_file_finds_what_lies_beside_it(tmp_path: Path):
    folder = lists_of_names(tmp_path)
    assert len(load(str(folder / "test-00000-of-00001.parquet"), {})) == 9


def test_what_falls_into_no_suite_is_told_and_the_rest_is_asked(tmp_path: Path):
    folder = lists_of_names(tmp_path)
    rows: Rows = pq.read_table(folder / "test-00000-of-00001.parquet").to_pylist()
    rows[3]["category"] = "Weather"
    suites = load(str(write(folder, rows)), {})
    assert [suite.card.id for suite in suites] == [suite for suite in BUNDLED if suite != "gaming"]
    (lost,) = [lost for suite in suites for lost in suite.not_run]
    assert (lost.suite, lost.sample) == ("stepeval_audio_360", "c3")
    assert "its category 'Weather' is none of the nine suites" in lost.reason
    with pytest.raises(DataError, match="1 of 9 conversations fall into no suite; their categories are 'Weather'"):
        load(str(folder), {}, strict=True)


def test_labels_and_columns_may_be_mapped_by_hand(tmp_path: Path):
    archive(tmp_path)
    rows: Rows = [{"a": f"c{place}", "b": f"K{place}", "c": f"audios/{name(place, 0)}"} for place in range(9)]
    write(tmp_path, rows)
    with pytest.raises(
        DataError, match=r"no column tells the category(?s:.*)a \(text\): c0 \| c1 \| c2(?s:.*)columns="
    ):
        load(str(tmp_path), {})
    mapping = tmp_path / "map.json"
    labels: Mapping[str, str] = {f"K{place}": suite for place, suite in enumerate(BUNDLED)}
    mapping.write_text(json.dumps({"columns": {"audio": "c", "category": "b", "id": "a"}, "categories": labels}))
    suites: list[FolderSuite] = load(str(tmp_path), {"columns": str(mapping)})
    assert [[sample.id for sample in suite.samples()] for suite in suites] == [[f"c{place}"] for place in range(9)]
    mapping.write_text(json.dumps({"columns": {"category": "b"}, "categories": {"K0": "game"}}))
    with pytest.raises(UnknownName, match="no suite named 'game'; did you mean gaming"):
        load(str(tmp_path), {"columns": str(mapping)})


def test_a_table_without_sound_lists_its_columns_with_types_and_samples(tmp_path: Path):
    write(tmp_path, [{"title": "one", "score": 3, "category": "Gaming"}])
    with pytest.raises(DataError) as caught:
        load(str(tmp_path), {})
    told = str(caught.value)
    assert "no column holds recordings or names them" in told
    assert "title (text): one" in told
    assert "score (number): 3" in told


def test_an_archive_that_was_also_unpacked_beside_itself_is_no_doubt(tmp_path: Path):
    (tmp_path / "set").mkdir()
    folder = messages_with_an_unpacked_folder(tmp_path / "set")
    archive(folder)
    assert [len(suite.not_run) for suite in load(str(folder), {})] == [0] * 9


def test_a_recording_that_is_not_in_the_archive_costs_its_conversation(tmp_path: Path):
    folder = lists_of_names(tmp_path)
    rows: Rows = pq.read_table(folder / "test-00000-of-00001.parquet").to_pylist()
    rows[0]["audio_paths"] = ["audios/gone.wav", "audios/c0_1.wav"]
    rows.append({**rows[0], "id": "c9", "audio_paths": ["../../etc/passwd.wav", "audios/c0_1.wav"]})
    rows.append({**rows[1], "id": "c10", "audio_paths": []})
    rows.append({**rows[1], "id": "c1"})
    rows.append({**rows[0], "id": "c11", "audio_paths": ["audios/c0_0.wav", "audios/c0_1.wav"]})
    suites = {suite.card.id: suite for suite in load(str(write(folder, rows)), {})}
    reasons = {lost.sample: lost.reason for suite in suites.values() for lost in suite.not_run}
    assert "'audios/gone.wav' is not among the 18 recordings" in reasons["c0"]
    assert "leaves the folder of the recordings" in reasons["c9"]
    assert "is missing" in reasons["c10"]
    assert "already the id" in reasons["c1"]
    assert [sample.id for sample in suites["voice_control"].samples()] == ["c11"]


def test_a_place_without_a_table_is_told(tmp_path: Path):
    with pytest.raises(DataError, match=r"holds none of \*.parquet"):
        load(str(tmp_path), {})
    with pytest.raises(DataError, match="no such file or folder"):
        load(str(tmp_path / "nowhere"), {})
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="not readable as parquet"):
        load(str(tmp_path), {})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], list[dict[str, Any]]]:
    """Stand in for the network alone: `datasets` loads the files of a folder, the client gives the archive there."""

    def serve(folder: Path) -> list[dict[str, Any]]:
        import datasets
        import huggingface_hub

        asked: list[dict[str, Any]] = []
        real = datasets.load_dataset

        def load_dataset(repo: str, config: str | None = None, **options: Any) -> Any:
            asked.append({"repo": repo, **options})
            options.pop("revision")
            return real(str(folder), config, cache_dir=str(tmp_path / "hf"), **options)

        def download(repo: str, file: str, **options: Any) -> str:
            asked.append({"repo": repo, "file": file, **options})
            return str(folder / file)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        return asked

    return serve


def test_the_hub_gives_the_table_and_the_archive_at_one_revision(hub, tmp_path: Path):
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    lists_of_names(folder)
    (folder / "test-00000-of-00001.parquet").rename(folder / "data" / "test-00000-of-00001.parquet")
    asked = hub(folder)
    suites = load("", {"revision": "abc123"})
    assert tuple(suite.card.id for suite in suites) == BUNDLED
    assert suites[0].card.version == "abc123"
    (sample,) = suites[2].samples()
    assert sample.turns[1].audio is not None
    assert sample.turns[1].audio.read_bytes() == tone(2, 1)
    assert {one["repo"] for one in asked} == {"stepfun-ai/StepEval-Audio-360"}
    assert {one["revision"] for one in asked} == {"abc123"}
    assert [one.get("file") for one in asked] == [None, "audios.tar.gz"]


def test_embedded_sound_of_the_hub_needs_no_archive_and_no_decoder(hub, tmp_path: Path):
    import datasets

    folder = tmp_path / "set"
    folder.mkdir()
    rows = [
        {"id": f"c{place}", "category": label, "audio": {"bytes": tone(place, 0), "path": None}}
        for place, label in enumerate(ENGLISH)
    ]
    stored = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio(decode=False))
    stored.cast_column("audio", datasets.Audio()).to_parquet(folder / "test.parquet")
    asked = hub(folder)
    suites = load("", {})
    assert len(suites) == 9
    (sample,) = suites[8].samples()
    assert sample.turns[0].audio is not None
    assert sample.turns[0].audio.read_bytes() == tone(8, 0)
    assert [one.get("file") for one in asked] == [None]


def test_without_a_network_the_message_says_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import datasets

    def offline(*_args: Any, **_options: Any) -> Any:
        raise ConnectionError("Couldn't reach the Hub (OfflineModeIsEnabled)")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(DataError, match=r"cannot be had \(Couldn't reach the Hub(?s:.*)hf:/path/to/folder"):
        load("", {})
