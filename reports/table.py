"""The figures of a run on the terminal, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aqaa_eval.reports.labels import NOTHING, failure_title, interval, metric_title, number, plural, spread
from aqaa_eval.reports.summary import METRICS, GroupSummary, Summary

if TYPE_CHECKING:
    from rich.console import Console


def print_table(summary: Summary, console: Console) -> None:
    """Print one row per suite and one for the whole run: MOS with its interval, the parts, latency and failures."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("suite", no_wrap=True)
    parts = [metric for metric in METRICS if metric in summary.overall.metrics and metric != "mos"]
    for head in ("MOS", "95 % interval", "n", *(metric_title(part).lower() for part in parts), "TTFA", "RTF"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("failures")
    for row in (*summary.suites, summary.overall):
        style = "bold" if row is summary.overall else ""
        table.add_row(*(Text(cell) for cell in _cells(row, parts)), style=style)
    console.print(Text(_headline(summary)), soft_wrap=True)
    console.print(table)


def _headline(summary: Summary) -> str:
    line = f"{summary.model}: {plural(summary.n_attempts, 'conversation')} of {summary.n_planned:,} planned"
    if summary.overall.n_unjudged:
        line += f", {summary.overall.n_unjudged:,} not judged"
    return line + f"; overall is the mean over {plural(summary.n_suites_scored, 'scored suite')}"


def _cells(row: GroupSummary, parts: list[str]) -> list[str]:
    mos = row.metrics.get("mos")
    latency = row.latency
    return [
        row.title,
        number("mos", mos.value) if mos else NOTHING,
        interval("mos", mos) if mos else NOTHING,
        _n(row),
        *(number(part, row.metrics[part].value) if part in row.metrics else NOTHING for part in parts),
        spread(latency.first_audio_s, unit="s")[0],
        spread(latency.real_time_factor, unit="x")[0],
        ", ".join(f"{n} {failure_title(kind)}" for kind, n in row.failures.items()) or "none",
    ]


def _n(row: GroupSummary) -> str:
    """Scored conversations of all attempts: "5/6" where one has no MOS."""
    mos = row.metrics.get("mos")
    n = mos.n if mos else 0
    return str(n) if n == row.n_attempts else f"{n}/{row.n_attempts}"


def to_json(summary: Summary) -> dict[str, Any]:
    """The summary as plain values; a missing one is null, never NaN."""
    return {
        "model": summary.model,
        "n_attempts": summary.n_attempts,
        "n_planned": summary.n_planned,
        "n_suites_scored": summary.n_suites_scored,
        "is_complete": summary.is_complete,
        "overall": _group_json(summary.overall),
        "suites": {row.suite: _group_json(row) for row in summary.suites},
    }


def _group_json(row: GroupSummary) -> dict[str, Any]:
    return {
        "title": row.title,
        "n_attempts": row.n_attempts,
        "n_conversations": row.n_conversations,
        "n_turns": row.n_turns,
        "n_unjudged": row.n_unjudged,
        "metrics": {metric: asdict(estimate) for metric, estimate in row.metrics.items()},
        "failures": {kind.value: n for kind, n in row.failures.items()},
        "latency": asdict(row.latency),
    }
