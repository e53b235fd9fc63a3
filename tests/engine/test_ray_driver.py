"""The driver's side of a run on Ray. Ray is an extra, so here a module of ten lines stands in for it; see also
tests/cli/test_ray.py, which starts clusters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.errors import ModelError, UsageError
from aqaa_eval.engine.audio_store import AudioStore
from aqaa_eval.engine.executors import ray_data
from aqaa_eval.engine.executors.bench import Bench
from aqaa_eval.engine.executors.ledger import Ledger
from aqaa_eval.engine.executors.ray_data import ClusterSettings, Identified, RayExecutor
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.pipeline import Pipeline
from aqaa_eval.engine.run import RunRequest, run, stages_of
from tests.engine.builders import CountingTranscriber, ToneSuite, Watcher, drive, dump, request


class Handle:
    """An actor of this process: calls happen at once."""

    def __init__(self, actor: object) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._actor, name))


@dataclass
class Rows:
    """A data set whose pools are one worker each; `lose` is told of every batch before its outcome is handed on."""

    executor: RayExecutor
    names: Sequence[str]
    ledger: Any
    n_jobs: int
    lose: Callable[[str, int], bool]

    def iter_batches(self, **_: object) -> Iterator[dict[str, Any]]:
        made = self.executor
        workers = [
            ray_data._Worker(
                made._workshop, name, made._known[name].identity, None if place else self.ledger, name == self.names[-1]
            )
            for place, name in enumerate(self.names)
        ]
        for number in range(self.n_jobs):
            batch: dict[str, Any] = {"id": np.array([number])}
            for worker, name in zip(workers, self.names, strict=True):
                out = worker(batch)
                while self.lose(name, number):  # a worker dies before its outcome was taken: the task runs again
                    out = worker(batch)
                batch = out
            yield batch


@pytest.fixture
def on_ray(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watcher]:
    """Run a request through the Ray executor."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda value: value))

    def start(window: Sequence[Any]) -> Handle:
        ledger = Ledger()
        ledger.load([ray_data.pickle.dumps(work) for work in window])
        return Handle(ledger)

    monkeypatch.setattr(ray_data, "_start_ledger", start)

    def call(what: RunRequest, *, lose: Callable[[str, int], bool] = lambda _name, _number: False) -> Watcher:
        def workshop(name: str) -> Bench:
            audio = AudioStore(what.folder.audio)
            stages = stages_of(Pipeline(spec=what.spec, tools=what.tools, audio=audio), what.tools)
            stage = next(stage for stage in stages if stage.name == name)
            return Bench(identity=f"{name}@1", stage=stage, sync=audio.sync, versions={})

        known = {n: Identified(identity=f"{n}@1", versions={}, likes=1) for n in ("generate", "transcribe", "judge")}
        executor = RayExecutor(workshop, ClusterSettings(), known)
        monkeypatch.setattr(executor, "pipeline", lambda names, ledger, n: Rows(executor, names, ledger, n, lose))
        watcher = Watcher()
        run(what, executor=executor, progress=watcher)
        return watcher

    return call


def echo(folder: Path, name: str, model: Any = None) -> RunRequest:
    suite = ToneSuite(folder=folder / "data", n_samples=4)
    return request(folder / name, model or fake.build("echo", {}), suite=suite, transcriber=CountingTranscriber())


def test_a_run_on_ray_is_the_run_of_one_process_and_tells_every_stage(tmp_path: Path, on_ray) -> None:
    drive(echo(tmp_path, "here"))
    watcher = on_ray(echo(tmp_path, "there"))
    assert dump(tmp_path / "there") == dump(tmp_path / "here")
    assert sorted(watcher.stages) == ["generate"] * 4 + ["judge"] * 4 + ["transcribe"] * 4


def test_windows_follow_each_other(tmp_path: Path, on_ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_data, "WINDOW", 3)
    on_ray(echo(tmp_path, "run"))
    assert len(load_run(tmp_path / "run").attempts) == 4


def test_a_worker_that_is_lost_costs_no_answer_that_was_left_with_the_ledger(tmp_path: Path, on_ray) -> None:
    asked: list[str] = []

    class Counting:
        identity = "counting@1"

        def answer(self, query: Any) -> Any:
            asked.append(query.key)
            return fake.build("echo", {}).answer(query)

    lost: set[tuple[str, int]] = set()

    def lose(name: str, number: int) -> bool:
        is_new = number == 2 and (name, number) not in lost
        lost.add((name, number))
        return is_new

    on_ray(echo(tmp_path, "run", Counting()), lose=lose)
    assert ("generate", 2) in lost
    assert len(asked) == len(set(asked)) == 8
    assert all(attempt.scores for attempt in load_run(tmp_path / "run").attempts)


def test_answers_are_kept_if_the_pipeline_breaks_and_the_same_command_goes_on(tmp_path: Path, on_ray) -> None:
    def breaking(name: str, number: int) -> bool:
        if (name, number) == ("transcribe", 2):
            raise RuntimeError("the node is gone")
        return False

    with pytest.raises(RuntimeError, match="the node is gone"):
        on_ray(echo(tmp_path, "run"), lose=breaking)
    broken = load_run(tmp_path / "run").attempts
    assert [bool(attempt.scores) for attempt in broken] == [True, True, False]
    assert broken[2].turns[0].audio
    on_ray(echo(tmp_path, "run"))
    drive(echo(tmp_path, "here"))
    assert dump(tmp_path / "run") == dump(tmp_path / "here")


def test_a_worker_with_another_tool_is_refused(tmp_path: Path, on_ray) -> None:
    def workshop(_name: str) -> Bench:
        return replace(ray_data_bench, identity="other@1")

    ray_data_bench = Bench(identity="", stage=None, sync=lambda: None, versions={})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"one worker has model@1, another other@1"):
        ray_data._Worker(workshop, "generate", "model@1", None, False)


def test_our_own_error_behind_rays_is_the_one_that_is_told() -> None:
    wrapped = RuntimeError("ray")
    wrapped.cause = UsageError("no such weights")  # type: ignore[attr-defined]
    assert ray_data._own(wrapped) is wrapped.cause  # type: ignore[attr-defined]
    foreign = type("ActorDiedError", (Exception,), {"__module__": "ray.exceptions"})
    told = ray_data._own(foreign("a\ntraceback\naqaa_eval.core.errors.UsageError: no such weights"))
    assert isinstance(told, ModelError)
    assert str(told) == "the pipeline on Ray stopped: no such weights"
