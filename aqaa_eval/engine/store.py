"""The run's database: one SQLite file, one writer, and nothing counts as done before it is on disk.

Every step of every turn is a record keyed by (suite, sample, turn, repeat, step, maker), where `maker` is the identity
of what made it. So a run goes on where it stopped, and a new judge adds records beside the old ones.

What is durable when: before records are committed, the sound that they name is synced (`AudioStore.sync`: every new
file, then the folder). Commits use `synchronous=FULL` on a write-ahead log, so that each one is synced before it
returns. Only then is progress told. After a kill or a power cut the run goes on from the last commit; what was asked
since then is asked again: what is under way, and the answers of the last hundredths of a second, which wait for others
to be committed with them (`executors.local`).

Disks forget, too: every record carries a checksum of its key and body. A damaged one is never read as if it were good:
a reader says so, and a run removes it and makes it anew.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import DataError

WHOLE = -1
"""Turn number of a record that belongs to the whole conversation."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    suite TEXT NOT NULL, sample TEXT NOT NULL, turn INTEGER NOT NULL, repeat INTEGER NOT NULL,
    step TEXT NOT NULL, maker TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER,
    PRIMARY KEY (suite, sample, repeat, step, maker, turn)
) WITHOUT ROWID
"""
_COLUMNS = "suite, sample, turn, repeat, step, maker, body"
_JOB = "suite IS ? AND sample IS ? AND repeat IS ?"
_WAY_OUT = "move it away and give the command of the run again, or save what can be read with `sqlite3 FILE .recover`"


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
        self._begun: set[tuple[str, str, int]] | None = None
        self.n_mended = 0
        mode = "ro" if read_only else "rwc"
        try:
            if not read_only and not path.exists():
                _lay(path)
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
            if not read_only:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(_SCHEMA)
            columns = [row[1] for row in self._db.execute("PRAGMA table_info(records)")]
            self._has_crc = "crc" in columns
            if not self._has_crc and not read_only:  # made by version 0.1.0 before there were checksums
                self._db.execute("ALTER TABLE records ADD COLUMN crc INTEGER")
                self._has_crc = True
        except (sqlite3.Error, OSError) as error:
            raise DataError(f"{path}: not a usable run database ({error}); {_WAY_OUT}") from error

    def commit(self, records: Iterable[Record]) -> None:
        """Write records in one transaction; on return they are durable. A record of the same key is replaced.

        Raises:
            DataError: the database cannot be written (disk full, read-only, damaged).
        """
        rows = [(r.suite, r.sample, r.turn, r.repeat, r.step, r.maker, r.body, _crc(r)) for r in records]
        if not rows:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                f"INSERT OR REPLACE INTO records ({_COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            self._db.execute("COMMIT")
            if self._begun is not None:
                self._begun.update((row[0], row[1], row[3]) for row in rows)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise DataError(
                f"{self._path}: cannot write ({error}); free the disk, then give the command again"
            ) from error

    def mend(self) -> None:
        """Remove records whose bytes are not those that were written; `n_mended` counts them.

        The verdicts of their conversations go too, so that the run passes all steps of these again.

        Raises:
            DataError: the database is damaged beyond that.
        """
        damaged = [record for record, is_sound in self._rows("1", ()) if not is_sound]
        try:
            [found] = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise self._damaged(found)
            for r in damaged:
                key = (r.suite, r.sample, r.repeat)
                self._db.execute(f"DELETE FROM records WHERE {_JOB} AND step = 'judge'", key)
                self._db.execute(
                    f"DELETE FROM records WHERE {_JOB} AND turn IS ? AND step IS ? AND maker IS ?",
                    (*key, r.turn, r.step, r.maker),
                )
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from error
        self.n_mended += len(damaged)

    def of_job(self, suite: str, sample: str, repeat: int) -> list[Record]:
        """All records of one conversation and repeat, of every maker.

        Raises:
            DataError: the database or one of the records is damaged.
        """
        if (suite, sample, repeat) not in self._jobs():
            return []  # of a new run that is every one, and a query costs more than the rest
        return [self._sound(record, ok) for record, ok in self._rows(_JOB, (suite, sample, repeat))]

    def _jobs(self) -> set[tuple[str, str, int]]:
        """Suite, sample and repeat of all conversations that have a record."""
        if self._begun is None:
            try:
                self._begun = set(self._db.execute("SELECT DISTINCT suite, sample, repeat FROM records"))
            except sqlite3.Error as error:
                raise self._damaged(str(error)) from error
        return self._begun

    def all(self) -> Iterator[Record]:
        """Every record, conversation by conversation.

        Raises:
            DataError: the database or one of the records is damaged.
        """
        return (self._sound(record, ok) for record, ok in self._rows("1", ()))

    def _rows(self, where: str, values: tuple[str | int, ...]) -> Iterator[tuple[Record, bool]]:
        """Records, and whether they are as they were written."""
        crc_column = "crc" if self._has_crc else "NULL"
        try:
            for *fields, crc in self._db.execute(f"SELECT {_COLUMNS}, {crc_column} FROM records WHERE {where}", values):
                suite, sample, turn, repeat, step, maker, body = fields
                record = Record(suite=suite, sample=sample, turn=turn, repeat=repeat, step=step, maker=maker, body=body)
                yield record, isinstance(body, bytes) and (crc is None or crc == _crc(record))
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from error

    def _sound(self, record: Record, is_sound: bool) -> Record:
        if is_sound:
            return record
        raise DataError(
            f"{self._path}: the record {record.step!r} of {record.suite}/{record.sample} is damaged, its bytes are not "
            "those that were written; give the command of the run again: it makes that record anew"
        )

    def _damaged(self, reason: str) -> DataError:
        return DataError(f"{self._path}: the database is damaged ({reason}); {_WAY_OUT}")

    def close(self) -> None:
        """Release the file."""
        self._db.close()


def _lay(path: Path) -> None:
    """Put an empty database in place, whole or not at all: one without its table would be taken for damaged."""
    fresh = path.with_name(f"{path.name}.new")
    for left in path.parent.glob(f"{fresh.name}*"):  # by a run that was killed here
        left.unlink()
    with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
        # Already here: a reader could not undo a change of the journal's mode that was cut off half way.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(_SCHEMA)
    os.replace(fresh, path)


def _crc(record: Record) -> int:
    key = f"{record.suite}\0{record.sample}\0{record.turn}\0{record.repeat}\0{record.step}\0{record.maker}\0"
    return zlib.crc32(record.body, zlib.crc32(key.encode("utf-8", "surrogatepass")))
