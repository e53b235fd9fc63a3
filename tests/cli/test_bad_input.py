"""Each mistake gets one clear message, the right exit code and no traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")
ECHO = ("run", "--model", "fake:echo", *PLAIN)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A copy of a bundled suite that a test may spoil."""
    target = tmp_path / "gaming"
    shutil.copytree(str(files("aqaa_eval.tasks") / "gaming"), target)
    return target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--model", "fake:ecko", *PLAIN), "no fake model named 'ecko'; did you mean echo?"),
        (("run", "--model", "cascad", *PLAIN), "no model named 'cascad'; did you mean cascade?"),
        ((*ECHO, "--suite", "gamming"), "no suite named 'gamming'; did you mean gaming?"),
        ((*ECHO, "--judge", "chekcs"), "no judge named 'chekcs'; did you mean checks?"),
        (
            (*ECHO[:3], "--asr", "wisper:base", "--speech-mos", "none"),
            "no transcriber named 'wisper'; did you mean whisper?",
        ),
        (
            (*ECHO[:3], "--asr", "whisper:/no/such/base.pt", "--speech-mos", "none"),
            "no such file; give a Whisper .pt file",
        ),
        (
            (*ECHO, "--suite", "gaming", "--asr-set", "language=gamming:en"),
            "no suite of this run (--asr-set language=) named 'gamming'; did you mean gaming?",
        ),
        ((*ECHO, "--limit", "0"), "limit: Input should be greater than or equal to 1 (got 0)"),
        ((*ECHO, "--repeats", "-1"), "repeats: Input should be greater than or equal to 1 (got -1)"),
        ((*ECHO, "--set", "loud"), "--set loud: write it as name=value"),
        ((*ECHO, "--set", "loud=1"), "fake:echo has no setting 'loud'"),
        (("run", *PLAIN), "name a model: --model cascade"),
        (("list", "modles"), "no list named 'modles'; did you mean models?"),
        (("report", "/no/such/run"), "no run lies here"),
        (("score", "/no/such/run"), "no run lies here"),
        (("fetch", "whisper:bas"), "whisper:base"),
    ],
)
def test_a_wrong_name_or_value_is_told_with_the_way_out(
    arguments: tuple[str, ...], message: str, cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.rglob("*.sqlite"))


def test_missing_weights_name_the_command_that_brings_them(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path / "empty"))
    done = cli(*ECHO[:3], "--asr", "whisper:base", "--speech-mos", "none", "--out", tmp_path / "run")
    assert done.code == 2
    assert "aqaa-eval fetch whisper:base" in done.err


def test_a_run_folder_of_another_spec_is_left_alone(cli: Callable, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert cli(*ECHO, "--suite", "gaming", "--limit", 1, "--out", out).code == 0
    before = (out / "run.json").read_bytes()
    done = cli(*ECHO, "--suite", "gaming", "--limit", 2, "--out", out)
    assert done.code == 2
    assert "another spec: limit 1, now 2" in done.err
    assert (out / "run.json").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = cli(*ECHO, "--out", tmp_path / "file" / "run")
    assert done.code == 2
    assert "cannot write there" in done.err
    assert "give another --out" in done.err


def test_a_config_with_an_unknown_field_names_it(cli: Callable, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("model: fake:echo\nsuits: [gaming]\n")
    done = cli("run", "--config", config)
    assert done.code == 2
    assert "suits: Extra inputs are not permitted" in done.err


@pytest.mark.parametrize("text", ["- a list", "model: [", "model: !!python/object:os.system {}"])
def test_a_config_that_is_not_a_plain_mapping_is_refused(text: str, cli: Callable, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(text)
    done = cli("run", "--config", config)
    assert done.code == 2
    assert "run.yaml" in done.err


def test_a_traceback_is_shown_only_on_demand(cli: Callable, tmp_path: Path) -> None:
    assert "Traceback" not in cli("report", tmp_path).err
    assert "Traceback" in cli("--debug", "report", tmp_path).err


def _first_audio(suite: Path) -> Path:
    row = json.loads((suite / "samples.jsonl").read_text().splitlines()[0])
    return suite / row["turns"][0]["audio"]


def _spoil(suite: Path, how: str) -> None:
    """Put another recording in the place of the first question, and let the manifest not notice by its hash."""
    path = _first_audio(suite)
    tone = (0.3 * np.sin(np.arange(16_000) / 10)).astype(np.float32)
    if how == "missing":
        path.unlink()
        return
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "corrupt":
        path.write_bytes(b"OggS" + bytes(range(256)) * 8)
    elif how == "mislabelled":
        soundfile.write(path, tone, 16_000, format="WAV", subtype="PCM_16")
    elif how == "nan":
        path = path.with_suffix(".wav")
        soundfile.write(path, np.full(8000, np.nan, np.float32), 16_000, format="WAV", subtype="FLOAT")
    elif how == "2 hours":
        path = path.with_suffix(".flac")
        soundfile.write(path, np.zeros(8_000 * 7200, np.int16), 8_000, format="FLAC", subtype="PCM_16")
    elif how == "8 kHz stereo":
        path = path.with_suffix(".wav")
        soundfile.write(path, np.stack([tone, tone], axis=1), 8_000, format="WAV", subtype="PCM_16")
    manifest = suite / "samples.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    del rows[0]["turns"][0]["sha256"]
    rows[0]["turns"][0]["audio"] = f"audio/{path.name}"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "cannot be read"),
        ("empty", "the file is empty (0 bytes)"),
        ("truncated", "truncated"),
        ("nan", "NaN or infinite"),
        ("corrupt", "another checksum than it says"),
        ("mislabelled", "mislabelled, its bytes are WAV and its name says Ogg"),
        ("2 hours", "7200 s is longer than the limit of 600 s"),
    ],
)
def test_a_bad_recording_is_one_bad_sample_and_the_run_goes_on(
    how: str, message: str, suite: Path, cli: Callable, tmp_path: Path
) -> None:
    _spoil(suite, how)
    done = cli(*ECHO, "--suite", suite, "--limit", 3, "--out", tmp_path / "run", "--json")
    assert done.code == 3
    assert "bad_input" in done.err
    assert "Traceback" not in done.err
    from aqaa_eval.engine.load import load_run

    attempts = load_run(tmp_path / "run").attempts
    assert len(attempts) == 3
    assert message in attempts[0].turns[0].detail
    assert all(turn.failure is None for attempt in attempts[1:] for turn in attempt.turns)


def test_eight_khz_stereo_is_simply_asked(suite: Path, cli: Callable, tmp_path: Path) -> None:
    _spoil(suite, "8 kHz stereo")
    assert cli(*ECHO, "--suite", suite, "--limit", 1, "--out", tmp_path / "run").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "ro").mkdir(mode=0o500)
    assert cli(*ECHO, "--out", tmp_path / "ro" / "run").code == 2
