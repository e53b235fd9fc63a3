"""How many verdicts per second a judge brings home from a server that takes 50 ms, 32 at a time: the ideal is 640/s.

The server runs in a process of its own; with two cores it has the second one. Conversations are judged as the engine
does it, by threads that wait; each costs two verdicts, which are read, checked and written to disk. Both ways to a
server are measured (`aqaa_eval/judges/wire.py`): plain HTTP over connections of our own, and through the `openai`
client. All of it is one Python thread at a time, so 1000 / (CPU ms) is the most that a core can bring home.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from aqaa_eval.judges.llm_build import build
from aqaa_eval.judges.wire import ClientWire, StraightWire
from tests.judges.builders import conversation

LATENCY_S = 0.05
CONCURRENCY = 32
WIRES = {"plain HTTP": StraightWire, "openai client": ClientWire}


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


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What came home, and what it took: `cpu_ms` per verdict, of the client, server not counted."""

    verdicts_per_s: float
    cpu_ms: float


def throughput(wire: type[StraightWire] | type[ClientWire], *, n_conversations: int) -> Throughput:
    """Judge conversations over one way to the server."""
    attempts = [conversation(["Ahoy!", f"Rum, {number}."], id=f"c{number}") for number in range(n_conversations)]
    with server_process() as base_url, tempfile.TemporaryDirectory() as folder:
        options = {"base_url": base_url, "acoustics": False, "concurrency": CONCURRENCY}
        with patch("aqaa_eval.judges.endpoint.make_wire", wire):
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
    return Throughput(verdicts_per_s=n_verdicts / wall_s, cpu_ms=1e3 * cpu_s / n_verdicts)


def main(*, n_conversations: int = 1500) -> None:
    """Print the table."""
    ideal = CONCURRENCY / LATENCY_S
    print(f"| judge, {LATENCY_S * 1e3:.0f} ms, {CONCURRENCY} at once | verdicts/s | target | CPU of the client |")
    print("|---|---|---|---|")
    for name, wire in WIRES.items():
        found = throughput(wire, n_conversations=n_conversations)
        print(f"| {name} | {found.verdicts_per_s:.0f} | {0.9 * ideal:.0f} | {found.cpu_ms:.2f} ms per verdict |")


if __name__ == "__main__":
    main()
