"""Shards of a run joined into one run folder, equal to that of the run that was never divided.

Records and sound are taken over; what judges were paid for (`verdicts.sqlite`) stays with the shards. The same shard
may lie in several folders, such as one that was begun on a machine that died: what they hold alike is taken once, and
where they differ nothing is joined. `run.json` is written last, so a merge that was stopped is no run yet and can be
repeated.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

from aqaa_eval.core.chain import chain_differences
from aqaa_eval.core.errors import DataError, NotComparable, UsageError
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.runlog import Manifest, RunLog
from aqaa_eval.core.shard import Shard
from aqaa_eval.engine.folder import ANSWER_FIELDS, RunFolder
from aqaa_eval.engine.run import makers_of
from aqaa_eval.engine.store import WHOLE, Record, Store

N_TOLD = 10
_BATCH = 500
"""Conversations per transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What became of a merge.

    Attributes:
        missing: shards of which no folder was given, such as "3/8".
        unfinished: shards with less than they planned, in words.
        duplicates: conversations that more than one folder holds, alike in both, such as "gaming/g03".
    """

    missing: tuple[str, ...]
    unfinished: tuple[str, ...]
    duplicates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    folder: RunFolder
    log: RunLog
    shard: Shard


def merge_runs(out: RunFolder, shards: Sequence[RunFolder]) -> Merged:
    """Join shards into `out`, which is made, or holds an earlier merge of the same run.

    Raises:
        UsageError: a folder holds no shard, or they are shards of different runs, or `out` holds something else.
        NotComparable: they were not measured alike, or not by the same model.
        DataError: a folder is damaged, or two hold different records of one conversation; all are named.
    """
    parts = sorted((_part(folder) for folder in shards), key=lambda part: (part.shard.number, str(part.folder.path)))
    if not parts:
        raise UsageError("name the shards to merge: aqaa-eval merge-runs OUT SHARD...")
    _refuse_different(parts)
    out.create()
    with out.held():
        _refuse_occupied(out, parts[0])
        for part in parts:
            _take_audio(part.folder.audio, out.audio)
        duplicates, unfinished = _take_records(out, parts)
        _take_anchors(out.path, [part.folder.path for part in parts])
        out.write_head(
            spec=parts[0].log.spec,
            manifest=_joined_manifest([part.log.manifest for part in parts]),
            cards=dict(parts[0].log.cards),
            n_planned=parts[0].shard.n_whole,
            not_run=_joined_not_run(parts),
        )
    given = {part.shard.number for part in parts}
    n_shards = parts[0].shard.of
    return Merged(
        missing=tuple(f"{number}/{n_shards}" for number in range(1, n_shards + 1) if number not in given),
        unfinished=tuple(unfinished),
        duplicates=tuple(duplicates),
    )


def _part(folder: RunFolder) -> _Part:
    spec, manifest, cards, n_planned = folder.read_head()
    if manifest.shard is None:
        raise UsageError(f"{folder.path} holds a whole run, not a shard; shards come from `aqaa-eval run --shard i/n`")
    log = RunLog(
        folder=folder.path,
        spec=spec,
        manifest=manifest,
        cards=cards,
        attempts=(),
        n_planned=n_planned,
        not_run=folder.read_not_run(),
    )
    return _Part(folder=folder, log=log, shard=manifest.shard)


def _refuse_different(parts: Sequence[_Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        told = [
            f"{name} {getattr(first.log.spec, name)!r} against {getattr(part.log.spec, name)!r}"
            for name in ANSWER_FIELDS
            if getattr(first.log.spec, name) != getattr(part.log.spec, name)
        ]
        if (part.shard.of, part.shard.n_whole) != (first.shard.of, first.shard.n_whole):
            sizes = [f"shard {one} of {one.n_whole:,} conversations" for one in (first.shard, part.shard)]
            told.append(" against ".join(sizes))
        if part.log.manifest.audio_store != first.log.manifest.audio_store:
            told.append("their sound lies in different places")
        if told:
            where = f"{first.folder.path} and {part.folder.path}"
            raise UsageError(f"{where} are shards of different runs: {'; '.join(told)}. Merge each run's shards apart")
    differing = [str(found) for found in chain_differences([part.log for part in parts])]
    models = dict.fromkeys(part.log.manifest.model for part in parts)
    if len(models) > 1:
        differing.append(f"model: {' against '.join(models)}")
    if differing:
        raise NotComparable(
            f"the shards were not measured alike: {'; '.join(differing)}. Score them with one chain "
            "(`aqaa-eval score SHARD`), and let one model answer all"
        )


def _refuse_occupied(out: RunFolder, first: _Part) -> None:
    if not out.head.exists():
        return
    out.refuse_other_shard(None)
    out.refuse_other_spec(first.log.spec)
    out.refuse_other_data(first.log.manifest.suites)
    stored = out.read_head()[1].model
    if stored != first.log.manifest.model:
        raise UsageError(f"{out.path} holds answers of {stored}, the shards those of {first.log.manifest.model}")


def _take_records(out: RunFolder, parts: Sequence[_Part]) -> tuple[list[str], list[str]]:
    """Copy what is not there yet; returns conversations found twice, and shards that lack some, in words."""
    duplicates: list[str] = []
    conflicts: list[str] = []
    unfinished: list[str] = []
    store = Store(out.database)
    try:
        for number, folders in groupby(parts, lambda part: part.shard.number):
            taken = _Taken()
            for part in folders:
                for batch in _batches(taken.new_records(part, store)):
                    store.commit(batch)
            duplicates += taken.duplicates
            conflicts += taken.conflicts
            if len(taken.judged) < taken.n_planned:
                unfinished.append(f"shard {number}/{parts[0].shard.of}: {len(taken.judged)} of {taken.n_planned}")
    finally:
        store.close()
    if conflicts:
        raise DataError(
            f"{len(conflicts)} conversations are not the same in two folders:\n{told_first(conflicts)}\n"
            "Leave out one folder of the two and merge into another OUT"
        )
    return duplicates, unfinished


class _Taken:
    """What the folders of one shard give to the merged run."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.judged: set[str] = set()
        self.duplicates: list[str] = []
        self.conflicts: list[str] = []
        self.n_planned = 0

    def new_records(self, part: _Part, store: Store) -> Iterator[list[Record]]:
        """The records of each conversation that the merged run lacks; differing ones are noted and not given."""
        self.n_planned = part.log.n_planned
        manifest = part.log.manifest
        judge = makers_of(manifest.model, manifest.asr, f"{manifest.judge} on {manifest.asr}")["judge"]
        source = Store(part.folder.database, read_only=True)
        try:
            for (suite, sample, repeat), records in groupby(source.all(), lambda r: (r.suite, r.sample, r.repeat)):
                given = {(r.step, r.maker, r.turn): r for r in records}
                there = {(r.step, r.maker, r.turn): r.body for r in store.of_job(suite, sample, repeat)}
                name = f"{suite}/{sample}" + (f"@{repeat}" if repeat else "")
                if name in self.seen:
                    self.duplicates.append(name)
                self.seen.add(name)
                if ("judge", judge, WHOLE) in given:
                    self.judged.add(name)
                differing = [r.step for key, r in given.items() if there.get(key, r.body) != r.body]
                if differing:
                    told = ", ".join(dict.fromkeys(differing))
                    self.conflicts.append(f"{name} of {part.folder.path}: {told}")
                else:
                    yield [r for key, r in given.items() if key not in there]
        finally:
            source.close()


