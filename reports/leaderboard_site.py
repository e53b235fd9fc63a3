"""A leaderboard as a static site: index.html for people, data.json with every number for machines, reports beside.

The same runs give the same bytes. The page is drawn from the board alone, loads nothing and opens from disk.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from aqaa_eval.core.digest import records_sha256
from aqaa_eval.core.errors import UsageError
from aqaa_eval.reports.charts import MIN_SPOKES, Spoke, radar_svg
from aqaa_eval.reports.labels import spread
from aqaa_eval.reports.leaderboard import OVERALL, Board, BoardSettings, Entry, build_board
from aqaa_eval.reports.page import PAGE_STYLES, environment, frame_of, write_page
from aqaa_eval.reports.published import CAPABILITIES, MARK, SOURCE

FORMAT = 1
DATA = "data.json"
INDEX = "index.html"


def build_site(entries: Sequence[Entry], folder: Path, settings: BoardSettings | None = None) -> Board:
    """Write the site of a board, with a copy of each run's report where it has one.

    Raises:
        UsageError: as `build_board`, or the folder cannot be written.
    """
    board = build_board([_with_report(entry) for entry in entries], settings)
    for entry in entries:
        source, link = entry.log.folder / "report.html", _report_of(entry)
        if link:
            try:
                (folder / "reports").mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, folder / link)
            except OSError as error:
                raise UsageError(f"{folder / link}: cannot be written ({error.strerror})") from error
    write_page([json.dumps(board_json(board), indent=1, ensure_ascii=False), "\n"], folder / DATA)
    write_page([render_board(board)], folder / INDEX)
    return board


def _with_report(entry: Entry) -> Entry:
    return replace(entry, report=entry.report or _report_of(entry))


def _report_of(entry: Entry) -> str:
    """Where the site keeps a run's report; "" if the run has none. A baseline file shares its folder with others."""
    folder = entry.log.folder
    if not ((folder / "run.json").is_file() and (folder / "report.html").is_file()):
        return ""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", entry.name or entry.log.spec.label)[:60]
    return f"reports/{safe}-{records_sha256(entry.log)[:8]}.html"


def board_json(board: Board) -> dict[str, Any]:
    """Every number of the board as plain values; a missing one is null."""
    return {
        "format": FORMAT,
        "settings": asdict(board.settings) | {"suites": list(board.settings.suites)},
        "chain": dict(board.chain),
        "rankings": [
            asdict(ranking) | {"standings": [asdict(standing) for standing in ranking.standings]}
            for ranking in board.rankings
        ],
        "runs": [asdict(row) | {"coverage": row.coverage} for row in board.runs],
        "apart": [asdict(row) | {"coverage": row.coverage} for row in board.apart],
        "duels": [asdict(duel) for duel in board.duels],
        "strengths": dict(board.strengths),
        "published": [
            {"model": row.model, "mos": dict(row.mos), "mark": row.mark, "source": row.source}
            for row in board.published
        ],
    }


def render_board(board: Board) -> str:
    """The page as text."""
    names = [row.name for row in board.runs]
    return (
        environment()
        .get_template("pages/leaderboard.html.j2")
        .render(
            frame=frame_of((*PAGE_STYLES, "pages/leaderboard.css"), ("pages/base.js",)),
            board=board,
            names=names,
            rows={row.name: row for row in board.runs},
            overall=board.rankings[0] if board.rankings else None,
            rankings=[ranking for ranking in board.rankings if ranking.suite != OVERALL],
            cells=_cells(board),
            duels={(duel.first, duel.second): duel for duel in board.duels},
            radars=_radars(board),
            places=place_of,
            spread=spread,
            capabilities=CAPABILITIES,
            mark=MARK,
            source=SOURCE,
        )
    )


def place_of(low: int, high: int) -> str:
    """Ranks that cannot be told apart, in words.

    >>> place_of(2, 4), place_of(1, 1)
    ('2 to 4', '1')
    """
    return str(low) if low == high else f"{low} to {high}"


def _cells(board: Board) -> Mapping[tuple[str, str], Any]:
    """Standings by suite and name."""
    return {(ranking.suite, standing.name): standing for ranking in board.rankings for standing in ranking.standings}


def _radars(board: Board) -> dict[str, str]:
    """A radar per model on the shared conversations; none for fewer suites than make a polygon."""
    suites = [ranking for ranking in board.rankings if ranking.suite != OVERALL]
    if len(suites) < MIN_SPOKES:
        return {}
    cells = _cells(board)
    drawn = {}
    for row in board.runs:
        found = {ranking.suite: cells.get((ranking.suite, row.name)) for ranking in suites}
        spokes = [
            Spoke(suite=ranking.suite, title=ranking.title, estimate=cell.estimate if cell else None)
            for ranking in suites
            for cell in [found[ranking.suite]]
        ]
        drawn[row.name] = radar_svg(spokes)
    return drawn
