"""A thousand verdicts from a server that fails at 30 %: each right or marked, none zeroed, lost or bought twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aqaa_eval.core.attempt import Attempt, Score, Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.metrics.uncertainty import mean_estimate
from aqaa_eval.testing.judge_server import Fault, JudgeScript, JudgeServer
from tests.judges.builders import conversation, llm_judge

N = 500  # conversations, two verdicts each
# Patience is longer than a busy machine may hold up a good reply, so that only drips run out of it.
PATIENCE: dict[str, OptionValue] = {"timeout_s": 5.0, "attempts": 8, "backoff_s": 0.02}
SUITES = ("role_play", "gaming", "singing", "creativity")
Found = dict[tuple[str, str], Score]


def conversations(n: int = N) -> list[Attempt]:
    return [conversation(["Ahoy!", f"Rum, {i}."], id=f"c{i:03d}", suite=SUITES[i % len(SUITES)]) for i in range(n)]


def judge_all(base_url: str, *, verdicts: Path | None = None, n: int = N, **options: OptionValue) -> Found:
    attempts = conversations(n)
    settings = {**PATIENCE, **options}
    with llm_judge(base_url, verdicts=verdicts, **settings) as judge, ThreadPoolExecutor(32) as pool:
        found = list(pool.map(judge.judge, attempts))
    pairs = zip(attempts, found, strict=True)
    return {(attempt.sample.id, score.metric): score for attempt, scores in pairs for score in scores}


def test_a_thousand_verdicts_at_30_percent_faults(tmp_path: Path) -> None:
    with JudgeServer(JudgeScript()) as server:
        truth = judge_all(server.base_url)
        assert server.n_requests == 2 * N
    script = JudgeScript(fault_share=0.3, drip_s=60.0)
    verdicts = tmp_path / "verdicts.sqlite"
    with JudgeServer(script) as server:
        found = judge_all(server.base_url, verdicts=verdicts)
        assert set(server.faults) == set(Fault)
        assert sum(server.faults.values()) / server.n_requests == pytest.approx(0.3, abs=0.06)
        n_requests = server.n_requests
        assert judge_all(server.base_url, verdicts=verdicts) == found
        n_after = server.n_requests
        delivered = server.delivered

    judged = {key: score for key, score in found.items() if key[1] != "delivery"}
    assert found.keys() == truth.keys()  # none lost
    for key, score in judged.items():
        if score.value is None:  # marked
            assert score.status is Status.FAILED
            assert score.failure in (Failure.JUDGE_INVALID, Failure.JUDGE_REFUSED)
            assert score.reason
        else:  # right: so none is zeroed
            assert score.value == truth[key].value
    marks = Counter(score.failure for score in judged.values() if score.value is None)
    assert marks[Failure.JUDGE_INVALID] > 0
    assert marks[Failure.JUDGE_REFUSED] > 0
    assert sum(marks.values()) / len(judged) < 0.12  # refused 5 %, invalid twice 1 %
    assert set(delivered.values()) == {1}  # none bought twice
    assert n_after == n_requests
    for metric in ("content", "chat", "factuality"):
        keys = [key for key, score in judged.items() if key[1] == metric and score.value is not None]
        with_faults, without = (
            mean_estimate({key[0]: [value(scores[key])] for key in keys}) for scores in (found, truth)
        )
        assert with_faults == without


def value(score: Score) -> float:
    assert score.value is not None
    return score.value


WORKER = """
import sys
from pathlib import Path
from tests.judges.test_under_fire import judge_all
judge_all(sys.argv[1], verdicts=Path(sys.argv[2]), n=int(sys.argv[3]))
"""


def test_a_killed_run_buys_nothing_twice_that_it_had_written_down(tmp_path: Path) -> None:
    verdicts, n = tmp_path / "verdicts.sqlite", 200
    script = JudgeScript(fault_share=0.3, drip_s=60.0, latency_s=0.05)
    command = [sys.executable, "-c", WORKER]
    with JudgeServer(script) as server:
        given = [server.base_url, str(verdicts), str(n)]
        with subprocess.Popen([*command, *given], start_new_session=True) as process:
            deadline_s = time.monotonic() + 60
            while sum(server.delivered.values()) < n and time.monotonic() < deadline_s:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.5)  # the server finishes what it was asked
        n_delivered = sum(server.delivered.values())
        n_written = n_rows(verdicts, valid=True)
        assert n <= n_delivered < 2 * n
        assert 0 <= n_delivered - n_written <= 2 * 32  # under way at the kill
        subprocess.run([*command, *given], check=True, timeout=240)
        n_valid = n_rows(verdicts, valid=True)
        assert sum(server.delivered.values()) - n_valid == n_delivered - n_written
        assert n_rows(verdicts) == 2 * n


def n_rows(path: Path, *, valid: bool = False) -> int:
    database = sqlite3.connect(path)
    try:
        bodies = [row[0] for row in database.execute("SELECT body FROM verdicts")]
    finally:
        database.close()
    return sum(b'"levels"' in bytes(body) for body in bodies) if valid else len(bodies)
