"""`aqaa-eval gate`: may this run replace the baseline?"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aqaa_eval.core.gating import GateResult


def gate(
    candidate: Annotated[Path, typer.Argument(help="Run folder of the candidate.")],
    baseline: Annotated[Path, typer.Option(help="Run folder, or a file of `aqaa-eval export --format baseline`.")],
    metric: Annotated[str, typer.Option(help="What is compared; higher is better.")] = "mos",
    margin: Annotated[
        list[str] | None, typer.Option(help="Loss that is put up with: 0.2, or SUITE=0.3; repeat it. (default: 0.2)")
    ] = None,
    calibrate: Annotated[
        list[Path] | None, typer.Option(help="Runs of one model (A/A) whose chance differences set the margins.")
    ] = None,
    min_: Annotated[list[str] | None, typer.Option("--min", help="Floor: singing=3.5, overall.speech=4.")] = None,
    max_: Annotated[list[str] | None, typer.Option("--max", help="Ceiling: failures=2%, ttfa_p90=1.5s.")] = None,
    allow_different: Annotated[
        str, typer.Option(help="Chain parts that may differ: asr, normaliser, judge, channel, perturb, suites.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the decision as JSON on stdout.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML there.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Append Markdown there. (default: GITHUB_STEP_SUMMARY if it is set)")
    ] = None,
) -> None:
    """Hold a candidate against a baseline: 0 passed, 1 regression, 3 incomplete, 4 inconclusive, 5 not comparable.

    aqaa-eval gate runs/new --baseline baseline.json.gz --min overall=3 --max failures=2%
    """
    from aqaa_eval.cli.config import names_of
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.gates import GateSettings, calibrated_margins
    from aqaa_eval.gates import gate as decide
    from aqaa_eval.reports.floors import hold_floors, parse_floor
    from aqaa_eval.reports.summary import summarise

    log = load_run(candidate)
    floors = [parse_floor(written, at_least=True) for written in min_ or ()]
    floors += [parse_floor(written, at_least=False) for written in max_ or ()]
    margins = calibrated_margins([load_run(path) for path in calibrate], metric=metric) if calibrate else {}
    general, named = _margins(margin or [])
    settings = GateSettings(
        metric=metric, margin=general, margins={**margins, **named}, allowed=tuple(names_of(allow_different)), seed=seed
    )
    result = decide(log, load_run(baseline), settings, floors=hold_floors(floors, summarise(log)))
    _tell(result, as_json=json_)
    _write(result, junit=junit, markdown=markdown)
    raise typer.Exit(int(result.verdict.exit_code))


def _margins(written: list[str]) -> tuple[float, dict[str, float]]:
    """The general margin, and those of single suites."""
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.gates import DEFAULT_MARGIN

    general, named = DEFAULT_MARGIN, {}
    for item in written:
        suite, _, value = item.rpartition("=")
        try:
            margin = float(value)
        except ValueError as error:
            raise UsageError(f"--margin {item}: write a number of MOS points, or SUITE=NUMBER") from error
        if not 0 < margin < 4:
            raise UsageError(f"--margin {item}: must lie between 0 and 4 MOS points, the scale is 1 to 5")
        if suite:
            named[suite] = margin
        else:
            general = margin
    return general, named


def _tell(result: GateResult, *, as_json: bool) -> None:
    from aqaa_eval.reports.ci import gate_json, print_gate

    if as_json:
        print(json.dumps(gate_json(result), indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    print_gate(result, Console(width=None if sys.stdout.isatty() else 140))


def _write(result: GateResult, *, junit: Path | None, markdown: Path | None) -> None:
    from aqaa_eval.reports.ci import junit_xml, step_summary

    if junit:
        junit.write_text(junit_xml(result), encoding="utf-8")
    target = markdown or (Path(os.environ["GITHUB_STEP_SUMMARY"]) if os.environ.get("GITHUB_STEP_SUMMARY") else None)
    if target:
        with target.open("a", encoding="utf-8") as file:
            file.write(step_summary(result))
