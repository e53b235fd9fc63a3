"""The verdicts' file: durable, shared, and told when it cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.judges.cache import Bought, VerdictCache, VerdictKey


def key(number: int, **other: str | int) -> VerdictKey:
    fields: dict[str, str | int] = {"judge": "j", "prompt": "p", "input": str(number), "repeat": 0, **other}
    return VerdictKey(**fields)  # type: ignore[arg-type]


def test_what_was_put_is_found_by_its_whole_key_also_after_closing(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "v.sqlite")

    async def put_many() -> None:
        await asyncio.gather(*(cache.put(key(n), Bought(body=b"%d" % n, cost=0.5)) for n in range(200)))

    asyncio.run(put_many())
    cache.close()
    cache = VerdictCache(tmp_path / "v.sqlite")
    try:
        assert [cache.get(key(n)) for n in (0, 199)] == [b"0", b"199"]
        others = [key(1, judge="k"), key(1, prompt="q"), key(1, repeat=1), key(200)]
        assert [cache.get(other) for other in others] == [None] * 4
    finally:
        cache.close()


def test_a_verdict_is_on_disk_when_put_returns(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "v.sqlite")
    try:
        asyncio.run(cache.put(key(1), Bought(body=b"x", n_prompt_tokens=3, n_reply_tokens=2, cost=0.25)))
        other = sqlite3.connect(tmp_path / "v.sqlite")
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        rows = other.execute("SELECT body, n_prompt_tokens, n_reply_tokens, cost FROM verdicts").fetchall()
        other.close()
        assert rows == [(b"x", 3, 2, 0.25)]
    finally:
        cache.close()


def test_another_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.sqlite").write_text("not a database, but long enough to be taken for one by its size" * 20)
    with pytest.raises(DataError, match="not a usable file of verdicts"):
        VerdictCache(tmp_path / "v.sqlite")


def test_a_verdict_that_cannot_be_written_is_an_error_for_its_caller(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "v.sqlite")
    try:
        cache._writer.execute("DROP TABLE verdicts")
        with pytest.raises(DataError, match="cannot write"):
            asyncio.run(cache.put(key(1), Bought(body=b"x")))
    finally:
        cache.close()
