"""What the report of 10,000 attempts costs: rendering, memory, and opening it in Chromium."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aqaa_eval.core.attempt import Score
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.reports.published import CAPABILITIES
from tests.reports.builders import QUESTIONS, answered, attempt, check, question, run_log, score

N_ATTEMPTS = 10_000
N_TURNS = 2
OWN = "Certainly. First I would ask for the day and the hour, then for a name, and last whether anyone eats no meat."
HEARD = "Certainly, first I would ask for the day and the our, then for a name and last whether anyone eats no meat."


def long_log(folder: Path, *, n_attempts: int = N_ATTEMPTS) -> RunLog:
    """A run of two turns each, judged on every metric, whose sound is elsewhere."""
    suites = list(CAPABILITIES)
    attempts = [_attempt(suites[number % len(suites)], number) for number in range(n_attempts)]
    return run_log(folder, attempts)


def _attempt(suite: str, number: int) -> AttemptLog:
    asked = question(QUESTIONS[number % len(QUESTIONS)], audio=f"q{number % 200}.flac", rubric="Asks for three things.")
    turns = [
        answered(asked=asked, audio=f"a{number}-{turn}.flac", text=OWN, heard=HEARD, duration_s=8.0)
        for turn in range(N_TURNS)
    ]
    return attempt(suite, f"s{number:05d}", _scores(number), turns=turns)


def _scores(number: int) -> list[Score]:
    level = 1 + number * 7 % 9 / 2
    evidence = tuple(check(f"asks_for(thing={index})", number % 3 > 0, turn=index % N_TURNS) for index in range(4))
    whole = [score(metric, level, evidence=evidence) for metric in ("mos", "content", "delivery", "disagreement")]
    names = ("speech", "noise", "pitch_hz", "rate_syllables_per_s", "level_dbfs", "pause_share")
    turned = [score(name, level + turn / 10, turn=turn) for turn in range(N_TURNS) for name in names]
    return [*whole, *turned, *(score("fidelity", 0.04, turn=turn, weight=22) for turn in range(N_TURNS))]


def render(folder: Path) -> None:
    """Render, and print seconds and the peak of this process's memory with the log and without."""
    log = long_log(folder)
    with_log_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    from aqaa_eval.reports.html import write_report

    began, cpu = time.perf_counter(), time.process_time()
    page = write_report(log)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(wall_s, cpu_s, with_log_mib, peak_mib, page.stat().st_size / 1e6)


def opening_s(page: Path, *, n: int = 3) -> tuple[float, float]:
    """Median seconds until the list answers, and from a choice in the filter to the list that it gives."""
    from playwright.sync_api import sync_playwright

    from tests.chromium import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        times = [_visit(browser, page) for _ in range(n)]
        browser.close()
    return statistics.median(opened for opened, _ in times), statistics.median(chosen for _, chosen in times)


def _visit(browser: Any, file: Path) -> tuple[float, float]:
    page = browser.new_page()
    began = time.perf_counter()
    page.goto(file.as_uri())
    page.locator("details.item").nth(49).wait_for(state="attached")
    opened_s = time.perf_counter() - began
    began = time.perf_counter()
    page.locator("#filters select[name=suite]").select_option("singing")
    page.get_by_text("of 10,000 shown").wait_for()
    chosen_s = time.perf_counter() - began
    page.close()
    return opened_s, chosen_s


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as root:
        here = Path(root)
        command = [sys.executable, "-m", "tests.bench.bench_report", str(here)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        wall_s, cpu_s, with_log_mib, peak_mib, size_mb = map(float, told.split())
        first = (here / "report.html").read_bytes()
        subprocess.run(command, check=True, capture_output=True)
        same = (here / "report.html").read_bytes() == first
        opened_s, chosen_s = opening_s(here / "report.html")
    print("| report of 10,000 attempts of two turns, sound not embedded | measured | target |")
    print("|---|---|---|")
    print(f"| rendered in, wall (CPU) | {wall_s:.1f} s ({cpu_s:.1f} s) | 20 s |")
    print(
        f"| peak memory, of which the log before rendering | {peak_mib:.0f} MiB, {with_log_mib:.0f} MiB | 1,024 MiB |"
    )
    print(f"| size of the page | {size_mb:.1f} MB | |")
    print(f"| rendered twice, the same bytes | {'yes' if same else 'no'} | yes |")
    print(f"| open and interactive in Chromium, median of 3 | {opened_s:.2f} s | 3 s |")
    print(f"| from a choice in the filter to its list | {chosen_s:.2f} s | |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        render(Path(sys.argv[1]))
    else:
        main()
