"""Language-model judges on the command line: an outage, a second go, another judge; and no key in any file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.audio import encode_audio
from aqaa_eval.core.weights import is_present, locate
from aqaa_eval.engine.load import load_run
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.tasks.suite import bundled_suite
from aqaa_eval.testing.judge_server import Fault, JudgeScript, JudgeServer, hashed_grades
from tests.engine.builders import tone

EAR, SMALL = "whisper:base", "smollm2:135m-instruct"
KEY = "sk-secret-of-the-test"
Cli = Callable[..., Any]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that says the first two gaming conversations' references, over a tone."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "tone.wav").write_bytes(encode_audio(tone(220.0), container="WAV"))
    samples = list(bundled_suite("gaming").samples())[:2]
    rows = [
        {"key": f"{sample.key}#{index}", "audio": "tone.wav", "text": turn.reference}
        for sample in samples
        for index, turn in enumerate(sample.turns)
    ]
    script = tmp_path / "answers.jsonl"
    script.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return f"fake:scripted:{script}"


def values(folder: Path) -> dict[tuple[str, str], float | None]:
    return {(a.key, score.metric): score.value for a in load_run(folder).attempts for score in a.scores}


def test_an_outage_leaves_a_run_incomplete_and_the_same_command_completes_it(
    cli: Cli, model: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    plain = ["--asr", "none", "--channel", "text", "--speech-mos", "none", "--json"]
    asks = ["run", "--model", model, "--suite", "gaming", "--limit", "2", *plain, "--out", out]
    settings = [f"--judge-set={pair}" for pair in ("attempts=1", "acoustics=false", "backoff_s=0.01", "anchors=false")]
    with JudgeServer(JudgeScript(fault_share=1.0, faults=(Fault.SERVER_ERROR,))) as server:
        first = cli(*asks, "--judge", "openai:m", "--judge-url", server.base_url, *settings)
        port = int(server.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    assert first.code == 3
    assert "2 judge_unreachable; the same command asks these again" in first.err
    with JudgeServer(JudgeScript(), port=port) as server:
        second = cli(*asks, "--judge", "openai:m", "--judge-url", server.base_url, *settings)
        assert second.code == 0, second.err
        assert "judge: 4 requests" in second.err
        assert set(server.delivered.values()) == {1}
        again = cli(*asks, "--judge", "openai:m", "--judge-url", server.base_url, *settings)
        assert again.code == 0
        assert server.n_requests == 4
    fused = {key[0]: value for key, value in values(out).items() if key[1] == "mos"}
    assert all(value is not None and value == values(out)[key, "content"] for key, value in fused.items())
    told = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert KEY.encode() not in told + (first.out + first.err + second.out + second.err).encode()


def test_the_first_judge_is_fused_and_the_other_stands_beside_it(cli: Cli, model: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    plain = ["--asr", "none", "--channel", "text", "--speech-mos", "none", "--json"]
    asked = cli("run", "--model", model, "--suite", "gaming", "--limit", "2", *plain, "--judge", "checks", "--out", out)
    assert asked.code == 0, asked.err
    by_checks = values(out)
    with JudgeServer(JudgeScript()) as server:
        where = [
            "--base-url",
            server.base_url,
            "--judge-set",
            "acoustics=false",
            "--judge-set",
            "anchors=false",
            "--json",
        ]
        assert cli("score", out, "--judge", "checks,openai:m", *where).code == 0
        checks_first = values(out)
        assert cli("score", out, "--judge", "openai:m,checks", *where).code == 0
        model_first = values(out)
        assert server.n_requests == 4  # the second order buys nothing
    for key in {key for key, _ in by_checks}:
        assert checks_first[key, "mos"] == by_checks[key, "mos"] == model_first[key, "checks_content"]
        assert model_first[key, "mos"] == model_first[key, "content"] == checks_first[key, "judge_content"]
    assert cli("score", out, "--judge", "checks", "--json").code == 0
    assert values(out) == by_checks


def test_settings_for_a_judge_that_has_none_are_refused(cli: Cli, model: str, tmp_path: Path) -> None:
    asked = cli(
        "run", "--model", model, "--suite", "gaming", "--judge", "checks", "--judge-set", "a=1", "--out", tmp_path
    )
    assert asked.code == 2
    assert "--judge checks has no settings" in asked.err


def test_a_judge_that_drifted_is_told_and_stands_in_the_run(cli: Cli, model: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    plain = ["--asr", "none", "--channel", "text", "--speech-mos", "none", "--json", "--judge-set", "acoustics=false"]
    begin = ["run", "--model", model, "--suite", "gaming", "--limit", "1", *plain, "--out", out, "--judge", "openai:m"]
    for level, notes in ((4, 1), (1, 2)):  # one grade for everything is an alarm of its own
        grade = partial(_always, level)
        with JudgeServer(JudgeScript(grade=grade)) as server:
            done = cli(*begin, "--judge-url", server.base_url)
            assert done.code == 0, done.err
        assert ("DRIFT of openai:m" in done.err) == (notes == 2)
        assert len(load_run(out).notes) == notes
        (out / "verdicts.sqlite").unlink()
        for path in out.glob("run.sqlite*"):
            path.unlink()


def _always(level: int, messages: Any, schema: Any) -> dict[str, Any]:
    verdict = hashed_grades(messages, schema)
    return {**verdict, "content": level} if "content" in verdict else verdict


@pytest.mark.skipif(not is_present(EAR) or not is_present(SMALL), reason=f"needs: aqaa-eval fetch {EAR} {SMALL}")
def test_any_judge_takes_over_a_stored_run_without_model_and_without_a_second_hearing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    asked = ["run", "--model", "fake:echo", "--suite", "gaming", "--limit", "1", "--asr", EAR, "--speech-mos", "none"]
    assert cli(*asked, "--out", out, "--json").code == 0
    heard = transcripts(out)
    assert all(text for text, _ in heard)
    monkeypatch.setattr(GuardedTranscriber, "transcribe", _must_not_be_asked)
    few = [f"--judge-set={pair}" for pair in ("acoustics=false", "conversation=false")]
    identities = []
    with JudgeServer(JudgeScript()) as server:
        for judge in (
            ["checks"],
            ["openai:m", "--base-url", server.base_url, *few, "--judge-set=anchors=false"],
            [f"hf:{SMALL}", *few, "--judge-set=reason_tokens=0"],
            [f"hf:{locate(SMALL)}", *few, "--judge-set=reason_tokens=0"],
        ):
            done = cli("score", out, "--judge", *judge, "--json")
            assert done.code == 0, done.err
            assert transcripts(out) == heard
            [content] = {score.judge for a in load_run(out).attempts for score in a.scores if score.metric == "content"}
            identities.append(content)
    assert identities[0].startswith("checks@")
    assert "openai:m/" in identities[1]
    assert f"hf:{SMALL}@" in identities[2]
    assert len(set(identities)) == 4


def transcripts(folder: Path) -> list[tuple[str, str]]:
    """What was heard in each answer, and by whom."""
    turns = (turn for attempt in load_run(folder).attempts for turn in attempt.turns)
    return [(turn.transcript.text, turn.transcript.asr) for turn in turns if turn.transcript is not None]


def _must_not_be_asked(*_: object) -> None:
    raise AssertionError("the answers were transcribed again")
