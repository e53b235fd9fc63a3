"""`aqaa-eval serve`: a model as an OpenAI-compatible server, and a page to talk to it."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[str, typer.Option(help="Model to serve, such as cascade or reference:/path.")] = "cascade",
    host: Annotated[str, typer.Option(help="Address; others than loopback need a token in AQAA_EVAL_TOKEN.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8010,
    name: Annotated[str | None, typer.Option(help="Name under which clients ask for it. (default: the model)")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the model, for openai:MODEL and the like.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model, name=value.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let a model run code that lies in its checkpoint.")
    ] = False,
    python: Annotated[str | None, typer.Option(help="Interpreter of another environment to run the model in.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="Name under which the server may be called.")] = None,
    waiting: Annotated[int, typer.Option(help="Questions that may wait while one is answered.")] = 8,
    timeout_s: Annotated[float, typer.Option(help="Longest time to an answer.")] = 300.0,
    log: Annotated[Path | None, typer.Option(help="File for what a model in another interpreter prints.")] = None,
) -> None:
    """Serve a model to OpenAI's clients, and open a page at / to talk to it by microphone or file.

    aqaa-eval serve --model cascade

    aqaa-eval run --model openai:cascade --base-url http://127.0.0.1:8010/v1
    """
    from aqaa_eval import catalog
    from aqaa_eval.cli.config import parse_options
    from aqaa_eval.core.runspec import parse_run_spec
    from aqaa_eval.serving.listener import token_from_environment
    from aqaa_eval.serving.server import LocalServer, ServerSettings

    settings = ServerSettings(
        name=name or model,
        host=host,
        port=port,
        token=token_from_environment(),
        allow_hosts=tuple(allow_host or ()),
        n_waiting=waiting,
        limit_s=timeout_s,
    )
    options = parse_options(set_, base_url=base_url, trusts_code=trust_remote_code) or {}
    spec = parse_run_spec({"model": model, "model_options": options, "python": python}, name="command line")
    server = LocalServer(catalog.make_model(spec, log=log), settings)
    print(f"{settings.name}: page at {server.url}/, API at {server.url}/v1 (Ctrl-C stops it)", file=sys.stderr)
    # The server stops on the first Ctrl-C by itself; whether the interrupt is raised again depends on the moment.
    with suppress(KeyboardInterrupt):
        server.run()
    print("stopped", file=sys.stderr)
