"""A comparison on the terminal, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.reports.compare import Change, Comparison, RunPair
from aqaa_eval.reports.labels import NOTHING, plural

if TYPE_CHECKING:
    from rich.console import Console

N_CHANGES = 10
"""Conversations that the terminal shows; the page and the JSON have all."""


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values; a missing one is null."""
    return asdict(comparison)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """One table per run that is held against the first, and what changed most; last what to know of the measuring."""
    for pair in comparison.pairs:
        _print_pair(comparison, pair, console)
    for note in comparison.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False, highlight=False)


def _print_pair(comparison: Comparison, pair: RunPair, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    first, other = comparison.names[0], comparison.names[pair.place]
    console.print(Text(f"{other} against {first}, {comparison.metric}, paired by conversation"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("suite", "n", "first", "other", "difference", "95 % interval", "p (Holm)", ""):
        table.add_column(head, justify="left" if head in ("suite", "") else "right", no_wrap=True)
    for row in pair.suites:
        clear = ("better" if (row.difference.value or 0) > 0 else "worse") if row.is_clear else ""
        cells = [row.title, str(row.difference.n), f"{row.first:.2f}", f"{row.other:.2f}", signed(row.difference.value)]
        table.add_row(*map(Text, [*cells, interval(row.difference), f"{row.p:.3f}", clear]))
    overall = ["Overall", str(pair.overall.n_clusters), "", "", signed(pair.overall.value), interval(pair.overall)]
    table.add_row(*map(Text, [*overall, "", ""]), style="bold")
    console.print(table)
    for line in _notes(pair):
        console.print(Text(line), soft_wrap=True)


def _notes(pair: RunPair) -> list[str]:
    lines = [f"allowed to differ: {difference}" for difference in pair.allowed]
    for what, keys in (("first", pair.only_first), ("other", pair.only_other)):
        if keys:
            lines.append(f"only in the {what} run: {plural(len(keys), 'conversation')}")
    lines.append(f"{plural(len(pair.changes), 'conversation')} changed")
    lines += [f"  {change.key}: {_step(change)}{_checks(change)}" for change in pair.changes[:N_CHANGES]]
    return lines


def _step(change: Change) -> str:
    return f"{_value(change.first)} to {_value(change.other)}"


def _checks(change: Change) -> str:
    told = [f"lost {name}" for name in change.lost] + [f"gained {name}" for name in change.gained]
    return f" ({'; '.join(told)})" if told else ""


def _value(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def signed(value: float | None) -> str:
    """A difference with its sign.

    >>> signed(0.25), signed(None)
    ('+0.25', '–')
    """
    return NOTHING if value is None else f"{value:+.2f}"


def interval(estimate: Estimate) -> str:
    """The interval of a difference."""
    return NOTHING if estimate.low is None else f"{signed(estimate.low)} to {signed(estimate.high)}"
