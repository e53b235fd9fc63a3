"""`aqaa-eval compare`: two or more runs side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders or baseline files; the first is held against.")],
    metric: Annotated[str, typer.Option(help="What is compared.")] = "mos",
    allow_different: Annotated[
        str, typer.Option(help="Chain parts that may differ: asr, normaliser, judge, channel, perturb, suites.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON on stdout.")] = False,
) -> None:
    """Paired differences per suite with 95 % intervals, and the conversations that changed.

    aqaa-eval compare runs/before runs/after
    """
    from aqaa_eval.cli.config import names_of
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.reports.compare import compare as lay
    from aqaa_eval.reports.compare_table import comparison_json, print_comparison

    found = lay([load_run(run) for run in runs], metric=metric, allowed=names_of(allow_different), seed=seed)
    if json_:
        print(json.dumps(comparison_json(found), indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    print_comparison(found, Console(width=None if sys.stdout.isatty() else 120))
