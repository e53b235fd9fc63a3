"""`prefer`: two stored runs in pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aqaa_eval.testing.judge_server import JudgeScript, JudgeServer
from tests.judges.test_pairwise import by_length


def test_the_command_compares_two_stored_runs_and_buys_nothing_twice(cli: Any, tmp_path: Path) -> None:
    folders = []
    for name in ("echo", "silent"):
        out = tmp_path / name
        plain = ["--asr", "none", "--channel", "text", "--speech-mos", "none", "--quiet", "--json"]
        assert (
            cli("run", "--model", f"fake:{name}", "--suite", "gaming", "--limit", "2", *plain, "--out", out).code == 0
        )
        folders.append(out)
    with JudgeServer(JudgeScript(grade=by_length)) as server:
        asks = ["prefer", *folders, "--judge", "openai:m", "--judge-url", server.base_url, "--channel", "text"]
        done = cli(*asks, "--json")
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert told["wins"]["overall"]["n"] == 2
        n_requests = server.n_requests
        again = cli(*asks)
        assert again.code == 0
        assert server.n_requests == n_requests
    assert "wins of silent" in again.out
    assert cli("prefer", folders[0], "--judge", "openai:m").code == 2
    assert cli("prefer", *folders, "--judge", "checks").code == 2
