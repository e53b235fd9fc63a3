"""How many verdicts per second a judge brings home from a server that takes 50 ms, 32 at a time: the ideal is 640/s.

The server runs in a process of its own; with two cores it has the second one. Conversations are judged as the engine
does it, by threads that wait; each costs two verdicts, which are read, checked and written to disk.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from aqaa_eval.judges.llm_build import build
from tests.judges.builders import conversation

LATENCY_S = 0.05
CONCURRENCY = 32


@contextmanager
def server_process() -> Iterator[str]:
    """The scripted judge in a process of its own; its base URL."""
    command = [sys.executable, "-m", "aqaa_eval.testing.judge_server", "--latency", str(LATENCY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def verdicts_per_s(*, n_conversations: int = 1500) -> tuple[float, float]:
    """Verdicts per second, and CPU milliseconds of the client per verdict."""
    attempts = [conversation(["Ahoy!", f"Rum, {number}."], id=f"c{number}") for number in range(n_conversations)]
    with server_process() as base_url, tempfile.TemporaryDirectory() as folder:
        options = {"base_url": base_url, "acoustics": False, "concurrency": CONCURRENCY}
        judge = build(["openai:m"], options, verdicts=Path(folder) / "verdicts.sqlite")
        try:
            with ThreadPoolExecutor(CONCURRENCY) as pool:
                list(pool.map(judge.judge, attempts[:CONCURRENCY]))  # connections, imports
                rest = attempts[CONCURRENCY:]
                began, began_cpu = time.perf_counter(), time.process_time()
                scores = list(pool.map(judge.judge, rest))
                wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        finally:
            judge.close()
    assert all(score[0].value is not None for score in scores)
    n_verdicts = 2 * len(rest)
    return n_verdicts / wall_s, 1e3 * cpu_s / n_verdicts


def main() -> None:
    """Print the table."""
    rate, cpu_ms = verdicts_per_s()
    ideal = CONCURRENCY / LATENCY_S
    print("| judge | measured | target |")
    print("|---|---|---|")
    print(f"| verdicts/s at {LATENCY_S * 1e3:.0f} ms, {CONCURRENCY} at once | {rate:.0f} | {0.9 * ideal:.0f} |")
    print(f"| CPU of the client per verdict | {cpu_ms:.2f} ms | |")


if __name__ == "__main__":
    main()
