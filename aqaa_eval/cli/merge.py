"""`aqaa-eval merge-runs`: join the shards of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def merge_runs(
    out: Annotated[Path, typer.Argument(help="Run folder to make, or one that an earlier merge made.")],
    shards: Annotated[list[Path], typer.Argument(help="Folders of `run --shard i/n`.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
) -> None:
    """Join shards into one run, equal to the run that was never divided, and write its report.html.

    A shard that is missing or unfinished is named, and the exit code is 3: run it, then merge again.

        aqaa-eval merge-runs runs/whole runs/*-shard-*-of-8
    """
    from aqaa_eval.cli.execute import conclude
    from aqaa_eval.core.errors import ExitCode
    from aqaa_eval.engine.folder import RunFolder
    from aqaa_eval.engine.merging import merge_runs as merge
    from aqaa_eval.engine.merging import told_first

    merged = merge(RunFolder(out), [RunFolder(path) for path in shards])
    code = conclude(RunFolder(out), None, as_json=json_)
    if merged.duplicates:
        told = f"{len(merged.duplicates)} conversations lie in more than one folder, alike, and were taken once:"
        print(f"{told}\n{told_first(merged.duplicates)}", file=sys.stderr)
    if merged.missing:
        print(f"incomplete: no folder of shard {', '.join(merged.missing)}", file=sys.stderr)
    if merged.unfinished:
        print(f"incomplete: not all conversations are done:\n{told_first(merged.unfinished)}", file=sys.stderr)
    if merged.missing or merged.unfinished:
        code = ExitCode.INCOMPLETE
    raise typer.Exit(int(code))
