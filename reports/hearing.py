"""The score with and without the conversations that two recognisers heard differently.

A low score that goes away with them was the listening's; one that stays is the model's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.reports.labels import NOTHING, interval, number
from aqaa_eval.reports.summary import GroupSummary, summarise

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingRow:
    """One suite, or the whole run.

    Attributes:
        suite: id of the suite; "overall" for the whole run.
        title: what people call it.
        n_attempts: conversations put to the model.
        n_flagged: of them, those in which the two recognisers disagree on a word.
        everything: the fused score of all; None if there is none.
        sure: of those without a flag.
    """

    suite: str
    title: str
    n_attempts: int
    n_flagged: int
    everything: Estimate | None
    sure: Estimate | None


def is_flagged(attempt: AttemptLog) -> bool:
    """Whether two recognisers disagree on any word of the conversation."""
    seconds = (turn.transcript.second for turn in attempt.turns if turn.transcript is not None)
    return any(second is not None and second.doubts for second in seconds)


def hearing_rows(log: RunLog) -> tuple[HearingRow, ...]:
    """Suites in the order of the run, then the whole run; empty if no second recogniser heard anything."""
    transcripts = (turn.transcript for attempt in log.attempts for turn in attempt.turns)
    if not any(transcript is not None and transcript.second is not None for transcript in transcripts):
        return ()
    sure = summarise(replace(log, attempts=tuple(a for a in log.attempts if not is_flagged(a))))
    everything = summarise(log)
    kept = {row.suite: row for row in (*sure.suites, sure.overall)}
    return tuple(_row(row, kept.get(row.suite)) for row in (*everything.suites, everything.overall))


def _row(row: GroupSummary, kept: GroupSummary | None) -> HearingRow:
    return HearingRow(
        suite=row.suite,
        title=row.title,
        n_attempts=row.n_attempts,
        n_flagged=row.n_attempts - (kept.n_attempts if kept else 0),
        everything=row.metrics.get("mos"),
        sure=kept.metrics.get("mos") if kept else None,
    )


def hearing_json(rows: tuple[HearingRow, ...]) -> dict[str, Any]:
    """The rows as plain values, by suite."""
    return {row.suite: asdict(row) for row in rows}


def print_hearing(rows: tuple[HearingRow, ...], console: Console) -> None:
    """Print the table; nothing if only one recogniser heard the run."""
    if not rows:
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("two ears", no_wrap=True)
    for head in ("flagged", "MOS, all", "95 % interval", "MOS, unflagged", "95 % interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        cells = (row.title, f"{row.n_flagged}/{row.n_attempts}", *_cells(row.everything), *_cells(row.sure))
        table.add_row(*(Text(cell) for cell in cells), style="bold" if row is rows[-1] else "")
    console.print(table)


def _cells(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None or estimate.value is None:
        return NOTHING, NOTHING
    return number("mos", estimate.value), interval("mos", estimate)
