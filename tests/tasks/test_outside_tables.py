"""Tables from elsewhere: columns told by name and content, rows that cannot be asked, encodings, written questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aqaa_eval.core.errors import AudioError, DataError, UnknownName
from aqaa_eval.core.sample import Turn
from aqaa_eval.tasks.outside.files import load
from aqaa_eval.tasks.suite import FolderSuite
from tests.tasks.sounds import wav, write_wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        write_wav(tmp_path / "clips" / f"{number}.wav", 300 + 50 * number)
    return tmp_path


def write_jsonl(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def only(path: Path, **options: str) -> FolderSuite:
    (suite,) = load(str(path), options)
    return suite


def heard(turn: Turn) -> bytes:
    assert turn.audio is not None
    assert turn.audio.load().duration_s == pytest.approx(0.2)
    return turn.audio.read_bytes()


@pytest.mark.parametrize(
    ("audio", "text", "reference"),
    [("audio", "text", "reference"), ("wav_path", "Question", "Answer"), ("音频路径", "问题", "参考答案")],
)
def test_columns_are_told_by_known_names(folder, audio, text, reference):
    path = write_jsonl(folder / "my set.jsonl", [{"id": "a/1", audio: "clips/0.wav", text: "Two?", reference: "2"}])
    suite = only(path)
    (sample,) = suite.samples()
    (turn,) = sample.turns
    assert (suite.card.id, sample.id, turn.text, turn.reference) == ("my_set", "a-1", "Two?", "2")
    assert heard(turn) == wav(300)


def test_a_column_of_another_name_is_told_by_the_sound_files_that_it_names(folder):
    path = write_jsonl(folder / "q.jsonl", [{"n": 1, "clip": "clips/1.wav", "note": "x"}])
    ((turn,),) = (sample.turns for sample in only(path).samples())
    assert heard(turn) == wav(350)
    assert (turn.text, turn.language) == ("", "und")


def test_columns_are_given_by_hand_as_settings_and_in_a_file(folder):
    rows = [{"one": "clips/0.wav", "two": "clips/1.wav", "said": "Hello, are you there?"}]
    path = write_jsonl(folder / "q.jsonl", rows)
    with pytest.raises(
        DataError, match=r"no column holds(?s:.*)one \(text\): clips/0.wav(?s:.*)--suite-set audio=COLUMN"
    ):
        only(path)
    (sample,) = only(path, audio="two", text="said").samples()
    assert heard(sample.turns[0]) == wav(350)
    assert (sample.turns[0].text, sample.turns[0].language) == ("Hello, are you there?", "en")
    (folder / "map.yaml").write_text("columns: {audio: [one, two]}\n")
    (sample,) = only(path, columns=str(folder / "map.yaml")).samples()
    assert [heard(turn) for turn in sample.turns] == [wav(300), wav(350)]
    with pytest.raises(DataError, match=r"audio: there is no column 'three'"):
        only(path, audio="three")
    with pytest.raises(UnknownName, match="no setting of a suite's source named 'audoi'; did you mean audio"):
        only(path, audoi="one")


def test_rows_that_share_a_conversation_are_its_turns_in_their_order(folder):
    rows = [
        {"dialog_id": "d1", "round": 2, "audio": "clips/1.wav"},
        {"dialog_id": "d2", "round": 1, "audio": "clips/2.wav"},
        {"dialog_id": "d1", "round": 1, "audio": "clips/0.wav"},
    ]
    first, second = only(write_jsonl(folder / "q.jsonl", rows)).samples()
    assert (first.id, [heard(turn) for turn in first.turns]) == ("d1", [wav(300), wav(350)])
    assert (second.id, len(second.turns)) == ("d2", 1)


def test_lists_of_turns_take_what_an_assistant_says_as_the_reference(folder):
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "audio": "clips/0.wav", "content": "Hi there, what is this?"},
        {"role": "assistant", "content": "A tone."},
        {"role": "user", "audio": "clips/1.wav", "content": "And this?"},
    ]
    (sample,) = only(write_jsonl(folder / "q.jsonl", [{"id": "m", "messages": messages}])).samples()
    assert [turn.text for turn in sample.turns] == ["Hi there, what is this?", "And this?"]
    assert [turn.reference for turn in sample.turns] == ["A tone.", None]


def test_a_csv_may_have_a_mark_semicolons_and_lists_as_text(folder):
    text = 'id;audio;text\none;"[""clips/0.wav"", ""clips/1.wav""]";"[""Erste?"", ""Zweite\nFrage?""]"\n'
    (folder / "q.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (sample,) = only(folder / "q.csv").samples()
    assert [turn.text for turn in sample.turns] == ["Erste?", "Zweite Frage?"]


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ("id,audio,text\n1,a.wav,café\n".encode("cp1252"), r"q.csv:2: not UTF-8 \(byte 0xe9\)(?s:.*)iconv -f ENCODING"),
        ("id,audio,text\n1,a.wav,日本\n".encode("shift_jis"), r"q.csv:2: not UTF-8"),
        ("id,audio\n1,a.wav\n".encode("utf-16"), r"is in UTF-16; save it as UTF-8: iconv -f UTF-16 -t UTF-8 q.csv"),
        (b'id,audio\n1,"a.wav\n', r"not readable as CSV"),
        (b"", "holds no row"),
    ],
)
def test_a_csv_that_cannot_be_read_says_the_way_out(tmp_path, encoded, message):
    (tmp_path / "q.csv").write_bytes(encoded)
    with pytest.raises(DataError, match=message):
        only(tmp_path / "q.csv")


def test_each_faulty_row_costs_its_own_conversation_and_is_told(folder):
    good = {"id": "good", "audio": "clips/0.wav", "text": "Fine?"}
    rows: list[object] = [
        good,
        good,
        {"id": "no sound", "text": "Fine?"},
        {"id": "out", "audio": "../secret.wav", "text": "Fine?"},
        {"id": "absolute", "audio": "/etc/passwd.wav", "text": "Fine?"},
        {"id": "markup", "audio": "clips/0.wav", "text": "<script>x</script>"},
        {"id": "control", "audio": "clips/0.wav", "text": "bell\u0007"},
        {"id": "last", "audio": "clips/1.wav", "text": "Fine?"},
    ]
    path = write_jsonl(folder / "q.jsonl", rows)
    path.write_bytes(path.read_bytes() + b'{"id": \n' + '{"id": "café"}\n'.encode("latin-1"))
    suite = only(path)
    assert [sample.id for sample in suite.samples()] == ["good", "last"]
    told = {lost.place: lost.reason for lost in suite.not_run}
    assert told.keys() == {f"q.jsonl:{line}" for line in (2, 3, 4, 5, 6, 7, 9, 10)}
    assert "already the id of line 1" in told["q.jsonl:2"]
    assert told["q.jsonl:3"] == "turns[0].audio: is missing"
    assert "leaves the suite's folder" in told["q.jsonl:4"]
    assert "leaves the folder" in told["q.jsonl:5"]
    assert "holds markup (<script>)" in told["q.jsonl:6"]
    assert "holds control characters" in told["q.jsonl:7"]
    assert "not JSON" in told["q.jsonl:9"]
    assert "not UTF-8" in told["q.jsonl:10"]
    with pytest.raises(DataError, match=r"q.jsonl:2: id: 'good' is already"):
        load(str(path), {}, strict=True)


def test_a_row_with_too_many_cells_or_texts_is_told(folder):
    (folder / "q.csv").write_text("id,audio\n1,clips/0.wav\n2,clips/1.wav,x\n")
    (lost,) = only(folder / "q.csv").not_run
    assert (lost.place, lost.reason) == ("q.csv:3", "3 cells, and the head names 2 columns")
    rows = [
        {"id": "a", "audio": ["clips/0.wav", "clips/1.wav"], "text": ["1", "2", "3"]},
        {"id": "b", "audio": ["clips/0.wav"]},
    ]
    (lost,) = only(write_jsonl(folder / "q.jsonl", rows)).not_run
    assert lost.reason == "text: 3 of it for 2 recordings; give one for each"


def test_recordings_may_lie_below_a_root_that_is_named(folder, tmp_path):
    path = write_jsonl(
        tmp_path / "else" / "q.jsonl" if (tmp_path / "else").mkdir() is None else tmp_path,
        [
            {"id": "a", "audio": "0.wav"},
            {"id": "b", "audio": str((folder / "clips" / "1.wav").resolve())},
        ],
    )
    first, second = only(path, root=str(folder / "clips")).samples()
    assert (heard(first.turns[0]), heard(second.turns[0])) == (wav(300), wav(350))


def test_a_missing_recording_waits_until_it_is_asked(folder):
    (sample,) = only(write_jsonl(folder / "q.jsonl", [{"id": "a", "audio": "clips/9.wav"}])).samples()
    assert sample.turns[0].audio is not None
    with pytest.raises(AudioError, match="cannot be read"):
        sample.turns[0].audio.load()


def test_questions_without_sound_are_written_ones_with_an_exact_answer(tmp_path):
    rows = [
        {"id": "a", "question": "What is 40 + 2?", "answer": "42"},
        {"id": "b", "question": "Yes?", "answer": ["yes", "no"]},
    ]
    first, second = only(write_jsonl(tmp_path / "q.jsonl", rows)).samples()
    (turn,) = first.turns
    assert (turn.audio, turn.text, turn.reference) == (None, "What is 40 + 2?", "42")
    assert [(check.name, check.params["words"]) for check in turn.checks] == [("answers_exactly", ("42",))]
    assert second.turns[0].checks[0].params["words"] == ("yes", "no")


def test_the_data_hash_follows_texts_and_sizes_of_recordings(folder):
    path = write_jsonl(folder / "q.jsonl", [{"id": "a", "audio": "clips/0.wav", "text": "One?"}])
    first = only(path).data_hash
    assert only(path).data_hash == first
    (folder / "clips" / "0.wav").write_bytes(wav(300, duration_s=0.3))
    assert only(path).data_hash != first


def test_a_native_manifest_keeps_its_checks(folder):
    turn = {
        "audio": "clips/0.wav",
        "text": "Two?",
        "language": "en",
        "checks": [{"name": "says_number", "params": {"value": 2}}],
    }
    (sample,) = only(write_jsonl(folder / "q.jsonl", [{"id": "a", "turns": [turn]}])).samples()
    assert sample.turns[0].checks[0].name == "says_number"
