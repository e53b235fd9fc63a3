"""Stages as threads: every job passes every stage once, some of them several at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from aqaa_eval.engine.executors.local import LocalExecutor


def run(n_jobs: int, stages: list[object], widths: list[int] | None) -> list[tuple[int, int]]:
    outcomes: list[tuple[int, int]] = []

    def done(batch: Sequence[tuple[int, int]]) -> None:
        outcomes.extend(batch)

    LocalExecutor[int]().run(range(n_jobs), stages, done=done, stopping=lambda: False, widths=widths)  # type: ignore[arg-type]
    return outcomes


@pytest.mark.parametrize("widths", [None, [1, 1], [1, 7], [3, 2]])
def test_every_job_passes_every_stage_once(widths: list[int] | None) -> None:
    outcomes = run(100, [lambda job: job + 1000, lambda job: job + 1000], widths)
    assert sorted(outcomes) == [(0, n + 1000) for n in range(100)] + [(1, n + 2000) for n in range(100)]


def test_a_wide_stage_takes_that_many_jobs_at_once_and_no_more() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def waits(job: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return job

    run(40, [waits], [5])
    assert 2 <= most[0] <= 5


def test_without_widths_a_stage_keeps_the_order() -> None:
    outcomes = run(50, [lambda job: job], None)
    assert outcomes == [(0, n) for n in range(50)]


def test_the_threads_of_a_wide_stage_end_with_the_run() -> None:
    before = threading.active_count()
    run(20, [lambda job: job], [8])
    deadline_s = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_what_a_stage_raises_ends_the_run_and_its_threads() -> None:
    def breaks(job: int) -> int:
        if job == 3:
            raise RuntimeError("out of cheese")
        return job

    with pytest.raises(RuntimeError, match="out of cheese"):
        run(20, [breaks], [4])
