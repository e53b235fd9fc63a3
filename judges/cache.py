"""Verdicts that were bought, in `verdicts.sqlite` of the run folder: a killed run buys none of them twice.

A verdict counts as bought when it is on disk: write-ahead log, `synchronous=FULL`. Commits run in a thread of their
own and take all verdicts that came meanwhile, so the disk does not slow the judging down.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import DataError

PATIENCE_S = 0.01
"""How long a verdict waits for others to be committed with it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    judge TEXT NOT NULL, prompt TEXT NOT NULL, input TEXT NOT NULL, repeat INTEGER NOT NULL,
    body BLOB NOT NULL, n_prompt_tokens INTEGER NOT NULL, n_reply_tokens INTEGER NOT NULL, cost REAL NOT NULL,
    PRIMARY KEY (judge, prompt, input, repeat)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictKey:
    """What a verdict is a function of.

    Attributes:
        judge: identity of the judge: model and settings.
        prompt: SHA-256 of the rules and the rubric.
        input: SHA-256 of the item with its answers.
        repeat: number of the repeat, from 0.
    """

    judge: str
    prompt: str
    input: str
    repeat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """One verdict with what it took."""

    body: bytes
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0
    cost: float = 0.0


_Item = tuple[VerdictKey, Bought, "asyncio.Future[None]", asyncio.AbstractEventLoop]


class VerdictCache:
    """The verdicts of one run folder. `get` and `put` are for one event loop."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            DataError: it is no such database, or cannot be written.
        """
        self._path = path
        try:
            self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=FULL")
            self._writer.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise DataError(f"{path}: not a usable file of verdicts ({error}); move it away") from error
        self._inbox: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="verdicts", daemon=True)
        self._thread.start()

    def get(self, key: VerdictKey) -> bytes | None:
        """The verdict's body, if it was bought."""
        query = "SELECT body FROM verdicts WHERE judge = ? AND prompt = ? AND input = ? AND repeat = ?"
        row = self._reader.execute(query, (key.judge, key.prompt, key.input, key.repeat)).fetchone()
        return None if row is None else bytes(row[0])

    async def put(self, key: VerdictKey, bought: Bought) -> None:
        """Write a verdict; on return it is durable.

        Raises:
            DataError: the disk is full or the file damaged.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._inbox.put((key, bought, done, loop))
        await done

    def close(self) -> None:
        """Write what is waiting and release the file."""
        self._inbox.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _write(self) -> None:
        while True:
            batch, is_last = self._take()
            if batch:
                problem = self._commit(batch)
                loop = batch[0][3]
                loop.call_soon_threadsafe(_settle, [done for _, _, done, _ in batch], problem)
            if is_last:
                return

    def _take(self) -> tuple[list[_Item], bool]:
        """Wait for one item, then a moment for others; True once the cache closes."""
        item = self._inbox.get()
        batch: list[_Item] = []
        until_s = time.monotonic() + PATIENCE_S
        while item is not None:
            batch.append(item)
            try:
                item = self._inbox.get(timeout=max(0.0, until_s - time.monotonic()))
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Item]) -> DataError | None:
        rows = [
            (k.judge, k.prompt, k.input, k.repeat, b.body, b.n_prompt_tokens, b.n_reply_tokens, b.cost)
            for k, b, _, _ in batch
        ]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            return DataError(f"{self._path}: cannot write ({error}); free the disk, then give the command again")
        return None


def _settle(waiting: list[asyncio.Future[None]], problem: DataError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if problem is None:
            done.set_result(None)
        else:
            done.set_exception(problem)
