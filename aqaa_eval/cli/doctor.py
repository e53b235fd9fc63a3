"""`aqaa-eval doctor`: is this machine ready, and if not, which command helps."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from aqaa_eval.core.errors import ExitCode


def doctor(
    folder: Annotated[str, typer.Option(help="Where runs would be written.")] = "runs",
) -> None:
    """Check Python, packages, weights, disk and the bundled data; every line that fails names its remedy."""
    lines = [*_system(folder), *_parts(), _data()]
    for ok, what, remedy in lines:
        print(f"{'ok  ' if ok else 'LACK'}  {what}" + (f"  ->  {remedy}" if remedy and not ok else ""))
    n_lacking = sum(not ok for ok, _, _ in lines)
    print(f"{len(lines) - n_lacking} of {len(lines)} ready" + ("" if n_lacking else "; all parts can run"))
    raise typer.Exit(int(ExitCode.PASSED if not n_lacking else ExitCode.INCOMPLETE))


Line = tuple[bool, str, str]


def _system(folder: str) -> list[Line]:
    import os
    import shutil
    from pathlib import Path

    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    free_gb = shutil.disk_usage(place).free / 1e9
    return [
        (platform.python_version().startswith("3.11"), f"Python {platform.python_version()}", "install Python 3.11"),
        (os.access(place, os.W_OK), f"{folder} can be written", "give another --out"),
        (free_gb > 2, f"{free_gb:.0f} GB of disk free", "free at least 2 GB"),
    ]


def _parts() -> list[Line]:
    from aqaa_eval import catalog

    tables = (catalog.MODELS, catalog.TRANSCRIBERS, catalog.JUDGES, catalog.PREDICTORS)
    lines = []
    for table in tables:
        for name, entry in table.items():
            lacking = catalog.missing_of(entry)
            lines.append((not lacking, f"{name}: {entry.about}", "; ".join(lacking)))
    return lines


def _data() -> Line:
    from aqaa_eval.core.errors import AqaaError

    try:
        from aqaa_eval.catalog import make_suites

        n = sum(1 for suite in make_suites(["mini"]) for _ in suite.samples())
    except AqaaError as error:
        return False, f"bundled suites: {error}", "install the package again"
    return True, f"bundled suites: {n} conversations", ""
