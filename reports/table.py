"""The figures of a run on the terminal, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aqaa_eval.reports.kept import Kept, kept_rows, percent, percent_interval
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
    if summary.not_run:
        line += f", {len(summary.not_run):,} not run"
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
        ", ".join(_lost(row)) or "none",
    ]


def _lost(row: GroupSummary) -> list[str]:
    not_run = [f"{row.n_not_run} not run"] if row.n_not_run else []
    return [f"{n} {failure_title(kind)}" for kind, n in row.failures.items()] + not_run


def _n(row: GroupSummary) -> str:
    """Scored conversations of all attempts: "5/6" where one has no MOS."""
    mos = row.metrics.get("mos")
    n = mos.n if mos else 0
    return str(n) if n == row.n_attempts else f"{n}/{row.n_attempts}"


def print_kept(kept: Kept, console: Console) -> None:
    """Print the share of the clean score that every suite keeps."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("suite", no_wrap=True)
    for head in ("clean MOS kept", "95 % interval", "n", "unpaired"):
        table.add_column(head, justify="right", no_wrap=True)
    for title, share in kept_rows(kept):
        cells = (title, percent(share.value), percent_interval(share), str(share.n), str(share.unscored))
        table.add_row(*map(Text, cells))
    console.print(Text(f"\n{' '.join(kept.perturb)} against {kept.clean}, the same conversations"), soft_wrap=True)
    console.print(table)


def _kept_json(kept: Kept) -> dict[str, Any]:
    return {
        "perturb": list(kept.perturb),
        "clean": kept.clean,
        "overall": asdict(kept.overall),
        "suites": {suite: asdict(share) for suite, share in kept.suites.items()},
    }


def to_json(summary: Summary, kept: Kept | None = None) -> dict[str, Any]:
    """The summary as plain values; a missing one is null, never NaN."""
    return {
        "model": summary.model,
        "n_attempts": summary.n_attempts,
        "n_planned": summary.n_planned,
        "n_suites_scored": summary.n_suites_scored,
        "is_complete": summary.is_complete,
        "n_not_run": len(summary.not_run),
        "not_run": [asdict(item) for item in summary.not_run],
        "notes": list(summary.notes),
        **({"kept": _kept_json(kept)} if kept else {}),
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
        "n_not_run": row.n_not_run,
        "metrics": {metric: asdict(estimate) for metric, estimate in row.metrics.items()},
        "failures": {kind.value: n for kind, n in row.failures.items()},
        "latency": asdict(row.latency),
    }
