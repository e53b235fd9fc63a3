"""`aqaa-eval`: the verbs, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys

import typer

from aqaa_eval.cli import (
    ablate,
    calibrate,
    compare,
    doctor,
    export,
    fetch,
    gate,
    leaderboard,
    listing,
    merge,
    plan,
    prefer,
    rate,
    report,
    run,
    score,
    serve,
    train,
    validate,
)
from aqaa_eval.cli.trimming import trimmed
from aqaa_eval.core.errors import AqaaError, ExitCode
from aqaa_eval.core.visible import visible

_INTERRUPTED = 130  # typer's exit code for Ctrl-C

app = typer.Typer(
    name="aqaa-eval",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take half of the time to show this help
    help=(
        "Evaluate voice models that hear a spoken question and answer in speech.\n\n"
        "Start with `aqaa-eval run --model cascade --limit 2`: it asks, listens, scores and writes report.html. "
        "Give the same command again to go on where it stopped.\n\n"
        "Exit codes: 0 done, 1 gate failed, 2 wrong usage, 3 run incomplete, 4 inconclusive, 5 not comparable. "
        "`--debug` before the verb shows tracebacks."
    ),
)
app.command(name="run")(run.run)
app.command(name="score")(score.score)
app.command(name="merge-runs")(merge.merge_runs)
app.command(name="plan")(plan.plan)
app.command(name="report")(report.report)
app.command(name="compare")(compare.compare)
app.command(name="ablate")(ablate.ablate)
app.command(name="prefer")(prefer.prefer)
app.command(name="rate")(rate.rate)
app.command(name="calibrate")(calibrate.calibrate)
app.command(name="gate")(gate.gate)
app.command(name="export")(export.export)
app.command(name="serve")(serve.serve)
app.command(name="list")(listing.list_names)
app.command(name="fetch")(fetch.fetch)
app.command(name="doctor")(doctor.doctor)
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(validate.app, name="validate")
app.add_typer(train.app, name="train")


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if debug:
        os.environ["AQAA_EVAL_DEBUG"] = "1"
    if version:
        from aqaa_eval import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point: one clear message per error, no traceback unless asked for."""
    try:
        trimmed(app, sys.argv[1:])()
    except AqaaError as error:
        _tell(str(error), error.exit_code)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        _tell("stopped; give the same command again to go on", ExitCode.INCOMPLETE)


def _tell(message: str, code: ExitCode) -> None:
    if os.environ.get("AQAA_EVAL_DEBUG"):
        import traceback

        traceback.print_exc()
    print(visible(f"aqaa-eval: {message}"), file=sys.stderr)
    sys.exit(int(code))
