"""Whole runs against servers: the same answers as without one, no hang when one dies, and no secret anywhere."""

from __future__ import annotations

import base64
import json
import logging
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.catalog import make_suites
from aqaa_eval.core.audio import encode_audio
from aqaa_eval.core.errors import ExitCode
from aqaa_eval.engine.load import load_run
from aqaa_eval.serving.server import LocalServer, ServerSettings
from aqaa_eval.testing.audio_server import AudioChat
from aqaa_eval.testing.realtime_server import RealtimeServer
from aqaa_eval.testing.server import ScriptedServer
from tests.cli.conftest import Done
from tests.serving.builders import call

KEY = "sk-planted-0123456789abcdef"
FAST = ("--asr", "none", "--speech-mos", "none", "--quiet")
Cli = Callable[..., Done]


def answers(run: Path) -> list[tuple[str, object, object]]:
    """What was answered, turn by turn."""
    log = load_run(run)
    return [
        (f"{attempt.suite}/{attempt.sample}#{index}", turn.audio, turn.failure)
        for attempt in log.attempts
        for index, turn in enumerate(attempt.turns)
    ]


@pytest.mark.parametrize("options", [(), ("--set", "stream=true", "--set", "format=wav"), ("--set", "concurrency=4")])
def test_a_served_model_gives_the_run_that_the_model_itself_gives(cli: Cli, tmp_path: Path, options: tuple) -> None:
    plain = cli("run", "--model", "fake:echo", "--limit", "1", "--out", tmp_path / "plain", *FAST)
    with LocalServer(fake.build("echo", {}), ServerSettings(name="fake:echo", port=0)) as server:
        address = ("--base-url", f"{server.url}/v1")
        done = cli(
            "run", "--model", "openai:fake:echo", *address, *options, "--limit", "1", "--out", tmp_path / "s", *FAST
        )
    assert (plain.code, done.code) == (0, 0), done.err
    assert answers(tmp_path / "s") == answers(tmp_path / "plain")


def test_a_server_that_dies_costs_what_it_was_asked_and_the_same_command_asks_that_again(
    cli: Cli, tmp_path: Path
) -> None:
    is_dead = True
    chat = AudioChat(fault=lambda number: "dies" if is_dead and number >= 3 else "")
    with ScriptedServer(chat, prefix="/v1") as server:
        command = ("run", "--model", "openai:m", "--base-url", server.base_url, "--set", "retries=0")
        command += ("--suite", "gaming", "--limit", "3", "--out", tmp_path / "run", *FAST)
        first = cli(*command)
        assert first.code == ExitCode.INCOMPLETE
        failures = [failure for _, _, failure in answers(tmp_path / "run")]
        assert failures.count(None) == 3
        assert set(failures) == {None, "model_error"}
        is_dead = False
        second = cli(*command)
    assert second.code == 0, second.err
    assert {failure for _, _, failure in answers(tmp_path / "run")} == {None}


STREAM = ("--set", "stream=true")
SHORT = ("--set", "attempt_timeout_s=2")


@pytest.mark.parametrize(
    ("fault", "options", "failure", "reason"),
    [
        ("dies", (), "model_error", "cannot be reached|closed|ended"),
        ("dies", STREAM, "model_error", "cannot be reached|closed|ended"),
        ("broken_base64", (), "model_error", "broken base64"),
        ("broken_base64", STREAM, "model_error", "broken base64"),
        ("not_json", (), "model_error", "no JSON"),
        ("hangs", SHORT, "timeout", "in time"),
        ("trickles", SHORT, "timeout", "2 s"),
        ("endless", SHORT, "timeout", "2 s"),
        ("endless", STREAM, "truncated", "300 s"),
        pytest.param("twenty_minutes", (), "truncated", "300 s", marks=pytest.mark.slow),
        pytest.param("twenty_minutes", STREAM, "truncated", "300 s", marks=pytest.mark.slow),
        ("text_only", (), "no_audio", ""),
        ("mp3", (), None, ""),  # the bytes say what they are, so the answer is read as it is
        ("pcm_8k", (), None, ""),  # its rate is stated
    ],
)
def test_a_fault_is_a_failure_with_its_reason_and_everything_else_is_scored(
    cli: Cli, tmp_path: Path, fault: str, options: tuple, failure: str | None, reason: str
) -> None:
    chat = AudioChat(fault=lambda number: fault if number == 0 else "")
    with ScriptedServer(chat, prefix="/v1") as server:
        command = ("run", "--model", "openai:m", "--base-url", server.base_url, "--set", "retries=0", *options)
        done = cli(*command, "--suite", "gaming", "--limit", "2", "--channel", "text", "--out", tmp_path, *FAST)
    assert done.code == (ExitCode.INCOMPLETE if failure in ("model_error", "timeout") else 0), done.err
    struck, spared = load_run(tmp_path).attempts
    assert struck.turns[0].failure == failure
    assert re.search(reason, struck.turns[0].detail)
    assert {turn.failure for turn in spared.turns} == {None}
    assert all(score.value is not None for score in spared.scores if score.metric == "content")
    assert [score.metric for score in spared.scores if score.value is not None]


