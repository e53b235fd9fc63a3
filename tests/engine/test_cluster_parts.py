"""What a cluster's workers do, without a cluster."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.errors import UsageError
from aqaa_eval.engine.audio_store import AudioStore
from aqaa_eval.engine.executors.bench import Bench, Passed, apply, begin
from aqaa_eval.engine.executors.ledger import Ledger, Taken
from aqaa_eval.engine.executors.resources import StageResources, parse_resources
from aqaa_eval.engine.pipeline import Pipeline
from aqaa_eval.engine.plan import make_plan
from aqaa_eval.engine.run import run, stages_of
from aqaa_eval.engine.store import Record
from aqaa_eval.engine.work import Work
from tests.engine.builders import CountingTranscriber, ToneSuite, Watcher, drive, dump, request


def record(step: str) -> Record:
    return Record(suite="s", sample="a", repeat=0, turn=0, step=step, maker="m", body=b"{}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", StageResources()),
        ("workers=4", StageResources(min_workers=4, max_workers=4)),
        ("gpus=0.5, workers=1-3,batch=8,cpus=0", StageResources(max_workers=3, gpus=0.5, cpus=0.0, batch=8)),
    ],
)
def test_resources_are_read(text: str, expected: StageResources) -> None:
    assert parse_resources(text, stage="judge") == expected


@pytest.mark.parametrize("text", ["workers=0", "workers=3-2", "gpus=1.5", "batch=0", "batch=1-2", "gpu=1", "workers"])
def test_resources_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_resources(text, stage="judge")


def test_the_ledger_gives_a_lost_workers_answers_to_the_next_one() -> None:
    ledger = Ledger()
    ledger.load([b"first", b"second"])
    assert ledger.take([0]) == [Taken(body=b"first")]
    mine, late = (record("generate"),), (record("ask"),)
    assert ledger.keep([(0, mine)]) == [mine]
    assert ledger.take([0]) == [Taken(body=b"first", answers=mine)]
    assert ledger.keep([(0, late)]) == [mine]  # the first answer counts
    assert ledger.collect() == [(0, mine)]
    assert ledger.collect() == []


def test_the_ledger_gives_nothing_that_is_done_and_begins_nothing_when_stopping() -> None:
    ledger = Ledger()
    ledger.load([b"first", b"second", b"third"])
    ledger.keep([(1, (record("generate"),))])
    ledger.forget([0])
    ledger.stop()
    assert [taken and taken.body for taken in ledger.take([0, 1, 2])] == [None, b"second", None]


def test_jobs_that_travel_through_three_workers_give_the_run_of_one_process(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=4)
    what = request(tmp_path / "one", fake.build("echo", {}), suite=suite, transcriber=CountingTranscriber())
    drive(what)
    far = replace(what, folder=type(what.folder)(tmp_path / "far"))

    class Travelling:
        def run(self, jobs, stages, *, done, stopping, size_of) -> None:  # type: ignore[no-untyped-def]
            passed = [begin(n, Taken(body=pickle.dumps(job)))[0] for n, job in enumerate(jobs)]
            for name in [stage.name for stage in stages]:
                passed = [pickle.loads(one.dump()) for one in apply(bench_of(name), passed)]
            last = len(stages) - 1
            done([(last, replace(one.without_sound().work, fresh=one.records)) for one in passed])

    def bench_of(name: str) -> Bench:
        audio = AudioStore(far.folder.audio)
        found = stages_of(Pipeline(spec=far.spec, tools=far.tools, audio=audio), far.tools)
        stage = next(stage for stage in found if stage.name == name)
        return Bench(identity="", stage=replace(stage, batch=3), sync=audio.sync, versions={})

    outcome = run(far, executor=Travelling(), progress=Watcher())
    assert outcome.n_finished == 4
    assert dump(tmp_path / "far") == dump(tmp_path / "one")


def test_answers_from_the_ledger_are_not_asked_again(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=1)
    what = request(tmp_path / "run", fake.build("echo", {}), suite=suite)
    what.folder.create()
    audio = AudioStore(what.folder.audio)
    stage = stages_of(Pipeline(spec=what.spec, tools=what.tools, audio=audio), what.tools)[0]
    bench = Bench(identity="", stage=stage, sync=audio.sync, versions={})
    work = Work(job=make_plan(what.spec, [suite])[0], stored={})
    first: Passed = apply(bench, [begin(0, Taken(body=pickle.dumps(work)))[0]])[0]
    again, has_answers = begin(0, Taken(body=pickle.dumps(work), answers=first.records))
    assert has_answers
    silent = request(tmp_path / "run", fake.build("failing", {"share": 1.0}), suite=suite)
    deaf = stages_of(Pipeline(spec=silent.spec, tools=silent.tools, audio=audio), silent.tools)[0]
    after = apply(replace(bench, stage=deaf), [again])[0]
    assert [turn.failure for turn in after.work.turns] == [None, None]
