"""An ablation on the terminal: arms, published figures, effects with a plot, and a sentence per claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aqaa_eval.metrics.effects import Effect
from aqaa_eval.reports.ablation import Findings, Measure, PublishedTable, verdict_sentence
from aqaa_eval.reports.labels import NOTHING, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLOT_WIDTH = 25
"""Characters; odd, so that nothing lies in the middle."""


def print_findings(findings: Findings, console: Console) -> None:
    """The whole ablation, narrow enough for a terminal: measures are rows."""
    from rich.text import Text

    console.print(Text(f"{findings.title}: {findings.question}"), soft_wrap=True)
    console.print(_arms(findings))
    if findings.suites:
        console.print(Text("\nMOS by suite"))
        console.print(_suites(findings))
    for table in findings.published:
        console.print(Text(f"\npublished, not measured here: {table.source}"), soft_wrap=True)
        console.print(_published(findings, table))
        if table.note:
            console.print(Text(table.note), soft_wrap=True)
    if any(effect.difference.value is not None for found in findings.effects.values() for effect in found):
        console.print(Text("\neffects, paired by conversation; * is clear after Holm"), soft_wrap=True)
        console.print(_effects(findings))
    console.print()
    for result in findings.claims:
        console.print(Text(f"- {verdict_sentence(findings, result)}"), soft_wrap=True)
    for arm, reason in findings.missing.items():
        console.print(Text(f"did not run: {arm}: {reason}"), soft_wrap=True)
    for note in findings.notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)


def _table(*heads: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", overflow="fold")
    return table


def _arms(findings: Findings) -> Table:
    from rich.text import Text

    table = _table("", *(arm.name for arm in findings.arms))
    for measure in findings.shown_measures:
        cells = []
        for arm in findings.arms:
            estimate = arm.estimates.get(measure.key)
            cells.append(NOTHING if estimate is None else f"{measure.shown(estimate.value)} (n {estimate.n_clusters})")
        table.add_row(*map(Text, [measure.title, *cells]))
    return table


def _suites(findings: Findings) -> Table:
    from rich.text import Text

    table = _table("", *(arm.name for arm in findings.arms))
    for suite in findings.suites:
        estimates = [arm.suites.get(suite) for arm in findings.arms]
        table.add_row(*map(Text, [suite, *(number("mos", each.value if each else None) for each in estimates)]))
    return table


def _published(findings: Findings, published: PublishedTable) -> Table:
    from rich.text import Text

    table = _table("", *published.arms)
    printed = {key for row in published.arms.values() for key in row}
    for measure in (measure for measure in findings.measures if measure.key in printed):
        table.add_row(
            *map(Text, [measure.title, *(measure.shown(row.get(measure.key)) for row in published.arms.values())])
        )
    return table


def _effects(findings: Findings) -> Table:
    from rich.text import Text

    table = _table("measure", "arm", "against", "n", "difference", "95 % interval", "size", "p (Holm)", "plot")
    for measure in findings.shown_measures:
        found = [effect for effect in findings.effects[measure.key] if effect.difference.value is not None]
        reach = reach_of(found)
        for effect in found:
            table.add_row(*map(Text, _effect_cells(measure, effect, reach)))
    return table


def _effect_cells(measure: Measure, effect: Effect, reach: float) -> list[str]:
    return [
        measure.title,
        effect.arm,
        effect.against,
        str(effect.difference.n_clusters),
        measure.change(effect.difference.value),
        measure.between(effect.difference, as_change=True),
        NOTHING if effect.size is None else f"{effect.size:+.2f}",
        f"{effect.p_holm:.3f}{'*' if effect.is_clear else ' '}",
        text_plot(effect, reach),
    ]


def reach_of(effects: list[Effect]) -> float:
    """What lies at the ends of a symmetric axis for these effects; never 0."""
    bounds = [
        abs(bound)
        for effect in effects
        for bound in (effect.difference.value, effect.difference.low, effect.difference.high)
        if bound is not None
    ]
    return max([*bounds, 1e-9])


def text_plot(effect: Effect, reach: float) -> str:
    """The interval on a line of characters, nothing in the middle.

    >>> from aqaa_eval.metrics.effects import Comparison, effects_of
    >>> arms = {"a": {"1": 2.0, "2": 2.0}, "b": {"1": 1.0, "2": 1.0}}
    >>> text_plot(effects_of(arms, [Comparison(arm="a", against="b")])[0], 2.0)
    '            |     o      '
    """
    middle = PLOT_WIDTH // 2

    def place(bound: float) -> int:
        return middle + round(middle * min(max(bound / reach, -1.0), 1.0))

    line = [" "] * PLOT_WIDTH
    line[middle] = "|"
    estimate = effect.difference
    if estimate.low is not None and estimate.high is not None:
        for at in range(place(estimate.low), place(estimate.high) + 1):
            line[at] = "+" if at == middle else "-"
    line[place(estimate.value or 0.0)] = "o"
    return "".join(line)
