"""The whole bundled set by every way to a model: does each run complete, and what does it cost? Half an hour of CPU.

usage: python -m tests.bench.every_way_in [--out FOLDER] [--limit N] [WAY ...]

Nothing is transcribed: what is looked at is the way to the model and back. The last column is a digest of all answers
and scores: it must be the same for the ways that hand on an echo. Leaves with 1 if it is not, if a run did not end well
or lacks a turn. Without the cascade, which hears, thinks and speaks for real, it takes a third of the time.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from aqaa_eval.core.runlog import AttemptLog
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.store import Store
from aqaa_eval.tasks.suite import BUNDLED, bundled_suite
from tests.bench.harness import Cost, cost_of
from tests.cli.conftest import Done
from tests.cli.ways import PLAIN, WAYS, Place, Way

Turn = tuple[str, str, int]
"""Suite, sample and number of the turn."""
ECHOES = ("in_process", "command", "isolated", "served", "recorded", "replayed")
"""The ways behind which the question is said back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run by one way.

    Attributes:
        n_conversations: in the run's log.
        n_turns: answers that were recorded.
        cost: of the run's process and of its children.
        server_cpu_s: of this process meanwhile, in which the served model lives.
        failures: how many turns have which.
        problem: what is wrong with the run; "" if nothing is.
        digest: see `digest_of`.
    """

    way: str
    n_conversations: int
    n_turns: int
    cost: Cost
    server_cpu_s: float
    failures: Counter[str]
    problem: str
    digest: str

    def __str__(self) -> str:
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in self.failures.most_common()) or "none"
        counts = f"{self.n_conversations} | {self.n_turns} | {self.cost.exit_code} | {told}"
        cpu_s = self.cost.cpu_s + self.server_cpu_s
        costs = f"{self.cost.wall_s:.0f} s | {cpu_s:.0f} s"
        return f"| {self.way} | {counts} | {costs} | {self.problem or 'all once'} | {self.digest} |"


def planned_turns(limit: int | None) -> list[Turn]:
    """Every turn of the bundled suites that is to be asked."""
    return [
        (name, sample.id, index)
        for name in BUNDLED
        for sample in list(bundled_suite(name).samples())[:limit]
        for index in range(len(sample.turns))
    ]


def answered_turns(run: Path) -> list[Turn]:
    """Every turn with a recorded answer, as often as one is recorded."""
    store = Store(RunFolder(run).database, read_only=True)
    try:
        return [(one.suite, one.sample, one.turn) for one in store.all() if one.step == "generate"]
    finally:
        store.close()


def told_apart(planned: Sequence[Turn], answered: Sequence[Turn]) -> str:
    """What is missing, and what is there twice or unasked; "" if every turn is there once.

    >>> told_apart([("a", "1", 0), ("a", "1", 1)], [("a", "1", 0), ("a", "1", 0)])
    '1 turns lack, first a/1#1; 1 too many, first a/1#0'
    """
    lacking, extra = Counter(planned) - Counter(answered), Counter(answered) - Counter(planned)
    parts = []
    for name, turns in (("turns lack", lacking), ("too many", extra)):
        if turns:
            suite, sample, index = min(turns)
            parts.append(f"{turns.total()} {name}, first {suite}/{sample}#{index}")
    return "; ".join(parts)


def digest_of(attempts: Sequence[AttemptLog]) -> str:
    """Equal for equal answers and scores, turn by turn; times aside."""
    told = [
        (
            attempt.key,
            [(turn.audio, turn.text, turn.failure, turn.transcript) for turn in attempt.turns],
            attempt.scores,
        )
        for attempt in attempts
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:8]


def run_by(way: Way, folder: Path, *, limit: int | None) -> Row:
    """Run the set by one way, in a process of its own."""
    name, run, log = way.__name__, folder / "run", folder / "stderr.log"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        place = Place(folder=folder, cli=_apart, patch=patch, limit=limit)
        with way(place) as model:
            before_s = time.process_time()
            command = ("run", *model, *place.limited, "--out", run, *PLAIN)
            cost = cost_of([str(one) for one in command], may_fail=True, log=log)
            server_cpu_s = time.process_time() - before_s
    attempts = load_run(run).attempts if RunFolder(run).head.exists() else ()
    answered = answered_turns(run) if attempts else []
    failures = Counter(str(turn.failure) for attempt in attempts for turn in attempt.turns if turn.failure)
    return Row(
        way=name,
        n_conversations=len(attempts),
        n_turns=len(answered),
        cost=cost,
        server_cpu_s=server_cpu_s,
        failures=failures,
        problem=told_apart(planned_turns(limit), answered) or (f"see {log}" if cost.exit_code else ""),
        digest=digest_of(attempts),
    )


def _apart(*arguments: object) -> Done:
    cost = cost_of([str(one) for one in arguments], may_fail=True)
    return Done(code=cost.exit_code, out="", err="")


def main(arguments: list[str] | None = None) -> None:
    """Print the table, a row as soon as its run is over."""
    names = [way.__name__ for way in WAYS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.every_way_in", description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"{', '.join(names)} (all)")
    parser.add_argument("--out", type=Path, default=Path("runs/every-way-in"), help="run folders go there")
    parser.add_argument("--limit", type=int, help="conversations per suite (all)")
    options = parser.parse_args(arguments)
    if unknown := set(options.ways) - set(names):
        parser.error(f"no way named {min(unknown)!r}; there are {', '.join(names)}")
    print(
        "| way | conversations | turns | exit code | failures | wall | CPU | recorded | answers and scores |",
        flush=True,
    )
    print("|---" * 9 + "|", flush=True)
    rows = []
    for way in WAYS:
        if not options.ways or way.__name__ in options.ways:
            row = run_by(way, options.out.resolve() / way.__name__, limit=options.limit)
            print(row, flush=True)
            rows.append(row)
    echoes = {row.digest for row in rows if row.way in ECHOES}
    sys.exit(int(len(echoes) > 1 or any(row.problem for row in rows)))


if __name__ == "__main__":
    main()
