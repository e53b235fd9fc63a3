"""`aqaa-eval leaderboard`: rank runs on a static site, check such a site against its runs, publish it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aqaa_eval.core.errors import ExitCode

if TYPE_CHECKING:
    from aqaa_eval.reports.leaderboard import Board, Entry

app = typer.Typer(no_args_is_help=True, help="Rank runs on a static site; verify and publish it.")

_RUNS = typer.Argument(help="Run folders or baseline files; NAME=RUN gives a run its name on the board.")


@app.command()
def build(
    runs: Annotated[list[str], _RUNS],
    out: Annotated[Path, typer.Option(help="Folder of the site.")] = Path("site"),
    metric: Annotated[str, typer.Option(help="What is ranked by; higher is better.")] = "mos",
    suites: Annotated[
        str, typer.Option(help="Suites that count, comma-separated. (default: all that the runs have)")
    ] = "",
    min_coverage: Annotated[
        float, typer.Option(help="Share of the conversations that a run needs a score for, to be ranked.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
) -> None:
    """Write index.html and data.json: ranks with intervals, groups, wins, radars, cost; and who is not ranked, and why.

    aqaa-eval leaderboard build runs/a runs/b step7=runs/c --out site
    """
    from aqaa_eval.cli.config import names_of
    from aqaa_eval.reports.leaderboard import BoardSettings
    from aqaa_eval.reports.leaderboard_site import build_site

    settings = BoardSettings(metric=metric, seed=seed, min_coverage=min_coverage, suites=tuple(names_of(suites)))
    board = build_site([_entry(run) for run in runs], out, settings)
    _print(board)
    print(f"site: {out / 'index.html'}", file=sys.stderr)


@app.command()
def verify(
    site: Annotated[Path, typer.Argument(help="Folder that `leaderboard build` wrote.")],
    runs: Annotated[list[str], _RUNS],
) -> None:
    """Compute every number of a site again from its runs; name each that differs, and leave with 1 if one does."""
    from aqaa_eval.reports.leaderboard_verify import verify_site

    found = verify_site(site, [_entry(run).log for run in runs])
    for line in found:
        print(line)
    print(f"{site}: {len(found)} differ" if found else f"{site}: every number holds", file=sys.stderr)
    raise typer.Exit(int(ExitCode.GATE_FAILED if found else ExitCode.PASSED))


@app.command()
def publish(
    site: Annotated[Path, typer.Argument(help="Folder that `leaderboard build` wrote.")],
    to: Annotated[str, typer.Option(help="hf:ORG/NAME (a data set and a static Space), or a folder.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repositories private.")] = False,
) -> None:
    """Write the numbers as a data set (parquet) and the site as a static Space, to a folder or to the Hugging Face hub.

    The hub's token comes from the environment (HF_TOKEN) or from `hf auth login`, never from a flag.
    """
    from aqaa_eval.reports.leaderboard_publish import publish_site

    for place in publish_site(site, to, private=private):
        print(place)


def _entry(written: str) -> Entry:
    """A run, with the name that was given to it."""
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.reports.leaderboard import Entry

    name, sign, path = written.partition("=")
    if sign and not Path(written).exists():
        return Entry(log=load_run(Path(path)), name=name)
    return Entry(log=load_run(Path(written)))


def _print(board: Board) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from aqaa_eval.reports.labels import interval, number
    from aqaa_eval.reports.leaderboard_site import place_of

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("rank", "places", "group", "model", board.settings.metric, "95 % interval"):
        table.add_column(head, no_wrap=head != "model")
    metric = board.settings.metric
    for place in board.rankings[0].standings if board.rankings else ():
        cells = [str(place.rank), place_of(place.low, place.high), place.group, place.name]
        table.add_row(*map(Text, [*cells, number(metric, place.estimate.value), interval(metric, place.estimate)]))
    console.print(table)
    for row in board.apart:
        console.print(Text(f"not ranked: {row.name}: {row.reason}"), soft_wrap=True)
