"""`aqaa-eval fetch`: bring weights by name, verified by hash."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names from `aqaa-eval list weights`; none means the offline set.")
    ] = None,
) -> None:
    """Fetch weights into the cache, official source first; every file is checked against its SHA-256.

    Safe to repeat: what is present and right is left alone.
    """
    from aqaa_eval.core.fetching import fetch as bring
    from aqaa_eval.core.weights import OFFLINE

    for name in names or OFFLINE:
        path = bring(name, report=lambda line: print(line, file=sys.stderr, flush=True))
        print(f"{name} {path}")
