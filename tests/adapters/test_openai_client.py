"""The short way to a server nearby tells what the official client tells, reply by reply and fault by fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aqaa_eval.adapters.openai_chat import build
from aqaa_eval.core.attempt import Query
from aqaa_eval.core.errors import ModelError, ModelTimeout
from aqaa_eval.testing.audio_server import AudioChat
from aqaa_eval.testing.completion import completion
from aqaa_eval.testing.server import Chunk, Reply, Request, ScriptedServer, json_reply
from tests.adapters.queries import ask, tone, user

WAYS = ("straight", "client")
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two ways in turn."""
    if request.param == "client":
        monkeypatch.setattr("aqaa_eval.adapters.openai_client.is_plain", lambda _url: False)
    return str(request.param)


def told(handler: Callable[[Request], Reply], *, n: int = 1, **options: object) -> tuple[list[object], int]:
    """Answers, or errors as text, of n questions, and how many requests they took."""
    found: list[object] = []
    with ScriptedServer(handler, prefix="/v1") as server:
        model = build("m", {"base_url": server.base_url, "retries": 0, "attempt_timeout_s": 1.0, **options})
        for _ in range(n):
            try:
                answer = model.answer(question())
                found.append((answer.text, answer.audio and answer.audio.content_hash))
            except (ModelError, ModelTimeout) as error:
                found.append(f"{type(error).__name__}: {error}")
        return found, server.n_requests


def question() -> Query:
    return ask(user(tone(duration_s=0.1, sample_rate_hz=24_000)))


@pytest.mark.parametrize("stream", [False, True])
def test_sound_comes_whole_or_in_pieces(way: str, stream: bool) -> None:
    asked = question().question.audio
    assert asked is not None
    found, n_requests = told(AudioChat(dialect="openai"), n=3, stream=stream)
    assert [sound for _, sound in found] == [asked.content_hash] * 3  # type: ignore[misc]
    assert n_requests == 3


REFUSALS = [
    ({"error": {"message": "no such model", "code": "gone"}}, 404, "ModelError: the server answers 404 gone: "),
    ({"error": {"message": "too long", "type": "limits"}}, 400, "ModelError: the server answers 400 limits: "),
    ({"message": "bare"}, 422, "ModelError: the server answers 422: Error code: 422 - bare"),
    (["no", "object"], 401, "ModelError: the server answers 401: Error code: 401"),
    ({"error": {"message": "later"}}, 503, "ModelError: the server answers 503: Error code: 503 - later (attempt 1"),
]


@pytest.mark.parametrize(("body", "status", "expected"), REFUSALS)
def test_a_refusal_is_told_in_the_same_words(way: str, body: object, status: int, expected: str) -> None:
    [found], _ = told(lambda _request: json_reply(body, status=status))
    assert str(found).startswith(expected)


def test_a_busy_server_is_asked_again_when_it_says(way: str) -> None:
    def busy_once(request: Request) -> Reply:
        if request.number == 0:
            return json_reply({"error": {"message": "busy"}}, status=429, headers={"retry-after": "0.01"})
        return json_reply(completion("42"))

    found, n_requests = told(busy_once, retries=1)
    assert found == [("42", None)]
    assert n_requests == 2


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(status=None), "ModelError: the server broke off the connection"),
        (Reply(chunks=(Chunk(data=b'{"id": '),), hangs_up=True), "ModelError: the server broke off the connection"),
        (json_reply(completion("42"), delay_s=3.0), "ModelTimeout: the server did not answer in time"),
    ],
)
def test_what_breaks_is_told_in_the_same_words(way: str, reply: Reply, expected: str) -> None:
    [found], _ = told(lambda _request: reply)
    assert str(found).startswith(expected)


def test_a_connection_that_the_server_closed_in_between_costs_no_answer(way: str) -> None:
    def closing(_request: Request) -> Reply:
        return json_reply(completion("42"), headers={"connection": "close"})

    found, _ = told(closing, n=3)
    assert found == [("42", None)] * 3


def test_a_redirect_is_left_to_the_client(way: str) -> None:
    def moved(request: Request) -> Reply:
        if not request.path.endswith("/moved"):
            return json_reply({}, status=307, headers={"location": f"{request.path}/moved"})
        return json_reply(completion("42"))

    found, n_requests = told(moved, n=2)
    assert found == [("42", None)] * 2
    assert n_requests == (5 if way == "straight" else 4)
