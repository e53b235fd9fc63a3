"""Is this leaderboard what these runs give? Every number again from the records, every difference by name."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aqaa_eval.core.digest import records_sha256
from aqaa_eval.core.errors import AqaaError, DataError
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.leaderboard import BoardSettings, Entry, build_board
from aqaa_eval.reports.leaderboard_site import DATA, FORMAT, INDEX, board_json, render_board

TOLERANCE = 1e-9
"""Relative; sums of floats may differ in the last bits between processors."""


def read_data(site: Path) -> dict[str, Any]:
    """The numbers of a site.

    Raises:
        DataError: no site lies there, or its data.json is damaged.
    """
    path = site / DATA
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{site}: no leaderboard lies here ({DATA} is missing); `leaderboard build` makes one"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"{path}: is no leaderboard of format {FORMAT}; build it again")
    return data


def verify_site(site: Path, logs: Sequence[RunLog]) -> list[str]:
    """Recompute a site from the runs.

    Args:
        site: folder of the site.
        logs: the runs that it claims to be made of.

    Returns:
        One line per thing that differs, with both values; empty if all holds.

    Raises:
        DataError: no site lies there, or its settings cannot be read.
    """
    stored = read_data(site)
    try:
        rows = [*stored["runs"], *stored["apart"]]
        claimed = {str(row["records_sha256"]): row for row in rows}
        settings = BoardSettings(**{**stored["settings"], "suites": tuple(stored["settings"]["suites"])})
        entries, told = _matched(logs, claimed)
    except (KeyError, TypeError) as error:
        raise DataError(f"{site / DATA}: is malformed ({error}); build the site again") from error
    try:
        board = build_board(entries, settings)
    except AqaaError as error:
        return [*told, f"{DATA}: settings: no board can be made with them ({error})"]
    told += list(_differences(stored, board_json(board), ""))
    page = site / INDEX
    if not page.is_file() or page.read_bytes() != render_board(board).encode("utf-8", "replace"):
        told.append(f"{INDEX}: is not the page that these runs give")
    return told


def _matched(logs: Sequence[RunLog], claimed: Mapping[str, Any]) -> tuple[list[Entry], list[str]]:
    """The runs under the names that the site gives them: by hash, and what is left over by model."""
    given = {records_sha256(log): log for log in logs}
    left = {digest: row for digest, row in claimed.items() if digest not in given}
    entries, told = [], []
    for digest, log in given.items():
        row = claimed.get(digest)
        if row is None:
            other = next((old for old, found in left.items() if found["model"] == log.manifest.model), None)
            row = left.pop(other) if other is not None else None
            was = f"the site was made of {other}" if other is not None else "the site does not have this run"
            told.append(f"{log.folder}: its records have SHA-256 {digest}; {was}")
        entries.append(Entry(log=log, **({"name": row["name"], "report": row["report"]} if row else {})))
    told += [f"{row['name']}: the run with records {digest} was not given" for digest, row in left.items()]
    return _named_once(entries), told


def _named_once(entries: list[Entry]) -> list[Entry]:
    """A site that gives one name to two runs is shown to differ, and does not stop the check."""
    seen: set[str] = set()
    found = []
    for entry in entries:
        found.append(replace(entry, name="") if entry.name in seen else entry)
        seen.add(entry.name)
    return found


def _differences(stored: Any, found: Any, place: str) -> Iterator[str]:
    """Leaves that are not the same, each with its path."""
    if isinstance(stored, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*found, *stored]):
            yield from _differences(stored.get(key), found.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(stored, list) and isinstance(found, list):
        if len(stored) != len(found):
            yield f"{place}: {len(stored)} rows in the site, {len(found)} from the runs"
        for index, (one, two) in enumerate(zip(stored, found, strict=False)):
            yield from _differences(one, two, f"{place}[{_name(two, index)}]")
    elif not _is_same(stored, found):
        yield f"{place}: {json.dumps(stored)} in the site, {json.dumps(found)} from the runs"


def _name(row: Any, index: int) -> str:
    """What a row of a list is called in a message."""
    if not isinstance(row, dict):
        return str(index)
    known = [str(row[key]) for key in ("suite", "name", "first", "second", "model") if key in row]
    return " ".join(known) or str(index)


def _is_same(stored: Any, found: Any) -> bool:
    numbers = (int, float)
    if (
        isinstance(stored, bool)
        or isinstance(found, bool)
        or not (isinstance(stored, numbers) and isinstance(found, numbers))
    ):
        return bool(stored == found)
    return math.isclose(stored, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
