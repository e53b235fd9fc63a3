"""`aqaa-eval report`: draw the page of a stored run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    clean: Annotated[
        Path | None, typer.Option(help="The same run without --perturb: say what share of its score is kept.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
) -> None:
    """Write report.html of a stored run and print its table. Same run, same bytes."""
    from aqaa_eval.cli.execute import conclude
    from aqaa_eval.engine.folder import RunFolder

    raise typer.Exit(int(conclude(RunFolder(run), None, as_json=json_, clean=clean)))
