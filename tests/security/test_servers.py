"""`serve` and `rate` on the command line: loopback unless there is a token, and none of it from a flag."""

from __future__ import annotations

import http.client
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from aqaa_eval.cli.main import app
from aqaa_eval.cli.rate import rate
from aqaa_eval.cli.serve import serve as serve_verb
from aqaa_eval.core.errors import ExitCode
from aqaa_eval.serving.guard import Rules
from aqaa_eval.serving.listener import is_loopback
from tests.cli.conftest import cli as cli
from tests.serving.builders import Pupil, serve


@pytest.mark.parametrize("verb", [serve_verb, rate], ids=["serve", "rate"])
def test_the_address_that_is_listened_on_is_this_machines_alone(verb: Callable[..., None]) -> None:
    assert is_loopback(inspect.signature(verb).parameters["host"].default)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_are_let_in_with_a_token_only(
    host: str, cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AQAA_EVAL_TOKEN", raising=False)
    done = cli("serve", "--model", "fake:echo", "--host", host, "--port", 0)
    assert done.code == ExitCode.USAGE
    assert f"--host {host} lets other machines in, which needs a token: set AQAA_EVAL_TOKEN" in done.err


def _flags(commands: list[typer.models.CommandInfo]) -> set[str]:
    return {name for info in commands if info.callback for name in inspect.signature(info.callback).parameters}


def test_no_flag_takes_a_secret() -> None:
    groups = [app, *(group.typer_instance for group in app.registered_groups if group.typer_instance)]
    flags = set().union(*(_flags(group.registered_commands) for group in groups))
    assert "model" in flags
    assert not {
        name for name in flags if name.rstrip("_") in ("token", "key", "api_key", "password", "secret", "hf_token")
    }


@pytest.mark.parametrize(
    ("headers", "is_served"),
    [
        ({"host": "127.0.0.1:8010"}, True),
        ({"host": "localhost:8010", "origin": "http://localhost:8010"}, True),
        ({"host": "[::1]:8010"}, True),
        ({"host": "box.lan"}, True),
        ({}, False),
        ({"host": ""}, False),
        ({"host": "evil.example"}, False),
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": "localhost.evil.example"}, False),
        ({"host": "evil.example@127.0.0.1"}, False),
        ({"host": "[::1"}, False),
        ({"host": "localhost", "origin": "null"}, False),
        ({"host": "localhost", "origin": "http://localhost:3000"}, False),
        ({"host": "localhost", "origin": "https://evil.example"}, False),
        ({"host": "localhost", "origin": "http://localhost.evil.example"}, False),
    ],
)
def test_a_rebound_name_and_a_page_of_another_site_are_told_by_their_headers(
    headers: dict[str, str], is_served: bool
) -> None:
    refusal = Rules(names=("box.lan",)).refusal(path="/v1/models", headers=headers)
    assert (refusal is None) == is_served


def test_a_request_without_a_host_gets_nothing() -> None:
    pupil = Pupil()
    with serve(pupil) as server:
        address = server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.putrequest("GET", "/v1/models", skip_host=True)
        connection.endheaders()
        assert connection.getresponse().status in (400, 403)
        connection.close()
    assert pupil.seen == []
