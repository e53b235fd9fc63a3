"""kill -9 and Ctrl-C at any moment: nothing that was done is lost, nothing is there twice, and the page is the same."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.engine.executors.local import DEPTH
from tests.engine.crashing import (
    N_SAMPLES,
    N_TURNS,
    Site,
    count_moments,
    in_a_child,
    killed,
    killed_by_the_clock,
)

N_QUESTIONS = N_SAMPLES * N_TURNS
ALL_RECORDS = {"ask": N_QUESTIONS, "generate": N_QUESTIONS, "transcribe": N_QUESTIONS, "judge": N_SAMPLES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, int]:
    """A run that nothing happened to, and the number of its moments."""
    site = Site(root=tmp_path_factory.mktemp("whole"))
    return site, count_moments(site)


def put_down(site: Site, kill: Callable[[Site], bool]) -> bool:
    """Kill a run once, and see that what it asks later is at most what was in flight. False if it ended before."""
    durable, n_before = site.answered(), len(site.asked)
    was_killed = kill(site)
    asked_now = site.asked[n_before:]
    assert not durable & set(asked_now)
    in_flight = set(asked_now) - site.answered()
    assert len(in_flight) <= site.concurrency + DEPTH
    return was_killed


def finish(site: Site, whole: Site) -> None:
    """End a run that was killed, and hold it against the one that was not."""
    durable, n_before = site.answered(), len(site.asked)
    site.drive()
    asked_now = site.asked[n_before:]
    assert len(asked_now) == N_QUESTIONS - len(durable)
    assert not durable & set(asked_now)
    assert site.counts() == ALL_RECORDS
    assert site.told() == whole.told()


def kill_again_and_again(
    root: Path, whole: Site, *, n_kills: int, concurrency: int, kill: Callable[[Site], bool]
) -> None:
    """Kill runs until they were killed so often; one that ends is held against the whole one, and a new one begins."""
    n_killed, number = 0, 0
    site = Site(root=root / "0", concurrency=concurrency)
    site.root.mkdir()
    while n_killed < n_kills:
        if put_down(site, kill):
            n_killed += 1
            continue
        finish(site, whole)
        number += 1
        site = Site(root=root / str(number), concurrency=concurrency)
        site.root.mkdir()
    finish(site, whole)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_kill_9_at_three_moments_changes_nothing(tmp_path: Path, whole: tuple[Site, int], concurrency: int) -> None:
    draw, (site, n_moments) = random.Random(concurrency), whole
    kill_again_and_again(
        tmp_path,
        site,
        n_kills=3,
        concurrency=concurrency,
        kill=lambda site: killed(site, at=draw.randint(1, n_moments // 3)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 4])
def test_kill_9_at_fifty_moments_of_every_kind_changes_nothing(
    tmp_path: Path, whole: tuple[Site, int], concurrency: int
) -> None:
    draw, (site, n_moments) = random.Random(50 + concurrency), whole
    kill_again_and_again(
        tmp_path,
        site,
        n_kills=50,
        concurrency=concurrency,
        kill=lambda site: killed(site, at=draw.randint(1, n_moments // 2)),
    )


@pytest.mark.slow
def test_kill_9_at_fifty_times_of_the_clock_changes_nothing(tmp_path: Path, whole: tuple[Site, int]) -> None:
    draw = random.Random(7)
    kill_again_and_again(
        tmp_path,
        whole[0],
        n_kills=50,
        concurrency=2,
        kill=lambda site: killed_by_the_clock(site, after_s=draw.uniform(0.0, 0.25)),
    )


def test_a_long_run_that_is_killed_repeats_at_most_what_was_in_flight(tmp_path: Path) -> None:
    """In flight is what was asked and is not committed yet: what is being answered, and as much that was just answered.

    Dozens of questions go by before each kill, so a run that committed seldom would repeat far more than that. The
    judge is one thread: one sample in its hands, and those that it has just let go.
    """
    draw = random.Random(3)
    site = Site(root=tmp_path, concurrency=4, n_samples=200, n_turns=1)
    n_kills = 2
    for _ in range(n_kills):
        assert killed_by_the_clock(site, after_s=draw.uniform(0.6, 0.9), delay_s=0.04, chain_s=0.003)
    site.drive(delay_s=0.0)
    assert {step: n for step, n in site.counts().items() if step != "transcribe"} == dict.fromkeys(
        ("ask", "generate", "judge"), site.n_samples
    )  # one of the tones is silent to any ear
    assert len(site.asked) - site.n_samples <= n_kills * 2 * site.concurrency
    assert len(site.judged) - site.n_samples <= n_kills * 4


def _interrupt(site: Site, *, times: int) -> Callable[[int], None]:
    """Ctrl-C as soon as every place of the model is taken."""

    def strike(pid: int) -> None:
        until_s = time.monotonic() + 60
        while len(site.asked) < site.concurrency and time.monotonic() < until_s:
            time.sleep(0.01)
        for _ in range(times):
            os.kill(pid, signal.SIGINT)
            time.sleep(0.1)  # two that come at once are one to the system

    return strike


def test_ctrl_c_once_finishes_what_is_in_flight_and_begins_nothing(tmp_path: Path, whole: tuple[Site, int]) -> None:
    site = Site(root=tmp_path, concurrency=2)
    code = in_a_child(lambda: 10 + site.drive(delay_s=0.3).interrupted, meanwhile=_interrupt(site, times=1))
    assert code == 11
    asked = {key.partition("#")[0] for key in site.asked}
    assert 2 <= len(asked) < N_SAMPLES
    assert site.answered() == {f"{key}#{turn}" for key in asked for turn in range(N_TURNS)}
    assert site.counts()["judge"] == len(asked)
    finish(site, whole[0])


def test_ctrl_c_twice_stops_now(tmp_path: Path, whole: tuple[Site, int]) -> None:
    site = Site(root=tmp_path)
    code = in_a_child(lambda: 10 + site.drive(delay_s=600.0).interrupted, meanwhile=_interrupt(site, times=2))
    assert code == 130
    finish(site, whole[0])
