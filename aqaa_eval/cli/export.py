"""`aqaa-eval export`: a run for other programs, or as a baseline for git."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

FORMATS = ("baseline",)


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    format_: Annotated[
        str, typer.Option("--format", help="baseline: one file of at most 1 MB, without sound.")
    ] = "baseline",
) -> None:
    """Write a stored run in another form.

    aqaa-eval export runs/cascade-1a2b3c4d --format baseline --out baseline.json.gz
    """
    from aqaa_eval.core.errors import UnknownName
    from aqaa_eval.engine.baseline import write_baseline
    from aqaa_eval.engine.load import load_run

    if format_ not in FORMATS:
        raise UnknownName("format", format_, FORMATS)
    size = write_baseline(load_run(run), out)
    print(f"{out}: {size:,} bytes", file=sys.stderr)
