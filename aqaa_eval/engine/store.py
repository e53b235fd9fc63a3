"""The run's database: one SQLite file, one writer, and nothing counts as done before it is on disk.

Every step of every turn is a record keyed by (suite, sample, turn, repeat, step, maker), where `maker` is the identity
of what made it. So a run goes on where it stopped, and a new judge adds records beside the old ones. Commits use
`synchronous=FULL` on a write-ahead log: after a commit returns, the records survive a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import DataError

WHOLE = -1
"""Turn number of a record that belongs to the whole conversation."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    suite TEXT NOT NULL, sample TEXT NOT NULL, turn INTEGER NOT NULL, repeat INTEGER NOT NULL,
    step TEXT NOT NULL, maker TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (suite, sample, repeat, step, maker, turn)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One step of one turn.

    Attributes:
        turn: index of the turn, or `WHOLE`.
        step: "ask", "generate", "transcribe" or "judge".
        maker: identity of what made it; "" for questions.
        body: JSON.
    """

    suite: str
    sample: str
    repeat: int
    turn: int
    step: str
    maker: str
    body: bytes


class Store:
    """The records of one run folder."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if read_only and not path.is_file():
            raise DataError(f"{path}: no such file; a run folder holds run.json and run.sqlite")
        self._path = path
        mode = "ro" if read_only else "rwc"
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
            if not read_only:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise DataError(f"{path}: not a usable run database ({error})") from error

    def commit(self, records: Iterable[Record]) -> None:
        """Write records in one transaction; on return they are durable. A record of the same key is replaced.

        Raises:
            DataError: the database cannot be written (disk full, read-only, damaged).
        """
        rows = [(r.suite, r.sample, r.turn, r.repeat, r.step, r.maker, r.body) for r in records]
        if not rows:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise DataError(
                f"{self._path}: cannot write ({error}); free the disk, then give the command again"
            ) from error

    def of_job(self, suite: str, sample: str, repeat: int) -> list[Record]:
        """All records of one conversation and repeat, of every maker."""
        query = "SELECT turn, step, maker, body FROM records WHERE suite = ? AND sample = ? AND repeat = ?"
        return [
            Record(suite=suite, sample=sample, repeat=repeat, turn=turn, step=step, maker=maker, body=body)
            for turn, step, maker, body in self._rows(query, (suite, sample, repeat))
        ]

    def all(self) -> Iterator[Record]:
        """Every record, conversation by conversation."""
        for suite, sample, turn, repeat, step, maker, body in self._rows("SELECT * FROM records", ()):
            yield Record(suite=suite, sample=sample, repeat=repeat, turn=turn, step=step, maker=maker, body=body)

    def _rows(self, query: str, values: tuple[str | int, ...]) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise DataError(f"{self._path}: the database is damaged ({error})") from error

    def close(self) -> None:
        """Release the file."""
        self._db.close()
