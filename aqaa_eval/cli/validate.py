"""`aqaa-eval validate`: check what authors write before it is run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from aqaa_eval.core.errors import ExitCode

app = typer.Typer(no_args_is_help=True, help="Check a suite or a model before it is run.")


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
    from aqaa_eval.tasks.suite import BUNDLED, suite_folders
    from aqaa_eval.tasks.validate import validate_suite

    if name in BUNDLED:
        yield from validate_suite(files("aqaa_eval.tasks") / name)
        return
    if Path(name).is_dir():
        for folder in suite_folders(Path(name)):
            yield from validate_suite(folder)
        return
    for suite in catalog.make_suites([name], parse_options(suite_set)):
        yield from suite.not_run
        yield from unheard(suite.samples())


@app.command()
def model(
    name: Annotated[str, typer.Argument(help="Model, as after --model: python:my_models:Model, command:./answer.sh.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model, name=value.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the model, for openai:MODEL and the like.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let a model run code that lies in its checkpoint.")
    ] = False,
    python: Annotated[str | None, typer.Option(help="Interpreter of another environment to run the model in.")] = None,
    limit_s: Annotated[float, typer.Option(help="Seconds after which an answer is said to hang.", min=0.1)] = 600.0,
    json_: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Ask a model what a run will ask it, and show what holds, what does not, and what could not be tried.

    Conversations of one and three turns, silence, a minute of speech, Chinese, a batch, a repeated seed, broken
    input, cancellation, its time-out, its name. Exit code 1 if anything does not hold.

        aqaa-eval validate model python:my_models:Model --set gain=0.5

        aqaa-eval validate model openai:m --base-url http://localhost:8000/v1
    """
    from aqaa_eval import catalog
    from aqaa_eval.cli import conformance
    from aqaa_eval.cli.config import parse_options
    from aqaa_eval.cli.execute import share_cores
    from aqaa_eval.conformance import examine
    from aqaa_eval.conformance.findings import is_passed
    from aqaa_eval.core.runspec import parse_run_spec

    share_cores()
    options = parse_options(set_, base_url=base_url, trusts_code=trust_remote_code) or {}
    spec = parse_run_spec({"model": name, "model_options": options, "python": python}, name="command line")
    chosen = catalog.make_model(spec)
    settings = conformance.exam_settings(spec, limit_s=limit_s)
    findings = list(conformance.told(examine(chosen, conformance.materials(), settings), quiet=json_))
    (conformance.print_json if json_ else conformance.print_findings)(name, findings)
    raise typer.Exit(int(ExitCode.PASSED if is_passed(findings) else ExitCode.GATE_FAILED))
