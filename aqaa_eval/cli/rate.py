"""`aqaa-eval rate`: a page where people listen blind and rate."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer


def rate(
    runs: Annotated[list[Path], typer.Argument(help="A run folder to rate, or two to compare.")],
    rater: Annotated[str, typer.Option(help="Who rates: a name or a number, written in every row.")],
    out: Annotated[Path, typer.Option(help="CSV that the ratings are added to.")] = Path("ratings.csv"),
    metric: Annotated[str, typer.Option(help="What is rated: content, delivery, speech, chat, mos.")] = "content",
    limit: Annotated[int | None, typer.Option(min=1, help="Conversations at the most. (default: all)")] = None,
    seed: Annotated[int, typer.Option(help="Decides the order, and the sides of a comparison.")] = 0,
    host: Annotated[str, typer.Option(help="Address; others than loopback need a token in AQAA_EVAL_TOKEN.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8011,
) -> None:
    """Serve a page to listen and rate from 1 to 5, without model names or scores; give it again to go on.

    aqaa-eval rate runs/first --rater ann --out human.csv

    aqaa-eval calibrate runs/first --ratings human.csv
    """
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.serving.listener import token_from_environment
    from aqaa_eval.serving.rating.server import RatingServer
    from aqaa_eval.serving.rating.session import Session, SessionSettings, make_tasks

    logs = {path.resolve().name: load_run(path) for path in runs}
    if len(logs) < len(runs):
        raise UsageError("the two runs have one folder name; ratings could not tell them apart: rename one")
    settings = SessionSettings(rater=rater, metric=metric, seed=seed, limit=limit)
    session = Session(make_tasks(logs, settings), settings, out)
    server = RatingServer(session, host=host, port=port, token=token_from_environment())
    told = f"{session.n_done} of {len(session.tasks)} rated"
    print(f"{server.url}/ ({told}; Ctrl-C stops it, the same command goes on)", file=sys.stderr)
    with suppress(KeyboardInterrupt):
        server.run()
    print(f"stopped: {session.n_done} of {len(session.tasks)} rated, in {out}", file=sys.stderr)