def all_bytes(folder: Path) -> bytes:
    """Everything in a folder: the files as they are, and the rows of databases."""
    parts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            parts.append(path.read_bytes())
        if path.suffix == ".sqlite":
            with sqlite3.connect(path) as database:
                parts.append("\n".join(database.iterdump()).encode())
            database.close()
    return b"\n".join(parts)


@pytest.mark.parametrize("kind", ["chat", "refused", "realtime", "cascade"])
def test_no_key_and_no_sound_reaches_a_log_a_manifest_or_a_report(
    cli: Cli, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AQAA_EVAL_TOKEN", KEY)
    caplog.set_level(logging.DEBUG)
    common = ("--suite", "gaming", "--limit", "1", "--out", tmp_path / "run", *FAST)
    if kind == "realtime":
        with RealtimeServer() as realtime:
            done = cli("run", "--model", "openai-realtime:m", "--base-url", realtime.base_url, *common)
        assert realtime.keys[0] == f"Bearer {KEY}"
    elif kind == "refused":
        with ScriptedServer(AudioChat(fault="forbidden"), prefix="/v1") as scripted:
            done = cli("run", "--model", "openai:m", "--base-url", scripted.base_url, *common)
    elif kind == "cascade":
        with ScriptedServer(AudioChat(fault="forbidden"), prefix="/v1") as scripted:
            model = "cascade:http:w+openai:m+command:true"
            done = cli("run", "--model", model, "--base-url", scripted.base_url, *common)
    else:
        with LocalServer(fake.build("echo", {}), ServerSettings(name="m", port=0, token=KEY)) as server:
            done = cli("run", "--model", "openai:m", "--base-url", f"{server.url}/v1", *common)
    assert done.code == (0 if kind in ("chat", "realtime") else ExitCode.INCOMPLETE), done.err
    told = all_bytes(tmp_path / "run") + done.out.encode() + done.err.encode() + caplog.text.encode()
    assert KEY.encode() not in told
    assert base64.b64encode(KEY.encode()).strip(b"=")[:-1] not in told
    for payload in _payloads():
        # The page plays what was said, as Opus or FLAC; a request's WAV stands nowhere.
        assert payload not in told


def _payloads() -> list[bytes]:
    """The beginning of the samples of each question's WAV file, in base64, as requests hold it."""
    [suite] = make_suites(["gaming"])
    sample = next(iter(suite.samples()))
    found = []
    for turn in sample.turns:
        audio = turn.audio.decode(turn.audio.read_bytes())
        encoded = base64.b64encode(encode_audio(audio, container="WAV"))
        pieces = [encoded[start : start + 80] for start in range(0, len(encoded) - 80, 80)]
        found.append(max(pieces, key=lambda piece: len(set(piece))))
    return found


def test_an_address_with_a_password_is_refused_before_anything_is_written(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    url = "http://me:hunter2@127.0.0.1:9/v1"
    config.write_text(json.dumps({"model": "openai:m", "model_options": {"base_url": url}}))
    for command in (
        ("run", "--config", config, "--out", tmp_path / "run"),
        ("run", "--model", "openai:m", "--base-url", url, "--out", tmp_path / "run"),
        ("run", "--model", "cascade", "--set", f"asr_url={url}", "--out", tmp_path / "run"),
    ):
        done = cli(*command)
        assert done.code == ExitCode.USAGE
        assert "hunter2" not in done.out + done.err
        assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


def test_ctrl_c_ends_the_server_in_peace() -> None:
    command = "from aqaa_eval.cli.main import main; main()"
    arguments = [sys.executable, "-c", command, "serve", "--model", "fake:echo", "--port", "0"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            url = line.split("page at ")[1].split(",")[0]
            assert call(f"{url}health").json() == {"status": "ok"}
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, told.strip()) == (0, "stopped")


def test_serve_refuses_what_it_cannot_do_with_the_way_out(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AQAA_EVAL_TOKEN", raising=False)
    refused = cli("serve", "--model", "fake:echo", "--host", "0.0.0.0")
    assert (refused.code, "AQAA_EVAL_TOKEN" in refused.err) == (2, True)
    assert "did you mean cascade" in cli("serve", "--model", "cascad").err
    with LocalServer(fake.build("echo", {}), ServerSettings(name="m", port=0)) as server:
        port = server.url.rsplit(":", 1)[1]
        assert "choose another --port" in cli("serve", "--model", "fake:echo", "--port", port).err
