"""Arms as runs: each is an ordinary run folder, `OUT/arms/NAME`, that every other verb reads too.

Arms that ask the same of the same model, and differ in the ear or the judge only, share one set of answers: the later
folder holds links to the sound and the records of the first. What language models said lies in one file for all arms.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.ablations.findings import Measured
from aqaa_eval.ablations.measures import values_of
from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.folder import ANSWER_FIELDS, RunFolder
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.work import REDONE
from aqaa_eval.reports.ablation import Measure
from aqaa_eval.reports.labels import failure_title, plural
from aqaa_eval.reports.summary import Summary, summarise

ARMS = "arms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an arm lies.

    Attributes:
        arm: its name.
        spec: its run.
        folder: its run folder.
        owner: name of the arm whose answers it shares; its own name if it is the first to ask.
    """

    arm: str
    spec: RunSpec
    folder: RunFolder
    owner: str


def place_arms(runs: Sequence[tuple[str, RunSpec]], out: Path) -> list[Place]:
    """A run folder for every arm, with links where arms share their answers.

    Args:
        runs: names and specs.
        out: the ablation's folder.

    Raises:
        UsageError: the place cannot be written.
    """
    owners: dict[str, str] = {}
    places = []
    for arm, spec in runs:
        owner = owners.setdefault(_asked(spec), arm)
        folder = RunFolder(out / ARMS / arm)
        if owner != arm:
            _link(folder, RunFolder(out / ARMS / owner))
        folder.create()
        places.append(Place(arm=arm, spec=spec, folder=folder, owner=owner))
    return places


def _asked(spec: RunSpec) -> str:
    """What decides the answers, as text."""
    return repr([spec.python, *(getattr(spec, name) for name in ANSWER_FIELDS)])


def _link(folder: RunFolder, owner: RunFolder) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    for mine, theirs in ((folder.audio, owner.audio), (folder.database, owner.database)):
        if not mine.is_symlink() and not mine.exists():
            mine.symlink_to(os.path.relpath(theirs, folder.path))


def read_arms(places: Sequence[Place], measures: Sequence[Measure], out: Path) -> Measured:
    """The values of all arms, from their run folders."""
    logs = {place.arm: load_run(place.folder.path) for place in places}
    summaries = {name: summarise(log) for name, log in logs.items()}
    return Measured(
        values={measure.key: {name: values_of(log, measure) for name, log in logs.items()} for measure in measures},
        places={place.arm: place.folder.path.relative_to(out).as_posix() for place in places},
        suites={name: _suites(summary) for name, summary in summaries.items()},
        notes=tuple(_notes(summaries)),
        is_complete=all(
            summary.is_complete and not REDONE & summary.overall.failures.keys() for summary in summaries.values()
        ),
    )


def _suites(summary: Summary) -> Mapping[str, Estimate]:
    return {row.title: row.metrics["mos"] for row in summary.suites if "mos" in row.metrics}


def _notes(summaries: Mapping[str, Summary]) -> list[str]:
    """Failures of the arms: an arm that often fails has fewer values, and those are its better answers."""
    notes = []
    for name, summary in summaries.items():
        told = ", ".join(f"{n} {failure_title(kind)}" for kind, n in summary.overall.failures.items())
        if told:
            notes.append(f"{name}: {told}, of {plural(summary.overall.n_turns, 'turn')}")
    return notes
