"""`aqaa-eval validate`: check what authors write before it is run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from aqaa_eval.core.errors import ExitCode

app = typer.Typer(no_args_is_help=True, help="Check a suite's folder before it is run.")


@app.command()
def suite(
    name: Annotated[
        str, typer.Argument(help="Folder with card.yaml, samples.jsonl and audio/, a bundled id, or any other --suite.")
    ],
    suite_set: Annotated[
        list[str] | None, typer.Option(help="Setting of the suite's source, name=value, as for run.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first finding.")] = False,
) -> None:
    """Check card, manifest, recordings, hashes and checks of a suite; each finding names file, line and field."""
    findings = list(islice(_findings(name, suite_set), 1 if strict else None))
    for finding in findings:
        print(finding)
    print(f"{name}: " + (f"{len(findings)} findings" if findings else "no findings"))
    raise typer.Exit(int(ExitCode.USAGE if findings else ExitCode.PASSED))


def _findings(name: str, suite_set: list[str] | None) -> Iterator[object]:
    """A folder is checked as its author wrote it; what comes from elsewhere, as far as it can be asked."""
    from importlib.resources import files

    from aqaa_eval import catalog
    from aqaa_eval.cli.config import parse_options
    from aqaa_eval.cli.notrun import unheard
    from aqaa_eval.tasks.suite import BUNDLED
    from aqaa_eval.tasks.validate import validate_suite

    if name in BUNDLED or Path(name).is_dir():
        yield from validate_suite(files("aqaa_eval.tasks") / name if name in BUNDLED else Path(name))
        return
    for suite in catalog.make_suites([name], parse_options(suite_set)):
        yield from suite.not_run
        yield from unheard(suite.samples())


@app.callback()
def _more_to_come() -> None:
    """Keep `suite` a sub-command, so that other things can be validated beside it."""
