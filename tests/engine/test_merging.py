from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.errors import DataError, NotComparable, UsageError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.shard import Shard, parse_shard
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.merging import merge_runs
from aqaa_eval.engine.plan import count_plan, make_plan
from aqaa_eval.engine.store import Store
from tests.engine.builders import LengthJudge, ToneSuite, drive, dump, request

N_SHARDS = 3


def run_shard(root: Path, number: int | None, *, name: str = "", judge: str = "length@1", seed: int = 0) -> RunFolder:
    suite = ToneSuite(folder=root / "data", n_samples=7, n_turns=1)
    spec = RunSpec(model="fake:echo", suites=("tones",), seed=seed)
    folder = root / (name or f"shard-{number}")
    what = request(folder, fake.build("echo", {}), suite=suite, judge=LengthJudge(identity=judge), spec=spec)
    if number is not None:
        shard = Shard(number=number, of=N_SHARDS)
        what = replace(what, manifest=replace(what.manifest, shard=shard))
    drive(what)
    return RunFolder(folder)


@pytest.fixture
def shards(tmp_path: Path) -> list[RunFolder]:
    return [run_shard(tmp_path, number) for number in range(1, N_SHARDS + 1)]


def test_shards_partition_the_plan_evenly_and_keep_repeats_together(tmp_path: Path) -> None:
    suites = [ToneSuite(folder=tmp_path, n_samples=7, n_turns=1), ToneSuite(folder=tmp_path, n_samples=4, id="more")]
    spec = RunSpec(model="m", repeats=2)
    parts = [make_plan(spec, suites, Shard(number=number, of=4)) for number in range(1, 5)]
    keys = [job.key for part in parts for job in part]
    assert len(keys) == len(set(keys)) == count_plan(spec, suites) == 22
    assert set(keys) == {job.key for job in make_plan(spec, suites)}
    assert sorted(map(len, parts)) == [4, 6, 6, 6]
    assert all({job.repeat for job in part if job.sample.key == "tones/t00"} in (set(), {0, 1}) for part in parts)


def test_merged_shards_are_the_run_that_was_never_divided(tmp_path: Path, shards: list[RunFolder]) -> None:
    whole, out = run_shard(tmp_path, None, name="whole"), RunFolder(tmp_path / "merged")
    merged = merge_runs(out, shards)
    assert (merged.missing, merged.unfinished, merged.duplicates) == ((), (), ())
    assert out.head.read_bytes() == whole.head.read_bytes()
    assert dump(out.path) == dump(whole.path)
    assert sorted(p.name for p in out.audio.iterdir()) == sorted(p.name for p in whole.audio.iterdir())


def test_a_missing_shard_is_named_and_can_be_added_later(tmp_path: Path, shards: list[RunFolder]) -> None:
    out = RunFolder(tmp_path / "merged")
    assert merge_runs(out, shards[:1] + shards[2:]).missing == ("2/3",)
    assert (len(load_run(out.path).attempts), load_run(out.path).n_planned) == (5, 7)
    merged = merge_runs(out, shards)
    assert (merged.missing, merged.duplicates) == ((), ())
    assert len(load_run(out.path).attempts) == 7


def test_a_shard_that_was_run_twice_alike_is_taken_once_and_told(tmp_path: Path, shards: list[RunFolder]) -> None:
    again = run_shard(tmp_path, 2, name="again")
    merged = merge_runs(RunFolder(tmp_path / "merged"), [*shards, again])
    assert merged.duplicates == ("tones/t01", "tones/t04")
    assert len(load_run(tmp_path / "merged").attempts) == 7


def test_differing_records_of_one_conversation_stop_the_merge_and_are_named(
    tmp_path: Path, shards: list[RunFolder]
) -> None:
    again = run_shard(tmp_path, 2, name="again")
    store = Store(again.database)
    record = next(r for r in store.of_job("tones", "t04", 0) if r.step == "judge")
    store.commit([replace(record, body=record.body.replace(b"length", b"width", 1))])
    store.close()
    with pytest.raises(DataError, match=r"1 conversations .*\n  tones/t04 of .*: judge"):
        merge_runs(RunFolder(tmp_path / "merged"), [*shards, again])
    assert not (tmp_path / "merged" / "run.json").exists()


def test_a_shard_that_is_not_done_is_named(tmp_path: Path, shards: list[RunFolder]) -> None:
    store = Store(shards[0].database)
    store._db.execute("DELETE FROM records WHERE sample = 't03'")
    store.close()
    assert merge_runs(RunFolder(tmp_path / "merged"), shards).unfinished == ("shard 1/3: 2 of 3",)


def test_shards_that_were_measured_otherwise_are_refused(tmp_path: Path, shards: list[RunFolder]) -> None:
    other = run_shard(tmp_path, 2, name="other", judge="length@2")
    with pytest.raises(NotComparable, match="judge: length@1 against length@2"):
        merge_runs(RunFolder(tmp_path / "merged"), [shards[0], other])


def test_shards_of_another_run_and_whole_runs_are_refused(tmp_path: Path, shards: list[RunFolder]) -> None:
    with pytest.raises(UsageError, match="seed 0 against 1"):
        merge_runs(RunFolder(tmp_path / "merged"), [shards[0], run_shard(tmp_path, 2, name="other", seed=1)])
    with pytest.raises(UsageError, match="holds a whole run"):
        merge_runs(RunFolder(tmp_path / "merged"), [run_shard(tmp_path, None, name="whole")])


def test_a_folder_is_not_continued_as_another_shard(tmp_path: Path, shards: list[RunFolder]) -> None:
    with pytest.raises(UsageError, match="holds shard 1/3, now shard 2/3"):
        run_shard(tmp_path, 2, name="shard-1")
    with pytest.raises(UsageError, match="holds shard 1/3, now the whole run"):
        run_shard(tmp_path, None, name="shard-1")


def test_alarms_of_the_judges_anchors_are_joined(tmp_path: Path, shards: list[RunFolder]) -> None:
    for shard, note in zip(shards, ("DRIFT by 1", "DRIFT by 2", "DRIFT by 1"), strict=True):
        line = f'{{"judge": "j", "levels": {{"a": 3.0}}, "notes": ["{note}"]}}\n'
        (shard.path / "anchors.jsonl").write_text(line)
    merge_runs(RunFolder(tmp_path / "merged"), shards)
    assert load_run(tmp_path / "merged").notes == ("DRIFT by 1", "DRIFT by 2")


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/1000000"])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        parse_shard(text)
