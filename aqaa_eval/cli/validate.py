"""`aqaa-eval validate`: check what authors write before it is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aqaa_eval.core.errors import ExitCode

app = typer.Typer(no_args_is_help=True, help="Check a suite's folder before it is run.")


@app.command()
def suite(
    folder: Annotated[Path, typer.Argument(help="Folder with card.yaml, samples.jsonl and audio/, or a bundled id.")],
) -> None:
    """Check card, manifest, recordings, hashes and checks of a suite; each finding names file, line and field."""
    from importlib.resources import files

    from aqaa_eval.tasks.suite import BUNDLED
    from aqaa_eval.tasks.validate import validate_suite

    root = files("aqaa_eval.tasks") / str(folder) if str(folder) in BUNDLED else folder
    findings = validate_suite(root)
    for finding in findings:
        print(finding)
    print(f"{folder}: " + (f"{len(findings)} findings" if findings else "no findings"))
    raise typer.Exit(int(ExitCode.USAGE if findings else ExitCode.PASSED))


@app.callback()
def _more_to_come() -> None:
    """Keep `suite` a sub-command, so that other things can be validated beside it."""
