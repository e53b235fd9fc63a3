"""Suites from elsewhere on the command line: what cannot be asked is told and counted, and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

PLAIN = ("--asr", "none", "--speech-mos", "none")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three good questions between four rows that cannot be asked, and two whose recordings cannot be heard."""
    tone = (0.3 * np.sin(np.arange(8_000) / 5)).astype(np.float32)
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", tone, 16_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-500])
    rows = [
        {"id": "a", "audio": "a.wav", "text": "One?"},
        {"id": "none", "text": "No sound?"},
        {"id": "b", "audio": "b.wav", "text": "Two?"},
        {"id": "b", "audio": "b.wav", "text": "Two again?"},
        {"id": "gone", "audio": "gone.wav", "text": "Where?"},
        {"id": "cut", "audio": "cut.wav", "text": "Whole?"},
        {"id": "out", "audio": "../a.wav", "text": "Out?"},
        {"id": "c", "audio": "c.wav", "text": "Three?"},
        {"id": "markup", "audio": "c.wav", "text": "<b>Four?</b>"},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_bad_rows_are_told_counted_as_not_run_and_the_rest_is_asked(cli: Callable, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = cli("run", "--model", "fake:echo", "--suite", table, *PLAIN, "--out", out, "--json", "--quiet")
    assert done.code == 3
    assert "4 conversations cannot be asked" in done.err
    assert "questions.jsonl:2: none: turns[0].audio: is missing" in done.err
    summary = json.loads(done.out)
    assert (summary["n_attempts"], summary["n_not_run"], summary["is_complete"]) == (5, 6, False)
    assert summary["suites"]["questions"]["n_not_run"] == 6
    reasons = {item["sample"]: item["reason"] for item in summary["not_run"]}
    assert "is already the id of line 3" in reasons["b"]
    assert "cannot be read" in reasons["gone"]
    assert "truncated" in reasons["cut"]
    assert "leaves the suite's folder" in reasons["out"]
    assert "holds markup" in reasons["markup"]
    page = (out / "report.html").read_text()
    assert "Not run" in page
    assert "&lt;b&gt;Four?&lt;/b&gt;" in page
    assert "<b>Four?" not in page
    table_of = cli("report", out).out
    assert "6 not run" in table_of


def test_a_limit_counts_only_the_rows_that_it_reaches(cli: Callable, table: Path, tmp_path: Path) -> None:
    done = cli("run", "--model", "fake:echo", "--suite", table, *PLAIN, "--limit", 1, "--out", tmp_path / "a", "--json")
    assert (done.code, json.loads(done.out)["n_not_run"]) == (0, 0)
    done = cli("run", "--model", "fake:echo", "--suite", table, *PLAIN, "--limit", 2, "--out", tmp_path / "b", "--json")
    assert (done.code, json.loads(done.out)["n_not_run"]) == (3, 1)


def test_strict_stops_before_anything_is_asked(cli: Callable, table: Path, tmp_path: Path) -> None:
    done = cli("run", "--model", "fake:echo", "--suite", table, "--strict", *PLAIN, "--out", tmp_path / "run")
    assert done.code == 2
    assert "questions.jsonl:2" in done.err
    assert not (tmp_path / "run").exists()


def test_strict_opens_every_recording_first(cli: Callable, table: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows if row["id"] in ("a", "cut", "c")))
    done = cli("run", "--model", "fake:echo", "--suite", table, "--strict", *PLAIN, "--out", tmp_path / "run")
    assert done.code == 2
    assert "1 conversations cannot be asked" in done.err
    assert "cut.wav: truncated" in done.err
    assert not (tmp_path / "run").exists()


def test_validating_a_table_lists_rows_and_recordings(cli: Callable, table: Path) -> None:
    done = cli("validate", "suite", table)
    assert done.code == 2
    assert done.out.strip().endswith("6 findings")
    assert "cut.wav: truncated" in done.out
    assert cli("validate", "suite", table, "--strict").out.strip().endswith("1 findings")
    table.write_text(json.dumps({"id": "a", "clip": "a.wav"}) + "\n")
    assert cli("validate", "suite", table, "--suite-set", "audio=clip").code == 0


def test_a_bundled_suite_with_a_broken_line_runs_without_it(cli: Callable, tmp_path: Path) -> None:
    from importlib.resources import files
    from shutil import copytree

    copytree(str(files("aqaa_eval.tasks") / "gaming"), tmp_path / "gaming")
    manifest = tmp_path / "gaming" / "samples.jsonl"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(['{"id": "x", "turns": []}', "not json", *lines]) + "\n")
    run = ("run", "--model", "fake:silent", "--suite", tmp_path / "gaming", *PLAIN, "--limit", 2, "--json")
    done = cli(*run, "--out", tmp_path / "run")
    assert done.code == 3
    summary = json.loads(done.out)
    assert (summary["n_attempts"], summary["n_not_run"]) == (2, 2)
    assert summary["suites"]["gaming"]["metrics"]["mos"]["n"] == 2
    assert cli(*run, "--strict", "--out", tmp_path / "strict").code == 2