def _batches(conversations: Iterator[list[Record]]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    for number, records in enumerate(conversations, start=1):
        batch += records
        if number % _BATCH == 0:
            yield batch
            batch = []
    yield batch


def told_first(lines: Sequence[str]) -> str:
    """The first lines of a list, and how many more there are.

    >>> print(told_first(["a", "b"]))
      a
      b
    """
    told = [f"  {line}" for line in lines[:N_TOLD]]
    return "\n".join([*told, f"  and {len(lines) - N_TOLD} more"] if len(lines) > N_TOLD else told)


def _take_audio(source: Path, target: Path) -> None:
    """Link (or, on another file system, copy) every recording; names are hashes, so what is there need not be read."""
    for entry in os.scandir(source):
        if not entry.is_file() or entry.name.endswith(".part") or (target / entry.name).exists():
            continue
        try:
            os.link(entry.path, target / entry.name)
        except OSError:
            part = target / f"{entry.name}.{os.getpid()}.part"
            shutil.copyfile(entry.path, part)
            part.replace(target / entry.name)


def _take_anchors(out: Path, shards: Sequence[Path]) -> None:
    """Join what the judges' anchors showed: the last line of each judge carries the alarms of all shards."""
    lines: list[str] = []
    last: dict[str, dict[str, Any]] = {}
    for path in dict.fromkeys(shard / "anchors.jsonl" for shard in shards):
        if not path.exists():
            continue
        here: dict[str, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            lines.append(line)
            graded = json.loads(line)
            here[graded["judge"]] = graded
        for judge, graded in here.items():
            before = last.get(judge, {"notes": []})["notes"]
            last[judge] = {**graded, "notes": list(dict.fromkeys([*before, *graded["notes"]]))}
    if lines:
        closing = [json.dumps(graded, ensure_ascii=False) for graded in last.values()]
        (out / "anchors.jsonl").write_text("\n".join([*lines, *closing]) + "\n", encoding="utf-8")


def _joined_manifest(manifests: Sequence[Manifest]) -> Manifest:
    """That of the whole run; versions that differ stand side by side."""
    versions: dict[str, dict[str, None]] = {}
    for manifest in manifests:
        for name, version in manifest.versions.items():
            versions.setdefault(name, {})[version] = None
    told: Mapping[str, str] = {name: " and ".join(found) for name, found in versions.items()}
    return replace(manifests[0], shard=None, versions=told)


def _joined_not_run(parts: Sequence[_Part]) -> list[NotRun]:
    """In the order of the whole run: the shards took turns."""
    lists = {part.shard.number: part.log.not_run for part in parts}
    rows = zip_longest(*(lists[number] for number in sorted(lists)))
    return [item for row in rows for item in row if item is not None]
