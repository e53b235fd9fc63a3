"""`aqaa-eval doctor`: is this machine ready, and if not, which command helps."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from aqaa_eval.core.errors import ExitCode


def doctor(
    folder: Annotated[str, typer.Option(help="Where runs would be written.")] = "runs",
) -> None:
    """Check Python, packages, weights, disk and the bundled data; every line that fails names its remedy.

    Exit code 0 if the default run works here; parts marked `more` can be added and are not missed.
    """
    needed, more = [*_system(folder), *_parts(is_default=True), _data()], _parts(is_default=False)
    for mark, lines in (("LACK", needed), ("more", more)):
        for ok, what, remedy in lines:
            print(f"{'ok  ' if ok else mark}  {what}" + (f"  ->  {remedy}" if remedy and not ok else ""))
    n_lacking, n_more = (sum(not ok for ok, _, _ in lines) for lines in (needed, more))
    told = f"{n_lacking} lacking" if n_lacking else "the default run works here"
    print(f"{told}; {len(needed) + len(more) - n_lacking - n_more} parts ready, {n_more} more can be had")
    raise typer.Exit(int(ExitCode.PASSED if not n_lacking else ExitCode.INCOMPLETE))


Line = tuple[bool, str, str]
DEFAULT = frozenset({"cascade", "whisper", "checks", "distillmos", "dnsmos", "acoustic"})
"""What the demo uses; no two tables have one of these names."""


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


def _parts(*, is_default: bool) -> list[Line]:
    from aqaa_eval import catalog

    tables = (catalog.MODELS, catalog.TRANSCRIBERS, catalog.JUDGES, catalog.PREDICTORS)
    lines = []
    for table in tables:
        for name, entry in table.items():
            if (name in DEFAULT) is not is_default:
                continue
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
