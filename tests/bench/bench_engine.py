"""What the engine costs: `python -m tests.bench.bench_engine [--long]`, to runs/bench/engine.json and a Markdown table.

CPU seconds are those of whole `aqaa-eval` processes, report included, and do not depend much on what else the machine
does; wall seconds do. `--long` adds 100,000 samples, some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aqaa_eval.adapters import fake
from aqaa_eval.core.attempt import Attempt, Query, Response, Score, Transcript
from aqaa_eval.core.protocols import Clip
from aqaa_eval.testing.completion import completion
from aqaa_eval.testing.server import Reply, Request, ScriptedServer, json_reply
from tests.bench.harness import COMMAND, PLAIN, Cost, cost_of, write_suite
from tests.engine.builders import CountingTranscriber, LengthJudge, ToneSuite, drive, request

OUT = Path("runs/bench/engine.json")
STAGE_S = 0.05
CONCURRENCY = 32


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table.

    Attributes:
        target: the most that it may be, or the least if `wants_more`; None for a figure to know.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    wants_more: bool = False

    @property
    def verdict(self) -> str:
        """Whether the target is met; "" without one."""
        if self.target is None:
            return ""
        is_met = self.value >= self.target if self.wants_more else self.value <= self.target
        return "met" if is_met else "missed"

    @property
    def row(self) -> str:
        """As a row of Markdown."""
        target = "" if self.target is None else f"{'≥' if self.wants_more else '≤'} {self.target:,g} {self.unit}"
        return f"| {self.name} | {self.value:,.4g} {self.unit} | {target} | {self.verdict} |"


def text_suite(folder: Path, n_samples: int) -> Path:
    """Written questions with answers for exact match."""
    path = folder / f"q{n_samples}.jsonl"
    rows = (
        {"id": f"q{number:06d}", "question": f"What is {number} plus one?", "answer": str(number + 1)}
        for number in range(n_samples)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(model: str, suite: Path, out: Path, *more: str) -> list[str]:
    """Arguments of a run on written questions."""
    return ["run", "--model", model, "--suite", str(suite), "--channel", "text", *PLAIN, "--out", str(out), *more]


def start_up(here: Path) -> Iterator[Figure]:
    """Processes that do little; the least CPU of several, the median wall."""
    two = ["run", "--model", "fake:echo", "--suite", "gaming", "--limit", "2", *PLAIN, "--out"]
    rows: Sequence[tuple[str, Callable[[int], list[str]], float | None]] = (
        ("`aqaa-eval --help`", lambda _n: ["--help"], 0.15),
        ("`aqaa-eval list models`", lambda _n: ["list", "models"], None),
        ("`aqaa-eval list suites`", lambda _n: ["list", "suites"], None),
        ("run of two spoken items, `fake:echo`", lambda n: [*two, str(here / f"two{n}")], 1.0),
    )
    for name, arguments, target in rows:
        costs = [cost_of(arguments(number)) for number in range(6)][1:]
        yield Figure(name=f"{name}, CPU", value=min(cost.cpu_s for cost in costs), unit="s", target=target)
        yield Figure(name=f"{name}, wall", value=statistics.median(cost.wall_s for cost in costs), unit="s")


def written(here: Path, sizes: Sequence[int]) -> Iterator[Figure]:
    """A model without latency and written questions: what a sample costs, and whether it costs more among many."""
    costs: dict[int, Cost] = {}
    for n in (1, *sizes):
        out = here / f"text{n}"
        costs[n] = cost_of(asked("fake:echo", text_suite(here, n), out))
        if n == 1:
            continue
        cost, name = costs[n], f"{n:,} written questions"
        n_bytes = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        yield Figure(name=f"{name}: CPU per sample", value=cost.cpu_s / n * 1e3, unit="ms", target=0.4)
        marginal_ms = (cost.cpu_s - costs[1].cpu_s) / n * 1e3
        yield Figure(name=f"{name}: CPU per sample, start-up left out", value=marginal_ms, unit="ms")
        yield Figure(name=f"{name}: samples/s of wall time", value=n / cost.wall_s, unit="/s")
        yield Figure(name=f"{name}: peak memory", value=cost.peak_mib, unit="MiB", target=130 + n * 5 / 1024)
        yield Figure(name=f"{name}: written per sample", value=n_bytes / n / 1024, unit="KiB")
    first, last = min(sizes), max(sizes)
    growth = (costs[last].cpu_s - costs[1].cpu_s) / last / ((costs[first].cpu_s - costs[1].cpu_s) / first)
    yield Figure(name=f"cost per sample at {last:,} over that at {first:,}", value=growth, unit="", target=1.1)


def spoken(here: Path, *, n_few: int = 300, n_many: int = 1000) -> Iterator[Figure]:
    """3 s of WAV in and out: decoded, hashed, stored, guarded, judged."""
    suite = str(write_suite(here / "spoken", n_samples=n_many))
    run = ["run", "--model", "fake:echo", "--suite", suite, *PLAIN]
    few = cost_of([*run, "--limit", str(n_few), "--out", str(here / "few")])
    many = cost_of([*run, "--out", str(here / "many")])
    value = (many.cpu_s - few.cpu_s) / (n_many - n_few) * 1e3
    yield Figure(name="3 s WAV in and out: CPU per sample", value=value, unit="ms", target=2.0)
    yield Figure(
        name=f"3 s WAV in and out, {n_many:,}: peak memory",
        value=many.peak_mib,
        unit="MiB",
        target=130 + n_many * 5 / 1024,
    )


class Slow:
    """A model, an ear and a judge that each take the same time."""

    identity = "slow@1"

    def answer(self, query: Query) -> Response:
        time.sleep(STAGE_S)
        return fake.build("echo", {}).answer(query)

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        time.sleep(STAGE_S)
        return CountingTranscriber().transcribe(clips)

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        time.sleep(STAGE_S)
        return LengthJudge().judge(attempt)


def overlap(here: Path, *, n_samples: int = 60) -> Iterator[Figure]:
    """Three stages of 50 ms each: the time of the busiest over the time of the run."""
    slow = Slow()
    suite = ToneSuite(folder=here / "tones", n_samples=n_samples, n_turns=1)
    list(suite.samples())  # written before the clock starts
    began = time.perf_counter()
    drive(request(here / "overlap", slow, suite=suite, judge=slow, transcriber=slow))  # type: ignore[arg-type]
    wall_s = time.perf_counter() - began
    yield Figure(
        name=f"stages of 50 ms, {n_samples} samples: time of the busiest over that of the run",
        value=n_samples * STAGE_S / wall_s,
        unit="",
        target=0.9,
        wants_more=True,
    )


@contextmanager
def loopback() -> Iterator[tuple[ScriptedServer, Callable[[], int]]]:
    """A chat server that takes 50 ms; also tells how many requests it is at work on or has answered."""

    def answer(_request: Request) -> Reply:
        return json_reply(completion("42"), delay_s=STAGE_S)

    with ScriptedServer(answer, prefix="/v1") as server:
        yield server, lambda: server.n_requests


def served(here: Path, *, n_few: int = 320, n_many: int = 1920) -> Iterator[Figure]:
    """A server on this machine at 50 ms, asked by 32 at once: the least time there could be over the time there is."""
    with loopback() as (server, _):
        model = ["--base-url", server.base_url, "--set", f"concurrency={CONCURRENCY}"]
        few, many = (
            cost_of(asked("openai:m", text_suite(here, n), here / f"served{n}", *model)) for n in (n_few, n_many)
        )
    name = f"loopback server, 50 ms, {CONCURRENCY} at once"
    ideal_s = (n_many - n_few) / CONCURRENCY * STAGE_S
    efficiency = ideal_s / (many.wall_s - few.wall_s)
    yield Figure(name=f"{name}: efficiency", value=efficiency, unit="", target=0.85, wants_more=True)
    cpu_ms = (many.cpu_s - few.cpu_s) / (n_many - n_few) * 1e3
    yield Figure(name=f"{name}: CPU per request", value=cpu_ms, unit="ms")


def waste(here: Path, *, n_samples: int = 640) -> Iterator[Figure]:
    """Requests that are made again after a kill half way; at most what was in flight."""
    with loopback() as (server, n_requests):
        suite = text_suite(here, n_samples)
        model = ["--base-url", server.base_url, "--set", f"concurrency={CONCURRENCY}"]
        command = [COMMAND, *asked("openai:m", suite, here / "killed", *model)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while n_requests() < n_samples // 2 and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        cost_of(command[1:])
        n_again = n_requests() - n_samples
    yield Figure(
        name=f"kill -9 half way, {CONCURRENCY} in flight: requests made again",
        value=n_again,
        unit="",
        target=CONCURRENCY,
    )


def measure(*, is_long: bool) -> list[Figure]:
    """All figures; each is told as soon as it is there."""
    sizes = (1_000, 20_000, 100_000) if is_long else (1_000, 20_000)
    figures: list[Figure] = []
    print("| engine | measured | target | |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as root:
        here = Path(root)
        for part in (start_up, overlap, served, waste, spoken, lambda place: written(place, sizes)):
            for figure in part(here):
                figures.append(figure)
                print(figure.row, flush=True)
    return figures


def main(*, is_long: bool = False) -> None:
    """Measure, print the table and keep the figures."""
    figures = measure(is_long=is_long)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([{**asdict(figure), "verdict": figure.verdict} for figure in figures], indent=1) + "\n")
    print(f"\nFigures: {OUT}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="with 100,000 samples")
    main(is_long=parser.parse_args().long)
