"""A run in a process of its own that is killed at a chosen moment: at any stage, while it commits, or by the clock."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.attempt import Attempt, Query, Response, Score, Transcript
from aqaa_eval.core.protocols import Clip
from aqaa_eval.engine import audio_store
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.run import Outcome
from aqaa_eval.engine.store import Store
from aqaa_eval.reports.html import write_report
from aqaa_eval.reports.summary import summarise
from tests.engine.builders import CountingTranscriber, LengthJudge, ToneSuite, drive, dump, request

N_SAMPLES, N_TURNS = 6, 2
NEVER = 1 << 60


class Moments:
    """Counts what happens in a run, and kills the process at one of these moments."""

    def __init__(self, kill_at: int = NEVER) -> None:
        self.n = 0
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def pass_one(self) -> int:
        """One more; 0, so that SQLite goes on."""
        with self._lock:
            self.n += 1
            if self.n >= self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # nothing more happens: the signal is on its way
        return 0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A model, an ear and a judge that take their time, and pass moments before and after.

    Attributes:
        asked: file that gets the key of each question before it is answered.
        judged: the same of each sample before it is judged.
        delay_s: of an answer.
        chain_s: of hearing it, and of judging it.
    """

    moments: Moments
    asked: Path
    judged: Path
    delay_s: float = 0.002
    chain_s: float = 0.002
    concurrency: int = 1
    identity: str = "parts@1"

    def answer(self, query: Query) -> Response:
        with self.asked.open("a") as file:
            file.write(query.key + "\n")
        self.moments.pass_one()
        answer = fake.build("slow", {"delay_s": self.delay_s}).answer(query)
        self.moments.pass_one()
        return answer

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.moments.pass_one()
        time.sleep(self.chain_s)
        return CountingTranscriber().transcribe(clips)

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        with self.judged.open("a") as file:
            file.write(attempt.sample.id + "\n")
        self.moments.pass_one()
        time.sleep(self.chain_s)
        return LengthJudge().judge(attempt)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A folder with the questions, the run, and the list of what was asked."""

    root: Path
    concurrency: int = 1
    n_samples: int = N_SAMPLES
    n_turns: int = N_TURNS

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def asked(self) -> list[str]:
        """Keys of all questions so far, in order."""
        return self._told("asked")

    @property
    def judged(self) -> list[str]:
        """Keys of all samples that were judged so far, in order."""
        return self._told("judged")

    def _told(self, name: str) -> list[str]:
        file = self.root / name
        return file.read_text().splitlines() if file.exists() else []

    def drive(self, moments: Moments | None = None, *, delay_s: float = 0.002, chain_s: float | None = None) -> Outcome:
        """Run it here."""
        parts = Parts(
            moments=moments or Moments(),
            asked=self.root / "asked",
            judged=self.root / "judged",
            delay_s=delay_s,
            chain_s=delay_s if chain_s is None else chain_s,
            concurrency=self.concurrency,
        )
        suite = ToneSuite(folder=self.root / "data", n_samples=self.n_samples, n_turns=self.n_turns)
        return drive(request(self.run, parts, suite=suite, judge=parts, transcriber=parts))  # type: ignore[arg-type]

    def answered(self) -> set[str]:
        """Keys of the questions whose answers are on disk."""
        if not (self.run / "run.json").exists() or not (self.run / "run.sqlite").exists():
            return set()
        attempts = load_run(self.run).attempts
        return {f"{a.key}#{index}" for a in attempts for index, turn in enumerate(a.turns) if turn.timing is not None}

    def told(self) -> tuple[str, str, bytes]:
        """All that the run says: its records, every estimate, and the page."""
        log = load_run(self.run)
        return dump(self.run), repr(summarise(log)), write_report(log).read_bytes()

    def counts(self) -> Counter[str]:
        """Records by step; each key of a record is unique by itself, but for its maker."""
        with sqlite3.connect(self.run / "run.sqlite") as db:
            rows = db.execute("SELECT DISTINCT suite, sample, repeat, turn, step FROM records").fetchall()
            n_rows = db.execute("SELECT COUNT(*) FROM records").fetchone()[0]
        db.close()
        assert n_rows == len(rows)
        return Counter(step for *_, step in rows)


def count_moments(site: Site) -> int:
    """How many moments an uninterrupted run of that site has."""
    moments = Moments()
    with watched(moments):
        site.drive(moments)
    return moments.n


@contextmanager
def watched(moments: Moments) -> Iterator[None]:
    """Let moments pass inside transactions, and before every write and sync of a file."""
    opened, write, sync = Store.__init__, audio_store.AudioStore._write, audio_store._sync

    def open_watched(store: Store, path: Path, *, read_only: bool = False) -> None:
        opened(store, path, read_only=read_only)
        store._db.set_progress_handler(moments.pass_one, 200)

    def write_watched(store: audio_store.AudioStore, name: str, encoded: bytes) -> str:
        moments.pass_one()
        return write(store, name, encoded)

    def sync_watched(path: str, handle: int) -> None:
        moments.pass_one()
        sync(path, handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "__init__", open_watched)
        patch.setattr(audio_store.AudioStore, "_write", write_watched)
        patch.setattr(audio_store, "_sync", sync_watched)
        yield


def in_a_child(work: Callable[[], int], *, meanwhile: Callable[[int], None] = lambda _pid: None) -> int:
    """Do the work in a forked process; returns its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            code = work()
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    meanwhile(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(site: Site, *, at: int) -> bool:
    """Go on with the run in a child until that moment; True if it was killed, False if it ended before."""
    moments = Moments(kill_at=at)

    def work() -> int:
        with watched(moments):
            site.drive(moments)
        return 0

    code = in_a_child(work)
    assert code in (0, -signal.SIGKILL), f"the run ended with {code}"
    return code != 0


def killed_by_the_clock(site: Site, *, after_s: float, delay_s: float = 0.02, chain_s: float = 0.02) -> bool:
    """The same, but killed from outside."""

    def strike(pid: int) -> None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)  # it is not waited for yet, so the number is still its own

    code = in_a_child(lambda: (site.drive(delay_s=delay_s, chain_s=chain_s), 0)[1], meanwhile=strike)
    assert code in (0, -signal.SIGKILL), f"the run ended with {code}"
    return code != 0
