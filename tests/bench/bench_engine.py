"""What the engine costs: `python -m tests.bench.bench_engine [--long] [PART ...]`, into runs/bench/engine.json.

CPU seconds are those of whole `aqaa-eval` processes, report included, and do not depend much on what else the machine
does; wall seconds do. Start-up has rows of its own; what a sample costs is told with it and without. Without parts all
are measured; a part keeps the other parts' figures of before. `--long` adds 100,000 samples, some minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
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
from aqaa_eval.testing.judge_server import JudgeScript, JudgeServer
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
        yield Figure(name=f"{name}, wall", value=statistics.median(c.wall_s for c in costs), unit="s", target=target)
        yield Figure(name=f"{name}, CPU", value=min(cost.cpu_s for cost in costs), unit="s")


def written(here: Path, sizes: Sequence[int]) -> Iterator[Figure]:
    """A model without latency and written questions: what a sample costs, and whether it costs more among many."""
    alone = _least(here, 1)
    marginal_ms: dict[int, float] = {}
    for n in sizes:
        cost, name, out = _least(here, n), f"{n:,} written questions", here / f"text{n}-0"
        marginal_ms[n] = (cost.cpu_s - alone.cpu_s) / n * 1e3
        n_bytes = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        yield Figure(name=f"{name}: CPU per sample", value=marginal_ms[n], unit="ms", target=0.4)
        yield Figure(name=f"{name}: CPU per sample with start-up", value=cost.cpu_s / n * 1e3, unit="ms")
        yield Figure(name=f"{name}: samples/s of wall time", value=n / cost.wall_s, unit="/s")
        yield Figure(name=f"{name}: peak memory", value=cost.peak_mib, unit="MiB", target=130 + n * 5 / 1024)
        yield Figure(name=f"{name}: written per sample", value=n_bytes / n / 1024, unit="KiB")
        if n > min(sizes):
            growth = marginal_ms[n] / marginal_ms[min(sizes)]
            yield Figure(
                name=f"cost per sample at {n:,} over that at {min(sizes):,}", value=growth, unit="", target=1.1
            )


def _least(here: Path, n: int) -> Cost:
    """The cheapest of three runs on n questions, or one run of very many: a difference of costs needs both so."""
    suite, n_runs = text_suite(here, n), 3 if n <= 20_000 else 1
    costs = [cost_of(asked("fake:echo", suite, here / f"text{n}-{turn}")) for turn in range(n_runs)]
    return min(costs, key=lambda cost: cost.cpu_s)


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
    """Requests that are made again after a kill half way; at most what was in flight, at the model and at the judge.

    A conversation is judged by two verdicts, which are asked for at once.
    """
    with loopback() as (server, _), JudgeServer(JudgeScript(latency_s=STAGE_S)) as judge:
        suite = text_suite(here, n_samples)
        n_asked, n_judged = _whole_run(here, suite, server, judge)
        n_before = server.n_requests + judge.n_requests
        command = [COMMAND, *_judged(suite, here / "killed", server, judge)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.n_requests + judge.n_requests - n_before < (n_asked + n_judged) // 2 and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        cost_of(command[1:])
        n_again = server.n_requests + judge.n_requests - n_before - n_asked - n_judged
    yield Figure(
        name=f"kill -9 half way, {CONCURRENCY} in flight at the model, {2 * CONCURRENCY} at the judge: requests again",
        value=n_again,
        unit="",
        target=3 * CONCURRENCY,
    )


def _judged(suite: Path, out: Path, server: ScriptedServer, judge: ScriptedServer) -> list[str]:
    """Arguments of a run that is judged by a language model, too."""
    places = ["--base-url", server.base_url, "--judge", "openai:j", "--judge-url", judge.base_url]
    width = ["--set", f"concurrency={CONCURRENCY}", "--judge-set", f"concurrency={CONCURRENCY}"]
    return asked("openai:m", suite, out, *places, *width, "--judge-set", "acoustics=false")


def _whole_run(here: Path, suite: Path, server: ScriptedServer, judge: ScriptedServer) -> tuple[int, int]:
    """How many requests a run makes that nothing happens to: to the model, and to the judge."""
    cost_of(_judged(suite, here / "whole", server, judge))
    return server.n_requests, judge.n_requests


def reports(here: Path) -> Iterator[Figure]:
    """The page of 10,000 conversations, and a leaderboard of three such runs."""
    suite, folders = text_suite(here, 10_000), [here / f"board{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        cost_of(asked("fake:echo", suite, folder, "--seed", str(number)))
    page = cost_of(["report", str(folders[0])])
    yield Figure(name="report of 10,000 conversations, wall", value=page.wall_s, unit="s", target=20.0)
    named = [f"model{number}={folder}" for number, folder in enumerate(folders)]
    board = cost_of(["leaderboard", "build", *named, "--out", str(here / "site")])
    yield Figure(name="leaderboard of three runs of 10,000 conversations, wall", value=board.wall_s, unit="s")


def clusters(here: Path, *, n_samples: int = 40) -> Iterator[Figure]:
    """Ray against one process, two workers each, with a model that takes 200 ms; nothing where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        return
    suite = str(write_suite(here / "ray", n_samples=n_samples))
    run = ["run", "--model", "fake:slow", "--set", "delay_s=0.2", "--suite", suite, *PLAIN, "--out"]
    local = cost_of([*run, str(here / "on-one")])
    two = ["--generate", "cpus=0.5,workers=2,batch=1", "--judging", "cpus=0.25,workers=1"]
    ray = cost_of([*run, str(here / "on-ray"), "--executor", "ray", *two])
    yield Figure(name=f"{n_samples} answers of 200 ms, one process, one at a time: wall", value=local.wall_s, unit="s")
    yield Figure(
        name=f"{n_samples} answers of 200 ms, Ray, two workers, cluster start-up: wall", value=ray.wall_s, unit="s"
    )


PARTS = ("start_up", "overlap", "served", "waste", "spoken", "written", "reports", "clusters")


def measure(parts: Sequence[str], *, is_long: bool) -> dict[str, list[Figure]]:
    """The figures of the parts; each is told as soon as it is there."""
    sizes = (1_000, 10_000, 20_000, 100_000) if is_long else (1_000, 10_000, 20_000)
    measures: dict[str, Callable[[Path], Iterator[Figure]]] = {
        "start_up": start_up,
        "overlap": overlap,
        "served": served,
        "waste": waste,
        "spoken": spoken,
        "written": lambda place: written(place, sizes),
        "reports": reports,
        "clusters": clusters,
    }
    found: dict[str, list[Figure]] = {}
    print("| engine | measured | target | |\n|---|---|---|---|", flush=True)
    for part in parts:
        found[part] = []
        with tempfile.TemporaryDirectory() as root:
            for figure in measures[part](Path(root)):
                found[part].append(figure)
                print(figure.row, flush=True)
    return found


def main(parts: Sequence[str] = PARTS, *, is_long: bool = False) -> None:
    """Measure, print the table and keep the figures."""
    found = measure(parts, is_long=is_long)
    kept = json.loads(OUT.read_text()) if OUT.is_file() else {}
    told = {part: [{**asdict(one), "verdict": one.verdict} for one in figures] for part, figures in found.items()}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(kept | told, indent=1) + "\n")
    print(f"\nFigures: {OUT}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="with 100,000 samples")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if none is named")
    given = parser.parse_args()
    main(given.parts or PARTS, is_long=given.long)
