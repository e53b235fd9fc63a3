"""Loading and validating suites: what is right loads fast, what is wrong is named with file, line and field."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aqaa_eval.core.errors import AudioError, DataError, UnknownName
from aqaa_eval.tasks.suite import bundled_suite, load_suite
from aqaa_eval.tasks.validate import validate_suite

TASKS = Path(__file__).parents[2] / "tasks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite of one conversation that is in order."""
    root = tmp_path / "small"
    (root / "audio").mkdir(parents=True)
    source = bundled_suite("gaming").conversations[0].turns[0].audio
    (root / "audio" / "a.ogg").write_bytes(source.path.read_bytes())
    shutil.copy(TASKS / "gaming" / "card.yaml", root / "card.yaml")
    write_rows(root, [row()])
    return root


def row(**changes: object) -> dict[str, object]:
    audio = bundled_suite("gaming").conversations[0].turns[0].audio
    turn = {
        "audio": "audio/a.ogg",
        "sha256": audio.sha256,
        "duration_s": audio.duration_s,
        "text": "Elephant.",
        "language": "en",
        "checks": [{"name": "chains_from", "params": {"word": "elephant"}}],
    }
    return {"id": "one", "turns": [turn | changes]}


def write_rows(root: Path, rows: list[dict[str, object]]) -> None:
    (root / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


def test_a_suite_in_order_loads_and_validates_clean(folder):
    suite = load_suite(folder)
    (sample,) = suite.samples()
    assert sample.key == "gaming/one"
    assert sample.turns[0].answer_language == "en"
    assert sample.turns[0].audio.load().duration_s > 1
    assert validate_suite(folder) == []


def test_the_data_hash_changes_with_card_and_manifest(folder):
    first = load_suite(folder).data_hash
    assert load_suite(folder).data_hash == first
    write_rows(folder, [row(text="Tiger.")])
    assert load_suite(folder).data_hash != first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": "../secret.ogg"}, "turns[0].audio: '../secret.ogg' leaves the suite's folder"),
        ({"audio": "/etc/passwd"}, "turns[0].audio: '/etc/passwd' leaves the suite's folder"),
        ({"text": None}, "turns[0].text: is missing"),
        ({"text": "a\u0007b"}, "turns[0].text: 'a\\x07b' holds control characters"),
        ({"text": "say \u202egnp"}, "turns[0].text: 'say \\u202egnp' holds control characters"),
        ({"text": "half \ud800"}, "turns[0].text: 'half \\ud800' holds control characters"),
        ({"text": "<b>Tiger</b>"}, "turns[0].text: '<b>Tiger</b>' holds markup (<b>)"),
        ({"audio": None}, "turns[0].audio: is missing"),
        ({"duration_s": "long"}, "turns[0].duration_s: must be a number of seconds above 0, got 'long'"),
        ({"colour": "red"}, "turns[0].colour: is no field here"),
        ({"checks": "says_number"}, "turns[0].checks: must be a list of checks"),
        ({"checks": [{"name": "say_number"}]}, "turns[0].checks[0]: no check named 'say_number'; did you mean"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(folder, changes, message):
    write_rows(folder, [row() | {"id": "zero"}, row(**changes)])
    with pytest.raises(DataError) as caught:
        load_suite(folder, strict=True)
    assert str(caught.value).startswith(f"small/samples.jsonl:2: {message}")
    suite = load_suite(folder)
    assert [sample.id for sample in suite.samples()] == ["zero"]
    (lost,) = suite.not_run
    assert (lost.suite, lost.sample, lost.place, lost.n_before) == ("gaming", "one", "small/samples.jsonl:2", 1)
    assert lost.reason.startswith(message)


def test_bad_lines_and_twice_used_ids_are_named_all_at_once(folder):
    good = json.dumps(row())
    (folder / "samples.jsonl").write_text(f'{good}\n{{"id": \n{good}\n[]\n{{"id": "x", "turns": []}}\n')
    with pytest.raises(DataError, match=r"small/samples.jsonl:2: not JSON(?s:.*)3 more"):
        load_suite(folder, strict=True)
    assert [lost.place[-1] for lost in load_suite(folder).not_run] == ["2", "3", "4", "5"]
    assert [finding.line for finding in validate_suite(folder)] == [2, 3, 4, 5]
    assert "already the id of line 1" in str(validate_suite(folder)[1])


def test_an_empty_manifest_another_encoding_and_missing_files_are_told(folder):
    (folder / "samples.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match="holds no conversation"):
        load_suite(folder)
    (folder / "samples.jsonl").write_bytes(json.dumps(row()).replace("Elephant", "\u00e9").encode("latin-1"))
    with pytest.raises(DataError, match=r"samples.jsonl:1: not (UTF-8|JSON)"):
        load_suite(folder)
    (folder / "samples.jsonl").unlink()
    with pytest.raises(DataError, match=r"small/samples.jsonl: cannot be read \(No such file"):
        load_suite(folder)
    with pytest.raises(DataError, match="no such folder"):
        load_suite(folder / "nowhere")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("content: 1.0", "content: 0.5", r"card.yaml:5: weights: weights must be at least 0 and add up to 1"),
        ("title: Gaming", "titel: Gaming", r"card.yaml:\d+: (title|titel): "),
        ("id: gaming", "id: [", r"card.yaml:\d+: not readable as YAML"),
    ],
)
def test_a_wrong_card_is_named_with_its_line(folder, old, new, message):
    card = folder / "card.yaml"
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        load_suite(folder)
    assert validate_suite(folder)


def test_an_audio_problem_waits_until_the_recording_is_loaded(folder):
    (folder / "audio" / "a.ogg").write_bytes(b"OggS and no more")
    (sample,) = load_suite(folder).samples()
    with pytest.raises(AudioError, match="sha256"):
        sample.turns[0].audio.load()


@pytest.mark.parametrize("case", ["missing", "empty", "truncated", "other bytes", "wrong length", "silent"])
def test_validation_opens_the_recordings(folder, case):
    path = folder / "audio" / "a.ogg"
    if case == "missing":
        path.unlink()
    elif case == "empty":
        path.write_bytes(b"")
        write_rows(folder, [row(sha256="")])
    elif case == "truncated":
        path.write_bytes(path.read_bytes()[:-500])
        write_rows(folder, [row(sha256="")])
    elif case == "other bytes":
        path.write_bytes(path.read_bytes() + b"x")
    elif case == "wrong length":
        write_rows(folder, [row(duration_s=1.0)])
    else:
        soundfile.write(path, np.zeros(24_000, np.float32), 24_000, format="OGG", subtype="OPUS")
        write_rows(folder, [row(sha256="", duration_s=1.0)])
    (finding,) = validate_suite(folder)
    assert (finding.file, finding.line, finding.field) == ("small/samples.jsonl", 1, "turns[0].audio")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"name": "slower_than_before"}, "this is the first turn"),
        ({"name": "says_at_least", "params": {"words": ["a"], "n": 2}}, "asks for 2 of a set of 1"),
        ({"name": "says_one_of", "params": {"words": ["a"], "but_not": ["a"]}}, "asks for 'a' and forbids it"),
    ],
)
def test_a_demand_that_cannot_be_met_is_found(folder, check, message):
    write_rows(folder, [row(checks=[check])])
    findings = validate_suite(folder)
    assert [finding.field for finding in findings] == ["turns[0].checks[0]"]
    assert message in str(findings[0])


def test_a_link_out_of_the_folder_is_refused(folder):
    (folder / "audio" / "b.ogg").symlink_to(folder / "audio" / "a.ogg")
    write_rows(folder, [row(audio="audio/b.ogg")])
    with pytest.raises(DataError, match="is a link"):
        load_suite(folder)


def test_a_linked_folder_that_leads_out_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.ogg").write_bytes(b"secret")
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    write_rows(folder, [row(audio="out/b.ogg"), row() | {"id": "two"}])
    (lost,) = load_suite(folder).not_run
    assert "'out/b.ogg' leaves the suite's folder by a link" in lost.reason


@pytest.mark.parametrize("text", ["[" * 100_000, json.dumps({"id": "x" * (1 << 20)})])
def test_a_huge_or_deeply_nested_line_costs_that_line(folder, text):
    (folder / "samples.jsonl").write_text(f"{text}\n{json.dumps(row())}\n")
    suite = load_suite(folder)
    assert (len(suite.conversations), len(suite.not_run)) == (1, 1)


def test_an_unknown_suite_gets_a_suggestion():
    with pytest.raises(UnknownName, match="did you mean gaming"):
        bundled_suite("gameing")
