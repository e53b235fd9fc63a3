"""What benchmarks share: the cost of a process, a suite of tones; and what parts that every run passes cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.judges.guards import answer_failure
from aqaa_eval.metrics.uncertainty import mean_estimate
from aqaa_eval.tasks.suite import BUNDLED, bundled_suite

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""As users have it: a program that is compiled anew at each start says nothing of ours."""
COMMAND = str(Path(sys.executable).with_name("aqaa-eval"))
PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One process with its children: exit code, wall and CPU seconds, and the peak of its memory."""

    exit_code: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def cost_of(arguments: list[str], *, may_fail: bool = False, log: Path = Path(os.devnull)) -> Cost:
    """Run a process and account for it; what it says on stderr goes to the log.

    Raises:
        RuntimeError: it ended badly, and was not allowed to.
    """
    began = time.perf_counter()
    with log.open("wb") as told:
        process = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=told, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and not may_fail:
        raise RuntimeError(f"aqaa-eval {' '.join(arguments)} ended with exit code {process.returncode}")
    return Cost(
        exit_code=process.returncode,
        wall_s=time.perf_counter() - began,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
    )


def write_suite(folder: Path, *, n_samples: int) -> Path:
    """A suite of n conversations of one turn, each a 3 s WAV of its own at 16 kHz."""
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    t_s = np.arange(48_000) / 16_000
    with (folder / "samples.jsonl").open("w") as manifest:
        for number in range(n_samples):
            wave = 0.2 * np.sin(2 * np.pi * (150 + number % 200) * t_s) + 0.01 * rng.standard_normal(48_000)
            audio = Audio(samples=wave.astype(np.float32), sample_rate_hz=16_000)
            name = f"audio/s{number:05d}.wav"
            (folder / name).write_bytes(encode_audio(audio, container="WAV"))
            turn = {"audio": name, "text": "tone", "language": "en", "duration_s": 3.0}
            manifest.write(json.dumps({"id": f"s{number:05d}", "turns": [turn]}) + "\n")
    (folder / "card.yaml").write_text(
        "id: bench\ntitle: Bench\nmeasures: nothing\nlanguages: [en]\nweights: {content: 1.0}\n"
        "scoring: none\nlicence: Apache-2.0\nsource: made by the benchmark\nversion: '1'\n"
    )
    return folder


def best_cpu_ms(work: Callable[[], object], *, n: int = 9) -> float:
    """Least CPU milliseconds of n calls after one warm-up."""
    work()
    costs = []
    for _ in range(n):
        began = time.process_time()
        work()
        costs.append(time.process_time() - began)
    return min(costs) * 1e3


def parts() -> dict[str, float]:
    """CPU milliseconds of parts that every run passes."""
    tone = (0.3 * np.sin(np.arange(72_000) / 20)).astype(np.float32)
    audio = Audio(samples=tone, sample_rate_hz=24_000)
    values = {f"{number}": [1.0 + number % 5, 3.0] for number in range(200)}
    return {
        "load the nine suites": best_cpu_ms(lambda: [bundled_suite(name) for name in BUNDLED]),
        "interval of 200 conversations, 2,000 resamples": best_cpu_ms(lambda: mean_estimate(values, n_resamples=2000)),
        "find silence and clipping in 3 s": best_cpu_ms(lambda: answer_failure(audio), n=50),
    }


def main() -> None:
    """Print the table."""
    print("| part of the harness | CPU |")
    print("|---|---|")
    for name, cost_ms in parts().items():
        print(f"| {name} | {cost_ms:.2f} ms |")


if __name__ == "__main__":
    main()
