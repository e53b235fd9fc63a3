"""`aqaa-eval calibrate`: hold a judge's scores against people's ratings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from aqaa_eval.core.attempt import Estimate
    from aqaa_eval.judges.calibrate import Agreement, Calibration

MEASURES = ("spearman", "kendall", "kappa", "alpha", "bias", "pairwise")


def calibrate(
    runs: Annotated[list[Path], typer.Argument(help="Run folders that were rated.")],
    ratings: Annotated[Path, typer.Option(help="CSV of people's ratings; see judges/README.md.")],
    write: Annotated[Path | None, typer.Option(help="Write the curves for --judge-set calibration=FILE.")] = None,
    metric: Annotated[str, typer.Option(help="Metrics that get a curve in that file, comma-separated.")] = "content",
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON on stdout.")] = False,
) -> None:
    """Agreement of stored scores with people, beside people's agreement among each other, and the judge's biases.

    aqaa-eval calibrate runs/a runs/b --ratings human.csv
    """
    from aqaa_eval.cli.config import names_of
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.judges.calibrate import calibrate as hold_against
    from aqaa_eval.judges.calibrate import problems_of, write_curves
    from aqaa_eval.judges.ratings import read_ratings

    logs = {path.resolve().name: load_run(path) for path in runs}
    if len(logs) < len(runs):
        raise UsageError("two of the runs have one folder name; ratings could not tell them apart: rename one")
    read = read_ratings(ratings)
    found = hold_against(logs, read.ratings, seed=seed)
    problems = problems_of(read.problems, found)
    for problem in problems:
        print(f"does not count: {problem}", file=sys.stderr)
    if problems:
        print(f"{len(problems)} ratings of {ratings} do not count", file=sys.stderr)
    if json_:
        print(json.dumps(_to_json(found, problems), indent=1, ensure_ascii=False))
    else:
        from rich.console import Console

        _print(found, Console(width=None if sys.stdout.isatty() else 160))
    if write is not None:
        write_curves(write, found, metrics=names_of(metric))
        print(f"curves: {write}; apply with --judge-set calibration={write}", file=sys.stderr)


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def _to_json(found: Calibration, problems: list[str]) -> dict[str, Any]:
    return {
        "agreements": [
            {
                "metric": one.metric,
                "suite": one.suite,
                "judge": {name: _estimate(value) for name, value in one.judge.items()},
                "people": {name: _estimate(value) for name, value in one.people.items()},
                "alpha_people": one.alpha_people,
                "n_raters": one.n_raters,
            }
            for one in found.agreements
        ],
        "systems": {metric: _estimate(value) for metric, value in found.systems.items()},
        "probes": {
            metric: [{"name": p.name, "unit": p.unit, "found": p.is_found, **_estimate(p.estimate)} for p in probes]
            for metric, probes in found.probes.items()
        },
        "curves": [
            {
                "metric": mapped.metric,
                "before": {name: _estimate(value) for name, value in mapped.before.items()},
                "after": {name: _estimate(value) for name, value in mapped.after.items()},
            }
            for mapped in found.mapped
        ],
        "lost": list(found.lost),
        "problems": problems,
    }


def _shown(estimate: Estimate | None) -> str:
    """A value with its interval.

    >>> from aqaa_eval.core.attempt import Estimate
    >>> _shown(Estimate(value=0.5, low=0.25, high=0.75, n=9, n_clusters=9, unscored=0, failed=0))
    '0.50 (0.25 to 0.75)'
    """
    if estimate is None or estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _print(found: Calibration, console: Console) -> None:
    from rich.table import Table

    table = Table(title="agreement with people, 95 % intervals by conversation")
    for column in ("metric", "suite", "who", "n", *MEASURES):
        table.add_column(column)
    for one in found.agreements:
        table.add_row(one.metric, one.suite, "judge", *_cells(one, people=False))
        if one.people:
            table.add_row("", "", f"{one.n_raters} people among each other", *_cells(one, people=True))
    console.print(table)
    for metric, value in found.systems.items():
        console.print(f"{metric}, by system: Spearman {_shown(value)} over {value.n} runs")
    for metric, probes in found.probes.items():
        for probe in probes:
            mark = "found" if probe.is_found else "not found"
            told = f"{_shown(probe.estimate)} {probe.unit}: {probe.told}"
            console.print(f"{metric}, bias by {probe.name}: {mark}, {told}")
    for mapped in found.mapped:
        told = ", ".join(
            f"{name} {_shown(mapped.before[name])} to {_shown(mapped.after[name])}" for name in mapped.after
        )
        console.print(f"{mapped.metric}, with a curve, on conversations that it has not seen: {told}")
    if found.lost:
        console.print(f"{len(found.lost)} rated things have no score of the judge, such as {found.lost[0]}")


def _cells(one: Agreement, *, people: bool) -> list[str]:
    side = one.people if people else one.judge
    cells = [str(side["bias"].n), *(_shown(side.get(name)) for name in MEASURES)]
    if people and one.alpha_people is not None:
        cells[1 + MEASURES.index("alpha")] = f"{one.alpha_people:.2f}"
    return cells
