"""Runs on real Ray clusters of this machine; skipped where Ray is not installed.

What the driver and the workers do is tested without a cluster in tests/engine/test_ray_driver.py.
Ray is used in other processes only: it warns of itself, and here warnings are errors.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is an extra: aqaa-eval[ray]"),
]

ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_failure_threshold": "10",
    # On a machine that does other things, too, a node takes longer to start than Ray likes.
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_agent_register_timeout_ms": "600000",
}
FAST = ("--asr", "none", "--speech-mos", "none", "--quiet")
SMALL = ("--generate", "cpus=0.3,workers=2,batch=1", "--judging", "cpus=0.2,workers=1-2")
STARTED_S = 600.0


def aqaa(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("aqaa-eval")), *map(str, arguments)]


def ray_start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *arguments]
    return subprocess.Popen(
        [*command, "--object-store-memory=200000000"],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def descendants(pid: int) -> list[int]:
    """The processes below one, the lowest first: a machine that loses power takes them all."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return [one for child in children.get(pid, []) for one in (*descendants(child), child)]


def kill_machine(node: subprocess.Popen[bytes]) -> None:
    for pid in [node.pid, *descendants(node.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    node.wait()


@pytest.fixture
def cluster() -> Iterator[tuple[str, Callable[[], subprocess.Popen[bytes]]]]:
    """A head node, and a way to add others; all end with the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    nodes = [ray_start("--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false")]
    wait_for_nodes(address, 1)

    def add() -> subprocess.Popen[bytes]:
        # An address of its own: of two nodes at one address the driver takes either for its own, and dies with it.
        nodes.append(ray_start(f"--address={address}", f"--node-ip-address=127.0.0.{len(nodes) + 1}"))
        wait_for_nodes(address, len(nodes))
        return nodes[-1]

    yield address, add
    for node in reversed(nodes):
        kill_machine(node)


def wait_for_nodes(address: str, n: int) -> None:
    code = f"import ray; ray.init({address!r}, log_to_driver=False); print(sum(x['Alive'] for x in ray.nodes()))"
    until_s = time.monotonic() + STARTED_S
    while time.monotonic() < until_s:
        done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
        if done.stdout.strip() == str(n):
            return
        time.sleep(1.0)
    raise TimeoutError(f"no {n} nodes at {address}: {done.stderr[-500:]}")


def n_records(folder: Path, step: str) -> int:
    if not (folder / "run.sqlite").exists():
        return 0
    store = Store(folder / "run.sqlite", read_only=True)
    try:
        return sum(record.step == step for record in store.all())
    except DataError:  # the run has only just made the file
        return 0
    finally:
        store.close()


def wait_for_answers(folder: Path, n: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + STARTED_S
    while n_records(folder, "generate") < n:
        assert process.poll() is None, "the run ended before it could be disturbed"
        assert time.monotonic() < until_s
        time.sleep(0.2)


def scores_of(folder: Path) -> list[object]:
    return [(one.key, [(s.metric, s.value, s.reason) for s in one.scores]) for one in load_run(folder).attempts]


def test_a_run_on_ray_is_the_run_of_one_process(tmp_path: Path) -> None:
    what = ("run", "--model", "fake:echo", "--suite", "gaming", "--limit", 3, *FAST)
    subprocess.run(aqaa(*what, "--out", tmp_path / "local"), check=True, env=ENVIRONMENT)
    ray = ("--executor", "ray", "--audio-store", tmp_path / "sound", *SMALL)
    subprocess.run(aqaa(*what, *ray, "--out", tmp_path / "ray"), check=True, env=ENVIRONMENT, timeout=STARTED_S)
    assert scores_of(tmp_path / "ray") == scores_of(tmp_path / "local")
    assert len(list((tmp_path / "sound").iterdir())) == len(list((tmp_path / "local" / "audio").iterdir()))


def compared(tmp_path: Path, address: str, *more: object) -> tuple[list[str], int]:
    """Do the run in one process; the command of the same run on a cluster, and how many questions it asks."""
    what = ("run", "--model", "fake:slow", "--set", "delay_s=0.15", "--suite", "mini", *more, *FAST)
    subprocess.run(aqaa(*what, "--out", tmp_path / "local"), check=True, env=ENVIRONMENT)
    command = aqaa(*what, "--executor", "ray", "--ray-address", address, *SMALL, "--out", tmp_path / "ray")
    return command, n_records(tmp_path / "local", "generate")


def test_the_whole_of_mini_loses_nothing_when_a_node_is_killed_half_way(tmp_path: Path, cluster) -> None:
    address, add = cluster
    second = add()
    command, n_questions = compared(tmp_path, address)
    process = subprocess.Popen(command, env=ENVIRONMENT)
    wait_for_answers(tmp_path / "ray", n_questions // 2, process)
    kill_machine(second)
    assert process.wait(STARTED_S) == 0
    assert n_records(tmp_path / "ray", "generate") == n_questions
    assert scores_of(tmp_path / "ray") == scores_of(tmp_path / "local")
    assert len(load_run(tmp_path / "ray").attempts) == 233


def test_the_same_command_goes_on_when_the_driver_is_killed_half_way(tmp_path: Path, cluster) -> None:
    address, _add = cluster
    command, n_questions = compared(tmp_path, address, "--limit", 5)
    first = subprocess.Popen(command, env=ENVIRONMENT)
    wait_for_answers(tmp_path / "ray", n_questions // 2, first)
    first.kill()
    first.wait()
    assert n_questions // 2 <= n_records(tmp_path / "ray", "generate") < n_questions

    subprocess.run(command, env=ENVIRONMENT, timeout=STARTED_S, check=True)
    assert scores_of(tmp_path / "ray") == scores_of(tmp_path / "local")
    head = json.loads((tmp_path / "ray" / "run.json").read_text())
    assert head["n_planned"] == len(load_run(tmp_path / "ray").attempts)
