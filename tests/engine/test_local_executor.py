"""Stages as threads: every job passes every stage once, some of them several at a time, within a bound of bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from aqaa_eval.core.protocols import Stage
from aqaa_eval.engine.executors.local import LocalExecutor


def stage(work: Callable[[int], int], **settings: int) -> Stage[int]:
    return Stage(name="stage", work=lambda jobs: [work(job) for job in jobs], **settings)


def run(n_jobs: int, *stages: Stage[int], **settings: object) -> list[tuple[int, int]]:
    outcomes: list[tuple[int, int]] = []

    def done(batch: Sequence[tuple[int, int]]) -> None:
        outcomes.extend(batch)

    LocalExecutor[int]().run(range(n_jobs), stages, done=done, **settings)  # type: ignore[arg-type]
    return outcomes


@pytest.mark.parametrize("widths", [(1, 1), (1, 7), (3, 2)])
@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_every_job_passes_every_stage_once(widths: tuple[int, int], batch: int) -> None:
    outcomes = run(100, *(stage(lambda job: job + 1000, width=width, batch=batch) for width in widths))
    assert sorted(outcomes) == [(0, n + 1000) for n in range(100)] + [(1, n + 2000) for n in range(100)]


@pytest.mark.parametrize("n_jobs", [0, 1])
def test_nothing_and_one_job_are_runs_too(n_jobs: int) -> None:
    assert run(n_jobs, stage(lambda job: job)) == [(0, n) for n in range(n_jobs)]


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

    run(40, stage(waits, width=5))
    assert 2 <= most[0] <= 5


def test_a_stage_that_likes_batches_gets_what_waits_and_never_more() -> None:
    sizes: list[int] = []

    def work(jobs: Sequence[int]) -> Sequence[int]:
        sizes.append(len(jobs))
        time.sleep(0.02)
        return jobs

    run(40, stage(lambda job: job), Stage(name="batched", work=work, batch=8))
    assert sum(sizes) == 40
    assert max(sizes) == 8


def test_a_stage_of_one_keeps_the_order() -> None:
    assert run(50, stage(lambda job: job)) == [(0, n) for n in range(50)]


def test_stages_overlap() -> None:
    inside, seen = [0, 0], []

    def works_in(number: int) -> Callable[[int], int]:
        def work(job: int) -> int:
            inside[number] = 1
            seen.append(tuple(inside))
            time.sleep(0.01)
            inside[number] = 0
            return job

        return work

    run(20, stage(works_in(0)), stage(works_in(1)))
    assert (1, 1) in seen


def test_jobs_in_flight_hold_no_more_bytes_than_there_is_room_for() -> None:
    lock, alive, most = threading.Lock(), [0], [0]

    def made(job: int) -> int:
        with lock:
            alive[0] += 10
            most[0] = max(most[0], alive[0])
        return job

    def slow(job: int) -> int:
        time.sleep(0.002)
        return job

    def done(batch: Sequence[tuple[int, int]]) -> None:
        with lock:
            alive[0] -= 10 * sum(number == 1 for number, _ in batch)

    executor = LocalExecutor[int](room_bytes=45)
    executor.run(range(60), [stage(made), stage(slow)], done=done, size_of=lambda _job: 10)
    assert alive[0] == 0
    assert most[0] == 40


def test_a_job_that_is_larger_than_all_the_room_goes_alone() -> None:
    done: list[int] = []
    executor = LocalExecutor[int](room_bytes=5)
    executor.run(
        range(5),
        [stage(lambda job: job, width=3), stage(lambda job: job)],
        done=lambda batch: done.extend(job for number, job in batch if number == 1),
        size_of=lambda _job: 1000,
    )
    assert sorted(done) == list(range(5))


def test_after_a_stop_what_has_begun_is_finished_and_nothing_else_begins() -> None:
    begun: list[int] = []
    stopped = threading.Event()

    def work(job: int) -> int:
        begun.append(job)
        if len(begun) == 3:
            stopped.set()
        time.sleep(0.005)
        return job

    outcomes = run(100, stage(work, width=2), stage(lambda job: job), stopping=stopped.is_set)
    assert 3 <= len(begun) <= 4
    assert sorted(job for number, job in outcomes if number == 1) == sorted(begun)


def test_the_threads_of_a_wide_stage_end_with_the_run() -> None:
    before = threading.active_count()
    run(20, stage(lambda job: job, width=8))
    deadline_s = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_what_a_stage_raises_ends_the_run_and_its_threads() -> None:
    def breaks(job: int) -> int:
        if job == 3:
            raise RuntimeError("out of cheese")
        return job

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of cheese"):
        run(2000, stage(lambda job: job), stage(breaks, width=4), stage(lambda job: job))
    deadline_s = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert threading.active_count() <= before