def test_a_csv_in_another_encoding_says_how_to_convert_it(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_bytes("id,audio,text\n1,a.wav,日本語\n".encode("shift_jis"))
    done = cli("run", "--model", "fake:echo", "--suite", tmp_path / "q.csv", *PLAIN)
    assert done.code == 2
    assert "iconv -f ENCODING -t UTF-8 q.csv" in done.err


def test_written_questions_are_scored_by_exact_match_on_the_text(cli: Callable, tmp_path: Path) -> None:
    questions = [("a", "What is six times seven?", "42"), ("b", "Capital of France?", "Paris"), ("c", "Sky?", "blue")]
    rows = [{"id": name, "question": text, "answer": answer} for name, text, answer in questions]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = {"a": "Forty-two.", "b": "It is Paris.", "c": ""}
    script = [{"key": f"q/{name}#0", "text": text} for name, text in answers.items()]
    (tmp_path / "script.jsonl").write_text("".join(json.dumps(row) + "\n" for row in script))
    done = cli(
        *("run", "--model", f"fake:scripted:{tmp_path / 'script.jsonl'}", "--suite", tmp_path / "q.jsonl"),
        *("--channel", "text", *PLAIN, "--out", tmp_path / "run", "--json"),
    )
    assert done.code == 0
    from aqaa_eval.engine.load import load_run

    attempts = {attempt.sample: attempt for attempt in load_run(tmp_path / "run").attempts}
    values = {name: next(s.value for s in attempt.scores if s.metric == "mos") for name, attempt in attempts.items()}
    assert values == {"a": 5.0, "b": 1.0, "c": 1.0}
    assert attempts["a"].turns[0].failure is None
    assert json.loads(done.out)["suites"]["q"]["failures"] == {"no_audio": 1}  # nothing was written either


def test_two_different_suites_of_one_name_are_refused(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "gaming.jsonl").write_text('{"id": "a", "question": "1?", "answer": "1"}\n')
    done = cli("run", "--model", "fake:echo", "--suite", "gaming", "--suite", tmp_path / "gaming.jsonl", *PLAIN)
    assert done.code == 2
    assert "another suite gaming is named too; run the two apart" in done.err


def test_settings_of_a_source_are_part_of_the_spec(cli: Callable, table: Path, tmp_path: Path) -> None:
    run = ("run", "--model", "fake:echo", "--suite", table, *PLAIN, "--limit", 1, "--out", tmp_path / "run")
    assert cli(*run).code == 0
    done = cli(*run, "--suite-set", "default_language=ja")
    assert done.code == 2
    assert "another spec: suite_options {}, now {'default_language': 'ja'}" in done.err


def test_stepeval_audio_360_of_a_folder_runs_as_the_nine_suites(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tasks.test_stepeval_audio_360 import lists_of_names

    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    name = f"stepeval-audio-360:{lists_of_names(tmp_path / 'set')}"
    done = cli("run", "--model", "fake:echo", "--suite", name, *PLAIN, "--out", tmp_path / "run", "--json")
    summary = json.loads(done.out)
    assert (done.code, len(summary["suites"]), summary["n_attempts"]) == (0, 9, 9)
    assert summary["suites"]["singing"]["title"] == "Sing"
    done = cli("run", "--model", "fake:echo", "--suite", name, "--suite", "gaming", *PLAIN)
    assert "another suite gaming is named too" in done.err


def test_voicebench_of_a_local_copy_runs(cli: Callable, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.tasks.sounds import wav

    (tmp_path / "copy" / "commoneval").mkdir(parents=True)
    rows = [{"audio": {"bytes": wav(300), "path": None}, "prompt": "What is <<this>>?"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "copy" / "commoneval" / "test-00000-of-00001.parquet")
    run = ("run", "--model", "fake:echo", "--suite", "voicebench:commoneval", *PLAIN, "--out", tmp_path / "run")
    done = cli(*run, "--suite-set", f"repo={tmp_path / 'copy'}", "--json")
    assert (done.code, json.loads(done.out)["n_attempts"]) == (0, 1)
