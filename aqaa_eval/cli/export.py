"""`aqaa-eval export`: a run for other programs, or as a baseline for git."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

BASELINE = "baseline"
INSPECT = "inspect"


def export(
    run: Annotated[Path, typer.Argument(help="Run folder, or a baseline file.")],
    out: Annotated[Path, typer.Option(help="File to write for a baseline or a log; a folder for the other formats.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="baseline: one file of at most 1 MB, without sound. jsonl, csv, parquet: one table of scores and one "
            "of turns. hf: both as a data set for the Hugging Face hub. inspect: one log for Inspect (inspect_ai).",
        ),
    ] = BASELINE,
) -> None:
    """Write a stored run in another form.

    aqaa-eval export runs/cascade-1a2b3c4d --format baseline --out baseline.json.gz

    aqaa-eval export runs/cascade-1a2b3c4d --format parquet --out tables/

    aqaa-eval export runs/cascade-1a2b3c4d --format inspect --out logs/cascade.json
    """
    from aqaa_eval.core.errors import UnknownName
    from aqaa_eval.engine.baseline import write_baseline
    from aqaa_eval.engine.export import FORMATS, export_tables
    from aqaa_eval.engine.load import load_run

    if format_ not in (BASELINE, INSPECT, *FORMATS):
        raise UnknownName("format", format_, (BASELINE, INSPECT, *FORMATS))
    log = load_run(run)
    if format_ == BASELINE:
        print(f"{out}: {write_baseline(log, out):,} bytes", file=sys.stderr)
        return
    if format_ == INSPECT:
        from aqaa_eval.reports.inspect_log import write_inspect_log

        print(f"{write_inspect_log(log, out)}: {out.stat().st_size:,} bytes", file=sys.stderr)
        return
    for file in export_tables(log, out, format_=format_):
        print(f"{file}: {file.stat().st_size:,} bytes", file=sys.stderr)
