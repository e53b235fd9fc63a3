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
    seed: Annotated[
        int, typer.Option(help="Of the resampling, and of the order of answers while names are hidden.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Write a page with players there, such as compare.html.")] = None,
    blind: Annotated[bool, typer.Option("--blind", help="The page opens with the names hidden.")] = False,
    embed_mb: Annotated[
        float, typer.Option(min=0, help="Sound that the page carries, in MB; more is linked from the runs' folders.")
    ] = 25,
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON on stdout.")] = False,
) -> None:
    """Paired differences per suite with 95 % intervals, and the conversations that changed.

    aqaa-eval compare runs/before runs/after --out compare.html
    """
    from aqaa_eval.cli.config import names_of
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.reports.compare import compare as lay
    from aqaa_eval.reports.compare_table import comparison_json, print_comparison

    if blind and out is None:
        raise UsageError("--blind is of the page: give --out compare.html too")
    logs = [load_run(run) for run in runs]
    found = lay(logs, metric=metric, allowed=names_of(allow_different), seed=seed)
    if out is not None:
        from aqaa_eval.reports.compare_page import CompareSettings, write_comparison

        settings = CompareSettings(blind=blind, seed=seed, max_embedded_bytes=round(embed_mb * 1e6))
        print(f"page: {write_comparison(logs, found, out, settings)}", file=sys.stderr)
    if json_:
        print(json.dumps(comparison_json(found), indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    print_comparison(found, Console(width=None if sys.stdout.isatty() else 120))
